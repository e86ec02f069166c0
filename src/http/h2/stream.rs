//! One stream: its request answered, its response sent, both logged. A task of its own.

use super::body::Incoming;
use super::reply::{Handle, Reply};
use super::session::{Active, Session};
use super::{head, response, websocket};
use crate::engine;
use crate::http::head::Limits;
use crate::http::send::{self, Manner};
use crate::http::slot::{Slot, log};
use crate::http::{body, pool, ranges};
use crate::request::{Afterwards, Body, Connection, Request, Status, StreamOf};
use crate::server::{self, SlotState, date};
use ::h2::RecvStream;
use ::http::request::Parts;
use bstr::ByteSlice;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

/// A request as it came, or as it is promised.
pub struct Arrival {
    pub id: u32,
    pub pushed_on: Option<u32>,
    pub parts: Parts,
    pub recv: Option<RecvStream>,
}

/// Octets in front of a frame, which logs count with its content.
pub const FRAME_HEAD: u64 = 9;

/// Octets of a request's fields, as they are unpacked.
fn size(parts: &Parts) -> u64 {
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    let authority = parts.uri.authority().map_or(0, |authority| authority.as_str().len());
    (fields + authority + parts.method.as_str().len() + parts.uri.path().len()) as u64
}

/// Has a request answered beside all others.
pub fn begin(session: &Arc<Session>, arrival: Arrival, handle: Handle) {
    let reply = Arc::new(Reply::new(handle, session));
    let stream_of = StreamOf {
        connection: session.connection.clone(),
        id: arrival.id,
        push: session.push.load(Ordering::Relaxed) && session.limits.push,
        pushed_on: arrival.pushed_on,
        reply: reply.clone(),
    };
    let connection = Arc::new(Connection::stream(&session.connection, stream_of));
    let active = Active::new(session);
    let session = session.clone();
    engine::spawn(async move {
        answer(&session, arrival, &reply, &connection).await;
        reply.finish();
        drop(active);
    });
}

async fn answer(session: &Arc<Session>, arrival: Arrival, reply: &Arc<Reply>, connection: &Arc<Connection>) {
    let mut r = pool::request(connection, session.configuration, server::defaults(connection.base));
    r.time = date::now();
    let limits = Limits::of(connection.base);
    let Arrival { parts, recv, .. } = arrival;
    if parts.uri.authority().is_none() && !parts.headers.contains_key(::http::header::HOST) {
        reply.reset(::h2::Reason::PROTOCOL_ERROR);
        return pool::keep_request(r);
    }
    r.wire_in = FRAME_HEAD + size(&parts);
    let protocol = websocket::asked(&parts).map(|protocol| protocol == "websocket");
    let mut read = head::read(&mut r, &parts, &limits, session.limits.proxy);
    if protocol == Some(false) && read.is_ok() {
        read = Err(Status::NOT_IMPLEMENTED);
    }
    drop(parts);
    let slot = Slot::take(connection).await;
    slot.show(SlotState::Writing, Some(&r));
    let patience = session.http2.stream_timeout(&r).unwrap_or_else(|| send::patience(r.server));
    let (mut incoming, mut socket) = (None, None);
    if protocol == Some(true) && read.is_ok() {
        socket = recv.zip(websocket::dress(&mut r));
    } else if let Some(recv) = recv
        && read.is_ok()
        && !recv.is_end_stream()
    {
        let length = r.headers_in.get("Content-Length").and_then(|text| text.to_str().ok()?.parse().ok());
        if length.is_none() {
            // To scripts and backends it is what a body without a length is in HTTP/1.
            r.headers_in.set("Transfer-Encoding", "chunked");
        }
        let shared = Incoming::new(recv, length, patience);
        r.body_in = shared.body();
        incoming = Some(shared);
    }
    let mut handled = false;
    if let Some((recv, ours)) = socket {
        let connection = connection.clone();
        let said = {
            let making = async {
                server::handle(&mut r).await;
                if let Some(Afterwards(work)) = r.extensions.take() {
                    slot.lend(&connection, work).await;
                }
                *connection.stream.lock() = None;
            };
            until_reset(reply, websocket::join(reply, recv, ours, patience, making)).await
        };
        *connection.stream.lock() = None;
        if said != Some(false) {
            r.status = if r.status == Status::OK { Status::SWITCHING_PROTOCOLS } else { r.status };
            gone(&mut r);
            log(&mut r, &slot, None).await;
            return pool::keep_request(r);
        }
        handled = true;
    }
    let made = {
        let making = make(&mut r, read, incoming.as_deref(), handled);
        until_reset(reply, making).await
    };
    match made {
        None => gone(&mut r),
        Some(manner) => {
            let sent = {
                let sending = response::respond(&mut r, reply, session, manner, read.is_err());
                until_reset(reply, sending).await
            };
            if sent.is_none() {
                gone(&mut r);
            }
        }
    }
    r.body_in = Body::Empty;
    drop(incoming);
    log(&mut r, &slot, None).await;
    slot.show(SlotState::Closing, None);
    pool::keep_request(r);
}

/// The client took the stream back.
fn gone(r: &mut Request) {
    r.body_out = Body::Empty;
    r.keep_alive = Some(false);
    r.connection.aborted.store(true, Ordering::Relaxed);
}

/// Works until it is done, or nobody waits for it any more.
async fn until_reset<T>(reply: &Reply, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(value) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        reply.poll_reset(cx).map(|()| None)
    })
    .await
}

/// Makes the response of `r`.
async fn make(r: &mut Request, read: Result<(), Status>, incoming: Option<&Incoming>, handled: bool) -> Manner {
    let mut manner = Manner::default();
    match read.and_then(|()| body::expectation(r)) {
        Ok(()) if handled => {}
        Ok(()) => server::handle(r).await,
        Err(status) => server::die(r, status).await,
    }
    if let Some(status) = incoming.and_then(Incoming::fault) {
        manner.late = status == Status::REQUEST_ENTITY_TOO_LARGE;
        if r.status != status {
            r.body_out = Body::Empty;
            r.status = Status::OK;
            server::die(r, status).await;
        }
    }
    let cut = match send::gather(r).await {
        Ok(()) => ranges::apply(r).and_then(|()| server::apply_network_filters(r)),
        Err(status) => Err(status),
    };
    if let Err(status) = cut {
        r.body_out = Body::Empty;
        server::die(r, status).await;
        manner.late = true;
    }
    manner
}
