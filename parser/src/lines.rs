//! Logical lines: physical lines joined at continuations, trimmed, numbered as httpd numbers them.

use crate::word::is_space;
use bstr::{BStr, ByteSlice};
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Range;

/// The longest logical line in bytes, continuations joined, its line end included. httpd's message for a longer one is
/// `Error reading FILE at line NUMBER: Line too long`.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// One logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The number httpd prints for it: that of its last physical line, from 1. A continuation on the last line of a
    /// file counts the missing line too.
    pub number: usize,
    /// The number of its first physical line.
    pub first: usize,
    /// Its bytes in the source, line ends included.
    pub span: Range<usize>,
    /// Its text: continuations removed, each physical line cut at a NUL byte, white space trimmed at both ends. `${…}`
    /// is not expanded.
    pub text: Cow<'a, BStr>,
    /// Whether it exceeds [`MAX_LINE`].
    pub too_long: bool,
}

impl Line<'_> {
    /// Whether there is nothing but white space on it.
    pub fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
    /// Whether it is a comment. httpd decides so before `${…}` is expanded.
    pub fn is_comment(&self) -> bool {
        self.text.first() == Some(&b'#')
    }
    /// Blank or a comment.
    pub fn is_ignored(&self) -> bool {
        matches!(self.text.first(), None | Some(b'#'))
    }
}

/// The logical lines of a file, blank ones and comments included.
///
/// A physical line that ends in a backslash right before LF or CRLF continues on the next, be it a comment, a section
/// opener or the last of the file. A backslash at the very end of a file without a line end is an ordinary character.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    source: &'a [u8],
    offset: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the first line of `source`.
    pub fn new(source: &'a [u8]) -> Self {
        Lines { source, offset: 0, number: 0 }
    }

    /// The next physical line: its text up to a NUL byte, whether it continues, its length in memory with the line end.
    fn physical(&mut self) -> (&'a [u8], bool, usize) {
        let rest = self.source.get(self.offset..).unwrap_or_default();
        self.number += 1;
        let (line, whole) = match memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
            None => (rest, rest.len()),
        };
        self.offset += whole;
        if let Some(nul) = memchr(0, line) {
            return (line.get(..nul).unwrap_or_default(), false, nul);
        }
        if whole > line.len() {
            let unended = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(joined) = unended.strip_suffix(b"\\") {
                return (joined, true, joined.len());
            }
        }
        (line, false, whole)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.offset >= self.source.len() {
            return None;
        }
        let (start, first) = (self.offset, self.number + 1);
        let (head, mut more, mut length) = self.physical();
        let text = if more {
            let mut joined = head.to_vec();
            while more {
                let (piece, again, size) = self.physical();
                joined.extend_from_slice(piece);
                length += size;
                more = again;
            }
            Cow::Owned(trim(&joined).into())
        } else {
            Cow::Borrowed(trim(head).as_bstr())
        };
        Some(Line { number: self.number, first, span: start..self.offset, text, too_long: length > MAX_LINE })
    }
}

/// Without white space at either end.
fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|&b| !is_space(b)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(source: &[u8]) -> Vec<(usize, String)> {
        Lines::new(source).map(|l| (l.number, l.text.to_string())).collect()
    }
    fn line(number: usize, text: &str) -> (usize, String) {
        (number, text.to_owned())
    }

    #[test]
    fn a_continued_line_has_the_number_of_its_last_part() {
        assert_eq!(seen(b"a\nFoo \\\n b \\\r\n c\nd"), [line(1, "a"), line(4, "Foo  b  c"), line(5, "d")]);
        assert_eq!(seen(b"Foo\\\nBar x"), [line(2, "FooBar x")]);
        assert_eq!(seen(b"Foo\\\\\nBar"), [line(2, "Foo\\Bar")]);
    }

    #[test]
    fn only_a_backslash_right_before_the_line_end_continues() {
        assert_eq!(seen(b"a\\ \nb"), [line(1, "a\\"), line(2, "b")]);
        assert_eq!(seen(b"a\\\r\r\nb"), [line(1, "a\\"), line(2, "b")]);
        assert_eq!(seen(b"# c \\\nFoo\nBar"), [line(2, "# c Foo"), line(3, "Bar")]);
    }

    #[test]
    fn continuation_at_the_end_of_the_file() {
        assert_eq!(seen(b"Foo \\\n"), [line(2, "Foo")]);
        assert_eq!(seen(b"Foo \\"), [line(1, "Foo \\")]);
        assert_eq!(seen(b"Foo \\\r"), [line(1, "Foo \\")]);
    }

    #[test]
    fn white_space_is_vt_and_ff_too() {
        assert_eq!(seen(b"\x0b\x0c\t Foo x\x0c\x0b\r\n\n"), [line(1, "Foo x"), line(2, "")]);
    }

    #[test]
    fn a_nul_ends_its_physical_line() {
        assert_eq!(seen(b"a\0b\\\nFoo"), [line(1, "a"), line(2, "Foo")]);
        assert_eq!(seen(b"Foo\\\n\0x\nBar"), [line(2, "Foo"), line(3, "Bar")]);
    }

    #[test]
    fn the_limit_counts_the_line_end_and_what_is_joined() {
        let too_long = |source: Vec<u8>| Lines::new(&source).next().unwrap().too_long;
        assert!(!too_long([&vec![b'a'; MAX_LINE - 1][..], b"\n"].concat()));
        assert!(!too_long(vec![b'a'; MAX_LINE]));
        assert!(too_long([&vec![b'a'; MAX_LINE - 1][..], b"\r\n"].concat()));
        assert!(!too_long([&vec![b'a'; MAX_LINE - 6][..], b"\\\nbbbbb\n"].concat()));
        assert!(too_long([&vec![b'a'; MAX_LINE - 5][..], b"\\\nbbbbb\n"].concat()));
    }
}
