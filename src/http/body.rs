//! Request bodies: how they are framed, and the source that reads them (RFC 9112 sections 6 and 7).

use super::chunked::{self, Decoder};
use super::head::{self, Limits};
use super::input::{Clock, Input};
use crate::config::CoreServer;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::request::{Body, Fault, Piece, Request, Source, Status, Version};
use crate::server;
use bstr::ByteSlice;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// LimitRequestBody where not set: 1 GiB.
const DEFAULT_LIMIT: u64 = 1 << 30;
/// Messages of the faults that end a body in its chunks: the answer to them is made while the body is read.
/// Numbers of the portable runtime for log lines of whoever was to use a body.
const FILTER_ERROR: i32 = -102;
const INCOMPLETE: i32 = 70_008;
const TIMED_OUT: i32 = 70_007;
const MALFORMED: &str = "malformed chunk";
const CHUNK_SIZE: &str = "chunk too large";
const TOO_LARGE: &str = "the body is too large";
/// Octets handed on at a time.
const PIECE: usize = 8192;

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    None,
    /// Octets left.
    Length(u64),
    Chunked(Decoder),
}

/// What the head says of the body, or why it is refused. `close` is set where framing could not be trusted again.
pub fn framing(r: &mut Request, limits: &Limits, close: &mut bool) -> Result<Framing, Status> {
    if let Some(coding) = r.headers_in.get("Transfer-Encoding") {
        let last = coding.rsplit_str(",").next().unwrap_or_default().trim_ascii();
        if !last.eq_ignore_ascii_case(b"chunked") {
            let text = format_args!("AH02539: client sent unknown Transfer-Encoding ({coding}): {}", raw(&r.uri));
            r.log(Level::Debug, "core", text);
            return Err(Status::BAD_REQUEST);
        }
        if r.headers_in.unset("Content-Length") || r.version < Version::V1_1 {
            *close = true;
            r.keep_alive = Some(false);
        }
        return Ok(Framing::Chunked(Decoder::new(limits.field_size, limits.options.strict)));
    }
    let Some(text) = r.headers_in.get("Content-Length") else {
        return Ok(Framing::None);
    };
    let number = Some(text).filter(|text| !text.is_empty() && text.iter().all(u8::is_ascii_digit));
    match number.and_then(|text| text.to_str().ok()?.parse::<u64>().ok()).filter(|length| *length <= i64::MAX as u64) {
        Some(length) => Ok(Framing::Length(length)),
        None => {
            let text = format_args!("AH10242: client sent invalid Content-Length ({text}): {}", raw(&r.uri));
            r.log(Level::Debug, "core", text);
            Err(Status::BAD_REQUEST)
        }
    }
}

/// The Expect field.
pub fn expectation(r: &mut Request) -> Result<(), Status> {
    match r.headers_in.get("Expect").filter(|value| !value.is_empty()) {
        None => Ok(()),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
            r.expecting_continue = true;
            Ok(())
        }
        Some(value) => {
            let text = format_args!(
                "AH00570: client sent an unrecognized expectation value of Expect: {}",
                crate::log::raw(value)
            );
            r.log(Level::Info, "core", text);
            Err(Status::EXPECTATION_FAILED)
        }
    }
}

/// The receiving half of a connection while a body is read: shared by the connection and the body's source.
pub struct Incoming(Mutex<State>);

struct State {
    /// Taken while a read is in progress; gone for good when that read was abandoned.
    input: Option<Input>,
    framing: Framing,
    fault: Option<Status>,
    /// It is a fault of the framing or the size, as opposed to a body that stopped coming.
    malformed: bool,
    read: u64,
    begun: bool,
}

impl Incoming {
    pub fn new(input: Input, framing: Framing) -> Arc<Incoming> {
        let state = State { input: Some(input), framing, fault: None, malformed: false, read: 0, begun: false };
        Arc::new(Incoming(Mutex::new(state)))
    }
    /// The body as a request carries it.
    pub fn body(self: &Arc<Self>) -> Body {
        Body::Stream(Box::new(Reader(self.clone())))
    }
    /// The status of an error met while reading.
    pub fn fault(&self) -> Option<Status> {
        self.0.lock().fault
    }
    /// Whether that error is one of the framing or the size.
    pub fn malformed(&self) -> bool {
        self.0.lock().malformed
    }
    /// Whether the body was read to its end.
    pub fn finished(&self) -> bool {
        matches!(self.0.lock().framing, Framing::None)
    }
    /// Gives the input back; None when it was lost in an abandoned read.
    pub fn take(&self) -> Option<Input> {
        self.0.lock().input.take()
    }
    /// Reads and drops what is left of the body. False: it cannot be, the connection must close.
    pub async fn discard(self: &Arc<Self>, r: &mut Request) -> bool {
        let mut reader = Reader(self.clone());
        loop {
            match reader.next(r).await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

struct Reader(Arc<Incoming>);

impl Source for Reader {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            let (mut input, mut framing, begun) = {
                let mut state = self.0.0.lock();
                if let Some(status) = state.fault {
                    return Err(Fault::client(status, "the request body cannot be read"));
                }
                if matches!(state.framing, Framing::None) {
                    return Ok(None);
                }
                let Some(input) = state.input.take() else {
                    return Err(Fault::client(Status::BAD_REQUEST, "the connection is gone"));
                };
                (input, state.framing, std::mem::replace(&mut state.begun, true))
            };
            // Those of the host that the request is for, which was not known when its head was read.
            let patience = super::send::patience(r.server);
            let limit = r.dir.core().limit_request_body.unwrap_or(DEFAULT_LIMIT);
            let mut result = Ok(());
            if !begun {
                input.clock = Clock::start(server::read_limits(r.server).body, "body");
                result = begin(&mut input, &framing, limit, r, patience).await;
            }
            let got = match result {
                Ok(()) => read(&mut input, &mut framing, r, patience).await,
                Err(fault) => Err(fault),
            };
            if got.as_ref().is_err_and(|fault| [MALFORMED, CHUNK_SIZE].contains(&fault.message.as_ref())) {
                // Nothing behind is understood; it came, though.
                input.consume(input.unread().len());
            }
            r.wire_in += input.take_count();
            let mut state = self.0.0.lock();
            state.input = Some(input);
            state.framing = framing;
            let got = match got {
                Ok(Some(bytes)) => {
                    state.read += bytes.len() as u64;
                    r.read_length = state.read;
                    if limit != 0 && state.read > limit {
                        let text = format_args!(
                            "AH01591: Read content length of {} is larger than the configured limit of {limit}",
                            state.read
                        );
                        r.log(Level::Info, "http", text);
                        Err(Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, TOO_LARGE).errno(FILTER_ERROR))
                    } else {
                        Ok(Some(Piece::Bytes(bytes)))
                    }
                }
                Ok(None) => Ok(None),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = &got {
                state.fault = Some(fault.status);
                state.malformed = [MALFORMED, CHUNK_SIZE, TOO_LARGE].contains(&fault.message.as_ref());
            }
            got
        })
    }

    fn length(&self) -> Option<u64> {
        match self.0.0.lock().framing {
            Framing::None => Some(0),
            Framing::Length(left) => Some(left),
            Framing::Chunked(_) => None,
        }
    }
}

/// Before the first octet: the limit that is known already, and the client's wish for a go-ahead.
async fn begin(
    input: &mut Input,
    framing: &Framing,
    limit: u64,
    r: &mut Request,
    patience: Duration,
) -> Result<(), Fault> {
    if let Framing::Length(length) = framing
        && limit != 0
        && *length > limit
    {
        let text = format_args!(
            "AH01588: Requested content-length of {length} is larger than the configured limit of {limit}"
        );
        r.log(Level::Info, "http", text);
        return Err(Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, TOO_LARGE).errno(FILTER_ERROR));
    }
    // Nobody waits to send nothing: the wish stays, and ends the connection.
    if matches!(framing, Framing::Length(0)) {
        return Ok(());
    }
    if std::mem::take(&mut r.expecting_continue) && r.version >= Version::V1_1 {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        let sent = crate::engine::timeout(patience, input.stream.write_all(CONTINUE)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return Err(Fault::client(Status::REQUEST_TIME_OUT, "the client takes no interim response"));
        }
        r.wire_out += CONTINUE.len() as u64;
    }
    Ok(())
}

/// The next octets of the body; None at its end.
async fn read(
    input: &mut Input,
    framing: &mut Framing,
    r: &mut Request,
    patience: Duration,
) -> Result<Option<Bytes>, Fault> {
    loop {
        match framing {
            Framing::None => return Ok(None),
            Framing::Length(0) => *framing = Framing::None,
            Framing::Length(left) => {
                if input.is_empty() {
                    more(input, r, patience).await?;
                }
                let here = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                let bytes = take(input, r, here);
                *left -= bytes.len() as u64;
                return Ok(Some(bytes));
            }
            Framing::Chunked(decoder) => {
                let (used, step) = decoder.step(input.unread());
                if used > 0 {
                    input.tell(&r.connection, "getline", used);
                }
                input.consume(used);
                match step {
                    chunked::Step::More => more(input, r, patience).await?,
                    chunked::Step::Data(count) => {
                        let bytes = take(input, r, count.min(PIECE));
                        decoder.took(bytes.len());
                        return Ok(Some(bytes));
                    }
                    chunked::Step::Last => {
                        trailers(input, r, patience).await?;
                        *framing = Framing::None;
                    }
                    chunked::Step::Malformed => {
                        let text = format_args!("AH01590: Error reading/parsing chunk  ");
                        r.log_errno(Level::Info, "http", libc::EINVAL, text);
                        return Err(Fault::client(Status::BAD_REQUEST, MALFORMED).errno(FILTER_ERROR));
                    }
                    chunked::Step::TooLarge => {
                        r.log(Level::Info, "http", format_args!("AH01590: Error reading/parsing chunk (overflow) "));
                        return Err(Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, CHUNK_SIZE).errno(FILTER_ERROR));
                    }
                }
            }
        }
    }
}

fn take(input: &mut Input, r: &Request, most: usize) -> Bytes {
    let unread = input.unread();
    let bytes = Bytes::copy_from_slice(unread.get(..most).unwrap_or(unread));
    input.tell(&r.connection, "readbytes", bytes.len());
    input.consume(bytes.len());
    bytes
}

async fn more(input: &mut Input, r: &mut Request, patience: Duration) -> Result<(), Fault> {
    match input.fill(patience).await {
        Ok(0) => Err(Fault::client(Status::BAD_REQUEST, "the body ends early").errno(INCOMPLETE)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            input.clock.tell(&r.connection);
            Err(Fault::client(Status::REQUEST_TIME_OUT, "the body is late").errno(TIMED_OUT))
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(0);
            Err(Fault::client(Status::BAD_REQUEST, "the connection broke").errno(errno))
        }
    }
}

/// The trailer section: fields of their own, merged into the head's where MergeTrailers says so.
async fn trailers(input: &mut Input, r: &mut Request, patience: Duration) -> Result<(), Fault> {
    let limits = Limits::of(r.server);
    let mut parser = head::Parser::trailers();
    // The parser fills `headers_in`; the head's own fields wait beside it.
    let fields = std::mem::take(&mut r.headers_in);
    let result = loop {
        let (used, step) = parser.advance(input.unread(), r, &limits);
        input.consume(used);
        match step {
            head::Step::Done => break Ok(()),
            head::Step::Bad(status) => {
                let notes = r.notes.get("error-notes").filter(|_| status == Status::BAD_REQUEST);
                let (colon, notes) = (if notes.is_some() { ": " } else { "" }, raw(notes.unwrap_or_default()));
                let text = format_args!("AH02656: Error while reading HTTP trailer: {}{colon}{notes}", status.0);
                r.log(Level::Info, "http", text);
                break Err(Fault::client(status, "malformed trailer section"));
            }
            head::Step::More => {
                if let Err(fault) = more(input, r, patience).await {
                    break Err(fault);
                }
            }
        }
    };
    r.trailers_in = std::mem::replace(&mut r.headers_in, fields);
    if result.is_ok() && r.server::<CoreServer>().merge_trailers == Some(true) {
        let trailers = std::mem::take(&mut r.trailers_in);
        r.headers_in.extend(&trailers);
        r.trailers_in = trailers;
    }
    result
}
