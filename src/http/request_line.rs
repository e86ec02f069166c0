//! The request line (RFC 9112 section 3): method, target, version, and which of them Apache refuses.

use super::head::is_token;
use crate::config::HttpOptions;
use crate::log::Level;
use crate::request::{MethodNumber, Request, Status, Version};
use crate::server::uri;
use bstr::{BStr, BString, ByteSlice};

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// Fills a plain request line: origin form, known method, HTTP/1.0 or 1.1. False: not plain, nothing changed.
pub fn plain(line: &[u8], method: &[u8], target: &[u8], minor: u32, r: &mut Request, options: &HttpOptions) -> bool {
    let number = MethodNumber::known(method);
    if number.is_none() && !options.lenient_methods
        || number == Some(MethodNumber::CONNECT)
        || target.starts_with(b"//")
    {
        return false;
    }
    if target.iter().any(|&byte| byte <= b' ' || byte == 0x7f || byte == b'#') {
        return false;
    }
    assign(&mut r.the_request, line);
    assign(&mut r.method.name, method);
    r.method.number = number.unwrap_or(MethodNumber::INVALID);
    r.header_only = method == b"HEAD";
    r.version = if minor == 0 { Version::V1_0 } else { Version::V1_1 };
    assign(&mut r.protocol, if minor == 0 { b"HTTP/1.0" } else { b"HTTP/1.1" });
    uri::set_uri(r, target);
    true
}

fn assign(to: &mut BString, from: &[u8]) {
    to.clear();
    to.extend_from_slice(from);
}

/// What a request that cannot be read looks like to the pages and logs that follow.
pub fn after_failure(r: &mut Request) {
    r.version = Version::V1_1;
    assign(&mut r.protocol, b"HTTP/1.1");
    r.simple = false;
    if r.method.name.is_empty() {
        r.method.number = MethodNumber::INVALID;
    }
}

/// Parses any request line into `r`.
pub fn parse(line: &[u8], r: &mut Request, options: &HttpOptions) -> Result<(), Status> {
    match dissect(line, r, options) {
        Ok(()) => Ok(()),
        Err((status, text)) => {
            r.log(Level::Debug, "core", format_args!("{text}"));
            let head = r.header_only;
            after_failure(r);
            r.header_only = head;
            Err(status)
        }
    }
}

type Refusal = (Status, String);

fn refuse(text: &str) -> Refusal {
    (Status::BAD_REQUEST, text.to_owned())
}

fn shown(text: &[u8]) -> &BStr {
    text.get(..80).unwrap_or(text).as_bstr()
}

fn dissect(line: &[u8], r: &mut Request, options: &HttpOptions) -> Result<(), Refusal> {
    let strict = options.strict;
    let mut bad_blank = line.first().is_some_and(|&byte| is_blank(byte));
    let mut excess = false;
    let line_trimmed = line.trim_start_with(|letter| letter.is_ascii() && is_blank(letter as u8));
    let (method, rest) = word(line_trimmed, strict, &mut bad_blank, &mut excess);
    let (target, rest) = word(rest, strict, &mut bad_blank, &mut excess);
    if strict && rest.iter().any(|&byte| is_blank(byte)) {
        excess = true;
    }
    let rest = rest.trim_end_with(|letter| letter.is_ascii() && is_blank(letter as u8));
    let protocol = rest.get(..rest.iter().position(|&byte| is_blank(byte)).unwrap_or(rest.len())).unwrap_or_default();
    show(r, method, target, protocol);
    assign(&mut r.method.name, method);
    r.method.number = MethodNumber::known(method).unwrap_or(MethodNumber::INVALID);
    r.header_only = method == b"HEAD";
    assign(&mut r.unparsed_uri, target);
    let method_ok = !method.is_empty()
        && method.iter().all(|&byte| if strict { is_token(byte) } else { byte > b' ' && byte != 0x7f });
    if !bad_blank && !method_ok {
        return Err(refuse(&format!("AH03445: HTTP Request Line; Invalid method token: '{}'", shown(method))));
    }
    if bad_blank {
        return Err(refuse("AH03447: HTTP Request Line; Invalid whitespace"));
    }
    if excess {
        let text = "AH03448: HTTP Request Line; Excess whitespace (disallowed by HttpProtocolOptions Strict)";
        return Err(refuse(text));
    }
    if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Err(refuse(&format!("AH03454: HTTP Request Line; URI incorrectly encoded: '{}'", shown(target))));
    }
    if rest.len() > protocol.len() {
        let text = "AH03449: HTTP Request Line; Extraneous text found";
        let found = rest.get(protocol.len()..).unwrap_or_default().trim_start();
        return Err(refuse(&format!("{text} '{}' (perhaps whitespace was injected?)", shown(found))));
    }
    version(protocol, r, options)?;
    if r.simple && method != b"GET" {
        let text = "(only GET is allowed for HTTP/0.9 requests)";
        return Err(refuse(&format!("AH03444: HTTP Request Line; Invalid method token: '{}' {text}", shown(method))));
    }
    if !options.lenient_methods && r.method.is(MethodNumber::INVALID) {
        let text = "(disallowed by RegisteredMethods)";
        let text = format!("AH02423: HTTP Request Line; Unrecognized HTTP method: '{}' {text}", shown(method));
        return Err((Status::NOT_IMPLEMENTED, text));
    }
    target_form(target, r)
}

/// The next word, and what stands behind the blanks after it.
fn word<'a>(text: &'a [u8], strict: bool, bad_blank: &mut bool, excess: &mut bool) -> (&'a [u8], &'a [u8]) {
    let end = text.iter().position(|&byte| is_blank(byte)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let after = rest.trim_start_with(|letter| letter.is_ascii() && is_blank(letter as u8));
    let blanks = rest.get(..rest.len() - after.len()).unwrap_or_default();
    if strict && (blanks.len() > 1 || blanks == b" " && after.is_empty()) {
        *excess = true;
    }
    if blanks.iter().any(|byte| *byte != b' ') {
        *bad_blank = true;
    }
    (word, after)
}

/// The request line as logs show it: its words, single spaces between them, and no password.
fn show(r: &mut Request, method: &[u8], target: &[u8], protocol: &[u8]) {
    assign(&mut r.the_request, method);
    for word in [target, protocol].into_iter().filter(|word| !word.is_empty()) {
        r.the_request.push(b' ');
        r.the_request.extend_from_slice(word);
    }
    let place = target.find(b"://").and_then(|at| {
        let rest = target.get(at + 3..)?;
        let place = rest.get(..rest.find_byteset(b"/?#").unwrap_or(rest.len()))?;
        Some((at + 3, place.get(..place.rfind_byte(b'@')?)?))
    });
    if let Some((at, user)) = place
        && let Some(colon) = user.find_byte(b':')
    {
        let from = method.len() + 1 + at + colon + 1;
        let to = method.len() + 1 + at + user.len();
        r.the_request.splice(from..to, *b"XXXXXXXX");
    }
}

fn version(protocol: &[u8], r: &mut Request, options: &HttpOptions) -> Result<(), Refusal> {
    if protocol.is_empty() {
        if !options.allow_http09 {
            return Err(refuse("AH02401: HTTP Request Line; Rejected HTTP/0.9 request"));
        }
        r.version = Version::V0_9;
        assign(&mut r.protocol, b"HTTP/0.9");
        r.simple = true;
        return Ok(());
    }
    let name = protocol.get(..5).unwrap_or_default();
    let named = if options.strict { name == b"HTTP/" } else { name.eq_ignore_ascii_case(b"HTTP/") };
    let digits = match protocol.get(5..) {
        Some([major @ b'1'..=b'9', b'.', minor @ b'0'..=b'9']) => Some((major - b'0', minor - b'0')),
        _ => None,
    };
    let Some((major, minor)) = digits.filter(|_| named) else {
        let text = "(perhaps whitespace was injected?)";
        return Err(refuse(&format!("AH02418: HTTP Request Line; Unrecognized protocol '{}' {text}", shown(protocol))));
    };
    r.version = Version(u32::from(major) * 1000 + u32::from(minor));
    assign(&mut r.protocol, protocol);
    r.simple = false;
    Ok(())
}

fn target_form(target: &[u8], r: &mut Request) -> Result<(), Refusal> {
    let unparsable =
        |part: &[u8]| refuse(&format!("AH03450: HTTP Request Line; Unable to parse URI: '{}'", shown(part)));
    if target.contains(&b'#') {
        return Err(refuse("AH02421: HTTP Request Line; URI must not contain a fragment"));
    }
    if r.method.is(MethodNumber::CONNECT) {
        let found = authority(target).filter(|_| !target.contains(&b'/'));
        let (host, port) = found.ok_or_else(|| unparsable(target))?;
        if port.is_none() {
            return Err(unparsable(target));
        }
        uri::set_path(r, b"");
        r.absolute_uri = true;
        r.hostname = Some(host.into());
        r.host_port = port;
        return Ok(());
    }
    if target.starts_with(b"/") || target.starts_with(b"?") {
        uri::set_uri(r, target);
        return Ok(());
    }
    if target == b"*" && r.method.is(MethodNumber::OPTIONS) {
        uri::set_uri(r, target);
        return Ok(());
    }
    let colon = target.find_byte(b':').ok_or_else(|| unparsable(target))?;
    let (scheme, rest) = target.split_at(colon);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(unparsable(target));
    }
    let rest = rest.get(1..).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(b"//") else {
        if !rest.starts_with(b"/") {
            return Err(unparsable(scheme));
        }
        uri::set_path(r, rest);
        return Ok(());
    };
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    if place.contains(&b'@') {
        return Err(refuse("AH02422: HTTP Request Line; URI must not contain a username/password"));
    }
    let (host, port) = authority(place).ok_or_else(|| unparsable(scheme))?;
    r.absolute_uri = true;
    r.hostname = Some(host.into());
    r.host_port = port;
    uri::set_path(r, path);
    Ok(())
}

/// Host and port of an authority; None where the port is no number.
fn authority(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let from = text.rfind_byte(b']').unwrap_or(0);
    match text.get(from..)?.find_byte(b':') {
        None => Some((text, None)),
        Some(colon) => {
            let (host, port) = text.split_at(from + colon);
            let port = port.get(1..)?;
            if port.is_empty() {
                return Some((host, None));
            }
            if !port.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let number: u32 = port.to_str().ok()?.parse().ok()?;
            Some((host, Some(u16::try_from(number).ok()?)))
        }
    }
}
