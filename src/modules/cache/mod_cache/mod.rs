//! mod_cache: stores responses and answers with what is stored (RFC 9111), in places that mod_cache_disk and mod_cache_socache
//! offer.
//!
//! Hooks: `quick_handler`, first, answers before anything is looked up, or remembers that the response is to be stored; `handler`,
//! really first, does the same where CacheQuickHandler is off; `insert_filter`, last, puts the filters in; `insert_error_filter`,
//! last, sends what is stored in the place of an error of our own; `log_transaction`, really last, gives the lock back. Filters:
//! CACHE (a mark where CACHE_SAVE and CACHE_OUT are to stand), CACHE_SAVE, CACHE_REMOVE_URL and CACHE_INVALIDATE. Manual:
//! mod/mod_cache.html, caching.html.

mod control;
mod lock;
mod out;
mod save;
mod select;
mod settings;

use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{
    Answer, CacheEntity, FIRST, Hooks, LAST, Linked, Module, Phase, REALLY_FIRST, REALLY_LAST, declined,
};
use crate::request::{Body, Filter, FilterContext, FilterInstance, FilterKind, MethodNumber, Request, Status, Table};
use crate::server::{self, conditional};
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use select::Storage;
use settings::{CacheDir, CacheServer};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_cache.c",
    ident: "cache_module",
    linked: Linked::Loadable,
    directives: &[settings::DIRECTIVES],
    server: Config::of::<CacheServer>(),
    dir: Config::of::<CacheDir>(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.later(Phase::quick_handler, FIRST, quick_handler);
    on.later(Phase::handler, REALLY_FIRST, handler);
    on.insert_filter(LAST, insert_filters);
    on.insert_error_filter(LAST, insert_error_filters);
    on.log_transaction(REALLY_LAST, release);
    on.output_filter(&CACHE);
    on.output_filter(&SAVE);
    on.output_filter(&OUT);
    on.output_filter(&REMOVE_URL);
    on.output_filter(&INVALIDATE);
}

/// Behind those that make content smaller.
const KIND: FilterKind = FilterKind(FilterKind::ContentSet.0 + 1);

static CACHE: Filter = Filter { name: "CACHE", kind: FilterKind::Resource, wrap: mark };
static SAVE: Filter = Filter { name: "CACHE_SAVE", kind: KIND, wrap: save };
/// CACHE_SAVE in the place of a mark.
static SAVE_HERE: Filter = Filter { name: "CACHE_SAVE", kind: FilterKind::Resource, wrap: save };
static OUT: Filter = Filter { name: "CACHE_OUT", kind: KIND, wrap: out_of_place };
static OUT_OF_ERROR: Filter = Filter { name: "CACHE_OUT", kind: KIND, wrap: instead_of_error };
/// Errors of our own go through it too.
static REMOVE_URL: Filter = Filter { name: "CACHE_REMOVE_URL", kind: FilterKind::Protocol, wrap: remove_url_filter };
static INVALIDATE: Filter = Filter { name: "CACHE_INVALIDATE", kind: FilterKind::Protocol, wrap: invalidate };

/// What mod_cache knows of a request.
#[derive(Default)]
struct State {
    storages: Vec<Storage>,
    key: Option<BString>,
    /// The path that the key is made of where the quick handler sees it, not decoded yet.
    path: Option<BString>,
    /// What the client says of caches.
    asked: Option<crate::module::CacheControl>,
    /// A stored response that is to be revalidated, and the fields that the client sent.
    stale: Option<Box<dyn CacheEntity>>,
    stale_headers: Option<Table>,
    /// What is stored is taken away, unless the response is stored or confirms it.
    removes: bool,
    lock: Option<lock::Lock>,
}

impl State {
    /// The key; nothing before there is one.
    fn key_octets(&self) -> &[u8] {
        self.key.as_ref().map_or(&[], |key| key.as_slice())
    }
}

/// The request's state, and whether its filters are in.
struct Current {
    state: Arc<Mutex<State>>,
    inserted: bool,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Hit,
    Revalidate,
    Miss,
    Invalidate,
}

/// Tells of an outcome: the environment, and the fields that were asked for.
fn note(r: &mut Request, outcome: Outcome, reason: &str) {
    let (variable, word) = match outcome {
        Outcome::Hit => ("cache-hit", "HIT"),
        Outcome::Revalidate => ("cache-revalidate", "REVALIDATE"),
        Outcome::Miss => ("cache-miss", "MISS"),
        Outcome::Invalidate => ("cache-invalidate", ""),
    };
    r.env.set(variable, reason);
    r.env.set("cache-status", reason);
    if outcome == Outcome::Invalidate {
        return;
    }
    let (header, detail) = (r.dir::<CacheDir>().header, r.dir::<CacheDir>().detail_header);
    let name = r.server.name.clone().unwrap_or_default();
    if header == Some(true) {
        r.headers_out.set("X-Cache", [word.as_bytes(), b" from ", &name].concat());
    }
    if detail == Some(true) {
        r.headers_out.set("X-Cache-Detail", [b"\"", reason.as_bytes(), b"\" from ", &name].concat());
    }
}

/// Which messages tell of the quick handler's work, and which of the other's.
struct Words {
    invalidate: &'static str,
    method: &'static str,
    save: &'static str,
    save_sub: &'static str,
    remove: &'static str,
    locked: &'static str,
}

const QUICK: Words = Words {
    invalidate: "AH02461",
    method: "AH02462",
    save_sub: "AH00749",
    save: "AH00750",
    remove: "AH00751",
    locked: "AH00752",
};
const NORMAL: Words = Words {
    invalidate: "AH02463",
    method: "AH02464",
    save_sub: "AH00756",
    save: "AH00757",
    remove: "AH00759",
    locked: "AH00760",
};

fn instance(filter: &'static Filter, state: &Arc<Mutex<State>>) -> FilterInstance {
    FilterInstance { filter, context: Some(state.clone()) }
}

/// The state of a request whose method has to do with caches; what changes the resource gets its filter.
fn begin(r: &mut Request, words: &Words) -> Option<State> {
    let storages = select::storages(r);
    if storages.is_empty() {
        return None;
    }
    let path = r.server::<CacheServer>().is_quick().then(|| {
        // Several slashes in front are one.
        let extra = r.uri.iter().take_while(|byte| **byte == b'/').count().saturating_sub(1);
        r.uri.get(extra..).unwrap_or_default().into()
    });
    let mut state = State { storages, path, ..State::default() };
    // Who wants nothing stored, or shows credentials that nobody has looked at, gets what is behind us.
    let unknown = r.server::<CacheServer>().is_quick() && r.headers_in.contains("Authorization");
    if unknown || !select::may_store(&mut state, r) {
        return None;
    }
    if r.method.is(MethodNumber::GET) {
        return Some(state);
    }
    let changes =
        [MethodNumber::PUT, MethodNumber::POST, MethodNumber::DELETE].iter().any(|method| r.method.is(*method));
    if changes {
        let text =
            format_args!("{}: PUT/POST/DELETE: Adding CACHE_INVALIDATE filter for {}", words.invalidate, raw(&r.uri));
        r.log(Level::Debug, "cache", text);
        r.extensions.put(Changing(Arc::new(Mutex::new(state))));
    } else {
        let text = format_args!(
            "{}: cache: Method '{}' not cacheable by mod_cache, ignoring: {}",
            words.method,
            r.method.name,
            raw(&r.uri)
        );
        r.log(Level::Debug, "cache", text);
    }
    None
}

/// A request that changes its resource.
struct Changing(Arc<Mutex<State>>);

/// Has the response stored, unless another request's is on its way. False: that is so.
fn prepare_saving(r: &mut Request, state: &mut State, words: &Words, replaced: bool) -> bool {
    if r.server::<CacheServer>().lock == Some(true) && state.lock.is_none() {
        select::key_of(state, r);
        match lock::attempt(r, state.key_octets()) {
            Ok(lock) => state.lock = lock,
            Err(error) => {
                let text =
                    format_args!("{}: Cache locked for url, not caching response: {}", words.locked, raw(&r.uri));
                r.log_errno(Level::Debug, "cache", &error, text);
                return false;
            }
        }
    }
    let (number, name) = if r.is_sub() { (words.save_sub, "CACHE_SAVE_SUBREQ") } else { (words.save, "CACHE_SAVE") };
    r.log(Level::Debug, "cache", format_args!("{number}: Adding {name} filter for {}", raw(&r.uri)));
    if replaced {
        r.log(
            Level::Debug,
            "cache",
            format_args!("AH00758: Replacing CACHE with CACHE_SAVE filter for {}", raw(&r.uri)),
        );
    }
    r.log(Level::Debug, "cache", format_args!("{}: Adding CACHE_REMOVE_URL filter for {}", words.remove, raw(&r.uri)));
    state.removes = true;
    true
}

fn quick_handler(r: &mut Request) -> BoxFuture<'_, Answer> {
    let server = r.server::<CacheServer>();
    if !server.is_quick() || server.enabled.is_empty() && r.dir::<CacheDir>().enabled.is_none() {
        return declined();
    }
    Box::pin(quick(r))
}

async fn quick(r: &mut Request) -> Answer {
    let Some(mut state) = begin(r, &QUICK) else { return Answer::Declined };
    match select::select(&mut state, r) {
        Err(status) => Answer::Status(status),
        Ok(None) => {
            if prepare_saving(r, &mut state, &QUICK, false) {
                r.extensions.put(Current { state: Arc::new(Mutex::new(state)), inserted: false });
            }
            Answer::Declined
        }
        Ok(Some((entity, fields))) => {
            if let Some(answer) = hit(r, fields) {
                return answer;
            }
            server::insert_filters(r).await;
            // The tag is that of what is stored.
            r.notes.unset(conditional::NO_ETAG);
            // What is stored has been through all that stands before CACHE_SAVE.
            r.output_filters.retain(|instance| instance.filter.kind > KIND);
            r.body_out = out::serve(r, entity.as_ref());
            Answer::Ok
        }
    }
}

fn handler(r: &mut Request) -> BoxFuture<'_, Answer> {
    let server = r.server::<CacheServer>();
    if server.is_quick() || server.enabled.is_empty() && r.dir::<CacheDir>().enabled.is_none() {
        return declined();
    }
    Box::pin(std::future::ready(normal(r)))
}

fn normal(r: &mut Request) -> Answer {
    let Some(mut state) = begin(r, &NORMAL) else {
        if let Some(changing) = r.extensions.of::<Changing>() {
            let filter = instance(&INVALIDATE, &changing.0);
            r.output_filters.push(filter);
        }
        return Answer::Declined;
    };
    // Of several marks the last is the one.
    r.output_filters.sort_by_key(|instance| instance.filter.kind);
    let marked = r.output_filters.iter().rposition(|instance| std::ptr::eq(instance.filter, &raw const CACHE));
    match select::select(&mut state, r) {
        Err(status) => Answer::Status(status),
        Ok(None) => {
            if !prepare_saving(r, &mut state, &NORMAL, marked.is_some()) {
                return Answer::Declined;
            }
            let state = Arc::new(Mutex::new(state));
            match marked.and_then(|at| r.output_filters.get_mut(at)) {
                Some(place) => *place = instance(&SAVE_HERE, &state),
                None => r.output_filters.push(instance(&SAVE, &state)),
            }
            r.output_filters.push(instance(&REMOVE_URL, &state));
            r.extensions.put(Current { state, inserted: true });
            Answer::Declined
        }
        Ok(Some((entity, fields))) => {
            if let Some(answer) = hit(r, fields) {
                return answer;
            }
            match marked {
                Some(at) => {
                    let text = format_args!("AH00761: Replacing CACHE with CACHE_OUT filter for {}", raw(&r.uri));
                    r.log(Level::Debug, "cache", text);
                    r.output_filters.drain(..=at);
                }
                None => r.output_filters.retain(|instance| instance.filter.kind > KIND),
            }
            r.body_out = out::serve(r, entity.as_ref());
            Answer::Ok
        }
    }
}

/// Takes the fields of a stored response over. Some: the client's conditions ask for something else than its content.
fn hit(r: &mut Request, fields: Table) -> Option<Answer> {
    r.headers_out = out::overlap(&r.headers_out, &fields);
    out::accept(r);
    note(r, Outcome::Hit, "cache hit");
    match conditional::meets_conditions(r)? {
        Status::NOT_MODIFIED => {
            r.status = Status::NOT_MODIFIED;
            r.output_filters.clear();
            server::insert_error_filters(r);
            Some(Answer::Ok)
        }
        status => Some(Answer::Status(status)),
    }
}

/// Puts in what the quick handler decided, for this request or one that led here.
fn insert_filters(r: &mut Request) -> Answer {
    let mut filters = Vec::new();
    if let Some(current) = r.extensions.of_mut::<Current>()
        && !current.inserted
    {
        current.inserted = true;
        filters.push(instance(&SAVE, &current.state));
        filters.push(instance(&REMOVE_URL, &current.state));
    }
    if let Some(changing) = r.extensions.of::<Changing>() {
        filters.push(instance(&INVALIDATE, &changing.0));
    }
    let mut earlier = r.prev.as_deref();
    while let Some(request) = earlier {
        if let Some(current) = request.extensions.of::<Current>() {
            filters.push(instance(&REMOVE_URL, &current.state));
        }
        if let Some(changing) = request.extensions.of::<Changing>() {
            filters.push(instance(&INVALIDATE, &changing.0));
        }
        earlier = request.prev.as_deref();
    }
    r.output_filters.append(&mut filters);
    Answer::Ok
}

/// An error of our own: what is stored goes out instead, or goes away.
fn insert_error_filters(r: &mut Request) -> Answer {
    let own = r.extensions.of::<Current>().map(|current| current.state.clone());
    let stale_on_error = r.dir::<CacheDir>().stale_on_error != Some(false);
    if let Some(shared) = &own {
        let mut state = shared.lock();
        if r.status.0 >= 500 && stale_on_error {
            state.removes = false;
            if state.stale.as_ref().is_some_and(|stale| !save::strict(stale.info())) {
                drop(state);
                r.output_filters.push(instance(&OUT_OF_ERROR, shared));
                return Answer::Ok;
            }
        }
        drop(state);
        r.output_filters.push(instance(&REMOVE_URL, shared));
    }
    if let Some(changing) = r.extensions.of::<Changing>() {
        let filter = instance(&INVALIDATE, &changing.0);
        r.output_filters.push(filter);
    }
    Answer::Ok
}

/// Whoever waits for this request's response need wait no longer.
fn release(r: &mut Request) -> Answer {
    let mut each = Some(r);
    while let Some(request) = each {
        if let Some(current) = request.extensions.of::<Current>() {
            current.state.lock().lock = None;
        }
        each = request.prev.as_deref_mut();
    }
    Answer::Ok
}

fn shared(context: &FilterContext) -> Option<Arc<Mutex<State>>> {
    context.clone()?.downcast::<Mutex<State>>().ok()
}

fn save(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    match shared(context) {
        Some(state) => save::save(r, body, &state),
        None => {
            let text = format_args!("AH00767: CACHE/CACHE_SAVE filter enabled while caching is disabled, ignoring");
            r.log(Level::Error, "cache", text);
            Ok(body)
        }
    }
}

/// CACHE_OUT where nothing is to be sent: somebody named it in the configuration.
fn out_of_place(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let text = format_args!("AH00762: CACHE/CACHE_OUT filter enabled while caching is disabled, ignoring");
    r.log(Level::Error, "cache", text);
    Ok(body)
}

/// The mark where it has no meaning.
fn mark(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if r.server::<CacheServer>().is_quick() {
        let text = format_args!(
            "AH00776: cache: CACHE filter was added in quick handler mode and will be ignored: {}",
            raw(&r.unparsed_uri)
        );
        r.log(Level::Warn, "cache", text);
    } else {
        let text = format_args!(
            "AH00777: cache: CACHE filter was added twice, or was added where the cache has been bypassed and will be ignored: {}",
            raw(&r.unparsed_uri)
        );
        r.log(Level::Debug, "cache", text);
    }
    Ok(body)
}

/// Sends what is stored in the place of an error page.
fn instead_of_error(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    let Some(shared) = shared(context) else { return Ok(body) };
    let mut state = shared.lock();
    let Some(stale) = state.stale.take() else { return Ok(body) };
    let mut fields = stale.response().clone();
    select::warn(&mut fields, "111", "111 Revalidation failed");
    let status = r.status.0;
    let page = std::mem::replace(&mut r.headers_out, fields);
    note(r, Outcome::Hit, &format!("cache hit: {status} status; stale content returned"));
    let fields = std::mem::replace(&mut r.headers_out, page);
    r.err_headers_out.extend(&fields);
    state.lock = None;
    Ok(out::serve(r, stale.as_ref()))
}

/// Takes away what is stored and proved to be no good.
fn remove_url(state: &State, r: &Request) {
    let Some(stale) = &state.stale else { return };
    let text = format_args!("AH00691: cache: Removing url {} from the cache", raw(state.key_octets()));
    r.log(Level::Debug, "cache", text);
    stale.remove(r);
}

fn remove_url_filter(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    let Some(shared) = shared(context) else {
        r.log(Level::Debug, "cache", format_args!("AH00775: cache: CACHE_REMOVE_URL enabled unexpectedly"));
        return Ok(body);
    };
    let mut state = shared.lock();
    if std::mem::take(&mut state.removes) {
        remove_url(&state, r);
    }
    Ok(body)
}

/// What Apache's log shows where nothing is stored.
const DECLINED: i32 = -1;

/// Something changed the resource: what is stored is no longer to be trusted.
fn invalidate(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    let Some(shared) = shared(context) else {
        let text = format_args!("AH02465: cache: CACHE_INVALIDATE enabled unexpectedly: {}", raw(&r.uri));
        r.log(Level::Debug, "cache", text);
        return Ok(body);
    };
    let mut state = shared.lock();
    if r.status.0 >= 300 {
        let text = format_args!(
            "AH02466: cache: response status to '{}' method is {} (>=HTTP_MULTIPLE_CHOICES), not invalidating cached entity: {}",
            r.method.name,
            r.status.0,
            raw(&r.uri)
        );
        r.log(Level::Debug, "cache", text);
        return Ok(body);
    }
    let text = format_args!(
        "AH02467: cache: Invalidating all cached entities in response to '{}' request for {}",
        r.method.name,
        raw(&r.uri)
    );
    r.log(Level::Debug, "cache", text);
    let key = select::key_of(&mut state, r).clone();
    let mut keys = vec![(key, "AH02468")];
    for (field, number) in [("Location", "AH02469"), ("Content-Location", "AH02470")] {
        if let Some(other) = r.headers_out.get(field).and_then(|url| select::key_elsewhere(r, url)) {
            keys.push((other, number));
        }
    }
    for storage in &state.storages {
        for (key, number) in &keys {
            let found = out::invalidate(r, *storage, key.as_bstr());
            let text = format_args!("{number}: cache: Attempted to invalidate cached entity with key: {}", raw(key));
            r.log_errno(Level::Debug, "cache", if found { 0 } else { DECLINED }, text);
        }
    }
    let reason = format!("cache invalidated by {}", r.method.name);
    note(r, Outcome::Invalidate, &reason);
    Ok(body)
}
