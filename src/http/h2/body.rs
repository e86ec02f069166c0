//! A request's body: DATA frames and trailers, within the client's window.

use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::request::{Body, Fault, Piece, Request, Source, Status};
use ::h2::RecvStream;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// LimitRequestBody where not set: 1 GiB.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// The receiving half of a stream.
pub struct Incoming(Mutex<State>);

struct State {
    recv: RecvStream,
    length: Option<u64>,
    read: u64,
    begun: bool,
    ended: bool,
    fault: Option<Status>,
    patience: Duration,
}

impl Incoming {
    pub fn new(recv: RecvStream, length: Option<u64>, patience: Duration) -> Arc<Incoming> {
        let state = State { recv, length, read: 0, begun: false, ended: false, fault: None, patience };
        Arc::new(Incoming(Mutex::new(state)))
    }
    pub fn body(self: &Arc<Self>) -> Body {
        Body::Stream(Box::new(Reader(self.clone())))
    }
    /// The status of an error met while reading.
    pub fn fault(&self) -> Option<Status> {
        self.0.lock().fault
    }
}

struct Reader(Arc<Incoming>);

/// The number that httpd's filters fail with.
const FILTER_ERROR: i32 = -102;

fn too_large() -> Fault {
    Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, "the body is too large").errno(FILTER_ERROR)
}

impl Reader {
    async fn read(&self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        let (first, patience) = {
            let state = &mut *self.0.0.lock();
            if let Some(status) = state.fault {
                return Err(Fault::client(status, "the request body cannot be read"));
            }
            if state.ended {
                return Ok(None);
            }
            (!std::mem::replace(&mut state.begun, true), state.patience)
        };
        let limit = r.dir.core().limit_request_body.unwrap_or(DEFAULT_LIMIT);
        if first {
            self.begin(r, limit)?;
        }
        let next = engine::timeout(patience, poll_fn(|cx| self.0.0.lock().recv.poll_data(cx))).await;
        match next {
            Err(_) => Err(Fault::client(Status::REQUEST_TIME_OUT, "the client is silent")),
            Ok(Some(Ok(bytes))) => {
                let state = &mut *self.0.0.lock();
                let _ = state.recv.flow_control().release_capacity(bytes.len());
                state.read += bytes.len() as u64;
                r.wire_in += super::stream::FRAME_HEAD + bytes.len() as u64;
                r.read_length = state.read;
                if limit != 0 && state.read > limit {
                    let text = format_args!(
                        "AH01591: Read content length of {} is larger than the configured limit of {limit}",
                        state.read
                    );
                    r.log(Level::Info, "http", text);
                    return Err(too_large());
                }
                Ok(Some(Piece::Bytes(bytes)))
            }
            Ok(Some(Err(_))) => {
                r.connection.aborted.store(true, Ordering::Relaxed);
                Err(Fault::client(Status::BAD_REQUEST, "the stream was reset"))
            }
            Ok(None) => {
                let trailers = engine::timeout(patience, poll_fn(|cx| self.0.0.lock().recv.poll_trailers(cx))).await;
                if let Ok(Ok(Some(fields))) = trailers {
                    self.trailers(r, &fields);
                }
                self.0.0.lock().ended = true;
                Ok(None)
            }
        }
    }

    /// Before the first octet: the limit that is known already, and the client's wish for a go-ahead.
    fn begin(&self, r: &mut Request, limit: u64) -> Result<(), Fault> {
        if let Some(length) = self.0.0.lock().length
            && limit != 0
            && length > limit
        {
            let text = format_args!(
                "AH01588: Requested content-length of {length} is larger than the configured limit of {limit}"
            );
            r.log(Level::Info, "http", text);
            return Err(too_large());
        }
        if std::mem::take(&mut r.expecting_continue)
            && let Some(stream) = &r.connection.stream_of
        {
            stream.reply.interim(r, 100, &crate::request::Table::new());
        }
        Ok(())
    }

    fn trailers(&self, r: &mut Request, fields: &::http::HeaderMap) {
        let limits = crate::http::head::Limits::of(r.server);
        let most = if limits.fields == 0 { usize::MAX } else { limits.fields };
        for (name, value) in fields.iter().take(most) {
            if name.as_str().len() + value.len() + 2 > limits.field_size {
                let name = raw(name.as_str());
                r.log(Level::Info, "http2", format_args!("a trailer exceeds LimitRequestFieldSize: {name}"));
                continue;
            }
            r.trailers_in.merge(name.as_str(), value.as_bytes());
        }
        if r.server::<crate::config::CoreServer>().merge_trailers == Some(true) {
            r.headers_in.extend(&r.trailers_in);
        }
    }
}

impl Source for Reader {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            let got = self.read(r).await;
            if let Err(fault) = &got {
                self.0.0.lock().fault = Some(fault.status);
            }
            got
        })
    }
    fn length(&self) -> Option<u64> {
        let state = self.0.0.lock();
        match state.ended {
            true => Some(0),
            false => state.length.map(|length| length.saturating_sub(state.read)),
        }
    }
}
