//! Whether a stored response answers a request: keys, storages, Vary, freshness (RFC 9111 sections 4.1 to 4.3).

use super::control::{self, joined};
use super::settings::{CacheDir, CacheServer, Url, port_of};
use super::{State, lock};
use crate::log::{self, Level, raw};
use crate::module::cache::flags::*;
use crate::module::{CacheControl, CacheEntity, CacheStorage};
use crate::request::{Request, Status, Table};
use crate::server::{self, conditional, date};
use bstr::{BStr, BString, ByteSlice};

/// A stored response, and its fields as they are sent.
pub(super) type Found = (Box<dyn CacheEntity>, Table);

/// A storage with the name that CacheEnable gives it.
pub(super) type Storage = &'static dyn CacheStorage;

/// The request's URL as CacheEnable looks at it.
fn url(r: &Request) -> Url {
    let absolute = Url::parse(&r.unparsed_uri).filter(|url| url.scheme.is_some() && url.host.is_some());
    Url { path: Some(r.uri.clone()), ..absolute.unwrap_or_default() }
}

/// The storages that a request's response may be in, in order.
pub(super) fn storages(r: &Request) -> Vec<Storage> {
    let (server, dir) = (r.server::<CacheServer>(), r.dir::<CacheDir>());
    let local = dir.enabled.as_deref().unwrap_or_default();
    if dir.disabled == Some(true) || local.is_empty() && server.enabled.is_empty() {
        return Vec::new();
    }
    let url = url(r);
    if server.disabled.iter().any(|below| below.has(&url)) {
        return Vec::new();
    }
    let global = server.enabled.iter().filter(|enabled| enabled.below.has(&url));
    let kinds = local.iter().chain(global).map(|enabled| &enabled.kind);
    kinds.filter_map(|kind| r.configuration.providers.find::<dyn CacheStorage>(kind)).collect()
}

/// The query that belongs to the key: with the quick handler the client's own, whatever became of it since.
pub(super) fn query(r: &Request) -> Option<&BStr> {
    if !r.server::<CacheServer>().is_quick() && !r.forward_proxy {
        return r.args.as_ref().map(|args| args.as_bstr());
    }
    let target = r.unparsed_uri.split(|byte| *byte == b'#').next().unwrap_or_default();
    target.find_byte(b'?').and_then(|at| target.get(at + 1..)).map(BStr::new)
}

/// The key of a URL on the host that the request is for.
fn key(r: &Request, path: &BStr, query: Option<&BStr>) -> BString {
    let server = r.server::<CacheServer>();
    let parsed = Some(url(r)).filter(|url| r.forward_proxy && url.scheme.is_some()).unwrap_or_default();
    let base = server.key_base.clone().unwrap_or_default();
    let mut out = BString::default();
    match parsed.scheme.as_ref().map(|scheme| scheme.to_ascii_lowercase()) {
        Some(scheme) => out.extend_from_slice(&scheme),
        None => match &base.scheme {
            Some(scheme) => out.extend_from_slice(scheme),
            None => out.extend_from_slice(server::scheme(r).as_bytes()),
        },
    }
    let scheme = out.clone();
    out.extend_from_slice(b"://");
    let mut number = itoa::Buffer::new();
    if r.forward_proxy {
        out.extend_from_slice(
            &parsed.host.as_ref().map_or_else(|| b"_default_".to_vec(), |host| host.to_ascii_lowercase()),
        );
        out.push(b':');
        match (parsed.port.as_ref().filter(|port| !port.is_empty()), port_of(&scheme)) {
            (Some(port), _) => out.extend_from_slice(port),
            (None, 0) => out.extend_from_slice(number.format(server::server_port(r)).as_bytes()),
            (None, port) => out.extend_from_slice(number.format(port).as_bytes()),
        }
    } else {
        match &base.host {
            Some(host) => out.extend_from_slice(host),
            None => out.extend_from_slice(&server::server_name(r)),
        }
        match (&base.port, &base.host) {
            (Some(port), _) => {
                out.push(b':');
                out.extend_from_slice(port);
            }
            (None, Some(_)) => {}
            (None, None) => {
                out.push(b':');
                out.extend_from_slice(number.format(server::server_port(r)).as_bytes());
            }
        }
    }
    let shown = query.map_or_else(|| "(null)".into(), BString::from);
    let (cut, query) = without_sessions(path, query, &server.ignore_sessions.list);
    out.extend_from_slice(&cut);
    out.push(b'?');
    if server.ignore_query != Some(true) {
        out.extend_from_slice(&query);
    }
    let text = format_args!("AH00698: cache: Key for entity {}?{} is {}", raw(path), raw(&shown), raw(&out));
    r.log(Level::Debug, "cache", text);
    out
}

/// The key of another URL that a response names. Its host must be the one that the request itself named in full.
pub(super) fn key_elsewhere(r: &Request, other: &BStr) -> Option<BString> {
    let place = Url::parse(other)?;
    let path = place.path.unwrap_or_else(|| "/".into());
    let found = key(r, path.as_bstr(), other.find_byte(b'?').and_then(|at| other.get(at + 1..)).map(BStr::new));
    let same = matches!((&place.host, url(r).host), (Some(host), Some(own)) if *host == own);
    same.then_some(found)
}

/// Path and query without parameters that carry a session.
fn without_sessions(path: &BStr, query: Option<&BStr>, names: &[BString]) -> (BString, BString) {
    let (mut path, mut query) = (path.to_owned(), query.map(BString::from).unwrap_or_default());
    for name in names {
        let start = [b";", name.as_slice(), b"="].concat();
        let last = path.iter().rposition(|byte| *byte == b';');
        let parameter =
            last.and_then(|at| path.get(at..)).filter(|rest| rest.starts_with(&start) && !rest.contains(&b'/'));
        if parameter.is_some() {
            path.truncate(last.unwrap_or(0));
            continue;
        }
        let start = [name.as_slice(), b"="].concat();
        let at = match query.starts_with(&start) {
            true => Some(0),
            false => query.find([b"&", start.as_slice()].concat()).map(|at| at + 1),
        };
        let Some(at) = at else { continue };
        let after = query
            .get(at..)
            .and_then(|rest| rest.find_byte(b'&'))
            .map(|end| query.get(at + end + 1..).map(<[u8]>::to_vec));
        query.truncate(at);
        match after.flatten() {
            Some(after) => query.extend_from_slice(&after),
            None => query.truncate(at.saturating_sub(1)),
        }
    }
    (path, query)
}

/// The key, made when it is first asked for.
pub(super) fn key_of<'a>(state: &'a mut State, r: &Request) -> &'a BString {
    let path = state.path.as_ref().unwrap_or(&r.uri);
    state.key.get_or_insert_with(|| key(r, path.as_bstr(), query(r)))
}

/// What the client says of caches.
pub(super) fn asked(state: &mut State, r: &Request) -> CacheControl {
    *state.asked.get_or_insert_with(|| {
        let (list, pragma) = (joined(&r.headers_in, "Cache-Control"), joined(&r.headers_in, "Pragma"));
        control::parse(
            list.as_ref().map(|list| list.as_bstr()),
            pragma.as_ref().map(|list| list.as_bstr()),
            &r.headers_in,
        )
    })
}

/// Whether the client lets a stored response be used.
fn may_use(state: &mut State, r: &Request) -> bool {
    if asked(state, r).has(NO_CACHE) {
        if !r.server::<CacheServer>().ignores_cache_control() {
            return false;
        }
        let text = format_args!(
            "AH02657: Incoming request is asking for an uncached version of {}, but we have been configured to ignore it and serve cached content anyway",
            raw(&r.unparsed_uri)
        );
        r.log(Level::Info, "cache", text);
    }
    true
}

/// Whether the client lets its response be stored.
pub(super) fn may_store(state: &mut State, r: &Request) -> bool {
    if asked(state, r).has(NO_STORE) {
        if !r.server::<CacheServer>().ignores_cache_control() {
            return false;
        }
        let text = format_args!(
            "AH02658: Incoming request is asking for a no-store version of {}, but we have been configured to ignore it and serve cached content anyway",
            raw(&r.unparsed_uri)
        );
        r.log(Level::Info, "cache", text);
    }
    true
}

/// Looks for a stored response. `Ok(Some)`: it may be sent, with these fields. `Ok(None)`: the request goes on, perhaps with conditions
/// of ours.
pub(super) fn select(state: &mut State, r: &mut Request) -> Result<Option<Found>, Status> {
    if !may_use(state, r) {
        return Ok(None);
    }
    key_of(state, r);
    let key = state.key.clone().unwrap_or_default();
    for storage in state.storages.clone() {
        let Some(entity) = storage.open(r, key.as_bstr()) else { continue };
        if !fits(r, entity.as_ref()) {
            continue;
        }
        let differs = conditional::differs(r, entity.response());
        let mut fields = entity.response().clone();
        if differs || !is_fresh(state, r, entity.as_ref(), &mut fields) {
            if asked(state, r).has(ONLY_IF_CACHED) {
                continue;
            }
            state.stale_headers = Some(r.headers_in.clone());
            if !differs {
                ask_conditionally(r, entity.response());
            }
            state.stale = Some(entity);
            return Ok(None);
        }
        return Ok(Some((entity, fields)));
    }
    if asked(state, r).has(ONLY_IF_CACHED) {
        let text = format_args!(
            "AH00696: cache: 'only-if-cached' requested and no cached entity, returning 504 Gateway Timeout for: {}",
            raw(&r.uri)
        );
        r.log(Level::Debug, "cache", text);
        return Err(Status::GATEWAY_TIME_OUT);
    }
    Ok(None)
}

/// Whether the fields that the response varies by are the same.
fn fits(r: &Request, entity: &dyn CacheEntity) -> bool {
    let Some(vary) = joined(entity.response(), "Vary") else { return true };
    for name in control::tokens(&vary) {
        if name == b"*" {
            let text = format_args!("AH10620: cache_select(): Vary header contains '*', cannot match stored response.");
            r.log(Level::Debug, "cache", text);
            return false;
        }
        let value = |table: &Table| name.to_str().ok().and_then(|name| joined(table, name));
        if value(&r.headers_in) != value(entity.request()) {
            r.log(Level::Debug, "cache", format_args!("AH00694: cache_select(): Vary header mismatch."));
            return false;
        }
    }
    true
}

const CONDITIONS: &[&str] = &["If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since"];

/// Takes the client's conditions away.
pub(super) fn drop_conditions(r: &mut Request) {
    for name in CONDITIONS {
        r.headers_in.unset(name);
    }
}

/// Asks whether the stored response is still the one.
fn ask_conditionally(r: &mut Request, stored: &Table) {
    let text =
        format_args!("AH00695: Cached response for {} isn't fresh. Adding conditional request headers.", raw(&r.uri));
    r.log(Level::Debug, "cache", text);
    drop_conditions(r);
    r.headers_in.unset("Range");
    if let Some(tag) = stored.get("ETag") {
        r.headers_in.set("If-None-Match", tag);
    }
    if let Some(modified) = stored.get("Last-Modified") {
        r.headers_in.set("If-Modified-Since", modified);
    }
}

/// Adds a Warning, unless one of that number is there.
pub(super) fn warn(fields: &mut Table, number: &str, text: &str) {
    if !fields.get("Warning").is_some_and(|warning| warning.contains_str(number)) {
        fields.merge("Warning", text);
    }
}

/// Whether a stored response may be used as it is; puts its age into `fields`.
fn is_fresh(state: &mut State, r: &Request, entity: &dyn CacheEntity, fields: &mut Table) -> bool {
    let ignores = r.server::<CacheServer>().ignores_cache_control();
    let asked = asked(state, r);
    if asked.has(NO_CACHE) {
        if !ignores {
            return false;
        }
        let text = format_args!(
            "AH00781: Incoming request is asking for a uncached version of {}, but we have been configured to ignore it and serve a cached response anyway",
            raw(&r.unparsed_uri)
        );
        r.log(Level::Info, "cache", text);
    }
    let info = entity.info();
    if info.control.has(NO_CACHE | INVALIDATED) {
        return false;
    }
    let age = age(entity);
    let response = if info.control.has(S_MAXAGE) { info.control.s_maxage } else { info.control.max_age };
    let request = asked.max_age.filter(|_| !ignores);
    let max_age = match (request, response) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let strict = info.control.has(MUST_REVALIDATE | PROXY_REVALIDATE | S_MAXAGE);
    let max_stale = match asked.has(MAX_STALE) && !strict {
        true => asked.max_stale.unwrap_or(86_400 * 365),
        false => 0,
    };
    let min_fresh = asked.min_fresh.filter(|_| !ignores).unwrap_or(0);
    let lifetime = date::seconds(info.expire.saturating_sub(info.date));
    let slack = max_stale.saturating_sub(min_fresh);
    let most = max_age.unwrap_or(lifetime).saturating_add(slack);
    if age < most {
        fields.set("Age", itoa::Buffer::new().format(age));
        if !(max_age.is_some_and(|max_age| age < max_age) || lifetime > age) {
            warn(fields, "110", "110 Response is stale");
        }
        if response.is_none() && !fields.contains("Expires") && age > 86_400 {
            warn(fields, "113", "113 Heuristic expiration");
        }
        return true;
    }
    key_of(state, r);
    if state.lock.is_some() {
        return false;
    }
    match lock::attempt(r, state.key_octets()) {
        Ok(lock) => {
            state.lock = lock;
            let text = format_args!(
                "AH00782: Cache lock obtained for stale cached URL, revalidating entry: {}",
                raw(&r.unparsed_uri)
            );
            r.log(Level::Debug, "cache", text);
            false
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = format_args!(
                "AH00783: Cache already locked for stale cached URL, pretend it is fresh: {}",
                raw(&r.unparsed_uri)
            );
            r.log(Level::Debug, "cache", text);
            warn(fields, "110", "110 Response is stale");
            true
        }
        Err(error) => {
            let text = format_args!(
                "AH00784: Attempt to obtain a cache lock for stale cached URL failed, revalidating entry anyway: {}",
                raw(&r.unparsed_uri)
            );
            r.log_errno(Level::Debug, "cache", &error, text);
            false
        }
    }
}

/// Seconds since the response was made (RFC 9111 section 4.2.3).
fn age(entity: &dyn CacheEntity) -> i64 {
    let info = entity.info();
    let said = entity.response().get("Age").and_then(|age| age.to_str().ok()?.parse::<i64>().ok()).unwrap_or(0);
    let apparent = info.response_time.saturating_sub(info.date).max(0);
    let received = apparent.max(said.saturating_mul(1_000_000));
    let delay = info.response_time.saturating_sub(info.request_time);
    let resident = log::clock::now().saturating_sub(info.response_time);
    date::seconds(received.saturating_add(delay).saturating_add(resident)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_no_part_of_the_key() {
        let cut = |path: &str, query: &str| {
            let names = ["jsessionid".into(), "S".into()];
            let (path, query) = without_sessions(path.into(), Some(query.into()), &names);
            format!("{path}?{query}")
        };
        assert_eq!(cut("/a;jsessionid=1", ""), "/a?");
        assert_eq!(cut("/a;jsessionid=1/b", "S=1&x=2"), "/a;jsessionid=1/b?x=2");
        assert_eq!(cut("/a", "x=2&S=1"), "/a?x=2");
        assert_eq!(cut("/a", "x=2&S=1&y=3"), "/a?x=2&y=3");
        assert_eq!(cut("/a", "S=1"), "/a?");
    }
}
