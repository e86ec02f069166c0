//! The directives of mod_cache and what they set.

use crate::config::*;
use bstr::{BStr, BString, ByteSlice, ByteVec};
use std::path::PathBuf;

const PLACES: Contexts = SERVER.and(DIRECTORY);

pub(super) const DIRECTIVES: &[Directive] = &[
    take12(
        "CacheEnable",
        PLACES,
        NO_OVERRIDE,
        enable,
        "A cache type and partial URL prefix below which caching is enabled",
    ),
    take1("CacheDisable", PLACES, NO_OVERRIDE, disable, "A partial URL prefix below which caching is disabled"),
    take1("CacheMaxExpire", PLACES, NO_OVERRIDE, max_expire, "The maximum time in seconds to cache a document"),
    take1("CacheMinExpire", PLACES, NO_OVERRIDE, min_expire, "The minimum time in seconds to cache a document"),
    take1("CacheDefaultExpire", PLACES, NO_OVERRIDE, default_expire, "The default time in seconds to cache a document"),
    flag("CacheQuickHandler", SERVER, NO_OVERRIDE, quick_handler, "Run the cache in the quick handler, default on"),
    flag(
        "CacheIgnoreNoLastMod",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.ignore_no_last_modified = Some(on)),
        "Ignore Responses where there is no Last Modified Header",
    ),
    flag(
        "CacheIgnoreCacheControl",
        SERVER,
        NO_OVERRIDE,
        |cx, on| server(cx, |server| server.ignore_cache_control = Some(on)),
        "Ignore requests from the client for uncached content",
    ),
    flag(
        "CacheStoreExpired",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.store_expired = Some(on)),
        "Ignore expiration dates when populating cache, resulting in an If-Modified-Since request to the backend on retrieval",
    ),
    flag(
        "CacheStorePrivate",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.store_private = Some(on)),
        "Ignore 'Cache-Control: private' and store private content",
    ),
    flag(
        "CacheStoreNoStore",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.store_no_store = Some(on)),
        "Ignore 'Cache-Control: no-store' and store sensitive content",
    ),
    iterate(
        "CacheIgnoreHeaders",
        SERVER,
        NO_OVERRIDE,
        |cx, word| server(cx, |server| add(&mut server.ignore_headers, word)),
        "A space separated list of headers that should not be stored by the cache",
    ),
    flag(
        "CacheIgnoreQueryString",
        SERVER,
        NO_OVERRIDE,
        |cx, on| server(cx, |server| server.ignore_query = Some(on)),
        "Ignore query-string when caching",
    ),
    iterate(
        "CacheIgnoreURLSessionIdentifiers",
        SERVER,
        NO_OVERRIDE,
        |cx, word| server(cx, |server| add(&mut server.ignore_sessions, word)),
        "A space separated list of session identifiers that should be ignored for creating the key of the cached entity.",
    ),
    take1(
        "CacheLastModifiedFactor",
        PLACES,
        NO_OVERRIDE,
        factor,
        "The factor used to estimate Expires date from LastModified date",
    ),
    flag(
        "CacheLock",
        SERVER,
        NO_OVERRIDE,
        |cx, on| server(cx, |server| server.lock = Some(on)),
        "Enable or disable the thundering herd lock.",
    ),
    take1(
        "CacheLockPath",
        SERVER,
        NO_OVERRIDE,
        lock_path,
        "The thundering herd lock path. Defaults to the '/mod_cache-lock' directory in the system temp directory.",
    ),
    take1("CacheLockMaxAge", SERVER, NO_OVERRIDE, lock_max_age, "Maximum age of any thundering herd lock."),
    flag(
        "CacheHeader",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.header = Some(on)),
        "Add a X-Cache header to responses. Default is off.",
    ),
    flag(
        "CacheDetailHeader",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.detail_header = Some(on)),
        "Add a X-Cache-Detail header to responses. Default is off.",
    ),
    take1("CacheKeyBaseURL", SERVER, NO_OVERRIDE, key_base, "Override the base URL of reverse proxied cache keys."),
    flag(
        "CacheStaleOnError",
        PLACES,
        NO_OVERRIDE,
        |cx, on| dir(cx, |dir| dir.stale_on_error = Some(on)),
        "Serve stale content on 5xx errors if present. Defaults to on.",
    ),
];

/// A URL, or the beginning of one, as CacheEnable and CacheKeyBaseURL take it.
#[derive(Clone, Default, Debug)]
pub(super) struct Url {
    pub scheme: Option<BString>,
    pub host: Option<BString>,
    /// As it is written; empty where only the colon is.
    pub port: Option<BString>,
    pub path: Option<BString>,
}

impl Url {
    /// None: it cannot be a URL.
    pub fn parse(text: &[u8]) -> Option<Url> {
        let mut url = Url::default();
        let mut rest = text;
        let scheme = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        if rest.first().is_some_and(u8::is_ascii_alphabetic) && rest.get(scheme) == Some(&b':') {
            url.scheme = rest.get(..scheme).map(BString::from);
            rest = rest.get(scheme + 1..)?;
        }
        if let Some(authority) = rest.strip_prefix(b"//") {
            let end = authority.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(authority.len());
            let (authority, path) = authority.split_at(end);
            rest = path;
            let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
            // The colons of an address in brackets are no port's.
            let after = host.find_byte(b']').unwrap_or(0);
            let colon = host.get(after..)?.find_byte(b':').map(|at| at + after);
            let (name, port) = host.split_at(colon.unwrap_or(host.len()));
            url.host = Some(name.into());
            if colon.is_some() {
                let port = port.get(1..)?;
                if !port.iter().all(u8::is_ascii_digit) || port.len() > 5 {
                    return None;
                }
                url.port = Some(port.into());
            }
        }
        let end = rest.iter().position(|byte| b"?#".contains(byte)).unwrap_or(rest.len());
        url.path = rest.get(..end).filter(|path| !path.is_empty()).map(BString::from);
        Some(url)
    }
}

/// The port that needs no mention, or 0.
pub(super) fn port_of(scheme: &[u8]) -> u16 {
    const PORTS: &[(&[u8], u16)] = &[
        (b"http", 80),
        (b"https", 443),
        (b"ftp", 21),
        (b"gopher", 70),
        (b"ldap", 389),
        (b"nntp", 119),
        (b"snews", 563),
        (b"imap", 143),
        (b"pop", 110),
        (b"sip", 5060),
        (b"rtsp", 554),
        (b"wais", 210),
        (b"z39.50r", 210),
        (b"z39.50s", 210),
        (b"prospero", 191),
        (b"nfs", 2049),
        (b"tip", 3372),
        (b"acap", 674),
        (b"telnet", 23),
        (b"ssh", 22),
    ];
    PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map_or(0, |(_, port)| *port)
}

/// Where one CacheEnable or CacheDisable holds.
#[derive(Clone, Debug)]
pub(super) struct Below {
    url: Url,
    path: BString,
}

impl Below {
    fn new(text: &[u8]) -> Option<Below> {
        let url = Url::parse(text)?;
        let path = url.path.clone().unwrap_or_else(|| "/".into());
        Some(Below { url, path })
    }
    /// Whether a request's URL is one of those.
    pub fn has(&self, url: &Url) -> bool {
        match (&self.url.scheme, &url.scheme) {
            (None, None) if url.host.is_none() => {}
            (None, _) | (Some(_), None) => return false,
            (Some(own), Some(scheme)) => {
                if !own.eq_ignore_ascii_case(scheme) || !self.has_host(url) || !self.has_port(own, url, scheme) {
                    return false;
                }
            }
        }
        match &url.path {
            None => self.path == "/",
            Some(path) => path.starts_with(&self.path),
        }
    }
    fn has_host(&self, url: &Url) -> bool {
        let Some(own) = self.url.host.as_ref().filter(|own| !own.is_empty()) else { return true };
        let host = url.host.as_ref().map_or(&b""[..], |host| host.as_slice());
        let ends = |end: &[u8]| {
            host.len()
                .checked_sub(end.len())
                .and_then(|at| host.get(at..))
                .is_some_and(|last| last.eq_ignore_ascii_case(end))
        };
        match own.split_first() {
            Some((b'.', _)) => ends(own),
            Some((b'*', end)) => ends(end),
            _ => own.eq_ignore_ascii_case(host),
        }
    }
    fn has_port(&self, own_scheme: &[u8], url: &Url, scheme: &[u8]) -> bool {
        let number = |port: &BString| port.to_str().ok().and_then(|text| text.parse::<u16>().ok()).unwrap_or(0);
        let own = match &self.url.port {
            Some(port) if port.is_empty() => return true,
            Some(port) => number(port),
            None => port_of(own_scheme),
        };
        own == url.port.as_ref().filter(|port| !port.is_empty()).map_or_else(|| port_of(scheme), number)
    }
}

/// A kind of storage, and where it is to be used.
#[derive(Clone, Debug)]
pub(super) struct Enabled {
    pub kind: BString,
    pub below: Below,
}

/// A list of names that the word `None` empties for good.
#[derive(Clone, Default, Debug)]
pub(super) struct Names {
    pub list: Vec<BString>,
    set: bool,
}

fn add(names: &mut Names, word: &BStr) {
    if word.eq_ignore_ascii_case(b"None") {
        names.list.clear();
    } else if !names.set || !names.list.is_empty() {
        names.list.push(word.into());
    }
    names.set = true;
}

impl Names {
    fn merge(base: &Names, add: &Names) -> Names {
        if add.set { add.clone() } else { base.clone() }
    }
}

/// A server's settings.
#[derive(Clone, Default)]
pub struct CacheServer {
    pub(super) enabled: Vec<Enabled>,
    pub(super) disabled: Vec<Below>,
    pub(super) quick: Option<bool>,
    pub(super) ignore_cache_control: Option<bool>,
    pub(super) ignore_headers: Names,
    pub(super) ignore_query: Option<bool>,
    pub(super) ignore_sessions: Names,
    pub(super) lock: Option<bool>,
    pub(super) lock_path: Option<PathBuf>,
    /// Seconds.
    pub(super) lock_max_age: Option<i64>,
    pub(super) key_base: Option<Url>,
}

impl CacheServer {
    pub(super) fn is_quick(&self) -> bool {
        self.quick.unwrap_or(true)
    }
    pub(super) fn ignores_cache_control(&self) -> bool {
        self.ignore_cache_control == Some(true)
    }
}

impl Settings for CacheServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CacheServer {
            enabled: [base.enabled.as_slice(), &add.enabled].concat(),
            disabled: [base.disabled.as_slice(), &add.disabled].concat(),
            quick: add.quick.or(base.quick),
            ignore_cache_control: add.ignore_cache_control.or(base.ignore_cache_control),
            ignore_headers: Names::merge(&base.ignore_headers, &add.ignore_headers),
            ignore_query: add.ignore_query.or(base.ignore_query),
            ignore_sessions: Names::merge(&base.ignore_sessions, &add.ignore_sessions),
            lock: add.lock.or(base.lock),
            lock_path: add.lock_path.clone().or_else(|| base.lock_path.clone()),
            lock_max_age: add.lock_max_age.or(base.lock_max_age),
            key_base: add.key_base.clone().or_else(|| base.key_base.clone()),
        }
    }
}

/// Per-directory settings. Times are seconds.
#[derive(Clone, Default)]
pub struct CacheDir {
    pub(super) enabled: Option<Vec<Enabled>>,
    pub(super) disabled: Option<bool>,
    pub(super) max_expire: Option<i64>,
    pub(super) min_expire: Option<i64>,
    pub(super) default_expire: Option<i64>,
    pub(super) factor: Option<f64>,
    pub(super) ignore_no_last_modified: Option<bool>,
    pub(super) store_expired: Option<bool>,
    pub(super) store_private: Option<bool>,
    pub(super) store_no_store: Option<bool>,
    pub(super) header: Option<bool>,
    pub(super) detail_header: Option<bool>,
    pub(super) stale_on_error: Option<bool>,
}

impl Settings for CacheDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CacheDir {
            enabled: add.enabled.clone().or_else(|| base.enabled.clone()),
            disabled: add.disabled.or(base.disabled),
            max_expire: add.max_expire.or(base.max_expire),
            min_expire: add.min_expire.or(base.min_expire),
            default_expire: add.default_expire.or(base.default_expire),
            factor: add.factor.or(base.factor),
            ignore_no_last_modified: add.ignore_no_last_modified.or(base.ignore_no_last_modified),
            store_expired: add.store_expired.or(base.store_expired),
            store_private: add.store_private.or(base.store_private),
            store_no_store: add.store_no_store.or(base.store_no_store),
            header: add.header.or(base.header),
            detail_header: add.detail_header.or(base.detail_header),
            stale_on_error: add.stale_on_error.or(base.stale_on_error),
        }
    }
}

fn server(cx: &mut Cx<'_>, set: impl FnOnce(&mut CacheServer)) -> Outcome {
    set(cx.server::<CacheServer>());
    Ok(())
}

fn dir(cx: &mut Cx<'_>, set: impl FnOnce(&mut CacheDir)) -> Outcome {
    set(cx.dir::<CacheDir>());
    Ok(())
}

/// Locations may choose what is cached; what is known of files comes too late for that.
fn forbid_elsewhere(cx: &Cx<'_>) -> Outcome {
    cx.forbid_in_limit()?;
    cx.forbid_within(&["<Directory", "<DirectoryMatch", "<Files", "<FilesMatch", "<If", "<ElseIf", "<Else"])
}

fn enable(cx: &mut Cx<'_>, kind: &BStr, url: Option<&BStr>) -> Outcome {
    forbid_elsewhere(cx)?;
    if kind.starts_with(b"/") {
        return Err(format!("provider ({kind}) starts with a '/'.  Are url and provider switched?").into());
    }
    let path = cx.path.clone();
    let Some(url) = url.or(path.as_ref().map(|path| path.as_bstr())) else {
        return Err(format!("CacheEnable provider ({kind}) is missing an URL.").into());
    };
    if path.as_ref().is_some_and(|path| !url.starts_with(path)) {
        return Err("When in a Location, CacheEnable must specify a path or an URL below that location.".into());
    }
    let Some(below) = Below::new(url) else { return Ok(()) };
    let enabled = Enabled { kind: kind.into(), below };
    match path {
        Some(_) => cx.dir::<CacheDir>().enabled.get_or_insert_default().push(enabled),
        None => cx.server::<CacheServer>().enabled.push(enabled),
    }
    Ok(())
}

fn disable(cx: &mut Cx<'_>, url: &BStr) -> Outcome {
    forbid_elsewhere(cx)?;
    if cx.path.is_some() {
        if !url.eq_ignore_ascii_case(b"on") {
            return Err("CacheDisable must be followed by the word 'on' when in a Location.".into());
        }
        return dir(cx, |dir| dir.disabled = Some(true));
    }
    if !url.starts_with(b"/") && !url.contains_str("://") {
        return Err("CacheDisable must specify a path or an URL.".into());
    }
    if let Some(below) = Below::new(url) {
        cx.server::<CacheServer>().disabled.push(below);
    }
    Ok(())
}

fn max_expire(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    dir(cx, |dir| dir.max_expire = Some(atoi(word)))
}

fn min_expire(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    dir(cx, |dir| dir.min_expire = Some(atoi(word)))
}

fn default_expire(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    dir(cx, |dir| dir.default_expire = Some(atoi(word)))
}

fn quick_handler(cx: &mut Cx<'_>, on: bool) -> Outcome {
    server(cx, |server| server.quick = Some(on))
}

/// The number that a word begins with.
fn factor(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let word = word.trim_ascii_start();
    let longest = (1..=word.len()).rev().find_map(|end| word.get(..end)?.to_str().ok()?.parse::<f64>().ok());
    match longest {
        Some(factor) => dir(cx, |dir| dir.factor = Some(factor)),
        None => Err("CacheLastModifiedFactor value must be a float".into()),
    }
}

fn lock_path(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    server(cx, |server| server.lock_path = Some(path))
}

fn lock_max_age(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    match atoi(word) {
        seconds @ 1.. => server(cx, |server| server.lock_max_age = Some(seconds)),
        _ => Err("CacheLockMaxAge value must be a non-zero positive integer".into()),
    }
}

fn key_base(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let Some(url) = Url::parse(word) else {
        return Err(format!("Could not parse '{word}' as an URL.").into());
    };
    if url.scheme.is_none() && url.host.is_none() && url.port.is_none() {
        return Err(format!("URL '{word}' must contain at least one of a scheme, a hostname or a port.").into());
    }
    server(cx, |server| server.key_base = Some(url))
}

/// Where locks are made unless CacheLockPath says.
pub(super) fn usual_lock_path() -> PathBuf {
    let mut path = std::env::temp_dir().into_os_string().into_encoded_bytes();
    path.push_str("/mod_cache-lock");
    BString::from(path).to_path_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_below() {
        let has = |pattern: &str, url: &str| {
            Below::new(pattern.as_bytes()).unwrap().has(&Url::parse(url.as_bytes()).unwrap())
        };
        assert!(has("/", "/a") && has("/a", "/ab") && !has("/b", "/a") && !has("/", "http://x/"));
        assert!(has("http://x", "http://X/y") && !has("http://x", "/y") && !has("http://x", "https://x/"));
        assert!(
            has("http://.x.y", "http://a.x.y/")
                && !has("http://.x.y", "http://x.y/")
                && has("http://*x.y", "http://ax.y/")
        );
        assert!(has("http://", "http://x:80/") && !has("http://", "http://x:81/") && has("http://x:", "http://x:81/"));
    }
}
