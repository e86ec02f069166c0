//! Writing a response: head and body, with few system calls and bounded memory.
//!
//! A small file is read straight behind the head and leaves with it in one write; a large one goes by sendfile. A body
//! of unknown length is chunked (HTTP/1.1) or ends with the connection; if it turns out to end at once, its length is
//! announced after all, as Apache does.

use super::pool;
use super::response_head::{self, Delimiting};
use crate::config::CoreServer;
use crate::engine::{self, BoxFuture, Stream};
use crate::module::Dump;
use crate::request::{Body, Connection, Fault, FileRange, Piece, Request, Source, Status, Whose};
use crate::server::escape::hex;
use bstr::ByteSlice;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// Files up to here are copied behind the head.
const INLINE: u64 = 32 * 1024;
/// What is gathered before a write.
pub const GATHER: usize = 64 * 1024;
/// Pieces smaller than this are copied rather than pointed to.
const COPY: usize = 1024;

/// Timeout of a server: 60 seconds unless set.
pub fn patience(server: &crate::config::Server) -> Duration {
    server.timeout.or(server.settings.of::<CoreServer>().timeout).unwrap_or(Duration::from_secs(60))
}

/// Octets on their way out: own ones, and shared ones that stand after a position of the own.
struct Outgoing<'a> {
    stream: &'a Stream,
    patience: Duration,
    own: Vec<u8>,
    shared: SmallVec<[(usize, Bytes); 4]>,
    held: usize,
    wire: u64,
    sendfile: bool,
    /// Who is told what goes out, and on which connection.
    dump: Option<(&'static dyn Dump, Arc<Connection>)>,
}

impl Outgoing<'_> {
    fn put(&mut self, bytes: Bytes) {
        if bytes.len() < COPY {
            self.own.extend_from_slice(&bytes);
        } else {
            self.held += bytes.len();
            self.shared.push((self.own.len(), bytes));
        }
    }

    fn size(&self) -> usize {
        self.own.len() + self.held
    }

    /// Writes everything; the patience is for each bit of progress.
    async fn flush(&mut self) -> io::Result<()> {
        if self.size() == 0 {
            return Ok(());
        }
        let mut slices: SmallVec<[IoSlice<'_>; 9]> = SmallVec::new();
        let mut from = 0;
        for (at, bytes) in &self.shared {
            if *at > from {
                slices.push(IoSlice::new(self.own.get(from..*at).unwrap_or_default()));
            }
            slices.push(IoSlice::new(bytes));
            from = *at;
        }
        if self.own.len() > from {
            slices.push(IoSlice::new(self.own.get(from..).unwrap_or_default()));
        }
        if let Some((dump, connection)) = &self.dump {
            slices.iter().for_each(|slice| dump.goes(connection, slice));
        }
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let sent = within(self.patience, self.stream.write_vectored(left)).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.wire += sent as u64;
            IoSlice::advance_slices(&mut left, sent);
        }
        drop(slices);
        self.own.clear();
        self.shared.clear();
        self.held = 0;
        Ok(())
    }

    async fn file(&mut self, range: FileRange) -> io::Result<()> {
        if range.len <= INLINE {
            let at = self.own.len();
            self.own.resize(at + range.len as usize, 0);
            let room = self.own.get_mut(at..).unwrap_or_default();
            return read_full(&range, room);
        }
        // The head leaves in the file's first segment, and all segments are full ones: receivers have fewer to look at.
        self.stream.set_cork(true);
        self.flush().await?;
        let (mut offset, mut left) = (range.offset, range.len);
        while left > 0 {
            let sent = if self.sendfile {
                within(self.patience, self.stream.sendfile_some(range.file.as_ref().as_ref(), offset, left)).await?
            } else {
                let span = left.min(GATHER as u64);
                self.own.resize(span as usize, 0);
                read_full(&FileRange { file: range.file.clone(), offset, len: span }, &mut self.own)?;
                self.flush().await?;
                self.wire -= span;
                span
            };
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.wire += sent;
            offset += sent;
            left -= sent;
        }
        self.stream.set_cork(false);
        Ok(())
    }
}

/// Fills `room` from a file; one that became shorter is an error, for its length was announced.
pub fn read_full(range: &FileRange, room: &mut [u8]) -> io::Result<()> {
    let (mut offset, mut room) = (range.offset, room);
    while !room.is_empty() {
        match range.file.read_at(room, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                offset += count as u64;
                room = room.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    engine::timeout(patience, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// What is known of a response when it is to be sent.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// The connection is to end, whatever the client asks for.
    pub close: bool,
    /// The response takes the place of another that was being prepared: its length is not announced.
    pub late: bool,
}

/// Sends the response of `r`. False: the connection must be dropped, as the response is not whole or ends with it.
pub async fn respond(r: &mut Request, stream: &Stream, manner: Manner) -> bool {
    let dump = crate::server::dump(&r.connection).1.map(|dump| (dump, r.connection.clone()));
    let mut out = Outgoing {
        stream,
        patience: patience(r.server),
        own: pool::output_buffer(),
        shared: SmallVec::new(),
        held: 0,
        wire: 0,
        sendfile: r.dir.core().sendfile != Some(false) && dump.is_none(),
        dump,
    };
    let sent = run(r, &mut out, manner).await;
    r.wire_out += out.wire;
    pool::keep_output_buffer(std::mem::take(&mut out.own));
    match sent {
        Ok(keep) => keep,
        Err(_) => {
            r.connection.aborted.store(true, Ordering::Relaxed);
            r.keep_alive = Some(false);
            false
        }
    }
}

async fn run(r: &mut Request, out: &mut Outgoing<'_>, manner: Manner) -> io::Result<bool> {
    if !r.simple && !response_head::check(r) {
        return unfit(r, out, manner).await;
    }
    let mut body = std::mem::take(&mut r.body_out);
    let bodiless = r.header_only || matches!(r.status, Status::NO_CONTENT | Status::NOT_MODIFIED);
    announce_length(r, &body, manner);
    if bodiless {
        body = Body::Empty;
    }
    let unknown = matches!(body, Body::Stream(_)) && !r.simple && !r.headers_out.contains("Content-Length");
    if unknown {
        return unknown_length(r, out, body, manner).await;
    }
    let mut first = None;
    if matches!(body, Body::Stream(_)) {
        match body.next(r).await {
            Ok(piece) => first = piece,
            // Nothing is out yet: the error can still have its own answer.
            Err(fault) => {
                r.forget_handler_by_type();
                crate::server::die(r, fault.status).await;
                return Box::pin(run(r, out, Manner { late: fault.whose != Whose::Ours, ..manner })).await;
            }
        }
    }
    let delimiting = head(r, out, manner);
    if let Some(piece) = first {
        put(r, out, piece, delimiting.chunked).await?;
    }
    let whole = pieces(r, out, &mut body, delimiting.chunked).await;
    finish(r, out, delimiting, whole).await
}

/// A field cannot be sent: the error page takes the response's place; where the page has such a field too, an empty head.
/// What was to be sent counts in the log.
async fn unfit(r: &mut Request, out: &mut Outgoing<'_>, manner: Manner) -> io::Result<bool> {
    let lost = if r.header_only { 0 } else { r.body_out.length().unwrap_or(0) };
    r.headers_out.clear();
    r.err_headers_out.clear();
    let sent = if manner.late {
        r.keep_alive = Some(false);
        response_head::bare(r, &mut out.own);
        out.flush().await.map(|()| false)
    } else {
        r.status = Status::OK;
        crate::server::die(r, Status::INTERNAL_SERVER_ERROR).await;
        Box::pin(run(r, out, Manner { late: true, ..manner })).await
    };
    r.bytes_sent += lost;
    sent
}

/// Content-Length, where the length is known and Apache would tell it.
pub fn announce_length(r: &mut Request, body: &Body, manner: Manner) {
    if manner.late {
        // Only what an ErrorDocument said itself is known.
        if r.prev.is_none() {
            r.headers_out.unset("Content-Length");
        }
        return;
    }
    if let Some(length) = r.content_length {
        set_length(r, length);
    }
    match body {
        Body::Stream(source) => {
            if let Some(length) = source.length().filter(|_| !r.headers_out.contains("Content-Length")) {
                r.headers_out.add("Content-Length", itoa::Buffer::new().format(length));
            }
        }
        // What must reach the client early leaves before its length is added up.
        Body::Pieces(pieces) if pieces.iter().any(|piece| matches!(piece, Piece::Flush)) => {}
        body if r.header_only => {
            // A handler that made no body for HEAD says nothing of the length, unless it set it itself.
            let length = body.length().unwrap_or(0);
            if length > 0 {
                set_length(r, length);
            } else if r.headers_out.get("Content-Length").is_some_and(|length| length == "0") {
                r.headers_out.unset("Content-Length");
            }
        }
        body => set_length(r, body.length().unwrap_or(0)),
    }
}

/// Sets Content-Length, which the handler has often done already.
fn set_length(r: &mut Request, length: u64) {
    let mut number = itoa::Buffer::new();
    let text = number.format(length);
    if r.headers_out.get("Content-Length").is_none_or(|before| before != text) {
        r.headers_out.set("Content-Length", text);
    }
}

fn head(r: &mut Request, out: &mut Outgoing<'_>, manner: Manner) -> Delimiting {
    if r.simple {
        return Delimiting { chunked: false, keep_alive: false };
    }
    let delimiting = response_head::write(r, &mut out.own, manner.close, manner.late);
    r.chunked = delimiting.chunked;
    delimiting
}

/// Sends a body piece by piece. False: it broke off, and the response is not whole.
async fn pieces(r: &mut Request, out: &mut Outgoing<'_>, body: &mut Body, chunked: bool) -> io::Result<bool> {
    loop {
        match body.next(r).await {
            Ok(Some(piece)) => put(r, out, piece, chunked).await?,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

async fn put(r: &mut Request, out: &mut Outgoing<'_>, piece: Piece, chunked: bool) -> io::Result<()> {
    let length = piece.len();
    if matches!(piece, Piece::Flush) {
        return out.flush().await;
    }
    if length == 0 {
        return Ok(());
    }
    write_piece(out, piece, chunked).await?;
    r.bytes_sent += length;
    if out.size() >= GATHER {
        out.flush().await?;
    }
    Ok(())
}

async fn finish(
    r: &mut Request,
    out: &mut Outgoing<'_>,
    delimiting: Delimiting,
    whole: io::Result<bool>,
) -> io::Result<bool> {
    if !whole? {
        // No last chunk: the client must see that something is missing.
        out.flush().await?;
        r.connection.aborted.store(true, Ordering::Relaxed);
        return Ok(false);
    }
    if delimiting.chunked {
        out.own.extend_from_slice(b"0\r\n");
        for (name, value) in r.trailers_out.iter() {
            if !value.contains(&b'\n') && !value.contains(&b'\r') {
                for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    out.own.extend_from_slice(part);
                }
            }
        }
        out.own.extend_from_slice(b"\r\n");
    }
    out.flush().await?;
    Ok(delimiting.keep_alive)
}

/// A stream that does not know its length: what it gives without waiting is looked at before the head is final.
async fn unknown_length(r: &mut Request, out: &mut Outgoing<'_>, mut body: Body, manner: Manner) -> io::Result<bool> {
    let mut ready: Vec<Piece> = Vec::new();
    let mut ended = false;
    match body.next(r).await {
        Ok(Some(piece)) => ready.push(piece),
        Ok(None) => ended = true,
        // Nothing is out yet: the error can still have its own answer.
        Err(fault) => {
            r.forget_handler_by_type();
            crate::server::die(r, fault.status).await;
            return Box::pin(run(r, out, Manner { late: fault.whose != Whose::Ours, ..manner })).await;
        }
    }
    // The head for the case that the length stays unknown; taken back if the body ends here.
    let fields = r.headers_out.clone();
    let first = r.err_headers_out.clone();
    let served = r.connection.keepalives.load(Ordering::Relaxed);
    let mut delimiting = head(r, out, manner);
    let mut whole = Ok(true);
    while !ended && !matches!(&body, Body::Stream(source) if !source.measurable()) {
        if matches!(&body, Body::Stream(source) if source.length() == Some(0)) {
            ended = true;
            break;
        }
        let gathered: u64 = ready.iter().map(Piece::len).sum();
        if gathered >= GATHER as u64 || ready.iter().any(|piece| matches!(piece, Piece::Flush)) {
            break;
        }
        let (got, waited) = {
            let mut next = pin!(body.next(r));
            match now_or_not(next.as_mut()).await {
                Some(got) => (got, None),
                None => {
                    // The body makes us wait: what we have goes out now.
                    let mut sent = 0;
                    for piece in ready.drain(..) {
                        sent += piece.len();
                        write_piece(out, piece, delimiting.chunked).await?;
                    }
                    out.flush().await?;
                    (next.await, Some(sent))
                }
            }
        };
        if let Some(sent) = waited {
            r.bytes_sent += sent;
            let whole = match got {
                Ok(Some(piece)) => {
                    put(r, out, piece, delimiting.chunked).await?;
                    pieces(r, out, &mut body, delimiting.chunked).await
                }
                Ok(None) => Ok(true),
                Err(_) => Ok(false),
            };
            return finish(r, out, delimiting, whole).await;
        }
        match got {
            Ok(Some(piece)) => ready.push(piece),
            Ok(None) => ended = true,
            Err(_) => {
                whole = Ok(false);
                break;
            }
        }
    }
    if ended && !manner.late {
        out.own.clear();
        (r.headers_out, r.err_headers_out) = (fields, first);
        r.connection.keepalives.store(served, Ordering::Relaxed);
        let length: u64 = ready.iter().map(Piece::len).sum();
        r.headers_out.set("Content-Length", itoa::Buffer::new().format(length));
        delimiting = head(r, out, manner);
    }
    for piece in ready {
        put(r, out, piece, delimiting.chunked).await?;
    }
    if !ended && matches!(whole, Ok(true)) {
        whole = pieces(r, out, &mut body, delimiting.chunked).await;
    }
    finish(r, out, delimiting, whole).await
}

/// Reads a body of unknown length that a HEAD or a range asks the length of, as far as one buffer goes: if it ends there,
/// its length is known. A failure is the status to answer with.
pub async fn gather(r: &mut Request) -> Result<(), Status> {
    let asked = r.header_only || r.headers_in.contains("Range");
    let whole = r.status == Status::NO_CONTENT || r.status == Status::NOT_MODIFIED;
    if !asked || whole || r.headers_out.contains("Content-Length") || r.content_length.is_some() {
        return Ok(());
    }
    if !matches!(&r.body_out, Body::Stream(source) if source.length().is_none() && source.measurable()) {
        return Ok(());
    }
    let mut body = std::mem::take(&mut r.body_out);
    let mut ready = VecDeque::new();
    let mut held = 0;
    while held < GATHER as u64 {
        let piece = body.next(r).await.map_err(|fault| fault.status)?;
        let ended = piece.is_none() || matches!(&body, Body::Stream(source) if source.length() == Some(0));
        let goes_out = matches!(piece, Some(Piece::Flush));
        if let Some(piece) = piece {
            held += piece.len();
            ready.push_back(piece);
        }
        if ended {
            r.body_out = Body::Pieces(ready);
            return Ok(());
        }
        if goes_out || matches!(&body, Body::Stream(source) if !source.measurable()) {
            break;
        }
    }
    r.body_out = Body::Stream(Box::new(Begun { ready, rest: body }));
    Ok(())
}

/// A body whose first pieces are read already.
struct Begun {
    ready: VecDeque<Piece>,
    rest: Body,
}

impl Source for Begun {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            match self.ready.pop_front() {
                Some(piece) => Ok(Some(piece)),
                None => self.rest.next(r).await,
            }
        })
    }
}

/// Polls once: the output if it is there already.
pub async fn now_or_not<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// As [`put`], without a request at hand.
async fn write_piece(out: &mut Outgoing<'_>, piece: Piece, chunked: bool) -> io::Result<()> {
    let length = piece.len();
    if length == 0 {
        return Ok(());
    }
    if chunked {
        out.own.extend_from_slice(hex(length, &mut [0; 16]));
        out.own.extend_from_slice(b"\r\n");
    }
    match piece {
        Piece::Bytes(bytes) => out.put(bytes),
        Piece::File(range) => out.file(range).await?,
        Piece::Flush => {}
    }
    if chunked {
        out.own.extend_from_slice(b"\r\n");
    }
    Ok(())
}
