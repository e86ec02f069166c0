//! Shared object caches: small values under small keys, for a while, seen by all children (Apache's `ap_socache`).
//!
//! mod_socache_shmcb and others offer a [`CacheKind`] under its name (`shmcb`); who needs a cache makes one of a kind while
//! the configuration is read and readies it in `post_config`, before children are forked. Every call may block for a moment.

use crate::config::{Configuration, Cx, Server};
use bstr::BStr;
use std::io;
use std::sync::Arc;

/// A kind of cache.
pub trait CacheKind: Sync {
    /// Makes a cache. `arguments` is what stood behind the kind's name and a colon. Err: why it is no good, for the directive's complaint.
    fn create(&self, cx: &Cx<'_>, arguments: Option<&BStr>) -> Result<Arc<dyn SharedCache>, String>;
    /// Makes the cache of users that name none; None where such a cache needs arguments.
    fn usual(&self) -> Option<Arc<dyn SharedCache>>;
}

/// One cache.
pub trait SharedCache: Send + Sync {
    /// Makes it ready, in the parent. `name` tells the caches of a server apart (`authn-socache`). Err: what it has logged already.
    fn ready(&self, name: &str, configuration: &Configuration) -> Result<(), CacheNotReady>;
    /// Keeps `value` under `key` until `expires`, in microseconds since the epoch. An earlier value gives way.
    fn store(&self, server: &Server, key: &[u8], expires: i64, value: &[u8]) -> io::Result<()>;
    /// What is kept under `key`, if it has not expired.
    fn retrieve(&self, server: &Server, key: &[u8]) -> io::Result<Option<Vec<u8>>>;
    /// Forgets what is kept under `key`.
    fn remove(&self, server: &Server, key: &[u8]) -> io::Result<()>;
    /// What server-status says of it: HTML, or lines for `?auto`.
    fn status(&self, server: &Server, auto: bool) -> String;
}

/// The cache could not be made; the log says why. The number is what its user's line begins with, or 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheNotReady(pub i32);

/// Kind and arguments of a word such as `shmcb:/path(100000)`. Err: the complaint.
pub fn choose_cache(cx: &Cx<'_>, word: &BStr) -> Result<Arc<dyn SharedCache>, String> {
    let (name, arguments) = match word.iter().position(|byte| *byte == b':') {
        Some(at) => (word.get(..at), word.get(at + 1..)),
        None => (Some(word.as_ref()), None),
    };
    let Some(kind) = cx.provider::<dyn CacheKind>(name.unwrap_or_default()) else {
        return Err(format!(
            "Unknown socache provider '{word}'. Maybe you need to load the appropriate socache module (mod_socache_{word}?)"
        ));
    };
    kind.create(cx, arguments.map(BStr::new))
}

/// Offered as `authn-cache`: keeps what providers of users looked up (mod_authn_socache).
pub trait AuthnCache: Sync {
    /// `provider` (`file`) found `hash` for the user, in a realm where one was asked for.
    fn keep(&self, r: &crate::request::Request, provider: &str, user: &BStr, realm: Option<&BStr>, hash: &[u8]);
}
