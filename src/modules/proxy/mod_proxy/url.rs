//! URLs of backends in one form: what is escaped, what is refused.

use crate::config::EncodedSlashes;
use crate::log::Level;
use crate::module::Answer;
use crate::request::{Request, Status};
use bstr::{BStr, BString, ByteSlice};

/// Octets of a path that stay as they are.
const PATH: &[u8] = b"~$-_.+!*'(),;:@&=/";

/// `path` escaped for a backend. Error: an escape that is none.
pub fn escaped_path(path: &[u8], keep_slashes: bool) -> Option<BString> {
    let mut out = BString::default();
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        at += 1;
        if keep_slashes && byte == b'%' {
            let pair = (path.get(at)?, path.get(at + 1)?);
            let decoded = crate::server::escape::hex_pair(*pair.0, *pair.1)?;
            at += 2;
            if decoded == b'/' {
                out.extend_from_slice(&[b'%', *pair.0, *pair.1]);
            } else {
                push(&mut out, decoded);
            }
            continue;
        }
        push(&mut out, byte);
    }
    Some(out)
}

fn push(out: &mut BString, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || PATH.contains(&byte) {
        out.push(byte);
    } else {
        let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Authority and path of a URL without its scheme, the host in lower case; the port only where it is not the scheme's own.
pub struct Place {
    pub host: BString,
    pub port: u16,
    pub path: BString,
}

/// Takes `//host:port/path` apart. Error: why it cannot be.
pub fn place(rest: &[u8], scheme: &BStr) -> Result<Place, &'static str> {
    let rest = rest.strip_prefix(b"//").ok_or("Malformed URL")?;
    let end = rest.find_byte(b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = super::worker::split_authority(authority).ok_or("Invalid host/port")?;
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:%~!$&'()*+,;=".contains(byte);
    if host.is_empty() || !host.iter().all(valid) {
        return Err("Invalid host/port");
    }
    let port = port.unwrap_or_else(|| super::worker::default_port(scheme));
    Ok(Place { host, port, path: path.strip_prefix(b"/").unwrap_or(path).into() })
}

/// The name as it stands in a URL: IPv6 in brackets, the port where the scheme has another.
pub fn authority(host: &BStr, port: u16, own: u16) -> BString {
    let mut out = match host.contains(&b':') {
        true => BString::from([b"[", host.as_bytes(), b"]"].concat()),
        false => host.to_owned(),
    };
    if port != own {
        out.extend_from_slice(format!(":{port}").as_bytes());
    }
    out
}

/// Rewrites `r.filename` to one form for schemes whose URLs end in path and query. `module`: whose log lines, `tags`:
/// their AH numbers for a URL, a path and a query that cannot be.
pub fn canonical(r: &mut Request, scheme: &BStr, rest: &[u8], module: &'static str, tags: [&str; 3]) -> Answer {
    let place = match place(rest, scheme) {
        Ok(place) => place,
        Err(why) => {
            let begins = if rest.starts_with(b"//") { String::new() } else { format!("{scheme}:") };
            let text = format_args!("AH{}: error parsing URL {begins}{}: {why}", tags[0], rest.as_bstr());
            r.log(Level::Error, module, text);
            return Answer::Status(Status::BAD_REQUEST);
        }
    };
    let as_written = r.forward_proxy || r.notes.contains("proxy-noencode") || r.notes.contains("proxy-nocanon");
    let query_within = r.forward_proxy || r.notes.contains("proxy-nocanon");
    let path = if as_written {
        place.path
    } else {
        let keep = r.dir.core().encoded_slashes == Some(EncodedSlashes::NoDecode);
        match escaped_path(&place.path, keep) {
            Some(path) => path,
            None => return Answer::Status(Status::BAD_REQUEST),
        }
    };
    let query = r.args.clone().filter(|_| !query_within);
    // A space or control character would end the line that goes to the backend.
    let unfit = |text: &[u8]| text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f);
    if as_written && unfit(&path) {
        let text = "To be forwarded path contains control characters or spaces";
        r.log(Level::Error, module, format_args!("AH{}: {text}", tags[1]));
        return Answer::Status(Status::FORBIDDEN);
    }
    if query.as_ref().is_some_and(|query| unfit(query)) {
        let text = "To be forwarded query string contains control characters or spaces";
        r.log(Level::Error, module, format_args!("AH{}: {text}", tags[2]));
        return Answer::Status(Status::FORBIDDEN);
    }
    let host = authority(place.host.as_bstr(), place.port, super::worker::default_port(scheme));
    let mut url = [b"proxy:", scheme.as_bytes(), b"://", &host, b"/", &path].concat();
    if let Some(query) = query {
        url.push(b'?');
        url.extend_from_slice(&query);
    }
    r.filename = url.into();
    Answer::Ok
}

/// As [`canonical`], for schemes whose path names a script and that send the query beside it: `r.filename` gets the URL
/// without a query. The path, escaped.
pub fn script_path(
    r: &mut Request,
    scheme: &BStr,
    rest: &[u8],
    module: &'static str,
    tags: [&str; 2],
) -> Result<BString, Answer> {
    let place = match place(rest, scheme) {
        Ok(place) => place,
        Err(why) => {
            r.log(Level::Error, module, format_args!("AH{}: error parsing URL {}: {why}", tags[0], rest.as_bstr()));
            return Err(Answer::Status(Status::BAD_REQUEST));
        }
    };
    let as_written = r.notes.contains("proxy-noencode") || r.notes.contains("proxy-nocanon");
    let path = if as_written {
        place.path
    } else {
        let keep = r.dir.core().encoded_slashes == Some(EncodedSlashes::NoDecode);
        escaped_path(&place.path, keep).ok_or(Answer::Status(Status::BAD_REQUEST))?
    };
    if as_written && path.iter().any(|byte| byte.is_ascii_control()) {
        let text = format_args!(
            "AH{}: To be forwarded path contains control characters ({})",
            tags[1],
            crate::log::raw(&r.uri)
        );
        r.log(Level::Error, module, text);
        return Err(Answer::Status(Status::FORBIDDEN));
    }
    let host = authority(place.host.as_bstr(), place.port, super::worker::default_port(scheme));
    r.filename = [b"proxy:", scheme.as_bytes(), b"://", &host, b"/", &path].concat().into();
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(escaped_path(b"a b?%/~\xff", false).unwrap(), "a%20b%3F%25/~%FF");
        assert_eq!(escaped_path(b"a%2fb%20c", true).unwrap(), "a%2fb%20c");
        assert!(escaped_path(b"a%2", true).is_none());
    }

    #[test]
    fn places() {
        let place = place(b"//user@HOST:81/x/y", "http".into()).unwrap();
        assert_eq!((place.host.as_slice(), place.port, place.path.as_slice()), (&b"host"[..], 81, &b"x/y"[..]));
        for bad in ["host/", "//:80/", "//h:x/", "//h\r\n/"] {
            assert!(super::place(bad.as_bytes(), "http".into()).is_err(), "{bad:?}");
        }
    }
}
