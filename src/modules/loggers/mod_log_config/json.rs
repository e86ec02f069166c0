//! Lines of JSON (RFC 8259): `LogFormat "json: time=%t client=%a line='%r' status=%>s" name`.
//!
//! Behind `json:` stand members, `name=format`, parted by spaces; a format with spaces stands in single quotes. A format of
//! one item makes a number where the item is a count or a code, and null where it has no value; all others make strings.
//! Whatever clients send, a line is one valid object: octets that are no UTF-8 become U+FFFD.

use super::format::{Format, Piece};
use crate::config::Providers;
use crate::request::Request;
use crate::server::escape::hex_pair;
use bstr::{BString, ByteSlice};

/// A compiled object.
#[derive(Clone)]
pub(super) struct Json(Vec<Member>);

#[derive(Clone)]
struct Member {
    /// With its quotes and colon.
    name: BString,
    pieces: Vec<Piece>,
}

impl Json {
    pub(super) fn compile(text: &[u8], providers: &Providers) -> Result<Json, BString> {
        let mut members: Vec<Member> = Vec::new();
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once_str("=").filter(|(name, _)| !name.contains_str(" ")) else {
                let word = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
                return Err(format!("JSON LogFormat: no format for the member {}", word.as_bstr()).into());
            };
            let (format, after) = match after.strip_prefix(b"'") {
                Some(quoted) => quoted.split_once_str("'").ok_or("JSON LogFormat: a quote is not closed")?,
                None => after.split_at(word_end(after)),
            };
            let mut quoted = Vec::new();
            append_string(&mut quoted, name);
            quoted.push(b':');
            if members.iter().any(|member| *member.name == *quoted) {
                return Err(format!("JSON LogFormat: the member {} stands twice", name.as_bstr()).into());
            }
            members.push(Member { name: quoted.into(), pieces: Format::pieces(format, providers)? });
            rest = after.trim_ascii_start();
        }
        Ok(Json(members))
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, r: &Request, end: i64) {
        let mut value = Vec::new();
        for (at, member) in self.0.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            out.extend_from_slice(&member.name);
            value.clear();
            if let [Piece::Item(item)] = member.pieces.as_slice() {
                let is_number = item.is_number();
                match item.append(&mut value, r, end) {
                    false => out.extend_from_slice(b"null"),
                    true if is_number => out.extend_from_slice(&value),
                    true => append_string(out, &plain(&value)),
                }
                continue;
            }
            for piece in &member.pieces {
                match piece {
                    Piece::Literal(text) => value.extend_from_slice(text),
                    Piece::Item(item) => {
                        let mut part = Vec::new();
                        match item.append(&mut part, r, end) {
                            true => value.extend_from_slice(&plain(&part)),
                            false => value.push(b'-'),
                        }
                    }
                }
            }
            append_string(out, &value);
        }
        out.extend_from_slice(if self.0.is_empty() { b"{}" } else { b"}" });
    }
}

/// The end of a format without quotes: a space outside of braces.
fn word_end(text: &[u8]) -> usize {
    let mut inside = false;
    let end = text.iter().position(|byte| {
        inside = *byte == b'{' || inside && *byte != b'}';
        *byte == b' ' && !inside
    });
    end.unwrap_or(text.len())
}

/// A value without the escapes that access logs have for it.
fn plain(escaped: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (octet, length) = match (byte, rest) {
            (b'\\', [b'x', high, low, ..]) => (hex_pair(*high, *low).unwrap_or(b'?'), 3),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [b'b', ..]) => (8, 1),
            (b'\\', [b'v', ..]) => (11, 1),
            (b'\\', [other @ (b'"' | b'\\'), ..]) => (*other, 1),
            (byte, _) => (byte, 0),
        };
        out.push(octet);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// A JSON string of any octets.
fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for letter in text.to_str_lossy().chars() {
        match letter {
            '"' | '\\' => out.extend_from_slice(&[b'\\', letter as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            letter if letter.is_ascii_control() => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
            }
            letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;

    fn line(text: &str, r: &Request) -> String {
        let mut out = Vec::new();
        Json::compile(text.as_bytes(), &Providers::default()).unwrap().append(&mut out, r, r.time + 1500);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_by_kind() {
        let r = testing::request();
        let text = line("client=%a user=%u status=%>s us=%D bytes=%B who='%h %u' at=%{%Y %m}t", &r);
        assert_eq!(
            text,
            r#"{"client":"192.0.2.7","user":null,"status":200,"us":1500,"bytes":0,"who":"192.0.2.7 -","at":"2021 01"}"#
        );
        assert_eq!(line("", &r), "{}");
    }

    #[test]
    fn whatever_clients_send() {
        let mut r = testing::request();
        r.headers_in.add("A", b"q\"b\\s\t\xff\xc3\xa4\x01\\x41");
        assert_eq!(line("a=%{A}i", &r), "{\"a\":\"q\\\"b\\\\s\\t\u{fffd}\u{e4}\\u0001\\\\x41\"}");
    }

    #[test]
    fn mistakes() {
        let error = |text: &str| Json::compile(text.as_bytes(), &Providers::default()).err().unwrap();
        assert_eq!(error("a=%a b"), "JSON LogFormat: no format for the member b");
        assert_eq!(error("a='%a"), "JSON LogFormat: a quote is not closed");
        assert_eq!(error("a=%a a=%u"), "JSON LogFormat: the member a stands twice");
        assert_eq!(error("a=%y"), "Unrecognized LogFormat directive %y");
    }
}
