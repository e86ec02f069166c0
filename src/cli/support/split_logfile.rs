//! split-logfile: takes a log of several hosts apart, by the name in front of each line. Manual:
//! programs/split-logfile.html.

use bstr::{BStr, ByteSlice};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// Runs the program. Files named on the command line are read instead of standard input, one behind the other.
pub fn main() -> ExitCode {
    match split(&mut io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn split(from: &mut impl BufRead) -> Result<(), String> {
    let mut logs: HashMap<Vec<u8>, BufWriter<File>> = HashMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            return logs.values_mut().try_for_each(Write::flush).map_err(|error| error.to_string());
        }
        let (name, rest) = parts(&line);
        let log = match logs.entry(name) {
            std::collections::hash_map::Entry::Occupied(log) => log.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let path = [place.key().as_slice(), b".log"].concat();
                let file = OpenOptions::new().append(true).create(true).open(OsStr::from_bytes(&path));
                let file = file.map_err(|_| format!("Can't open {}", BStr::new(&path)))?;
                place.insert(BufWriter::new(file))
            }
        };
        log.write_all(rest).map_err(|error| error.to_string())?;
    }
}

/// The log's name, and what is left for it of the line. No name may lead out of the directory.
fn parts(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (host, rest) = line.split_at(end);
    let host = host.to_ascii_lowercase();
    let none = host.is_empty() || host == b"0" || host.iter().any(|byte| matches!(byte, b'/' | b'\\'));
    let name = if none { b"access".to_vec() } else { host };
    let rest = if rest.is_empty() { line } else { rest.trim_start_with(|letter| letter.is_ascii_whitespace()) };
    (name, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_directory() {
        assert_eq!(parts(b"A.com  1 2\n"), (b"a.com".to_vec(), &b"1 2\n"[..]));
        for line in ["../x y\n", "w\\x y\n", " y\n"] {
            assert_eq!(parts(line.as_bytes()), (b"access".to_vec(), &b"y\n"[..]), "{line}");
        }
        assert_eq!(parts(b"a\n"), (b"a".to_vec(), &b""[..]));
    }
}
