//! mod_socache_memcache: a shared object cache in memcached servers, offered as `memcache` (`memcache:host:port,host:port`).
//!
//! No hooks. Keys are as Apache makes them: the cache's name and the key in hexadecimal digits. Difference: which server keeps a key is
//! chosen otherwise. Manual: mod/mod_socache_memcache.html.

use super::servers::{self, Server as Remote, Unfit};
use crate::config::*;
use crate::log::{self, Level};
use crate::module::{CacheKind, CacheNotReady, Linked, Module, SharedCache};
use bstr::{BStr, ByteSlice};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_socache_memcache.c",
    ident: "socache_memcache_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<MemcacheServer>(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn CacheKind>("memcache", &Memcache),
};

const DIRECTIVES: &[Directive] = &[take1(
    "MemcacheConnTTL",
    SERVER,
    NO_OVERRIDE,
    conn_ttl,
    "TTL used for the connection with the memcache server(s)",
)];

/// Octets of a key at most.
const LONGEST_KEY: usize = 254;
/// Patience with a server.
const TIMEOUT: Duration = Duration::from_secs(5);
const PORT: u16 = 11211;

/// A server's settings.
#[derive(Clone, Default)]
pub struct MemcacheServer {
    ttl: Option<Duration>,
}

impl Settings for MemcacheServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MemcacheServer { ttl: add.ttl.or(base.ttl) }
    }
}

/// A duration of up to an hour.
pub(super) fn up_to_an_hour(name: &str, word: &BStr) -> Result<Duration, Complaint> {
    match duration(word, b"s").and_then(|micros| u64::try_from(micros).ok()) {
        None => Err(format!("{name} has wrong format").into()),
        Some(micros) if micros > 3_600_000_000 => Err(format!("{name} can only be 0 or up to one hour.").into()),
        Some(micros) => Ok(Duration::from_micros(micros)),
    }
}

fn conn_ttl(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.server::<MemcacheServer>().ttl = Some(up_to_an_hour("MemcacheConnTTL", word)?);
    Ok(())
}

struct Memcache;

impl CacheKind for Memcache {
    fn create(&self, _: &Cx<'_>, arguments: Option<&BStr>) -> Result<Arc<dyn SharedCache>, String> {
        match arguments.filter(|list| !list.is_empty()) {
            Some(list) => Ok(Arc::new(Cache { list: list.into(), made: OnceLock::new() })),
            None => Err("List of server names required to create memcache socache.".into()),
        }
    }
    fn usual(&self) -> Option<Arc<dyn SharedCache>> {
        None
    }
}

struct Cache {
    list: bstr::BString,
    /// The servers, and the name in front of keys.
    made: OnceLock<(Vec<Remote>, String)>,
}

impl Cache {
    fn made(&self) -> io::Result<&(Vec<Remote>, String)> {
        self.made.get().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
    fn name(&self, key: &[u8]) -> io::Result<String> {
        servers::name(&self.made()?.1, key, LONGEST_KEY)
    }
    fn ask<T>(&self, server: &Server, name: &str, ask: impl Fn(&mut servers::Wire) -> io::Result<T>) -> io::Result<T> {
        let (remotes, _) = self.made()?;
        let ttl = server.settings.of::<MemcacheServer>().ttl.unwrap_or(Duration::from_secs(15));
        servers::of(remotes, name.as_bytes())?.with(ttl, TIMEOUT, |wire| ask(wire))
    }
}

/// What a server says that is no answer.
fn odd(line: &[u8]) -> io::Error {
    io::Error::other(format!("the server says {}", line.as_bstr()))
}

impl SharedCache for Cache {
    fn ready(&self, name: &str, _: &Configuration) -> Result<(), CacheNotReady> {
        match servers::parse(self.list.as_bstr(), PORT) {
            Ok(remotes) => {
                let _ = self.made.set((remotes, name.to_owned()));
                Ok(())
            }
            Err(Unfit::Malformed(which)) => {
                let text = format_args!("AH00786: Failed to Parse memcache Server: '{which}'");
                log::process_errno(Level::Crit, "socache_memcache", libc::EINVAL, text);
                Err(CacheNotReady(libc::EINVAL))
            }
            Err(Unfit::Nameless(which)) => {
                let text = format_args!("AH00787: Failed to Parse Server, no hostname specified: '{which}'");
                log::process(Level::Crit, "socache_memcache", text);
                Err(CacheNotReady(libc::EINVAL))
            }
        }
    }

    fn store(&self, server: &Server, key: &[u8], expires: i64, value: &[u8]) -> io::Result<()> {
        let seconds = expires / 1_000_000;
        let name = self.name(key)?;
        let stored = self.ask(server, &name, |wire| {
            let head = format!("set {name} 0 {seconds} {}\r\n", value.len());
            wire.send(&[head.as_bytes(), value, b"\r\n"].concat())?;
            match wire.line()?.as_slice() {
                b"STORED" => Ok(()),
                line => Err(odd(line)),
            }
        });
        if let Err(error) = &stored {
            let text =
                format_args!("AH00790: scache_mc: error setting key '{name}' with {} bytes of data", value.len());
            server.log_errno(Level::Crit, "socache_memcache", error, text);
        }
        stored
    }

    fn retrieve(&self, server: &Server, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let name = self.name(key)?;
        let found = self.ask(server, &name, |wire| {
            wire.send(format!("get {name}\r\n").as_bytes())?;
            let line = wire.line()?;
            if line == b"END" {
                return Ok(None);
            }
            let length = line.rsplit(|byte| *byte == b' ').next().and_then(|digits| digits.to_str().ok()?.parse().ok());
            let length = length.filter(|_| line.starts_with(b"VALUE ")).ok_or_else(|| odd(&line))?;
            let value = wire.value(length)?;
            match wire.line()?.as_slice() {
                b"END" => Ok(Some(value)),
                line => Err(odd(line)),
            }
        });
        match found {
            // No server is there to have it.
            Err(error) if error.raw_os_error() == Some(servers::NOT_FOUND) => Ok(None),
            Err(error) => {
                let text = format_args!("AH00791: scache_mc: 'retrieve' FAIL");
                server.log_errno(Level::Error, "socache_memcache", &error, text);
                Err(error)
            }
            found => found,
        }
    }

    fn remove(&self, server: &Server, key: &[u8]) -> io::Result<()> {
        let name = self.name(key)?;
        let removed = self.ask(server, &name, |wire| {
            wire.send(format!("delete {name}\r\n").as_bytes())?;
            match wire.line()?.as_slice() {
                b"DELETED" | b"NOT_FOUND" => Ok(()),
                line => Err(odd(line)),
            }
        });
        if let Err(error) = &removed {
            let text = format_args!("AH00793: scache_mc: error deleting key '{name}' ");
            server.log_errno(Level::Crit, "socache_memcache", error, text);
        }
        removed
    }

    fn status(&self, _: &Server, auto: bool) -> String {
        let Ok((remotes, _)) = self.made() else { return String::new() };
        let end = if auto { "\n" } else { "<br />\n" };
        remotes.iter().map(|remote| format!("Memcached server: {}:{}{end}", remote.host, remote.port)).collect()
    }
}
