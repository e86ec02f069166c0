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
    if r.simple || r.protocol.is_empty() {
        assign(&mut r.protocol, b"HTTP/1.0");
    }
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
            if !text.is_empty() {
                r.log(Level::Debug, "core", format_args!("{text}"));
            }
            let head = r.header_only;
            after_failure(r);
            r.header_only = head;
            Err(status)
        }
    }
}

/// The status, and what the log says; nothing where it is empty.
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
    let protocol = rest
        .get(..rest.iter().position(|&byte| byte <= b' ' || byte == 0x7f).unwrap_or(rest.len()))
        .unwrap_or_default();
    show(r, method, target, protocol);
    assign(&mut r.method.name, method);
    r.method.number = MethodNumber::known(method).unwrap_or(MethodNumber::INVALID);
    r.header_only = method == b"HEAD";
    assign(&mut r.unparsed_uri, target);
    // Both leave what they understand in the request, for the log's sake, whatever is refused first.
    let (form, version) = (target_form(target, r, strict), version(protocol, r, options));
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
    version?;
    if r.simple && strict && method != b"GET" {
        let text = "(only GET is allowed for HTTP/0.9 requests)";
        return Err(refuse(&format!("AH03444: HTTP Request Line; Invalid method token: '{}' {text}", shown(method))));
    }
    if !options.lenient_methods && r.method.is(MethodNumber::INVALID) {
        let text = "(disallowed by RegisteredMethods)";
        let text = format!("AH02423: HTTP Request Line; Unrecognized HTTP method: '{}' {text}", shown(method));
        return Err((Status::NOT_IMPLEMENTED, text));
    }
    r.header_only &= !r.simple;
    form
}

/// The next word, and what stands behind the blanks after it.
fn word<'a>(text: &'a [u8], strict: bool, bad_blank: &mut bool, excess: &mut bool) -> (&'a [u8], &'a [u8]) {
    let end = text.iter().position(|&byte| is_blank(byte)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let after = rest.trim_start_with(|letter| letter.is_ascii() && is_blank(letter as u8));
    let blanks = rest.get(..rest.len() - after.len()).unwrap_or_default();
    if strict && blanks.len() > 1 {
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
        let near = digits.is_some() && name.eq_ignore_ascii_case(b"HTTP/");
        assign(&mut r.protocol, if near { protocol } else { b"HTTP/1.0" });
        return Err(refuse(&format!("AH02418: HTTP Request Line; Unrecognized protocol '{}' {text}", shown(protocol))));
    };
    r.version = Version(u32::from(major) * 1000 + u32::from(minor));
    assign(&mut r.protocol, protocol);
    r.protocol.make_ascii_uppercase();
    r.simple = false;
    Ok(())
}

/// An absolute target of HTTP/2, put together from its parts. False: it is none.
pub fn absolute(r: &mut Request, target: &[u8], strict: bool) -> bool {
    assign(&mut r.unparsed_uri, target);
    target_form(target, r, strict).is_ok()
}

/// Takes the target apart. What cannot be taken apart stays whole as the path.
fn target_form(target: &[u8], r: &mut Request, strict: bool) -> Result<(), Refusal> {
    let unparsable =
        |part: &[u8]| refuse(&format!("AH03450: HTTP Request Line; Unable to parse URI: '{}'", shown(part)));
    let whole = |r: &mut Request| {
        assign(&mut r.uri, target);
        r.args = None;
        Err(unparsable(target.split_str(":").next().unwrap_or_default()))
    };
    if r.method.is(MethodNumber::CONNECT) {
        let Some((host, Some(port))) = authority(target).filter(|_| !target.contains(&b'/')) else { return whole(r) };
        uri::set_path(r, b"");
        r.absolute_uri = true;
        r.hostname = Some(host.into());
        r.host_port = Some(port);
        return Ok(());
    }
    let options = r.method.is(MethodNumber::OPTIONS);
    let mut found = Ok(());
    if target.starts_with(b"/") || target.starts_with(b"?") || target.starts_with(b"#") {
        uri::set_uri(r, target);
    } else if let Some((scheme, rest)) = scheme(target) {
        let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
        let mut path = rest;
        if let Some(rest) = rest.strip_prefix(b"//") {
            let (place, behind) = rest.split_at(rest.find_byteset(b"/?#").unwrap_or(rest.len()));
            path = behind;
            let (user, place) = match place.rfind_byte(b'@') {
                Some(at) => (true, place.get(at + 1..).unwrap_or_default()),
                None => (false, place),
            };
            let Some((host, port)) = authority(place) else { return whole(r) };
            if user && strict {
                found = Err(refuse("AH02422: HTTP Request Line; URI must not contain a username/password"));
            }
            r.absolute_uri = true;
            r.hostname = Some(host.into());
            r.host_port = port;
        }
        uri::set_path(r, path);
        // A forward proxy may know the scheme.
        let known = known || r.configuration.process.has_module("proxy_module");
        if !path.is_empty() && !path.first().is_some_and(|byte| b"/?#".contains(byte)) {
            found = Err(unparsable(path.split_str(":").next().unwrap_or_default()));
        } else if !known {
            found = Err((Status::BAD_REQUEST, String::new()));
        }
        if options && path.is_empty() {
            assign(&mut r.uri, b"*");
        }
    } else {
        uri::set_path(r, target);
        if !(options && r.uri == "*") {
            found = Err(unparsable(target));
        }
    }
    if target.contains(&b'#') && strict {
        return Err(refuse("AH02421: HTTP Request Line; URI must not contain a fragment"));
    }
    found
}

/// Scheme and rest of an absolute target.
fn scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = target.split_at(target.find_byte(b':')?);
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let fits = scheme.iter().all(letters) && scheme.first().is_some_and(u8::is_ascii_alphabetic);
    fits.then(|| (scheme, rest.get(1..).unwrap_or_default()))
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
            // Apache's number is 16 bits wide, whatever is written.
            let number = port.iter().fold(0u64, |sum, digit| sum.wrapping_mul(10) + u64::from(digit - b'0'));
            Some((host, Some(number as u16)))
        }
    }
}
