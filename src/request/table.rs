//! An ordered table of names and values: headers, environment variables, notes.
//!
//! Names keep their case and are compared without it; one name may stand several times; order is that of insertion.
//! All bytes live in one buffer, so that a table that is reused from request to request allocates nothing.

use bstr::{BStr, BString, ByteSlice};
use std::fmt;

#[derive(Clone, Copy)]
struct Entry {
    /// See [`key`].
    key: u32,
    name_at: u32,
    name_len: u32,
    value_at: u32,
    value_len: u32,
}

/// Length, first and last letter of a name, without case: names that differ here need no comparison.
fn key(name: &[u8]) -> u32 {
    let letter = |byte: Option<&u8>| u32::from(byte.map_or(0, u8::to_ascii_lowercase));
    (name.len() as u32) << 16 | letter(name.first()) << 8 | letter(name.last())
}

/// See the module text.
#[derive(Clone, Default)]
pub struct Table {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Lines in `bytes`, those of replaced entries too.
    stored: usize,
}

/// Header fields of a message.
pub type Headers = Table;

impl Table {
    pub fn new() -> Table {
        Table::default()
    }
    /// Forgets all entries, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.stored = 0;
    }
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// Bytes held, for limits.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, at: u32, len: u32) -> &BStr {
        let at = at as usize;
        self.bytes.get(at..at + len as usize).unwrap_or_default().as_bstr()
    }
    fn name(&self, entry: &Entry) -> &BStr {
        self.slice(entry.name_at, entry.name_len)
    }
    fn value(&self, entry: &Entry) -> &BStr {
        self.slice(entry.value_at, entry.value_len)
    }
    /// Stores name and value as the line that they are in a message.
    fn entry(&mut self, name: &[u8], value: &[u8]) -> Entry {
        let name_at = self.bytes.len();
        self.bytes.reserve(name.len() + value.len() + 4);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        self.stored += 1;
        Entry {
            key: key(name),
            name_at: name_at as u32,
            name_len: name.len() as u32,
            value_at: value_at as u32,
            value_len: value.len() as u32,
        }
    }
    fn is(&self, entry: &Entry, key: u32, name: &[u8]) -> bool {
        entry.key == key && self.name(entry).eq_ignore_ascii_case(name)
    }
    fn find(&self, name: &[u8]) -> Option<usize> {
        let key = key(name);
        self.entries.iter().position(|entry| self.is(entry, key, name))
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&BStr> {
        let at = self.find(name.as_ref())?;
        self.entries.get(at).map(|entry| self.value(entry))
    }
    /// All values of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a BStr> + 'a {
        let name = name.as_ref();
        let key = key(name);
        self.entries.iter().filter(move |entry| self.is(entry, key, name)).map(|entry| self.value(entry))
    }
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.find(name.as_ref()).is_some()
    }
    /// All entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&BStr, &BStr)> + '_ {
        self.entries.iter().map(|entry| (self.name(entry), self.value(entry)))
    }
    /// The entries as lines, `Name: value` and a line break, each with its name.
    pub fn lines(&self) -> impl Iterator<Item = (&BStr, &[u8])> + '_ {
        self.entries.iter().map(|entry| {
            let (from, to) = (entry.name_at as usize, (entry.value_at + entry.value_len) as usize + 2);
            (self.name(entry), self.bytes.get(from..to).unwrap_or_default())
        })
    }
    /// Whether any name or value, one that was replaced included, may hold a control character. A tab looks like one.
    pub fn may_hold_controls(&self) -> bool {
        // Counted without branches in octets, so that many are looked at at once; each entry has its own line break.
        let low = |part: &[u8]| part.iter().fold(0u8, |count, byte| count + u8::from(*byte < 32 || *byte == 127));
        self.bytes.chunks(255).map(|part| usize::from(low(part))).sum::<usize>() != 2 * self.stored
    }
    /// Appends an entry, whatever stands already.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let entry = self.entry(name.as_ref(), value.as_ref());
        self.entries.push(entry);
    }
    /// Takes a block of `Name: value` lines over as it stands, into an empty table. `fields` are its names and values, whose places in the
    /// block are looked up. False, and nothing taken, where they are no such lines or a name stands twice.
    pub fn adopt<'a>(&mut self, block: &'a [u8], fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        let (base, first) = (self.bytes.len(), self.entries.len());
        let mut at = 0;
        for (name, value) in fields {
            let value_at = at + name.len() + 2;
            let next = value_at + value.len() + 2;
            // The very slices, not merely equal ones.
            let in_place = |from: usize, part: &[u8]| {
                block.get(from..from + part.len()).is_some_and(|own| std::ptr::eq(own, part))
            };
            let repeats = |entry: &Entry| {
                let from = entry.name_at as usize - base;
                entry.key == key(name)
                    && block.get(from..from + name.len()).is_some_and(|one| one.eq_ignore_ascii_case(name))
            };
            let twice = self.entries.get(first..).unwrap_or_default().iter().any(repeats);
            if !in_place(at, name) || !in_place(value_at, value) || twice {
                self.entries.truncate(first);
                return false;
            }
            self.entries.push(Entry {
                key: key(name),
                name_at: (base + at) as u32,
                name_len: name.len() as u32,
                value_at: (base + value_at) as u32,
                value_len: value.len() as u32,
            });
            at = next;
        }
        self.stored += self.entries.len() - first;
        self.bytes.extend_from_slice(block.get(..at).unwrap_or_default());
        true
    }
    /// Replaces the value of the first entry of `name`, which keeps its spelling, and drops the others, or appends.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match self.find(name) {
            None => self.add(name, value),
            Some(first) => {
                self.replace(first, value);
                self.drop_from(first + 1, name);
            }
        }
    }
    fn replace(&mut self, at: usize, value: &[u8]) {
        let Some(old) = self.entries.get(at).copied() else { return };
        let (name_at, value_at) = (self.bytes.len(), self.bytes.len() + old.name_len as usize + 2);
        self.bytes.reserve(old.name_len as usize + value.len() + 4);
        self.bytes.extend_from_within(old.name_at as usize..(old.name_at + old.name_len) as usize);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        self.stored += 1;
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry { name_at: name_at as u32, value_at: value_at as u32, value_len: value.len() as u32, ..old };
        }
    }
    fn drop_from(&mut self, mut at: usize, name: &[u8]) {
        let key = key(name);
        while let Some(entry) = self.entries.get(at) {
            if self.is(entry, key, name) {
                self.entries.remove(at);
            } else {
                at += 1;
            }
        }
    }
    /// Appends `, value` to the first entry of `name`, or adds one.
    pub fn merge(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match self.find(name) {
            None => self.add(name, value),
            Some(first) => {
                let before = self.entries.get(first).map(|entry| self.value(entry)).unwrap_or_default();
                let joined = [before.as_bytes(), b", ", value].concat();
                self.replace(first, &joined);
            }
        }
    }
    /// Drops all entries of `name`; says whether there were any.
    pub fn unset(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let Some(first) = self.find(name) else { return false };
        self.entries.remove(first);
        self.drop_from(first, name);
        true
    }
    /// Appends all entries of `other`.
    pub fn extend(&mut self, other: &Table) {
        for (name, value) in other.iter() {
            self.add(name, value);
        }
    }
    /// Sets all entries of `other`, each replacing what stands under its name.
    pub fn overlay(&mut self, other: &Table) {
        for (name, value) in other.iter() {
            self.set(name, value);
        }
    }
    /// Where a name stands more than once, its last value takes the first one's place.
    pub fn keep_last(&mut self) {
        let mut at = 0;
        while let Some(entry) = self.entries.get(at).copied() {
            let name: BString = self.name(&entry).into();
            let later = self.entries.get(at + 1..).unwrap_or_default();
            if let Some(last) = later.iter().rfind(|other| self.is(other, entry.key, &name)).copied() {
                if let Some(place) = self.entries.get_mut(at) {
                    *place = last;
                }
                self.drop_from(at + 1, &name);
            }
            at += 1;
        }
    }
    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&BStr, &BStr) -> bool) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| keep(self.name(entry), self.value(entry)));
        self.entries = entries;
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Table {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Table {
        let mut table = Table::new();
        for (name, value) in entries {
            table.add(name, value);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_in_place_and_drops_repeats() {
        let mut table = Table::from_iter([("A", "1"), ("b", "2"), ("a", "3")]);
        table.set("a", "4");
        assert_eq!(table.iter().collect::<Vec<_>>(), [("A".into(), "4".into()), ("b".into(), "2".into())]);
    }

    #[test]
    fn lines_and_breaks_in_values() {
        let mut table = Table::from_iter([("A", "1"), ("b", "2")]);
        table.set("a", "3");
        table.merge("B", "4");
        let lines: Vec<_> = table.lines().map(|(name, line)| (name.to_owned(), line.to_vec())).collect();
        assert_eq!(lines, [("A".into(), b"A: 3\r\n".to_vec()), ("b".into(), b"b: 2, 4\r\n".to_vec())]);
        assert!(!table.may_hold_controls());
        for value in ["x\ny", "x\r", "\0"] {
            let mut table = table.clone();
            table.add("C", value);
            assert!(table.may_hold_controls(), "{value:?}");
        }
    }

    #[test]
    fn a_block_is_taken_over_or_left() {
        let take = |block: &str, places: &[(usize, usize, usize, usize)]| {
            let mut table = Table::new();
            let bytes = block.as_bytes();
            let fields = places.iter().map(|&(a, b, c, d)| (&bytes[a..b], &bytes[c..d]));
            let taken = table.adopt(bytes, fields);
            (taken, table.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>())
        };
        let (taken, fields) = take("A: 1\r\nBc: \r\n\r\n", &[(0, 1, 3, 4), (6, 8, 10, 10)]);
        assert!(taken && fields == ["A=1", "Bc="], "{fields:?}");
        assert_eq!(take("A:1\r\n", &[(0, 1, 2, 3)]), (false, vec![]));
        assert_eq!(take("A: 1\r\na: 2\r\n", &[(0, 1, 3, 4), (6, 7, 9, 10)]), (false, vec![]));
    }

    #[test]
    fn merge_joins_with_a_comma() {
        let mut table = Table::new();
        table.merge("Vary", "Accept");
        table.merge("vary", "Cookie");
        assert_eq!(table.get("VARY"), Some("Accept, Cookie".into()));
        assert!(table.unset("vary") && table.is_empty());
    }
}
