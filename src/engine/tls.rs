//! TLS between a stream's reader or writer and its socket, on rustls's unbuffered interface.
//!
//! The buffers are ours: they come from a shelf of the thread while octets are on their way and go back when none are,
//! so that an idle connection owns nothing but its session.

use super::io::{READABLE, Source, WRITABLE};
use parking_lot::Mutex;
use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

/// The largest record with its header and what encryption adds, and a little of the next.
const INCOMING: usize = 18 * 1024;
/// Plain octets that one write takes.
const MOST: usize = 64 * 1024;
/// What encryption adds to a record at most, and what records carry.
const OVERHEAD: usize = 64;
const RECORD: usize = 16 * 1024;
/// Buffers that a thread keeps.
const KEEP: usize = 16;

thread_local! {
    static SHELF: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn incoming_buffer() -> Vec<u8> {
    let kept = SHELF.try_with(|shelf| shelf.try_borrow_mut().ok()?.pop()).ok().flatten();
    kept.unwrap_or_else(|| vec![0; INCOMING])
}

fn keep_incoming_buffer(buffer: Vec<u8>) {
    let _ = SHELF.try_with(|shelf| {
        if let Ok(mut shelf) = shelf.try_borrow_mut()
            && shelf.len() < KEEP
            && buffer.len() == INCOMING
        {
            shelf.push(buffer);
        }
    });
}

/// One side of a TLS connection.
pub enum Session {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl Session {
    fn common(&self) -> &CommonState {
        match self {
            Session::Server(session) => session,
            Session::Client(session) => session,
        }
    }
}

/// Why a handshake did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What the other side sent, or that nothing suits both sides; it was told by an alert.
    #[error("{0}")]
    Tls(rustls::Error),
    #[error("the connection was closed")]
    Closed,
}

/// How far a session got.
#[derive(PartialEq, Eq)]
enum Reached {
    /// The handshake needs more from the other side.
    Blocked,
    /// Nothing left to do but reading and writing.
    Idle,
    Closed,
}

/// What is asked of a session besides processing what came.
#[derive(Clone, Copy)]
enum Task<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

trait Processes {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    /// Whether records wait to be encoded.
    fn wants_write(&self) -> bool;
}
impl Processes for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}
impl Processes for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

/// Octets from the socket that are not processed yet.
#[derive(Default)]
struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Incoming {
    fn unread(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..self.end).unwrap_or_default()
    }
    fn is_empty(&self) -> bool {
        self.start == self.end
    }
    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }
    /// Whether a whole record is there.
    fn has_record(&self) -> bool {
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        matches!(unread, [_, _, _, high, low, rest @ ..]
            if rest.len() >= usize::from(u16::from_be_bytes([*high, *low])))
    }
    /// Room to read into; empty when what is there is more than any record can be.
    fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = incoming_buffer();
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // A handshake message may span records; those stay until it is whole.
        if self.end == self.buffer.len() && self.buffer.len() < 8 * INCOMING {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }
    fn rest(&mut self) {
        if self.is_empty() && !self.buffer.is_empty() {
            keep_incoming_buffer(std::mem::take(&mut self.buffer));
        }
    }
}

struct State {
    session: Session,
    incoming: Incoming,
    /// Decrypted octets that nobody took yet.
    plain: Vec<u8>,
    taken: usize,
    /// Encrypted octets that the socket did not take yet.
    outgoing: Vec<u8>,
    sent: usize,
    /// The other side sends no more.
    ended: bool,
    /// It ended without a word.
    cut: bool,
    closed: bool,
    /// Octets that the socket gave and took since they were last asked for.
    traffic: (u64, u64),
    fault: Option<rustls::Error>,
}

/// See the module text.
pub(super) struct Tls {
    state: Mutex<State>,
}

fn error(fault: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// Has a session process what came, until it has nothing more to do. Decrypted octets go to `plain`, encrypted ones to
/// `outgoing`.
fn advance<S: Processes>(
    session: &mut S,
    incoming: &mut Incoming,
    outgoing: &mut Vec<u8>,
    plain: &mut dyn FnMut(&[u8]),
    ended: &mut bool,
    mut task: Task<'_>,
) -> Result<Reached, rustls::Error> {
    loop {
        let UnbufferedStatus { mut discard, state, .. } = session.process(incoming.unread());
        let mut reached = None;
        let mut failed = None;
        match state {
            Err(fault) => failed = Some(fault),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            plain(record.payload);
                        }
                        Err(fault) => failed = Some(fault),
                    }
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let encoded = grown(outgoing, 1024, |room| {
                    data.encode(room).map_err(|error| match error {
                        EncodeError::InsufficientSize(size) => Some(size.required_size),
                        _ => None,
                    })
                });
                debug_assert!(encoded);
            }
            // What was encoded leaves in order, before anything is waited for.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => *ended = true,
            Ok(ConnectionState::Closed) => reached = Some(Reached::Closed),
            Ok(ConnectionState::BlockedHandshake) => reached = Some(Reached::Blocked),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let size = |error| match error {
                    EncryptError::InsufficientSize(size) => Some(size.required_size),
                    _ => None,
                };
                let done = match std::mem::replace(&mut task, Task::Nothing) {
                    Task::Nothing => true,
                    Task::Encrypt(data) => {
                        let guess = data.len() + (data.len() / RECORD + 1) * OVERHEAD;
                        grown(outgoing, guess, |room| traffic.encrypt(data, room).map_err(size))
                    }
                    Task::Close => grown(outgoing, OVERHEAD, |room| traffic.queue_close_notify(room).map_err(size)),
                };
                if !done {
                    failed = Some(rustls::Error::EncryptError);
                }
                reached = Some(Reached::Idle);
            }
            Ok(_) => failed = Some(rustls::Error::General("unknown state".into())),
        }
        incoming.consume(discard);
        if let Some(fault) = failed {
            // The alert that tells the other side; nothing more of what came is looked at.
            while session.wants_write() {
                let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(mut data)), .. } =
                    session.process(incoming.unread())
                else {
                    break;
                };
                let _ = grown(outgoing, 64, |room| data.encode(room).map_err(|_| None));
            }
            return Err(fault);
        }
        if let Some(reached) = reached {
            return Ok(reached);
        }
    }
}

/// Appends what `write` makes to `out`, which grows as far as `write` asks for.
fn grown(out: &mut Vec<u8>, guess: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>) -> bool {
    let at = out.len();
    let mut room = guess;
    for _ in 0..2 {
        out.resize(at + room, 0);
        match write(out.get_mut(at..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(at + written);
                return true;
            }
            Err(Some(required)) => room = required,
            Err(None) => break,
        }
    }
    out.truncate(at);
    false
}

impl State {
    /// Processes what is there; decrypted octets fill `target` first. Says how far it got and how much was filled.
    fn advance(&mut self, target: &mut [u8], task: Task<'_>) -> Result<(Reached, usize), rustls::Error> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut filled = 0;
        let kept = &mut self.plain;
        let mut plain = |data: &[u8]| {
            let room = target.get_mut(filled..).unwrap_or_default();
            let count = if kept.is_empty() { data.len().min(room.len()) } else { 0 };
            let (now, later) = data.split_at(count);
            if let Some(room) = room.get_mut(..count) {
                room.copy_from_slice(now);
            }
            filled += count;
            kept.extend_from_slice(later);
        };
        let (incoming, outgoing, ended) = (&mut self.incoming, &mut self.outgoing, &mut self.ended);
        let reached = match &mut self.session {
            Session::Server(session) => advance(&mut **session, incoming, outgoing, &mut plain, ended, task),
            Session::Client(session) => advance(&mut **session, incoming, outgoing, &mut plain, ended, task),
        };
        match reached {
            Ok(Reached::Closed) => {
                self.ended = true;
                Ok((Reached::Closed, filled))
            }
            Ok(reached) => Ok((reached, filled)),
            Err(fault) => {
                self.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    fn take_plain(&mut self, target: &mut [u8]) -> usize {
        let left = self.plain.get(self.taken..).unwrap_or_default();
        let count = left.len().min(target.len());
        if let (Some(target), Some(left)) = (target.get_mut(..count), left.get(..count)) {
            target.copy_from_slice(left);
        }
        self.taken += count;
        if self.taken >= self.plain.len() {
            self.plain = Vec::new();
            self.taken = 0;
        }
        count
    }

    /// Writes what is encrypted; ready when the socket took all of it.
    fn poll_flush(&mut self, cx: &mut Context<'_>, source: &Source) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let left = self.outgoing.get(self.sent..).unwrap_or_default();
            let sent = ready!(source.poll_with(cx, WRITABLE, |fd| Ok((nix::unistd::write(fd, left)?, false))))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.traffic.1 += sent as u64;
        }
        self.sent = 0;
        if self.outgoing.capacity() > 0 {
            // Where it came from: the memory is the thread's.
            let mut empty = std::mem::take(&mut self.outgoing);
            empty.clear();
            let _ = SCRATCH.try_with(|scratch| {
                if let Ok(mut scratch) = scratch.try_borrow_mut()
                    && scratch.capacity() < empty.capacity()
                    && empty.capacity() <= 2 * MOST
                {
                    *scratch = empty;
                }
            });
        }
        Poll::Ready(Ok(()))
    }

    fn prepare_outgoing(&mut self) {
        if self.outgoing.capacity() == 0 {
            self.outgoing = SCRATCH
                .try_with(|scratch| scratch.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept)).ok())
                .ok()
                .flatten()
                .unwrap_or_default();
        }
    }

    /// Reads once from the socket; 0 is its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, source: &Source) -> Poll<io::Result<usize>> {
        let room = self.incoming.room();
        if room.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let read = source.poll_with(cx, READABLE, |fd| {
            let read = nix::unistd::read(fd, room)?;
            Ok((read, read > 0 && read < room.len()))
        });
        match read {
            Poll::Ready(Ok(read)) => {
                self.incoming.end += read;
                self.traffic.0 += read as u64;
                Poll::Ready(Ok(read))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.incoming.rest();
                Poll::Pending
            }
        }
    }
}

impl Tls {
    /// A session that begins with octets read from the socket already.
    pub(super) fn new(session: Session, received: &[u8]) -> Tls {
        let mut incoming = Incoming::default();
        if !received.is_empty() {
            incoming.buffer = incoming_buffer();
            if incoming.buffer.len() < received.len() {
                incoming.buffer.resize(received.len(), 0);
            }
            if let Some(room) = incoming.buffer.get_mut(..received.len()) {
                room.copy_from_slice(received);
                incoming.end = received.len();
            }
        }
        Tls {
            state: Mutex::new(State {
                session,
                incoming,
                plain: Vec::new(),
                taken: 0,
                outgoing: Vec::new(),
                sent: 0,
                ended: false,
                cut: false,
                closed: false,
                traffic: (received.len() as u64, 0),
                fault: None,
            }),
        }
    }

    pub(super) fn poll_handshake(&self, cx: &mut Context<'_>, source: &Source) -> Poll<Result<(), HandshakeError>> {
        let state = &mut *self.state.lock();
        loop {
            let reached = state.advance(&mut [], Task::Nothing);
            // An alert is sent as far as the socket takes it.
            let flushed = state.poll_flush(cx, source);
            match reached {
                Err(fault) => return Poll::Ready(Err(HandshakeError::Tls(fault))),
                Ok((Reached::Idle, _)) => return flushed.map_err(HandshakeError::Io),
                Ok((Reached::Closed, _)) => return Poll::Ready(Err(HandshakeError::Closed)),
                Ok((Reached::Blocked, _)) => {}
            }
            ready!(flushed)?;
            if state.ended || ready!(state.poll_fill(cx, source))? == 0 {
                return Poll::Ready(Err(HandshakeError::Closed));
            }
        }
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        source: &Source,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.lock();
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            // Answers of the protocol itself, which reading does not wait for.
            if let Poll::Ready(Err(error)) = state.poll_flush(cx, source) {
                return Poll::Ready(Err(error));
            }
            if !state.plain.is_empty() {
                return Poll::Ready(Ok(state.take_plain(buffer)));
            }
            if !state.incoming.is_empty() {
                let (_, filled) = state.advance(buffer, Task::Nothing).map_err(error)?;
                if filled > 0 {
                    state.incoming.rest();
                    return Poll::Ready(Ok(filled));
                }
            }
            if state.ended {
                state.incoming.rest();
                return Poll::Ready(Ok(0));
            }
            if ready!(state.poll_fill(cx, source))? == 0 {
                (state.ended, state.cut) = (true, true);
            }
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// Ready when a read is worth an attempt.
    pub(super) fn poll_readable(&self, cx: &Context<'_>, source: &Source) -> Poll<()> {
        let state = self.state.lock();
        if !state.plain.is_empty() || state.ended || state.incoming.has_record() {
            return Poll::Ready(());
        }
        source.poll_ready(cx, READABLE).map(|_| ())
    }

    /// Encrypts as much as one write takes, once everything before is out.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        source: &Source,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.lock();
        ready!(state.poll_flush(cx, source))?;
        state.prepare_outgoing();
        let whole = match buffers {
            [one] => state.encrypt(one.get(..MOST).unwrap_or(one)),
            several => {
                let mut joined = Vec::with_capacity(several.iter().map(|one| one.len()).sum::<usize>().min(MOST));
                for one in several {
                    let room = MOST - joined.len();
                    joined.extend_from_slice(one.get(..room).unwrap_or(one));
                }
                state.encrypt(&joined)
            }
        };
        let count = whole?;
        // What does not go at once, `poll_flush` sees off.
        if let Poll::Ready(Err(error)) = state.poll_flush(cx, source) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(count))
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>, source: &Source) -> Poll<io::Result<()>> {
        self.state.lock().poll_flush(cx, source)
    }

    /// Whether nothing came that concerns the user, the end included. What the protocol itself sends is taken in.
    pub(super) fn is_quiet(&self, source: &Source) -> bool {
        let state = &mut *self.state.lock();
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        loop {
            if !state.plain.is_empty() || state.ended || state.fault.is_some() {
                return false;
            }
            match state.poll_fill(cx, source) {
                Poll::Pending => return true,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return false,
            }
            if state.advance(&mut [], Task::Nothing).is_err() {
                return false;
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn close(&self, source: &Source) {
        let state = &mut *self.state.lock();
        if !std::mem::replace(&mut state.closed, true) && state.fault.is_none() {
            let _ = state.advance(&mut [], Task::Close);
            let left = state.outgoing.get(state.sent..).unwrap_or_default();
            let sent = nix::unistd::write(&source.fd, left).unwrap_or(0);
            state.sent += sent;
        }
    }

    /// Octets received and sent since the last call.
    pub(super) fn take_traffic(&self) -> (u64, u64) {
        std::mem::take(&mut self.state.lock().traffic)
    }

    /// What the session knows.
    pub(super) fn look<T>(&self, at: impl FnOnce(&CommonState) -> T) -> T {
        at(self.state.lock().session.common())
    }
}

impl State {
    fn encrypt(&mut self, data: &[u8]) -> io::Result<usize> {
        match self.advance(&mut [], Task::Encrypt(data)).map_err(error)? {
            (Reached::Idle, _) => Ok(data.len()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
