//! The order of a listing: columns, directions, version sort, and the query that clients choose them by.

use super::entries::Entry;
use super::option;
use crate::server::escape::{self, Slashes};
use bstr::{BString, ByteSlice};
use std::cmp::Ordering;

/// A column to sort by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Key {
    #[default]
    Name,
    Date,
    Size,
    Description,
}

impl Key {
    pub(super) fn letter(self) -> u8 {
        match self {
            Key::Name => b'N',
            Key::Date => b'M',
            Key::Size => b'S',
            Key::Description => b'D',
        }
    }
}

/// What the query asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub key: Option<Key>,
    pub ascending: Option<bool>,
    /// `F=`: plain, fancy, table.
    pub format: Option<u8>,
    /// `V=`
    pub version: Option<bool>,
    /// `P=`, decoded.
    pub pattern: Option<BString>,
}

/// Reads `C=N;O=A;F=1;V=1;P=*`, in any order, up to the first thing that is none of these.
pub(super) fn wish(mut query: &[u8]) -> Wish {
    let mut wish = Wish::default();
    while !query.is_empty() {
        let end = query.find_byteset(b";&").unwrap_or(query.len());
        let (part, rest) = query.split_at(end);
        match part {
            [b'C', b'=', letter] => {
                let keys = [Key::Name, Key::Date, Key::Size, Key::Description];
                match keys.into_iter().find(|key| key.letter() == *letter) {
                    Some(key) => wish.key = Some(key),
                    None => return wish,
                }
            }
            [b'O', b'=', b'A'] => wish.ascending = Some(true),
            [b'O', b'=', b'D'] => wish.ascending = Some(false),
            [b'F', b'=', digit @ b'0'..=b'2'] => wish.format = Some(digit - b'0'),
            [b'V', b'=', digit @ b'0'..=b'1'] => wish.version = Some(*digit == b'1'),
            [b'P', b'=', pattern @ ..] => {
                let mut pattern = pattern.to_vec();
                if escape::unescape_url(&mut pattern, Slashes::Decode).is_ok() && !pattern.is_empty() {
                    wish.pattern = Some(pattern.into());
                }
            }
            _ => return wish,
        }
        query = rest.get(1..).unwrap_or_default();
    }
    wish
}

/// What links to other orders carry along.
pub(super) fn carried(wish: &Wish) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(format) = wish.format {
        out.extend_from_slice(&[b';', b'F', b'=', b'0' + format]);
    }
    if let Some(version) = wish.version {
        out.extend_from_slice(&[b';', b'V', b'=', b'0' + u8::from(version)]);
    }
    if let Some(pattern) = &wish.pattern {
        out.extend_from_slice(b";P=");
        out.extend_from_slice(&escape::html(&escape::uri(pattern)));
    }
    out
}

/// How two entries stand to one another.
pub(super) fn compare(a: &Entry, b: &Entry, key: Key, ascending: bool, options: u32) -> Ordering {
    // The way up comes first, then directories if they are to.
    let first = |entry: &Entry| !entry.parent;
    // A plain list knows no directories.
    let folders_first = options & option::FOLDERS_FIRST != 0 && options & option::FACTS != 0;
    let folder = |entry: &Entry| !folders_first || !entry.directory;
    let fixed = first(a).cmp(&first(b)).then(folder(a).cmp(&folder(b)));
    let (a, b) = if ascending { (a, b) } else { (b, a) };
    fixed.then_with(|| {
        let by_key = match key {
            Key::Name => Ordering::Equal,
            Key::Date => a.mtime.cmp(&b.mtime),
            Key::Size => a.size.cmp(&b.size),
            // No description stands before any.
            Key::Description => a.description.cmp(&b.description),
        };
        by_key.then_with(|| names(&a.name, &b.name, options))
    })
}

fn names(a: &[u8], b: &[u8], options: u32) -> Ordering {
    let fold = options & option::IGNORE_CASE != 0;
    if options & option::VERSION_SORT != 0 {
        return versions(a, b, fold);
    }
    if fold {
        return a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase));
    }
    a.cmp(b)
}

/// Version sort: runs of digits compare as numbers, those with a leading zero as fractions; blanks do not count.
fn versions(a: &[u8], b: &[u8], fold: bool) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        (a, b) = (a.trim_start(), b.trim_start());
        let (first, second) = (a.first().copied(), b.first().copied());
        let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
        if digit(first) && digit(second) {
            let (left, right) = (digits(a), digits(b));
            let result = if first == Some(b'0') || second == Some(b'0') {
                left.cmp(right)
            } else {
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            };
            if result != Ordering::Equal {
                return result;
            }
        }
        let (Some(first), Some(second)) = (first, second) else { return first.is_some().cmp(&second.is_some()) };
        let case = |byte: u8| if fold { byte.to_ascii_uppercase() } else { byte };
        // Octets above ASCII stand before it: Apache compares signed characters here.
        let result = (case(first) as i8).cmp(&(case(second) as i8));
        if result != Ordering::Equal {
            return result;
        }
        (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
    }
}

fn digits(text: &[u8]) -> &[u8] {
    text.get(..text.iter().take_while(|byte| byte.is_ascii_digit()).count()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_numbers() {
        for (a, b) in [("z9", "z10"), ("a01", "a 1"), ("a 1", "a2"), ("a.cgi", "a01"), ("1.001", "1.01"), ("x", "xa")] {
            assert_eq!(versions(a.as_bytes(), b.as_bytes(), false), Ordering::Less, "{a} {b}");
            assert_eq!(versions(b.as_bytes(), a.as_bytes(), false), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(versions(b"A", b"a", true), Ordering::Equal);
        assert_eq!(versions("é".as_bytes(), b"H", false), Ordering::Less);
    }

    #[test]
    fn the_query_ends_at_the_first_unknown_part() {
        let read = |query: &str| wish(query.as_bytes());
        assert_eq!(read("C=S&O=D"), Wish { key: Some(Key::Size), ascending: Some(false), ..Wish::default() });
        assert_eq!(read("C=N;O=Dx"), Wish { key: Some(Key::Name), ..Wish::default() });
        assert_eq!(read("foo;C=S"), Wish::default());
        assert_eq!(read("C=X;O=D"), Wish::default());
        assert_eq!(read("P=%62*").pattern.unwrap(), "b*");
        assert_eq!(carried(&read("V=1;F=2;P=a\"")), b";F=2;V=1;P=a%22");
    }
}
