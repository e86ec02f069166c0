//! One part of the cache: an index of entries and the octets of keys and values, both rings in shared words.
//!
//! Entries are in order of arrival; the oldest give way to new ones. Whatever is read from the memory is taken as a
//! number that another process may have written, never as a promise.

use crate::sys::shared_lock::{self, Held};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Words before the index.
pub(super) const HEAD: usize = 16;
/// Words of an entry: when it expires; where its octets are and their hash; lengths of key and value.
pub(super) const ENTRY: usize = 3;

const LOCK: usize = 0;
/// The first entry and how many there are; the first word of octets and how many are used.
const FIRST: usize = 1;
const COUNT: usize = 2;
const DATA_FIRST: usize = 3;
const DATA_USED: usize = 4;

/// What has happened, for server-status.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Stored = 5,
    Replaced = 6,
    Expired = 7,
    Scrolled = 8,
    Hit = 9,
    Miss = 10,
    RemoveHit = 11,
    RemoveMiss = 12,
}

/// The value is larger than the whole ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLarge;

/// One part, seen in shared memory.
#[derive(Clone, Copy)]
pub(super) struct Ring<'a> {
    pub(super) words: &'a [AtomicU64],
    /// Entries of the index.
    pub(super) entries: usize,
}

/// An entry's facts.
#[derive(Clone, Copy)]
struct Entry {
    index: usize,
    expires: i64,
    start: usize,
    hash: u32,
    key: usize,
    value: usize,
}

impl Entry {
    /// Words of its octets.
    fn words(&self) -> usize {
        (self.key.saturating_add(self.value)).div_ceil(8)
    }
    /// One that was taken away has no key.
    fn removed(&self) -> bool {
        self.key == 0
    }
}

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Ring<'_> {
    fn read(&self, at: usize) -> usize {
        self.words.get(at).map_or(0, |word| word.load(Relaxed) as usize)
    }
    fn write(&self, at: usize, value: usize) {
        if let Some(word) = self.words.get(at) {
            word.store(value as u64, Relaxed);
        }
    }
    pub(super) fn note(&self, event: Event) {
        self.write(event as usize, self.read(event as usize).wrapping_add(1));
    }
    pub(super) fn count_of(&self, event: Event) -> usize {
        self.read(event as usize)
    }
    /// Words of octets.
    fn room(&self) -> usize {
        self.words.len().saturating_sub(self.data_at()).max(1)
    }
    fn data_at(&self) -> usize {
        HEAD + self.entries * ENTRY
    }
    /// Entries there are.
    pub(super) fn used(&self) -> usize {
        self.read(COUNT).min(self.entries)
    }
    /// Words of octets in use.
    fn data_used(&self) -> usize {
        self.read(DATA_USED).min(self.room())
    }
    /// Percent of the octets in use.
    pub(super) fn fullness(&self) -> usize {
        self.data_used() * 100 / self.room()
    }

    /// Waits for the part; what a dead process left half done is dropped.
    pub(super) fn lock(&self) -> Option<Held<'_>> {
        let held = shared_lock::lock(self.words.get(LOCK)?);
        if held.orphaned {
            [FIRST, COUNT, DATA_FIRST, DATA_USED].into_iter().for_each(|at| self.write(at, 0));
        }
        Some(held)
    }

    /// The entry at that place in order of arrival.
    fn entry(&self, position: usize) -> Entry {
        let index = (self.read(FIRST) % self.entries + position) % self.entries;
        let at = HEAD + index * ENTRY;
        let (place, lengths) = (self.read(at + 1), self.read(at + 2));
        Entry {
            index,
            expires: self.read(at) as i64,
            start: (place >> 32) % self.room(),
            hash: place as u32,
            key: lengths >> 32,
            value: lengths & 0xffff_ffff,
        }
    }

    /// Drops the oldest entry.
    fn drop_first(&self) {
        let (first, used) = (self.entry(0), self.used());
        let words = first.words().min(self.data_used());
        self.write(FIRST, (first.index + 1) % self.entries);
        self.write(COUNT, used.saturating_sub(1));
        self.write(DATA_FIRST, (self.read(DATA_FIRST) % self.room() + words) % self.room());
        self.write(DATA_USED, self.data_used() - words);
    }

    /// Drops entries that have expired or were removed, from the oldest on.
    pub(super) fn expire(&self, now: i64) {
        while self.used() > 0 {
            let first = self.entry(0);
            if !first.removed() && first.expires > now {
                break;
            }
            if !first.removed() {
                self.note(Event::Expired);
            }
            self.drop_first();
        }
    }

    pub(super) fn store(&self, key: &[u8], value: &[u8], expires: i64, now: i64) -> Result<(), TooLarge> {
        let words = (key.len() + value.len()).div_ceil(8);
        if words > self.room() || u32::try_from(value.len()).is_err() {
            return Err(TooLarge);
        }
        if self.forget(key) {
            self.note(Event::Replaced);
        }
        self.expire(now);
        while self.used() > 0 && (self.used() == self.entries || self.room() - self.data_used() < words) {
            if !self.entry(0).removed() {
                self.note(Event::Scrolled);
            }
            self.drop_first();
        }
        let used = self.used();
        let index = (self.read(FIRST) % self.entries + used) % self.entries;
        let start = (self.read(DATA_FIRST) % self.room() + self.data_used()) % self.room();
        let octets = key.iter().chain(value).copied().collect::<Vec<u8>>();
        for (offset, chunk) in octets.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            let at = self.data_at() + (start + offset) % self.room();
            self.write(at, u64::from_le_bytes(word) as usize);
        }
        let at = HEAD + index * ENTRY;
        self.write(at, expires as usize);
        self.write(at + 1, start << 32 | hash(key) as usize);
        self.write(at + 2, key.len() << 32 | value.len());
        self.write(COUNT, used + 1);
        self.write(DATA_USED, self.data_used() + words);
        self.note(Event::Stored);
        Ok(())
    }

    /// Key and value of an entry.
    fn octets(&self, entry: &Entry) -> Option<Vec<u8>> {
        let words = Some(entry.words()).filter(|words| *words <= self.room())?;
        let mut octets: Vec<u8> = (0..words)
            .flat_map(|offset| (self.read(self.data_at() + (entry.start + offset) % self.room()) as u64).to_le_bytes())
            .collect();
        octets.truncate(entry.key + entry.value);
        Some(octets)
    }

    /// The living entry of a key, with its octets.
    fn find(&self, key: &[u8]) -> Option<(Entry, Vec<u8>)> {
        let hash = hash(key);
        (0..self.used()).find_map(|position| {
            let entry = self.entry(position);
            let like = entry.hash == hash && entry.key == key.len() && !entry.removed();
            let octets = like.then(|| self.octets(&entry)).flatten()?;
            octets.starts_with(key).then_some((entry, octets))
        })
    }

    pub(super) fn retrieve(&self, key: &[u8], now: i64) -> Option<Vec<u8>> {
        let found = self.find(key).filter(|(entry, _)| entry.expires > now);
        self.note(if found.is_some() { Event::Hit } else { Event::Miss });
        let (entry, mut octets) = found?;
        octets.drain(..entry.key);
        Some(octets)
    }

    fn forget(&self, key: &[u8]) -> bool {
        let Some((entry, _)) = self.find(key) else { return false };
        // The octets stay the entry's until it is the oldest.
        self.write(HEAD + entry.index * ENTRY + 2, entry.key + entry.value);
        true
    }

    pub(super) fn remove(&self, key: &[u8]) {
        self.note(if self.forget(key) { Event::RemoveHit } else { Event::RemoveMiss });
    }

    /// When the oldest entry that has not expired will expire.
    pub(super) fn oldest(&self, now: i64) -> Option<i64> {
        (0..self.used())
            .map(|position| self.entry(position))
            .find(|entry| !entry.removed() && entry.expires > now)
            .map(|entry| entry.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shared::Region;

    #[test]
    fn keeps_scrolls_and_forgets() {
        let region = Region::new(HEAD + 4 * ENTRY + 10).unwrap();
        let ring = Ring { words: &region, entries: 4 };
        for (number, key) in [b"key1", b"key2", b"key3"].iter().enumerate() {
            ring.store(*key, format!("value number {number}").as_bytes(), 100, 0).unwrap();
        }
        assert_eq!(ring.retrieve(b"key2", 1).unwrap(), b"value number 1");
        assert_eq!(ring.retrieve(b"key2", 100), None);
        assert_eq!(ring.retrieve(b"key4", 1), None);
        // The fourth needs room: the first goes. It wraps around.
        ring.store(b"key4", b"a value of many letters", 50, 0).unwrap();
        assert_eq!(ring.retrieve(b"key1", 1), None);
        assert_eq!(ring.retrieve(b"key4", 1).unwrap(), b"a value of many letters");
        ring.store(b"key4", b"another", 50, 0).unwrap();
        assert_eq!(ring.retrieve(b"key4", 1).unwrap(), b"another");
        ring.remove(b"key4");
        assert_eq!(ring.retrieve(b"key4", 1), None);
        ring.expire(1000);
        assert_eq!((ring.used(), ring.fullness()), (0, 0));
        assert_eq!(ring.store(b"key5", &[0; 80], 1, 0), Err(TooLarge));
    }

    #[test]
    fn survives_nonsense_in_memory() {
        let region = Region::new(HEAD + 4 * ENTRY + 10).unwrap();
        let ring = Ring { words: &region, entries: 4 };
        for nonsense in [u64::MAX, u64::MAX / 2, 1 << 32, 0x0123_4567_89ab_cdef] {
            for word in region.iter().skip(1) {
                word.store(nonsense, Relaxed);
            }
            let _ = ring.retrieve(b"key1", 0);
            ring.store(b"key1", b"value", i64::MAX, 0).unwrap();
            ring.expire(i64::MAX);
            ring.remove(b"key1");
            let _ = (ring.used(), ring.fullness(), ring.oldest(0));
        }
    }
}
