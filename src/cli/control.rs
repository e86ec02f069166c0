//! `-k`: finding the running server by its pid file and telling it what to do.

use super::options::Signal;
use crate::config::Process;
use crate::mpm::pidfile::{self, Recorded};
use bstr::ByteSlice;
use nix::sys::signal::{Signal as Unix, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What came of it.
pub(super) enum Outcome {
    Done(ExitCode),
    /// Nothing runs: go on and start.
    Start,
}

/// The pid file's path.
pub(super) fn pid_file(process: &Process) -> PathBuf {
    let path = process.pid_file.as_ref().map_or(&b"/run/apache2.pid"[..], |path| path.as_bytes());
    process.server_root.join(path.to_path_lossy())
}

/// The pid file is there, but of no use.
struct Unusable;

/// The running server's process id.
fn running(process: &Process) -> Result<Option<i32>, Unusable> {
    let path = pid_file(process);
    match pidfile::read(&path) {
        Ok(Recorded::Process(pid)) => {
            let alive = kill(Pid::from_raw(pid), None).is_ok();
            Ok(alive.then_some(pid))
        }
        Ok(Recorded::Missing) => Ok(None),
        Ok(Recorded::Corrupted) | Err(_) => Err(Unusable),
    }
}

fn unusable(process: &Process) -> ExitCode {
    use crate::log::{Level, startup, startup_errno};
    /// APR's general error.
    const GENERAL: i32 = 20014;
    let path = process.pid_file.as_ref().map_or(&b"/run/apache2.pid"[..], |path| path.as_bytes());
    startup_errno(Level::Error, GENERAL, format_args!("AH00058: Error retrieving pid file {}", path.as_bstr()));
    startup(Level::Error, format_args!("AH00059: Remove it before continuing if it is corrupted."));
    ExitCode::FAILURE
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Signals the running server.
pub(super) fn signal(process: &Process, signal: Signal) -> Outcome {
    let found = match running(process) {
        Ok(found) => found,
        Err(Unusable) => return Outcome::Done(unusable(process)),
    };
    let recorded = matches!(pidfile::read(&pid_file(process)), Ok(Recorded::Process(_)));
    let Some(pid) = found else {
        return match signal {
            Signal::Stop | Signal::GracefulStop => {
                match pidfile::read(&pid_file(process)) {
                    Ok(Recorded::Process(pid)) if recorded => say(&format!("httpd (pid {pid}?) not running")),
                    _ => say("httpd (no pid file) not running"),
                }
                Outcome::Done(ExitCode::SUCCESS)
            }
            _ => {
                say("httpd not running, trying to start");
                Outcome::Start
            }
        };
    };
    let number = match signal {
        Signal::Stop => Unix::SIGTERM,
        Signal::Restart => Unix::SIGHUP,
        Signal::Graceful => Unix::SIGUSR1,
        Signal::GracefulStop => Unix::SIGWINCH,
        Signal::Start => return Outcome::Start,
    };
    Outcome::Done(match kill(Pid::from_raw(pid), number) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "sending signal to server: {}", error.desc());
            ExitCode::FAILURE
        }
    })
}

/// The running server's process id, if there is one.
pub(super) fn running_pid(process: &Process) -> Option<i32> {
    running(process).ok().flatten()
}

/// Whether the server of this configuration runs: then a second is not started.
pub(super) fn running_already(process: &Process) -> Option<ExitCode> {
    let pid = match running(process) {
        Ok(found) => found?,
        Err(Unusable) => return Some(unusable(process)),
    };
    if pid == std::process::id() as i32 {
        return None;
    }
    say(&format!("httpd (pid {pid}) already running"));
    Some(ExitCode::SUCCESS)
}
