//! The life of one HTTP/1 connection: wait, read a head, have it answered, send, again or close (RFC 9112 section 9).
//!
//! While it waits for a request the connection is the small future of [`serve`]: no buffer, no request, no slot. The
//! part that works is boxed for as long as it works. Manual: Timeout, KeepAlive, KeepAliveTimeout, MaxKeepAliveRequests.

use super::body::{self, Framing, Incoming};
use super::head::{self, Limits, Parser, Step};
use super::input::{Clock, Input};
use super::send::{self, Manner};
use super::slot::{Slot, log};
use super::{h2, host, pool, ranges, response_head};
use crate::config::Configuration;
use crate::engine::{self, Stream};
use crate::module::{HeaderStep, Http2, ProxyHeader, Secured, Tls};
use crate::request::{Afterwards, Body, Connection, MethodNumber, ReadLimits, Request, Status, Switch, Version};
use crate::server::{self, Handover, SlotState, Waiting, date};
use ::http::request::Parts;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// How long a closing connection is read to let the client see the response (Apache's MAX_SECS_TO_LINGER), and how long
/// it may be silent meanwhile; who was too slow already has no longer than that.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// What a working connection comes to.
enum Next {
    /// Wait for the next request so long.
    Idle(Duration),
    /// Close; whether the client may still be sending.
    Close { linger: bool },
    /// It is HTTP/2 from here on; what is received already, and the request that asked for it.
    Http2(Vec<u8>, Option<Box<Parts>>),
}

/// Serves a connection until it ends.
pub async fn serve(stream: Stream, connection: Arc<Connection>, configuration: &'static Configuration) {
    let (stream, mut first) = match server::tls(connection.base) {
        None => (stream, &b""[..]),
        Some(tls) => match Box::pin(secure(stream, &connection, configuration, tls)).await {
            Secured::Done(stream) => (stream, &b""[..]),
            Secured::Plain(stream, first) => (stream, first),
            Secured::Closed => return,
        },
    };
    let _known = Known::new(&connection, &stream);
    if let Some(protocol) = server::protocol(connection.base) {
        protocol.serve(&stream, &connection, send::patience(connection.base)).await;
        return linger_close(&stream, LINGER_SILENCE).await;
    }
    if let Some(http2) = server::http2()
        && connection.protocol.get() == Some(&"h2")
    {
        return http2_to_end(&stream, &connection, configuration, http2, (Vec::new(), None)).await;
    }
    let mut patience = send::patience(connection.base);
    let mut waiting = Waiting::None;
    if connection.keepalives.load(Ordering::Relaxed) > 0 {
        // Another child has served on it.
        patience = response_head::keep_alive_timeout(connection.base);
        shift(&mut waiting, Waiting::KeepAlive);
    }
    loop {
        if first.is_empty() {
            let request = engine::timeout(patience, request_comes(&stream, &connection)).await;
            shift(&mut waiting, Waiting::None);
            if !request.unwrap_or(false) {
                break;
            }
        }
        match Box::pin(work(&stream, &connection, configuration, std::mem::take(&mut first))).await {
            Next::Idle(span) => {
                patience = span;
                shift(&mut waiting, Waiting::KeepAlive);
            }
            Next::Http2(received, upgraded) => {
                let Some(http2) = server::http2() else { break };
                return http2_to_end(&stream, &connection, configuration, http2, (received, upgraded)).await;
            }
            Next::Close { linger } => {
                // Over TLS every client has a last word to say.
                if (linger || stream.is_secured()) && !connection.aborted.load(Ordering::Relaxed) {
                    shift(&mut waiting, Waiting::Closing);
                    let overdue = connection.overdue.load(Ordering::Relaxed);
                    linger_close(&stream, if overdue { LINGER_SILENCE } else { LINGER }).await;
                    shift(&mut waiting, Waiting::None);
                }
                break;
            }
        }
    }
    stream.close_notify();
}

/// Serves a connection that speaks HTTP/2 from here on.
async fn http2_to_end(
    stream: &Stream,
    connection: &Arc<Connection>,
    configuration: &'static Configuration,
    http2: &'static dyn Http2,
    (received, upgraded): (Vec<u8>, Option<Box<Parts>>),
) {
    Box::pin(h2::serve(stream, connection, configuration, http2, received, upgraded)).await;
    linger_close(stream, LINGER_SILENCE).await;
}

/// Whether a connection begins with the preface of HTTP/2; as much of it as comes is read.
async fn begins_http2(input: &mut Input, connection: &Connection, secured: bool) -> bool {
    if !server::http2().is_some_and(|http2| http2.direct(connection.base, secured)) {
        return false;
    }
    let patience = send::patience(connection.base);
    loop {
        let seen = input.unread().len().min(h2::PREFACE.len());
        if input.unread().get(..seen) != h2::PREFACE.get(..seen) || seen == h2::PREFACE.len() {
            return seen == h2::PREFACE.len() && input.unread().starts_with(h2::PREFACE);
        }
        if !matches!(input.fill(patience).await, Ok(1..)) {
            return false;
        }
    }
}

/// Has a connection secured, behind a header of a proxy where one is due.
async fn secure(
    stream: Stream,
    connection: &Arc<Connection>,
    configuration: &'static Configuration,
    tls: &'static dyn Tls,
) -> Secured {
    let reading = server::read_limits(connection.base);
    let mut received = Vec::new();
    if let Some(reader) = server::proxy_header(connection, configuration) {
        let mut input = Input::new(stream.clone());
        input.clock = Clock::start(reading.head, "header");
        if !read_proxy_header(&mut input, connection, reader).await {
            return Secured::Closed;
        }
        received.extend_from_slice(input.unread());
    }
    tls.accept(stream, received, connection, configuration, reading.handshake).await
}

/// The socket as the connection's own: no longer than it is served, for what outlives that would keep it open.
struct Known(Arc<Connection>);

impl Known {
    fn new(connection: &Arc<Connection>, stream: &Stream) -> Known {
        *connection.stream.lock() = Some(stream.clone());
        Known(connection.clone())
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        *self.0.stream.lock() = None;
    }
}

/// Waits for a request. False: the child is to end, and the connection leaves it.
fn request_comes(stream: &Stream, connection: &Connection) -> impl Future<Output = bool> {
    let mut offered = false;
    std::future::poll_fn(move |cx| {
        if stream.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        let Some(mpm) = server::mpm() else { return Poll::Pending };
        if !offered && mpm.watch_stop(cx) {
            offered = true;
            let served = connection.keepalives.load(Ordering::Relaxed);
            match mpm.hand_over(stream, served) {
                Handover::Taken => return Poll::Ready(false),
                // The first request of a connection may be on its way.
                Handover::Unwanted if served > 0 => return Poll::Ready(false),
                Handover::Unwanted | Handover::Kept => {}
            }
        }
        Poll::Pending
    })
}

pub fn shift(from: &mut Waiting, to: Waiting) {
    if *from != to {
        if let Some(mpm) = server::mpm() {
            mpm.waiting(*from, to);
        }
        *from = to;
    }
}

/// Closes our side first and reads what the client still sends, so that no reset overtakes the response.
async fn linger_close(stream: &Stream, most: Duration) {
    if stream.shutdown_write().is_err() {
        return;
    }
    let drain = async {
        let mut waste = [0; 512];
        while let Ok(Ok(1..)) = engine::timeout(LINGER_SILENCE, stream.read(&mut waste)).await {}
    };
    let _ = engine::timeout(most, Box::pin(drain)).await;
}

/// Whether octets of a request were left, when its connection is to be closed.
struct Unread(bool);

/// Reads and answers requests as long as there are any in the buffer.
async fn work(
    stream: &Stream,
    connection: &Arc<Connection>,
    configuration: &'static Configuration,
    first: &[u8],
) -> Next {
    let limits = Limits::of(connection.base);
    let reading = server::read_limits(connection.base);
    let mut input = Input::with(stream.clone(), first);
    input.dump = server::dump(connection).0;
    if connection.scheme == "http"
        && connection.keepalives.load(Ordering::Relaxed) == 0
        && let Some(reader) = server::proxy_header(connection, configuration)
    {
        input.clock = Clock::start(reading.head, "header");
        if !read_proxy_header(&mut input, connection, reader).await {
            return Next::Close { linger: false };
        }
    }
    if connection.keepalives.load(Ordering::Relaxed) == 0 {
        input.clock = Clock::start(reading.head, "header");
        if begins_http2(&mut input, connection, stream.is_secured()).await {
            return Next::Http2(input.unread().to_vec(), None);
        }
    }
    loop {
        let mut r = pool::request(connection, configuration, server::defaults(connection.base));
        if connection.keepalives.load(Ordering::Relaxed) > 0 {
            let Some(seen_twice) = skip_blank_lines(&mut input) else {
                pool::keep_request(r);
                return Next::Close { linger: false };
            };
            // Who keeps the time of requests looks once more for their first octet.
            r.wire_in += seen_twice + u64::from(reading.any());
        }
        let read = read_head(&mut input, &mut r, &limits, &reading).await;
        r.wire_in += input.take_count();
        let outcome = match read {
            Head::None => {
                pool::keep_request(r);
                return Next::Close { linger: false };
            }
            Head::Late => {
                // Nothing is said to whom said nothing, but the log shows a client that was never heard.
                if connection.keepalives.load(Ordering::Relaxed) == 0 {
                    r.status = Status::REQUEST_TIME_OUT;
                    let slot = Slot::take(connection).await;
                    log(&mut r, &slot, Some(stream)).await;
                }
                pool::keep_request(r);
                return Next::Close { linger: false };
            }
            Head::Good => {
                let slot = Slot::take(connection).await;
                slot.show(SlotState::Writing, Some(&r));
                match answer(&mut r, input, stream, &limits, &slot).await {
                    Ok(Rest::Http1(rest)) => Ok(rest),
                    Err(unread) => Err(unread),
                    Ok(Rest::Http2(rest, parts)) => {
                        pool::keep_request(r);
                        return Next::Http2(rest.unread().to_vec(), Some(parts));
                    }
                }
            }
            Head::Bad(status) => {
                let slot = Slot::take(connection).await;
                slot.show(SlotState::Writing, Some(&r));
                if r.uri.is_empty() && !r.method.name.is_empty() {
                    r.uri = "/".into();
                }
                server::die(&mut r, status).await;
                r.keep_alive = Some(false);
                send::respond(&mut r, stream, Manner { close: true, late: false }).await;
                log(&mut r, &slot, Some(stream)).await;
                Err(Unread(true))
            }
        };
        let polite = response_head::has_option(r.headers_in.get("Connection"), b"close");
        let idle = response_head::keep_alive_timeout(r.server);
        pool::keep_request(r);
        match outcome {
            Err(Unread(unread)) => return Next::Close { linger: !polite || unread },
            Ok(rest) if rest.is_empty() => return Next::Idle(idle),
            Ok(rest) => input = rest,
        }
    }
}

/// Reads the header that a proxy sends before the first request. False: close the connection.
async fn read_proxy_header(input: &mut Input, connection: &Connection, reader: &dyn ProxyHeader) -> bool {
    let patience = send::patience(connection.base);
    let mut ended = false;
    loop {
        match reader.take(connection, input.unread(), ended) {
            HeaderStep::More if !ended => ended = !matches!(input.fill(patience).await, Ok(1..)),
            HeaderStep::Done(octets) => {
                input.consume(octets);
                return true;
            }
            HeaderStep::More | HeaderStep::Close => return false,
        }
    }
}

/// How reading a head ended.
enum Head {
    /// No request came.
    None,
    /// A request line began and did not end in time.
    Late,
    Good,
    /// Answer with this page and close.
    Bad(Status),
}

/// Skips the empty lines before a pipelined request. How many octets httpd has looked at before it read them, which its
/// count (`%I`) has twice; `None`: there are too many lines.
fn skip_blank_lines(input: &mut Input) -> Option<u64> {
    let mut seen_twice = 0;
    for _ in 0..head::BLANK_LINES {
        match input.unread() {
            [b'\r', b'\n', ..] => {
                input.consume(2);
                seen_twice += 3;
            }
            [b'\n', ..] => {
                input.consume(1);
                seen_twice += 1;
            }
            [_, ..] => return Some(seen_twice + 1),
            [] => return Some(seen_twice),
        }
    }
    (!input.unread().starts_with(b"\r\n")).then_some(seen_twice)
}

async fn read_head(input: &mut Input, r: &mut Request, limits: &Limits, reading: &ReadLimits) -> Head {
    let patience = send::patience(r.server);
    input.clock = Clock::start(reading.head, "header");
    if input.is_empty() && !matches!(input.fill(patience).await, Ok(1..)) {
        return Head::None;
    }
    r.time = date::now();
    if let Some(used) = head::fast(input.unread(), r, limits) {
        input.tell(&r.connection, "getline", used);
        input.consume(used);
        return Head::Good;
    }
    let mut parser = Parser::default();
    loop {
        let (used, step) = parser.advance(input.unread(), r, limits);
        input.tell(&r.connection, "getline", used);
        input.consume(used);
        match step {
            Step::Done => {
                // Clients end even a request without fields with an empty line.
                if r.simple && input.unread().starts_with(b"\r\n") {
                    input.consume(2);
                }
                return Head::Good;
            }
            Step::Bad(status) => return Head::Bad(status),
            Step::More => {}
        }
        match input.fill(patience).await {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                input.clock.tell(&r.connection);
                return if parser.in_fields() { Head::Bad(Status::REQUEST_TIME_OUT) } else { Head::Late };
            }
            Ok(_) if parser.in_fields() => {
                input.consume(input.unread().len());
                return Head::Bad(Status::BAD_REQUEST);
            }
            _ => return Head::None,
        }
    }
}

/// Where a connection goes on that has had a request answered.
enum Rest {
    Http1(Input),
    /// As HTTP/2, where the request is answered.
    Http2(Input, Box<Parts>),
}

/// Has a request with a readable head answered. Gives the input back if the connection goes on; otherwise says whether
/// all was read that the request had: closing at once would let a reset overtake the response.
async fn answer(
    r: &mut Request,
    mut input: Input,
    stream: &Stream,
    limits: &Limits,
    slot: &Slot,
) -> Result<Rest, Unread> {
    let mut manner = Manner::default();
    let checked = prepare(r, limits, &mut manner.close);
    // The body has a clock of its own, by the host that it is for.
    input.clock = Clock::default();
    if r.method.is(MethodNumber::CONNECT) || r.headers_in.contains("Upgrade") {
        *r.connection.early.lock() = input.unread().to_vec();
    }
    let mut incoming = None;
    let mut input = match checked {
        Ok(Framing::None) => Some(input),
        Ok(framing) => {
            let shared = Incoming::new(input, framing);
            r.body_in = shared.body();
            incoming = Some(shared);
            None
        }
        Err(_) => Some(input),
    };
    match checked {
        Ok(_) => server::handle(r).await,
        Err(status) => {
            manner.close |= status.drops_connection();
            server::die(r, status).await;
        }
    }
    if let Some(Afterwards(work)) = r.extensions.take() {
        slot.lend(&r.connection, work).await;
    }
    if r.extensions.take::<Switch>().is_some()
        && let Some(input) = input.take()
    {
        return switch(r, input, stream, slot).await;
    }
    if let Some(incoming) = &incoming {
        settle_body(r, incoming, &mut manner).await;
    }
    let cut = match send::gather(r).await {
        Ok(()) => ranges::apply(r).and_then(|()| server::apply_network_filters(r)),
        Err(status) => Err(status),
    };
    if let Err(status) = cut {
        if status == Status::RANGE_NOT_SATISFIABLE {
            // Apache has begun a response by then, and counts this one as its second.
            r.connection.keepalives.fetch_add(1, Ordering::Relaxed);
            // What it had for its head is gone with it.
            r.err_headers_out.clear();
        }
        r.body_out = Body::Empty;
        server::die(r, status).await;
        manner.late = true;
    }
    // After a head that is refused nothing more is read, whether the response says so or not.
    let mut keep = send::respond(r, stream, manner).await && checked.is_ok();
    if keep && let Some(incoming) = &incoming {
        keep = incoming.finished() || !r.expecting_continue && incoming.discard(r).await;
    }
    r.body_in = Body::Empty;
    log(r, slot, Some(stream)).await;
    if !keep {
        slot.show(SlotState::Closing, None);
        return Err(Unread(checked.is_err() || incoming.is_some_and(|incoming| !incoming.finished())));
    }
    slot.show(SlotState::KeepAlive, None);
    let rest = match incoming {
        Some(incoming) => incoming.take(),
        None => input,
    };
    rest.map(Rest::Http1).ok_or(Unread(true))
}

/// Tells the client of a request that asked for HTTP/2 that it has it.
async fn switch(r: &mut Request, input: Input, stream: &Stream, slot: &Slot) -> Result<Rest, Unread> {
    let Some(parts) = h2::parts(r) else {
        server::die(r, Status::BAD_REQUEST).await;
        send::respond(r, stream, Manner { close: true, late: false }).await;
        log(r, slot, Some(stream)).await;
        return Err(Unread(false));
    };
    let line = if stream.is_secured() { h2::SWITCHING_SECURED } else { h2::SWITCHING };
    let sent = engine::timeout(send::patience(r.server), stream.write_all(line)).await;
    r.status = Status::SWITCHING_PROTOCOLS;
    r.wire_out += line.len() as u64;
    r.keep_alive = Some(false);
    r.body_out = Body::Empty;
    log(r, slot, Some(stream)).await;
    match sent {
        Ok(Ok(())) => Ok(Rest::Http2(input, Box::new(parts))),
        _ => Err(Unread(false)),
    }
}

/// What the head says of host, body and expectations.
fn prepare(r: &mut Request, limits: &Limits, close: &mut bool) -> Result<Framing, Status> {
    host::check(r, &limits.options)?;
    if r.simple {
        *close = true;
        return Ok(Framing::None);
    }
    let framing = body::framing(r, limits, close)?;
    body::expectation(r)?;
    Ok(framing)
}

/// Between handler and response: errors of the body take the response's place, and a handler that has its whole answer
/// at hand lets the client finish sending first.
async fn settle_body(r: &mut Request, incoming: &Arc<Incoming>, manner: &mut Manner) {
    // What a head says in two ways is not read, and an error asks for no body that the client holds back.
    let trusted = !(manner.close && r.version >= Version::V1_1);
    let at_hand = !matches!(r.body_out, Body::Stream(_)) && !r.status.drops_connection();
    let whole = trusted && (r.drains_body || at_hand && (r.status.is_success() || !r.expecting_continue));
    if whole && incoming.fault().is_none() && !incoming.finished() {
        incoming.discard(r).await;
    }
    if let Some(status) = incoming.fault() {
        manner.close = true;
        manner.late = incoming.malformed();
        if r.status != status {
            r.body_out = Body::Empty;
            // An error that was on its way by then is mentioned, and the page goes out unmeasured.
            if r.drains_body || r.prev.is_some() || r.status.is_success() {
                r.status = Status::OK;
            } else {
                manner.late = true;
            }
            r.allowed = 0;
            server::die(r, status).await;
        }
    }
}
