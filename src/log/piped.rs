//! Logger processes: `|command`, `||command`, `|$shell command`.
//!
//! The parent starts them and keeps both ends of their pipes, so that no line is lost while one is replaced. It tells
//! this file of every dead child it does not know ([`logger_died`]) and of restarts ([`retire_loggers`],
//! [`end_retired_loggers`]). Children only write. Manual: logs.html, "Piped Logs".

use super::process::{startup, startup_errno};
use super::{Level, raw};
use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Logger {
    command: BString,
    shell: bool,
    /// 0 while there is no process.
    pid: i32,
    reader: OwnedFd,
    started: Instant,
    retired: bool,
}

/// A logger that lives shorter than this is replaced by [`tend_loggers`], not at once: one that cannot run at all must
/// not keep the parent busy.
const HASTE: Duration = Duration::from_secs(1);

static LOGGERS: Mutex<Vec<Logger>> = Mutex::new(Vec::new());

impl Logger {
    fn start(&mut self) -> io::Result<()> {
        let mut command = match self.shell {
            true => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(OsStr::from_bytes(&self.command));
                command
            }
            false => {
                let mut words = words(self.command.as_bstr()).into_iter();
                // execvp(3) without a name.
                let program = words.next().ok_or(io::Error::from_raw_os_error(libc::EFAULT))?;
                let mut command = Command::new(OsStr::from_bytes(&program));
                command.args(words.map(|word| OsStr::from_bytes(&word).to_owned()));
                command
            }
        };
        // The child is reaped by whoever waits for all children; the handle is not needed for that.
        command.stdin(Stdio::from(self.reader.try_clone()?));
        let child = crate::sys::pages::as_usual(|| command.spawn())?;
        self.pid = child.id() as i32;
        self.started = Instant::now();
        Ok(())
    }
}

/// What stands behind the leading `|` of a log's argument, and whether a shell runs it.
pub fn logger_command(argument: &[u8]) -> (&BStr, bool) {
    let rest = argument.strip_prefix(b"|").unwrap_or(argument);
    match rest.split_first() {
        Some((b'|', command)) => (command.as_bstr(), false),
        Some((b'$', command)) => (command.as_bstr(), true),
        _ => (rest.as_bstr(), false),
    }
}

/// Starts a logger and returns the end of the pipe that lines are written to. `argument` has its leading `|`.
pub fn spawn_logger(argument: &[u8]) -> io::Result<Arc<File>> {
    let (command, shell) = logger_command(argument);
    let (reader, writer) = io::pipe()?;
    let mut logger = Logger {
        command: command.into(),
        shell,
        pid: 0,
        reader: reader.into(),
        started: Instant::now(),
        retired: false,
    };
    logger.start()?;
    LOGGERS.lock().push(logger);
    Ok(Arc::new(File::from(OwnedFd::from(writer))))
}

/// Tells that child `pid` is dead. If it was a logger it is replaced; says whether it was one.
pub fn logger_died(pid: i32) -> bool {
    let mut loggers = LOGGERS.lock();
    let Some(at) = loggers.iter().position(|logger| logger.pid == pid) else { return false };
    let Some(logger) = loggers.get_mut(at) else { return false };
    if logger.retired {
        loggers.swap_remove(at);
        return true;
    }
    let command = logger.command.clone();
    logger.pid = 0;
    let started = if logger.started.elapsed() >= HASTE { logger.start() } else { Ok(()) };
    drop(loggers);
    let text = format_args!("AH00106: piped log program '{}' failed unexpectedly", raw(&command));
    startup(Level::Error, text);
    complain(&command, started);
    true
}

/// Starts the loggers anew that ended right after their start. Called once a second.
pub fn tend_loggers() {
    let mut complaints = Vec::new();
    for logger in LOGGERS.lock().iter_mut().filter(|logger| logger.pid == 0 && !logger.retired) {
        let started = logger.start();
        complaints.push((logger.command.clone(), started));
    }
    for (command, started) in complaints {
        complain(&command, started);
    }
}

fn complain(command: &BString, started: io::Result<()>) {
    if let Err(error) = started {
        let text = format_args!("AH00104: unable to start piped log program '{}'", raw(command));
        startup_errno(Level::Error, error, text);
    }
}

/// A new configuration is about to be opened: the loggers of the old one end when nobody writes to them any more.
/// Call before the new logs are opened.
pub fn retire_loggers() {
    for logger in LOGGERS.lock().iter_mut() {
        logger.retired = true;
    }
}

/// The new configuration holds and its logs are open: the old loggers read what is left and see the end of their pipe
/// once the last child of the old generation is gone. With `kill` (hard restart, stop) they are told to end now.
/// The caller drops the old configuration's targets. Returns their process ids.
pub fn end_retired_loggers(kill: bool) -> Vec<i32> {
    let mut loggers = LOGGERS.lock();
    let pids: Vec<i32> =
        loggers.iter().filter(|logger| logger.retired && logger.pid > 0).map(|logger| logger.pid).collect();
    if kill {
        for pid in &pids {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGTERM);
        }
    }
    // Their reading ends close with the entries: a writer that is left gets EPIPE instead of a full pipe.
    loggers.retain(|logger| !logger.retired);
    pids
}

/// The new configuration failed: the old loggers go on, those started meanwhile end.
pub fn restore_loggers() {
    let mut loggers = LOGGERS.lock();
    for logger in loggers.iter_mut() {
        logger.retired = !logger.retired;
    }
    drop(loggers);
    end_retired_loggers(true);
}

/// The server ends: all loggers do.
pub fn stop_loggers() {
    retire_loggers();
    end_retired_loggers(true);
}

/// Splits a command as a shell would, without a shell: quotes of both kinds and backslashes.
fn words(command: &BStr) -> Vec<BString> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<BString>, None);
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, open) {
            (b'\\', _) => {
                let next = bytes.next().unwrap_or(b'\\');
                word.get_or_insert_default().push(next);
            }
            (quote, Some(inside)) if quote == inside => open = None,
            (b'"' | b'\'', None) => {
                open = Some(byte);
                word.get_or_insert_default();
            }
            (b' ' | b'\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn commands_are_split_as_a_shell_would() {
        assert_eq!(words("/bin/x -a 'b c' \"d'e\" f\\ g ''".into()), ["/bin/x", "-a", "b c", "d'e", "f g", ""]);
        assert_eq!(logger_command(b"||/x y"), ("/x y".into(), false));
        assert_eq!(logger_command(b"|$/x | y"), ("/x | y".into(), true));
    }

    #[test]
    fn a_logger_is_replaced_when_it_dies() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let command = format!("|$head -n1 >>{}", out.display());
        let mut writer = spawn_logger(command.as_bytes()).unwrap();
        let pid =
            || LOGGERS.lock().iter().find(|logger| logger.command.contains_str("head -n1")).map(|logger| logger.pid);
        for line in ["one\n", "two\n"] {
            let logger = pid().unwrap();
            writer.write_all(line.as_bytes()).unwrap();
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(logger), None).unwrap();
            assert!(logger_died(logger));
            assert_eq!(pid(), Some(0));
            tend_loggers();
            assert!(pid().is_some_and(|pid| pid != 0 && pid != logger));
        }
        assert_eq!(std::fs::read(&out).unwrap(), b"one\ntwo\n");
        let last = pid().unwrap();
        drop(writer);
        retire_loggers();
        assert!(end_retired_loggers(false).contains(&last));
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(last), None).unwrap();
        assert!(!logger_died(last));
        assert!(spawn_logger(b"|/nonexistent/logger").is_err());
    }
}
