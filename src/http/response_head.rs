//! The head of a response: which fields, in Apache's order, and whether the connection lives on (RFC 9112 section 9.3).

use super::head::is_token;
use crate::config::{CoreServer, Server, identity};
use crate::log::{Level, raw};
use crate::request::{Request, Status, Table, Version};
use crate::server::{conditional, date, mpm};
use bstr::{BStr, BString, ByteSlice};
use std::cell::RefCell;
use std::sync::atomic::Ordering;

/// How the body will be delimited, and what becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delimiting {
    pub chunked: bool,
    pub keep_alive: bool,
}

/// Seconds an idle connection is kept: 5 unless set.
pub fn keep_alive_timeout(server: &Server) -> std::time::Duration {
    server.keep_alive_timeout.unwrap_or(std::time::Duration::from_secs(5))
}

/// Whether a Connection field has that token. Apache takes every separator of RFC 2616 for one between tokens, and the
/// beginning of a token for the whole.
pub fn has_option(field: Option<&BStr>, token: &[u8]) -> bool {
    field.is_some_and(|field| {
        field.eq_ignore_ascii_case(token)
            || field.split(|byte| !is_token(*byte)).any(|word| {
                let start = token.get(..word.len()).filter(|start| !start.is_empty());
                start.is_some_and(|start| start.eq_ignore_ascii_case(word))
            })
    })
}

/// Decides over connection and framing, and puts the fields that say so into `headers_out`. `close`: the connection is
/// to end, whatever the client asks for.
fn delimit(r: &mut Request, close: bool, late: bool) -> Delimiting {
    let connection = r.headers_in.get("Connection");
    let (says_close, says_keep) = (has_option(connection, b"close"), has_option(connection, b"keep-alive"));
    let bodiless = matches!(r.status, Status::NO_CONTENT | Status::NOT_MODIFIED) || r.header_only;
    let delimited = bodiless || r.headers_out.contains("Content-Length");
    let allowed = !close && r.keep_alive != Some(false) && !r.expecting_continue;
    let mut chunked = false;
    let mut keep = false;
    if allowed && (delimited || r.version >= Version::V1_1) {
        chunked = !(delimited || late && says_close);
        let most = r.server.max_keep_alive_requests.unwrap_or(100);
        let served = r.connection.keepalives.load(Ordering::Relaxed);
        keep = r.server.keep_alive.or(r.server::<CoreServer>().keep_alive).unwrap_or(true)
            && (most == 0 || most > served)
            && !r.status.drops_connection()
            && !says_close
            && (!r.env.contains("nokeepalive") || r.headers_in.contains("Via"))
            && (says_keep || r.version >= Version::V1_1)
            && !mpm().is_some_and(|mpm| mpm.stopping());
        if keep {
            r.connection.keepalives.store(served + 1, Ordering::Relaxed);
            if says_keep {
                announce(r, most, served);
            }
        } else if most != 0 && served == most {
            // The request beyond the last counts too, as `%k` shows.
            r.connection.keepalives.store(served + 1, Ordering::Relaxed);
        }
    }
    if !keep {
        r.headers_out.merge("Connection", "close");
    }
    if chunked {
        r.headers_out.unset("Content-Length");
        r.headers_out.set("Transfer-Encoding", "chunked");
    }
    r.keep_alive = Some(keep);
    Delimiting { chunked, keep_alive: keep }
}

fn announce(r: &mut Request, most: u32, served: u32) {
    let seconds = keep_alive_timeout(r.server).as_secs();
    let mut number = itoa::Buffer::new();
    let mut text = smallvec::SmallVec::<[u8; 64]>::new();
    text.extend_from_slice(b"timeout=");
    text.extend_from_slice(number.format(seconds).as_bytes());
    if most > 0 {
        text.extend_from_slice(b", max=");
        text.extend_from_slice(number.format(most.saturating_sub(served)).as_bytes());
    }
    r.headers_out.set("Keep-Alive", &text);
    r.headers_out.merge("Connection", "Keep-Alive");
}

/// Completes the response's fields and writes its head to `out`.
pub fn write(r: &mut Request, out: &mut Vec<u8>, close: bool, late: bool) -> Delimiting {
    let mut close = close;
    errors_first(r);
    let mut protocol: &[u8] = b"HTTP/1.1 ";
    if !r.env.is_empty() {
        if r.env.contains("force-no-vary") {
            r.headers_out.unset("Vary");
            r.version = Version::V1_0;
            r.env.set("force-response-1.0", "1");
        }
        if r.env.contains("downgrade-1.0") && r.version > Version::V1_0 {
            r.version = Version::V1_0;
        }
        if r.version == Version::V1_0 && r.env.contains("force-response-1.0") {
            protocol = b"HTTP/1.0 ";
            close = true;
        }
    }
    fix_vary(&mut r.headers_out);
    if !r.notes.is_empty() && r.notes.contains(conditional::NO_ETAG) {
        r.headers_out.unset("ETag");
    }
    let bodiless = matches!(r.status, Status::NO_CONTENT | Status::NOT_MODIFIED);
    if bodiless {
        r.headers_out.unset("Content-Length");
    }
    let delimiting = delimit(r, close, late);
    last_fields(r, bodiless);
    out.extend_from_slice(protocol);
    status(r, out);
    out.extend_from_slice(b"\r\n");
    if r.proxy_request && (r.headers_out.contains("Date") || r.headers_out.contains("Server")) {
        relayed_stamp(r, out);
    } else {
        stamp(r.time, out);
    }
    let breaks = r.headers_out.may_hold_controls();
    for (name, line) in r.headers_out.lines() {
        let first = match name.len() {
            4 => name.eq_ignore_ascii_case(b"Date"),
            6 => name.eq_ignore_ascii_case(b"Server"),
            _ => false,
        };
        if first {
            continue;
        }
        if breaks {
            field(out, name, line.get(name.len() + 2..line.len() - 2).unwrap_or_default());
        } else {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(b"\r\n");
    delimiting
}

/// What survives errors stands first.
fn errors_first(r: &mut Request) {
    if !r.err_headers_out.is_empty() {
        let rest = std::mem::replace(&mut r.headers_out, std::mem::take(&mut r.err_headers_out));
        r.headers_out.extend(&rest);
    }
}

fn last_fields(r: &mut Request, bodiless: bool) {
    if r.no_cache && !r.headers_out.contains("Expires") {
        r.headers_out.add("Expires", date::format(date::seconds(date::now())));
    }
    if !bodiless {
        content_fields(r);
    }
}

/// Completes the response's fields but for those that are about a connection of HTTP/1.
pub fn complete(r: &mut Request) {
    errors_first(r);
    if r.env.contains("force-no-vary") {
        r.headers_out.unset("Vary");
    }
    fix_vary(&mut r.headers_out);
    let bodiless = matches!(r.status, Status::NO_CONTENT | Status::NOT_MODIFIED);
    if bodiless {
        r.headers_out.unset("Content-Length");
    }
    last_fields(r, bodiless);
}

/// Whether all fields are fit to be sent. What is not is logged, the first of it, and taken out.
pub fn check(r: &mut Request) -> bool {
    let tables = [&r.headers_out, &r.err_headers_out];
    let fit_name = |name: &[u8]| !name.is_empty() && name.iter().all(|byte| super::head::is_token(*byte));
    let odd = tables.iter().any(|table| table.iter().any(|(name, _)| !fit_name(name)));
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let odd_type = r.content_type.as_ref().is_some_and(|kind| kind.iter().any(control));
    if !odd && !odd_type && !tables.iter().any(|table| table.may_hold_controls()) {
        return true;
    }
    let unfit = |(name, value): &(&BStr, &BStr)| !fit_name(name) || value.iter().any(control);
    let mut bad: Vec<(BString, BString)> = Vec::new();
    for table in tables {
        bad.extend(table.iter().filter(unfit).map(|(name, value)| (name.into(), value.into())));
    }
    if let Some(kind) = r.content_type.take_if(|_| odd_type)
        && !bad.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"Content-Type"))
    {
        bad.push(("Content-Type".into(), kind));
    }
    if let Some((name, value)) = bad.first() {
        let (shown, value) = (raw(name), raw(value));
        let end = "contains invalid characters, aborting request";
        match name.as_slice() {
            b"" => r.log(Level::Error, "http", format_args!("AH02428: Empty response header name, aborting request")),
            name if !fit_name(name) => {
                r.log(Level::Error, "http", format_args!("AH02429: Response header name '{shown}' {end}"));
            }
            _ => {
                let text = format_args!("AH02430: Response header '{shown}' value of '{value}' {end}");
                r.log(Level::Error, "http", text);
            }
        }
    }
    for (name, _) in &bad {
        r.headers_out.unset(name);
        r.err_headers_out.unset(name);
    }
    bad.is_empty()
}

/// A head of nothing but what every response has.
pub fn bare(r: &Request, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    status(r, out);
    out.extend_from_slice(b"\r\n");
    stamp(r.time, out);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Date and Server, which are the same for a second.
fn stamp(time: i64, out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(i64, Vec<u8>)> = const { RefCell::new((i64::MIN, Vec::new())) };
    }
    let second = date::seconds(time);
    let fill = |text: &mut Vec<u8>| {
        field(text, b"Date", &date::format(second));
        field(text, b"Server", identity::server_banner().as_bytes());
    };
    LAST.with(|last| match last.try_borrow_mut() {
        Ok(mut last) => {
            if last.0 != second {
                last.0 = second;
                last.1.clear();
                fill(&mut last.1);
            }
            out.extend_from_slice(&last.1);
        }
        Err(_) => fill(out),
    });
}

/// As [`stamp`], where a response from elsewhere brought its own.
fn relayed_stamp(r: &Request, out: &mut Vec<u8>) {
    match r.headers_out.get("Date") {
        Some(date) => field(out, b"Date", date),
        None => field(out, b"Date", &date::format(date::seconds(r.time))),
    }
    match r.headers_out.get("Server") {
        Some(server) => field(out, b"Server", server),
        None => field(out, b"Server", identity::server_banner().as_bytes()),
    }
}

fn status(r: &Request, out: &mut Vec<u8>) {
    let decimal = |sum: u16, digit: &u8| sum * 10 + u16::from(digit.wrapping_sub(b'0'));
    let number = |line: &[u8]| line.first_chunk().map(|digits: &[u8; 3]| digits.iter().fold(0u16, decimal));
    // What a backend or script made up must not end the line.
    let fit = |line: &&BString| !line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    let spaced = |line: &&BString| line.get(3).is_none_or(|byte| *byte == b' ');
    let chosen = r.status_line.as_ref().filter(|line| number(line) == Some(r.status.0)).filter(fit).filter(spaced);
    match (chosen, r.status.line()) {
        (Some(line), _) if line.len() > 3 => out.extend_from_slice(line),
        (_, Some(line)) => out.extend_from_slice(line.as_bytes()),
        // Nobody has a reason for it.
        (Some(line), None) => {
            out.extend_from_slice(line);
            out.push(b' ');
        }
        _ => out.extend_from_slice(b"500 Internal Server Error"),
    }
}

/// One field line. A line break within a value would start a field of someone else's making: it becomes a space.
fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value);
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        for byte in out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Content-Type, Content-Encoding and Content-Language, behind all others.
fn content_fields(r: &mut Request) {
    if let Some(kind) = &r.content_type {
        let charset = r.dir.core().default_charset.as_ref().and_then(Option::as_ref);
        match charset.filter(|_| lacks_charset(kind)) {
            Some(charset) => {
                let value = [kind.as_slice(), b"; charset=", charset].concat();
                r.headers_out.set("Content-Type", &value);
                r.content_type = Some(value.into());
            }
            None => r.headers_out.set("Content-Type", kind),
        }
    }
    if let Some(coding) = &r.content_encoding {
        r.headers_out.set("Content-Encoding", coding);
    }
    if !r.content_languages.is_empty() {
        // Those that a script named stand behind the others, if they are not among them.
        let known = |name: &[u8]| r.content_languages.iter().any(|language| language.eq_ignore_ascii_case(name));
        let named = r.headers_out.get("Content-Language").map(BString::from).unwrap_or_default();
        let added = named.split(|byte| *byte == b',').map(|name| name.trim_ascii());
        let added = added.filter(|name| !name.is_empty() && !known(name));
        let all = r.content_languages.iter().map(|language| language.as_slice()).chain(added);
        let list = bstr::join(",", all);
        r.headers_out.set("Content-Language", list);
    }
}

/// AddDefaultCharset is for plain text and HTML without a charset.
fn lacks_charset(kind: &[u8]) -> bool {
    let media = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let text = media.eq_ignore_ascii_case(b"text/html") || media.eq_ignore_ascii_case(b"text/plain");
    text && !kind.to_ascii_lowercase().contains_str("charset=")
}

/// Several Vary fields become one, each name once.
fn fix_vary(headers: &mut Table) {
    if headers.all("Vary").nth(1).is_none() && !headers.get("Vary").is_some_and(|vary| vary.contains(&b',')) {
        return;
    }
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in headers.all("Vary").flat_map(|value| value.split(|byte| *byte == b',')).map(|name| name.trim_ascii()) {
        if !name.is_empty() && !names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            names.push(name.to_vec());
        }
    }
    headers.set("Vary", names.join(&b","[..]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_is_one_list() {
        let mut table = Table::from_iter([("Vary", "Accept, Cookie"), ("A", "b"), ("vary", "cookie,User-Agent")]);
        fix_vary(&mut table);
        assert_eq!(table.get("Vary"), Some("Accept,Cookie,User-Agent".into()));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_value_cannot_start_a_field() {
        let mut out = Vec::new();
        field(&mut out, b"A", b"b\r\nC: d");
        assert_eq!(out, b"A: b  C: d\r\n");
    }

    #[test]
    fn charset_is_for_text_without_one() {
        assert!(lacks_charset(b"text/html") && lacks_charset(b"Text/Plain; format=flowed"));
        assert!(!lacks_charset(b"text/css") && !lacks_charset(b"text/html; Charset=x"));
    }
}
