//! `${NAME}` in a line.

use bstr::{BStr, BString, ByteSlice};
use memchr::memmem;
use nom::bytes::complete::{tag, take_until};
use nom::sequence::delimited;
use nom::{IResult, Parser};
use std::borrow::Cow;

/// A line after expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded<'a> {
    /// The text; borrowed when nothing was replaced.
    pub text: Cow<'a, BStr>,
    /// Names that `lookup` did not know, in order, repeats included, but for those with a colon. httpd logs AH00111
    /// `Config variable ${NAME} is not defined` for each and leaves them as they are.
    pub undefined: Vec<BString>,
}

/// Replaces each `${NAME}` in a line by what `lookup` gives for NAME.
///
/// A name is whatever stands between `${` and the next `}`, even nothing, blanks or `${`. Values are inserted as they
/// are and not looked at again; quotes and backslashes mean nothing here. Without a `}` the rest is left alone. httpd
/// does this to a whole line before it splits it, so that a value with blanks in it makes several words, and after it
/// has decided which lines are comments. It looks names up without regard to case among the defined ones first, then
/// in the environment.
pub fn expand<V: AsRef<[u8]>>(text: &[u8], mut lookup: impl FnMut(&BStr) -> Option<V>) -> Expanded<'_> {
    let mut undefined = Vec::new();
    let mut out: Option<BString> = None;
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| memmem::find(rest, b"${")) {
        let start = from + found;
        let Ok((rest, name)) = variable(text.get(start..).unwrap_or_default()) else { break };
        from = text.len() - rest.len();
        match lookup(name.as_bstr()) {
            Some(value) => {
                let out = out.get_or_insert_default();
                out.extend_from_slice(text.get(copied..start).unwrap_or_default());
                out.extend_from_slice(value.as_ref());
                copied = from;
            }
            None if name.contains(&b':') => {}
            None => undefined.push(name.into()),
        }
    }
    let text = match out {
        None => Cow::Borrowed(text.as_bstr()),
        Some(mut out) => {
            out.extend_from_slice(text.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
    };
    Expanded { text, undefined }
}

fn variable(input: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(tag("${"), take_until("}"), tag("}")).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (String, Vec<String>) {
        let lookup = |name: &BStr| match name.to_str().unwrap() {
            "one" => Some("1"),
            "sp" => Some("a b"),
            "empty" => Some(""),
            "ref" => Some("${one}"),
            "dollar" => Some("$"),
            _ => None,
        };
        let done = expand(text.as_bytes(), lookup);
        (done.text.to_string(), done.undefined.iter().map(|n| n.to_string()).collect())
    }
    fn known(text: &str) -> String {
        let (text, undefined) = run(text);
        assert!(undefined.is_empty(), "{undefined:?}");
        text
    }

    #[test]
    fn values_are_inserted_as_they_are() {
        assert_eq!(known("x${one}y${one}"), "x1y1");
        assert_eq!(known("${sp}"), "a b");
        assert_eq!(known("a${empty}b"), "ab");
        assert_eq!(known("${ref}"), "${one}");
        assert_eq!(known("${dollar}{one}"), "${one}");
        assert_eq!(known("${one}}"), "1}");
        assert_eq!(known(r"\${one} '${one}'"), r"\1 '1'");
    }

    #[test]
    fn what_is_not_a_reference_stays() {
        for text in ["$", "$$", "${one", "${X:-y}", "${:}", "$ {one}", "$\\{one}", "%{one}", "1x${one"] {
            assert_eq!(known(text), text);
        }
        assert_eq!(known("${one}x${one"), "1x${one");
    }

    #[test]
    fn undefined_names_stay_and_are_reported() {
        for (text, name) in [("$${X}", "X"), ("${}", ""), ("${a b}", "a b"), ("${a\"b}", "a\"b")] {
            assert_eq!(run(text), (text.to_owned(), vec![name.to_owned()]));
        }
        assert_eq!(run("${${one}}"), ("${${one}}".into(), vec!["${one".into()]));
        assert_eq!(run("${X}${one}${Y}"), ("${X}1${Y}".into(), vec!["X".into(), "Y".into()]));
    }
}
