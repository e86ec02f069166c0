//! A body as octets: files are read in chunks, so that a filter sees bytes and flushes only.

use crate::request::{Body, Fault, FileRange, Piece, Request};
use bytes::Bytes;

/// Octets of a file that are read at a time.
const CHUNK: usize = 32 * 1024;

pub(super) struct Octets {
    inner: Body,
    /// A file range in the middle of being read.
    file: Option<FileRange>,
}

/// What comes next.
pub(super) enum Next {
    Bytes(Bytes),
    Flush,
    End,
}

impl Octets {
    pub(super) fn new(mut inner: Body) -> Octets {
        inner.read_steadily(true);
        Octets { inner, file: None }
    }
    pub(super) fn length(&self) -> Option<u64> {
        Some(self.inner.length()? + self.file.as_ref().map_or(0, |file| file.len))
    }
    pub(super) async fn next(&mut self, r: &mut Request) -> Result<Next, Fault> {
        loop {
            if let Some(range) = &mut self.file {
                let mut chunk = vec![0; CHUNK.min(usize::try_from(range.len).unwrap_or(CHUNK))];
                let read = range.file.read_at(&mut chunk, range.offset);
                let read = read.map_err(|error| Fault::ours(format!("reading a file failed: {error}")))?;
                range.offset += read as u64;
                range.len -= read as u64;
                if read == 0 || range.len == 0 {
                    self.file = None;
                }
                if read > 0 {
                    chunk.truncate(read);
                    return Ok(Next::Bytes(chunk.into()));
                }
                continue;
            }
            match self.inner.next(r).await? {
                None => return Ok(Next::End),
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Piece::Bytes(bytes)) => return Ok(Next::Bytes(bytes)),
                Some(Piece::File(range)) => self.file = Some(range).filter(|range| range.len > 0),
                Some(Piece::Flush) => return Ok(Next::Flush),
            }
        }
    }
}
