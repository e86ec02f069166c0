//! Child processes with pipes.

use super::stream::Stream;
use super::{block, readable_fd};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};

/// A running program; standard input, output and error are pipes to it where asked for.
pub struct Child {
    child: std::process::Child,
    exit: OwnedFd,
    pub stdin: Option<Stream>,
    pub stdout: Option<Stream>,
    pub stderr: Option<Stream>,
}

fn stream(fd: Option<impl Into<OwnedFd>>) -> io::Result<Option<Stream>> {
    let Some(fd) = fd else { return Ok(None) };
    let fd: OwnedFd = fd.into();
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFL(flags))?;
    Stream::from_fd(fd).map(Some)
}

impl Child {
    /// Starts a program. Making a process takes a while: the loop goes on meanwhile.
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = block(|| command.spawn())?;
        let exit = crate::sys::epoll::pid_fd(child.id())?;
        let (stdin, stdout, stderr) =
            (stream(child.stdin.take())?, stream(child.stdout.take())?, stream(child.stderr.take())?);
        Ok(Child { child, exit, stdin, stdout, stderr })
    }
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            readable_fd(&self.exit).await?;
        }
    }
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }
}
