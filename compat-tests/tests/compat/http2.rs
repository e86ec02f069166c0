//! HTTP/2 frame by frame (RFC 9113): what is a fault of a stream, what one of the connection, and what floods come to.

use std::time::Duration;

use compat_tests::h2::{self, H2};
use compat_tests::{Group, Running, group};

fn spoken(name: &str) -> Group {
    group(name)
        .and_modules("http2")
        .conf("Protocols h2c http/1.1\nTimeout 5\nH2StreamTimeout 2\n")
        .file("htdocs/a.txt", "hello\n")
        .file("htdocs/big.txt", "0123456789abcdef".repeat(20_000))
}

/// Which end a connection or stream came to: the code of a fault, or that there is none.
fn end(h2: &mut H2, stream: u32) -> String {
    h2.settle();
    let reset = h2.show(stream).lines().find(|line| line.starts_with("RST_STREAM")).map(str::to_owned);
    match (h2.goaway, reset) {
        (Some((_, code)), _) => format!("connection, GOAWAY {code}"),
        (None, Some(reset)) => format!("stream, {reset}"),
        (None, None) if h2.closed => "connection, closed".into(),
        (None, None) => "alive".into(),
    }
}

/// A client with a stream 1 that is answered, or one that is open.
fn with(server: &Running, open: bool) -> H2 {
    let mut h2 = H2::open(server.port(), None);
    let id = if open {
        h2.fields(&h2::request("POST", "/a.txt"), false)
    } else {
        let id = h2.get("/a.txt", &[]);
        h2.wait(&[id]);
        id
    };
    assert_eq!(id, 1);
    h2.settle();
    h2
}

/// A frame that a client has no business to send, and the state of stream 1 before it.
type Case = (&'static str, bool, u8, u8, u32, Vec<u8>);

#[test]
fn faults() {
    use h2::*;
    let get = || block(&request("GET", "/a.txt"));
    let cases: Vec<Case> = vec![
        ("DATA on stream 0", false, DATA, 0, 0, b"abc".to_vec()),
        ("DATA on an idle stream", false, DATA, 0, 5, b"abc".to_vec()),
        ("HEADERS on stream 0", false, HEADERS, END_HEADERS | END_STREAM, 0, get()),
        ("HEADERS on an even stream", false, HEADERS, END_HEADERS | END_STREAM, 2, get()),
        ("HEADERS with more padding than payload", false, HEADERS, END_HEADERS | PADDED, 3, vec![200, 0x82]),
        ("HEADERS within an open stream, which do not end it", true, HEADERS, END_HEADERS, 1, block(&[("x-a", "b")])),
        ("trailers with a pseudo-field", true, HEADERS, END_HEADERS | END_STREAM, 1, block(&[(":path", "/")])),
        ("PRIORITY on stream 0", false, PRIORITY, 0, 0, vec![0, 0, 0, 1, 1]),
        ("PRIORITY of four octets", false, PRIORITY, 0, 3, vec![0, 0, 0, 1]),
        ("RST_STREAM on stream 0", false, RST_STREAM, 0, 0, vec![0, 0, 0, 8]),
        ("RST_STREAM on an idle stream", false, RST_STREAM, 0, 5, vec![0, 0, 0, 8]),
        ("RST_STREAM of three octets", true, RST_STREAM, 0, 1, vec![0, 0, 8]),
        ("SETTINGS on a stream", false, SETTINGS, 0, 1, vec![]),
        ("SETTINGS of five octets", false, SETTINGS, 0, 0, vec![0; 5]),
        ("an acknowledgement with settings", false, SETTINGS, ACK, 0, vec![0; 6]),
        ("SETTINGS_ENABLE_PUSH 2", false, SETTINGS, 0, 0, vec![0, 2, 0, 0, 0, 2]),
        ("SETTINGS_INITIAL_WINDOW_SIZE too large", false, SETTINGS, 0, 0, vec![0, 4, 0x80, 0, 0, 0]),
        ("SETTINGS_MAX_FRAME_SIZE too small", false, SETTINGS, 0, 0, vec![0, 5, 0, 0, 0x3f, 0xff]),
        ("SETTINGS_MAX_FRAME_SIZE too large", false, SETTINGS, 0, 0, vec![0, 5, 1, 0, 0, 0]),
        ("an unknown setting", false, SETTINGS, 0, 0, vec![0, 99, 0, 0, 0, 1]),
        ("PUSH_PROMISE of a client", true, PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &get()].concat()),
        ("PING on a stream", false, PING, 0, 1, vec![0; 8]),
        ("PING of seven octets", false, PING, 0, 0, vec![0; 7]),
        ("GOAWAY on a stream", false, GOAWAY, 0, 1, vec![0; 8]),
        ("WINDOW_UPDATE of nothing", false, WINDOW_UPDATE, 0, 0, vec![0; 4]),
        ("WINDOW_UPDATE of three octets", false, WINDOW_UPDATE, 0, 0, vec![0; 3]),
        ("WINDOW_UPDATE on an idle stream", false, WINDOW_UPDATE, 0, 5, vec![0, 0, 0, 1]),
        ("WINDOW_UPDATE beyond the most", false, WINDOW_UPDATE, 0, 0, vec![0x7f, 0xff, 0xff, 0xff]),
        ("CONTINUATION alone", false, CONTINUATION, END_HEADERS, 3, get()),
        ("CONTINUATION on stream 0", false, CONTINUATION, END_HEADERS, 0, get()),
        ("a frame of an unknown kind", false, 99, 0xff, 0, vec![1; 20]),
        ("a frame that is too large", false, DATA, 0, 1, vec![0; 16385]),
    ];
    spoken("faults of frames").facts_only(|server| {
        let mut seen = String::new();
        for (name, open, kind, flags, stream, payload) in &cases {
            let mut h2 = with(server, *open);
            h2.frame(*kind, *flags, *stream, payload);
            seen += &format!("{name}: {}\n", end(&mut h2, *stream));
        }
        seen
    });
}

/// Faults of requests, and blocks of fields in several frames.
#[test]
fn sequences() {
    use h2::*;
    spoken("sequences of frames").facts_only(|server| {
        let mut seen = String::new();
        let get = block(&request("GET", "/a.txt"));
        let (one, two) = get.split_at(10);

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_STREAM, 3, one);
        h2.frame(CONTINUATION, 0, 3, b"");
        h2.frame(CONTINUATION, END_HEADERS, 3, two);
        seen += &format!("in three frames: {}", h2.see(&[3]));

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_STREAM, 3, one);
        h2.frame(PING, 0, 0, &[0; 8]);
        seen += &format!("something between: {}\n", end(&mut h2, 3));

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_STREAM, 3, one);
        h2.frame(CONTINUATION, END_HEADERS, 5, two);
        seen += &format!("another stream's: {}\n", end(&mut h2, 3));

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 3, &[&[0, 0, 0, 0, 16][..], &get].concat());
        seen += &format!("with a priority: {}", h2.see(&[3]));

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 3, &[&[5][..], &get, &[0; 5]].concat());
        seen += &format!("padded: {}", h2.see(&[3]));

        let mut h2 = with(server, false);
        h2.frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0xff; 6]);
        h2.drain();
        seen += &format!("fields that cannot be unpacked: refused {}\n", h2.goaway.is_some());

        let mut h2 = with(server, false);
        h2.frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        seen += &format!("a window of a closed stream: {}\n", end(&mut h2, 1));
        h2.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
        seen += &format!("a reset of a closed stream: {}\n", end(&mut h2, 1));
        h2.frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]);
        seen += &format!("a priority of a closed stream: {}\n", end(&mut h2, 1));
        h2.frame(GOAWAY, 0, 0, &[0; 8]);
        h2.drain();
        seen += &format!("farewell: {}", h2.end());

        let mut h2 = H2::silent(server.port(), None);
        h2.send(PREFACE);
        h2.frame(PING, 0, 0, &[0; 8]);
        h2.drain();
        seen += &format!("no settings: {}", h2.end());
        seen
    });
}

/// What a client may not do is refused by ours where Apache's library lets it pass: a stream of a smaller number, and frames on
/// streams that are closed.
#[test]
fn closed_streams_are_closed() {
    use h2::*;
    let get = block(&request("GET", "/a.txt"));
    spoken("closed streams").facts_only(|server| {
        let mut seen = String::new();
        for (name, kind, stream) in [("smaller", HEADERS, 3), ("HEADERS", HEADERS, 7), ("DATA", DATA, 7)] {
            let mut h2 = with(server, false);
            h2.frame(HEADERS, END_HEADERS | END_STREAM, 7, &get);
            h2.wait(&[7]);
            h2.settle();
            let before = h2.show(7);
            h2.frame(kind, END_HEADERS | END_STREAM, stream, &get);
            h2.settle();
            // Nothing is answered twice, whether the client is told of its fault or not.
            let after = h2.show(7).replace("RST_STREAM 5\n", "");
            seen += &format!("{name}: {}\n", after.starts_with(before.trim_end_matches("[ended]\n")));
        }
        seen
    });
}

/// Whether a server still serves others.
fn serves(server: &Running) -> bool {
    let mut h2 = H2::open(server.port(), None);
    let id = h2.get("/a.txt", &[]);
    h2.wait(&[id]);
    h2.body(id) == b"hello\n"
}

/// CVE-2023-44487: requests that are taken back at once.
#[test]
fn rapid_resets() {
    use h2::*;
    spoken("rapid resets").facts_only(|server| {
        let mut h2 = H2::open(server.port(), None);
        for _ in 0..3000 {
            let id = h2.get("/big.txt", &[]);
            h2.frame(RST_STREAM, 0, id, &[0, 0, 0, 8]);
        }
        h2.frame(PING, 0, 0, &[9; 8]);
        h2.listen(Duration::from_secs(4));
        format!("others are served: {}\n", serves(server))
    });
}

/// CVE-2024-27316: fields that never end.
#[test]
fn endless_continuations() {
    use h2::*;
    spoken("endless continuations").facts_only(|server| {
        let mut h2 = H2::open(server.port(), None);
        let filler = block(&[("x-a", &"a".repeat(8000))]);
        h2.frame(HEADERS, END_STREAM, 1, &block(&request("GET", "/a.txt")));
        for _ in 0..2000 {
            h2.frame(CONTINUATION, 0, 1, &filler);
        }
        h2.drain();
        format!("refused: {}, others are served: {}\n", h2.goaway.is_some() || h2.closed, serves(server))
    });
}

/// CVE-2026-49975: few octets that unpack to many, by references to one long entry and by crumbs of a cookie.
#[test]
fn header_bombs() {
    use h2::*;
    spoken("header bombs").facts_only(|server| {
        let mut seen = String::new();
        for name in ["x-bomb", "cookie"] {
            let mut h2 = H2::open(server.port(), None);
            let mut fields = block(&request("GET", "/a.txt"));
            // A literal that enters the table, and references to it.
            fields.push(0x40);
            for part in [name.as_bytes(), &[b'a'; 3000]] {
                let length = part.len();
                if length < 127 {
                    fields.push(length as u8);
                } else {
                    fields.extend([127, ((length - 127) % 128 + 128) as u8, ((length - 127) / 128) as u8]);
                }
                fields.extend(part);
            }
            fields.extend(std::iter::repeat_n(0xbe, 10_000));
            h2.frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields);
            h2.settle();
            let refused = !h2.show(1).contains(":status: 200");
            seen += &format!("{name}: refused {refused}, others are served: {}\n", serves(server));
        }
        seen
    });
}

/// CVE-2023-43622, CVE-2019-9517: windows of nothing, and a client that takes nothing. CVE-2018-17189: bodies that do not come.
#[test]
fn those_who_stand_still() {
    use h2::*;
    spoken("standing still").facts_only(|server| {
        let mut seen = String::new();
        let mut h2 = H2::with_settings(server.port(), None, &[(2, 0), (4, 0)]);
        let ids: Vec<u32> = (0..20).map(|_| h2.get("/big.txt", &[])).collect();
        seen += &format!("others are served meanwhile: {}\n", serves(server));
        h2.wait(&ids);
        seen += &format!("windows of nothing: all reset {}\n", ids.iter().all(|id| h2.ended(*id)) || h2.closed);

        let mut deaf = H2::with_settings(server.port(), None, &[(2, 0), (4, 0x7fff_ffff)]);
        deaf.frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0xff, 0xff, 0xff]);
        for _ in 0..50 {
            deaf.get("/big.txt", &[]);
        }
        seen += &format!("others are served meanwhile: {}\n", serves(server));

        let mut h2 = H2::open(server.port(), None);
        for _ in 0..20 {
            h2.fields(&[&request("POST", "/a.txt")[..], &[("content-length", "1000")]].concat(), false);
        }
        seen += &format!("others are served meanwhile: {}\n", serves(server));
        seen
    });
}

/// Frames that cost an answer each, from a client that does not listen.
#[test]
fn floods() {
    use h2::*;
    spoken("floods").facts_only(|server| {
        let mut seen = String::new();
        for (name, kind, payload) in
            [("PING", PING, vec![0; 8]), ("SETTINGS", SETTINGS, vec![]), ("PRIORITY", PRIORITY, vec![0, 0, 0, 0, 1])]
        {
            let mut h2 = H2::open(server.port(), None);
            let stream = if kind == PRIORITY { 1 } else { 0 };
            let many: Vec<u8> = (0..5000).flat_map(|_| frame(kind, 0, stream, &payload)).collect();
            h2.send(&many);
            seen += &format!("{name}: others are served: {}\n", serves(server));
        }
        seen
    });
}
