//! Sessions that are kept to be resumed: in a shared cache that all children have, or sealed in the hands of clients.

use super::settings::{self, SslServer};
use crate::config::*;
use crate::module::{CacheKind, SharedCache};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use rustls::server::StoresServerSessions;
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

/// Seconds that a session can be resumed where nothing is said.
pub const TIMEOUT: u32 = 300;
/// The most that a session may take.
const LARGEST: usize = 10 * 1024;

/// SSLSessionCache, once it is chosen.
#[derive(Clone)]
pub struct SessionCache(pub Option<Arc<dyn SharedCache>>);

pub(super) fn cache(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let chosen = match word.to_ascii_lowercase().as_slice() {
        b"none" | b"nonenotnull" => None,
        _ => {
            let (name, arguments) = match word.split_once_str(":") {
                Some((name, arguments)) => (name, Some(arguments.as_bstr())),
                None => (word.as_ref(), None),
            };
            let Some(kind) = cx.provider::<dyn CacheKind>(name) else {
                let known = cx.providers.names::<dyn CacheKind>().collect::<Vec<_>>().join(",");
                let name = name.as_bstr();
                return Err(format!(
                    "SSLSessionCache: '{name}' session cache not supported (known names: {known}). \
                     Maybe you need to load the appropriate socache module (mod_socache_{name}?)."
                )
                .into());
            };
            Some(kind.create(cx, arguments).map_err(|why| format!("SSLSessionCache: {why}"))?)
        }
    };
    cx.server::<SslServer>().cache = Some(SessionCache(chosen));
    Ok(())
}

pub(super) fn timeout(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let seconds = atoi(word);
    if seconds < 0 {
        return Err("SSLSessionCacheTimeout: Invalid argument".into());
    }
    cx.server::<SslServer>().session_timeout = u32::try_from(seconds).ok();
    Ok(())
}

pub(super) fn tickets(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<SslServer>().tickets = Some(on);
    Ok(())
}

pub(super) fn ticket_key(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let file: BString = settings::file(cx, word)?;
    cx.server::<SslServer>().ticket_key = Some(file);
    Ok(())
}

/// The child's configuration: caches log for a server of it.
static CONFIGURATION: OnceLock<&'static Configuration> = OnceLock::new();

pub(super) fn child_init(configuration: &'static Configuration) {
    let _ = CONFIGURATION.set(configuration);
}

/// The sessions of one server in the shared cache.
pub struct Store {
    cache: Arc<dyn SharedCache>,
    /// Sessions are their server's own: another may ask more of clients.
    prefix: [u8; 8],
    server: usize,
    lifetime: u32,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    pub fn new(cache: Arc<dyn SharedCache>, server: &Server, lifetime: u32) -> Store {
        let mut digest = Sha256::new();
        digest.update(super::host::id(server));
        digest.update(server.index.to_ne_bytes());
        let digest = digest.finalize();
        Store { cache, prefix: digest.first_chunk().copied().unwrap_or_default(), server: server.index, lifetime }
    }
    fn key(&self, id: &[u8]) -> Vec<u8> {
        [&self.prefix[..], id].concat()
    }
    fn server(&self) -> Option<&'static Server> {
        CONFIGURATION.get()?.servers.get(self.server)
    }
}

impl StoresServerSessions for Store {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let expires = server::date::now() + i64::from(self.lifetime) * 1_000_000;
        let Some(server) = self.server().filter(|_| session.len() <= LARGEST) else { return false };
        self.cache.store(server, &self.key(&id), expires, &session).is_ok()
    }
    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.cache.retrieve(self.server()?, &self.key(id)).ok().flatten()
    }
    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let session = self.get(id)?;
        let _ = self.cache.remove(self.server()?, &self.key(id));
        Some(session)
    }
    fn can_cache(&self) -> bool {
        true
    }
}
