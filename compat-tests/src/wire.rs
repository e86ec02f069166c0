//! Raw TCP, and just enough HTTP to know where an answer ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use crate::tls::TlsClient;

/// No exchange may take longer; reaching it is part of what was seen. A resolver that does not answer holds a look-up for 10 or 20
/// seconds.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What to do on one connection.
#[derive(Clone, Debug)]
pub enum Talk {
    /// Send each part and read one whole answer to it; after the last one half-close and read to the end.
    Exchange(Vec<Vec<u8>>),
    /// Send and read until the server closes by itself.
    Hold(Vec<u8>),
}

/// Everything the server at `port` sent on one connection.
pub fn talk(port: u16, talk: &Talk) -> Vec<u8> {
    talk_over(port, talk, None).1
}

/// The same, over TLS where a client is given: what was agreed on, too.
pub fn talk_over(port: u16, talk: &Talk, tls: Option<&TlsClient>) -> (String, Vec<u8>) {
    let mut connection = match Connection::open(port) {
        Ok(connection) => connection,
        Err(e) => return (String::new(), format!("[cannot connect: {:?}]", e.kind()).into_bytes()),
    };
    let mut facts = String::new();
    if let Some(tls) = tls {
        match connection.secure(tls) {
            Ok(agreed) => facts = agreed,
            Err(failure) => return (failure, Vec::new()),
        }
    }
    match talk {
        Talk::Hold(bytes) => {
            connection.send(bytes);
            connection.rest();
        }
        Talk::Exchange(parts) => {
            for (number, part) in parts.iter().enumerate() {
                connection.send(part);
                if number + 1 == parts.len() {
                    connection.finish();
                } else if !connection.answer(part.starts_with(b"HEAD ")) {
                    connection.seen.extend_from_slice(b"[closed before the next request]\n");
                    break;
                }
            }
        }
    }
    (facts, connection.seen)
}

/// One client connection and what came back on it.
pub struct Connection {
    stream: TcpStream,
    tls: Option<StreamOwned<ClientConnection, TcpStream>>,
    /// Everything read so far.
    pub seen: Vec<u8>,
    read_to: usize,
    deadline: Instant,
}

impl Connection {
    /// Connects to 127.0.0.1.
    pub fn open(port: u16) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Connection { stream, tls: None, seen: Vec::new(), read_to: 0, deadline: Instant::now() + DEADLINE })
    }

    /// Does a TLS handshake; says what was agreed on, or that nothing was.
    pub fn secure(&mut self, client: &TlsClient) -> Result<String, String> {
        self.stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let (facts, stream) = client.connect(self.stream.try_clone().expect("a second handle"))?;
        self.tls = Some(stream);
        Ok(facts)
    }

    /// Sends; beside the reading when there is much of it, for a server may answer and stop reading. A failed write shows in the answer.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(tls) = &mut self.tls {
            let _ = tls.write_all(bytes).and_then(|()| tls.flush());
            return;
        }
        if bytes.len() <= 32 * 1024 {
            let _ = self.stream.write_all(bytes);
            return;
        }
        let (mut writer, bytes) = (self.stream.try_clone().expect("a second handle"), bytes.to_vec());
        let sender = std::thread::spawn(move || writer.write_all(&bytes));
        while !sender.is_finished() {
            let _ = self.stream.set_read_timeout(Some(Duration::from_millis(5)));
            let mut buffer = [0; 8192];
            match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 => self.seen.extend_from_slice(&buffer[..n]),
                Ok(_) => break,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = sender.join();
    }

    /// Says that no more will be sent, and reads to the end.
    pub fn finish(&mut self) {
        match &mut self.tls {
            Some(tls) => {
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
            None => drop(self.stream.shutdown(Shutdown::Write)),
        }
        self.rest();
    }

    /// Reads until the server closes.
    pub fn rest(&mut self) {
        while self.more() {}
    }

    /// Reads one whole answer (an interim one counts). False when the server closed before or with it.
    pub fn answer(&mut self, head_only: bool) -> bool {
        loop {
            if let Some(length) = answer_length(&self.seen[self.read_to..], head_only) {
                self.read_to += length;
                return true;
            }
            if !self.more() {
                return false;
            }
        }
    }

    /// True while no byte and no end has come within `wait`.
    pub fn silent_for(&mut self, wait: Duration) -> bool {
        let _ = self.stream.set_read_timeout(Some(wait));
        let mut buffer = [0; 1];
        matches!(self.stream.peek(&mut buffer), Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn more(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.seen.extend_from_slice(b"[deadline]\n");
            return false;
        }
        let _ = self.stream.set_read_timeout(Some(left));
        let mut buffer = [0; 16 * 1024];
        let read = match &mut self.tls {
            Some(tls) => tls.read(&mut buffer),
            None => self.stream.read(&mut buffer),
        };
        match read {
            Ok(0) => false,
            Ok(n) => {
                self.seen.extend_from_slice(&buffer[..n]);
                true
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => true,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.more(),
            // A reset instead of an end depends on what was still unread: no fact about the answer.
            Err(_) => false,
        }
    }
}

/// One answer, cut out of what came on a connection.
#[derive(Debug, Default)]
pub struct Answer {
    /// Status line and header lines, as sent.
    pub head: Vec<u8>,
    /// The body without chunk framing.
    pub body: Vec<u8>,
    /// The body was chunked; the trailer section, if it ended properly.
    pub chunked: Option<Option<Vec<u8>>>,
}

impl Answer {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }
}

/// Cuts a connection's bytes into answers. What is no answer (HTTP/0.9, a mangled head) is left over as bytes.
pub fn answers(mut bytes: &[u8]) -> (Vec<Answer>, Vec<u8>) {
    let mut found = Vec::new();
    while bytes.starts_with(b"HTTP/1.") {
        let Some(head_end) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else { break };
        let head = bytes[..head_end].to_vec();
        let rest = &bytes[head_end..];
        let status = head.get(9..12).unwrap_or_default();
        let bodiless = status.starts_with(b"1")
            || status == b"204"
            || status == b"304"
            || rest.is_empty()
            || rest.starts_with(b"HTTP/1.");
        if bodiless {
            found.push(Answer { head, ..Answer::default() });
            bytes = rest;
        } else if header(&head, "Transfer-Encoding").is_some_and(|v| v.contains("chunked")) {
            let (body, trailer, used) = dechunk(rest);
            found.push(Answer { head, body, chunked: Some(trailer) });
            bytes = &rest[used..];
        } else {
            let length = header(&head, "Content-Length")
                .and_then(|v| v.parse().ok())
                .map_or(rest.len(), |n: usize| n.min(rest.len()));
            found.push(Answer { head, body: rest[..length].to_vec(), chunked: None });
            bytes = &rest[length..];
        }
    }
    (found, bytes.to_vec())
}

fn answer_length(bytes: &[u8], head_only: bool) -> Option<usize> {
    let head_end = find(bytes, b"\r\n\r\n")? + 4;
    let (head, rest) = bytes.split_at(head_end);
    let status = head.get(9..12).unwrap_or_default();
    if head_only || status.starts_with(b"1") || status == b"204" || status == b"304" {
        return Some(head_end);
    }
    if header(head, "Transfer-Encoding").is_some_and(|v| v.contains("chunked")) {
        let (_, trailer, used) = dechunk(rest);
        return trailer.map(|_| head_end + used);
    }
    let length: usize = header(head, "Content-Length")?.parse().ok()?;
    (rest.len() >= length).then_some(head_end + length)
}

/// The data, the trailer section when the body ended properly, and how many bytes were used.
fn dechunk(bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, usize) {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return (data, None, bytes.len()) };
        let size =
            std::str::from_utf8(&bytes[at..at + line]).ok().and_then(|s| usize::from_str_radix(s.trim_end(), 16).ok());
        let start = at + line + 2;
        match size {
            Some(0) => {
                let mut end = start;
                while let Some(line) = find(&bytes[end..], b"\r\n") {
                    end += line + 2;
                    if line == 0 {
                        return (data, Some(bytes[start..end - 2].to_vec()), end);
                    }
                }
                return (data, None, bytes.len());
            }
            Some(size) if bytes.len() >= start + size + 2 => {
                data.extend_from_slice(&bytes[start..start + size]);
                at = start + size + 2;
            }
            _ => {
                data.extend_from_slice(&bytes[start.min(bytes.len())..]);
                return (data, None, bytes.len());
            }
        }
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head).into_owned();
    text.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}
