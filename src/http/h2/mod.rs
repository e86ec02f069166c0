//! HTTP/2 on the wire (RFC 9113), on the `h2` crate: connections and streams, driven by the engine.
//!
//! The connection's task reads and writes frames (`wire`) and begins a task for each request (`stream`): `head` makes a
//! request of its fields, `body` its body, `response` sends the answer, `push` what is linked to it. Types of the `http` crate do
//! not leave this folder. Under event an idle connection holds no thread; under worker and prefork all streams of a
//! connection share the thread that it has.

mod body;
mod head;
mod push;
mod reply;
mod response;
mod scan;
mod session;
mod stream;
mod upgrade;
mod websocket;
mod wire;

pub use upgrade::{SWITCHING, SWITCHING_SECURED, parts};
pub use wire::PREFACE;

use super::{response_head, send};
use crate::config::Configuration;
use crate::engine::{self, Stream};
use crate::module::Http2;
use crate::request::Connection;
use crate::server::{self, Waiting};
use ::h2::Reason;
use ::h2::server::{Builder, Handshake};
use ::http::request::Parts;
use bytes::Bytes;
use reply::Handle;
use session::Session;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use stream::Arrival;
use wire::Wire;

/// What a connection may have received for its streams at a time: the protocol's most, for each stream has its own bound.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// Octets of a request's fields, unpacked, at least: what nghttp2 takes.
const FIELDS: usize = 64 * 1024;
/// Streams that a client opened and took back before they were looked at.
const ABANDONED: usize = 20;
/// How long a client may take to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

type Wired = ::h2::server::Connection<Wire, Bytes>;

/// What the connection's task is woken for, beside frames.
enum Event {
    /// The last stream is done, or the first of several has begun.
    Turn,
    /// The client's frames have it.
    Fault(Reason),
    Closed,
}

/// Serves a connection until it ends. `received` was read from it already; `upgraded` is the request that asked for HTTP/2.
pub async fn serve(
    stream: &Stream,
    connection: &Arc<Connection>,
    configuration: &'static Configuration,
    http2: &'static dyn Http2,
    received: Vec<u8>,
    upgraded: Option<Box<Parts>>,
) {
    let session = Session::new(connection.clone(), configuration, http2);
    let wire = Wire::new(
        stream.clone(),
        connection,
        received,
        upgraded.as_ref().map_or_else(Vec::new, |_| upgrade::OPENING.to_vec()),
    );
    let patience = send::patience(connection.base);
    let Ok(Some(h2)) = engine::timeout(patience, shake(builder(&session).handshake(wire.clone()), &wire)).await else {
        return;
    };
    let mut driver = Driver { h2, wire, session: session.clone(), busy: false, leaving: false, upgraded };
    driver.run(patience).await;
    drop(driver);
    // Streams notice that nobody waits for them.
    poll_fn(|cx| {
        session.watch(cx);
        if session.active() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn builder(session: &Session) -> Builder {
    let limits = &session.limits;
    let base = session.connection.base;
    let field = base.limit_request_field_size.unwrap_or(8190);
    let line = base.limit_request_line.unwrap_or(8190);
    let mut builder = Builder::new();
    builder
        .initial_window_size(limits.window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(FIELDS.max(field + line + 1024)).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(ABANDONED)
        .max_send_buffer_size(limits.buffer.max(1));
    if limits.stream_errors > 0 {
        builder.max_local_error_reset_streams(Some(limits.stream_errors as usize));
    }
    if limits.websockets {
        builder.enable_connect_protocol();
    }
    builder
}

/// Waits for the client's preface; what we say first leaves meanwhile.
async fn shake(handshake: Handshake<Wire, Bytes>, wire: &Wire) -> Option<Wired> {
    let mut handshake = std::pin::pin!(handshake);
    poll_fn(|cx| {
        let polled = handshake.as_mut().poll(cx);
        let pushed = wire.push(cx);
        match polled {
            Poll::Ready(done) => Poll::Ready(done.ok()),
            Poll::Pending if matches!(pushed, Poll::Ready(Err(_))) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

struct Driver {
    h2: Wired,
    wire: Wire,
    session: Arc<Session>,
    /// Streams are worked on.
    busy: bool,
    /// The client knows that no more streams are taken.
    leaving: bool,
    /// What stream 1 is in truth.
    upgraded: Option<Box<Parts>>,
}

impl Driver {
    async fn run(&mut self, patience: Duration) {
        let idle = response_head::keep_alive_timeout(self.session.connection.base);
        let mut waiting = Waiting::None;
        let mut served = false;
        loop {
            served |= self.busy;
            let span = if self.busy || !served { patience } else { idle };
            let now = if self.busy || !served { Waiting::None } else { Waiting::KeepAlive };
            super::connection::shift(&mut waiting, now);
            let moved = self.wire.moved();
            match engine::timeout(span, poll_fn(|cx| self.poll(cx))).await {
                Ok(Event::Turn) => {}
                Ok(Event::Closed) => break,
                Ok(Event::Fault(fault)) => {
                    self.farewell(fault).await;
                    break;
                }
                // Who takes nothing of what waits for him is gone; streams that wait for us or for each other are not.
                Err(_) if self.busy && (moved != self.wire.moved() || !self.wire.holds()) => {}
                Err(_) => {
                    self.farewell(Reason::NO_ERROR).await;
                    break;
                }
            }
        }
        super::connection::shift(&mut waiting, Waiting::None);
    }

    /// Says that the connection ends, and gives the client a moment to hear it.
    async fn farewell(&mut self, reason: Reason) {
        self.h2.abrupt_shutdown(reason);
        let end = poll_fn(|cx| {
            let closed = self.h2.poll_closed(cx).is_ready();
            match self.wire.push(cx) {
                Poll::Ready(Ok(())) if !closed => Poll::Pending,
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            }
        });
        let _ = engine::timeout(FAREWELL, end).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if !self.leaving && server::mpm().is_some_and(|mpm| mpm.watch_stop(cx)) {
            self.leaving = true;
            self.h2.graceful_shutdown();
        }
        let mut over = false;
        loop {
            // More than the client may have open are those that it took back: they wait until ours are done with.
            let full = self.session.active() >= self.session.limits.streams as usize;
            let next = match full {
                true => self.h2.poll_closed(cx).map(|_| None),
                false => self.h2.poll_accept(cx),
            };
            match next {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.session.push.store(self.wire.takes_push(), Ordering::Relaxed);
                    self.begin(request, respond);
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    over = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        let pushed = self.wire.push(cx);
        if let Some(fault) = self.wire.fault()
            && !over
        {
            return Poll::Ready(Event::Fault(fault));
        }
        if over || matches!(pushed, Poll::Ready(Err(_))) {
            return Poll::Ready(Event::Closed);
        }
        self.session.watch(cx);
        let busy = self.session.active() > 0;
        if busy != self.busy {
            self.busy = busy;
            return Poll::Ready(Event::Turn);
        }
        Poll::Pending
    }

    fn begin(&mut self, request: ::http::Request<::h2::RecvStream>, respond: ::h2::server::SendResponse<Bytes>) {
        let id = respond.stream_id().as_u32();
        let (mut parts, recv) = request.into_parts();
        if let Some(upgraded) = self.upgraded.take_if(|_| id == 1) {
            parts = *upgraded;
        }
        let arrival = Arrival { id, pushed_on: None, parts, recv: Some(recv) };
        stream::begin(&self.session, arrival, Handle::Asked(respond));
    }
}
