//! mod_socache_redis: a shared object cache in Redis servers, offered as `redis` (`redis:host:port,host:port`).
//!
//! No hooks. Keys are as Apache makes them: the cache's name and the key in hexadecimal digits. Difference: which server keeps a key is
//! chosen otherwise. Manual: mod/mod_socache_redis.html.

use super::mod_socache_memcache::up_to_an_hour;
use super::servers::{self, Server as Remote, Unfit};
use crate::config::*;
use crate::log::{self, Level};
use crate::module::{CacheKind, CacheNotReady, Linked, Module, SharedCache};
use bstr::{BStr, ByteSlice};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_socache_redis.c",
    ident: "socache_redis_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<RedisServer>(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn CacheKind>("redis", &Redis),
};

const DIRECTIVES: &[Directive] = &[
    take1(
        "RedisConnPoolTTL",
        SERVER,
        NO_OVERRIDE,
        pool_ttl,
        "TTL used for the connection pool with the Redis server(s)",
    ),
    take1("RedisTimeout", SERVER, NO_OVERRIDE, timeout, "R/W timeout used for the connection with the Redis server(s)"),
];

/// Octets of a key at most.
const LONGEST_KEY: usize = 254;
const PORT: u16 = 6379;

/// A server's settings.
#[derive(Clone, Default)]
pub struct RedisServer {
    ttl: Option<Duration>,
    timeout: Option<Duration>,
}

impl Settings for RedisServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        RedisServer { ttl: add.ttl.or(base.ttl), timeout: add.timeout.or(base.timeout) }
    }
}

fn pool_ttl(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.server::<RedisServer>().ttl = Some(up_to_an_hour("RedisConnPoolTTL", word)?);
    Ok(())
}

fn timeout(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.server::<RedisServer>().timeout = Some(up_to_an_hour("RedisTimeout", word)?);
    Ok(())
}

struct Redis;

impl CacheKind for Redis {
    fn create(&self, _: &Cx<'_>, arguments: Option<&BStr>) -> Result<Arc<dyn SharedCache>, String> {
        match arguments.filter(|list| !list.is_empty()) {
            Some(list) => Ok(Arc::new(Cache { list: list.into(), made: OnceLock::new() })),
            None => Err("List of server names required to create redis socache.".into()),
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
        let settings = server.settings.of::<RedisServer>();
        let ttl = settings.ttl.unwrap_or(Duration::from_secs(15));
        // No time at all is no limit that a socket knows.
        let timeout = settings.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(Duration::from_secs(5));
        servers::of(remotes, name.as_bytes())?.with(ttl, timeout, |wire| ask(wire))
    }
}

/// A command in the servers' protocol: a list of strings, each with its length.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
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
                let text = format_args!("AH03474: Failed to Parse redis Server: '{which}'");
                log::process_errno(Level::Crit, "socache_redis", libc::EINVAL, text);
                Err(CacheNotReady(libc::EINVAL))
            }
            Err(Unfit::Nameless(which)) => {
                let text = format_args!("AH03475: Failed to Parse Server, no hostname specified: '{which}'");
                log::process(Level::Crit, "socache_redis", text);
                Err(CacheNotReady(libc::EINVAL))
            }
        }
    }

    fn store(&self, server: &Server, key: &[u8], expires: i64, value: &[u8]) -> io::Result<()> {
        // Seconds from now; what is over already lives the shortest time there is.
        let seconds = (expires.saturating_sub(log::clock::now()) / 1_000_000).max(1).to_string();
        let name = self.name(key)?;
        let stored = self.ask(server, &name, |wire| {
            wire.send(&command(&[b"SETEX", name.as_bytes(), seconds.as_bytes(), value]))?;
            match wire.line()?.as_slice() {
                b"+OK" => Ok(()),
                line => Err(odd(line)),
            }
        });
        if let Err(error) = &stored {
            let text =
                format_args!("AH03478: scache_rd: error setting key '{name}' with {} bytes of data", value.len());
            server.log_errno(Level::Crit, "socache_redis", error, text);
        }
        stored
    }

    fn retrieve(&self, server: &Server, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let name = self.name(key)?;
        let found = self.ask(server, &name, |wire| {
            wire.send(&command(&[b"GET", name.as_bytes()]))?;
            let line = wire.line()?;
            if line == b"$-1" {
                return Ok(None);
            }
            let length = line.strip_prefix(b"$").and_then(|digits| digits.to_str().ok()?.parse().ok());
            wire.value(length.ok_or_else(|| odd(&line))?).map(Some)
        });
        match found {
            // No server is there to have it.
            Err(error) if error.raw_os_error() == Some(servers::NOT_FOUND) => Ok(None),
            Err(error) => {
                let text = format_args!("AH03479: scache_rd: 'retrieve' FAIL");
                server.log_errno(Level::Error, "socache_redis", &error, text);
                Err(error)
            }
            found => found,
        }
    }

    fn remove(&self, server: &Server, key: &[u8]) -> io::Result<()> {
        let name = self.name(key)?;
        let removed = self.ask(server, &name, |wire| {
            wire.send(&command(&[b"DEL", name.as_bytes()]))?;
            match wire.line()?.as_slice() {
                b":0" | b":1" => Ok(()),
                line => Err(odd(line)),
            }
        });
        if let Err(error) = &removed {
            let text = format_args!("AH03481: scache_rd: error deleting key '{name}' ");
            server.log_errno(Level::Crit, "socache_redis", error, text);
        }
        removed
    }

    fn status(&self, _: &Server, auto: bool) -> String {
        let Ok((remotes, _)) = self.made() else { return String::new() };
        let end = if auto { "\n" } else { "<br />\n" };
        remotes.iter().map(|remote| format!("Redis server: {}:{}{end}", remote.host, remote.port)).collect()
    }
}
