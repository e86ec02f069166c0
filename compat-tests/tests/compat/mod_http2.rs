//! mod_http2: HTTP/2 by prior knowledge, by ALPN and by Upgrade.

use compat_tests::h2::{self, H2};
use compat_tests::tls::client;
use compat_tests::{Group, Mpm, Running, group, under_each_mpm};

/// What both write of a request; the count of octets on the wire depends on how fields are packed, and what Apache says of the
/// connection (`%k`, `%X`) on whether it logs before or after the stream is gone.
const LOG: &str =
    r#"%h \"%r\" %>s %b %H %{HTTP2}e %{H2PUSH}e %{H2_PUSH}e %{H2_PUSHED}e %{H2_PUSHED_ON}e %{H2_STREAM_ID}e"#;

fn spoken(name: &str) -> Group {
    group(name)
        .and_modules("http2 headers rewrite cgid")
        .log_format(LOG)
        .conf("Protocols h2c http/1.1\nKeepAliveTimeout 3\n")
        .file("htdocs/a.txt", "hello\n")
        .file("htdocs/1k.txt", "x".repeat(1024))
        .file("htdocs/big.txt", "0123456789abcdef".repeat(20_000))
}

under_each_mpm! {
    fn requests(mpm) {
        let look = |server: &mut Running| {
            let mut h2 = H2::open(server.port(), None);
            let mut seen = String::new();
            for (method, path, fields) in [
                ("GET", "/a.txt", &[][..]),
                ("HEAD", "/a.txt", &[]),
                ("GET", "/nope", &[]),
                ("GET", "/1k.txt", &[("range", "bytes=0-3")]),
                ("GET", "/1k.txt", &[("range", "bytes=2000-")]),
                ("GET", "/a.txt", &[("if-none-match", "*")]),
                ("OPTIONS", "*", &[]),
                ("OPTIONS", "/a.txt", &[]),
                ("FOO", "/a.txt", &[]),
                ("GET", "/big.txt", &[]),
                ("GET", "/a.txt?b=c", &[("referer", "http://x/")]),
            ] {
                let id = h2.ask(method, path, fields);
                seen += &format!("{method} {path}\n{}", h2.see(&[id]));
            }
            seen
        };
        let group = spoken("requests over h2c").mpm(mpm);
        // Under prefork Apache logs that it will not speak HTTP/2, and does; now and then a child crashes at the end.
        if mpm == Mpm::Prefork { group.facts_only(look) } else { group.facts(look) }
    }
}

#[test]
fn errors_of_directives() {
    group("directives of http2").and_modules("http2").syntax(&[
        "H2MaxSessionStreams 0",
        "H2MaxSessionStreams 5",
        "H2MaxSessionStreams x",
        "H2WindowSize 1023",
        "H2WindowSize 1024",
        "H2MinWorkers 0",
        "H2MaxWorkers -1",
        "H2MaxWorkers 3",
        "H2MaxWorkerIdleSeconds x",
        "H2MaxWorkerIdleSeconds 3",
        "H2StreamMaxMemSize 1000",
        "H2SerializeHeaders maybe",
        "H2ModernTLSOnly x",
        "H2Upgrade x",
        "H2Upgrade on",
        "H2Direct x",
        "H2TLSWarmUpSize x",
        "H2TLSCoolDownSecs -1",
        "H2Push x",
        "H2PushPriority foo",
        "H2PushPriority foo after",
        "H2PushPriority * sideways",
        "H2PushPriority * before 3",
        "H2PushPriority * after 0",
        "H2PushPriority * 300",
        "H2PushPriority text/css interleaved 1000",
        "H2PushDiarySize -1",
        "H2PushDiarySize 3",
        "H2PushDiarySize 65536",
        "H2PushDiarySize 64",
        "H2CopyFiles x",
        "H2CopyFiles on",
        "H2PushResource",
        "H2PushResource add",
        "H2PushResource /a critical",
        "H2PushResource /a foo",
        "H2PushResource add /a critical",
        "H2PushResource add /a foo",
        "H2PushResource foo /a critical",
        "H2EarlyHints x",
        "H2Padding -1",
        "H2Padding 9",
        "H2Padding 3",
        "H2OutputBuffering x",
        "H2StreamTimeout x",
        "H2StreamTimeout 10ms",
        "H2MaxDataFrameLen -1",
        "H2MaxHeaderBlockLen -1",
        "H2MaxStreamErrors -1",
        "H2EarlyHint a",
        "H2EarlyHint a \" \"",
        "H2EarlyHint a \"b \"",
        "H2ProxyRequests x",
        "H2WebSockets x",
        "H2WebSockets on",
        "H2SessionExtraFiles 3",
        "H2SerializeHeaders on",
        "<Directory />\nH2Direct on\n</Directory>",
        "<Directory />\nH2Push off\nH2Upgrade off\nH2CopyFiles on\n</Directory>",
        "<Directory />\nH2StreamTimeout 3\n</Directory>",
        "<VirtualHost *:80>\nH2MaxWorkers 3\n</VirtualHost>",
        "Protocols",
        "ProtocolsHonorOrder maybe",
    ]);
}

/// Fields that are refused, requests without a host, bodies with and without a length.
#[test]
fn odd_requests() {
    spoken("odd requests").facts(|server| {
        let mut seen = String::new();
        let port = server.port();
        let long = "a".repeat(9000);
        let plain =
            |name: &'static str, value: &'static str| [&h2::request("GET", "/a.txt")[..], &[(name, value)]].concat();
        let cases: Vec<Vec<(&str, &str)>> = vec![
            vec![(":method", "GET"), (":scheme", "http"), (":path", "/a.txt")],
            vec![(":method", "GET"), (":scheme", "http"), (":path", "/a.txt"), ("host", "other.example.test")],
            vec![(":method", "GET"), (":scheme", "http"), (":authority", "x")],
            vec![(":method", "GET"), (":authority", "x"), (":path", "/a.txt")],
            vec![(":scheme", "http"), (":authority", "x"), (":path", "/a.txt")],
            vec![(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "a.txt")],
            vec![(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "")],
            vec![(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/a.txt")],
            vec![(":method", "CONNECT"), (":authority", "x:443")],
            vec![(":method", "GET"), (":scheme", "http"), (":authority", "x..y"), (":path", "/a.txt")],
            plain("connection", "close"),
            plain("te", "gzip"),
            plain("te", "trailers"),
            plain("transfer-encoding", "chunked"),
            plain("x-a", "b"),
        ];
        for fields in cases {
            let mut h2 = H2::open(port, None);
            let id = h2.fields(&fields, true);
            seen += &format!("{fields:?}\n{}", h2.see(&[id]));
        }
        let mut h2 = H2::open(port, None);
        let id = h2.get("/a.txt", &[("x-long", &long)]);
        seen += &h2.see(&[id]);
        let many: Vec<(String, String)> = (0..110).map(|number| (format!("x-{number}"), "a".into())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for count in [96, 110] {
            let id = h2.get("/a.txt", &many[..count]);
            seen += &format!("{count} fields: {}", h2.see(&[id]));
        }
        seen
    });
}

const ENV: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nX-A: 1\\r\\nx-a: 2\\r\\n\\r\\n'\n\
                   env | grep -E '^(HTTP|H2_?PUSH|H2_STREAM_ID|SERVER_PROTOCOL|REQUEST|CONTENT|HTTPS)' | sort\ncat\n";

#[test]
fn scripts_bodies_and_variables() {
    spoken("bodies over h2c")
        .conf("ScriptAlias /cgi/ @ROOT@/cgi/\nScriptSock @ROOT@/run/cgisock\nLimitRequestBody 5000\n")
        .dir("run")
        .file("cgi/env", ENV)
        .mode("cgi/env", 0o755)
        .facts(|server| {
            let mut h2 = H2::open(server.port(), None);
            let mut seen = String::new();
            let id = h2.get("/cgi/env?a=b", &[("cookie", "a=1"), ("cookie", "b=2"), ("x-b", "1"), ("x-b", "2")]);
            seen += &h2.see(&[id]);
            let id = h2.post("/cgi/env", &[("content-length", "6")], b"abcdef", &[]);
            seen += &h2.see(&[id]);
            let id = h2.post("/cgi/env", &[], b"abcdef", &[]);
            seen += &h2.see(&[id]);
            let id = h2.post("/cgi/env", &[], b"abcdef", &[("x-trailer", "1")]);
            seen += &h2.see(&[id]);
            let id = h2.post("/cgi/env", &[("content-length", "6000")], &[b'a'; 6000], &[]);
            seen += &h2.see(&[id]);
            seen
        });
}

#[test]
fn upgrades() {
    const SETTINGS: &str = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    spoken("upgrades to h2c")
        .conf("Protocols h2 h2c http/1.1\n<Location /no>\nRequire all denied\n</Location>\n<Location /stay>\nH2Upgrade off\n</Location>\n")
        .file("htdocs/stay", "stay\n")
        .facts_only(|server| {
            let mut seen = String::new();
            for (line, more) in [
                ("GET /a.txt", ""),
                ("HEAD /a.txt", ""),
                ("GET /nope", "X-A: b\r\n"),
                ("GET /no", ""),
                ("GET /stay", ""),
                ("OPTIONS *", ""),
            ] {
                let request = format!(
                    "{line} HTTP/1.1\r\nHost: www.example.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{SETTINGS}{more}\r\n"
                );
                let (mut h2, head) = H2::upgrade(server.port(), request.as_bytes());
                seen += &format!("{line}: {}\n", head.lines().next().unwrap_or_default());
                if head.starts_with("HTTP/1.1 101") {
                    seen += &head;
                    seen += &h2.see(&[1]);
                }
            }
            seen
        });
    // Requests that stay with HTTP/1.1, and who is told of what there is.
    let mut cases = spoken("no upgrade").conf("Protocols h2 h2c http/1.1\n");
    for fields in [
        "Connection: Upgrade\r\nUpgrade: h2c\r\n".to_owned(),
        format!("Upgrade: h2c\r\n{SETTINGS}"),
        format!("Connection: Upgrade\r\nUpgrade: h2\r\n{SETTINGS}"),
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{SETTINGS}{SETTINGS}"),
        format!("Connection: Upgrade\r\nUpgrade: foo, http/1.1\r\n{SETTINGS}"),
    ] {
        cases = cases.request(format!("GET /a.txt HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
    }
    cases
        .request(format!(
            "POST /a.txt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{SETTINGS}Content-Length: 3\r\n\r\nabc"
        ))
        .get("/nope")
        .request("GET /a.txt HTTP/1.0\r\n\r\n")
        .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
        .request("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        .check();
}

#[test]
fn alpn() {
    for (name, protocols) in [
        ("h2 first", "Protocols h2 http/1.1"),
        ("h2 second", "Protocols http/1.1 h2"),
        ("h2 alone", "Protocols h2"),
        ("h2c alone", "Protocols h2c"),
        ("the client's order", "Protocols h2 http/1.1\nProtocolsHonorOrder off"),
        ("none", ""),
    ] {
        let conf = format!(
            "{protocols}\n<VirtualHost *:@PORT@>\nServerName www.example.test\nSSLEngine on\n\
             SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName other.example.test\nSSLEngine on\nProtocols http/1.1\n\
             SSLCertificateFile tls/other.crt\nSSLCertificateKeyFile tls/other.key\n</VirtualHost>\n"
        );
        group(&format!("ALPN: {name}")).with_tls().and_modules("http2").conf(&conf).facts_only(|server| {
            let mut seen = String::new();
            for offered in [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["foo", "http/1.1"]] {
                for host in ["www.example.test", "other.example.test"] {
                    let socket = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
                    let agreed = client(host)
                        .protocols(offered)
                        .connect(socket)
                        .map_or_else(|failure| failure, |(facts, _)| facts);
                    seen += &format!("{host} {offered:?}: {agreed}");
                }
            }
            seen
        });
    }
}

/// Hosts with other settings on one connection, and what a request over TLS looks like.
#[test]
fn over_tls() {
    spoken("h2 over TLS")
        .with_tls()
        .conf(
            "Protocols h2 http/1.1\n\
             <VirtualHost *:@PORT@>\nServerName www.example.test\nServerAlias alias.example.test\nSSLEngine on\n\
             SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n\
             RewriteEngine on\nRewriteCond %{HTTP2} on\nRewriteRule ^/rewritten$ /a.txt\n\
             Header set X-H2 expr=%{HTTP2}\nHeader set X-Env %{HTTPS}s\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName other.example.test\nSSLEngine on\nSSLProtocol TLSv1.3\n\
             SSLCertificateFile tls/other.crt\nSSLCertificateKeyFile tls/other.key\n</VirtualHost>\n",
        )
        .facts(|server| {
            let tls = client("www.example.test").protocols(&["h2"]);
            let mut h2 = H2::open(server.port(), Some(&tls));
            let mut seen = String::new();
            for (host, path) in [
                ("www.example.test", "/a.txt"),
                ("www.example.test", "/rewritten"),
                ("alias.example.test", "/a.txt"),
                ("other.example.test", "/a.txt"),
                ("nobody.example.test", "/a.txt"),
            ] {
                let id =
                    h2.fields(&[(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", path)], true);
                seen += &format!("{host}{path}\n{}", h2.see(&[id]));
            }
            seen
        });
}

/// Many streams at a time, under an MPM that has a thread for them and one that has none.
#[test]
fn many_streams() {
    for mpm in [Mpm::Event, Mpm::Worker] {
        spoken("many streams").mpm(mpm).facts_only(|server| {
            let mut h2 = H2::open(server.port(), None);
            let ids: Vec<u32> =
                (0..90).map(|number| h2.get(if number % 3 == 0 { "/big.txt" } else { "/1k.txt" }, &[])).collect();
            h2.wait(&ids);
            ids.iter().map(|id| format!("{id}: {} {}\n", h2.ended(*id), h2.body(*id).len())).collect()
        });
    }
}

/// Resources that responses link to, as far as clients want them.
#[test]
fn pushes() {
    spoken("pushes")
        .conf(
            "Header add Link \"</1k.txt>;rel=preload\"\n\
             <Location /two>\nHeader add Link \"</big.txt>; rel=preload, </nope>;rel=preload;nopush, </next>;rel=next\"\n</Location>\n\
             <Location /off>\nH2Push off\n</Location>\n\
             <Location /early>\nH2PushResource /a.txt\nH2PushResource add /big.txt critical\n</Location>\n",
        )
        .file("htdocs/two", "two\n")
        .file("htdocs/off", "off\n")
        .file("htdocs/early", "early\n")
        .facts_only(|server| {
            let mut seen = String::new();
            for (path, wanted, pushed) in [
                ("/a.txt", 1, &[2][..]),
                ("/a.txt", 0, &[]),
                ("/two", 1, &[2, 4]),
                ("/off", 1, &[]),
                ("/early", 1, &[2, 4, 6]),
                ("/nope", 1, &[]),
                ("/a.txt?none", 1, &[]),
                ("/a.txt?head", 1, &[2]),
                ("/a.txt?fast-load", 1, &[2]),
            ] {
                let mut h2 = H2::with_settings(server.port(), None, &[(2, wanted)]);
                let policy = path.split_once('?').map_or("", |(_, policy)| policy);
                let id = h2.get(path, &[("accept-language", "de"), ("cookie", "a=b"), ("accept-push-policy", policy)]);
                h2.wait(&[id]);
                h2.wait(pushed);
                h2.settle();
                seen += &format!("{path} {wanted}\n{}", h2.show(id));
                for id in [2, 4, 6, 8] {
                    seen += &h2.show(id);
                }
                // The same again is not pushed twice.
                let again = h2.get(path, &[]);
                h2.wait(&[again]);
                h2.settle();
                seen += &h2.show(10);
            }
            seen
        });
}

/// Interim responses, where H2EarlyHints lets them through.
#[test]
fn early_hints() {
    for switch in ["on", "off"] {
        spoken(&format!("H2EarlyHints {switch}"))
            .conf(&format!(
                "H2EarlyHints {switch}\n<Location /early>\nH2PushResource /a.txt\nH2EarlyHint Link \"</b.css>;rel=preload\"\nH2EarlyHint X-A \"b c\"\n</Location>\n\
                 <Directory @ROOT@/htdocs>\nAllowOverride FileInfo AuthConfig\n</Directory>\n"
            ))
            .file("htdocs/early", "early\n")
            .file("htdocs/d/.htaccess", "H2PushResource add /a.txt critical\nH2EarlyHint X-B d\n")
            .file("htdocs/d/x.txt", "x\n")
            .facts_only(|server| {
                let mut h2 = H2::open(server.port(), None);
                let ids = [h2.get("/early", &[]), h2.get("/a.txt", &[]), h2.get("/d/x.txt", &[])];
                h2.see(&ids)
            });
    }
}

/// A server that agrees to WebSocket, says hello and sends everything back.
fn websocket_server() -> u16 {
    use base64::Engine as _;
    use sha1::Digest as _;
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let serve = |mut socket: std::net::TcpStream| -> std::io::Result<()> {
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut octet)?;
            head.push(octet[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let key = head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")));
        let key = key.map_or("", |(_, key)| key).to_owned() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let accept = base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(key));
        let answer = "HTTP/1.1 101 Switching Protocols\r\nX: y\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        write!(socket, "{answer}Sec-WebSocket-Accept: {accept}\r\n\r\nhello; ")?;
        let mut piece = [0; 4096];
        loop {
            match socket.read(&mut piece)? {
                0 => return Ok(()),
                count => socket.write_all(&piece[..count])?,
            }
        }
    };
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || serve(socket));
        }
    });
    port
}

/// WebSockets over a stream (RFC 8441), as far as mod_proxy takes them.
#[test]
fn websockets() {
    use compat_tests::{Backend, Step, says, says_and_closes};
    let backend = Backend::start(&[
        (
            "switch",
            says_and_closes(
                "HTTP/1.1 101 Switching Protocols\r\nX: y\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello from the other side",
            ),
        ),
        (
            "echo",
            vec![
                Step::Send(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(),
                ),
                Step::Echo,
            ],
        ),
        ("refuse", says("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")),
    ]);
    for switch in ["on", "off"] {
        spoken(&format!("H2WebSockets {switch}"))
            .and_modules("proxy proxy_http proxy_wstunnel")
            .conf(&format!(
                "H2WebSockets {switch}\nProxyPass /ws/ http://127.0.0.1:{}/ upgrade=websocket\nProxyPass /good/ http://127.0.0.1:{}/ upgrade=websocket\n",
                backend.port,
                websocket_server()
            ))
            .facts_only(|server| {
                let mut seen = String::new();
                for (path, protocol, said) in [
                    ("/ws/switch", "websocket", ""),
                    ("/ws/echo", "websocket", "there and back"),
                    ("/ws/refuse", "websocket", ""),
                    ("/good/a", "websocket", "there and back"),
                    ("/nope", "websocket", ""),
                ] {
                    let mut h2 = H2::open(server.port(), None);
                    h2.settle();
                    if path == "/ws/switch" {
                        seen += &format!("announced: {}\n", h2.settings.contains(&(8, 1)));
                    }
                    let fields = [
                        (":method", "CONNECT"),
                        (":protocol", protocol),
                        (":scheme", "http"),
                        (":authority", "www.example.test"),
                        (":path", path),
                        ("sec-websocket-version", "13"),
                    ];
                    let id = h2.fields(&fields, false);
                    h2.frame(h2::DATA, h2::END_STREAM, id, said.as_bytes());
                    seen += &format!("{path} {protocol}: {}", h2.see(&[id]));
                }
                seen
            });
    }
}

/// What ends a connection, and how its client hears of it.
#[test]
fn ends() {
    use nix::sys::signal::Signal;
    spoken("ends of connections").conf("KeepAliveTimeout 1\nMaxKeepAliveRequests 2\n").facts_only(|server| {
        let mut seen = String::new();
        let mut h2 = H2::open(server.port(), None);
        let ids: Vec<u32> = (0..5).map(|_| h2.get("/a.txt", &[])).collect();
        seen += &h2.see(&ids);
        h2.drain();
        seen += &format!("idle: {}", h2.end());
        let mut h2 = H2::open(server.port(), None);
        let id = h2.get("/a.txt", &[]);
        h2.wait(&[id]);
        server.signal(Signal::SIGUSR1);
        h2.drain();
        seen += &format!("a graceful restart: {}", h2.end());
        seen
    });
}

/// What the server's settings and frames are held to.
#[test]
fn sizes() {
    spoken("sizes of frames and windows")
        .conf(
            "H2MaxSessionStreams 7\nH2WindowSize 2000\nH2MaxDataFrameLen 1000\nH2MaxHeaderBlockLen 600\nH2StreamMaxMemSize 2048\n\
             <Location /a.txt>\nHeader set X-Long \"expr=%{reqenv:X}\"\nSetEnvIf Query_String long X=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n</Location>\n",
        )
        .and_modules("setenvif")
        .facts_only(|server| {
            let mut h2 = H2::open(server.port(), None);
            h2.settle();
            let mut seen = format!("{:?} {:?}\n", h2.settings.iter().find(|one| one.0 == 3), h2.settings.iter().find(|one| one.0 == 4));
            let id = h2.get("/1k.txt", &[]);
            let mut longest = 0;
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
            while !h2.ended(id) {
                let Some(frame) = h2.next_frame(deadline) else { break };
                longest = longest.max(if frame.kind == h2::DATA { frame.payload.len() } else { 0 });
            }
            seen += &format!("longest {longest}\n{}", h2.show(id));
            let ids = [h2.get("/a.txt", &[]), h2.get("/a.txt?long", &[])];
            seen += &h2.see(&ids);
            seen
        });
}

/// Forward proxies, and interim responses of backends.
#[test]
fn proxies() {
    use compat_tests::{Backend, says};
    let backend = Backend::start(&[
        ("a", says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\nConnection: close\r\n\r\nok")),
        (
            "hints",
            says(
                "HTTP/1.1 103 Early Hints\r\nX-Hint: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            ),
        ),
    ]);
    let authority = format!("127.0.0.1:{}", backend.port);
    for switch in ["on", "off"] {
        spoken(&format!("H2ProxyRequests {switch}"))
            .and_modules("proxy proxy_http")
            .conf(&format!(
                "H2EarlyHints on\nProxyRequests on\nH2ProxyRequests {switch}\nProxyPass /back/ http://{authority}/\n"
            ))
            .facts_only(|server| {
                let mut seen = String::new();
                for (host, path) in
                    [(&*authority, "/a"), ("www.example.test", "/back/a"), ("www.example.test", "/back/hints")]
                {
                    if switch == "on" && host == "www.example.test" {
                        continue;
                    }
                    let mut h2 = H2::open(server.port(), None);
                    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", path)];
                    let id = h2.fields(&fields, true);
                    seen += &format!("{path}: {}", h2.see(&[id]));
                }
                seen
            });
    }
}
