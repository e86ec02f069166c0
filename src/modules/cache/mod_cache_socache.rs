//! mod_cache_socache: keeps responses in a shared object cache, offered to mod_cache as `socache`.
//!
//! Hooks: `post_config`, middle, makes the caches ready. An entry holds the head, the fields and the content of a response in the
//! layout of a disk cache's header file, or the names of the fields that responses vary by. It outlives its freshness by
//! CacheSocacheMinTime, so that it can be revalidated. Manual: mod/mod_cache_socache.html.

use crate::config::*;
use crate::log::{self, Level};
use crate::module::cache::{GENERAL, flags};
use crate::module::{CacheEntity, CacheInfo, CacheStorage, Linked, MIDDLE, Module, SharedCache, choose_cache};
use crate::request::{Body, Request, Status, Table};
use crate::server::date;
use crate::server::disk_cache::{self, Head};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_cache_socache.c",
    ident: "cache_socache_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<SocacheServer>(),
    dir: Config::of::<SocacheDir>(),
    hooks: |on| {
        on.post_config(MIDDLE, make);
        on.providers.offer::<dyn CacheStorage>("socache", &Socache);
    },
};

const PLACES: Contexts = SERVER.and(DIRECTORY);

const DIRECTIVES: &[Directive] = &[
    take1("CacheSocache", SERVER, NO_OVERRIDE, socache, "The shared object cache to store cache files"),
    take1(
        "CacheSocacheMaxTime",
        PLACES,
        NO_OVERRIDE,
        max_time,
        "The maximum cache expiry age to cache a document in seconds",
    ),
    take1(
        "CacheSocacheMinTime",
        PLACES,
        NO_OVERRIDE,
        min_time,
        "The minimum cache expiry age to cache a document in seconds",
    ),
    take1(
        "CacheSocacheMaxSize",
        PLACES,
        NO_OVERRIDE,
        max_size,
        "The maximum cache entry size (headers and body) to cache a document",
    ),
    take1(
        "CacheSocacheReadSize",
        PLACES,
        NO_OVERRIDE,
        read_size,
        "The maximum quantity of data to attempt to read and cache in one go",
    ),
    take1(
        "CacheSocacheReadTime",
        PLACES,
        NO_OVERRIDE,
        read_time,
        "The maximum time taken to attempt to read and cache in go",
    ),
];

/// A server's settings.
#[derive(Clone, Default)]
pub struct SocacheServer {
    cache: Option<Arc<dyn SharedCache>>,
    /// Why there is none; told when the server starts.
    trouble: Option<String>,
}

impl Settings for SocacheServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        match add.cache.is_some() || add.trouble.is_some() {
            true => add.clone(),
            false => base.clone(),
        }
    }
}

/// Per-directory settings. Times are seconds.
#[derive(Clone, Default)]
pub struct SocacheDir {
    max_time: Option<i64>,
    min_time: Option<i64>,
    max_size: Option<u64>,
    read_size: Option<u64>,
    /// Milliseconds.
    read_time: Option<i64>,
}

impl SocacheDir {
    fn max_size(&self) -> u64 {
        self.max_size.unwrap_or(102_400)
    }
}

impl Settings for SocacheDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        SocacheDir {
            max_time: add.max_time.or(base.max_time),
            min_time: add.min_time.or(base.min_time),
            max_size: add.max_size.or(base.max_size),
            read_size: add.read_size.or(base.read_size),
            read_time: add.read_time.or(base.read_time),
        }
    }
}

fn socache(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    // The kind alone is named in the complaint about it.
    let kind = word.split(|byte| *byte == b':').next().unwrap_or_default().as_bstr();
    if cx.provider::<dyn crate::module::CacheKind>(kind).is_none() {
        let text = format!(
            "Unknown socache provider '{kind}'. Maybe you need to load the appropriate socache module (mod_socache_{kind}?)"
        );
        return Err(text.into());
    }
    let (cache, trouble) = match choose_cache(cx, word) {
        Ok(cache) => (Some(cache), None),
        Err(trouble) => (None, Some(trouble)),
    };
    *cx.server::<SocacheServer>() = SocacheServer { cache, trouble };
    Ok(())
}

fn seconds(word: &BStr, complaint: &str) -> Result<Option<i64>, Complaint> {
    match strtol(word) {
        seconds @ 0.. => Ok(Some(seconds)),
        _ => Err(complaint.into()),
    }
}

fn max_time(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = "CacheSocacheMaxTime argument must be the maximum amount of time in seconds to cache an entry.";
    cx.dir::<SocacheDir>().max_time = seconds(word, text)?;
    Ok(())
}

fn min_time(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = "CacheSocacheMinTime argument must be the minimum amount of time in seconds to cache an entry.";
    cx.dir::<SocacheDir>().min_time = seconds(word, text)?;
    Ok(())
}

fn max_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    match strtol(word) {
        size @ 1024..=0xffff_ffff => cx.dir::<SocacheDir>().max_size = Some(size.unsigned_abs()),
        _ => {
            let text = "CacheSocacheMaxSize argument must be a integer representing the max size of a cached entry (headers and body), at least 1024 and at most (4294967295U)";
            return Err(text.into());
        }
    }
    Ok(())
}

fn read_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = "CacheSocacheReadSize argument must be a non-negative integer representing the max amount of data to cache in go.";
    cx.dir::<SocacheDir>().read_size = seconds(word, text)?.map(i64::unsigned_abs);
    Ok(())
}

fn read_time(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = "CacheSocacheReadTime argument must be a non-negative integer representing the max amount of time taken to cache in go.";
    cx.dir::<SocacheDir>().read_time = seconds(word, text)?;
    Ok(())
}

/// Makes every cache ready that a server names, each once.
fn make(configuration: &mut Configuration) -> Result<(), String> {
    let mut made: Vec<Arc<dyn SharedCache>> = Vec::new();
    for server in &configuration.servers {
        let settings = server.settings.of::<SocacheServer>();
        if let Some(trouble) = &settings.trouble {
            log::process(Level::Crit, "cache_socache", format_args!("AH02392: {trouble}"));
            return Err("AH00016: Configuration Failed".into());
        }
        let Some(cache) = &settings.cache else { continue };
        if made.iter().any(|other| Arc::ptr_eq(other, cache)) {
            continue;
        }
        if let Err(why) = cache.ready("cache-socache", configuration) {
            let text = format_args!("AH02393: failed to initialise cache-socache cache");
            log::process_errno(Level::Crit, "cache_socache", why.0, text);
            return Err("AH00016: Configuration Failed".into());
        }
        made.push(cache.clone());
    }
    Ok(())
}

struct Socache;

impl CacheStorage for Socache {
    fn open(&self, r: &Request, key: &BStr) -> Option<Box<dyn CacheEntity>> {
        open(r, key).map(|entity| Box::new(entity) as Box<dyn CacheEntity>)
    }
    fn create(&self, r: &Request, key: &BStr, size: Option<u64>) -> Option<Box<dyn CacheEntity>> {
        create(r, key, size).map(|entity| Box::new(entity) as Box<dyn CacheEntity>)
    }
}

/// The portable runtime's number of a key that is not there.
const NOT_FOUND: i32 = 70015;

/// One response.
struct Entity {
    cache: Arc<dyn SharedCache>,
    /// The URL's key, and that of this response where responses vary.
    key: BString,
    own_key: BString,
    head: Head,
    response: Table,
    request: Table,
    content: Vec<u8>,
    stored: Bytes,
    announced: u64,
    max_size: u64,
}

/// What is kept under a key; None is logged under the first number, what is too large under the second.
fn retrieve(r: &Request, cache: &dyn SharedCache, key: &BStr, shown: &BStr, numbers: [&str; 2]) -> Option<Vec<u8>> {
    let found = cache.retrieve(r.server, key).ok().flatten();
    let Some(value) = found else {
        let text = format_args!("{}: Key not found in cache: {shown}", numbers[0]);
        r.log_errno(Level::Debug, "cache_socache", NOT_FOUND, text);
        return None;
    };
    if value.len() as u64 >= r.dir::<SocacheDir>().max_size() {
        let text = format_args!("{}: Key found in cache but too big, ignoring: {shown}", numbers[1]);
        r.log(Level::Debug, "cache_socache", text);
        return None;
    }
    Some(value)
}

fn open(r: &Request, key: &BStr) -> Option<Entity> {
    let cache = r.server::<SocacheServer>().cache.clone()?;
    let mut own_key = BString::from(key);
    let mut octets = retrieve(r, cache.as_ref(), key, key, ["AH02352", "AH02353"])?;
    if octets.first_chunk() == Some(&disk_cache::VARY_FORMAT.to_ne_bytes()) {
        let Some((_, names)) = disk_cache::decode_vary(&octets) else {
            let text = format_args!("AH02354: Cannot parse vary entry for key: {key}");
            r.log(Level::Error, "cache_socache", text);
            return None;
        };
        own_key = disk_cache::varied_key(key, &names, &r.headers_in);
        octets = retrieve(r, cache.as_ref(), own_key.as_bstr(), key, ["AH02357", "AH02358"])?;
    }
    let version = octets.first_chunk().map(|four| u32::from_ne_bytes(*four));
    if let Some(version) = version.filter(|version| *version != disk_cache::HEADER_FORMAT) {
        let expected = disk_cache::HEADER_FORMAT;
        let text =
            format_args!("AH02359: Key '{key}' found in cache has version {version}, expected {expected}, ignoring");
        r.log(Level::Info, "cache_socache", text);
        return None;
    }
    let broken = |number: &str, what: &str| {
        r.log(Level::Error, "cache_socache", format_args!("{number}: Cache entry for key '{key}' {what}, removing"));
        let _ = cache.remove(r.server, &own_key);
    };
    let Some(head) = Head::decode(&octets) else {
        broken("AH02360", "too short");
        return None;
    };
    let rest = octets.get(disk_cache::HEAD..).unwrap_or_default();
    let Some((name, rest)) = usize::try_from(head.key_length).ok().and_then(|length| rest.split_at_checked(length))
    else {
        broken("AH02362", "too short");
        return None;
    };
    if name != key.as_bytes() {
        r.log(
            Level::Debug,
            "cache_socache",
            format_args!("AH02361: Cache entry for key '{key}' URL mismatch, ignoring"),
        );
        return None;
    }
    if head.header_only && !r.header_only {
        let text = format_args!("AH02363: HEAD request cached, non-HEAD requested, ignoring: {key}");
        r.log(Level::Debug, "cache_socache", text);
        return None;
    }
    let Some((response, rest)) = disk_cache::read_fields(rest) else {
        broken("AH02364", "response headers unreadable");
        return None;
    };
    let Some((request, content)) = disk_cache::read_fields(rest) else {
        broken("AH02365", "request headers unreadable");
        return None;
    };
    let stored = Bytes::copy_from_slice(content);
    let max_size = r.dir::<SocacheDir>().max_size();
    Some(Entity {
        cache,
        key: key.into(),
        own_key,
        head,
        response,
        request,
        content: Vec::new(),
        stored,
        announced: 0,
        max_size,
    })
}

fn create(r: &Request, key: &BStr, size: Option<u64>) -> Option<Entity> {
    let cache = r.server::<SocacheServer>().cache.clone()?;
    let refuse = |text: std::fmt::Arguments<'_>| r.log(Level::Debug, "cache_socache", text);
    if r.status == Status::PARTIAL_CONTENT {
        refuse(format_args!("AH02345: URL {key} partial content response not cached"));
        return None;
    }
    let Some(size) = size else {
        refuse(format_args!("AH02346: URL '{key}' had no explicit size, ignoring"));
        return None;
    };
    let most = r.dir::<SocacheDir>().max_size();
    if size > most {
        refuse(format_args!("AH02347: URL '{key}' body larger than limit, ignoring ({size} > {most})"));
        return None;
    }
    let octets = |table: &Table| table.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let fields = octets(&r.headers_out) + octets(&r.err_headers_out) + octets(&r.headers_in);
    let estimated = (disk_cache::HEAD + key.len() + fields) as u64;
    if estimated > most {
        refuse(format_args!(
            "AH02348: URL '{key}' estimated headers size larger than limit, ignoring ({estimated} > {most})"
        ));
        return None;
    }
    if estimated + size > most {
        refuse(format_args!("AH02349: URL '{key}' body and headers larger than limit, ignoring ({size} > {most})"));
        return None;
    }
    Some(Entity {
        cache,
        key: key.into(),
        own_key: key.into(),
        head: Head::default(),
        response: Table::new(),
        request: Table::new(),
        content: Vec::new(),
        stored: Bytes::new(),
        announced: size,
        max_size: most,
    })
}

impl Entity {
    /// When it is to be forgotten: some time after it is stale. Seconds from now, and the point in time.
    fn lifetime(&self, r: &Request) -> (i64, i64) {
        let dir = r.dir::<SocacheDir>();
        let info = &self.head.info;
        let fresh = date::seconds(info.expire.saturating_sub(info.date));
        let seconds = fresh.saturating_add(dir.min_time.unwrap_or(600)).min(dir.max_time.unwrap_or(86_400));
        (seconds, log::clock::now().saturating_add(seconds.saturating_mul(1_000_000)))
    }
    fn put(&self, r: &Request, key: &[u8], until: i64, value: &[u8]) -> bool {
        let stored = self.cache.store(r.server, key, until, value);
        if let Err(error) = &stored {
            let text = format_args!("AH02386: could not write to cache, ignoring: {}", self.key);
            r.log_errno(Level::Warn, "cache_socache", error, text);
        }
        stored.is_ok()
    }
}

impl CacheEntity for Entity {
    fn info(&self) -> &CacheInfo {
        &self.head.info
    }
    fn response(&self) -> &Table {
        &self.response
    }
    fn request(&self) -> &Table {
        &self.request
    }
    fn body(&self) -> Body {
        self.stored.clone().into()
    }

    fn store_headers(&mut self, _: &Request, info: &CacheInfo, response: &Table, request: &Table) -> bool {
        self.head.info = *info;
        self.response = response.clone();
        self.request = request.clone();
        true
    }

    fn read_ahead(&self, r: &Request) -> (u64, i64) {
        let dir = r.dir::<SocacheDir>();
        (dir.read_size.unwrap_or(0), dir.read_time.unwrap_or(0).saturating_mul(1000))
    }

    fn store(&mut self, r: &Request, octets: &[u8]) -> Result<(), i32> {
        let length = (self.content.len() + octets.len()) as u64;
        if length >= self.max_size {
            let text =
                format_args!("AH02378: URL {} failed the buffer size check ({length}>={})", self.key, self.max_size);
            r.log(Level::Debug, "cache_socache", text);
            self.content = Vec::new();
            return Err(GENERAL);
        }
        self.content.extend_from_slice(octets);
        Ok(())
    }

    fn complete(&mut self, r: &Request, aborted: bool) -> Result<(), i32> {
        if aborted || r.no_cache {
            let text =
                format_args!("AH02380: Discarding body for URL {} because connection has been aborted.", self.key);
            r.log(Level::Info, "cache_socache", text);
            return Err(GENERAL);
        }
        if self.announced != self.content.len() as u64 {
            let text = format_args!("AH02381: URL {} didn't receive complete response, not caching", self.key);
            r.log(Level::Debug, "cache_socache", text);
            return Err(GENERAL);
        }
        self.stored = std::mem::take(&mut self.content).into();
        Ok(())
    }

    fn commit(&mut self, r: &Request) {
        let (seconds, until) = self.lifetime(r);
        if let Some(vary) = self.response.get("Vary") {
            let names = disk_cache::vary_names(vary);
            if !self.put(r, &self.key, until, &disk_cache::encode_vary(self.head.info.expire, &names)) {
                return;
            }
            self.own_key = disk_cache::varied_key(self.key.as_bstr(), &names, &self.request);
        }
        self.head.key_length = self.key.len() as u64;
        self.head.has_body = !self.stored.is_empty();
        let mut octets = self.head.encode().to_vec();
        octets.extend_from_slice(&self.key);
        disk_cache::append_fields(&mut octets, &self.response);
        disk_cache::append_fields(&mut octets, &self.request);
        octets.extend_from_slice(&self.stored);
        if self.put(r, &self.own_key, until, &octets) {
            let text = format_args!(
                "AH02387: commit_entity: Headers and body for URL {} cached for maximum of {seconds} seconds.",
                self.key
            );
            r.log(Level::Debug, "cache_socache", text);
        }
    }

    fn remove(&self, r: &Request) -> bool {
        self.cache.remove(r.server, &self.own_key).is_ok()
    }

    fn invalidate(&mut self, r: &Request) {
        self.head.info.control.flags |= flags::INVALIDATED;
        self.commit(r);
    }
}
