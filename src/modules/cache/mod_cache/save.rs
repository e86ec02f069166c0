//! The filter that stores responses, and decides which may be (RFC 9111 section 3), what a 304 means for a stored one, and what
//! takes the place of an error.

use super::control::{self, joined};
use super::select::{drop_conditions, key_of, query, warn};
use super::settings::{CacheDir, CacheServer};
use super::{Outcome, State, note, out};
use crate::engine::{self, BoxFuture};
use crate::log::{self, Level, raw};
use crate::module::cache::{GENERAL, flags::*};
use crate::module::{CacheControl, CacheEntity, CacheInfo};
use crate::request::{Body, Fault, FileRange, Piece, Request, Source, Status, Table};
use crate::server::{Again, conditional, date};
use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Fields that a 304 must not change.
const ENTITY: &[&str] = &[
    "Allow",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
    "Last-Modified",
];
/// Octets of a file that are copied at a time.
const CHUNK: u64 = 1 << 20;
/// What is stored at once, before it is sent.
const AT_ONCE: u64 = 1 << 20;

/// A response field, of those that survive errors first.
fn field<'a>(r: &'a Request, name: &str) -> Option<&'a BStr> {
    r.err_headers_out.get(name).or_else(|| r.headers_out.get(name))
}

/// All fields of the response, with those that are sent from elsewhere.
pub(super) fn merged(r: &Request) -> Table {
    let mut fields = r.headers_out.clone();
    fields.extend(&r.err_headers_out);
    if let Some(kind) = r.content_type.as_ref().filter(|_| !fields.contains("Content-Type")) {
        fields.add("Content-Type", kind);
    }
    if let Some(coding) = r.content_encoding.as_ref().filter(|_| !fields.contains("Content-Encoding")) {
        fields.add("Content-Encoding", coding);
    }
    fields
}

/// What of these fields is stored: none that are for one connection alone, none that CacheIgnoreHeaders names.
pub(super) fn storable(r: &Request, fields: &Table) -> Table {
    const HOPS: &[&str] = &[
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
    ];
    let mut out = fields.clone();
    for name in HOPS {
        out.unset(name);
    }
    for name in &r.server::<CacheServer>().ignore_headers.list {
        out.unset(name);
    }
    out
}

/// The response's own Cache-Control; a 304 that says nothing leaves that of the stored response.
fn response_control(state: &State, r: &Request) -> (CacheControl, bool) {
    let mut fields = &r.err_headers_out;
    let said = |fields: &Table| (joined(fields, "Cache-Control"), joined(fields, "Pragma"));
    let mut found = said(fields);
    if found == (None, None) {
        fields = &r.headers_out;
        found = said(fields);
    }
    if r.status == Status::NOT_MODIFIED
        && found == (None, None)
        && let Some(stale) = &state.stale
    {
        fields = stale.response();
        found = said(fields);
    }
    let (list, pragma) = found;
    let control =
        control::parse(list.as_ref().map(|list| list.as_bstr()), pragma.as_ref().map(|list| list.as_bstr()), fields);
    (control, list.is_some())
}

/// Times that a response tells, in microseconds since the epoch.
struct Times {
    expires: Option<i64>,
    modified: Option<i64>,
}

fn micros(text: &BStr) -> Option<i64> {
    date::parse(text).map(|seconds| seconds.saturating_mul(1_000_000))
}

/// Why a response must not be stored.
fn refusal(state: &mut State, r: &Request, control: &CacheControl, times: &Times) -> Option<String> {
    let dir = r.dir::<CacheDir>();
    let expires = field(r, "Expires");
    let lives = control.has(MAX_AGE | S_MAXAGE);
    let tag = field(r, "ETag").is_some();
    let store_expired = dir.store_expired == Some(true);
    match r.status.0 {
        200 | 203 | 206 | 300 | 301 | 304 => {}
        // Others only when they say so themselves.
        _ if expires.is_some() || lives || control.has(PUBLIC) => {}
        status => return Some(format!("Response status {status}")),
    }
    if let (Some(text), None) = (expires, times.expires)
        && !lives
        && !store_expired
    {
        return Some(format!("Broken expires header: {text}"));
    }
    if !store_expired && !lives && times.expires.is_some_and(|expires| expires < r.time) {
        return Some("Expires header already expired; not cacheable".into());
    }
    let dead = control.s_maxage == Some(0) || !control.has(S_MAXAGE) && control.max_age == Some(0);
    if !store_expired && dead && control.has(MUST_REVALIDATE | PROXY_REVALIDATE) && times.modified.is_none() && !tag {
        return Some("s-maxage or max-age zero and no Last-Modified or Etag; not cacheable".into());
    }
    if r.server::<CacheServer>().ignore_query != Some(true) && query(r).is_some() && expires.is_none() && !lives {
        return Some("Query string present but no explicit expiration time".into());
    }
    if r.status == Status::NOT_MODIFIED && state.stale.is_none() {
        return Some("HTTP Status 304 Not Modified".into());
    }
    if r.status == Status::OK
        && times.modified.is_none()
        && !tag
        && expires.is_none()
        && dir.ignore_no_last_modified != Some(true)
        && !lives
    {
        let text = "No Last-Modified; Etag; Expires; Cache-Control:max-age or Cache-Control:s-maxage headers";
        return Some(text.into());
    }
    if dir.store_no_store != Some(true) && control.has(NO_STORE) {
        return Some("Cache-Control: no-store present".into());
    }
    if dir.store_private != Some(true) && control.has(PRIVATE) {
        return Some("Cache-Control: private present".into());
    }
    if r.headers_in.contains("Authorization") && !control.has(S_MAXAGE | MUST_REVALIDATE | PROXY_REVALIDATE | PUBLIC) {
        return Some("Authorization required".into());
    }
    if joined(&r.headers_out, "Vary").is_some_and(|vary| control::tokens(&vary).any(|name| name == b"*")) {
        return Some("Vary header contains '*'".into());
    }
    if r.env.contains("no-cache") {
        return Some("environment variable 'no-cache' is set".into());
    }
    if r.no_cache {
        return Some("r->no_cache present".into());
    }
    stale_refusal(state, r)
}

/// Why a response must not take the place of a stored one, or confirm it.
fn stale_refusal(state: &mut State, r: &Request) -> Option<String> {
    let stale = state.stale.as_ref()?;
    let date = |fields: &Table| fields.get("Date").and_then(micros);
    if let (Some(old), Some(new)) = (date(stale.response()), field(r, "Date").and_then(micros))
        && old > new
    {
        r.log(Level::Debug, "cache", format_args!("AH02474: cache: Removing CACHE_REMOVE_URL filter."));
        state.removes = false;
        return Some("updated entity is older than cached entity".into());
    }
    if r.status != Status::NOT_MODIFIED {
        return None;
    }
    let changed = ENTITY.iter().chain(&["ETag"]).find(|name| {
        let (old, new) = (stale.response().get(name), r.headers_out.get(name));
        // What a 304 does not mention has not changed.
        new.is_some_and(|new| old != Some(new))
    });
    changed.map(|name| format!("contradiction: 304 Not Modified; but {name} modified"))
}

/// The filter CACHE_SAVE.
pub(super) fn save(r: &mut Request, body: Body, shared: &Arc<Mutex<State>>) -> Result<Body, Status> {
    let mut locked = shared.lock();
    let state = &mut *locked;
    if r.dir::<CacheDir>().stale_on_error != Some(false) && r.status.0 >= 500 {
        state.removes = false;
        if let Some(stale) = state.stale.take_if(|stale| !strict(stale.info())) {
            if r.proxy_request && matches!(body, Body::Stream(_)) {
                // What comes from elsewhere reaches the filter before it ends.
                r.log(Level::Debug, "cache", format_args!("AH00763: cache: running CACHE_OUT filter"));
            }
            return Ok(instead_of_error(state, r, stale));
        }
    }
    let times =
        Times { expires: field(r, "Expires").and_then(micros), modified: field(r, "Last-Modified").and_then(micros) };
    let (control, _) = response_control(state, r);
    let reason = refusal(state, r, &control, &times);
    if r.status == Status::NOT_MODIFIED {
        for name in ENTITY {
            r.headers_out.unset(name);
        }
    }
    if let Some(reason) = reason {
        let key = state.key.clone().unwrap_or_else(|| "(null)".into());
        if r.status == Status::NOT_MODIFIED && state.stale.is_some() {
            return Err(again(state, r, &key, &reason));
        }
        let text = format_args!(
            "AH00768: cache: {} not cached for request {}. Reason: {reason}",
            raw(&key),
            raw(&r.unparsed_uri)
        );
        r.log(Level::Debug, "cache", text);
        note(r, Outcome::Miss, &reason);
        state.lock = None;
        return Ok(body);
    }
    key_of(state, r);
    store(state, r, body, shared.clone(), (control, times))
}

/// Whether a stored response must never be used unasked.
pub(super) fn strict(info: &CacheInfo) -> bool {
    info.control.has(MUST_REVALIDATE | PROXY_REVALIDATE)
}

/// Sends the stored response where its origin fails.
fn instead_of_error(state: &mut State, r: &mut Request, stale: Box<dyn CacheEntity>) -> Body {
    r.headers_out = stale.response().clone();
    warn(&mut r.err_headers_out, "111", "111 Revalidation failed");
    let status = r.status.0;
    note(r, Outcome::Hit, &format!("cache hit: {status} status; stale content returned"));
    state.lock = None;
    out::serve(r, stale.as_ref())
}

/// A 304 that cannot be used: the request is made once more, without conditions.
fn again(state: &mut State, r: &mut Request, key: &BString, reason: &str) -> Status {
    let text = format_args!(
        "AH02473: cache: {} responded with an uncacheable 304, retrying the request {}. Reason: {reason}",
        raw(key),
        raw(&r.unparsed_uri)
    );
    r.log(Level::Info, "cache", text);
    note(r, Outcome::Miss, &format!("conditional cache miss: 304 was uncacheable, entity removed: {reason}"));
    state.removes = false;
    super::remove_url(state, r);
    state.lock = None;
    drop_conditions(r);
    r.extensions.put(Again);
    Status::NOT_MODIFIED
}

/// How long a response is fresh, as a point in time.
fn expiry(r: &Request, control: &CacheControl, times: &Times, date: i64) -> i64 {
    let dir = r.dir::<CacheDir>();
    let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
    let least = micros(dir.min_expire.unwrap_or(0));
    let most = micros(dir.max_expire.unwrap_or(86_400));
    let bounded = |span: i64| span.max(least).min(most);
    if control.has(S_MAXAGE | MAX_AGE) {
        let seconds = if control.has(S_MAXAGE) { control.s_maxage } else { control.max_age };
        return date.saturating_add(bounded(micros(seconds.unwrap_or(0))));
    }
    if let Some(expires) = times.expires {
        return expires;
    }
    match times.modified.filter(|modified| *modified < date) {
        Some(modified) => {
            let span = (date - modified) as f64 * dir.factor.unwrap_or(0.1);
            date.saturating_add(bounded(span as i64))
        }
        None => date.saturating_add(micros(dir.default_expire.unwrap_or(3600))),
    }
}

fn store(
    state: &mut State,
    r: &mut Request,
    body: Body,
    shared: Arc<Mutex<State>>,
    (control, mut times): (CacheControl, Times),
) -> Result<Body, Status> {
    let key = &state.key.clone().unwrap_or_default();
    let said = field(r, "Content-Length").map(BString::from);
    let size = match &said {
        Some(length) => length.to_str().ok().and_then(|digits| digits.parse::<u64>().ok()),
        None if matches!(body, Body::Stream(_)) => None,
        None => body.length(),
    };
    if said.is_some() && size.is_none() {
        let reason = "invalid content length";
        let text = format_args!(
            "AH00768: cache: {} not cached for request {}. Reason: {reason}",
            raw(key),
            raw(&r.unparsed_uri)
        );
        r.log(Level::Debug, "cache", text);
        note(r, Outcome::Miss, reason);
        state.lock = None;
        return Ok(body);
    }
    let stale = state.stale.take();
    let revalidated = r.status == Status::NOT_MODIFIED && stale.is_some();
    if !revalidated && stale.is_some() {
        // The request is what the client made of it, for whoever cuts ranges.
        if let Some(headers) = state.stale_headers.take() {
            r.headers_in = headers;
        }
    }
    let entity = match stale.filter(|_| revalidated) {
        Some(stale) => Some(stale),
        None => state.storages.iter().find_map(|storage| storage.create(r, key.as_bstr(), size)),
    };
    let Some(mut entity) = entity else {
        note(r, Outcome::Miss, "cache miss: cache unwilling to store response");
        state.lock = None;
        return Ok(body);
    };
    let text = format_args!("AH00769: cache: Caching url {} for request {}", raw(key), raw(&r.unparsed_uri));
    r.log(Level::Debug, "cache", text);
    r.log(Level::Debug, "cache", format_args!("AH00770: cache: Removing CACHE_REMOVE_URL filter."));
    state.removes = false;
    let now = log::clock::now();
    let date = field(r, "Date").and_then(micros).unwrap_or(now);
    if times.modified.is_some_and(|modified| modified > date) {
        times.modified = Some(date);
        r.log(
            Level::Debug,
            "cache",
            format_args!("AH00771: cache: Last modified is in the future, replacing with now"),
        );
    }
    let info = CacheInfo {
        status: if revalidated { entity.info().status } else { r.status.0 },
        date,
        expire: expiry(r, &control, &times, date),
        request_time: r.time,
        response_time: now,
        control,
    };
    if revalidated {
        return Ok(confirmed(state, r, entity, &info));
    }
    let mut response = storable(r, &merged(r));
    control::remove_named(&mut response);
    if r.proxy_request && !response.contains("Date") {
        // What comes from elsewhere is given a date on its way.
        response.add("Date", date::format(date::seconds(now)));
    }
    let request = storable(r, &r.headers_in);
    if !entity.store_headers(r, &info, &response, &request) {
        r.log(Level::Debug, "cache", format_args!("AH00774: cache: store_headers failed"));
        note(r, Outcome::Miss, "cache miss: store_headers failed");
        state.lock = None;
        return Ok(body);
    }
    note(r, Outcome::Miss, "cache miss: attempting entity save");
    let ranged = r.headers_in.contains("Range");
    let short = body.length().is_some_and(|length| ranged || length <= AT_ONCE);
    if r.header_only || short && !matches!(body, Body::Stream(_)) {
        let mut saving = Saving::new(Body::Empty, entity, r, shared.clone());
        let stored = if r.header_only { Ok(()) } else { engine::block(|| store_whole(r, &mut saving, &body)) };
        saving.end(r, stored, state);
        return Ok(body);
    }
    Ok(Body::Stream(Box::new(Saving::new(body, entity, r, shared))))
}

/// A stored response that its origin confirmed: its new fields are stored, and it is sent, or what the client's conditions make of it.
fn confirmed(state: &mut State, r: &mut Request, mut entity: Box<dyn CacheEntity>, info: &CacheInfo) -> Body {
    let fields = merged(r);
    r.err_headers_out.clear();
    r.headers_out = out::overlap(entity.response(), &fields);
    out::accept(r);
    let mut response = storable(r, &merged(r));
    control::remove_named(&mut response);
    let request = storable(r, &r.headers_in);
    let stored = entity.store_headers(r, info, &response, &request);
    if stored {
        entity.commit(r);
    }
    if let Some(headers) = state.stale_headers.take() {
        r.headers_in = headers;
    }
    let body = entity.body();
    r.status = Status::OK;
    r.status_line = None;
    let status = conditional::meets_conditions(r);
    let body = match status {
        Some(status) => {
            r.status = status;
            for name in ENTITY {
                r.headers_out.unset(name);
            }
            // It leaves before anything is known of its length.
            Body::Pieces([Piece::Flush].into())
        }
        None => {
            r.status = Status(info.status);
            body
        }
    };
    if stored {
        note(r, Outcome::Revalidate, "conditional cache hit: entity refreshed");
    } else {
        let text = format_args!("AH00772: cache: updating headers with store_headers failed. Removing cached url.");
        r.log(Level::Debug, "cache", text);
        if !entity.remove(r) {
            let text = format_args!("AH00773: cache: attempt to remove url from cache unsuccessful.");
            r.log(Level::Debug, "cache", text);
        }
        note(r, Outcome::Revalidate, "conditional cache hit: entity refresh failed");
    }
    state.lock = None;
    r.log(Level::Debug, "cache", format_args!("AH02971: cache: serving {} (revalidated)", raw(&r.uri)));
    body
}

/// Stores all of a body that is in memory or in files.
fn store_whole(r: &Request, saving: &mut Saving, body: &Body) -> Result<(), i32> {
    let keep = |saving: &mut Saving, piece: &Piece| match piece {
        Piece::Bytes(bytes) => saving.store(r, bytes),
        Piece::File(range) => saving.store_file(r, range),
        Piece::Flush => Ok(()),
    };
    match body {
        Body::Bytes(bytes) => saving.store(r, bytes),
        Body::File(range) => saving.store_file(r, range),
        Body::Pieces(pieces) => pieces.iter().try_for_each(|piece| keep(saving, piece)),
        Body::Empty | Body::Stream(_) => Ok(()),
    }
}

/// A body that is stored while it passes by.
struct Saving {
    inner: Body,
    /// None: nothing more is stored.
    entity: Option<Box<dyn CacheEntity>>,
    shared: Arc<Mutex<State>>,
    /// What is gathered before it is passed on: octets, and microseconds.
    ahead: (u64, i64),
    until: i64,
    ready: VecDeque<Piece>,
    held: u64,
    /// The rest of a file that is too long to copy at once.
    file: Option<FileRange>,
    ended: bool,
    /// Why the body broke off, to be told behind what is ready.
    failed: Option<Fault>,
}

impl Saving {
    fn new(inner: Body, entity: Box<dyn CacheEntity>, r: &Request, shared: Arc<Mutex<State>>) -> Saving {
        let ahead = entity.read_ahead(r);
        let until = if ahead.1 > 0 { log::clock::now().saturating_add(ahead.1) } else { 0 };
        Saving {
            inner,
            entity: Some(entity),
            shared,
            ahead,
            until,
            ready: VecDeque::new(),
            held: 0,
            file: None,
            ended: false,
            failed: None,
        }
    }

    fn store(&mut self, r: &Request, octets: &[u8]) -> Result<(), i32> {
        self.entity.as_mut().map_or(Ok(()), |entity| entity.store(r, octets))
    }

    fn store_file(&mut self, r: &Request, range: &FileRange) -> Result<(), i32> {
        let (mut offset, end) = (range.offset, range.offset.saturating_add(range.len));
        let mut room = vec![0; usize::try_from(range.len.min(64 * 1024)).unwrap_or(0)];
        while offset < end {
            let most = room.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
            let Some(span) = room.get_mut(..most) else { return Err(GENERAL) };
            let Ok(read @ 1..) = range.file.read_at(span, offset) else { return Err(GENERAL) };
            self.store(r, span.get(..read).unwrap_or_default())?;
            offset += read as u64;
        }
        Ok(())
    }

    /// Gives up on storing: the rest just passes by.
    fn give_up(&mut self, r: &Request, errno: i32, state: &mut State) {
        if self.entity.take().is_some() {
            let text = format_args!("AH00765: cache: Cache provider's store_body failed for URI {}", raw(&r.uri));
            r.log_errno(Level::Debug, "cache", errno, text);
        }
        state.lock = None;
    }

    /// The content is complete, if all of it was stored.
    fn end(&mut self, r: &Request, stored: Result<(), i32>, state: &mut State) {
        let aborted = r.connection.aborted.load(std::sync::atomic::Ordering::Relaxed);
        let complete = |entity: &mut Box<dyn CacheEntity>| entity.complete(r, aborted);
        if let Err(errno) = stored.and_then(|()| self.entity.as_mut().map_or(Ok(()), complete)) {
            return self.give_up(r, errno, state);
        }
        if let Some(mut entity) = self.entity.take() {
            entity.commit(r);
        }
        state.lock = None;
    }

    /// The next piece of the body, stored.
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        let piece = match self.file.take() {
            Some(range) => Some(Piece::File(range)),
            None => match self.inner.next(r).await {
                Ok(piece) => piece,
                Err(fault) => {
                    let stopped = self.entity.as_mut().map_or(Ok(()), |entity| entity.complete(r, true));
                    let shared = self.shared.clone();
                    self.give_up(r, stopped.err().unwrap_or(GENERAL), &mut shared.lock());
                    return Err(fault);
                }
            },
        };
        let shared = self.shared.clone();
        let kept = match &piece {
            None => {
                self.ended = true;
                self.end(r, Ok(()), &mut shared.lock());
                return Ok(None);
            }
            Some(Piece::Bytes(bytes)) => self.store(r, &bytes.clone()),
            Some(Piece::File(range)) => {
                let mut range = range.clone();
                if range.len > CHUNK {
                    self.file = Some(FileRange {
                        file: range.file.clone(),
                        offset: range.offset + CHUNK,
                        len: range.len - CHUNK,
                    });
                    range.len = CHUNK;
                }
                let kept = if self.entity.is_some() { engine::block(|| self.store_file(r, &range)) } else { Ok(()) };
                if let Err(errno) = kept {
                    self.give_up(r, errno, &mut shared.lock());
                }
                return Ok(Some(Piece::File(range)));
            }
            Some(Piece::Flush) => Ok(()),
        };
        if let Err(errno) = kept {
            self.give_up(r, errno, &mut shared.lock());
        }
        Ok(piece)
    }

    async fn gather(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if self.ahead.0 == 0 {
            return if self.ended { Ok(None) } else { self.pull(r).await };
        }
        while !self.ended
            && self.failed.is_none()
            && self.held < self.ahead.0
            && !(self.until > 0 && log::clock::now() > self.until)
        {
            let piece = match self.pull(r).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(fault) => {
                    // What came before goes out first.
                    self.failed = Some(fault);
                    break;
                }
            };
            self.held += piece.len();
            let flush = matches!(piece, Piece::Flush);
            self.ready.push_back(piece);
            if flush {
                break;
            }
        }
        match self.ready.pop_front() {
            Some(piece) => {
                if self.ready.is_empty() {
                    self.held = 0;
                    self.until = if self.ahead.1 > 0 { log::clock::now().saturating_add(self.ahead.1) } else { 0 };
                }
                Ok(Some(piece))
            }
            None => match self.failed.take() {
                Some(fault) => Err(fault),
                None if self.ended => Ok(None),
                None => self.pull(r).await,
            },
        }
    }
}

impl Source for Saving {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.gather(r))
    }
    fn length(&self) -> Option<u64> {
        let waiting: u64 = self.ready.iter().map(Piece::len).sum();
        Some(self.inner.length()? + waiting + self.file.as_ref().map_or(0, |file| file.len))
    }
    fn measurable(&self) -> bool {
        !matches!(&self.inner, Body::Stream(source) if !source.measurable())
    }
}
