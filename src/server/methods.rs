//! Answers that any resource can give: Allow, OPTIONS, TRACE.

use crate::config::{CoreServer, Trace};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, declined};
use crate::request::{Body, MethodNumber, Piece, Request, Status};
use bstr::ByteSlice;

/// Adds to the methods that the resource has (`ap_allow_methods` in its merging form).
pub fn allow(r: &mut Request, methods: &[MethodNumber]) {
    for method in methods {
        r.allowed |= method.bit();
    }
}

/// The value of Allow: what was allowed so far, and TRACE where the server does it.
pub fn allow_header(r: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    let mut add = |name: &[u8]| {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(name);
    };
    const FIRST: [MethodNumber; 3] = [MethodNumber::GET, MethodNumber::POST, MethodNumber::OPTIONS];
    let has = |method: MethodNumber| r.allowed & method.bit() != 0;
    for method in FIRST.into_iter().filter(|method| has(*method)) {
        add(method.name().unwrap_or_default().as_bytes());
    }
    if has(MethodNumber::GET) {
        add(b"HEAD");
    }
    for number in 0..MethodNumber::INVALID.0 {
        let method = MethodNumber(number);
        if has(method) && !FIRST.contains(&method) && method != MethodNumber::TRACE {
            add(method.name().unwrap_or_default().as_bytes());
        }
    }
    for name in &r.allowed_methods {
        add(name);
    }
    if traces(r) != Trace::Off {
        add(b"TRACE");
    }
    out
}

fn traces(r: &Request) -> Trace {
    r.server::<CoreServer>().trace.unwrap_or(Trace::On)
}

/// The answer to OPTIONS that the handler of last resort gives.
pub fn options(r: &mut Request) -> Answer {
    let allow = allow_header(r);
    if !allow.is_empty() {
        r.headers_out.set("Allow", &allow);
    }
    r.body_out = Body::Empty;
    Answer::Ok
}

/// map_to_storage: OPTIONS for the server as a whole (`*`).
pub fn options_server(r: &mut Request) -> Answer {
    if r.method.is(MethodNumber::OPTIONS) && r.uri == "*" {
        super::protocols::upgrade(r);
        r.body_out = Body::Empty;
        return Answer::Done;
    }
    Answer::Declined
}

/// Longest body that TRACE sends back, and what chunks may add to it.
const TRACED: usize = 64 * 1024;
const CHUNKS: usize = 8 * 1024;

/// Handler: TRACE sends the request back (RFC 9110 section 9.3.8).
pub fn trace(r: &mut Request) -> BoxFuture<'_, Answer> {
    if r.method.is(MethodNumber::TRACE) { Box::pin(send_trace(r)) } else { declined() }
}

/// Sends the request back, whatever its method's name.
pub async fn send_trace(r: &mut Request) -> Answer {
    let setting = traces(r);
    if setting == Trace::Off {
        r.notes.set("error-notes", "TRACE denied by server configuration");
        return Answer::Status(Status::METHOD_NOT_ALLOWED);
    }
    let chunked = r.headers_in.contains("Transfer-Encoding");
    let length = r.headers_in.get("Content-Length").filter(|length| *length != "0");
    if setting != Trace::Extended && (length.is_some() || chunked) {
        let text = format_args!("AH01595: TRACE with body is not allowed for {}", crate::log::raw(&r.uri));
        r.log(Level::Info, "http", text);
        return Answer::Status(Status::REQUEST_ENTITY_TOO_LARGE);
    }
    let mut body = Vec::new();
    let room = TRACED + if chunked { CHUNKS - 1 } else { 0 };
    loop {
        match r.read_body().await {
            Ok(Some(bytes)) if body.len() + bytes.len() > room => {
                return Answer::Status(Status::REQUEST_ENTITY_TOO_LARGE);
            }
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(fault) => return Answer::Status(fault.status),
        }
    }
    let mut echo = Vec::with_capacity(r.headers_in.size() + r.the_request.len() + 64);
    echo.extend_from_slice(r.the_request.as_bytes());
    echo.extend_from_slice(b"\r\n");
    for (name, value) in r.headers_in.iter() {
        echo.extend_from_slice(name);
        echo.extend_from_slice(b": ");
        echo.extend_from_slice(value);
        echo.extend_from_slice(b"\r\n");
    }
    echo.extend_from_slice(b"\r\n");
    echo.extend_from_slice(&body);
    r.set_content_type("message/http");
    // Sent as it is made: without a length.
    r.body_out = Body::Pieces([Piece::Bytes(echo.into()), Piece::Flush].into());
    Answer::Done
}
