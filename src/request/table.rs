//! An ordered table of names and values: headers, environment variables, notes.
//!
//! Names keep their case and are compared without it; one name may stand several times; order is that of insertion.
//! All bytes live in one buffer, so that a table that is reused from request to request allocates nothing.

use bstr::{BStr, ByteSlice};
use std::fmt;

#[derive(Clone, Copy)]
struct Entry {
    name_at: u32,
    name_len: u32,
    value_at: u32,
    value_len: u32,
}

/// See the module text.
#[derive(Clone, Default)]
pub struct Table {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
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
    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (at, bytes.len() as u32)
    }
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.name_len as usize == name.len() && self.name(entry).eq_ignore_ascii_case(name))
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&BStr> {
        let at = self.find(name.as_ref())?;
        self.entries.get(at).map(|entry| self.value(entry))
    }
    /// All values of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a BStr> + 'a {
        let name = name.as_ref();
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.find(name.as_ref()).is_some()
    }
    /// All entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&BStr, &BStr)> + '_ {
        self.entries.iter().map(|entry| (self.name(entry), self.value(entry)))
    }
    /// Appends an entry, whatever stands already.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name_at, name_len) = self.store(name.as_ref());
        let (value_at, value_len) = self.store(value.as_ref());
        self.entries.push(Entry { name_at, name_len, value_at, value_len });
    }
    /// Replaces the first entry of `name` in its place and drops the others, or appends.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match self.find(name) {
            None => self.add(name, value),
            Some(first) => {
                let (name_at, name_len) = self.store(name);
                let (value_at, value_len) = self.store(value);
                if let Some(entry) = self.entries.get_mut(first) {
                    *entry = Entry { name_at, name_len, value_at, value_len };
                }
                self.drop_after(first, name);
            }
        }
    }
    fn drop_after(&mut self, first: usize, name: &[u8]) {
        let mut at = first + 1;
        while let Some(entry) = self.entries.get(at) {
            if self.name(entry).eq_ignore_ascii_case(name) {
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
                let Some(&entry) = self.entries.get(first) else {
                    return;
                };
                let joined = [self.value(&entry).as_bytes(), b", ", value].concat();
                let (value_at, value_len) = self.store(&joined);
                if let Some(entry) = self.entries.get_mut(first) {
                    (entry.value_at, entry.value_len) = (value_at, value_len);
                }
            }
        }
    }
    /// Drops all entries of `name`; says whether there were any.
    pub fn unset(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let before = self.entries.len();
        let bytes = &self.bytes;
        self.entries.retain(|entry| {
            let at = entry.name_at as usize;
            let key = bytes.get(at..at + entry.name_len as usize).unwrap_or_default();
            !key.eq_ignore_ascii_case(name)
        });
        before != self.entries.len()
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
        assert_eq!(table.iter().collect::<Vec<_>>(), [("a".into(), "4".into()), ("b".into(), "2".into())]);
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
