//! Child processes with pipes.

use super::pipe::{PipeReader, PipeWriter};
use super::{alone, block, event, readable_fd};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};

/// A running program. Dropped before its end it is killed, and waited for so that no zombie is left.
pub struct Child {
    /// None once it is handed to the reaper.
    child: Option<std::process::Child>,
    exit: OwnedFd,
    group: bool,
    ended: Option<ExitStatus>,
    /// Present where the command asks for a pipe (`Stdio::piped()`).
    pub stdin: Option<PipeWriter>,
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
}

impl Child {
    /// Starts a program. Making a process takes a while: the loop goes on meanwhile.
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        Child::start(command, false)
    }
    /// The same in a process group of its own: whatever it starts is killed with it.
    pub fn spawn_group(command: &mut Command) -> io::Result<Child> {
        Child::start(command.process_group(0), true)
    }

    fn start(command: &mut Command, group: bool) -> io::Result<Child> {
        let mut child = block(|| crate::sys::pages::as_usual(|| command.spawn()))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let exit = match crate::sys::epoll::pid_fd(child.id()) {
            Ok(exit) => exit,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut child = Child { child: Some(child), exit, group, ended: None, stdin: None, stdout: None, stderr: None };
        child.stdin = streams.0.map(PipeWriter::new).transpose()?;
        child.stdout = streams.1.map(PipeReader::new).transpose()?;
        child.stderr = streams.2.map(PipeReader::new).transpose()?;
        Ok(child)
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, std::process::Child::id)
    }
    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            readable_fd(&self.exit).await?;
        }
    }
    /// How it ended, if it did.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(child) = &mut self.child
        {
            self.ended = child.try_wait()?;
        }
        Ok(self.ended)
    }
    /// Sends a signal to it, or to its group.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.id() as libc::pid_t);
        // A process that was waited for has no number any more: it may be somebody else's.
        match (self.ended, self.group) {
            (Some(_), false) => Ok(()),
            (_, true) => Ok(killpg(pid, signal)?),
            (None, false) => Ok(kill(pid, signal)?),
        }
    }
    pub fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let _ = self.kill();
        let Some(mut child) = self.child.take() else { return };
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        match (event::handle().filter(|_| !alone::running()), self.exit.try_clone()) {
            (Some(handle), Ok(exit)) => handle.spawn(async move {
                let _ = readable_fd(&exit).await;
                let _ = child.wait();
            }),
            // A killed process ends at once.
            _ => drop(child.wait()),
        }
    }
}
