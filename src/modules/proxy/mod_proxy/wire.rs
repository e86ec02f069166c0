//! Reading from a backend: lines of a bounded length, and what follows them.

use super::pool::Backend;
use super::secure::reading_ended;
use crate::engine;
use bytes::Bytes;
use memchr::memchr;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

/// Octets that one read asks for.
const ROOM: usize = 16 * 1024;

/// A line of a backend's.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Longer than allowed; what there is of it.
    TooLong(Vec<u8>),
    /// Nothing more comes; what stood there without an end.
    Ended(Vec<u8>),
}

/// A connection to a backend with what was read of it and not yet used.
pub struct Wire {
    pub backend: Backend,
    buffer: Vec<u8>,
    start: usize,
    /// How long the backend may be silent.
    pub patience: Duration,
}

impl Wire {
    pub fn new(backend: Backend, patience: Duration) -> Wire {
        Wire { backend, buffer: Vec::new(), start: 0, patience }
    }
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }
    /// Takes up to `most` octets that were read.
    pub fn take(&mut self, most: usize) -> Bytes {
        if self.start == 0 && self.buffer.len() <= most {
            return Bytes::from(std::mem::take(&mut self.buffer));
        }
        let count = self.unread().len().min(most);
        let bytes = Bytes::copy_from_slice(self.unread().get(..count).unwrap_or_default());
        self.consume(count);
        bytes
    }
    /// Counts octets of a response, where its worker has them counted.
    pub fn count(&self, octets: usize) {
        if let Some(busy) = &self.backend.busy {
            busy.received(octets);
        }
    }
    /// Reads more; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let (stream, buffer) = (&self.backend.stream, &mut self.buffer);
        // Between two attempts there is no room in the buffer, so that nothing is wrong if this is given up.
        let reading = poll_fn(|cx| {
            let used = buffer.len();
            buffer.resize(used + ROOM, 0);
            let read = stream.poll_read(cx, buffer.get_mut(used..).unwrap_or_default());
            buffer.truncate(used + if let Poll::Ready(Ok(count)) = &read { *count } else { 0 });
            read
        });
        let read =
            engine::timeout(self.patience, reading).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match &self.backend.remote {
            Some(remote) => reading_ended(&self.backend.stream, remote, read),
            None => read,
        }
    }
    /// The next line, of at most `limit` octets.
    pub async fn line(&mut self, limit: usize) -> io::Result<Line> {
        let mut line = self.raw_line(limit).await?;
        if let Line::Whole(line) = &mut line
            && line.last() == Some(&b'\r')
        {
            line.pop();
        }
        Ok(line)
    }
    /// As [`line`](Wire::line), with the return before a line feed.
    pub async fn raw_line(&mut self, limit: usize) -> io::Result<Line> {
        loop {
            let unread = self.unread();
            if let Some(end) = memchr(b'\n', unread.get(..unread.len().min(limit)).unwrap_or_default()) {
                let line = unread.get(..end).unwrap_or_default().to_vec();
                self.consume(end + 1);
                return Ok(Line::Whole(line));
            }
            if unread.len() >= limit {
                return Ok(Line::TooLong(self.take(limit).to_vec()));
            }
            if self.fill().await? == 0 {
                return Ok(Line::Ended(self.take(limit).to_vec()));
            }
        }
    }
    /// Whether the next line begins with white space, and so goes on with the one before.
    pub async fn continues(&mut self) -> io::Result<bool> {
        while self.unread().is_empty() {
            if self.fill().await? == 0 {
                return Ok(false);
            }
        }
        Ok(matches!(self.unread().first(), Some(b' ' | b'\t')))
    }
    /// Sends all of it.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let slices = [io::IoSlice::new(rest)];
            let written = self.backend.stream.write_vectored(&slices);
            match engine::timeout(self.patience, written).await {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let written = written?;
                    if let Some(busy) = &self.backend.busy {
                        busy.sent(written);
                    }
                    rest = rest.get(written..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }
}
