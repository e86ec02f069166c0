//! The socket as the `h2` crate takes it: tokio's traits over the engine's stream.
//!
//! What the session writes is gathered and leaves once a turn, in few writes and few TLS records, when [`Wire::push`] is
//! called. The client's opening (preface and first SETTINGS) is held until it is whole: behind it stands the request that an
//! Upgrade brought along.

use super::scan::Scan;
use crate::engine::Stream;
use crate::http::pool;
use crate::module::Dump;
use crate::request::Connection;
use ::h2::Reason;
use parking_lot::Mutex;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client that speaks HTTP/2 says first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Octets that wait to be written before the session must wait too.
const HELD: usize = 64 * 1024;
const FRAME_HEAD: usize = 9;
const SETTINGS: u8 = 4;
/// The largest first frame that is looked at.
const LONGEST: usize = 16 * 1024;

/// See the module text. Clones share the socket.
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

struct Shared {
    stream: Stream,
    state: Mutex<State>,
    dump: (Option<&'static dyn Dump>, Option<&'static dyn Dump>),
    connection: Arc<Connection>,
}

struct State {
    /// What is received and not yet taken: the opening while it is not whole.
    received: Vec<u8>,
    taken: usize,
    opening: bool,
    /// Frames that stand behind the client's first one.
    insert: Vec<u8>,
    scan: Scan,
    /// What is wrong with the client's frames; those behind are not looked at.
    fault: Option<Reason>,
    out: Vec<u8>,
    sent: usize,
    /// Octets read and written.
    moved: u64,
}

impl Wire {
    pub fn new(stream: Stream, connection: &Arc<Connection>, received: Vec<u8>, insert: Vec<u8>) -> Wire {
        let state = State {
            received,
            taken: 0,
            opening: true,
            insert,
            scan: Scan::default(),
            fault: None,
            out: Vec::new(),
            sent: 0,
            moved: 0,
        };
        let dump = crate::server::dump(connection);
        Wire(Arc::new(Shared { stream, state: Mutex::new(state), dump, connection: connection.clone() }))
    }
    /// Whether the client takes pushed responses.
    pub fn takes_push(&self) -> bool {
        !self.0.state.lock().scan.no_push
    }
    /// What the connection is to end with.
    pub fn fault(&self) -> Option<Reason> {
        self.0.state.lock().fault
    }
    /// Octets that went over the wire so far.
    pub fn moved(&self) -> u64 {
        self.0.state.lock().moved
    }
    /// Whether something waits to be written.
    pub fn holds(&self) -> bool {
        let state = self.0.state.lock();
        state.sent < state.out.len()
    }
    /// Writes what is gathered; ready when the socket took all of it.
    pub fn push(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.push_out(&mut self.0.state.lock(), cx)
    }
    fn push_out(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = state.out.get(state.sent..).filter(|rest| !rest.is_empty()) {
            let wrote = ready!(self.0.stream.poll_write_vectored(cx, &[IoSlice::new(rest)]))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(dump) = self.0.dump.1 {
                dump.goes(&self.0.connection, rest.get(..wrote).unwrap_or_default());
            }
            state.sent += wrote;
            state.moved += wrote as u64;
        }
        if state.out.capacity() > 0 {
            state.sent = 0;
            pool::keep_output_buffer(std::mem::take(&mut state.out));
        }
        self.0.stream.poll_flush(cx)
    }
    fn hold(&self, buffers: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let state = &mut *self.0.state.lock();
        if state.out.len() - state.sent >= HELD {
            if let Poll::Ready(result) = self.push_out(state, cx) {
                result?;
            }
            if state.out.len() - state.sent >= HELD {
                return Poll::Pending;
            }
        }
        if state.out.capacity() == 0 {
            state.out = pool::output_buffer();
        }
        let mut count = 0;
        for buffer in buffers {
            state.out.extend_from_slice(buffer);
            count += buffer.len();
        }
        Poll::Ready(Ok(count))
    }
}

impl State {
    /// The opening is whole: what came with it is looked at as all else.
    fn opened(&mut self) {
        self.opening = false;
        let behind = self.received.get(PREFACE.len()..).unwrap_or_default();
        if let Err((good, fault)) = self.scan.look(behind) {
            self.received.truncate(PREFACE.len() + good);
            self.fault = Some(fault);
        }
    }
    /// Looks whether the opening is whole; what is odd is left to the session to complain about.
    fn look(&mut self) {
        let Some(frame) = self.received.get(PREFACE.len()..).filter(|_| self.received.starts_with(PREFACE)) else {
            let begun = self.received.len().min(PREFACE.len());
            self.opening = self.received.len() < PREFACE.len() && self.received.get(..begun) == PREFACE.get(..begun);
            return;
        };
        let Some([a, b, c, kind, ..]) = frame.get(..FRAME_HEAD) else { return };
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if *kind != SETTINGS || length > LONGEST {
            return self.opened();
        }
        if frame.len() < FRAME_HEAD + length {
            return;
        }
        let end = PREFACE.len() + FRAME_HEAD + length;
        let insert = std::mem::take(&mut self.insert);
        self.received.splice(end..end, insert);
        self.opened();
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.state.lock();
        if state.opening {
            state.look();
        }
        while state.opening {
            let mut piece = [0; 2048];
            let count = ready!(self.0.stream.poll_read(cx, &mut piece))?;
            let piece = piece.get(..count).unwrap_or_default();
            state.moved += count as u64;
            if let Some(dump) = self.0.dump.0 {
                dump.came(&self.0.connection, "readbytes", piece);
            }
            state.received.extend_from_slice(piece);
            if count == 0 {
                state.opening = false;
            } else {
                state.look();
            }
        }
        if let Some(rest) = state.received.get(state.taken..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(buf.remaining());
            buf.put_slice(rest.get(..count).unwrap_or_default());
            state.taken += count;
            if state.taken == state.received.len() {
                (state.received, state.taken) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        if state.fault.is_some() {
            // The session says so, and ends.
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let mut count = ready!(self.0.stream.poll_read(cx, room))?;
        let came = room.get(..count).unwrap_or_default();
        if let Some(dump) = self.0.dump.0 {
            dump.came(&self.0.connection, "readbytes", came);
        }
        state.moved += count as u64;
        if let Err((good, fault)) = state.scan.look(came) {
            state.fault = Some(fault);
            count = good;
            if count == 0 {
                return Poll::Pending;
            }
        }
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.hold(&[IoSlice::new(buf)], cx)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.hold(bufs, cx)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end of the turn does that.
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.push(cx)
    }
}
