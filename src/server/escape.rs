//! Escaping and unescaping as Apache does it: HTML, paths in URLs, log items, percent-decoding.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bstr::BString;
use bytes::BufMut;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Text for HTML: `&`, `<`, `>` and `"` as entities.
pub fn html(text: &[u8]) -> BString {
    let mut out = Vec::with_capacity(text.len() + 16);
    for &byte in text {
        match byte {
            b'<' => out.put_slice(b"&lt;"),
            b'>' => out.put_slice(b"&gt;"),
            b'&' => out.put_slice(b"&amp;"),
            b'"' => out.put_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
    out.into()
}

/// Octets that stay as they are in an escaped path.
fn path_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$-_.+!*'(),:@&=/~;".contains(&byte)
}

fn percent(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    out.push(HEX[usize::from(byte >> 4)]);
    out.push(HEX[usize::from(byte & 15)]);
}

/// A file-system path as the path of a URL. Unless it is `partial` (a piece to be joined), a first segment with a colon
/// gets `./` in front, so that it is not taken for a scheme.
pub fn os_path(path: &[u8], partial: bool) -> BString {
    let mut out = Vec::with_capacity(path.len() + 8);
    if !partial {
        let colon = path.iter().position(|&byte| byte == b':');
        let slash = path.iter().position(|&byte| byte == b'/');
        if colon.is_some_and(|colon| slash.is_none_or(|slash| colon < slash)) {
            out.put_slice(b"./");
        }
    }
    for &byte in path {
        if path_safe(byte) { out.push(byte) } else { percent(&mut out, byte) }
    }
    out.into()
}

/// One segment of a URL's path (`ap_escape_path_segment`).
pub fn segment(name: &[u8]) -> BString {
    let mut out = Vec::with_capacity(name.len() + 8);
    for &byte in name {
        if path_safe(byte) && !matches!(byte, b'/' | b';') { out.push(byte) } else { percent(&mut out, byte) }
    }
    out.into()
}

/// A path for a URL (`ap_escape_uri`).
pub fn uri(path: &[u8]) -> BString {
    os_path(path, true)
}

/// Everything but unreserved characters, for one query or path component.
pub fn component(text: &[u8]) -> BString {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { out.push(byte) } else { percent(&mut out, byte) }
    }
    out.into()
}

/// A value of a form (`application/x-www-form-urlencoded`).
pub fn form(text: &[u8]) -> BString {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'.' | b'-' | b'*' | b'_' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => percent(&mut out, byte),
        }
    }
    out.into()
}

/// What base64 stands for, up to the first NUL in it; padding may be missing.
pub fn unbase64(text: &[u8]) -> BString {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let plain = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text).unwrap_or_default();
    plain.split(|byte| *byte == 0).next().unwrap_or_default().into()
}

/// A word of a command line: a backslash before whatever means something to a shell.
pub fn shell(text: &[u8]) -> BString {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if b"&;`'\"|*?~<>^()[]{}$\\\n".contains(&byte) || byte == 0xff {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.into()
}

/// Text for a log line: control octets, quotes and backslashes as C escapes or `\xhh`.
pub fn log_item(text: &[u8]) -> BString {
    let mut out = Vec::with_capacity(text.len());
    append_log_item(&mut out, text);
    out.into()
}

/// As [`log_item`], behind what `out` holds.
pub fn append_log_item(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            8 => b'b',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            _ if (0x20..0x7f).contains(&byte) => {
                out.push(byte);
                continue;
            }
            _ => {
                out.put_slice(b"\\x");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
        };
        out.push(b'\\');
        out.push(short);
    }
}

/// The value of two hexadecimal digits.
pub fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

/// Why a path cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecodable {
    /// `%` without two hexadecimal digits.
    Escape,
    /// An encoded slash that is not allowed, or an encoded NUL.
    Path,
}

/// What becomes of `%2f`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slashes {
    Refuse,
    Decode,
    Keep,
}

/// Percent-decodes a path in place. The whole path is decoded even when it is refused.
pub fn unescape_url(path: &mut Vec<u8>, slashes: Slashes) -> Result<(), Undecodable> {
    let Some(first) = memchr::memchr(b'%', path) else { return Ok(()) };
    let (mut from, mut to) = (first, first);
    let (mut bad_escape, mut bad_path) = (false, false);
    while let Some(&byte) = path.get(from) {
        let mut out = byte;
        let mut step = 1;
        if byte == b'%' {
            let pair = path.get(from + 1).zip(path.get(from + 2)).and_then(|(&high, &low)| hex_pair(high, low));
            match pair {
                None => bad_escape = true,
                Some(b'/') if slashes == Slashes::Keep => {}
                Some(decoded) => {
                    bad_path |= decoded == 0 || (decoded == b'/' && slashes == Slashes::Refuse);
                    (out, step) = (decoded, 3);
                }
            }
        }
        if let Some(place) = path.get_mut(to) {
            *place = out;
        }
        (from, to) = (from + step, to + 1);
    }
    path.truncate(to);
    match (bad_escape, bad_path) {
        (true, _) => Err(Undecodable::Escape),
        (_, true) => Err(Undecodable::Path),
        _ => Ok(()),
    }
}

/// A number in lower-case hexadecimal digits, without leading zeros.
pub fn hex(number: u64, room: &mut [u8; 16]) -> &[u8] {
    let (mut rest, mut at) = (number, room.len());
    for place in room.iter_mut().rev() {
        let digit = rest as u8 & 15;
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        (rest, at) = (rest >> 4, at - 1);
        if rest == 0 {
            break;
        }
    }
    room.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_refuses_nul_and_slash() {
        let decode = |text: &str, slashes| {
            let mut path = text.as_bytes().to_vec();
            let result = unescape_url(&mut path, slashes);
            (String::from_utf8_lossy(&path).into_owned(), result)
        };
        assert_eq!(decode("/a%20b", Slashes::Refuse), ("/a b".into(), Ok(())));
        assert_eq!(decode("/a%2fb", Slashes::Keep), ("/a%2fb".into(), Ok(())));
        assert_eq!(decode("/a%2fb", Slashes::Decode), ("/a/b".into(), Ok(())));
        assert_eq!(decode("/a%2Fb", Slashes::Refuse).1, Err(Undecodable::Path));
        assert_eq!(decode("/a%00", Slashes::Decode).1, Err(Undecodable::Path));
        assert_eq!(decode("/a%g0", Slashes::Decode).1, Err(Undecodable::Escape));
        assert_eq!(decode("/a%", Slashes::Decode).1, Err(Undecodable::Escape));
    }

    #[test]
    fn a_colon_in_the_first_segment_is_no_scheme() {
        assert_eq!(os_path(b"a:b c", false), "./a:b%20c");
        assert_eq!(os_path(b"a/b:c", false), "a/b:c");
    }

    #[test]
    fn hexadecimal() {
        for number in [0, 1, 0x3e9, u64::MAX] {
            assert_eq!(hex(number, &mut [0; 16]), format!("{number:x}").as_bytes());
        }
    }
}
