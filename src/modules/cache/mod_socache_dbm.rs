//! mod_socache_dbm: a shared object cache in a DBM file, offered as `dbm` (`dbm:/path`).
//!
//! No directives, no hooks. A value stands behind the eight octets of its expiry, in seconds, in the machine's order. The
//! file is locked for each call. Difference: where libdb is missing the format is SDBM, whose pairs are at most 1008 octets.
//! Manual: mod/mod_socache_dbm.html.

use crate::config::*;
use crate::log::{self, Level};
use crate::module::{CacheKind, CacheNotReady, Linked, Module, SharedCache};
use crate::server::dbm::{self, Access, Format};
use crate::sys::account;
use bstr::{BStr, ByteSlice};
use nix::unistd;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

pub static MODULE: Module = Module {
    name: "mod_socache_dbm.c",
    ident: "socache_dbm_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn CacheKind>("dbm", &Dbm),
};

/// Microseconds between two searches for what has expired.
const SWEEP: i64 = 30_000_000;

struct Dbm;

impl CacheKind for Dbm {
    fn create(&self, cx: &Cx<'_>, arguments: Option<&BStr>) -> Result<Arc<dyn SharedCache>, String> {
        let path = arguments.filter(|path| !path.is_empty()).map(|path| cx.server_root_relative(path));
        Ok(Arc::new(Cache { configured: path, path: OnceLock::new(), swept: AtomicI64::new(0) }))
    }
    fn usual(&self) -> Option<Arc<dyn SharedCache>> {
        None
    }
}

struct Cache {
    configured: Option<PathBuf>,
    path: OnceLock<PathBuf>,
    swept: AtomicI64,
}

/// The open files with their lock.
struct Opened {
    database: dbm::Dbm,
    _lock: File,
}

impl Cache {
    fn path(&self) -> &Path {
        self.path.get().map_or(Path::new(""), PathBuf::as_path)
    }
    fn open(&self, access: Access) -> io::Result<Opened> {
        let lock = File::open(format().files(self.path()).swap_remove(0))?;
        if access == Access::Read {
            lock.lock_shared()?
        } else {
            lock.lock()?
        }
        Ok(Opened { database: open(self.path(), access)?, _lock: lock })
    }
    /// Opens the file or says why that is impossible.
    fn opened(&self, server: &Server, access: Access, what: &str) -> io::Result<Opened> {
        self.open(access).inspect_err(|error| {
            let text = format_args!("{} socache DBM file `{}' {}", what_open(what), self.path().display(), what);
            server.log_errno(Level::Error, "socache_dbm", error, text);
        })
    }
    /// Takes away what has expired, now and then.
    fn sweep(&self, server: &Server) {
        let now = log::clock::now();
        if now - self.swept.load(Relaxed) < SWEEP {
            return;
        }
        self.swept.store(now, Relaxed);
        let Ok(mut opened) = self.opened(server, Access::Write, "for scanning") else { return };
        let Ok(pairs) = opened.database.pairs() else { return };
        let (old, mut removed) = (pairs.len(), 0);
        for (key, value) in pairs {
            if expiry(&value).is_none_or(|expires| expires <= now) && opened.database.delete(&key).unwrap_or(false) {
                removed += 1;
            }
        }
        let text = format_args!("AH00813: DBM socache expiry: old: {old}, new: {}, removed: {removed}", old - removed);
        server.log(Level::Debug, "socache_dbm", text);
    }
}

/// APR's default, or what is always there.
fn format() -> Format {
    Format::named(b"default").unwrap_or(Format::Sdbm)
}

fn open(path: &Path, access: Access) -> io::Result<dbm::Dbm> {
    dbm::Dbm::open(format(), path, access, 0o644).map_err(failed)
}

/// Statuses of APR and its libraries go through the log as they are.
fn failed(status: i32) -> io::Error {
    io::Error::from_raw_os_error(status)
}

fn what_open(what: &str) -> &'static str {
    match what {
        "for reading (fetch)" => "AH00809: Cannot open",
        "for writing (store)" => "AH00807: Cannot open",
        "for writing (delete)" => "AH00810: Cannot open",
        "for scanning" => "AH00811: Cannot open",
        _ => "AH00814: Cannot open",
    }
}

/// The expiry in front of a value, in microseconds since the epoch.
fn expiry(value: &[u8]) -> Option<i64> {
    value.first_chunk().map(|seconds| i64::from_ne_bytes(*seconds).saturating_mul(1_000_000))
}

impl SharedCache for Cache {
    fn ready(&self, name: &str, configuration: &Configuration) -> Result<(), CacheNotReady> {
        let process = &configuration.process;
        let path = self.configured.clone().unwrap_or_else(|| {
            let base = process.runtime_dir.clone().unwrap_or_else(|| process.server_root.clone());
            base.join(format!("socache-dbm-{name}"))
        });
        if let Err(error) = open(&path, Access::Extend) {
            let text = format_args!("AH00804: Cannot create socache DBM file `{}'", path.display());
            log::process_errno(Level::Error, "socache_dbm", &error, text);
            return Err(CacheNotReady(0));
        }
        // Children write to it under their own user.
        if unistd::geteuid().is_root() {
            let user = process.user.as_ref().and_then(|user| account::user_id(user.as_bstr()));
            for file in format().files(&path) {
                if let Err(errno) = unistd::chown(&file, user, None) {
                    let text = format_args!("AH00802: Can't change owner of {}", file.display());
                    log::process_errno(Level::Error, "socache_dbm", io::Error::from(errno), text);
                    return Err(CacheNotReady(0));
                }
            }
        }
        let _ = self.path.set(path);
        Ok(())
    }

    fn store(&self, server: &Server, key: &[u8], expires: i64, value: &[u8]) -> io::Result<()> {
        self.sweep(server);
        let mut opened = self.opened(server, Access::Write, "for writing (store)")?;
        let value = [&(expires / 1_000_000).to_ne_bytes(), value].concat();
        let stored = opened.database.store(key, &value);
        let Err(status) = stored else { return Ok(()) };
        let failure = failed(status);
        let text = format_args!("AH00808: Cannot store socache object to DBM file `{}'", self.path().display());
        server.log_errno(Level::Error, "socache_dbm", &failure, text);
        Err(failure)
    }

    fn retrieve(&self, server: &Server, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.sweep(server);
        let opened = self.opened(server, Access::Read, "for reading (fetch)")?;
        let found = opened.database.fetch(key).map_err(failed)?;
        drop(opened);
        match found {
            Some(value) if expiry(&value).is_some_and(|expires| expires > log::clock::now()) => {
                Ok(value.get(8..).map(<[u8]>::to_vec))
            }
            Some(_) => self.remove(server, key).map(|()| None),
            None => Ok(None),
        }
    }

    fn remove(&self, server: &Server, key: &[u8]) -> io::Result<()> {
        let mut opened = self.opened(server, Access::Write, "for writing (delete)")?;
        opened.database.delete(key).map(drop).map_err(failed)
    }

    fn status(&self, server: &Server, auto: bool) -> String {
        self.sweep(server);
        let opened = self.opened(server, Access::Read, "for status retrieval");
        let pairs = opened.and_then(|opened| opened.database.pairs().map_err(failed)).unwrap_or_default();
        let size: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        let (count, average) = (pairs.len(), size.checked_div(pairs.len()).unwrap_or(0));
        if auto {
            return format!(
                "CacheType: DBM\nCacheMaximumSize: unlimited\nCacheCurrentEntries: {count}\nCacheCurrentSize: {size}\nCacheAvgEntrySize: {average}\n"
            );
        }
        format!(
            "cache type: <b>DBM</b>, maximum size: <b>unlimited</b><br>\
             current entries: <b>{count}</b>, current size: <b>{size}</b> bytes<br>average entry size: <b>{average}</b> bytes<br>"
        )
    }
}
