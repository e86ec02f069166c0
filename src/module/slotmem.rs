//! Slotted memory: an array of equal records in which users take and give back slots (Apache's `ap_slotmem`).
//!
//! mod_slotmem_shm and mod_slotmem_plain offer a [`SlotMemory`] under `shm` and `plain`; mod_proxy_balancer is who needs it.

use crate::sys::shared::Region;
use crate::sys::shared_lock;
use bstr::{BStr, BString};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A kind of slotted memory.
pub trait SlotMemory: Sync {
    /// `count` slots of `words` words of 64 bits, zeroed; what has that name and these sizes already is given again, with its content.
    fn create(&self, name: &BStr, words: usize, count: usize) -> io::Result<Arc<Slots>>;
}

enum Memory {
    Shared(Region),
    Own(Box<[AtomicU64]>),
}

/// One array of slots.
pub struct Slots {
    pub name: BString,
    /// The lock, a word for each slot that says whether it is taken, the slots.
    memory: Memory,
    words: usize,
    count: usize,
}

impl Slots {
    /// In memory that children forked later share with one another.
    pub fn shared(name: &BStr, words: usize, count: usize) -> io::Result<Slots> {
        Ok(Slots { name: name.into(), memory: Memory::Shared(Region::new(room(words, count)?)?), words, count })
    }
    /// In memory that each process has for itself.
    pub fn own(name: &BStr, words: usize, count: usize) -> io::Result<Slots> {
        let memory = (0..room(words, count)?).map(|_| AtomicU64::new(0)).collect();
        Ok(Slots { name: name.into(), memory: Memory::Own(memory), words, count })
    }
    fn memory(&self) -> &[AtomicU64] {
        match &self.memory {
            Memory::Shared(region) => region,
            Memory::Own(words) => words,
        }
    }
    /// Whether it has that name and these sizes.
    pub fn is(&self, name: &BStr, words: usize, count: usize) -> bool {
        self.name == name && self.words == words && self.count == count
    }
    pub fn len(&self) -> usize {
        self.count
    }
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// The words of a slot, taken or not; None beyond the last.
    pub fn slot(&self, index: usize) -> Option<&[AtomicU64]> {
        let start = (index < self.count).then(|| 1 + self.count + index * self.words)?;
        self.memory().get(start..start + self.words)
    }
    fn flag(&self, index: usize) -> Option<&AtomicU64> {
        self.memory().get(1..=self.count)?.get(index)
    }
    /// Whether a slot is taken.
    pub fn taken(&self, index: usize) -> bool {
        self.flag(index).is_some_and(|flag| flag.load(Relaxed) != 0)
    }
    /// Slots that nobody has.
    pub fn free(&self) -> usize {
        (0..self.count).filter(|index| !self.taken(*index)).count()
    }
    /// Takes the first free slot.
    pub fn grab(&self) -> Option<usize> {
        let _held = shared_lock::lock(self.memory().first()?);
        (0..self.count).find(|index| self.flag(*index).is_some_and(|flag| flag.swap(1, Relaxed) == 0))
    }
    /// Takes this slot; false: there is no such slot.
    pub fn take(&self, index: usize) -> bool {
        self.flag(index).map(|flag| flag.store(1, Relaxed)).is_some()
    }
    /// Gives a slot back; false: nobody had it.
    pub fn release(&self, index: usize) -> bool {
        self.flag(index).is_some_and(|flag| flag.swap(0, Relaxed) != 0)
    }
}

/// Words needed in all.
fn room(words: usize, count: usize) -> io::Result<usize> {
    let all = words.checked_add(1).and_then(|each| each.checked_mul(count)).and_then(|all| all.checked_add(1));
    all.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_and_given_back() {
        for slots in [Slots::shared("a".into(), 3, 2).unwrap(), Slots::own("a".into(), 3, 2).unwrap()] {
            assert_eq!((slots.grab(), slots.grab(), slots.grab()), (Some(0), Some(1), None));
            assert!(slots.release(0) && !slots.release(0) && !slots.release(2));
            assert_eq!(slots.free(), 1);
            slots.slot(1).unwrap()[2].store(9, Relaxed);
            assert!(slots.slot(0).unwrap().iter().all(|word| word.load(Relaxed) == 0));
            assert!(slots.slot(2).is_none() && !slots.take(2) && slots.take(0) && slots.taken(0));
            assert!(slots.is("a".into(), 3, 2) && !slots.is("a".into(), 3, 3));
        }
        assert!(Slots::shared("a".into(), usize::MAX, 2).is_err());
    }
}
