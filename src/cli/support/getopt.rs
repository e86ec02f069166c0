//! Flags as APR's getopt reads them: letters in bundles, values behind them or in the next word, up to the first word
//! that is no flag.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// A command line taken apart.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The program's name as started.
    pub name: String,
    /// The same without directories.
    pub program: String,
    /// Flags in order, with their values.
    pub flags: Vec<(u8, Vec<u8>)>,
    /// What stands behind the flags.
    pub operands: Vec<Vec<u8>>,
    /// Why the flags could not be read: `illegal option -- x`.
    pub complaint: Option<String>,
}

impl Words {
    /// Reads a command line; letters of `takes` stand with a colon behind them where they want a value.
    pub(super) fn read(takes: &str, words: impl IntoIterator<Item = OsString>) -> Words {
        let mut words = words.into_iter().map(OsString::into_vec);
        let name = words.next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let program = name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut read = Words { name, program, ..Words::default() };
        let mut words = words.peekable();
        while let Some(word) = words.next_if(|word| word.len() > 1 && word.starts_with(b"-")) {
            // Whatever follows the two dashes.
            if word.starts_with(b"--") {
                break;
            }
            let mut letters = word.get(1..).unwrap_or_default();
            while let Some((&letter, rest)) = letters.split_first() {
                letters = rest;
                let place = takes.bytes().position(|known| known == letter && known != b':');
                let Some(place) = place else {
                    read.complaint = Some(format!("illegal option -- {}", char::from(letter)));
                    return read;
                };
                if takes.as_bytes().get(place + 1) != Some(&b':') {
                    read.flags.push((letter, Vec::new()));
                    continue;
                }
                let value = if rest.is_empty() { words.next() } else { Some(rest.to_vec()) };
                let Some(value) = value else {
                    read.complaint = Some(format!("option requires an argument -- {}", char::from(letter)));
                    return read;
                };
                read.flags.push((letter, value));
                break;
            }
        }
        read.operands = words.collect();
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Words {
        Words::read("nbC:", line.split(' ').map(OsString::from))
    }

    #[test]
    fn bundles_and_values() {
        let words = read("/bin/x -nbC5 -C 6 a -b");
        assert_eq!((words.program.as_str(), words.operands.len()), ("x", 2));
        let flags: Vec<_> = words.flags.iter().map(|(flag, value)| (char::from(*flag), value.as_slice())).collect();
        assert_eq!(flags, [('n', &b""[..]), ('b', b""), ('C', b"5"), ('C', b"6")]);
        assert_eq!(read("x -n -- -b").operands, [b"-b"]);
        assert_eq!(read("x -nz").complaint.unwrap(), "illegal option -- z");
        assert_eq!(read("x -C").complaint.unwrap(), "option requires an argument -- C");
    }
}
