//! mod_socache_shmcb: a shared object cache in memory, offered as `shmcb` (`shmcb:/path(SIZE)`).
//!
//! No directives, no hooks. The memory is divided into parts as Apache divides it; a key belongs to one of them, and each
//! has a lock of its own. Differences: the memory is anonymous, so that no file is made at the path; a key's part is
//! chosen by all of its octets; a lock whose owner died is taken over. Manual: mod/mod_socache_shmcb.html.

mod ring;

use self::ring::{ENTRY, Event, HEAD, Ring};
use crate::config::*;
use crate::log::{self, Level};
use crate::module::{CacheKind, CacheNotReady, Linked, Module, SharedCache};
use crate::sys::shared::Region;
use bstr::{BStr, ByteSlice};
use std::io;
use std::sync::{Arc, OnceLock};

pub static MODULE: Module = Module {
    name: "mod_socache_shmcb.c",
    ident: "socache_shmcb_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn CacheKind>("shmcb", &Shmcb),
};

/// Octets of a cache whose size is not given, and of the smallest.
const USUAL: usize = 512 * 1024;
const SMALLEST: usize = 8192;
/// Octets of a key at least.
const SHORTEST_KEY: usize = 4;
/// What Apache's header takes from the memory, for the same division of the rest.
const HEADER: usize = 88;
const PART_HEADER: usize = 16;

struct Shmcb;

impl CacheKind for Shmcb {
    fn create(&self, _: &Cx<'_>, arguments: Option<&BStr>) -> Result<Arc<dyn SharedCache>, String> {
        let size = arguments.map_or(Ok(USUAL), size)?;
        Ok(Arc::new(Cache { size, memory: OnceLock::new() }))
    }
    fn usual(&self) -> Option<Arc<dyn SharedCache>> {
        Some(Arc::new(Cache { size: USUAL, memory: OnceLock::new() }))
    }
}

/// The size in `/path(SIZE)`.
fn size(arguments: &BStr) -> Result<usize, String> {
    let Some(open) = arguments.find_byte(b'(') else { return Ok(USUAL) };
    let size = arguments.get(open + 1..).unwrap_or_default();
    let Some(size) = size.strip_suffix(b")") else {
        let text = "Invalid argument: no closing parenthesis or cache size missing after pathname with parenthesis";
        return Err(text.into());
    };
    if !size.iter().all(u8::is_ascii_digit) {
        return Err("Invalid argument: cache size not numerical".into());
    }
    let limit = u32::MAX as usize;
    match size.to_str().unwrap_or_default().parse::<usize>() {
        Ok(size) if size < SMALLEST => Err(format!("Invalid argument: size has to be >= {SMALLEST} bytes")),
        Ok(size) if size < limit => Ok(size),
        Err(_) if size.is_empty() => Err(format!("Invalid argument: size has to be >= {SMALLEST} bytes")),
        _ => Err(format!("Invalid argument: size has to be < {limit} bytes on this platform")),
    }
}

struct Cache {
    size: usize,
    memory: OnceLock<Memory>,
}

struct Memory {
    region: Region,
    parts: usize,
    /// Entries and words of a part.
    entries: usize,
    words: usize,
}

impl Memory {
    fn new(size: usize) -> io::Result<Memory> {
        let room = size.saturating_sub(HEADER);
        let mut parts = 256;
        while parts > 1 && room / parts < 192 * parts {
            parts /= 2;
        }
        let part = room / parts / 8 * 8;
        let entries = (part / 96).max(1);
        let octets = part.saturating_sub(PART_HEADER + entries * ENTRY * 8);
        let words = HEAD + entries * ENTRY + octets / 8;
        Ok(Memory { region: Region::new(parts * words)?, parts, entries, words })
    }
    fn part(&self, number: usize) -> Ring<'_> {
        let words = self.region.get(number * self.words..(number + 1) * self.words).unwrap_or_default();
        Ring { words, entries: self.entries }
    }
    /// The part of a key.
    fn of(&self, key: &[u8]) -> Ring<'_> {
        let hash = key.iter().fold(5381usize, |hash, byte| hash.wrapping_mul(33) ^ usize::from(*byte));
        self.part((hash ^ hash >> 17) % self.parts)
    }
}

/// A cache that nobody has readied, or a part that is not there.
fn not_ready() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

impl SharedCache for Cache {
    fn ready(&self, _: &str, configuration: &Configuration) -> Result<(), CacheNotReady> {
        let memory = Memory::new(self.size).map_err(|error| {
            let text = format_args!("AH00819: Could not allocate shared memory segment for shmcb socache");
            log::process_errno(Level::Error, "socache_shmcb", &error, text);
            CacheNotReady(0)
        })?;
        let server = configuration.main();
        server.log(Level::Info, "socache_shmcb", format_args!("AH00830: Shared memory socache initialised"));
        let _ = self.memory.set(memory);
        Ok(())
    }

    fn store(&self, server: &Server, key: &[u8], expires: i64, value: &[u8]) -> io::Result<()> {
        if key.len() < SHORTEST_KEY {
            let text = format_args!("AH00832: unusably short id provided ({} bytes)", key.len());
            server.log(Level::Error, "socache_shmcb", text);
            return Err(not_ready());
        }
        let part = self.memory.get().ok_or_else(not_ready)?.of(key);
        let held = part.lock().ok_or_else(not_ready)?;
        let stored = part.store(key, value, expires, log::clock::now());
        drop(held);
        stored.map_err(|_| {
            server.log(Level::Error, "socache_shmcb", format_args!("AH00833: can't store an socache entry!"));
            io::Error::from_raw_os_error(libc::ENOSPC)
        })
    }

    fn retrieve(&self, _: &Server, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let part = self.memory.get().ok_or_else(not_ready)?.of(key);
        let _held = part.lock().ok_or_else(not_ready)?;
        Ok(part.retrieve(key, log::clock::now()))
    }

    fn remove(&self, server: &Server, key: &[u8]) -> io::Result<()> {
        if key.len() < SHORTEST_KEY {
            let text = format_args!("AH00838: unusably short id provided ({} bytes)", key.len());
            server.log(Level::Error, "socache_shmcb", text);
            return Err(not_ready());
        }
        let part = self.memory.get().ok_or_else(not_ready)?.of(key);
        let _held = part.lock().ok_or_else(not_ready)?;
        part.remove(key);
        Ok(())
    }

    fn status(&self, _: &Server, auto: bool) -> String {
        let Some(memory) = self.memory.get() else { return String::new() };
        let now = log::clock::now();
        let (mut used, mut fullness, mut oldest) = (0, 0, Vec::new());
        let mut counts = [0usize; 8];
        let events = [
            Event::Stored,
            Event::Replaced,
            Event::Expired,
            Event::Scrolled,
            Event::Hit,
            Event::Miss,
            Event::RemoveHit,
            Event::RemoveMiss,
        ];
        for part in (0..memory.parts).map(|number| memory.part(number)) {
            let Some(_held) = part.lock() else { continue };
            part.expire(now);
            used += part.used();
            fullness += part.fullness();
            oldest.extend(part.oldest(now).map(|expires| (expires - now) / 1_000_000));
            for (count, event) in counts.iter_mut().zip(events) {
                *count += part.count_of(event);
            }
        }
        let (parts, entries) = (memory.parts, memory.entries);
        let facts = Facts { size: self.size, parts, entries, used, fullness: fullness / parts, oldest, counts };
        if auto { facts.lines() } else { facts.html() }
    }
}

/// What server-status shows.
struct Facts {
    size: usize,
    parts: usize,
    entries: usize,
    used: usize,
    fullness: usize,
    /// Seconds that the oldest entry of each part has left.
    oldest: Vec<i64>,
    /// In the order of [`Event`].
    counts: [usize; 8],
}

impl Facts {
    fn index_usage(&self) -> usize {
        self.used * 100 / (self.entries * self.parts).max(1)
    }
    /// Average, least and most of what the oldest have left.
    fn left(&self) -> Option<(i64, i64, i64)> {
        let (least, most) = (self.oldest.iter().min()?, self.oldest.iter().max()?);
        Some((self.oldest.iter().sum::<i64>() / self.oldest.len() as i64, *least, *most))
    }
    fn lines(&self) -> String {
        let mut out = format!(
            "CacheType: SHMCB\nCacheSharedMemory: {}\nCacheCurrentEntries: {}\nCacheSubcaches: {}\nCacheIndexesPerSubcaches: {}\n",
            self.size, self.used, self.parts, self.entries
        );
        if let Some((average, least, most)) = self.left() {
            out += &format!(
                "CacheTimeLeftOldestAvg: {average}\nCacheTimeLeftOldestMin: {least}\nCacheTimeLeftOldestMax: {most}\n"
            );
        }
        let names = ["Store", "Replace", "Expire", "Discard", "RetrieveHit", "RetrieveMiss", "RemoveHit", "RemoveMiss"];
        out += &format!("CacheIndexUsage: {}%\nCacheUsage: {}%\n", self.index_usage(), self.fullness);
        for (name, count) in names.iter().zip(self.counts) {
            out += &format!("Cache{name}Count: {count}\n");
        }
        out
    }
    fn html(&self) -> String {
        let [stored, replaced, expired, scrolled, hits, misses, remove_hits, remove_misses] = self.counts;
        let mut out = format!(
            "cache type: <b>SHMCB</b>, shared memory: <b>{}</b> bytes, current entries: <b>{}</b><br>\
             subcaches: <b>{}</b>, indexes per subcache: <b>{}</b><br>",
            self.size, self.used, self.parts, self.entries
        );
        if let Some((average, least, most)) = self.left() {
            out += &format!(
                "time left on oldest entries' objects: avg: <b>{average}</b> seconds, (range: {least}...{most})<br>"
            );
        }
        out + &format!(
            "index usage: <b>{}%</b>, cache usage: <b>{}%</b><br>\
             total entries stored since starting: <b>{stored}</b><br>\
             total entries replaced since starting: <b>{replaced}</b><br>\
             total entries expired since starting: <b>{expired}</b><br>\
             total (pre-expiry) entries scrolled out of the cache: <b>{scrolled}</b><br>\
             total retrieves since starting: <b>{hits}</b> hit, <b>{misses}</b> miss<br>\
             total removes since starting: <b>{remove_hits}</b> hit, <b>{remove_misses}</b> miss<br>",
            self.index_usage(),
            self.fullness
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_divided_as_in_apache() {
        for (size, parts, entries) in [
            (8192, 4, 21),
            (20_000, 8, 25),
            (12_376, 8, 16),
            (11_400, 4, 29),
            (65_536, 16, 42),
            (262_144, 32, 85),
            (524_288, 32, 170),
            (10_000_000, 128, 813),
        ] {
            let memory = Memory::new(size).unwrap();
            assert_eq!((memory.parts, memory.entries), (parts, entries), "{size}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("x(8192)".into()), Ok(8192));
        assert_eq!(size("".into()), Ok(USUAL));
        assert!(
            size("x(8192".into()).is_err() && size("x(-1)".into()).is_err() && size("x(4294967295)".into()).is_err()
        );
    }

    #[test]
    fn other_processes_see_what_is_kept() {
        let memory = Memory::new(SMALLEST).unwrap();
        for number in 0..50u32 {
            let key = format!("key {number}");
            memory.of(key.as_bytes()).store(key.as_bytes(), &number.to_le_bytes(), i64::MAX, 0).unwrap();
        }
        let kept = (0..50u32).filter(|number| {
            let key = format!("key {number}");
            memory.of(key.as_bytes()).retrieve(key.as_bytes(), 0) == Some(number.to_le_bytes().to_vec())
        });
        assert!(kept.count() > 30);
    }
}
