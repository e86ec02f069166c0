//! Escaping: no octet of a client may break a log line or drive the terminal that shows it.

use std::fmt::{self, Write};

/// Octets that are not UTF-8, inside of `format_args!`: displayed so that the log still shows the very octets
/// (`\xff`). Use it for whatever a client or the file system chose.
pub struct Raw<'a>(pub &'a [u8]);

/// Wraps octets for a log line.
pub fn raw<T: AsRef<[u8]> + ?Sized>(bytes: &T) -> Raw<'_> {
    Raw(bytes.as_ref())
}

/// Octets from 0x80 on travel through `fmt` as characters of this private block, one each.
const BLOCK: u32 = 0x10_F700;

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.iter().position(|byte| !byte.is_ascii()) {
            let (plain, odd) = rest.split_at(at);
            f.write_str(std::str::from_utf8(plain).unwrap_or_default())?;
            if let Some((byte, more)) = odd.split_first() {
                f.write_char(char::from_u32(BLOCK + u32::from(*byte)).unwrap_or('?'))?;
                rest = more;
            }
        }
        f.write_str(std::str::from_utf8(rest).unwrap_or_default())
    }
}

/// Appends octets as the error log shows them: backslashes doubled, control and 8-bit octets as `\n`, `\xhh`.
pub fn escape_error(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        escape_one(out, *byte, false);
    }
}

/// As [`escape_error`], for text that came through `fmt` and may hold [`Raw`] octets.
pub fn escape_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut buffer = [0; 4];
    for c in text.chars() {
        match (c as u32).checked_sub(BLOCK) {
            Some(byte @ 0x80..=0xff) => escape_one(out, byte as u8, false),
            _ => escape_error(out, c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
}

/// Appends octets as the access log shows them: like the error log, and quotes get a backslash too.
pub fn escape_access(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    // Runs of plain octets are copied whole: almost every value is one.
    while let Some(at) = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        let (plain, odd) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, more)) = odd.split_first() else { return };
        escape_one(out, *byte, true);
        rest = more;
    }
    out.extend_from_slice(rest);
}

/// Octets that neither log escapes.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        table[byte] = byte != b'\\' as usize && byte != b'"' as usize;
        byte += 1;
    }
    table
};

fn escape_one(out: &mut Vec<u8>, byte: u8, quotes: bool) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        0x08 => b'b',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x0b => b'v',
        b'\\' => b'\\',
        b'"' if quotes => b'"',
        0x20..0x7f => return out.push(byte),
        _ => {
            let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        let mut out = Vec::new();
        escape_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn controls_and_eight_bit_octets() {
        assert_eq!(text("a\n\t\r\u{8}\u{b}\u{7}\u{c}\u{1b}\u{7f}\\\"ä"), r#"a\n\t\r\b\v\x07\x0c\x1b\x7f\\"\xc3\xa4"#);
        let mut out = Vec::new();
        escape_access(&mut out, b"a\"\\\x80 b\n");
        assert_eq!(out, br#"a\"\\\x80 b\n"#);
    }

    #[test]
    fn raw_octets_survive_formatting() {
        assert_eq!(text(&format!("<{}>", raw(b"\xffx\xc3\n\x80"))), r"<\xffx\xc3\n\x80>");
    }
}
