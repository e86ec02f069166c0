//! A backend for proxies: it shows what it received, or says what a script has it say, however wrong that is.
//!
//! One serves both sides of a group, so that its port need not be blanked; nothing it says depends on who asked before.

use crate::tls::{self, ServerStream, TlsServer};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// One thing that a script has a backend do once a request's head is read.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads the request's body.
    Read,
    /// Sends these octets.
    Send(Vec<u8>),
    /// Sends these outside of the protocol's frames, where it has any.
    Raw(Vec<u8>),
    /// Sends them one by one.
    Drip(Vec<u8>),
    /// Waits until what was sent has surely arrived by itself.
    Apart,
    /// Sends back what comes until the other side ends.
    Echo,
    /// Closes the connection.
    Close,
    /// Breaks it off.
    Reset,
    /// Closes the connection without the word that TLS has for it.
    Cut,
    /// Says nothing more, and keeps the connection open until the other side ends it.
    Hang,
}

/// Sends `bytes` and goes on as a well-behaved server.
pub fn says(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Read, Step::Send(bytes.as_ref().to_vec())]
}

/// Sends `bytes` and closes.
pub fn says_and_closes(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Read, Step::Send(bytes.as_ref().to_vec()), Step::Close]
}

/// A running backend; it ends with the process.
pub struct Backend {
    pub port: u16,
}

trait Wire: Read + Write + Send {
    /// Closing is to break the connection off.
    fn breaks(&self) {}
    /// Says that nothing more comes, where there is a word for it.
    fn end(&mut self) {}
}
impl Wire for TcpStream {
    fn breaks(&self) {
        breaks(self);
    }
}
impl Wire for UnixStream {}
impl Wire for ServerStream {
    fn end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

/// Closing `stream` is to break it off.
pub fn breaks(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let _ = nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger);
}

type Scripts = Arc<HashMap<String, Vec<Step>>>;

fn table(scripts: &[(&str, Vec<Step>)]) -> Scripts {
    Arc::new(scripts.iter().map(|(path, steps)| ((*path).to_owned(), steps.clone())).collect())
}

impl Backend {
    /// Listens on a free port. `scripts`: last segments of paths with what is done for them; every other request is shown.
    pub fn start(scripts: &[(&str, Vec<Step>)]) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for a backend");
        let port = listener.local_addr().expect("its address").port();
        let scripts = table(scripts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let scripts = scripts.clone();
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                thread::spawn(move || serve(stream, "", &scripts));
            }
        });
        Backend { port }
    }

    /// Listens on a free port and speaks TLS; what is shown begins with what both sides agreed on.
    pub fn start_tls(server: &TlsServer, scripts: &[(&str, Vec<Step>)]) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for a backend");
        let port = listener.local_addr().expect("its address").port();
        let (scripts, config) = (table(scripts), server.config());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (scripts, config) = (scripts.clone(), config.clone());
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                thread::spawn(move || {
                    if let Some((facts, stream)) = tls::accept(config, stream) {
                        serve(stream, &facts, &scripts);
                    }
                });
            }
        });
        Backend { port }
    }

    /// Listens on a Unix socket.
    pub fn start_at(path: &Path, scripts: &[(&str, Vec<Step>)]) {
        let listener = UnixListener::bind(path).expect("a socket for a backend");
        let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let scripts = table(scripts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let scripts = scripts.clone();
                let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
                thread::spawn(move || serve(stream, "", &scripts));
            }
        });
    }
}

fn serve(mut wire: impl Wire, facts: &str, scripts: &Scripts) {
    let mut input = Vec::new();
    let mut number = 0;
    while let Some(head) = head(&mut wire, &mut input) {
        number += 1;
        let text = String::from_utf8_lossy(&head).into_owned();
        let target = text.split(' ').nth(1).unwrap_or("/");
        let path = target.split('?').next().unwrap_or(target);
        let last = path.rsplit('/').next().unwrap_or(path);
        match scripts.get(last) {
            Some(steps) => {
                if !play(&mut wire, &mut input, &text, steps) {
                    return;
                }
            }
            None => {
                if field(&text, "expect").is_some() && wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_err() {
                    return;
                }
                let (body, chunked) = body(&mut wire, &mut input, &text);
                let mut shown =
                    format!("{facts}request {number} of its connection\n{}\n", text.replace("\r\n", "\n")).into_bytes();
                if chunked {
                    shown.extend_from_slice(b"(chunked)\n");
                }
                shown.extend_from_slice(&body);
                let length = shown.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
                let bodiless = text.starts_with("HEAD ");
                let sent =
                    wire.write_all(head.as_bytes()).and_then(|()| wire.write_all(if bodiless { b"" } else { &shown }));
                if sent.is_err() || field(&text, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
                {
                    break;
                }
            }
        }
    }
    wire.end();
}

/// False: the connection is over.
fn play(wire: &mut impl Wire, input: &mut Vec<u8>, head: &str, steps: &[Step]) -> bool {
    for step in steps {
        let done = match step {
            Step::Read => {
                body(wire, input, head);
                Ok(())
            }
            Step::Send(bytes) | Step::Raw(bytes) => wire.write_all(bytes),
            Step::Drip(bytes) => bytes.iter().try_for_each(|byte| {
                wire.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(1));
                Ok(())
            }),
            Step::Apart => {
                thread::sleep(Duration::from_millis(60));
                Ok(())
            }
            Step::Echo => {
                let early: Vec<u8> = std::mem::take(input);
                let mut done = wire.write_all(&early).is_ok();
                while done && more(wire, input) {
                    done = wire.write_all(&std::mem::take(input)).is_ok();
                }
                wire.end();
                return false;
            }
            Step::Close => {
                wire.end();
                return false;
            }
            Step::Cut => return false,
            Step::Reset => {
                wire.breaks();
                return false;
            }
            Step::Hang => {
                let _ = wire.read_to_end(&mut Vec::new());
                return false;
            }
        };
        if done.is_err() {
            return false;
        }
    }
    true
}

fn more(wire: &mut impl Read, input: &mut Vec<u8>) -> bool {
    let mut room = [0; 16384];
    match wire.read(&mut room) {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            input.extend_from_slice(&room[..count]);
            true
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn head(wire: &mut impl Read, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = find(input, b"\r\n\r\n") {
            let mut head: Vec<u8> = input.drain(..end + 4).collect();
            head.truncate(end + 2);
            return Some(head);
        }
        if !more(wire, input) {
            return None;
        }
    }
}

fn field(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The request's body, and whether it came in chunks.
fn body(wire: &mut impl Read, input: &mut Vec<u8>, head: &str) -> (Vec<u8>, bool) {
    if field(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        let mut whole = Vec::new();
        loop {
            let Some(end) = find(input, b"\r\n") else {
                if more(wire, input) {
                    continue;
                }
                return (whole, true);
            };
            let line = String::from_utf8_lossy(&input[..end]).into_owned();
            let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
            while input.len() < end + 2 + size + 2 {
                if !more(wire, input) {
                    return (whole, true);
                }
            }
            whole.extend_from_slice(&input[end + 2..end + 2 + size]);
            input.drain(..end + 2 + size + 2);
            if size == 0 {
                return (whole, true);
            }
        }
    }
    let length = field(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while input.len() < length {
        if !more(wire, input) {
            break;
        }
    }
    let length = length.min(input.len());
    (input.drain(..length).collect(), false)
}
