//! The head of a backend's response: interim ones, fields, what becomes of the connections (RFC 9110 section 15.2).

use super::super::mod_proxy::{
    self, BadHeader, Call, Line, ProxyDir, ProxyServer, Wire, hop_by_hop, proxy_error, via_value,
};
use super::body::{self, Framing};
use super::send::{self, Failure, Sent};
use super::{GENERAL, Target, errno, vanish};
use crate::log::{Level, raw};
use crate::module::Answer;
use crate::request::{Body, Request, Status, Table};
use bstr::{BStr, BString, ByteSlice};
use std::io;
use std::sync::atomic::Ordering;

/// Interim responses that one request may have.
const MOST_INTERIM: usize = 10;
/// A body that is here whole, up to this size, is one piece, as in httpd's I/O buffer.
const AT_ONCE: u64 = 8192;
/// Octets of a head at most: what a hostile backend may make us hold.
const LARGEST_HEAD: usize = 1 << 20;

/// A parsed status line.
struct StatusLine {
    minor: u32,
    status: u16,
    /// Status and reason.
    text: BString,
}

/// `HTTP/1.1 200 OK`; None where it is no status line.
fn status_line(line: &[u8]) -> Option<(u32, StatusLine)> {
    let digit = |at: usize| line.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let begins =
        line.get(..5)?.eq_ignore_ascii_case(b"HTTP/") && line.get(6) == Some(&b'.') && line.get(8) == Some(&b' ');
    let (major, minor) = (digit(5)?, digit(7)?);
    let status = (digit(9)? * 100 + digit(10)? * 10 + digit(11)?) as u16;
    if !begins || line.get(12).is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return None;
    }
    let mut text = BString::from(line.get(9..12)?);
    text.push(b' ');
    text.extend_from_slice(line.get(13..).unwrap_or_default());
    Some((major, StatusLine { minor, status, text }))
}

/// Reads the response and puts it into `r`; its body follows as the client takes it.
pub async fn response(r: &mut Request, call: &Call, target: &Target, sent: Sent, mut wire: Wire) -> Answer {
    let limit = call.worker.as_ref().and_then(|worker| worker.parameters.field_size).unwrap_or(mod_proxy::FIELD_SIZE);
    let mut sent = sent;
    let mut waiting = sent.waiting.take();
    let mut interim = 0;
    let pooled = wire.backend.reused;
    loop {
        let (line, whole) = match first_line(&mut wire, limit).await {
            Ok(line) => line,
            Err(error) => return no_answer(r, target, &error, pooled),
        };
        wire.count(line.len());
        let Some((major, line)) = status_line(&line) else { return without_head(r, line, wire) };
        if major != 1 || !whole {
            let cut = line.text.len().saturating_sub(usize::from(!whole));
            let shown = raw(line.text.get(..cut).unwrap_or_default()).to_string();
            let why = format!("Corrupt status line returned by remote server: HTTP/{major}.{} {shown}", line.minor);
            return proxy_error(r, Status::BAD_GATEWAY, &why);
        }
        let mut fields = Table::new();
        match read_fields(r, &mut wire, limit, &mut fields).await {
            Ok(()) => {}
            Err(Bad::Fields) => {
                let text = format_args!(
                    "AH01106: bad HTTP/1.{} header returned by {} ({})",
                    line.minor,
                    raw(&r.uri),
                    r.method.name
                );
                r.log(Level::Warn, "proxy_http", text);
                return Answer::Status(Status::BAD_GATEWAY);
            }
        }
        if (100..200).contains(&line.status) {
            interim += 1;
            if line.status == 101 {
                let to = fields.get("Upgrade").map(BString::from);
                if let (Some(expected), Some(to)) = (&sent.upgrade, &to)
                    && expected.eq_ignore_ascii_case(to)
                {
                    return switch(r, call, line, fields, wire).await;
                }
                let to = to.map_or("n/a".into(), |to| raw(&to).to_string());
                let expected = sent.upgrade.as_ref().map_or("n/a".into(), |expected| raw(expected).to_string());
                let why = format!("Unexpected Upgrade: {to} (expecting {expected})");
                return proxy_error(r, Status::BAD_GATEWAY, &why);
            }
            if line.status == 100 && waiting.is_some() {
                if let Some(body) = waiting.take() {
                    match send::send_body(r, body, Vec::new(), &mut wire).await {
                        Ok(()) => {}
                        Err(Failure::Answer(answer)) => return answer,
                        Err(Failure::Backend(error)) => return no_answer(r, target, &error, pooled),
                    }
                }
            } else {
                forward_interim(r, &line, fields).await;
            }
            if interim >= MOST_INTERIM {
                let why = format!("Too many ({interim}) interim responses from origin server");
                return proxy_error(r, Status::BAD_GATEWAY, &why);
            }
            continue;
        }
        // A body that the backend did not want was never sent: neither connection can go on.
        if waiting.is_some() {
            wire.backend.spend();
        }
        return finish(r, line, fields, wire).await;
    }
}

/// The first line of a response; empty lines before it are skipped.
async fn first_line(wire: &mut Wire, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut line = wire.line(limit).await?;
    if matches!(&line, Line::Whole(line) if line.is_empty()) {
        line = wire.line(limit).await?;
    }
    match line {
        // No number stands in the log for what is not there.
        Line::Whole(line) if line.is_empty() => Err(io::Error::from_raw_os_error(0)),
        Line::Whole(line) | Line::Ended(line) if line.contains(&0) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        Line::Whole(line) => Ok((line, true)),
        Line::TooLong(line) => Ok((line, false)),
        Line::Ended(rest) if rest.is_empty() && wire.backend.stream.is_secured() => {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
        Line::Ended(rest) if rest.is_empty() => Err(io::Error::from_raw_os_error(GENERAL)),
        Line::Ended(rest) if status_line(&rest).is_some() => Err(io::ErrorKind::UnexpectedEof.into()),
        Line::Ended(rest) => Ok((rest, true)),
    }
}

/// The backend said nothing.
fn no_answer(r: &mut Request, target: &Target, error: &io::Error, _pooled: bool) -> Answer {
    let timed_out = error.kind() == io::ErrorKind::TimedOut;
    let text = format_args!("AH01102: error reading status line from remote server {}:{}", target.host, target.port);
    match errno(error) {
        0 => r.log(Level::Error, "proxy_http", text),
        number => r.log_errno(Level::Error, "proxy_http", number, text),
    }
    if timed_out {
        r.notes.set("proxy_timedout", "1");
    }
    let served = r.connection.keepalives.load(Ordering::Relaxed);
    if !r.forward_proxy && served > 0 && !timed_out {
        return vanish(r);
    }
    proxy_error(r, Status::BAD_GATEWAY, "Error reading from remote server")
}

/// A response without a head, as HTTP/0.9 has it.
fn without_head(r: &mut Request, first: Vec<u8>, mut wire: Wire) -> Answer {
    wire.backend.spend();
    r.status = Status::OK;
    r.status_line = Some("200 OK".into());
    r.body_out = body::of(wire, Framing::UntilEnd, Some(first.into()));
    Answer::Ok
}

enum Bad {
    Fields,
}

async fn read_fields(r: &mut Request, wire: &mut Wire, limit: usize, fields: &mut Table) -> Result<(), Bad> {
    let policy = r.server::<ProxyServer>().bad_header.unwrap_or(BadHeader::IsError);
    loop {
        let mut line = match wire.line(limit).await {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong(line)) => return Err(too_long(r, &line, limit)),
            Ok(Line::Ended(rest)) if rest.is_empty() => {
                return Err(unreadable(r, &io::Error::from_raw_os_error(GENERAL)));
            }
            Ok(Line::Ended(_)) => return Err(unreadable(r, &io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Err(unreadable(r, &error)),
        };
        if line.contains(&0) {
            return Err(unreadable(r, &io::Error::from_raw_os_error(libc::EINVAL)));
        }
        if line.is_empty() {
            return Ok(());
        }
        while wire.continues().await.map_err(|error| unreadable(r, &error))? {
            let Ok(Line::Whole(more)) = wire.line(limit).await else { return Err(Bad::Fields) };
            line.extend_from_slice(&more);
            if line.len() >= limit {
                line.truncate(limit.saturating_sub(1));
                return Err(too_long(r, &line, limit));
            }
            if line.contains(&0) {
                return Err(unreadable(r, &io::Error::from_raw_os_error(libc::EINVAL)));
            }
        }
        let name = line.find_byte(b':').map(|colon| (colon, line.get(..colon).unwrap_or_default()));
        let Some((colon, name)) = name else {
            let policy = if status_line(&line).is_some() { BadHeader::Ignore } else { policy };
            match policy {
                BadHeader::IsError => return Err(Bad::Fields),
                BadHeader::Ignore => {
                    let text = format_args!(
                        "AH01100: Ignoring bogus HTTP header returned by {} ({})",
                        raw(&r.uri),
                        r.method.name
                    );
                    r.log(Level::Warn, "proxy_http", text);
                    continue;
                }
                BadHeader::StartBody => {
                    let tag = if fields.is_empty() {
                        "AH01099: No HTTP headers"
                    } else {
                        "AH01098: Starting body due to bogus non-header in headers"
                    };
                    let text = format_args!("{tag} returned by {} ({})", raw(&r.uri), r.method.name);
                    r.log(Level::Warn, "proxy_http", text);
                    return Ok(());
                }
            }
        };
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        let value = match name.to_ascii_lowercase().as_slice() {
            b"location" | b"content-location" | b"uri" | b"destination" if !r.forward_proxy => {
                mod_proxy::reversed(r, value).unwrap_or_else(|| value.into())
            }
            b"set-cookie" if !r.forward_proxy => mod_proxy::reversed_cookie(r, value),
            _ => value.into(),
        };
        fields.add(name, value);
        if fields.size() > LARGEST_HEAD {
            return Err(unreadable(r, &io::ErrorKind::OutOfMemory.into()));
        }
    }
}

/// A line and those that go on with it, cut at `limit`.
fn too_long(r: &Request, line: &[u8], limit: usize) -> Bad {
    let shown = raw(line.get(..64).unwrap_or(line)).to_string();
    let end =
        raw(line.get(line.len().saturating_sub(65)..line.len().saturating_sub(1)).unwrap_or_default()).to_string();
    let text = format_args!(
        "AH10124: header size is over the limit allowed by ResponseFieldSize ({limit} bytes). Bad response header: \
         '{shown}[...]{end}'"
    );
    r.log_errno(Level::Warn, "proxy_http", libc::ENOSPC, text);
    Bad::Fields
}

fn unreadable(r: &Request, error: &io::Error) -> Bad {
    r.log_errno(Level::Warn, "proxy_http", errno(error), format_args!("AH10404: Error reading headers from backend"));
    Bad::Fields
}

/// The backend goes on with another protocol: the client hears so, and the two are joined.
async fn switch(r: &mut Request, call: &Call, line: StatusLine, mut fields: Table, wire: Wire) -> Answer {
    let protocol = fields.get("Upgrade").map(BString::from).unwrap_or_default();
    hop_by_hop(&mut fields);
    r.log(Level::Debug, "proxy_http", format_args!("AH10239: HTTP: tunneling protocol {}", raw(&protocol)));
    let mut out = [b"HTTP/1.1 ", line.text.as_slice(), b"\r\n"].concat();
    for (name, value) in fields.iter() {
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(&[b"Connection: Upgrade\r\nUpgrade: ", protocol.as_slice(), b"\r\n\r\n"].concat());
    r.status = Status(101);
    r.status_line = Some(line.text);
    let limit = mod_proxy::patience(r, call.worker.as_deref());
    if mod_proxy::say(r, &out).await.is_ok() {
        mod_proxy::tunnel(r, wire, limit);
    }
    Answer::Done
}

/// Passes an interim response on, where the client understands it.
async fn forward_interim(r: &mut Request, line: &StatusLine, mut fields: Table) {
    let policy = r.env.get("proxy-interim-response").map(BString::from);
    let suppressed = policy.is_some_and(|policy| policy.eq_ignore_ascii_case(b"Suppress"));
    if suppressed || r.version < crate::request::Version::V1_1 || line.status == 100 {
        return;
    }
    hop_by_hop(&mut fields);
    if let Some(stream) = &r.connection.stream_of {
        return stream.reply.interim(r, line.status, &fields);
    }
    let mut out = [b"HTTP/1.1 ", line.text.as_slice(), b"\r\n"].concat();
    for (name, value) in fields.iter() {
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    let limit = mod_proxy::patience(r, None);
    let stream = r.connection.stream.lock().clone();
    if let Some(stream) = stream {
        let _ = crate::engine::timeout(limit, stream.write_all(&out)).await;
    }
}

/// The value of Content-Length, where it is one.
fn body_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    value.to_str().ok().filter(|_| digits)?.parse().ok().filter(|length| *length <= i64::MAX as u64)
}

/// Whether the last coding is the one that tells where the body ends.
fn is_chunked(codings: &[u8]) -> bool {
    let last = codings.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// The final response.
async fn finish(r: &mut Request, line: StatusLine, mut fields: Table, mut wire: Wire) -> Answer {
    let coding = fields.get("Transfer-Encoding").map(BString::from);
    let mut ends = line.minor == 0;
    if coding.is_some() && fields.unset("Content-Length") {
        let text = format_args!("AH01107: server {} returned Transfer-Encoding and Content-Length", raw(&r.uri));
        r.log(Level::Debug, "proxy_http", text);
        ends = true;
    }
    let keeps = fields.get("Connection").is_some_and(|value| value.to_ascii_lowercase().contains_str("keep-alive"));
    ends = ends && !(line.minor == 0 && keeps);
    ends |= hop_by_hop(&mut fields);
    fields.unset("Transfer-Encoding");
    fields.unset("Proxy-Authenticate");
    if let Some(via) = via_value(r, r.version.0) {
        fields.add("Via", via);
    }
    let status = Status(line.status);
    let bodiless = r.header_only || matches!(line.status, 204 | 304);
    let length = fields.get("Content-Length").map(BString::from);
    let framing = match (&coding, length) {
        _ if bodiless => Framing::Length(0),
        (Some(coding), _) if is_chunked(coding) => Framing::Chunked,
        // Codings that we do not undo go on to the end, as they are.
        (Some(_), _) => Framing::UntilEnd,
        (None, Some(length)) => match body_length(&length) {
            Some(length) => Framing::Length(length),
            None => {
                fields.unset("Content-Length");
                Framing::Unreadable
            }
        },
        (None, None) => Framing::UntilEnd,
    };
    if ends {
        wire.backend.spend();
    }
    let dir = r.dir.clone();
    let overridden = dir.settings.of::<ProxyDir>().overrides(line.status);
    if line.status == 401 && overridden {
        match fields.get("WWW-Authenticate").map(BString::from) {
            Some(value) => r.err_headers_out.set("WWW-Authenticate", value),
            None => {
                let text = "AH01109: origin server sent 401 without WWW-Authenticate header";
                r.log(Level::Info, "proxy_http", format_args!("{text}"));
            }
        }
    }
    if overridden {
        r.status_line = Some(line.text);
        return Answer::Status(status);
    }
    if let Some(kind) = fields.get("Content-Type").map(BString::from) {
        r.set_content_type(kind);
    }
    let cookie = |name: &BStr| name.eq_ignore_ascii_case(b"Set-Cookie");
    for (name, value) in fields.iter().filter(|(name, _)| !cookie(name)) {
        match name.eq_ignore_ascii_case(b"Content-Length") {
            true => r.headers_out.set(name, value),
            false => r.headers_out.add(name, value),
        }
    }
    for (name, value) in fields.iter().filter(|(name, _)| cookie(name)) {
        r.headers_out.add(name, value);
    }
    r.status = status;
    // What could not be sent is replaced by the status's own words.
    let sendable = !line.text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    r.status_line = Some(line.text).filter(|_| sendable);
    r.body_out = match framing {
        Framing::Length(0) => {
            if wire.unread().is_empty() {
                wire.backend.release();
            }
            Body::Empty
        }
        // Whole already: ranges and measuring filters can work on it.
        Framing::Length(length) if length <= AT_ONCE && wire.unread().len() as u64 >= length => {
            let whole = wire.take(length as usize);
            wire.count(whole.len());
            if wire.unread().is_empty() {
                wire.backend.release();
            }
            Body::Bytes(whole)
        }
        framing => body::of(wire, framing, None),
    };
    Answer::Ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        let of =
            |line: &str| status_line(line.as_bytes()).map(|(major, line)| (major, line.status, line.text.to_string()));
        assert_eq!(of("HTTP/1.1 200 OK"), Some((1, 200, "200 OK".into())));
        assert_eq!(of("HTTP/1.0 404"), Some((1, 404, "404 ".into())));
        assert_eq!(of("http/2.0 200 x").map(|line| line.0), Some(2));
        for bad in ["HTTP/1.1 20", "HTTP/11 200", "HTTP/1.1 2000", "X", ""] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
