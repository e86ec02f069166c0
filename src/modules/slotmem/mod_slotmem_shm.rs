//! mod_slotmem_shm: slotted memory that all children share, offered as `shm`.
//!
//! No directives, no hooks. The memory is anonymous; a configuration that is read again finds what it had under the same
//! name and sizes. Difference: nothing is kept in files over a stop. Manual: mod/mod_slotmem_shm.html.

use crate::config::Config;
use crate::module::{Linked, Module, SlotMemory, Slots};
use bstr::BStr;
use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};

pub static MODULE: Module = Module {
    name: "mod_slotmem_shm.c",
    ident: "slotmem_shm_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn SlotMemory>("shm", &Shared),
};

/// What the process has now.
static KNOWN: Mutex<Vec<Weak<Slots>>> = Mutex::new(Vec::new());

struct Shared;

impl SlotMemory for Shared {
    fn create(&self, name: &BStr, words: usize, count: usize) -> io::Result<Arc<Slots>> {
        let mut known = KNOWN.lock();
        known.retain(|slots| slots.strong_count() > 0);
        if let Some(slots) = known.iter().filter_map(Weak::upgrade).find(|slots| slots.is(name, words, count)) {
            return Ok(slots);
        }
        let slots = Arc::new(Slots::shared(name, words, count)?);
        known.push(Arc::downgrade(&slots));
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_finds_the_same_slots() {
        let first = Shared.create("balancer".into(), 4, 4).unwrap();
        assert!(Arc::ptr_eq(&first, &Shared.create("balancer".into(), 4, 4).unwrap()));
        assert!(!Arc::ptr_eq(&first, &Shared.create("balancer".into(), 4, 5).unwrap()));
        assert!(!Arc::ptr_eq(&first, &Shared.create("other".into(), 4, 4).unwrap()));
    }
}
