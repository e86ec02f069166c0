//! A tunnel: what comes on one connection goes out on the other, both ways, until both have ended.

use super::secure::reading_ended;
use super::wire::Wire;
use crate::engine::{self, Stream};
use crate::request::{Afterwards, Body, Remote, Request, Status};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

/// Octets on their way in one direction at most.
const ROOM: usize = 16 * 1024;

/// One direction.
struct Half<'s> {
    from: &'s Stream,
    to: &'s Stream,
    buffer: Vec<u8>,
    sent: usize,
    /// Nothing more comes.
    ended: bool,
    /// The other side knows.
    told: bool,
    /// What log lines say of the side that it comes from.
    remote: Option<Remote>,
}

impl<'s> Half<'s> {
    fn new(from: &'s Stream, to: &'s Stream, first: &[u8]) -> Half<'s> {
        Half { from, to, buffer: first.to_vec(), sent: 0, ended: false, told: false, remote: None }
    }

    /// Moves what can be moved now. True: something was.
    fn advance(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        while !self.told {
            let rest = self.buffer.get(self.sent..).unwrap_or_default();
            if !rest.is_empty() {
                match self.to.poll_write_vectored(cx, &[IoSlice::new(rest)]) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => {
                        let written = written?;
                        self.sent += written;
                        moved = true;
                        continue;
                    }
                }
            }
            if self.ended {
                let _ = self.to.shutdown_write();
                self.told = true;
                return Ok(true);
            }
            self.sent = 0;
            self.buffer.resize(ROOM, 0);
            let mut read = self.from.poll_read(cx, &mut self.buffer);
            if let (Poll::Ready(_), Some(remote)) = (&read, &self.remote) {
                read = read.map(|read| reading_ended(self.from, remote, read));
            }
            self.buffer.truncate(if let Poll::Ready(Ok(count)) = &read { *count } else { 0 });
            match read {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        Ok(moved)
    }
}

/// Leaves a tunnel behind, between the client of `r` and a backend. Nothing else is sent on the client's connection
/// afterwards. As in Apache the log does not count what went through.
pub fn tunnel(r: &mut Request, wire: Wire, patience: Duration) {
    let client = r.connection.stream.lock().clone();
    let early = std::mem::take(&mut *r.connection.early.lock());
    leave(r);
    if let Some(client) = client {
        r.extensions.put(Afterwards(Box::pin(join(client, early, wire, patience))));
    }
}

/// Moves octets both ways until both sides have ended or nothing came for `patience`.
async fn join(client: Stream, early: Vec<u8>, wire: Wire, patience: Duration) {
    let first = wire.unread().to_vec();
    let backend = &wire.backend.stream;
    let mut out = Half::new(&client, backend, &early);
    let mut back = Half::new(backend, &client, &first);
    back.remote = wire.backend.remote;
    drop((early, first));
    loop {
        let step = poll_fn(|cx| {
            let moved = match (out.advance(cx), back.advance(cx)) {
                (Ok(one), Ok(other)) => one || other,
                _ => return Poll::Ready(true),
            };
            match (out.told && back.told, moved) {
                (true, _) => Poll::Ready(true),
                (false, true) => Poll::Ready(false),
                (false, false) => Poll::Pending,
            }
        });
        if engine::timeout(patience, step).await.unwrap_or(true) {
            break;
        }
    }
}

/// Writes octets to the client of `r`, outside of any response.
pub async fn say(r: &mut Request, bytes: &[u8]) -> io::Result<()> {
    let stream = r.connection.stream.lock().clone();
    match stream {
        Some(stream) => stream.write_all(bytes).await,
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// The connection is not HTTP's any more.
pub fn leave(r: &mut Request) {
    r.connection.aborted.store(true, Ordering::Relaxed);
    r.keep_alive = Some(false);
    r.simple = true;
    r.body_out = Body::Empty;
    if r.status == Status::OK {
        r.status_line = None;
    }
}
