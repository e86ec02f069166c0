//! Bodies: pulled by whoever sends or reads them, wrapped by filters, never held whole in memory.

use super::{Request, Status};
use crate::engine::BoxFuture;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// An open file, and its whole content where that is known already.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    content: Option<Box<[u8]>>,
}

impl From<File> for OpenFile {
    fn from(file: File) -> OpenFile {
        OpenFile { file, content: None }
    }
}

impl OpenFile {
    /// Reads the content at once, when it is as long as expected.
    pub fn read_whole(&mut self, length: usize) {
        let mut content = vec![0; length];
        if self.file.read_at(&mut content, 0).is_ok_and(|read| read == length) {
            self.content = Some(content.into());
        }
    }
    /// `pread(2)`.
    pub fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(content) = &self.content else { return self.file.read_at(room, offset) };
        let rest = usize::try_from(offset).ok().and_then(|at| content.get(at..)).unwrap_or_default();
        let length = rest.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }
    pub fn remembers(&self) -> bool {
        self.content.is_some()
    }
}

impl AsRef<File> for OpenFile {
    fn as_ref(&self) -> &File {
        &self.file
    }
}

/// A range of an open file.
#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: Arc<OpenFile>,
    pub offset: u64,
    pub len: u64,
}

/// What a body is made of.
#[derive(Clone, Debug)]
pub enum Piece {
    Bytes(Bytes),
    File(FileRange),
    /// Whatever came before should reach the client now.
    Flush,
}

impl Piece {
    /// Octets in the piece.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File(range) => range.len,
            Piece::Flush => 0,
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whose fault an error was: it decides the status and the log level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    Client,
    Upstream,
    Ours,
}

/// Why a body or a phase failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status:?}: {message}")]
pub struct Fault {
    pub status: Status,
    pub whose: Whose,
    pub message: String,
    /// An errno, or a number of the portable runtime, for log lines of whoever was to use the body; 0: none.
    pub errno: i32,
}

impl Fault {
    pub fn client(status: Status, message: impl Into<String>) -> Fault {
        Fault { status, whose: Whose::Client, message: message.into(), errno: 0 }
    }
    pub fn upstream(message: impl Into<String>) -> Fault {
        Fault { status: Status::BAD_GATEWAY, whose: Whose::Upstream, message: message.into(), errno: 0 }
    }
    /// The same with a number for the log.
    pub fn errno(self, errno: i32) -> Fault {
        Fault { errno, ..self }
    }
    pub fn ours(message: impl Into<String>) -> Fault {
        Fault { status: Status::INTERNAL_SERVER_ERROR, whose: Whose::Ours, message: message.into(), errno: 0 }
    }
}

/// A generator of pieces: a pipe, a backend, a filter around another body.
pub trait Source: Send {
    /// The next piece; None at the end. `r` is the request whose body this is, so that a filter may note trailers,
    /// variables or log lines, or run subrequests.
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>>;
    /// Octets still to come, where known.
    fn length(&self) -> Option<u64> {
        None
    }
    /// Whether its length is told once it ends early; what comes from another server in chunks stays so.
    fn measurable(&self) -> bool {
        true
    }
    /// Whether the end of a short body comes along with its octets, so that a filter can know how short it is.
    fn ends_at_once(&self) -> bool {
        self.measurable()
    }
    /// A filter reads this body: where whoever makes it pauses, nothing has to go out ([`Piece::Flush`]).
    fn read_steadily(&mut self, _steadily: bool) {}
}

/// A message body.
#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    Bytes(Bytes),
    File(FileRange),
    Pieces(VecDeque<Piece>),
    Stream(Box<dyn Source>),
}

impl Body {
    /// Octets still to come, where known without reading.
    pub fn length(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::File(range) => Some(range.len),
            Body::Pieces(pieces) => Some(pieces.iter().map(Piece::len).sum()),
            Body::Stream(source) => source.length(),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.length() == Some(0)
    }
    /// See [`Source::read_steadily`].
    pub fn read_steadily(&mut self, steadily: bool) {
        if let Body::Stream(source) = self {
            source.read_steadily(steadily);
        }
    }
    /// The next piece; None at the end.
    pub async fn next(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        match self {
            Body::Stream(source) => source.next(r).await,
            Body::Pieces(pieces) => Ok(pieces.pop_front()),
            _ => Ok(match std::mem::take(self) {
                Body::Bytes(bytes) => Some(Piece::Bytes(bytes)),
                Body::File(range) => Some(Piece::File(range)),
                _ => None,
            }),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        if bytes.is_empty() { Body::Empty } else { Body::Pieces(vec![Piece::Bytes(bytes)].into()) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Bytes(bytes.into())
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?})", self.length())
    }
}

/// Where in the chain an output or input filter stands, outermost last (Apache's `ap_filter_type`): a number, since
/// ExtFilterDefine may put a filter between two of the kinds that have names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FilterKind(pub i32);

#[allow(non_upper_case_globals)]
impl FilterKind {
    pub const Resource: FilterKind = FilterKind(10);
    pub const ContentSet: FilterKind = FilterKind(20);
    pub const Protocol: FilterKind = FilterKind(30);
    pub const Transcode: FilterKind = FilterKind(40);
    /// Behind the cutting of ranges: what goes out, as it goes out.
    pub const Network: FilterKind = FilterKind(60);
}

/// A context of one filter instance.
pub type FilterContext = Option<Arc<dyn std::any::Any + Send + Sync>>;

/// A filter that a module registers under a name (`SetOutputFilter DEFLATE`) or inserts itself.
///
/// `wrap` runs once for a response (or request body), before the head is sent, innermost filter first; it may change
/// header fields and returns the body to go on with: the same one, when it has nothing to do.
#[derive(Clone, Copy)]
pub struct Filter {
    pub name: &'static str,
    pub kind: FilterKind,
    pub wrap: fn(&mut Request, Body, &FilterContext) -> Result<Body, Status>,
}

/// A filter in a request's chain.
#[derive(Clone)]
pub struct FilterInstance {
    pub filter: &'static Filter,
    pub context: FilterContext,
}
