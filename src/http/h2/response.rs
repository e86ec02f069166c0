//! Writing a response: its field section and DATA frames, as far as the client's window goes.

use super::reply::{Reply, is_of_connection};
use super::session::Session;
use super::stream::FRAME_HEAD;
use crate::engine;
use crate::http::response_head;
use crate::http::send::{self, GATHER, Manner};
use crate::request::{Body, FileRange, Piece, Request, Status, Table, Whose};
use crate::server::date;
use ::h2::Reason;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use ::http::{Response, StatusCode};
use bstr::ByteSlice;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// Octets of a file that are read at once.
const PIECE: u64 = 64 * 1024;
/// Octets of a response's fields where H2MaxHeaderBlockLen does not say.
const FIELDS: usize = 64 * 1024;

/// The stream cannot take the rest of the response.
pub struct Lost;

/// Where a response goes.
struct Out<'a> {
    reply: &'a Reply,
    session: &'a Arc<Session>,
    patience: Duration,
    ended: bool,
    /// What was said of pushed responses.
    policy: Option<&'static str>,
    /// Octets sent, fields as they are unpacked.
    wire: u64,
}

/// Sends the response of `r`. `first`: Date and Server stand first, as in answers to heads that were refused.
pub async fn respond(r: &mut Request, reply: &Reply, session: &Arc<Session>, manner: Manner, first: bool) {
    let patience = session.http2.stream_timeout(r).unwrap_or_else(|| send::patience(r.server));
    let mut out = Out { reply, session, patience, ended: false, policy: None, wire: 0 };
    if run(r, &mut out, manner, first).await.is_err() {
        // What the client reset itself needs no other end.
        reply.reset(Reason::INTERNAL_ERROR);
        r.connection.aborted.store(true, Ordering::Relaxed);
    }
    r.wire_out += out.wire;
    r.keep_alive = Some(false);
    r.connection.keepalives.store(2, Ordering::Relaxed);
}

async fn run(r: &mut Request, out: &mut Out<'_>, manner: Manner, first: bool) -> Result<(), Lost> {
    if !response_head::check(r) {
        r.headers_out.clear();
        r.err_headers_out.clear();
        if manner.late {
            return Err(Lost);
        }
        r.status = Status::OK;
        crate::server::die(r, Status::INTERNAL_SERVER_ERROR).await;
        return Box::pin(run(r, out, Manner { late: true, ..manner }, first)).await;
    }
    let mut body = std::mem::take(&mut r.body_out);
    let bodiless = r.header_only || matches!(r.status, Status::NO_CONTENT | Status::NOT_MODIFIED);
    send::announce_length(r, &body, manner);
    if bodiless {
        // What is cut off is counted all the same, as Apache does behind a HEAD.
        r.bytes_sent += if r.header_only { body.length().unwrap_or(0) } else { 0 };
        body = Body::Empty;
    }
    let mut ready = Vec::new();
    let mut ended = !matches!(body, Body::Stream(_) | Body::Pieces(_));
    if matches!(body, Body::Stream(_)) {
        match body.next(r).await {
            Ok(Some(piece)) => ready.push(piece),
            Ok(None) => ended = true,
            // Nothing is out yet: the error can still have its own answer.
            Err(fault) => {
                crate::server::die(r, fault.status).await;
                let late = fault.whose != Whose::Ours;
                return Box::pin(run(r, out, Manner { late, ..manner }, first)).await;
            }
        }
    }
    out.policy = super::push::links(r, out.reply, out.session, &[&r.err_headers_out, &r.headers_out]);
    if matches!(body, Body::Stream(_)) && !r.headers_out.contains("Content-Length") {
        let whole = unknown_length(r, out, &mut body, (ready, ended), manner).await?;
        return finish(r, out, whole).await;
    }
    let fields = fields(r, first);
    match body {
        Body::Pieces(pieces) => {
            let last = pieces.iter().rposition(|piece| !piece.is_empty()).filter(|_| r.trailers_out.is_empty());
            head(r, out, fields, last.is_none() && r.trailers_out.is_empty())?;
            for (index, piece) in pieces.into_iter().enumerate() {
                put(r, out, piece, last == Some(index)).await?;
                if last == Some(index) {
                    break;
                }
            }
            finish(r, out, true).await
        }
        Body::Stream(_) => {
            head(r, out, fields, false)?;
            for piece in ready {
                put(r, out, piece, false).await?;
            }
            let whole = pieces(r, out, &mut body).await?;
            finish(r, out, whole).await
        }
        body => {
            let last = r.trailers_out.is_empty();
            let empty = body.length() == Some(0);
            head(r, out, fields, empty && last)?;
            match body {
                Body::Bytes(bytes) => put(r, out, Piece::Bytes(bytes), last).await?,
                Body::File(range) => put(r, out, Piece::File(range), last).await?,
                _ => {}
            }
            finish(r, out, true).await
        }
    }
}

/// A stream that does not know its length: what it gives without waiting is looked at before the head is final.
async fn unknown_length(
    r: &mut Request,
    out: &mut Out<'_>,
    body: &mut Body,
    (mut ready, mut ended): (Vec<Piece>, bool),
    manner: Manner,
) -> Result<bool, Lost> {
    let before = (r.headers_out.clone(), r.err_headers_out.clone());
    let unmeasured = fields(r, false);
    let measurable = out.session.limits.buffering && !matches!(&*body, Body::Stream(source) if !source.measurable());
    while !ended && measurable {
        let gathered: u64 = ready.iter().map(Piece::len).sum();
        if gathered >= GATHER as u64 || ready.iter().any(|piece| matches!(piece, Piece::Flush)) {
            break;
        }
        let mut sent = None;
        let got = {
            let mut next = std::pin::pin!(body.next(r));
            match send::now_or_not(next.as_mut()).await {
                Some(got) => got,
                None => {
                    // The body makes us wait: what we have goes out now.
                    let mut count = 0;
                    head_of(out, unmeasured.clone(), false)?;
                    for piece in ready.drain(..) {
                        count += put_piece(out, piece, false).await?;
                    }
                    sent = Some(count);
                    next.await
                }
            }
        };
        if let Some(sent) = sent {
            r.bytes_sent += sent;
            return match got {
                Ok(Some(piece)) => {
                    put(r, out, piece, false).await?;
                    pieces(r, out, body).await
                }
                Ok(None) => Ok(true),
                Err(_) => Ok(false),
            };
        }
        match got {
            Ok(Some(piece)) => ready.push(piece),
            Ok(None) => ended = true,
            Err(_) => return Ok(false),
        }
    }
    let fields = if ended && !manner.late {
        (r.headers_out, r.err_headers_out) = before;
        let length: u64 = ready.iter().map(Piece::len).sum();
        r.headers_out.set("Content-Length", itoa::Buffer::new().format(length));
        fields(r, false)
    } else {
        unmeasured
    };
    let nothing = ended && ready.iter().all(Piece::is_empty) && r.trailers_out.is_empty();
    head(r, out, fields, nothing)?;
    let last = ready.len();
    for (index, piece) in ready.into_iter().enumerate() {
        let end = ended && index + 1 == last && r.trailers_out.is_empty();
        put(r, out, piece, end).await?;
    }
    if ended { Ok(true) } else { pieces(r, out, body).await }
}

/// The fields of a response with its status.
type Fields = Response<()>;

fn fields(r: &mut Request, first: bool) -> Fields {
    response_head::complete(r);
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(r.status.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let map = response.headers_mut();
    map.reserve(r.headers_out.len() + 2);
    let relayed = |name: &str| r.proxy_request && r.headers_out.contains(name);
    let (date, server) = stamp(r.time);
    let stamps = |map: &mut HeaderMap| {
        if !relayed("Date") {
            map.append(::http::header::DATE, date.clone());
        }
        if !relayed("Server") {
            map.append(::http::header::SERVER, server.clone());
        }
    };
    if first {
        stamps(map);
    }
    // One piece of memory for all values.
    let mut block = BytesMut::with_capacity(r.headers_out.size());
    for (name, value) in r.headers_out.iter() {
        let stamped = |one: &str| one.as_bytes().eq_ignore_ascii_case(name) && !relayed(one);
        if is_of_connection(name) || stamped("Date") || stamped("Server") {
            continue;
        }
        block.extend_from_slice(value);
        let value = block.split().freeze();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_maybe_shared(value)) {
            map.append(name, value);
        }
    }
    if !first {
        stamps(map);
    }
    response
}

/// Date and Server, which are the same for a second.
fn stamp(time: i64) -> (HeaderValue, HeaderValue) {
    thread_local! {
        static LAST: RefCell<Option<(i64, HeaderValue, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = date::seconds(time);
    let make = || {
        let value = |text: &[u8]| HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        let server = crate::config::identity::server_banner();
        (second, value(date::format(second).as_bytes()), value(server.as_bytes()))
    };
    LAST.with(|last| {
        let Ok(mut last) = last.try_borrow_mut() else {
            let (_, date, server) = make();
            return (date, server);
        };
        if last.as_ref().is_none_or(|(known, ..)| *known != second) {
            *last = Some(make());
        }
        let (_, date, server) = last.clone().unwrap_or_else(make);
        (date, server)
    })
}

fn head(r: &Request, out: &mut Out<'_>, fields: Fields, end: bool) -> Result<(), Lost> {
    r.connection.keepalives.store(2, Ordering::Relaxed);
    head_of(out, fields, end)
}

fn head_of(out: &mut Out<'_>, mut fields: Fields, end: bool) -> Result<(), Lost> {
    if let Some(policy) = out.policy {
        fields.headers_mut().append(HeaderName::from_static("push-policy"), HeaderValue::from_static(policy));
    }
    out.wire += FRAME_HEAD;
    let most = if out.session.limits.fields == 0 { FIELDS } else { out.session.limits.fields };
    let size = fields.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if size > most {
        return Err(Lost);
    }
    out.wire += size as u64;
    out.reply.respond(fields, end).map_err(|_| Lost)?;
    out.ended = end;
    Ok(())
}

/// Sends a body piece by piece. False: it broke off.
async fn pieces(r: &mut Request, out: &mut Out<'_>, body: &mut Body) -> Result<bool, Lost> {
    loop {
        match body.next(r).await {
            Ok(Some(piece)) => put(r, out, piece, false).await?,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

async fn put(r: &mut Request, out: &mut Out<'_>, piece: Piece, end: bool) -> Result<(), Lost> {
    r.bytes_sent += put_piece(out, piece, end).await?;
    Ok(())
}

async fn put_piece(out: &mut Out<'_>, piece: Piece, end: bool) -> Result<u64, Lost> {
    let length = piece.len();
    match piece {
        Piece::Flush => {}
        Piece::Bytes(bytes) if bytes.is_empty() && !end => {}
        Piece::Bytes(bytes) => data(out, bytes, end).await?,
        Piece::File(range) => {
            let mut at = 0;
            while at < range.len {
                let span = (range.len - at).min(PIECE);
                let bytes = read(&range, at, span).map_err(|_| Lost)?;
                at += span;
                data(out, bytes, end && at == range.len).await?;
            }
            if end && range.len == 0 {
                data(out, Bytes::new(), true).await?;
            }
        }
    }
    Ok(length)
}

fn read(range: &FileRange, at: u64, span: u64) -> io::Result<Bytes> {
    let mut room = vec![0; span as usize];
    send::read_full(&FileRange { file: range.file.clone(), offset: range.offset + at, len: span }, &mut room)?;
    Ok(room.into())
}

/// Sends octets as the client's window and the session's memory allow.
async fn data(out: &mut Out<'_>, mut bytes: Bytes, end: bool) -> Result<(), Lost> {
    if bytes.is_empty() {
        out.ended |= end;
        return send(out, bytes, end);
    }
    let limits = &out.session.limits;
    while !bytes.is_empty() {
        let want = bytes.len().min(limits.buffer.max(1));
        let room = out.reply.with(|stream| {
            stream.reserve_capacity(want);
            stream.capacity()
        });
        let room = match room.ok_or(Lost)? {
            0 => {
                let more = poll_fn(|cx| match out.reply.with(|stream| stream.poll_capacity(cx)) {
                    Some(Poll::Ready(Some(Ok(0))) | Poll::Pending) => Poll::Pending,
                    Some(Poll::Ready(Some(Ok(room)))) => Poll::Ready(Some(room)),
                    _ => Poll::Ready(None),
                });
                engine::timeout(out.patience, more).await.ok().flatten().ok_or(Lost)?
            }
            room => room,
        };
        let mut now = bytes.len().min(room);
        if limits.data_frame > 0 {
            now = now.min(limits.data_frame);
        }
        let piece = bytes.split_to(now);
        let last = end && bytes.is_empty();
        send(out, piece, last)?;
        out.ended |= last;
    }
    Ok(())
}

fn send(out: &mut Out<'_>, bytes: Bytes, end: bool) -> Result<(), Lost> {
    out.wire += FRAME_HEAD + bytes.len() as u64;
    match out.reply.with(|stream| stream.send_data(bytes, end)) {
        Some(Ok(())) => Ok(()),
        _ => Err(Lost),
    }
}

/// The end of the stream, with the trailers that the response has.
async fn finish(r: &mut Request, out: &mut Out<'_>, whole: bool) -> Result<(), Lost> {
    if !whole {
        return Err(Lost);
    }
    if out.ended {
        return Ok(());
    }
    out.ended = true;
    let trailers = trailers(&r.trailers_out);
    if trailers.is_empty() {
        return send(out, Bytes::new(), true);
    }
    match out.reply.with(|stream| stream.send_trailers(trailers)) {
        Some(Ok(())) => Ok(()),
        _ => Err(Lost),
    }
}

fn trailers(table: &Table) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in table.iter().filter(|(name, _)| !is_of_connection(name.as_bytes())) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}
