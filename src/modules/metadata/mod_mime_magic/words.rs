//! Text without a signature, known by a word that is usual in it.

use bstr::ByteSlice;

/// Octets that are searched for words.
const SEARCHED: usize = 1024;

const HTML: &str = "text/html";
const PLAIN: &str = "text/plain";
const MAIL: &str = "message/rfc822";
const NEWS: &str = "message/news";

const WORDS: &[(&str, &str)] = &[
    ("<html>", HTML),
    ("<HTML>", HTML),
    ("<head>", HTML),
    ("<HEAD>", HTML),
    ("<title>", HTML),
    ("<TITLE>", HTML),
    ("<h1>", HTML),
    ("<H1>", HTML),
    ("<!--", HTML),
    ("/*", PLAIN),
    ("#include", PLAIN),
    ("char", PLAIN),
    ("The", PLAIN),
    ("the", PLAIN),
    ("double", PLAIN),
    ("extern", PLAIN),
    ("float", PLAIN),
    ("real", PLAIN),
    ("struct", PLAIN),
    ("union", PLAIN),
    ("CFLAGS", PLAIN),
    ("LDFLAGS", PLAIN),
    ("all:", PLAIN),
    (".PRECIOUS", PLAIN),
    (".ascii", PLAIN),
    (".asciiz", PLAIN),
    (".byte", PLAIN),
    (".even", PLAIN),
    (".globl", PLAIN),
    ("clr", PLAIN),
    ("(input,", PLAIN),
    ("dcl", PLAIN),
    ("Received:", MAIL),
    (">From", MAIL),
    ("Return-Path:", MAIL),
    ("Cc:", MAIL),
    ("Newsgroups:", NEWS),
    ("Path:", NEWS),
    ("Organization:", NEWS),
];

pub(super) fn tell(start: &[u8]) -> Option<&'static str> {
    let start = start.get(..SEARCHED).unwrap_or(start);
    if let Some(request) = start.strip_prefix(b".") {
        let request = request.trim_start_with(|c| c == ' ' || c == '\t');
        if request.iter().take(2).filter(|byte| byte.is_ascii_alphanumeric()).count() == 2 {
            return Some("application/x-troff");
        }
    }
    if matches!(start, [b'c' | b'C', blank, ..] if blank.is_ascii_whitespace()) {
        return Some(PLAIN);
    }
    let word = start.split(|byte| b" \t\n\r\x0c".contains(byte)).find_map(|word| {
        let known = WORDS.iter().find(|(known, _)| word == known.as_bytes());
        known.map(|(_, kind)| *kind)
    })?;
    Some(if start.contains(&0x1b) { escaped(word) } else { word })
}

/// A type with Apache's remark on terminal escapes, whose first word becomes the encoding.
fn escaped(kind: &'static str) -> &'static str {
    match kind {
        HTML => "text/html (with escape sequences)",
        PLAIN => "text/plain (with escape sequences)",
        MAIL => "message/rfc822 (with escape sequences)",
        _ => "message/news (with escape sequences)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone() {
        assert_eq!(tell(b"x <title> y"), Some(HTML));
        assert_eq!(tell(b"x<title>"), None);
        assert_eq!(tell(b".TH x"), Some("application/x-troff"));
        assert_eq!(tell(b"Path: x"), Some(NEWS));
    }
}
