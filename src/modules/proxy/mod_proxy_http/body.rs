//! The body of a backend's response: pulled by whoever sends it, so that the client's pace is the backend's.

use super::super::mod_proxy::{Line, Wire};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::request::{Body, Fault, Piece, Request, Source};
use bstr::ByteSlice;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

/// Octets handed on at a time.
const PIECE: usize = 16 * 1024;
/// APR's number for what is not whole.
const INCOMPLETE: i32 = 70_008;
/// Longest line between chunks, and trailers at most.
const LONGEST_LINE: usize = 8192;
const MOST_TRAILERS: usize = 100;

/// How the body ends.
pub enum Framing {
    Length(u64),
    Chunked,
    UntilEnd,
    /// Nobody can tell.
    Unreadable,
}

/// The body that stands next on the wire; `first` comes before it.
pub fn of(wire: Wire, framing: Framing, first: Option<Bytes>) -> Body {
    let state = match framing {
        Framing::Length(length) => State::Length(length),
        Framing::Chunked => State::Size,
        Framing::UntilEnd => State::UntilEnd,
        Framing::Unreadable => State::Unreadable,
    };
    Body::Stream(Box::new(Relay { wire: Some(wire), state, first, gave: true }))
}

enum State {
    Length(u64),
    /// Before the size of a chunk.
    Size,
    /// So much of a chunk is left.
    Chunk(u64),
    UntilEnd,
    Unreadable,
}

struct Relay {
    /// None once the body ended.
    wire: Option<Wire>,
    state: State,
    first: Option<Bytes>,
    /// The last piece was octets.
    gave: bool,
}

impl Source for Relay {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            if let Some(first) = self.first.take() {
                self.gave = true;
                return Ok(Some(Piece::Bytes(first)));
            }
            // While the backend pauses, what it sent until now goes out.
            let at_end = matches!(self.state, State::Length(0) | State::Unreadable);
            if self.gave && !at_end && self.wire.as_ref().is_some_and(|wire| wire.unread().is_empty()) {
                let arrived = {
                    let Some(wire) = self.wire.as_mut() else { return Ok(None) };
                    let mut filling = pin!(wire.fill());
                    poll_fn(|cx| {
                        Poll::Ready(match filling.as_mut().poll(cx) {
                            Poll::Ready(read) => Some(read),
                            Poll::Pending => None,
                        })
                    })
                    .await
                };
                match arrived {
                    None => {
                        self.gave = false;
                        return Ok(Some(Piece::Flush));
                    }
                    Some(Ok(0)) if matches!(self.state, State::UntilEnd) => {
                        self.wire = None;
                        return Ok(None);
                    }
                    Some(Ok(0)) => return Err(broken(r, io::ErrorKind::UnexpectedEof.into())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(broken(r, error)),
                }
            }
            match self.read().await {
                Ok(Some(bytes)) => {
                    self.gave = true;
                    if let Some(wire) = &self.wire {
                        wire.count(bytes.len());
                    }
                    Ok(Some(Piece::Bytes(bytes)))
                }
                Ok(None) => {
                    if let Some(wire) = self.wire.take()
                        && !matches!(self.state, State::UntilEnd)
                        && wire.unread().is_empty()
                    {
                        wire.backend.release();
                    }
                    Ok(None)
                }
                Err(error) => Err(broken(r, error)),
            }
        })
    }

    fn length(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            _ => None,
        }
    }
    fn measurable(&self) -> bool {
        false
    }
}

fn broken(r: &mut Request, error: io::Error) -> Fault {
    r.no_cache = true;
    let errno = match error.kind() {
        io::ErrorKind::InvalidData => super::GENERAL,
        io::ErrorKind::UnexpectedEof => INCOMPLETE,
        _ => super::errno(&error),
    };
    r.log_errno(Level::Error, "proxy_http", errno, format_args!("AH01110: error reading response"));
    Fault::upstream(error.to_string())
}

impl Relay {
    /// The next octets of the body; None at its end.
    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        let Some(wire) = &mut self.wire else { return Ok(None) };
        loop {
            match &mut self.state {
                State::UntilEnd => {
                    if wire.unread().is_empty() && wire.fill().await? == 0 {
                        return Ok(None);
                    }
                    return Ok(Some(wire.take(PIECE)));
                }
                State::Unreadable => return Err(io::ErrorKind::InvalidData.into()),
                State::Length(0) => return Ok(None),
                State::Length(left) | State::Chunk(left) if *left > 0 => {
                    if wire.unread().is_empty() && wire.fill().await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    let most = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                    let bytes = wire.take(most);
                    *left -= bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                State::Chunk(_) | State::Length(_) => {
                    let line = chunk_line(wire).await?;
                    if !line.is_empty() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    self.state = State::Size;
                }
                State::Size => {
                    let line = chunk_line(wire).await?;
                    let size = chunk_size(&line)?;
                    if size == 0 {
                        trailers(wire).await?;
                        self.state = State::Length(0);
                        return Ok(None);
                    }
                    self.state = State::Chunk(size);
                }
            }
        }
    }
}

/// A line between chunks, which a return ends as surely as a line feed.
async fn chunk_line(wire: &mut Wire) -> io::Result<Vec<u8>> {
    match wire.raw_line(LONGEST_LINE).await? {
        Line::Whole(line) if line.contains(&0) => Err(io::ErrorKind::InvalidData.into()),
        Line::Whole(mut line) => match line.pop() {
            Some(b'\r') => Ok(line),
            _ => Err(io::ErrorKind::InvalidData.into()),
        },
        Line::TooLong(_) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        Line::Ended(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The size that begins a chunk; extensions are passed over.
fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let too_large = || io::Error::from_raw_os_error(libc::ENOSPC);
    let number = digits.to_str().ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.filter(|size| *size <= i64::MAX as u64).ok_or_else(too_large)
}

async fn trailers(wire: &mut Wire) -> io::Result<()> {
    for _ in 0..MOST_TRAILERS {
        let Line::Whole(line) = wire.line(LONGEST_LINE).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if line.is_empty() {
            return Ok(());
        }
        // They are read as fields are, and go no further.
        line.find_byte(b':').ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(chunk_size(b"1f").unwrap(), 31);
        assert_eq!(chunk_size(b"A ;x=y").unwrap(), 10);
        for bad in ["", "x", "-1", "+1", "1 2", "10000000000000000"] {
            assert!(chunk_size(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
