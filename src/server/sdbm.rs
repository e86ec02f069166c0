//! SDBM files, as APR's: a hash table on disk of keys and values, in two files. `NAME.pag` holds pages of pairs, `NAME.dir`
//! a bit for each page that was split. Pairs are at most 1008 octets. Format: Ozan Yigit's sdbm, with APR's sizes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use crate::sys::dbm::Access;

const PAGE: usize = 1024;
const BITS_BLOCK: usize = 4096;
/// Octets of a pair at most.
const PAIR: usize = 1008;
/// Splits of a page for one pair at most.
const SPLITS: usize = 10;

/// An open database.
pub struct Sdbm {
    pages: File,
    directory: File,
    bits: Vec<u8>,
}

/// A pair that no page can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

/// One page: the count of offsets, the offsets of keys and values in turn, and at the end the octets, backwards.
struct Page([u8; PAGE]);

impl Sdbm {
    /// The two files of a database.
    pub fn files(name: &Path) -> [PathBuf; 2] {
        [".dir", ".pag"].map(|suffix| {
            let mut path = name.as_os_str().to_owned();
            path.push(suffix);
            path.into()
        })
    }

    pub fn open(name: &Path, access: Access) -> io::Result<Sdbm> {
        let [directory, pages] = Sdbm::files(name);
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(access != Access::Read).truncate(access == Access::Create);
            options.create(matches!(access, Access::Extend | Access::Create)).mode(0o644).open(path)
        };
        let (directory, pages) = (open(&directory)?, open(&pages)?);
        let mut bits = vec![0; usize::try_from(directory.metadata()?.len()).unwrap_or(0)];
        directory.read_exact_at(&mut bits, 0)?;
        Ok(Sdbm { pages, directory, bits })
    }

    /// The value of a key.
    pub fn fetch(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (number, _, _) = self.place(hash(key));
        let page = self.page(number)?;
        Ok(page.pairs().find(|(known, _)| *known == key).map(|(_, value)| value.to_vec()))
    }

    /// Sets the value of a key.
    pub fn store(&mut self, key: &[u8], value: &[u8]) -> io::Result<Result<(), TooLong>> {
        if key.len() + value.len() > PAIR {
            return Ok(Err(TooLong));
        }
        let hash = hash(key);
        let (mut number, mut mask, mut bit) = self.place(hash);
        let mut page = self.page(number)?;
        page.remove(key);
        for _ in 0..=SPLITS {
            if page.put(key, value) {
                self.write(number, &page)?;
                return Ok(Ok(()));
            }
            // Pairs whose next bit is set move to a page of their own.
            let next = mask + 1;
            let (stay, leave) = page.split(next);
            let other = (hash & mask) | next;
            self.set_bit(bit)?;
            bit = 2 * bit + if hash & next == 0 { 1 } else { 2 };
            if hash & next == 0 {
                self.write(other, &leave)?;
                page = stay;
            } else {
                self.write(number, &stay)?;
                (page, number) = (leave, other);
            }
            mask |= next;
            self.write(number, &page)?;
        }
        Ok(Err(TooLong))
    }

    /// Takes a key away. False: it was not there.
    pub fn delete(&mut self, key: &[u8]) -> io::Result<bool> {
        let (number, _, _) = self.place(hash(key));
        let mut page = self.page(number)?;
        let found = page.remove(key);
        if found {
            self.write(number, &page)?;
        }
        Ok(found)
    }

    /// All keys and values, in the order of the file.
    pub fn pairs(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let count = self.pages.metadata()?.len() / PAGE as u64;
        let mut all = Vec::new();
        for number in 0..count {
            all.extend(self.page(number)?.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())));
        }
        Ok(all)
    }

    /// The page of a hash, the mask of bits that chose it, and the bit that says whether it was split.
    fn place(&self, hash: u64) -> (u64, u64, u64) {
        let (mut bit, mut depth) = (0u64, 0u32);
        while self.bit(bit) && depth < 32 {
            bit = 2 * bit + if hash & (1 << depth) == 0 { 1 } else { 2 };
            depth += 1;
        }
        let mask = (1 << depth) - 1;
        (hash & mask, mask, bit)
    }

    fn bit(&self, bit: u64) -> bool {
        self.bits.get((bit / 8) as usize).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    fn set_bit(&mut self, bit: u64) -> io::Result<()> {
        let at = (bit / 8) as usize;
        if at >= self.bits.len() {
            self.bits.resize((at / BITS_BLOCK + 1) * BITS_BLOCK, 0);
        }
        if let Some(byte) = self.bits.get_mut(at) {
            *byte |= 1 << (bit % 8);
        }
        let block = at / BITS_BLOCK * BITS_BLOCK;
        self.directory.write_all_at(self.bits.get(block..block + BITS_BLOCK).unwrap_or_default(), block as u64)
    }

    /// A page; behind the end of the file they are empty.
    fn page(&self, number: u64) -> io::Result<Page> {
        let mut page = Page([0; PAGE]);
        let (mut at, start) = (0, number * PAGE as u64);
        while let Some(room) = page.0.get_mut(at..).filter(|room| !room.is_empty()) {
            match self.pages.read_at(room, start + at as u64)? {
                0 => break,
                read => at += read,
            }
        }
        if page.is_sound() { Ok(page) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn write(&self, number: u64, page: &Page) -> io::Result<()> {
        self.pages.write_all_at(&page.0, number * PAGE as u64)
    }
}

/// Octets count with their sign, as `char` does where the format was made.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0u64, |sum, byte| sum.wrapping_mul(65599).wrapping_add(*byte as i8 as u64))
}

impl Page {
    fn number(&self, index: usize) -> usize {
        let bytes = self.0.get(2 * index..2 * index + 2).and_then(|bytes| bytes.try_into().ok());
        usize::from(bytes.map_or(0, u16::from_ne_bytes))
    }
    fn set_number(&mut self, index: usize, value: usize) {
        if let Some(place) = self.0.get_mut(2 * index..2 * index + 2) {
            place.copy_from_slice(&(value as u16).to_ne_bytes());
        }
    }
    /// Where the octets begin.
    fn start(&self) -> usize {
        match self.number(0) {
            0 => PAGE,
            count => self.number(count),
        }
    }
    /// Whether the offsets go down from the page's end, and end behind the table of them.
    fn is_sound(&self) -> bool {
        let count = self.number(0);
        let mut before = PAGE;
        count.is_multiple_of(2)
            && (count + 1) * 2 <= PAGE
            && (1..=count).all(|index| {
                let offset = self.number(index);
                let down = offset <= before && offset >= (count + 1) * 2;
                before = offset;
                down
            })
    }
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut end = PAGE;
        (1..=self.number(0)).step_by(2).map(move |index| {
            let (key, value) = (self.number(index), self.number(index + 1));
            let pair = (self.0.get(key..end).unwrap_or_default(), self.0.get(value..key).unwrap_or_default());
            end = value;
            pair
        })
    }
    /// Adds a pair. False: there is no room.
    fn put(&mut self, key: &[u8], value: &[u8]) -> bool {
        let (count, start) = (self.number(0), self.start());
        let need = key.len() + value.len() + 4;
        if start < (count + 1) * 2 + need {
            return false;
        }
        let (at_key, at_value) = (start - key.len(), start - key.len() - value.len());
        if let Some(place) = self.0.get_mut(at_key..start) {
            place.copy_from_slice(key);
        }
        if let Some(place) = self.0.get_mut(at_value..at_key) {
            place.copy_from_slice(value);
        }
        self.set_number(count + 1, at_key);
        self.set_number(count + 2, at_value);
        self.set_number(0, count + 2);
        true
    }
    /// What stands behind the pair moves up over it.
    fn remove(&mut self, key: &[u8]) -> bool {
        let Some(at) = self.pairs().position(|(known, _)| known == key) else { return false };
        let (count, start, first) = (self.number(0), self.start(), 2 * at + 1);
        let end = if first == 1 { PAGE } else { self.number(first - 1) };
        let value = self.number(first + 1);
        self.0.copy_within(start..value, start + end - value);
        for index in first..count - 1 {
            self.set_number(index, self.number(index + 2) + end - value);
        }
        self.set_number(0, count - 2);
        true
    }
    /// The pairs without and those with the bit in their hash.
    fn split(&self, bit: u64) -> (Page, Page) {
        let (mut stay, mut leave) = (Page([0; PAGE]), Page([0; PAGE]));
        for (key, value) in self.pairs() {
            let page = if hash(key) & bit == 0 { &mut stay } else { &mut leave };
            page.put(key, value);
        }
        (stay, leave)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again_through_many_splits() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("db");
        let mut file = Sdbm::open(&name, Access::Create).unwrap();
        let value = |number: u32| vec![b'v'; (number % 97) as usize];
        for number in 0..2000 {
            file.store(format!("key {number}").as_bytes(), &value(number)).unwrap().unwrap();
        }
        file.store(b"key 7", b"other").unwrap().unwrap();
        assert!(file.delete(b"key 8").unwrap() && !file.delete(b"key 8").unwrap());
        let file = Sdbm::open(&name, Access::Read).unwrap();
        assert_eq!(file.fetch(b"key 7").unwrap().unwrap(), b"other");
        assert_eq!(file.fetch(b"key 8").unwrap(), None);
        for number in 9..2000 {
            assert_eq!(file.fetch(format!("key {number}").as_bytes()).unwrap().unwrap(), value(number));
        }
        assert_eq!(file.pairs().unwrap().len(), 1999);
    }

    #[test]
    fn what_is_too_long_or_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("db");
        let mut file = Sdbm::open(&name, Access::Extend).unwrap();
        assert_eq!(file.store(&[b'k'; 500], &[b'v'; 509]).unwrap(), Err(TooLong));
        file.store(&[b'k'; 500], &[b'v'; 508]).unwrap().unwrap();
        let [_, pages] = Sdbm::files(&name);
        std::fs::write(pages, [0xff; PAGE]).unwrap();
        assert!(Sdbm::open(&name, Access::Read).unwrap().fetch(b"x").is_err());
    }
}
