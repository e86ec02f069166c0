//! Where log lines go: a file, a logger process, syslog, the terminal.

use super::{Level, Syslog};
use bstr::ByteSlice;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// A destination, shared by the servers that name the same one. The default is standard error.
#[derive(Clone, Debug, Default)]
pub struct Target(Option<Arc<Sink>>);

#[derive(Debug)]
enum Sink {
    /// Opened for appending, or the writing end of a logger's pipe: either way one `write(2)` is one line.
    File(Arc<File>),
    Syslog(Syslog),
}

/// What an ErrorLog argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    File(&'a [u8]),
    /// A command for [`super::spawn_logger`], with its leading `|`.
    Pipe(&'a [u8]),
    Syslog(&'a [u8]),
}

impl<'a> Destination<'a> {
    /// Reads an ErrorLog argument: `syslog[:facility[:tag]]`, `|command` or a file's name.
    pub fn of(argument: &'a [u8]) -> Destination<'a> {
        if argument.starts_with(b"|") {
            return Destination::Pipe(argument);
        }
        match argument.split_at_checked(6) {
            Some((word, rest)) if word == b"syslog" && matches!(rest.first(), None | Some(b':')) => {
                Destination::Syslog(rest.strip_prefix(b":").unwrap_or_default())
            }
            _ => Destination::File(argument),
        }
    }
}

impl Target {
    /// Lines are appended to `file`.
    pub fn file(file: Arc<File>) -> Target {
        Target(Some(Arc::new(Sink::File(file))))
    }
    pub fn syslog(syslog: Syslog) -> Target {
        Target(Some(Arc::new(Sink::Syslog(syslog))))
    }
    /// Whether the target is syslog, which stamps lines itself and filters notices.
    pub fn is_syslog(&self) -> bool {
        matches!(self.0.as_deref(), Some(Sink::Syslog(_)))
    }
    /// Whether anything was opened; else lines go to standard error.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }
    /// The descriptor behind it, where there is one: standard error becomes a copy of the main server's.
    pub fn as_file(&self) -> Option<&Arc<File>> {
        match self.0.as_deref() {
            Some(Sink::File(file)) => Some(file),
            _ => None,
        }
    }
    /// Writes one line; the line feed is added here. A target that fails loses the line: there is no better place.
    pub fn write(&self, level: Level, line: &mut Vec<u8>) {
        let lost = match self.0.as_deref() {
            Some(Sink::Syslog(syslog)) => {
                syslog.send(level, line);
                return;
            }
            Some(Sink::File(file)) => {
                line.push(b'\n');
                file.as_ref().write_all(line)
            }
            None => {
                line.push(b'\n');
                io::stderr().write_all(line)
            }
        };
        drop(lost);
    }
}

/// A log could not be opened; the complaint is written.
#[derive(Debug, thiserror::Error)]
#[error("AH00015: Unable to open logs")]
pub struct LogsNotOpened;

/// Opens a log file for appending, creating it with `mode` less the umask.
pub fn open_file(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(mode).open(path)
}

/// The name this process was started by, without its directory: it stands in messages and tags syslog lines.
pub fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = name.as_encoded_bytes();
    name.rsplit_str("/").next().unwrap_or_default().to_str_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_destinations() {
        assert_eq!(Destination::of(b"syslog:user:tag"), Destination::Syslog(b"user:tag"));
        assert_eq!(Destination::of(b"syslog"), Destination::Syslog(b""));
        assert_eq!(Destination::of(b"logs/e"), Destination::File(b"logs/e"));
        assert_eq!(Destination::of(b"|$cat"), Destination::Pipe(b"|$cat"));
    }

    #[test]
    fn a_line_is_appended_with_its_line_feed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("e");
        for text in ["one", "two"] {
            let target = Target::file(Arc::new(open_file(&path, 0o644).unwrap()));
            target.write(Level::Error, &mut text.as_bytes().to_vec());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }
}
