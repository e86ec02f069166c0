//! Merges remembered: what a section made of a base is the same for every request of the child.

use crate::config::{Configuration, Dir, Merged, Section, Server};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries after which a thread's memo starts anew: changing .htaccess files must not fill the memory.
const CAPACITY: usize = 65_536;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Multiplies and mixes: keys are small counters, nothing a client chooses.
#[derive(Default)]
struct CounterHasher(u64);

impl Hasher for CounterHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Table = HashMap<(u64, u32), Dir, BuildHasherDefault<CounterHasher>>;

thread_local! {
    /// One memo per thread needs no lock; what two threads merge twice is equal.
    static MEMO: RefCell<Table> = RefCell::new(Table::default());
}

/// Marks keys of servers' defaults, which no merge id reaches.
const SERVER: u64 = 1 << 63;

fn remember(key: (u64, u32), make: impl FnOnce() -> Dir) -> Dir {
    if let Some(found) = MEMO.with_borrow(|memo| memo.get(&key).cloned()) {
        return found;
    }
    let made = make();
    MEMO.with_borrow_mut(|memo| {
        if memo.len() >= CAPACITY {
            memo.clear();
        }
        memo.insert(key, made.clone());
    });
    made
}

/// `base` under the settings of `section`.
pub(crate) fn merged(configuration: &Configuration, base: &Dir, section: &Section) -> Dir {
    remember((base.id, section.id), || {
        let settings = base.settings.merged(&section.settings, &configuration.kinds);
        Arc::new(Merged::new(settings, NEXT_ID.fetch_add(1, Ordering::Relaxed)))
    })
}

/// What holds in a server outside of any section.
pub(crate) fn defaults(server: &Server) -> Dir {
    remember((SERVER | server.index as u64, 0), || {
        Arc::new(Merged::new(server.defaults.clone(), NEXT_ID.fetch_add(1, Ordering::Relaxed)))
    })
}
