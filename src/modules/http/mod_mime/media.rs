//! Media types with parameters (RFC 9110 section 8.3): taken apart and put together with another charset.

use bstr::{BString, ByteSlice};

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = !matches!(
            byte as u8,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
        );
        byte += 1;
    }
    table
};

fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// The leading token and the rest.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = text.iter().take_while(|&&byte| is_token(byte)).count();
    (length > 0).then(|| text.split_at(length))
}

fn blank(text: &[u8]) -> &[u8] {
    text.trim_start_with(|c| c == ' ' || c == '\t')
}

/// A quoted string as it stands, with its quotes, and the rest.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(text.split_at(at + 1)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `kind` in canonical form, with `charset` in the place of its own. Ok(None): it may stay as it is. Err: not a media
/// type, with the text to log.
pub fn complete(kind: &BString, charset: Option<&[u8]>) -> Result<Option<BString>, String> {
    if charset.is_none() && kind.iter().all(|&byte| is_token(byte) || byte == b'/') && kind.contains(&b'/') {
        return Ok(None);
    }
    let no_type = || format!("AH01599: Cannot get media type from '{kind}'");
    let (main, rest) = token(blank(kind)).ok_or_else(no_type)?;
    let rest = blank(rest).strip_prefix(b"/").ok_or_else(no_type)?;
    let (sub, mut rest) = token(blank(rest)).ok_or("AH01601: Cannot get media subtype.")?;
    let mut own_charset = None;
    let mut parameters = Vec::new();
    while let Some(parameter) = blank(rest).strip_prefix(b";") {
        let no_parameter = "AH01605: Cannot get media parameter.";
        let (name, after) = token(blank(parameter)).ok_or(no_parameter)?;
        let after = blank(blank(after).strip_prefix(b"=").ok_or(no_parameter)?);
        let value = if after.starts_with(b"\"") { quoted(after) } else { token(after) };
        let (value, after) = value.ok_or(no_parameter)?;
        if name.eq_ignore_ascii_case(b"charset") {
            own_charset = Some(value);
        } else {
            parameters.push((name, value));
        }
        rest = after;
    }
    let mut out = [main, b"/", sub].concat();
    if let Some(charset) = charset.or(own_charset) {
        out.extend_from_slice(b"; charset=");
        out.extend_from_slice(charset);
    }
    for (name, value) in parameters {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    Ok(Some(out.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charset_stands_first() {
        let done = |kind: &str, charset: Option<&str>| complete(&kind.into(), charset.map(str::as_bytes));
        assert_eq!(done("text/html", None), Ok(None));
        assert_eq!(done("text/html", Some("utf-8")), Ok(Some("text/html; charset=utf-8".into())));
        assert_eq!(done("text/x-p; charset=latin1; q=2", Some("u")), Ok(Some("text/x-p; charset=u; q=2".into())));
        assert_eq!(done("text/x-q;charset=latin1", None), Ok(Some("text/x-q; charset=latin1".into())));
        assert_eq!(done("text/x bad", None), Ok(Some("text/x".into())));
        assert_eq!(done("a/b; t=\"x\\\"; y\"", None), Ok(Some("a/b; t=\"x\\\"; y\"".into())));
        assert!(done("bad", None).is_err());
        assert!(done("a/b; c", None).is_err());
    }
}
