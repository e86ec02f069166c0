//! A lock in memory that processes share. Its word holds the id of the thread that has it, so that a lock whose owner died
//! can be taken over.

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::{Pid, gettid};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Tries before the thread lets others run, and tries between two looks at the owner.
const SPINS: u32 = 64;
const LOOKS: u32 = 256;

/// The lock, held until dropped.
pub struct Held<'a> {
    word: &'a AtomicU64,
    /// Its last owner died with it: what it guards may be half done.
    pub orphaned: bool,
}

/// Waits for the lock. Meant for moments: the waiting thread spins, then yields.
pub fn lock(word: &AtomicU64) -> Held<'_> {
    let me = u64::from(gettid().as_raw().unsigned_abs());
    let mut tries = 0u32;
    loop {
        match word.compare_exchange_weak(0, me, Acquire, Relaxed) {
            Ok(_) => return Held { word, orphaned: false },
            Err(owner) if tries % LOOKS == LOOKS - 1 && is_gone(owner) => {
                if word.compare_exchange(owner, me, Acquire, Relaxed).is_ok() {
                    return Held { word, orphaned: true };
                }
            }
            Err(_) if tries < SPINS => std::hint::spin_loop(),
            Err(_) => std::thread::yield_now(),
        }
        tries = tries.wrapping_add(1);
    }
}

/// Takes the lock if nobody alive has it.
pub fn try_lock(word: &AtomicU64) -> Option<Held<'_>> {
    let me = u64::from(gettid().as_raw().unsigned_abs());
    match word.compare_exchange(0, me, Acquire, Relaxed) {
        Ok(_) => Some(Held { word, orphaned: false }),
        Err(owner) if is_gone(owner) => {
            word.compare_exchange(owner, me, Acquire, Relaxed).ok().map(|_| Held { word, orphaned: true })
        }
        Err(_) => None,
    }
}

fn is_gone(owner: u64) -> bool {
    match i32::try_from(owner) {
        Ok(owner) if owner > 0 => signal::kill(Pid::from_raw(owner), None) == Err(Errno::ESRCH),
        Ok(_) => false,
        // No thread has such an id.
        Err(_) => true,
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.word.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_orphans() {
        static WORD: AtomicU64 = AtomicU64::new(0);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let workers: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for _ in 0..10_000 {
                        let _held = lock(&WORD);
                        COUNT.store(COUNT.load(Relaxed) + 1, Relaxed);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(COUNT.load(Relaxed), 40_000);
        WORD.store(u64::MAX, Relaxed);
        assert!(lock(&WORD).orphaned);
        assert!(!lock(&WORD).orphaned);
        let held = try_lock(&WORD);
        assert!(held.is_some() && try_lock(&WORD).is_none());
    }
}
