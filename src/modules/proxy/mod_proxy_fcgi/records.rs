//! Records of FastCGI 1.0: what is sent of a request, what is read of a response.

use super::super::mod_proxy::{self, Octets, Wire};
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::request::Request;
use bytes::Bytes;
use std::io;

const VERSION: u8 = 1;
/// A connection carries one request at a time.
const ID: u16 = 1;

pub const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// Octets that a record carries at most.
pub const MOST: usize = 0xffff;

/// Octets of a complaint that stand in one line of the log.
const COMPLAINT: usize = 8192;

/// Appends the head of a record.
pub fn head(out: &mut Vec<u8>, kind: u8, length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let id = ID.to_be_bytes();
    out.extend_from_slice(&[VERSION, kind, id[0], id[1], length[0], length[1], 0, 0]);
}

/// Appends a name and value as PARAMS has them.
pub fn parameter(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(short) if short < 128 => out.push(short),
            _ => out.extend_from_slice(&(text.len() as u32 | 1 << 31).to_be_bytes()),
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

/// The answer on its way, record by record.
pub struct Records {
    wire: Wire,
    /// What is left of a record of that kind, and of the padding behind it.
    kind: u8,
    left: usize,
    padding: usize,
    /// What it says on standard error and has not ended yet.
    complaint: Vec<u8>,
    /// No more of the answer comes; the end of the request is still to come.
    closed: bool,
    ended: bool,
    /// The connection is of no use any more.
    spent: bool,
    /// What is read is the content of a record.
    within: bool,
}

impl Records {
    pub fn new(wire: Wire) -> Records {
        Records {
            wire,
            kind: 0,
            left: 0,
            padding: 0,
            complaint: Vec::new(),
            closed: false,
            ended: false,
            spent: false,
            within: false,
        }
    }

    /// Reads until `count` octets are there.
    async fn need(&mut self, count: usize) -> io::Result<()> {
        while self.wire.unread().len() < count {
            if self.wire.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn read(&mut self, r: &mut Request) -> io::Result<Option<Bytes>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if self.left > 0 {
                self.within = true;
                self.need(1).await?;
                self.within = false;
                let bytes = self.wire.take(self.left);
                self.left -= bytes.len();
                match self.kind {
                    STDOUT => return Ok(Some(bytes)),
                    STDERR => self.complaint.extend_from_slice(&bytes),
                    _ => {}
                }
                if self.kind == STDERR && (self.left == 0 || self.complaint.len() >= COMPLAINT) {
                    let mut said = std::mem::take(&mut self.complaint);
                    if self.left > 0 {
                        self.complaint = said.split_off(said.len() - said.len() % COMPLAINT);
                    }
                    for part in said.chunks(COMPLAINT) {
                        r.log(Level::Error, "proxy_fcgi", format_args!("AH01071: Got error '{}'", raw(part)));
                    }
                }
                continue;
            }
            if self.padding > 0 {
                self.need(1).await.inspect_err(|error| {
                    let text = format_args!("AH02537: Error occurred reading padding");
                    r.log_errno(Level::Error, "proxy_fcgi", mod_proxy::errno(error), text);
                })?;
                let count = self.wire.unread().len().min(self.padding);
                self.wire.consume(count);
                self.padding -= count;
                continue;
            }
            if self.kind == END_REQUEST {
                self.ended = true;
                continue;
            }
            if let Err(error) = self.need(8).await {
                if error.kind() != io::ErrorKind::TimedOut {
                    r.log(Level::Error, "proxy_fcgi", format_args!("AH01067: Failed to read FastCGI header"));
                }
                return Err(error);
            }
            let Some(&[version, kind, id1, id0, length1, length0, padding, _]) = self.wire.unread().first_chunk()
            else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            self.wire.consume(8);
            if version != VERSION {
                r.log(Level::Error, "proxy_fcgi", format_args!("AH01068: Got bogus version {version}"));
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            let id = u16::from_be_bytes([id1, id0]);
            if id != ID {
                r.log(Level::Error, "proxy_fcgi", format_args!("AH01069: Got bogus rid {id}, expected {ID}"));
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            self.kind = kind;
            self.left = usize::from(u16::from_be_bytes([length1, length0]));
            self.padding = usize::from(padding);
            self.closed |= kind == STDOUT && self.left == 0;
            if ![STDOUT, STDERR, END_REQUEST].contains(&kind) {
                r.log(Level::Error, "proxy_fcgi", format_args!("AH01072: Got bogus record {kind}"));
            }
        }
    }
}

impl Octets for Records {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, io::Result<Option<Bytes>>> {
        Box::pin(async move {
            match self.read(r).await {
                // The answer is whole, whatever becomes of the connection.
                Err(error) if self.closed => {
                    super::failed(r, &error, "");
                    (self.ended, self.spent) = (true, true);
                    Ok(None)
                }
                read => read,
            }
        })
    }
    fn release(self: Box<Self>) {
        if !self.spent && self.wire.unread().is_empty() {
            self.wire.backend.release();
        }
    }
    fn broken(&self, r: &Request, error: &io::Error) {
        super::failed(r, error, if self.within { "(reading response body)" } else { "" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_short_and_long_lengths() {
        let mut out = Vec::new();
        parameter(&mut out, b"A", &[b'x'; 200]);
        assert_eq!(out.get(..6), Some(&[1, 0x80, 0, 0, 200, b'A'][..]));
        assert_eq!(out.len(), 206);
    }
}
