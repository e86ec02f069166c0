//! Memory that a parent shares with the children it forks.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// `words` zeroed words, shared with every process forked later. They live as long as the process.
pub fn words(words: usize) -> io::Result<&'static [AtomicU64]> {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    let bytes = words.checked_mul(size_of::<AtomicU64>()).and_then(NonZeroUsize::new);
    let bytes = bytes.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
    // SAFETY: a fresh anonymous mapping aliases nothing.
    let start =
        unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) };
    let start = start.map_err(io::Error::from)?;
    // SAFETY: the mapping is `bytes` long, page aligned, zeroed (a valid AtomicU64) and never unmapped; other processes
    // touch it through atomics only.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), words) })
}

/// Zeroed words, shared with every process forked while it lives.
pub struct Region(&'static [AtomicU64]);

impl Region {
    pub fn new(count: usize) -> io::Result<Region> {
        words(count).map(Region)
    }
}

impl Deref for Region {
    type Target = [AtomicU64];
    fn deref(&self) -> &[AtomicU64] {
        self.0
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let start = NonNull::from(self.0).cast();
        // SAFETY: `words` mapped exactly this range; the slice never left this value but borrowed from it.
        let _ = unsafe { nix::sys::mman::munmap(start, size_of_val(self.0)) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    #[test]
    fn starts_zeroed_and_refuses_the_impossible() {
        let words = super::words(1000).unwrap();
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        words[999].store(7, Ordering::Relaxed);
        assert!(super::words(usize::MAX / 16).is_err());
        assert!(super::words(0).is_err());
    }

    #[test]
    fn regions_come_and_go() {
        for _ in 0..100 {
            let region = super::Region::new(1 << 17).unwrap();
            region[5].store(1, Ordering::Relaxed);
            assert_eq!(region.len(), 1 << 17);
        }
    }
}
