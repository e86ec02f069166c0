//! Whom a request names: the Host field and the authority of an absolute target (RFC 9112 section 3.2).

use crate::config::HttpOptions;
use crate::log::{Level, raw};
use crate::request::{Request, Status, Version};
use bstr::{BString, ByteSlice};
use std::cell::RefCell;
use std::net::Ipv6Addr;

/// Sets `hostname` and `host_port` and refuses what names no host.
pub fn check(r: &mut Request, options: &HttpOptions) -> Result<(), Status> {
    if r.absolute_uri && r.hostname.is_some() {
        return by_target(r, options);
    }
    let Some(field) = r.headers_in.get("Host") else {
        return missing(r);
    };
    if field.is_empty() {
        return missing(r);
    }
    match split_again(field, options.strict) {
        Ok((name, port)) => {
            r.hostname = Some(name);
            r.host_port = port;
            Ok(())
        }
        Err(problem) => Err(malformed(r, field, problem)),
    }
}

/// As [`split`]; the last field that a thread saw is mostly the next one too.
fn split_again(field: &[u8], strict: bool) -> Result<(BString, Option<u16>), Problem> {
    thread_local! {
        static LAST: RefCell<(BString, bool, BString, Option<u16>)> = RefCell::default();
    }
    LAST.with(|last| {
        let Ok(mut last) = last.try_borrow_mut() else { return split(field, strict) };
        if last.0 != field || last.1 != strict {
            let (name, port) = split(field, strict)?;
            *last = (field.into(), strict, name, port);
        }
        Ok((last.2.clone(), last.3))
    })
}

fn missing(r: &Request) -> Result<(), Status> {
    if r.version < Version::V1_1 || r.hostname.is_some() {
        return Ok(());
    }
    let text = "AH00569: client sent HTTP/1.1 request without hostname (see RFC2616 section 14.23)";
    r.log(Level::Debug, "core", format_args!("{text}: {}", raw(&r.uri)));
    Err(Status::BAD_REQUEST)
}

fn malformed(r: &Request, field: &[u8], problem: Problem) -> Status {
    let field = raw(field);
    match problem {
        Problem::Strict(name, near) => {
            let name = raw(&name);
            if near.is_empty() {
                r.log(Level::Debug, "core", format_args!("AH02415: [strict] Invalid host name '{name}'"));
            } else {
                let near = raw(near.get(..6).unwrap_or(&near));
                let text = format_args!("AH02415: [strict] Invalid host name '{name}', problem near: {near}");
                r.log(Level::Debug, "core", text);
            }
        }
        Problem::Number => {
            let text = format_args!("AH02416: [strict] purely numeric host names not allowed: {field}");
            r.log(Level::Debug, "core", text);
            return Status::BAD_REQUEST;
        }
        Problem::Any => {}
    }
    r.log(Level::Debug, "core", format_args!("AH00550: Client sent malformed Host header: {field}"));
    Status::BAD_REQUEST
}

/// An absolute target overrules the Host field, which takes its value.
fn by_target(r: &mut Request, options: &HttpOptions) -> Result<(), Status> {
    let mut value = r.hostname.clone().unwrap_or_default();
    if let Some(port) = r.host_port {
        value.push(b':');
        value.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
    if r.version >= Version::V1_1 && !r.headers_in.contains("Host") {
        r.hostname = None;
        return missing(r);
    }
    if let Some(field) = r.headers_in.get("Host").filter(|field| **field != value) {
        let text = "given in the request uri";
        let text = format_args!("AH02417: Replacing host header '{field}' with host '{value}' {text}");
        r.log(Level::Debug, "core", text);
        r.headers_in.set("Host", &value);
    }
    if value.is_empty() {
        r.hostname = None;
        return Ok(());
    }
    // The port was read with the target.
    let name = r.hostname.clone().unwrap_or_default();
    match split(&name, options.strict) {
        Ok((name, _)) => {
            r.hostname = Some(name);
            r.host_port = r.host_port.filter(|port| *port != 0);
            Ok(())
        }
        Err(problem) => Err(malformed(r, &value, problem)),
    }
}

enum Problem {
    /// A rule of strict mode only: the name, and what of it is wrong where that is one place.
    Strict(BString, BString),
    /// Digits alone, which strict mode does not allow either.
    Number,
    /// Nothing that could be a host and port.
    Any,
}

/// Splits `name:port`; the name in lower case, without a final dot.
fn split(field: &[u8], strict: bool) -> Result<(BString, Option<u16>), Problem> {
    if plain(field) {
        return Ok((field.into(), None));
    }
    if let Some(inner) = field.strip_prefix(b"[") {
        let end = inner.find_byte(b']').ok_or(Problem::Any)?;
        let (address, rest) = inner.split_at(end);
        let text = address.to_str().map_err(|_| Problem::Any)?;
        let address: Ipv6Addr = text.parse().map_err(|_| Problem::Any)?;
        let port = match rest.get(1..).unwrap_or_default() {
            [] => None,
            [b':', digits @ ..] => Some(port(digits).ok_or(Problem::Any)?),
            _ => return Err(Problem::Any),
        };
        let name = if strict { address.to_string() } else { text.to_ascii_lowercase() };
        return Ok((name.into(), port));
    }
    let (name, port) = match field.rfind_byte(b':') {
        Some(colon) => {
            let (name, digits) = field.split_at(colon);
            let digits = digits.get(1..).unwrap_or_default();
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(if strict { strict_name(field).err().unwrap_or(Problem::Any) } else { Problem::Any });
            }
            (name, Some(port(digits).ok_or(Problem::Any)?))
        }
        None => (field, None),
    };
    if field.iter().all(u8::is_ascii_digit) && strict {
        return Err(Problem::Number);
    }
    if port.is_some() && name.is_empty() {
        return Err(Problem::Any);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    if field.windows(2).any(|two| two == b"..") || name.iter().any(|byte| b"/\\".contains(byte)) {
        return Err(Problem::Any);
    }
    if strict {
        strict_name(name)?;
    }
    Ok((name.to_ascii_lowercase().into(), port))
}

/// A name in strict mode: letters, digits, `-` and `_` in labels, the last of which begins with a letter; or four
/// numbers without leading zeros.
fn strict_name(name: &[u8]) -> Result<(), Problem> {
    let bad = |near: &[u8]| Problem::Strict(name.to_ascii_lowercase().into(), near.to_ascii_lowercase().into());
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if let Some(at) = name.iter().position(|byte| !fits(byte)) {
        return Err(bad(name.get(at..).unwrap_or_default()));
    }
    if name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        let leading_zero = |part: &[u8]| part.len() > 1 && part.starts_with(b"0");
        let mut parts = name.split_str(".");
        if name.is_empty() || name.starts_with(b".") || parts.any(leading_zero) || name.find_iter(".").count() != 3 {
            return Err(bad(b""));
        }
        return Ok(());
    }
    match name.rfind_byte(b'.').and_then(|dot| name.get(dot..)) {
        Some(last) if last.get(1).is_some_and(|first| !first.is_ascii_alphabetic()) => Err(bad(last)),
        _ => Ok(()),
    }
}

/// Whether a field is a name as almost all are: labels of lower case letters, digits and hyphens, the last of which
/// begins and ends with a letter; no port, no address.
fn plain(field: &[u8]) -> bool {
    let (mut before, mut first) = (b'.', b'.');
    for &byte in field {
        if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.' && before != b'.') {
            return false;
        }
        if before == b'.' {
            first = byte;
        }
        before = byte;
    }
    before.is_ascii_lowercase() && first.is_ascii_lowercase()
}

fn port(digits: &[u8]) -> Option<u16> {
    let port: u16 = digits.to_str().ok()?.parse().ok()?;
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let strict = |field: &str| split(field.as_bytes(), true).ok().map(|(name, port)| (name.to_string(), port));
        for (field, name, port) in [
            ("A", "a", None),
            ("a:81", "a", Some(81)),
            ("a.", "a", None),
            ("-a", "-a", None),
            ("a_b", "a_b", None),
            ("1.2.3.4", "1.2.3.4", None),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
        ] {
            assert_eq!(strict(field), Some((name.to_owned(), port)), "{field}");
        }
        for field in
            ["a b", "a:x", "a:70000", "a:0", "a:", "a..b", "a/b", ".", "1.2.3", "a%41", "[::1", "[::1]x", "a, b", "a<b"]
        {
            assert_eq!(strict(field), None, "{field}");
        }
        assert!(split(b"a b", false).is_ok());
        assert!(split(b"a/b", false).is_err());
    }
}
