//! logresolve: puts host names in the place of the addresses that log lines begin with. Manual: programs/logresolve.html.

use super::getopt::Words;
use crate::sys::resolve;
use bstr::{BStr, ByteSlice};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn usage(program: &str) -> String {
    format!(
        "{program} -- Resolve IP-addresses to hostnames in Apache log files.\nUsage: {program} [-s STATFILE] [-c]\n\n\
         Options:\n  -s   Record statistics to STATFILE when finished.\n\n  \
         -c   Perform double lookups when resolving IP addresses.\n"
    )
}

#[derive(Default)]
struct Tally {
    entries: usize,
    named: usize,
    resolved: usize,
    hits: usize,
    nameless: usize,
    doubted: usize,
}

/// Letters of the flags; a colon behind those that take a value.
pub(super) const FLAGS: &str = "s:c";

/// Runs the program.
pub fn main() -> ExitCode {
    let words = Words::read(FLAGS, std::env::args_os());
    if let Some(complaint) = &words.complaint {
        let _ = write!(io::stderr(), "{0}: {complaint}\n{1}", words.program, usage(&words.program));
        return ExitCode::FAILURE;
    }
    let twice = words.flags.iter().any(|(flag, _)| *flag == b'c');
    let mut known = HashMap::new();
    match resolve_lines(&mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock()), twice, &mut known) {
        Ok(tally) => {
            let Some((_, path)) = words.flags.iter().rfind(|(flag, _)| *flag == b's') else { return ExitCode::SUCCESS };
            let text = tally.text(twice, known.len());
            if std::fs::write(OsStr::from_bytes(path), text).is_err() {
                let path = BStr::new(path);
                let _ = write!(io::stderr(), "{}: Could not open {path} for writing.", words.program);
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn resolve_lines(
    from: &mut impl BufRead,
    to: &mut impl Write,
    twice: bool,
    known: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> io::Result<Tally> {
    let (mut tally, mut line) = (Tally::default(), Vec::new());
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            to.flush()?;
            return Ok(tally);
        }
        tally.entries += 1;
        let space = line.find_byte(b' ').unwrap_or(0);
        let (word, rest) = line.split_at(space);
        if let Some(name) = known.get(word) {
            tally.hits += 1;
            to.write_all(name)?;
        } else if let Some(address) = address(word) {
            tally.resolved += 1;
            let name = name(address, twice, &mut tally).unwrap_or_else(|| word.to_vec());
            to.write_all(&name)?;
            known.insert(word.to_vec(), name);
        } else {
            tally.named += 1;
            to.write_all(word)?;
        }
        to.write_all(rest)?;
    }
}

/// An address as the C library reads one: also with fewer than four numbers.
fn address(word: &[u8]) -> Option<IpAddr> {
    let text = word.to_str().ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() < 4)?;
    let digits =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let mut value = digits(last)?;
    let room = 32 - 8 * first.len() as u32;
    if room < 32 && value >> room != 0 {
        return None;
    }
    for (index, part) in first.iter().enumerate() {
        value |= digits(part).filter(|number| *number < 256)? << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(value).into())
}

fn name(address: IpAddr, twice: bool, tally: &mut Tally) -> Option<Vec<u8>> {
    let Some(name) = resolve::name_of(address) else {
        tally.nameless += 1;
        return None;
    };
    if twice && !resolve::addresses_of(&name).contains(&address) {
        tally.doubted += 1;
        return None;
    }
    Some(name)
}

impl Tally {
    fn text(&self, twice: bool, cached: usize) -> String {
        let mut text = format!(
            "logresolve Statistics:\nEntries: {}\n    With name   : {}\n    Resolves    : {}\n",
            self.entries, self.named, self.resolved
        );
        if self.nameless > 0 {
            text += &format!("    - No reverse : {}\n", self.nameless);
        }
        if twice && self.doubted > 0 {
            text += &format!("    - Double lookup failed : {}\n", self.doubted);
        }
        text + &format!("Cache hits      : {}\nCache size      : {cached}\n", self.hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_the_c_library_reads_them() {
        for (word, wanted) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("999", Some("0.0.3.231")),
            ("::1", Some("::1")),
            ("300.1.1.1", None),
            ("1.1.1.1.1", None),
            ("1a", None),
            ("", None),
        ] {
            assert_eq!(address(word.as_bytes()), wanted.map(|text| text.parse().unwrap()), "{word}");
        }
    }
}
