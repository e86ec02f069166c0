//! The thundering herd lock: a file that tells other requests, of other children too, that somebody is fetching a response.

use super::settings::{CacheServer, usual_lock_path};
use crate::log::{self, Level, raw};
use crate::request::Request;
use crate::server::disk_cache;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// A lock that was obtained; dropping it gives it back.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Tries for the lock of `key`. `Ok(None)`: locks are not used.
pub(super) fn attempt(r: &Request, key: &[u8]) -> io::Result<Option<Lock>> {
    let server = r.server::<CacheServer>();
    if server.lock != Some(true) {
        return Ok(None);
    }
    let name = disk_cache::name(key, 0, 0);
    let root = server.lock_path.clone().unwrap_or_else(usual_lock_path);
    let directory = root.join(name.get(..1).unwrap_or_default()).join(name.get(1..2).unwrap_or_default());
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).inspect_err(|error| {
        let text = format_args!("AH00778: Could not create a cache lock directory: {}", directory.display());
        r.log_errno(Level::Error, "cache", error, text);
    })?;
    let path = directory.join(&name);
    match fs::metadata(&path) {
        Ok(facts) => {
            let since = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let age = log::clock::now() - i64::try_from(since.as_micros()).unwrap_or(0);
            if age > server.lock_max_age.unwrap_or(5).saturating_mul(1_000_000) || age < 0 {
                let text = format_args!(
                    "AH00780: Cache lock file for '{}' too old, removing: {}",
                    raw(&r.uri),
                    path.display()
                );
                r.log(Level::Info, "cache", text);
                let _ = fs::remove_file(&path);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let text = format_args!("AH00779: Could not stat a cache lock file: {}", path.display());
            r.log_errno(Level::Error, "cache", &error, text);
            return Err(error);
        }
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(Some(Lock { path, _file: file }))
}
