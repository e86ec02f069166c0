//! The fields of an Authorization header, and whether they speak of the request at hand (RFC 7616 section 3.4).

use crate::request::Request;
use bstr::{BString, ByteSlice};
use percent_encoding::percent_decode;

/// What the client sent.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) username: BString,
    pub(super) realm: BString,
    pub(super) nonce: BString,
    pub(super) uri: BString,
    pub(super) response: BString,
    pub(super) algorithm: Option<BString>,
    pub(super) cnonce: BString,
    pub(super) opaque: Option<BString>,
    pub(super) qop: Option<BString>,
    pub(super) nc: BString,
}

/// One value, quoted or bare, and what follows it.
fn value(text: &[u8]) -> (BString, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b',' || byte.is_ascii_whitespace()).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.into(), rest);
    };
    let mut out = BString::default();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (out, quoted.get(at + 1..).unwrap_or_default()),
            b'\\' => out.extend(bytes.next().map(|(_, byte)| *byte)),
            _ => out.push(*byte),
        }
    }
    (out, b"")
}

/// None where something is missing without which nothing can be checked.
pub(super) fn parse(field: &[u8]) -> Option<Credentials> {
    let mut found = Credentials::default();
    let (mut user, mut realm, mut nonce, mut uri, mut response) = (None, None, None, None, None);
    let (mut cnonce, mut nc) = (None, None);
    let mut rest = field.trim_start();
    while !rest.is_empty() {
        let end = rest.find_byte(b'=')?;
        let name = rest[..end].trim_ascii().to_ascii_lowercase();
        let (value, behind) = value(rest.get(end + 1..).unwrap_or_default().trim_start());
        match name.as_slice() {
            b"username" => user = Some(value),
            b"realm" => realm = Some(value),
            b"nonce" => nonce = Some(value),
            b"uri" => uri = Some(value),
            b"response" => response = Some(value),
            b"algorithm" => found.algorithm = Some(value),
            b"cnonce" => cnonce = Some(value),
            b"opaque" => found.opaque = Some(value),
            b"qop" => found.qop = Some(value),
            b"nc" => nc = Some(value),
            _ => {}
        }
        rest = behind.trim_start_with(|c| c == ',' || c.is_ascii_whitespace());
    }
    (found.username, found.realm, found.nonce, found.uri, found.response) = (user?, realm?, nonce?, uri?, response?);
    if found.qop.is_some() {
        (found.cnonce, found.nc) = (cnonce?, nc?);
    }
    Some(found)
}

/// Method and target of the request line: what the client has signed, whatever became of the request since.
pub(super) fn original(r: &Request) -> (BString, BString) {
    let mut words = r.the_request.fields();
    let method = words.next().unwrap_or_default().into();
    (method, words.next().unwrap_or_default().into())
}

/// Scheme and authority, if any, then path and query.
fn parts(target: &[u8]) -> (Option<&[u8]>, &[u8], Option<&[u8]>) {
    let behind = target.find("://").filter(|at| target[..*at].iter().all(u8::is_ascii_alphabetic)).map(|at| at + 3);
    let (host, rest) = match behind.and_then(|at| target.get(at..)) {
        Some(rest) => {
            let end = rest.find_byteset(b"/?").unwrap_or(rest.len());
            (rest.get(..end), rest.get(end..).unwrap_or_default())
        }
        None => (None, target),
    };
    match rest.split_once_str("?") {
        Some((path, query)) => (host, path, Some(query)),
        None => (host, rest, None),
    }
}

/// Whether the `uri` field means the request's target: escapes in the path do not matter, nor does a host that is the request's.
pub(super) fn same_target(field: &[u8], target: &[u8], r: &Request) -> bool {
    let (host, path, query) = parts(field);
    let (_, own_path, own_query) = parts(target);
    let decoded = |path| percent_decode(path).collect::<Vec<u8>>();
    let same_host = host.is_none_or(|host| {
        let name = host.split(|byte| *byte == b':').next().unwrap_or_default();
        r.hostname.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    });
    same_host && decoded(path) == decoded(own_path) && query == own_query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let found =
            parse(b"username=\"a\\\"b\", REALM=r , nonce=\"n\",uri=\"/\", response=\"x\", qop=auth, nc=1, cnonce=c")
                .unwrap();
        assert_eq!((found.username.to_string().as_str(), found.realm.to_string().as_str()), ("a\"b", "r"));
        assert!(parse(b"username=\"a\", realm=r").is_none());
        assert!(parse(b"foo").is_none());
        assert!(parse(b"username=\"a").is_none());
    }
}
