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

fn blank(text: &[u8]) -> &[u8] {
    text.trim_start_with(|c| c == ' ' || c == '\t')
}

/// What stands before the first octet that `ends`, and the rest.
fn until(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|&byte| ends(byte)).unwrap_or(text.len()))
}

/// A quoted string as it stands, with its quotes, and the rest. One that is not closed goes on to the end.
fn quoted(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 1;
    loop {
        match text.get(at) {
            None => return (text, b""),
            Some(b'"') => return text.split_at(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The value of a parameter and what stands behind its semicolon.
fn value(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let text = blank(text);
    let (value, after) = match text.first() {
        None => return Err("AH01604: Cannot get media parameter."),
        Some(b';') => return Err("AH01609: Cannot get media parameter."),
        Some(b'"') => quoted(text),
        Some(_) => until(text, |byte| !is_token(byte)),
    };
    match blank(after) {
        [] => Ok((value, b"")),
        [b';', rest @ ..] => Ok((value, rest)),
        _ if value.starts_with(b"\"") => Err("AH01606: Cannot get media parameter."),
        _ => Err("AH01608: Cannot get media parameter."),
    }
}

/// `kind` in canonical form, with `charset` in the place of its own. Ok(None): it may stay as it is. Err: not a media
/// type, with the text to log.
pub fn complete(kind: &BString, charset: Option<&[u8]>) -> Result<Option<BString>, String> {
    let whole = |(main, sub): (&[u8], &[u8])| {
        !main.is_empty() && !sub.is_empty() && main.iter().chain(sub).all(|&byte| is_token(byte))
    };
    if charset.is_none() && kind.split_once_str("/").is_some_and(whole) {
        return Ok(None);
    }
    let (main, rest) = until(blank(kind), |byte| !is_token(byte));
    let gap = blank(rest);
    let main_length = main.len() + rest.len() - gap.len();
    let rest = match (main, gap) {
        ([], _) | (_, []) => return Err(format!("AH01599: Cannot get media type from '{kind}'")),
        (_, [b'/', rest @ ..]) => blank(rest),
        _ => return Err(format!("AH01600: mod_mime: analyze_ct: cannot get media type from '{kind}'")),
    };
    let (sub, rest) = until(rest, |byte| matches!(byte, b' ' | b'\t' | b';'));
    if sub.is_empty() {
        return Err("AH01601: Cannot get media subtype.".into());
    }
    let mut rest = match blank(rest) {
        [] => b"",
        // Whatever stands there counts as the semicolon.
        [_, rest @ ..] if !blank(rest).is_empty() => blank(rest),
        _ => return Err("AH01602: Cannot get media parameter.".into()),
    };
    if rest.first().is_some_and(|&byte| !is_token(byte)) {
        return Err("AH01603: Cannot get media parameter.".into());
    }
    let mut out = [blank(kind).get(..main_length).unwrap_or_default(), b"/", sub].concat();
    let mut charset = charset.map(|charset| (charset, false));
    let mut add = |name: &[u8], value: &[u8]| {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    };
    while !blank(rest).is_empty() {
        let (name, after) = until(blank(rest), |byte| !is_token(byte) && byte != b' ' && byte != b'\t');
        let after = match after {
            // A name alone at the end is passed over.
            [] => break,
            [b'=', after @ ..] => after,
            _ => return Err("AH01605: Cannot get media parameter.".into()),
        };
        let (value, after) = value(after)?;
        let name = name.trim_ascii_end();
        match &mut charset {
            Some((charset, placed)) if name.eq_ignore_ascii_case(b"charset") => {
                if !std::mem::replace(placed, true) {
                    add(b"charset", charset);
                }
            }
            _ => add(name, value),
        }
        rest = after;
    }
    if let Some((charset, false)) = charset {
        add(b"charset", charset);
    }
    Ok(Some(out.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charset_keeps_its_place() {
        let done = |kind: &str, charset: Option<&str>| complete(&kind.into(), charset.map(str::as_bytes));
        assert_eq!(done("text/html", None), Ok(None));
        assert_eq!(done("text/html", Some("utf-8")), Ok(Some("text/html; charset=utf-8".into())));
        assert_eq!(done("text/x-p; q=2", Some("u")), Ok(Some("text/x-p; q=2; charset=u".into())));
        let twice = "text/x-p; q=2; charset=latin1;r=3;charset=x";
        assert_eq!(done(twice, Some("u")), Ok(Some("text/x-p; q=2; charset=u; r=3".into())));
        assert_eq!(done("text/x-q;charset=latin1", None), Ok(Some("text/x-q; charset=latin1".into())));
        assert_eq!(done("a/b; t=\"x\\\"; y\"", None), Ok(Some("a/b; t=\"x\\\"; y\"".into())));
        assert_eq!(done("a/b; c = d ; e", None), Ok(Some("a/b; c=d".into())));
        for (kind, tag) in [
            ("bad", "AH01599"),
            ("b ad/x", "AH01600"),
            ("bad/", "AH01601"),
            ("text/x b", "AH01602"),
            ("text/x;", "AH01602"),
            ("text/x; =a", "AH01603"),
            ("a/b; c=", "AH01604"),
            ("a/b; c=d;;", "AH01605"),
            ("a/b; c=\"d\"e", "AH01606"),
            ("a/b; c=d e", "AH01608"),
            ("a/b; c=;", "AH01609"),
        ] {
            assert!(done(kind, None).unwrap_err().starts_with(tag), "{kind}");
        }
    }
}
