//! Backends that speak FastCGI, SCGI, uwsgi and AJP: each shows the variables it got, in their order, or says what a script has it say.

use crate::backend::{Backend, Step, breaks};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What a gateway's backend speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Fcgi,
    Scgi,
    Uwsgi,
    Ajp,
}

type Scripts = Arc<HashMap<String, Vec<Step>>>;

/// One request: its variables, its body, and whether the connection goes on.
struct Asked {
    variables: Vec<(String, String)>,
    body: Vec<u8>,
    keeps: bool,
}

impl Backend {
    /// Listens on a free port. `scripts`: last segments of paths with what is done for them; every other request is shown.
    pub fn gateway(protocol: Protocol, scripts: &[(&str, Vec<Step>)]) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for a backend");
        let port = listener.local_addr().expect("its address").port();
        let scripts: Scripts =
            Arc::new(scripts.iter().map(|(path, steps)| ((*path).to_owned(), steps.clone())).collect());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let scripts = scripts.clone();
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                thread::spawn(move || serve(protocol, stream, &scripts));
            }
        });
        Backend { port }
    }
}

fn serve(protocol: Protocol, mut wire: TcpStream, scripts: &Scripts) -> Option<()> {
    let mut number = 0;
    loop {
        let asked = match protocol {
            Protocol::Fcgi => fcgi(&mut wire),
            Protocol::Scgi => scgi(&mut wire),
            Protocol::Uwsgi => uwsgi(&mut wire),
            Protocol::Ajp => ajp(&mut wire),
        }?;
        number += 1;
        let uri = asked.variables.iter().find(|(name, _)| name == "REQUEST_URI").map_or("", |(_, value)| value);
        let last = uri.split('?').next().unwrap_or(uri).rsplit('/').next().unwrap_or("");
        match scripts.get(last) {
            Some(steps) => play(protocol, &mut wire, steps)?,
            None => {
                let mut shown = format!("request {number} of its connection\n");
                for (name, value) in &asked.variables {
                    // The client's port is chance.
                    let chance = name == "REMOTE_PORT" || name == "AJP_REMOTE_PORT";
                    shown.push_str(&format!("{name}={}\n", if chance { "(a port)" } else { value }));
                }
                let mut out = match protocol {
                    Protocol::Uwsgi => b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec(),
                    _ => b"Content-Type: text/plain\r\n\r\n".to_vec(),
                };
                if protocol == Protocol::Ajp {
                    out.clear();
                }
                out.extend_from_slice(shown.as_bytes());
                out.extend_from_slice(&asked.body);
                if protocol == Protocol::Ajp {
                    wire.write_all(&ajp_packet(&[
                        4, 0, 200, 0, 2, b'O', b'K', 0, 0, 1, 0xa0, 1, 0, 10, b't', b'e', b'x', b't', b'/', b'p', b'l',
                        b'a', b'i', b'n', 0,
                    ]))
                    .ok()?;
                }
                say(protocol, &mut wire, &out)?;
            }
        }
        end(protocol, &mut wire)?;
        if !asked.keeps {
            return None;
        }
    }
}

/// Sends octets of a response in the protocol's frames.
fn say(protocol: Protocol, wire: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    for part in bytes.chunks(8000) {
        match protocol {
            Protocol::Fcgi => wire.write_all(&record(6, part)).ok()?,
            Protocol::Ajp => {
                let mut body = vec![3, (part.len() >> 8) as u8, part.len() as u8];
                body.extend_from_slice(part);
                body.push(0);
                wire.write_all(&ajp_packet(&body)).ok()?;
            }
            _ => wire.write_all(part).ok()?,
        }
    }
    Some(())
}

/// A FastCGI record of request 1.
pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let padding = (8 - content.len() % 8) % 8;
    let mut out = vec![1, kind, 0, 1, (content.len() >> 8) as u8, content.len() as u8, padding as u8, 0];
    out.extend_from_slice(content);
    out.extend(std::iter::repeat_n(0, padding));
    out
}

/// An AJP packet as servlet containers send them.
pub fn ajp_packet(content: &[u8]) -> Vec<u8> {
    let mut out = vec![b'A', b'B', (content.len() >> 8) as u8, content.len() as u8];
    out.extend_from_slice(content);
    out
}

/// The head of a response: fields whose names have numbers, and others.
pub fn ajp_head(status: u16, reason: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![4, (status >> 8) as u8, status as u8];
    let string = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    };
    string(&mut out, reason);
    out.extend_from_slice(&(fields.len() as u16).to_be_bytes());
    for (name, value) in fields {
        match name.strip_prefix('#').and_then(|code| code.parse::<u8>().ok()) {
            Some(code) => out.extend_from_slice(&[0xa0, code]),
            None => string(&mut out, name),
        }
        string(&mut out, value);
    }
    ajp_packet(&out)
}

fn end(protocol: Protocol, wire: &mut TcpStream) -> Option<()> {
    match protocol {
        Protocol::Fcgi => {
            let mut out = record(6, b"");
            out.extend(record(3, &[0; 8]));
            wire.write_all(&out).ok()
        }
        Protocol::Ajp => wire.write_all(&ajp_packet(&[5, 1])).ok(),
        _ => {
            // So that the end does not come along with what was said.
            thread::sleep(Duration::from_millis(60));
            Some(())
        }
    }
}

fn play(protocol: Protocol, wire: &mut TcpStream, steps: &[Step]) -> Option<()> {
    for step in steps {
        match step {
            Step::Read => {}
            Step::Send(bytes) => say(protocol, wire, bytes)?,
            Step::Raw(bytes) => wire.write_all(bytes).ok()?,
            Step::Drip(bytes) => bytes.iter().try_for_each(|byte| say(protocol, wire, &[*byte]))?,
            Step::Apart => thread::sleep(Duration::from_millis(60)),
            Step::Close | Step::Cut | Step::Echo => return None,
            Step::Reset => {
                breaks(wire);
                return None;
            }
            Step::Hang => {
                let _ = wire.read_to_end(&mut Vec::new());
                return None;
            }
        }
    }
    Some(())
}

fn exactly(wire: &mut TcpStream, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    wire.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

fn fcgi(wire: &mut TcpStream) -> Option<Asked> {
    let (mut parameters, mut body, mut keeps) = (Vec::new(), Vec::new(), false);
    loop {
        let head = exactly(wire, 8)?;
        let length = usize::from(head[4]) << 8 | usize::from(head[5]);
        let content = exactly(wire, length)?;
        exactly(wire, usize::from(head[6]))?;
        match head[1] {
            1 => keeps = content[2] & 1 == 1,
            4 => parameters.extend_from_slice(&content),
            5 if content.is_empty() => break,
            5 => body.extend_from_slice(&content),
            _ => {}
        }
    }
    let mut rest = parameters.as_slice();
    let mut variables = vec![("keeps the connection".to_owned(), keeps.to_string())];
    while !rest.is_empty() {
        let mut lengths = [0; 2];
        for length in &mut lengths {
            if rest[0] < 128 {
                *length = usize::from(rest[0]);
                rest = &rest[1..];
            } else {
                *length = usize::from(rest[0] & 127) << 24
                    | usize::from(rest[1]) << 16
                    | usize::from(rest[2]) << 8
                    | usize::from(rest[3]);
                rest = &rest[4..];
            }
        }
        let (name, value) = (&rest[..lengths[0]], &rest[lengths[0]..lengths[0] + lengths[1]]);
        variables.push((text(name), text(value)));
        rest = &rest[lengths[0] + lengths[1]..];
    }
    Some(Asked { variables, body, keeps })
}

fn with_body(wire: &mut TcpStream, variables: Vec<(String, String)>) -> Option<Asked> {
    let length = variables.iter().find(|(name, _)| name == "CONTENT_LENGTH");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let body = exactly(wire, length)?;
    Some(Asked { variables, body, keeps: false })
}

fn scgi(wire: &mut TcpStream) -> Option<Asked> {
    let mut length = 0;
    loop {
        match exactly(wire, 1)?[0] {
            b':' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let block = exactly(wire, length + 1)?;
    let words: Vec<&[u8]> = block.split(|byte| *byte == 0).collect();
    let variables = words.chunks_exact(2).map(|pair| (text(pair[0]), text(pair[1]))).collect();
    with_body(wire, variables)
}

fn uwsgi(wire: &mut TcpStream) -> Option<Asked> {
    let head = exactly(wire, 4)?;
    let block = exactly(wire, usize::from(head[1]) | usize::from(head[2]) << 8)?;
    let mut rest = block.as_slice();
    let mut variables = vec![("modifiers".to_owned(), format!("{} {}", head[0], head[3]))];
    while rest.len() >= 2 {
        let mut pair = [String::new(), String::new()];
        for word in &mut pair {
            let length = usize::from(rest[0]) | usize::from(rest[1]) << 8;
            *word = text(&rest[2..2 + length]);
            rest = &rest[2 + length..];
        }
        let [name, value] = pair;
        variables.push((name, value));
    }
    with_body(wire, variables)
}

/// A forward request's URI, its port blanked, and what follows as it stands.
fn ajp_fields(content: &[u8]) -> Vec<(String, String)> {
    let string = |at: &mut usize| -> String {
        let length = content.get(*at..*at + 2).map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]));
        *at += 2;
        if length == 0xffff {
            return "(null)".to_owned();
        }
        let word = text(content.get(*at..*at + length).unwrap_or_default());
        *at += length + 1;
        word
    };
    let mut at = 2;
    let method = content.get(1).copied().unwrap_or_default();
    let [protocol, uri, address, host, server] = [(); 5].map(|()| string(&mut at));
    // The server's port is each side's own, the client's is chance.
    let mut rest = content.get(at + 2..).unwrap_or_default().to_vec();
    let name = b"AJP_REMOTE_PORT\0";
    if let Some(found) = rest.windows(name.len()).position(|window| window == name) {
        let from = found + name.len();
        let digits = usize::from(rest.get(from + 1).copied().unwrap_or_default());
        rest.splice(from..(from + 2 + digits).min(rest.len()), *b"(a port)");
    }
    vec![
        ("REQUEST_URI".to_owned(), uri),
        ("line".to_owned(), format!("{method} {protocol} {address} {host} {server}")),
        ("rest".to_owned(), text(&rest)),
    ]
}

/// Shows a forward request octet by octet: what stands where is all that matters.
fn ajp(wire: &mut TcpStream) -> Option<Asked> {
    loop {
        let head = exactly(wire, 4)?;
        let length = usize::from(head[2]) << 8 | usize::from(head[3]);
        let content = exactly(wire, length)?;
        if content.first() == Some(&10) {
            wire.write_all(&ajp_packet(&[9])).ok()?;
            continue;
        }
        let variables = ajp_fields(&content);
        // A body of a known length follows by itself, the rest when asked for.
        let at = content.windows(2).position(|pair| pair == [0xa0, 8]);
        let length = at.and_then(|at| content.get(at + 4..)).map_or(0, |rest| {
            rest.iter()
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        });
        let chunked = content.to_ascii_lowercase().windows(17).any(|window| window == b"transfer-encoding");
        let mut body = Vec::new();
        let mut first = length > 0;
        while first || length > 0 || chunked {
            if !first {
                wire.write_all(&ajp_packet(&[6, 0x1f, 0xf8])).ok()?;
            }
            first = false;
            let head = exactly(wire, 4)?;
            let part = exactly(wire, usize::from(head[2]) << 8 | usize::from(head[3]))?;
            if part.len() <= 2 {
                break;
            }
            body.extend_from_slice(format!("[{}]", part.len() - 2).as_bytes());
            body.extend_from_slice(&part[2..]);
        }
        return Some(Asked { variables, body, keeps: true });
    }
}
