//! The sending half of a stream before its response: interim responses, promises of pushed ones, resets.

use super::session::Session;
use crate::request::{self, Table};
use ::h2::server::{SendPushedResponse, SendResponse};
use ::h2::{Reason, SendStream};
use ::http::header::{HeaderName, HeaderValue};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// A stream that the client opened, or one that is pushed.
pub enum Handle {
    Asked(SendResponse<Bytes>),
    Pushed(SendPushedResponse<Bytes>),
    /// The response has begun.
    Begun(SendStream<Bytes>),
    /// Nothing more is said: whoever still knows the stream does not hold it.
    Done,
}

/// See the module text.
pub struct Reply {
    handle: Mutex<Handle>,
    session: Weak<Session>,
}

impl Reply {
    pub fn new(handle: Handle, session: &Arc<Session>) -> Reply {
        Reply { handle: Mutex::new(handle), session: Arc::downgrade(session) }
    }
    /// Lets the stream go: the client is told if it has not sent all of its request.
    pub fn finish(&self) {
        *self.handle.lock() = Handle::Done;
    }
    /// Sends the response's fields.
    pub fn respond(&self, response: Response<()>, end: bool) -> Result<(), ::h2::Error> {
        let handle = &mut *self.handle.lock();
        let stream = match handle {
            Handle::Asked(stream) => stream.send_response(response, end)?,
            Handle::Pushed(stream) => stream.send_response(response, end)?,
            Handle::Begun(_) | Handle::Done => return Ok(()),
        };
        *handle = Handle::Begun(stream);
        Ok(())
    }
    /// The stream of the response that has begun.
    pub fn with<T>(&self, work: impl FnOnce(&mut SendStream<Bytes>) -> T) -> Option<T> {
        match &mut *self.handle.lock() {
            Handle::Begun(stream) => Some(work(stream)),
            _ => None,
        }
    }
    /// Ready when the client takes the stream back, or the connection ends.
    pub fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.handle.lock() {
            Handle::Asked(stream) => stream.poll_reset(cx).map(|_| ()),
            Handle::Pushed(stream) => stream.poll_reset(cx).map(|_| ()),
            Handle::Begun(stream) => stream.poll_reset(cx).map(|_| ()),
            Handle::Done => Poll::Ready(()),
        }
    }
    pub fn reset(&self, reason: Reason) {
        match &mut *self.handle.lock() {
            Handle::Asked(stream) => stream.send_reset(reason),
            Handle::Pushed(stream) => stream.send_reset(reason),
            Handle::Begun(stream) => stream.send_reset(reason),
            Handle::Done => {}
        }
    }
    /// Promises a response to a request that the client did not send. `None`: not on this stream.
    pub fn promise(&self, request: Request<()>) -> Option<(u32, SendPushedResponse<Bytes>)> {
        match &mut *self.handle.lock() {
            Handle::Asked(stream) => {
                let pushed = stream.push_request(request).ok()?;
                Some((pushed.stream_id().as_u32(), pushed))
            }
            Handle::Pushed(_) | Handle::Begun(_) | Handle::Done => None,
        }
    }
}

impl request::Reply for Reply {
    fn interim(&self, r: &request::Request, status: u16, fields: &Table) {
        let Some(session) = self.session.upgrade() else { return };
        if status == 103 {
            super::push::links(r, self, &session, &[fields]);
            if !session.limits.early_hints {
                return;
            }
        }
        let mut response = Response::new(());
        let Ok(code) = StatusCode::from_u16(status) else { return };
        *response.status_mut() = code;
        for (name, value) in fields.iter().filter(|(name, _)| !is_of_connection(name)) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                response.headers_mut().append(name, value);
            }
        }
        if let Handle::Asked(stream) = &mut *self.handle.lock() {
            let _ = stream.send_informational(response);
        }
    }
}

/// Whether a field is about an HTTP/1 connection and has no place here (RFC 9113 section 8.2.2).
pub fn is_of_connection(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] =
        [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"];
    NAMES.iter().any(|one| one.eq_ignore_ascii_case(name))
}
