//! Words and variables within a line.

use bstr::{BStr, BString, ByteSlice};
use nom::bytes::complete::{tag, take_till, take_while};
use nom::combinator::opt;
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// White space as C's isspace has it.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn spaces(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_space).parse(input)
}

/// The inside of a quoted word; an end without its quote is the end of the line.
fn quoted(input: &[u8]) -> IResult<&[u8], BString> {
    let (rest, quote) = nom::branch::alt((tag("\""), tag("'"))).parse(input)?;
    let quote = quote.first().copied().unwrap_or(b'"');
    let mut word = BString::default();
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match (byte, rest.get(at + 1)) {
            (b'\\', Some(&next)) if next == quote || next == b'\\' => {
                word.push(next);
                at += 2;
            }
            _ if byte == quote => break,
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    let rest = rest.get(at..).unwrap_or_default();
    let (rest, _) = opt(tag(&[quote][..])).parse(rest)?;
    Ok((rest, word))
}

/// A bare word: up to white space, two backslashes being one.
fn bare(input: &[u8]) -> IResult<&[u8], BString> {
    let (rest, raw) = take_till(is_space).parse(input)?;
    Ok((rest, if raw.contains_str(b"\\\\") { raw.replace(b"\\\\", b"\\").into() } else { raw.into() }))
}

/// Takes the next argument off a line: bare, or in quotes of either kind, in which a backslash escapes the quote and
/// itself. The rest starts at the argument behind. At the end both are empty.
pub fn next_word(input: &[u8]) -> (BString, &[u8]) {
    let mut word = delimited(spaces, nom::branch::alt((quoted, bare)), spaces);
    match word.parse(input) {
        Ok((rest, word)) => (word, rest),
        Err(_) => (BString::default(), b""),
    }
}

/// A line split into the directive's name and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// A section's name has its `<`, a closer's `</` and, if written, its `>`.
    pub name: BString,
    /// `>` alone for a section opened without arguments.
    pub arguments: &'a BStr,
}

impl Command<'_> {
    /// None for a comment or an empty line.
    pub fn of(text: &[u8]) -> Option<Command<'_>> {
        if text.is_empty() || text.starts_with(b"#") {
            return None;
        }
        let (mut name, rest) = next_word(text);
        if name.is_empty() {
            return None;
        }
        let mut arguments = rest.as_bstr();
        if name.get(1) != Some(&b'/') && name.len() > 1 && name.ends_with(b">") {
            name.pop();
            arguments = b">".as_bstr();
        }
        Some(Command { name, arguments })
    }
}

/// A text with its variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    pub text: BString,
    /// Names that have no value; they stay as written.
    pub undefined: Vec<BString>,
}

/// Fills in `${NAME}`. Names may hold anything but `}` and a colon; what is put in is not looked at again.
pub fn expand(text: &[u8], mut value: impl FnMut(&BStr) -> Option<BString>) -> Expanded {
    let mut out = Expanded { text: BString::default(), undefined: Vec::new() };
    let mut rest = text;
    while let Some(dollar) = rest.find(b"${") {
        let (before, behind) = rest.split_at(dollar);
        out.text.extend_from_slice(before);
        let inner = behind.get(2..).unwrap_or_default();
        let end = inner.find_byte(b'}');
        let name = end.and_then(|end| inner.get(..end)).filter(|name| !name.is_empty());
        match (name, end) {
            (Some(name), Some(end)) => {
                match value(name.as_bstr()) {
                    Some(value) => out.text.extend_from_slice(&value),
                    None => {
                        out.text.extend_from_slice(behind.get(..end + 3).unwrap_or_default());
                        if !name.contains(&b':') {
                            out.undefined.push(name.into());
                        }
                    }
                }
                rest = inner.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.text.extend_from_slice(b"${");
                rest = inner;
            }
        }
    }
    out.text.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(mut text: &[u8]) -> Vec<String> {
        let mut words = Vec::new();
        while !text.is_empty() {
            let (word, rest) = next_word(text);
            words.push(word.to_string());
            text = rest;
        }
        words
    }

    #[test]
    fn quoting() {
        assert_eq!(words(b" a  b\tc "), ["a", "b", "c"]);
        assert_eq!(words(b"\"a b\" 'c d'"), ["a b", "c d"]);
        assert_eq!(words(b"\"a\\\"b\\\\c\\d\""), ["a\"b\\c\\d"]);
        assert_eq!(words(b"a\"b c"), ["a\"b", "c"]);
        assert_eq!(words(b"\"a\"b"), ["a", "b"]);
        assert_eq!(words(b"\"open end"), ["open end"]);
        assert_eq!(words(b"a\\\\b"), ["a\\b"]);
        assert_eq!(words(b"\"\" x"), ["", "x"]);
    }

    #[test]
    fn commands() {
        let command = Command::of(b"<IfModule>").unwrap();
        assert_eq!((command.name, command.arguments), ("<IfModule".into(), ">".into()));
        let command = Command::of(b"</Directory>").unwrap();
        assert_eq!((command.name, command.arguments), ("</Directory>".into(), "".into()));
        assert!(Command::of(b"# x").is_none() && Command::of(b"").is_none());
    }

    #[test]
    fn variables() {
        let value = |name: &BStr| (name == "A").then(|| BString::from("${B}"));
        let out = expand(b"x${A}y${N}${}${open", value);
        assert_eq!((out.text, out.undefined), ("x${B}y${N}${}${open".into(), vec!["N".into()]));
    }
}
