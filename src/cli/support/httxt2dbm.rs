//! httxt2dbm: makes a DBM file of a text map, for RewriteMap. Manual: programs/httxt2dbm.html.

use super::getopt::Words;
use crate::log::errno_text;
use crate::server::dbm::{Access, Dbm, Format, NO_SUCH_FORMAT};
use bstr::ByteSlice;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

/// Letters of the flags; a colon behind those that take a value.
pub(super) const FLAGS: &str = "vf:i:o:";

const FAILED: u8 = 1;

/// What the command line asks for.
#[derive(Default)]
struct Order {
    verbose: bool,
    format: Option<Vec<u8>>,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words = Words::read(FLAGS, std::env::args_os());
    let program = words.program.clone();
    match order(words).and_then(|order| convert(&order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = io::stderr().write_all(text.replace("{program}", &program).as_bytes());
            ExitCode::from(FAILED)
        }
    }
}

fn usage(complaint: &str) -> String {
    let complaint = if complaint.is_empty() { String::new() } else { format!("{complaint}\n\n") };
    let there = |name: &[u8]| if Format::named(name).is_some() { "available" } else { "unavailable" };
    format!(
        "{complaint}{{program}} -- Program to Create DBM Files for use by RewriteMap\n\
         Usage: {{program}} [-v] [-f format] -i SOURCE_TXT -o OUTPUT_DBM\n\n\
         Options: \n -v    More verbose output\n\n -i    Source Text File. If '-', use stdin.\n\n -o    Output DBM.\n\n\
         \x20-f    DBM Format.  If not specified, will use the APR Default.\n\
         \x20          GDBM for GDBM files ({})\n\
         \x20          SDBM for SDBM files (available)\n\
         \x20          DB   for berkeley DB files ({})\n\
         \x20          NDBM for NDBM files (unavailable)\n\
         \x20          default for the default DBM type\n\n",
        there(b"gdbm"),
        there(b"db")
    )
}

fn order(words: Words) -> Result<Order, String> {
    if let Some(complaint) = words.complaint {
        return Err(usage(&format!("{{program}}: {complaint}\nError: Parsing Arguments Failed")));
    }
    let none = std::env::args_os().len() < 2;
    let mut order = Order::default();
    let mut seen = Vec::new();
    for (flag, value) in words.flags {
        if seen.contains(&flag) {
            return Err(usage(&format!("Error: -{} can only be passed once", char::from(flag))));
        }
        seen.push(flag);
        match flag {
            b'v' => order.verbose = true,
            b'f' => order.format = Some(value),
            b'i' => order.input = value,
            _ => order.output = value,
        }
    }
    if none {
        return Err(usage(""));
    }
    if order.input.is_empty() {
        return Err(usage("Error: No input file specified."));
    }
    if order.output.is_empty() {
        return Err(usage("Error: No output DBM specified."));
    }
    Ok(order)
}

fn convert(order: &Order) -> Result<(), String> {
    let mut err = io::stderr();
    if order.verbose {
        let format = order.format.as_deref().unwrap_or(b"default").as_bstr();
        let _ = writeln!(err, "DBM Format: {format}");
    }
    let input: Box<dyn BufRead> = if order.input == b"-" {
        Box::new(io::stdin().lock())
    } else {
        let file = std::fs::File::open(order.input.to_path_lossy());
        let file =
            file.map_err(|error| cannot("open input file", &order.input, error.raw_os_error().unwrap_or(libc::EIO)))?;
        Box::new(BufReader::new(file))
    };
    if order.verbose {
        let _ = writeln!(err, "Input File: {}", order.input.as_bstr());
    }
    let format = Format::named(order.format.as_deref().unwrap_or(b"default")).ok_or(NO_SUCH_FORMAT);
    let mut database = format
        .and_then(|format| Dbm::open(format, &order.output.to_path_lossy(), Access::Extend, 0o777))
        .map_err(|error| cannot("open output DBM", &order.output, error))?;
    if order.verbose {
        let _ = writeln!(err, "DBM File: {}", order.output.as_bstr());
    }
    for line in input.split(b'\n') {
        // What cannot be read ends the text, as a directory does.
        let Ok(line) = line else { break };
        let Some((key, value)) = pair(&line) else { continue };
        if order.verbose {
            let _ = writeln!(err, "    '{}' -> '{}'", key.as_bstr(), value.as_bstr());
        }
        database
            .store(key, value)
            .map_err(|error| format!("Error: Converting to DBM: ({error}) {}\n", errno_text(error)))?;
    }
    if order.verbose {
        let _ = writeln!(err, "Conversion Complete.");
    }
    Ok(())
}

fn cannot(what: &str, name: &[u8], error: i32) -> String {
    format!("Error: Cannot {what} '{}': ({error}) {}\n\n", name.as_bstr(), errno_text(error))
}

/// Key and value of a line: its first two words. Comments and lines that begin with a space have none.
fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.first().is_none_or(|first| *first == b'#' || first.is_ascii_whitespace()) {
        return None;
    }
    let mut words = line.fields_with(|c: char| c.is_ascii_whitespace());
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_lines() {
        assert_eq!(pair(b"a  b c"), Some((&b"a"[..], &b"b"[..])));
        assert_eq!((pair(b"# a b"), pair(b" a b"), pair(b"a"), pair(b"")), (None, None, None, None));
    }
}
