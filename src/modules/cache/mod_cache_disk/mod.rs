//! mod_cache_disk: keeps responses in files, offered to mod_cache as `disk`.
//!
//! No hooks. The layout is Apache's (see `server::disk_cache`), so that either server can use a cache of the other. Content goes
//! to a temporary file while it passes by and is renamed when it is complete; from there it is served by sendfile.
//! Manual: mod/mod_cache_disk.html.

mod entity;

use crate::config::*;
use crate::module::{CacheEntity, CacheStorage, Linked, Module};
use crate::request::Request;
use bstr::{BStr, BString};

pub static MODULE: Module = Module {
    name: "mod_cache_disk.c",
    ident: "cache_disk_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<DiskServer>(),
    dir: Config::of::<DiskDir>(),
    hooks: |on| on.providers.offer::<dyn CacheStorage>("disk", &Disk),
};

const PLACES: Contexts = SERVER.and(DIRECTORY);

const DIRECTIVES: &[Directive] = &[
    take1("CacheRoot", SERVER, NO_OVERRIDE, root, "The directory to store cache files"),
    take1("CacheDirLevels", SERVER, NO_OVERRIDE, levels, "The number of levels of subdirectories in the cache"),
    take1("CacheDirLength", SERVER, NO_OVERRIDE, length, "The number of characters in subdirectory names"),
    take1("CacheMinFileSize", PLACES, NO_OVERRIDE, min_size, "The minimum file size to cache a document"),
    take1("CacheMaxFileSize", PLACES, NO_OVERRIDE, max_size, "The maximum file size to cache a document"),
    take1(
        "CacheReadSize",
        PLACES,
        NO_OVERRIDE,
        read_size,
        "The maximum quantity of data to attempt to read and cache in one go",
    ),
    take1("CacheReadTime", PLACES, NO_OVERRIDE, read_time, "The maximum time taken to attempt to read and cache in go"),
];

/// A server's settings.
#[derive(Clone, Default)]
pub struct DiskServer {
    root: Option<BString>,
    levels: Option<usize>,
    length: Option<usize>,
}

impl DiskServer {
    fn levels(&self) -> usize {
        self.levels.unwrap_or(2)
    }
    fn length(&self) -> usize {
        self.length.unwrap_or(2)
    }
    /// The letters of directories are some of those that a name has.
    fn check(&self) -> Outcome {
        match self.levels().saturating_mul(self.length()) {
            ..=20 => Ok(()),
            _ => Err("CacheDirLevels*CacheDirLength value must not be higher than 20".into()),
        }
    }
}

impl Settings for DiskServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DiskServer {
            root: add.root.clone().or_else(|| base.root.clone()),
            // What a host does not say of its directories is the usual.
            levels: add.levels,
            length: add.length,
        }
    }
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct DiskDir {
    min_size: Option<u64>,
    max_size: Option<u64>,
    read_size: Option<u64>,
    /// Milliseconds.
    read_time: Option<u64>,
}

impl Settings for DiskDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DiskDir {
            min_size: add.min_size.or(base.min_size),
            max_size: add.max_size.or(base.max_size),
            read_size: add.read_size.or(base.read_size),
            read_time: add.read_time.or(base.read_time),
        }
    }
}

fn root(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    cx.server::<DiskServer>().root = Some(path.into());
    Ok(())
}

fn positive(word: &BStr, name: &str) -> Result<usize, Complaint> {
    let number = usize::try_from(strtol(word)).ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{name} value must be an integer greater than 0").into())
}

fn levels(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let number = positive(word, "CacheDirLevels")?;
    let server = cx.server::<DiskServer>();
    server.levels = Some(number);
    server.check()
}

fn length(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let number = positive(word, "CacheDirLength")?;
    let server = cx.server::<DiskServer>();
    server.length = Some(number);
    server.check()
}

/// A number of octets or milliseconds; Apache takes what begins with digits, and what has none for 0.
fn amount(word: &BStr, name: &str, what: &str) -> Result<Option<u64>, Complaint> {
    let complaint =
        || Complaint::from(format!("{name} argument must be a non-negative integer representing the {what}"));
    u64::try_from(strtol(word)).map(Some).map_err(|_| complaint())
}

fn min_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<DiskDir>().min_size = amount(word, "CacheMinFileSize", "min size of a file to cache in bytes.")?;
    Ok(())
}

fn max_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<DiskDir>().max_size = amount(word, "CacheMaxFileSize", "max size of a file to cache in bytes.")?;
    Ok(())
}

fn read_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<DiskDir>().read_size = amount(word, "CacheReadSize", "max amount of data to cache in go.")?;
    Ok(())
}

fn read_time(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<DiskDir>().read_time = amount(word, "CacheReadTime", "max amount of time taken to cache in go.")?;
    Ok(())
}

struct Disk;

impl CacheStorage for Disk {
    fn open(&self, r: &Request, key: &BStr) -> Option<Box<dyn CacheEntity>> {
        entity::open(r, key).map(|entity| Box::new(entity) as Box<dyn CacheEntity>)
    }
    fn create(&self, r: &Request, key: &BStr, size: Option<u64>) -> Option<Box<dyn CacheEntity>> {
        entity::create(r, key, size).map(|entity| Box::new(entity) as Box<dyn CacheEntity>)
    }
}
