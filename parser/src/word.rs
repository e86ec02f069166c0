//! Words: httpd's rules for one argument.

use bstr::{BStr, BString, ByteSlice};
use memchr::memchr;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_till1};
use nom::combinator::{opt, recognize};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use std::borrow::Cow;

/// White space as C's `isspace` has it: space, tab, LF, VT, FF, CR.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The text after its leading white space.
pub fn skip_space(text: &[u8]) -> &BStr {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default().as_bstr()
}

/// Cuts the first word off `text`: the word, unquoted, and the text after the white space that follows it.
///
/// A word that begins with `"` or `'` ends at the same quote (which need not be followed by white space) or, when there
/// is none, at the end of the text; inside, a backslash escapes that quote and itself. Any other word ends at white
/// space; quotes inside it are ordinary, and of its backslashes only those before another one are removed. Where there
/// is no word the result is empty, as for `""`.
pub fn next_word(text: &[u8]) -> (BString, &[u8]) {
    let (word, rest) = cut_word(text);
    (word.into_owned(), rest)
}

/// [`next_word`] without a copy where nothing is escaped.
pub(crate) fn cut_word(text: &[u8]) -> (Cow<'_, BStr>, &BStr) {
    let text = skip_space(text);
    let parsed: IResult<&[u8], (&[u8], Option<u8>)> = word(text.as_bytes());
    match parsed {
        Ok((rest, (raw, quote))) => (unescape(raw, quote), skip_space(rest)),
        Err(_) => (Cow::Borrowed(text), BStr::new(b"")),
    }
}

fn word(input: &[u8]) -> IResult<&[u8], (&[u8], Option<u8>)> {
    alt((
        quoted("\"").map(|raw| (raw, Some(b'"'))),
        quoted("'").map(|raw| (raw, Some(b'\''))),
        take_till(is_space).map(|raw| (raw, None)),
    ))
    .parse(input)
}

/// The raw text between quotes. Byte parsers only: nom's for one char count bytes over 0x7f as two.
fn quoted<'a>(quote: &'static str) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Failure<'a>> {
    let plain = take_till1(move |byte| byte == b'\\' || quote.as_bytes().contains(&byte));
    let escaped = recognize(preceded(tag("\\"), opt(alt((tag("\\"), tag(quote))))));
    delimited(tag(quote), recognize(many0_count(alt((plain, escaped)))), opt(tag(quote)))
}

type Failure<'a> = nom::error::Error<&'a [u8]>;

fn unescape(raw: &[u8], quote: Option<u8>) -> Cow<'_, BStr> {
    if memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw.as_bstr());
    }
    let mut out = BString::new(Vec::with_capacity(raw.len()));
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(&next) if byte == b'\\' && (next == b'\\' || Some(next) == quote) => {
                out.push(next);
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// The words of `text`, until nothing but white space is left.
pub fn words(text: &[u8]) -> Words<'_> {
    Words { rest: skip_space(text) }
}

/// Iterator of [`words`].
#[derive(Clone, Debug)]
pub struct Words<'a> {
    rest: &'a BStr,
}

impl<'a> Words<'a> {
    /// What has not been cut yet.
    pub fn rest(&self) -> &'a BStr {
        self.rest
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Cow<'a, BStr>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (word, rest) = cut_word(self.rest);
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text.as_bytes()).map(|w| w.to_string()).collect()
    }

    #[test]
    fn white_space_separates() {
        assert_eq!(split(" a\tb\x0bc\x0cd\r "), ["a", "b", "c", "d"]);
        assert_eq!(words(b"a\xa0b").next().unwrap().as_bytes(), b"a\xa0b");
        assert!(split("  ").is_empty());
        assert_eq!(words(b"\"a\xe9\" '\xff\xfe").last().unwrap().as_bytes(), b"\xff\xfe");
    }

    #[test]
    fn quotes() {
        assert_eq!(split(r#""a b" 'c d' "" e"#), ["a b", "c d", "", "e"]);
        assert_eq!(split(r#""a"b"#), ["a", "b"]);
        assert_eq!(split(r#""-Indexes""+Foo""#), ["-Indexes", "+Foo"]);
        assert_eq!(split(r#"a"b c"d"#), ["a\"b", "c\"d"]);
        assert_eq!(split("\"a b"), ["a b"]);
        assert_eq!(split("\""), [""]);
        assert_eq!(split("{a b}"), ["{a", "b}"]);
    }

    #[test]
    fn backslashes() {
        assert_eq!(split(r#""a\"b""#), ["a\"b"]);
        assert_eq!(split(r"'a\'b'"), ["a'b"]);
        assert_eq!(split(r#"'a\"b'"#), ["a\\\"b"]);
        assert_eq!(split(r#""a\'b""#), ["a\\'b"]);
        assert_eq!(split(r#""a\\"b"#), ["a\\", "b"]);
        assert_eq!(split(r#""a\\\"b" c"#), ["a\\\"b", "c"]);
        assert_eq!(split(r"a\\b"), ["a\\b"]);
        assert_eq!(split(r"a\\\b"), ["a\\\\b"]);
        assert_eq!(split(r#"\"a\\"b"#), ["\\\"a\\\"b"]);
        assert_eq!(split(r#""a\ b" "\n""#), ["a\\ b", "\\n"]);
        assert_eq!(split("\"a\\"), ["a\\"]);
    }
}
