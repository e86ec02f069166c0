//! Pipes: one direction each. Also over any other descriptor that can be waited for.

use super::stream::Stream;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

fn stream(fd: OwnedFd) -> io::Result<Stream> {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Stream::from_fd(fd)
}

/// The end that is read.
pub struct PipeReader(Stream);

impl PipeReader {
    /// Takes a descriptor, which becomes non-blocking.
    pub fn new(fd: impl Into<OwnedFd>) -> io::Result<PipeReader> {
        stream(fd.into()).map(PipeReader)
    }
    /// Reads; 0 when all writers are gone.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

/// The end that is written.
pub struct PipeWriter(Stream);

impl PipeWriter {
    /// Takes a descriptor, which becomes non-blocking.
    pub fn new(fd: impl Into<OwnedFd>) -> io::Result<PipeWriter> {
        stream(fd.into()).map(PipeWriter)
    }
    /// Writes all of `buffer`; an error of kind BrokenPipe when the reader is gone.
    pub async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
        self.0.write_all(buffer).await
    }
    /// Writes some; an error of kind BrokenPipe when the reader is gone.
    pub fn poll_write(&self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored(cx, &[IoSlice::new(buffer)])
    }
}
