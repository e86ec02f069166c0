//! The request to the backend: request line, fields, and a body framed so that the backend can read it (RFC 9112).

use super::super::mod_proxy::{self, Call, ProxyDir, Wire, default_port};
use super::Target;
use crate::engine;
use crate::log::Level;
use crate::module::Answer;
use crate::request::{Request, Status};
use crate::server::escape::hex;
use bstr::{BString, ByteSlice};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// A body up to here is read before the backend is asked, and has its length told.
const READ_AHEAD: usize = 16 * 1024;

/// What is known of the request's body before the backend is asked.
pub struct Outgoing {
    ahead: VecDeque<Bytes>,
    framing: Framing,
    /// The client waits for a go-ahead, and the backend is to give it.
    pub holds_back: bool,
}

enum Framing {
    None,
    Length(u64),
    Chunked,
    /// As [`Length`](Framing::Length), with what is behind `ahead` in a file.
    File(u64, File),
}

pub enum Failure {
    Answer(Answer),
    Backend(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Backend(error)
    }
}

fn flag(r: &Request, name: &str) -> bool {
    r.env.contains(name)
}

/// Reads ahead and decides on the framing.
pub async fn look_at_body(r: &mut Request, call: &Call) -> Result<Outgoing, Answer> {
    let coding = r.headers_in.get("Transfer-Encoding").map(BString::from);
    if let Some(coding) = coding.as_ref().filter(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
        let text = format!("{coding} Transfer-Encoding is not supported");
        r.log(Level::Error, "proxy_http", format_args!("AH01093: {text}"));
        return Err(Answer::Status(Status::INTERNAL_SERVER_ERROR));
    }
    let announced: Option<u64> =
        r.headers_in.get("Content-Length").and_then(|length| length.to_str().ok()?.parse().ok());
    let old = flag(r, "force-proxy-request-1.0");
    let mut ahead = VecDeque::new();
    let forwards = r.dir::<ProxyDir>().forward_continue != Some(false) && !old;
    if r.expecting_continue && forwards && !r.is_sub() {
        let framing = match (&coding, announced) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length),
            (None, None) => Framing::None,
        };
        return Ok(Outgoing { ahead, framing, holds_back: true });
    }
    let mut held = 0;
    let mut ended = false;
    while held < READ_AHEAD {
        match r.read_body().await {
            Ok(Some(bytes)) => {
                held += bytes.len();
                ahead.push_back(bytes);
            }
            Ok(None) => {
                ended = true;
                break;
            }
            Err(fault) => return Err(mod_proxy::unread(r, call, &fault).await),
        }
    }
    let (length_wanted, chunks_wanted) =
        (flag(r, "proxy-sendcl"), flag(r, "proxy-sendchunked") || flag(r, "proxy-sendchunks"));
    let filtered = r.filters_body();
    let framing = if ended {
        match coding.is_some() || announced.is_some() || held > 0 {
            true => Framing::Length(held as u64),
            false => Framing::None,
        }
    } else if coding.is_some() {
        match old || length_wanted && !chunks_wanted {
            true => spool(r, held).await?,
            false => Framing::Chunked,
        }
    } else {
        match announced {
            Some(length) if !filtered => Framing::Length(length),
            _ if !old && chunks_wanted && !length_wanted => Framing::Chunked,
            _ => spool(r, held).await?,
        }
    };
    Ok(Outgoing { ahead, framing, holds_back: false })
}

/// Puts the rest of the body into a file, so that its length is known.
async fn spool(r: &mut Request, held: usize) -> Result<Framing, Answer> {
    let failed = |r: &Request, error: io::Error| {
        let text = "AH01090: creation of temporary file in directory failed";
        r.log_errno(Level::Error, "proxy", error, format_args!("{text}"));
        Answer::Status(Status::INTERNAL_SERVER_ERROR)
    };
    let mut file = engine::block(tempfile::tempfile).map_err(|error| failed(r, error))?;
    let mut length = held as u64;
    loop {
        match r.read_body().await {
            Ok(Some(bytes)) => {
                length += bytes.len() as u64;
                file.write_all(&bytes).map_err(|error| failed(r, error))?;
            }
            Ok(None) => break,
            Err(fault) => return Err(Answer::Status(fault.status)),
        }
    }
    file.rewind().map_err(|error| failed(r, error))?;
    Ok(Framing::File(length, file))
}

/// What the response's reader must know of the request.
pub struct Sent {
    /// The body that is still to go out once the backend says so.
    pub waiting: Option<Outgoing>,
    /// The protocol that the client and the configuration agree to go on with, if the backend does.
    pub upgrade: Option<BString>,
}

/// The protocol that the client asks for, where the worker lets it through.
fn upgrade(r: &Request, call: &Call) -> Option<BString> {
    let asked = r.headers_in.get("Upgrade").map(BString::from)?;
    let web_socket = [&b"ws:"[..], b"wss:"]
        .iter()
        .any(|scheme| call.url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let own = call.worker.as_ref().and_then(|worker| worker.parameters.upgrade.clone());
    let allowed = own.or_else(|| web_socket.then(|| "WebSocket".into()))?;
    (allowed == "ANY" || asked.eq_ignore_ascii_case(&allowed)).then_some(asked)
}

/// Sends head and body.
pub async fn request(
    r: &mut Request,
    call: &Call,
    target: &Target,
    body: Outgoing,
    wire: &mut Wire,
) -> Result<Sent, Failure> {
    let old = flag(r, "force-proxy-request-1.0");
    let upgrade = upgrade(r, call).filter(|_| !old);
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(&r.method.name);
    out.push(b' ');
    out.extend_from_slice(if call.remote.is_some() { &call.url } else { &target.path });
    out.extend_from_slice(if old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    let own = default_port(call.url.split(|byte| *byte == b':').next().unwrap_or_default());
    let host = mod_proxy::authority(target.host.as_bstr(), target.port, own);
    mod_proxy::prepare(r, host.as_bstr(), body.holds_back, &mut out);
    if body.holds_back && !r.headers_in.contains("Expect") {
        out.extend_from_slice(b"Expect: 100-Continue\r\n");
    }
    if let Some(remote) = &call.remote
        && let Some(credentials) = &remote.credentials
    {
        use base64::Engine;
        let coded = base64::engine::general_purpose::STANDARD.encode(credentials);
        out.extend_from_slice(format!("Proxy-Authorization: Basic {coded}\r\n").as_bytes());
    }
    match &body.framing {
        Framing::None => {}
        Framing::Length(length) | Framing::File(length, _) => {
            out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    if old {
        out.extend_from_slice(b"\r\n");
    } else if let Some(protocol) = &upgrade {
        out.extend_from_slice(&[b"Connection: Upgrade\r\nUpgrade: ", protocol.as_slice(), b"\r\n\r\n"].concat());
    } else {
        out.extend_from_slice(if wire.backend.announced_reuse() {
            b"Connection: Keep-Alive\r\n\r\n"
        } else {
            b"Connection: close\r\n\r\n"
        });
    }
    if body.holds_back {
        wire.send(&out).await?;
        return Ok(Sent { waiting: Some(body), upgrade });
    }
    send_body(r, body, out, wire).await?;
    Ok(Sent { waiting: None, upgrade })
}

/// Sends `out`, then the body.
pub async fn send_body(r: &mut Request, mut body: Outgoing, mut out: Vec<u8>, wire: &mut Wire) -> Result<(), Failure> {
    let chunked = matches!(body.framing, Framing::Chunked);
    let expected = match body.framing {
        Framing::Length(length) => Some(length),
        _ => None,
    };
    let mut sent = 0u64;
    if matches!(body.framing, Framing::None) {
        wire.send(&out).await?;
        return Ok(());
    }
    loop {
        let next = match body.ahead.pop_front() {
            Some(bytes) => Some(bytes),
            None => match &mut body.framing {
                Framing::File(_, file) => {
                    let mut room = vec![0; READ_AHEAD];
                    let read = file.read(&mut room)?;
                    room.truncate(read);
                    Some(Bytes::from(room)).filter(|bytes| !bytes.is_empty())
                }
                Framing::Length(length) if sent >= *length => None,
                _ => {
                    // What is complete need not wait for what the client has not sent yet.
                    if !out.is_empty() {
                        wire.send(&out).await?;
                        out.clear();
                    }
                    r.read_body().await.map_err(|fault| Failure::Answer(Answer::Status(fault.status)))?
                }
            },
        };
        let Some(bytes) = next else { break };
        sent += bytes.len() as u64;
        if chunked {
            out.extend_from_slice(hex(bytes.len() as u64, &mut [0; 16]));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&bytes);
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        if out.len() >= READ_AHEAD {
            wire.send(&out).await?;
            out.clear();
        }
    }
    if let Some(expected) = expected.filter(|expected| *expected != sent) {
        let text = format_args!(
            "AH01086: read {} bytes of request body than expected (got {sent}, expected {expected})",
            if sent < expected { "fewer" } else { "more" }
        );
        r.log(Level::Error, "proxy_http", text);
        return Err(Failure::Answer(Answer::Status(Status::BAD_REQUEST)));
    }
    if chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    wire.send(&out).await?;
    Ok(())
}
