//! A client that speaks HTTP/2 frame by frame, and shows what came back in a way that does not depend on how it was cut.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::tls::TlsClient;
use crate::wire::DEADLINE;

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITIZED: u8 = 0x20;

trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

/// A frame as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What came on one stream.
#[derive(Default)]
struct Stream {
    text: String,
    body: Vec<u8>,
    ended: bool,
}

/// One connection.
pub struct H2 {
    pipe: Box<dyn Pipe>,
    socket: TcpStream,
    decoder: hpack::Decoder<'static>,
    held: Vec<u8>,
    block: Vec<u8>,
    streams: BTreeMap<u32, Stream>,
    /// The server's settings, acknowledgements and the end of the connection.
    pub goaway: Option<(u32, u32)>,
    pub closed: bool,
    pub settings: Vec<(u16, u32)>,
    pub acks: usize,
    pub pings: Vec<Vec<u8>>,
    next: u32,
    /// Whether received octets are given back to the server's window.
    pub generous: bool,
}

impl H2 {
    /// Connects and sends preface and settings; without TLS by prior knowledge.
    pub fn open(port: u16, tls: Option<&TlsClient>) -> H2 {
        H2::with_settings(port, tls, &[(2, 0)])
    }
    /// The same with these settings.
    pub fn with_settings(port: u16, tls: Option<&TlsClient>, settings: &[(u16, u32)]) -> H2 {
        let mut h2 = H2::silent(port, tls);
        h2.send(PREFACE);
        h2.settings(settings);
        h2
    }
    /// Connects and says nothing.
    pub fn silent(port: u16, tls: Option<&TlsClient>) -> H2 {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        socket.set_nodelay(true).expect("an option");
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let copy = socket.try_clone().expect("a socket");
        let pipe: Box<dyn Pipe> = match tls {
            None => Box::new(socket.try_clone().expect("a socket")),
            Some(client) => Box::new(client.connect(socket).expect("a handshake").1),
        };
        H2 {
            pipe,
            socket: copy,
            decoder: hpack::Decoder::new(),
            held: Vec::new(),
            block: Vec::new(),
            streams: BTreeMap::new(),
            goaway: None,
            closed: false,
            settings: Vec::new(),
            acks: 0,
            pings: Vec::new(),
            next: 1,
            generous: true,
        }
    }
    /// Sends a request of HTTP/1.1 that asks for HTTP/2, and gives the answer's head; if it was 101, stream 1 is the request's.
    pub fn upgrade(port: u16, request: &[u8]) -> (H2, String) {
        let mut h2 = H2::silent(port, None);
        h2.send(request);
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(end) = memchr::memmem::find(&h2.held, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&h2.held[..end + 4]).into_owned();
                if head.starts_with("HTTP/1.1 101") {
                    h2.held.drain(..end + 4);
                    h2.send(PREFACE);
                    h2.settings(&[(2, 0)]);
                    h2.next = 3;
                }
                return (h2, head);
            }
            if !h2.read(deadline) {
                let head = String::from_utf8_lossy(&h2.held).into_owned();
                return (h2, format!("[closed] {head}"));
            }
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The server may have closed: what it said is looked at all the same.
        let _ = self.pipe.write_all(bytes).and_then(|()| self.pipe.flush());
    }
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload));
    }
    pub fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        self.frame(SETTINGS, 0, 0, &payload);
    }
    /// The number of the next stream.
    pub fn stream(&mut self) -> u32 {
        let id = self.next;
        self.next += 2;
        id
    }
    /// Opens a stream with these fields; `body`: more follows.
    pub fn fields(&mut self, fields: &[(&str, &str)], end: bool) -> u32 {
        let id = self.stream();
        self.frame(HEADERS, END_HEADERS | u8::from(end), id, &block(fields));
        id
    }
    /// Asks for a path.
    pub fn get(&mut self, path: &str, more: &[(&str, &str)]) -> u32 {
        self.ask("GET", path, more)
    }
    /// The same with another method, and no body.
    pub fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)]) -> u32 {
        let fields = [&request(method, path)[..], more].concat();
        self.fields(&fields, true)
    }
    /// Sends a body along, and trailers where there are any.
    pub fn post(&mut self, path: &str, more: &[(&str, &str)], body: &[u8], trailers: &[(&str, &str)]) -> u32 {
        let fields = [&request("POST", path)[..], more].concat();
        let id = self.fields(&fields, false);
        for (number, piece) in body.chunks(8192).enumerate() {
            let last = (number + 1) * 8192 >= body.len();
            self.frame(DATA, u8::from(last && trailers.is_empty()), id, piece);
        }
        if !trailers.is_empty() {
            self.frame(HEADERS, END_HEADERS | END_STREAM, id, &block(trailers));
        }
        id
    }

    /// Reads some; false at the end, or when the moment comes.
    fn read(&mut self, until: Instant) -> bool {
        let span = until.saturating_duration_since(Instant::now());
        if span.is_zero() {
            return false;
        }
        self.socket.set_read_timeout(Some(span)).expect("a timeout");
        let mut piece = [0; 16384];
        match self.pipe.read(&mut piece) {
            Ok(count @ 1..) => {
                self.held.extend_from_slice(&piece[..count]);
                true
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                false
            }
            _ => {
                self.closed = true;
                false
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head = self.held.get(..9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let payload = self.held.get(9..9 + length)?.to_vec();
        self.held.drain(..9 + length);
        Some(Frame { kind, flags, stream, payload })
    }

    /// The next frame, which is taken note of.
    pub fn next_frame(&mut self, until: Instant) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                self.note(&frame);
                return Some(frame);
            }
            if !self.read(until) {
                return None;
            }
        }
    }

    fn note(&mut self, frame: &Frame) {
        match frame.kind {
            SETTINGS if frame.flags & ACK != 0 => self.acks += 1,
            SETTINGS => {
                for one in frame.payload.chunks_exact(6) {
                    let value = u32::from_be_bytes([one[2], one[3], one[4], one[5]]);
                    self.settings.push((u16::from_be_bytes([one[0], one[1]]), value));
                }
                self.frame(SETTINGS, ACK, 0, b"");
            }
            PING if frame.flags & ACK != 0 => self.pings.push(frame.payload.clone()),
            PING => self.frame(PING, ACK, 0, &frame.payload.clone()),
            GOAWAY => {
                let number = |at: usize| {
                    let bytes = frame.payload.get(at..at + 4).unwrap_or(&[0; 4]);
                    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
                };
                self.goaway = Some((number(0), number(4)));
            }
            RST_STREAM => {
                let code = frame.payload.iter().fold(0u32, |code, byte| code << 8 | u32::from(*byte));
                let stream = self.streams.entry(frame.stream).or_default();
                let _ = writeln!(stream.text, "RST_STREAM {code}");
                stream.ended = true;
            }
            HEADERS | CONTINUATION => {
                let mut payload = &frame.payload[..];
                if frame.kind == HEADERS && frame.flags & PADDED != 0 {
                    payload = &payload[1..payload.len() - usize::from(payload[0])];
                }
                if frame.kind == HEADERS && frame.flags & PRIORITIZED != 0 {
                    payload = &payload[5..];
                }
                self.block.extend_from_slice(payload);
                let stream = self.streams.entry(frame.stream).or_default();
                if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
                    stream.ended = true;
                }
                if frame.flags & END_HEADERS != 0 {
                    let block = std::mem::take(&mut self.block);
                    show(&mut stream.text, &mut self.decoder, &block);
                }
            }
            PUSH_PROMISE => {
                let payload = &frame.payload[..];
                let id = u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]);
                let stream = self.streams.entry(id).or_default();
                let _ = writeln!(stream.text, "promised on {}", frame.stream);
                let mut promise = String::new();
                show(&mut promise, &mut self.decoder, &payload[4..]);
                // In any order, and with the host once.
                let mut lines: Vec<&str> = promise.lines().filter(|line| !line.starts_with("host:")).collect();
                lines.sort_unstable();
                stream.text += &(lines.join("\n") + "\n");
            }
            DATA => {
                let mut payload = &frame.payload[..];
                if frame.flags & PADDED != 0 {
                    payload = &payload[1..payload.len() - usize::from(payload[0])];
                }
                let stream = self.streams.entry(frame.stream).or_default();
                stream.body.extend_from_slice(payload);
                stream.ended |= frame.flags & END_STREAM != 0;
                let (ended, length) = (stream.ended, frame.payload.len() as u32);
                if self.generous && length > 0 {
                    self.frame(WINDOW_UPDATE, 0, 0, &length.to_be_bytes());
                    if !ended {
                        self.frame(WINDOW_UPDATE, 0, frame.stream, &length.to_be_bytes());
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a stream has its end, one way or the other.
    pub fn ended(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.ended)
    }
    /// Reads until all these streams have ended, or the connection has.
    pub fn wait(&mut self, ids: &[u32]) {
        let deadline = Instant::now() + DEADLINE;
        while !ids.iter().all(|id| self.ended(*id)) && self.next_frame(deadline).is_some() {}
    }
    /// Reads until the server has answered a PING: everything before is through.
    pub fn settle(&mut self) {
        let mark = (self.pings.len() as u64 + 1).to_be_bytes();
        self.frame(PING, 0, 0, &mark);
        let deadline = Instant::now() + DEADLINE;
        while !self.pings.iter().any(|ping| ping == &mark) && self.next_frame(deadline).is_some() {}
    }
    /// Reads until the server closes.
    pub fn drain(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while self.next_frame(deadline).is_some() {}
    }
    /// Reads for so long at most.
    pub fn listen(&mut self, span: Duration) {
        let deadline = Instant::now() + span;
        while self.next_frame(deadline).is_some() {}
    }
    /// Octets of a stream's body.
    pub fn body(&self, id: u32) -> &[u8] {
        self.streams.get(&id).map_or(b"", |stream| &stream.body)
    }

    /// What came on a stream.
    pub fn show(&self, id: u32) -> String {
        match self.streams.get(&id) {
            None => format!("stream {id}: nothing\n"),
            Some(stream) => {
                let body = String::from_utf8_lossy(&stream.body);
                let body =
                    if body.len() > 3000 { format!("{}... {} octets", &body[..200], body.len()) } else { body.into() };
                let end = if stream.ended { "ended" } else { "open" };
                format!("stream {id}:\n{}\n{body}\n[{end}]\n", stream.text)
            }
        }
    }
    /// Waits for streams and shows them.
    pub fn see(&mut self, ids: &[u32]) -> String {
        self.wait(ids);
        ids.iter().map(|id| self.show(*id)).collect::<String>() + &self.end()
    }
    /// How the connection ended, if it has.
    pub fn end(&self) -> String {
        match (self.goaway, self.closed) {
            (Some((_, code)), _) => format!("GOAWAY {code}\n"),
            (None, true) => "closed\n".into(),
            (None, false) => String::new(),
        }
    }
}

fn show(text: &mut String, decoder: &mut hpack::Decoder<'static>, block: &[u8]) {
    match decoder.decode(block) {
        Ok(fields) => {
            for (name, value) in fields {
                let (name, value) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&value));
                let value = match &*name {
                    "date" => "{DATE}".into(),
                    // As in HTTP/1, Apache's order is that of a hash table.
                    "allow" => {
                        let mut methods: Vec<&str> = value.split(',').collect();
                        methods.sort_unstable();
                        methods.join(",").into()
                    }
                    _ => value,
                };
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        Err(error) => {
            let _ = writeln!(text, "[fields that cannot be unpacked: {error:?}]");
        }
    }
}

/// The pseudo-fields of a request.
pub fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "www.example.test"), (":path", path)]
}

/// A frame's octets.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field block that uses no table.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for part in [name, value] {
            integer(&mut out, part.len());
            out.extend_from_slice(part.as_bytes());
        }
    }
    out
}

/// A length with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(out: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return out.push(value as u8);
    }
    out.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        out.push((rest % 128 + 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}
