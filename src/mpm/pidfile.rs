//! The pid file (`PidFile`): written at start, removed at a stop, read by `-k`.

use super::Line;
use crate::log::Level;
use bstr::ByteSlice;
use std::io::{self, Write};
use std::path::Path;

/// What a pid file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// There is no file.
    Missing,
    Process(i32),
    /// It does not hold a process id.
    Corrupted,
}

/// Reads it.
pub fn read(path: &Path) -> io::Result<Recorded> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recorded::Missing),
        Err(error) => return Err(error),
    };
    let line = text.lines().next().unwrap_or_default();
    let pid = line.to_str().ok().and_then(|line| line.trim().parse::<i32>().ok());
    Ok(pid.filter(|pid| *pid > 0).map_or(Recorded::Corrupted, Recorded::Process))
}

/// Writes this process's id through a temporary file, so that a reader sees all or nothing. A file that names another
/// process is a sign of an unclean end: the answer's first part warns of it.
pub fn write(path: &Path, pid: i32) -> (Option<Line>, Result<(), Line>) {
    let stale = match read(path) {
        Ok(Recorded::Process(other)) if other != pid => true,
        Ok(Recorded::Corrupted) => true,
        _ => false,
    };
    let warning = stale.then(|| {
        let text =
            format!("AH00098: pid file {} overwritten -- Unclean shutdown of previous Apache run?", path.display());
        Line { level: Level::Warn, module: "core", errno: 0, text: text.into() }
    });
    let mut temporary = path.as_os_str().to_os_string();
    // As mkstemp names them; the parent is the only one to write here.
    temporary.push(format!(".{:06}", pid % 1_000_000));
    let temporary = Path::new(&temporary);
    let written = (|| {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(temporary)?;
        writeln!(file, "{pid}")?;
        std::fs::rename(temporary, path)
    })();
    let written = written.map_err(|error: io::Error| {
        Line::core(Level::Error, &error, format!("AH00099: could not create {}", temporary.display()))
    });
    (warning, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_read_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("httpd.pid");
        assert_eq!(read(&path).unwrap(), Recorded::Missing);
        let (warning, written) = write(&path, 42);
        assert!(warning.is_none() && written.is_ok());
        assert_eq!(std::fs::read(&path).unwrap(), b"42\n");
        assert_eq!(read(&path).unwrap(), Recorded::Process(42));
        let (warning, _) = write(&path, 43);
        assert!(warning.unwrap().text.starts_with(b"AH00098: pid file "));
        std::fs::write(&path, "no number\n").unwrap();
        assert_eq!(read(&path).unwrap(), Recorded::Corrupted);
        let (_, failed) = write(Path::new("/no/such/directory/pid"), 1);
        assert_eq!(failed.unwrap_err().errno, libc::ENOENT);
    }
}
