//! WebSockets over a stream (RFC 8441): to handlers the request is one of HTTP/1.1 that asks for an upgrade, and their
//! side of the connection is one end of a pair of sockets. What is said on the other end goes to the client as DATA.

use super::reply::Reply;
use crate::engine::{self, Stream};
use crate::request::{Method, Request};
use ::h2::RecvStream;
use ::h2::ext::Protocol;
use ::http::header::{HeaderName, HeaderValue};
use ::http::request::Parts;
use ::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice;
use bytes::{Buf, Bytes};
use sha1::{Digest, Sha1};
use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Octets on their way to the client at most.
const ROOM: usize = 16 * 1024;
/// Octets of the answer's head at most.
const LONGEST: usize = 32 * 1024;

/// The protocol that a request asks its stream to speak.
pub fn asked(parts: &Parts) -> Option<&str> {
    parts.extensions.get::<Protocol>().map(Protocol::as_str).filter(|_| parts.method == ::http::Method::CONNECT)
}

/// Our end of the pair, and what whoever agrees must say.
pub struct Ours {
    socket: UnixStream,
    accept: String,
}

/// Makes an ordinary request of one that asks for WebSockets. `None`: there is no way to serve it.
pub fn dress(r: &mut Request) -> Option<Ours> {
    let (ours, theirs) = UnixStream::pair().ok()?;
    let theirs = Stream::from_unix(theirs).ok()?;
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).ok()?;
    *r.connection.stream.lock() = Some(theirs);
    r.method = Method::parse(b"GET");
    r.headers_in.set("Upgrade", "websocket");
    r.headers_in.set("Connection", "Upgrade");
    let key = STANDARD.encode(key);
    r.headers_in.set("Sec-WebSocket-Key", &key);
    // RFC 6455 section 4.2.2.
    let accept = STANDARD.encode(Sha1::digest(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    Some(Ours { socket: ours, accept })
}

/// Has a request made while what its handler says on its side goes to the client. True: that was the response.
pub async fn join(
    reply: &Reply,
    mut recv: RecvStream,
    Ours { socket, accept }: Ours,
    patience: Duration,
    making: impl Future<Output = ()>,
) -> bool {
    let Ok(ours) = Stream::from_unix(socket) else { return false };
    let mut making = pin!(making);
    let mut made = false;
    let mut carrying = pin!(carry(reply, &mut recv, &ours, &accept, patience));
    poll_fn(|cx| {
        if !made && making.as_mut().poll(cx).is_ready() {
            made = true;
        }
        // The handler's side is closed when it is done, and what it said is read to the end.
        match carrying.as_mut().poll(cx) {
            Poll::Ready(said) if made => Poll::Ready(said),
            Poll::Ready(said) => {
                // Nobody listens any more: the handler's side notices.
                let _ = ours.shutdown_write();
                Poll::Ready(said)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn carry(reply: &Reply, recv: &mut RecvStream, ours: &Stream, accept: &str, patience: Duration) -> bool {
    let Some(first) = head(reply, ours, accept).await else { return false };
    let mut down = pin!(down(reply, ours, first, patience));
    let mut up = pin!(up(recv, ours));
    let mut sent = false;
    poll_fn(|cx| {
        if !sent && up.as_mut().poll(cx).is_ready() {
            sent = true;
        }
        down.as_mut().poll(cx)
    })
    .await;
    true
}

/// The handler's answer, sent to the client. `None`: it said nothing here.
async fn head(reply: &Reply, ours: &Stream, accept: &str) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    loop {
        if let Some(end) = held.find(b"\r\n\r\n") {
            let rest = held.split_off(end + 4);
            let mut response = Response::new(());
            // Whoever was asked switches protocols, which is an ordinary success here.
            *response.status_mut() = StatusCode::OK;
            let mut agreed = false;
            for line in held.lines().skip(1) {
                let Some((name, value)) = line.split_once_str(":") else { continue };
                if name.eq_ignore_ascii_case(b"sec-websocket-accept") {
                    agreed = value.trim_ascii() == accept.as_bytes();
                    continue;
                }
                let dropped = super::reply::is_of_connection(name);
                if let (false, Ok(name), Ok(value)) =
                    (dropped, HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
                {
                    response.headers_mut().append(name, value);
                }
            }
            if !agreed {
                // Whoever answered is none who speaks WebSocket.
                let mut refusal = Response::new(());
                *refusal.status_mut() = StatusCode::BAD_GATEWAY;
                refusal.headers_mut().append(::http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
                let _ = reply.respond(refusal, true);
                let _ = ours.shutdown_write();
                return None;
            }
            return reply.respond(response, false).ok().map(|()| rest);
        }
        if held.len() > LONGEST {
            return None;
        }
        let mut piece = [0; 2048];
        match ours.read(&mut piece).await {
            Ok(count @ 1..) => held.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => return None,
        }
    }
}

async fn down(reply: &Reply, ours: &Stream, first: Vec<u8>, patience: Duration) {
    let mut next = Bytes::from(first);
    loop {
        while !next.is_empty() {
            let room = poll_fn(|cx| {
                let polled = reply.with(|stream| {
                    stream.reserve_capacity(next.len());
                    match stream.capacity() {
                        0 => stream.poll_capacity(cx).map(|room| room.and_then(Result::ok).unwrap_or(0)),
                        room => Poll::Ready(room),
                    }
                });
                polled.unwrap_or(Poll::Ready(0))
            });
            let room = engine::timeout(patience, room).await.unwrap_or(0).min(next.len());
            if room == 0 {
                return;
            }
            let piece = next.split_to(room);
            if !matches!(reply.with(|stream| stream.send_data(piece, false)), Some(Ok(()))) {
                return;
            }
        }
        let mut piece = vec![0; ROOM];
        match ours.read(&mut piece).await {
            Ok(count @ 1..) => {
                piece.truncate(count);
                next = piece.into();
            }
            _ => break,
        }
    }
    let _ = reply.with(|stream| stream.send_data(Bytes::new(), true));
}

async fn up(recv: &mut RecvStream, ours: &Stream) {
    while let Some(Ok(mut bytes)) = poll_fn(|cx| recv.poll_data(cx)).await {
        let count = bytes.remaining();
        if ours.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.advance(count);
        let _ = recv.flow_control().release_capacity(count);
    }
    let _ = ours.shutdown_write();
}
