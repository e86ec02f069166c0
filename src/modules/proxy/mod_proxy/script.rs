//! Backends that answer as CGI scripts do (FastCGI, SCGI, uwsgi): a head of lines, then a body that is pulled.

use super::wire::Wire;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::request::{Body, Fault, Piece, Request, Source, Status};
use crate::server::cgi::{self, HeadLine, ScriptHead};
use bstr::{BString, ByteSlice};
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

/// Octets handed on at a time.
const PIECE: usize = 16 * 1024;
/// Octets of a head at most.
const LARGEST_HEAD: usize = 1 << 20;

/// What a backend says once its frames are taken off.
pub trait Octets: Send {
    /// The next octets; None at the end. It may be given up while it waits.
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, io::Result<Option<Bytes>>>;
    /// The end was reached and the request is done.
    fn release(self: Box<Self>);
    /// Whether a body's length is told when its end comes at once.
    fn measurable(&self) -> bool {
        false
    }
    /// Tells of what broke in the middle of a body.
    fn broken(&self, r: &Request, error: &io::Error) {
        r.log_errno(
            Level::Error,
            "core",
            errno(error),
            format_args!("AH00574: ap_content_length_filter: apr_bucket_read() failed"),
        );
    }
}

/// How the head of an answer ended.
pub enum Scanned {
    /// The body begins with these octets.
    Head(Vec<u8>),
    /// The request's conditions make it this status; a body may follow.
    Condition(Status, Vec<u8>),
    /// No head came; this did.
    Headless(Vec<u8>),
    /// A line of it is no field; said in the log.
    Malformed,
    /// Reading failed, behind so many octets of whole lines.
    Broken(io::Error, usize),
}

/// Where a head ends that is there whole: at the first empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.find_byte(b'\n') {
        from += at + 1;
        match bytes.get(from..) {
            Some([b'\n', ..]) => return Some(from + 1),
            Some([b'\r', b'\n', ..]) => return Some(from + 2),
            _ => {}
        }
    }
    None
}

/// Reads the head into `r`. `module`: whose log lines. `lenient`: what ends without a head is a body.
pub async fn scan(r: &mut Request, source: &mut dyn Octets, module: &'static str, lenient: bool) -> Scanned {
    let mut read: Vec<u8> = Vec::new();
    let end = loop {
        let empty_first = match read.as_slice() {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        };
        if let Some(end) = empty_first.or_else(|| head_end(&read)) {
            break end;
        }
        let last = read.len() - read.rfind_byte(b'\n').map_or(0, |at| at + 1);
        if last > cgi::LONGEST_LINE && !(lenient && last == read.len()) {
            break read.len();
        }
        if read.len() > LARGEST_HEAD {
            return Scanned::Broken(io::Error::from_raw_os_error(libc::ENOSPC), read.len());
        }
        match source.next(r).await {
            Ok(Some(bytes)) => read.extend_from_slice(&bytes),
            Ok(None) if lenient => return Scanned::Headless(read),
            Ok(None) => {
                // A line that has no end does not count.
                let lines = read.rfind_byte(b'\n').map_or(0, |end| end + 1);
                read.truncate(lines);
                break lines;
            }
            Err(error) => return Scanned::Broken(error, read.rfind_byte(b'\n').map_or(0, |at| at + 1)),
        }
    };
    let name: BString = r.filename.rsplit(|byte| *byte == b'/').next().unwrap_or_default().into();
    let rest = read.get(end..).unwrap_or_default().to_vec();
    let mut head = ScriptHead::default();
    let whole = read.get(..end).unwrap_or(b"\n");
    let ended = lenient || matches!(whole, b"\n" | b"\r\n") || whole.ends_with(b"\n\n") || whole.ends_with(b"\n\r\n");
    for line in whole.split(|byte| *byte == b'\n') {
        if line.is_empty() && !ended {
            break;
        }
        if line.len() > cgi::LONGEST_LINE {
            r.log(Level::Error, module, format_args!("Premature end of script headers: {}", raw(&name)));
            return Scanned::Malformed;
        }
        match head.line(r, &cgi::script_line(line), name.as_bstr(), module) {
            HeadLine::More => {}
            HeadLine::End(None) => break,
            HeadLine::End(Some(status)) => return Scanned::Condition(status, rest),
            HeadLine::Malformed => {
                // By the time of this line all that came is read.
                let last =
                    read.trim_end_with(|end| end == '\n').rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                let shown = raw(last.get(..30).unwrap_or(last)).to_string();
                let text = format_args!("malformed header from script '{}': Bad header: {shown}", raw(&name));
                r.log(Level::Error, module, text);
                return Scanned::Malformed;
            }
        }
    }
    if !ended {
        let what = match head.lines() {
            0 => "End of script output before headers",
            _ => "Premature end of script headers",
        };
        r.log(Level::Error, module, format_args!("{what}: {}", raw(&name)));
        return Scanned::Malformed;
    }
    Scanned::Head(rest)
}

/// An error's number for the log, as APR has it.
pub fn errno(error: &io::Error) -> i32 {
    match error.kind() {
        io::ErrorKind::TimedOut => 70_007,
        io::ErrorKind::UnexpectedEof => 70_014,
        _ => error.raw_os_error().unwrap_or(0),
    }
}

/// What a backend says on a connection until it ends it.
pub struct Plain {
    wire: Wire,
}

impl Plain {
    pub fn new(wire: Wire) -> Plain {
        Plain { wire }
    }
}

impl Octets for Plain {
    fn next<'a>(&'a mut self, _: &'a mut Request) -> BoxFuture<'a, io::Result<Option<Bytes>>> {
        Box::pin(async move {
            if self.wire.unread().is_empty() && self.wire.fill().await? == 0 {
                return Ok(None);
            }
            Ok(Some(self.wire.take(PIECE)))
        })
    }
    fn release(self: Box<Self>) {}
    fn measurable(&self) -> bool {
        true
    }
}

/// The body behind a head; `first` is what was read of it already.
pub fn body(source: Box<dyn Octets>, first: Vec<u8>) -> Body {
    let first = Some(Bytes::from(first)).filter(|first| !first.is_empty());
    // Where the end may still tell the length, a pause behind the head alone lets nothing out.
    let gave = source.measurable();
    Body::Stream(Box::new(ScriptBody { source: Some(source), first, gave }))
}

struct ScriptBody {
    /// None once the body ended.
    source: Option<Box<dyn Octets>>,
    first: Option<Bytes>,
    /// Something is to go out at the next pause.
    gave: bool,
}

impl Source for ScriptBody {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            if let Some(first) = self.first.take() {
                self.gave = true;
                return Ok(Some(Piece::Bytes(first)));
            }
            let Some(source) = &mut self.source else { return Ok(None) };
            let read = {
                let mut reading = pin!(source.next(r));
                let at_once = poll_fn(|cx| match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => Poll::Ready(Some(read)),
                    Poll::Pending => Poll::Ready(None),
                });
                match at_once.await {
                    Some(read) => read,
                    // The backend pauses: what it sent until now goes out.
                    None if std::mem::take(&mut self.gave) => return Ok(Some(Piece::Flush)),
                    None => reading.await,
                }
            };
            match read {
                Ok(Some(bytes)) => {
                    self.gave = true;
                    Ok(Some(Piece::Bytes(bytes)))
                }
                Ok(None) => {
                    if let Some(source) = self.source.take() {
                        source.release();
                    }
                    Ok(None)
                }
                Err(error) => {
                    source.broken(r, &error);
                    Err(Fault::upstream(error.to_string()))
                }
            }
        })
    }
    fn measurable(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.measurable())
    }
}
