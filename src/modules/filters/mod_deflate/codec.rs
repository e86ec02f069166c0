//! The compressor: a body read piece by piece, gzip out in pieces of the configured size (RFC 1952).

use super::short::Opening;
use crate::engine::BoxFuture;
use crate::request::{Fault, FileRange, Piece, Request, Source};
use bstr::BString;
use bytes::Bytes;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status};

/// Octets of a file that are read at a time.
const CHUNK: usize = 32 * 1024;
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Notes to write at the end.
pub(super) struct Settle {
    pub(super) ratio: Option<BString>,
    pub(super) input: Option<BString>,
    pub(super) output: Option<BString>,
}

/// See the module text.
pub(super) struct Deflater {
    inner: Opening,
    /// A file range in the middle of being read.
    file: Option<FileRange>,
    stream: Deflate,
    crc: u32,
    buffer: usize,
    out: Vec<u8>,
    done: bool,
    /// Too short to compress.
    plain: bool,
    /// A full buffer came out before the body ended.
    filled: bool,
    /// Octets that zlib takes in before it must give some out.
    ahead: u64,
    settle: Settle,
}

impl Deflater {
    pub(super) fn new(
        inner: Opening,
        level: i32,
        window: u8,
        mem_level: u8,
        buffer: usize,
        settle: Settle,
    ) -> Deflater {
        let config = DeflateConfig {
            level,
            // Negative: no zlib wrapper; gzip's is written here.
            window_bits: -i32::from(window),
            mem_level: i32::from(mem_level),
            ..DeflateConfig::default()
        };
        let stream = Deflate::new_with_config(config);
        Deflater {
            inner,
            file: None,
            stream,
            crc: 0,
            buffer,
            out: HEADER.to_vec(),
            done: false,
            plain: false,
            filled: false,
            ahead: 2 << window,
            settle,
        }
    }

    fn feed(&mut self, mut input: &[u8], flush: DeflateFlush) -> Result<(), Fault> {
        self.crc = zlib_rs::crc32::crc32(self.crc, input);
        let most = self.buffer.clamp(64, CHUNK);
        loop {
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let at = self.out.len();
            self.out.resize(at + most, 0);
            let room = self.out.get_mut(at..).unwrap_or_default();
            let result = self.stream.compress(input, room, flush);
            let took = (self.stream.total_in() - before_in) as usize;
            let gave = (self.stream.total_out() - before_out) as usize;
            self.out.truncate(at + gave);
            input = input.get(took..).unwrap_or_default();
            match result {
                Ok(Status::StreamEnd) => return Ok(()),
                // Output that did not fill the room means that nothing is held back for lack of it.
                Ok(_) if input.is_empty() && gave < most => {
                    self.filled |= flush == DeflateFlush::NoFlush && self.out.len() > self.buffer;
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) => return Err(Fault::ours(format!("AH01386: Zlib error deflating data ({error:?})"))),
            }
        }
    }

    fn finish(&mut self, r: &mut Request) -> Result<(), Fault> {
        self.feed(&[], DeflateFlush::Finish)?;
        self.out.extend_from_slice(&self.crc.to_le_bytes());
        self.out.extend_from_slice(&(self.stream.total_in() as u32).to_le_bytes());
        self.done = true;
        let (input, output) = (self.stream.total_in(), self.stream.total_out());
        let text = format_args!("AH01384: Zlib: Compressed {input} to {output} : URL {}", crate::log::raw(&r.uri));
        r.log(crate::log::Level::Debug, "deflate", text);
        if let Some(name) = &self.settle.input {
            r.notes.set(name, itoa::Buffer::new().format(input));
        }
        if let Some(name) = &self.settle.output {
            r.notes.set(name, itoa::Buffer::new().format(output));
        }
        if let Some(name) = &self.settle.ratio {
            let ratio = (output * 100).checked_div(input).map_or_else(|| "-".to_owned(), |ratio| ratio.to_string());
            r.notes.set(name, ratio);
        }
        Ok(())
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if self.inner.is_short(r).await? {
            (self.plain, self.done) = (true, true);
            self.out.clear();
        }
        if self.plain {
            return self.inner.next(r).await;
        }
        while !self.done && self.out.len() < self.buffer {
            if let Some(range) = &mut self.file {
                let mut chunk = vec![0; CHUNK.min(range.len as usize)];
                let read = range.file.read_at(&mut chunk, range.offset);
                let read =
                    read.map_err(|error| Fault::ours(format!("AH10298: failed reading from FILE bucket: {error}")))?;
                range.offset += read as u64;
                range.len -= read as u64;
                if read == 0 || range.len == 0 {
                    self.file = None;
                }
                chunk.truncate(read);
                self.feed(&chunk, DeflateFlush::NoFlush)?;
                continue;
            }
            match self.inner.next(r).await? {
                None => self.finish(r)?,
                Some(Piece::Bytes(bytes)) => self.feed(&bytes, DeflateFlush::NoFlush)?,
                Some(Piece::File(range)) => self.file = Some(range).filter(|range| range.len > 0),
                Some(Piece::Flush) => {
                    self.feed(&[], DeflateFlush::SyncFlush)?;
                    break;
                }
            }
        }
        if self.out.is_empty() {
            return Ok(if self.done { None } else { Some(Piece::Flush) });
        }
        Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut self.out)))))
    }
}

impl Source for Deflater {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn length(&self) -> Option<u64> {
        (self.done && !self.plain && self.out.is_empty()).then_some(0)
    }
    fn measurable(&self) -> bool {
        // A full buffer waits for the next call with more to compress; then it is passed on, and the length unknown.
        !self.filled || self.stream.total_in() <= self.ahead
    }
}
