//! Logical lines: physical ones joined where a backslash stands right before the line's end.

use bstr::{BString, ByteSlice};
use std::ops::Range;

/// A logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of its last physical line, from 1: what error messages name.
    pub number: u32,
    /// Where its octets lie in the input, line ends included.
    pub span: Range<usize>,
    /// Joined, without white space at either end.
    pub text: BString,
}

/// Iterates over the logical lines of a text.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    input: &'a [u8],
    at: usize,
    number: u32,
}

impl<'a> Lines<'a> {
    pub fn new(input: &'a [u8]) -> Lines<'a> {
        Lines { input, at: 0, number: 0 }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let begin = self.at;
        let mut text = BString::default();
        loop {
            let rest = self.input.get(self.at..).filter(|rest| !rest.is_empty());
            let Some(rest) = rest else {
                if begin == self.at {
                    return None;
                }
                break;
            };
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
            let physical = rest.get(..end).unwrap_or(rest);
            self.at += end;
            self.number += 1;
            let body = physical.strip_suffix(b"\n").unwrap_or(physical);
            let body = body.strip_suffix(b"\r").unwrap_or(body);
            match body.strip_suffix(b"\\") {
                // Also at the end of the file, where nothing follows.
                Some(continued) => text.extend_from_slice(continued),
                None => {
                    text.extend_from_slice(body);
                    break;
                }
            }
        }
        let trimmed = text.trim_with(|byte| byte.is_ascii() && super::is_space(byte as u8));
        let text = if trimmed.len() == text.len() { text } else { trimmed.into() };
        Some(Line { number: self.number, span: begin..self.at, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u32, String)> {
        Lines::new(text).map(|line| (line.number, line.text.to_string())).collect()
    }

    #[test]
    fn joins_numbers_and_trims() {
        assert_eq!(
            lines(b"a\n b \r\n\n c\\\nd\\\r\n e"),
            [(1, "a".into()), (2, "b".into()), (3, String::new()), (6, "cd e".into())]
        );
        assert_eq!(lines(b"a\\"), [(1, "a".into())]);
        assert_eq!(lines(b"a \\ \nb"), [(1, "a \\".into()), (2, "b".into())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn spans_cover_the_input() {
        let text = b"a\\\nb\n\nc";
        let mut at = 0;
        for line in Lines::new(text) {
            assert_eq!(line.span.start, at);
            at = line.span.end;
        }
        assert_eq!(at, text.len());
    }
}
