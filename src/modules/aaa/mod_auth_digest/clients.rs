//! What is known of clients, in memory that all children share: each client's current nonce and the highest count it has used.
//!
//! A table of fixed size in which a new client takes the place of the oldest one. Two words a client and no lock: the count
//! is raised by compare and exchange, so that of two requests with the same count one is refused, whichever child has it.

use crate::sys::shared;
use bstr::ByteSlice;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Apache's default: as many clients as 1,000 octets hold.
static SIZE: AtomicUsize = AtomicUsize::new(1000 / 88);

static TABLE: OnceLock<&'static [AtomicU64]> = OnceLock::new();

/// Words before the clients: the last client's number, the last one-time nonce.
const HEAD: usize = 2;

/// Room for so many clients. It is fixed once the server has started.
pub(super) fn size(clients: usize) {
    SIZE.store(clients, Ordering::Relaxed);
}

pub(super) fn open() -> io::Result<()> {
    if TABLE.get().is_none() {
        let _ = TABLE.set(shared::words(HEAD + 2 * SIZE.load(Ordering::Relaxed).max(1))?);
    }
    Ok(())
}

fn table() -> &'static [AtomicU64] {
    TABLE.get().copied().unwrap_or_default()
}

/// A client's two words: its number with its count, and its nonce's mark.
fn place(id: u32) -> Option<(&'static AtomicU64, &'static AtomicU64)> {
    let rows = table().get(HEAD..)?;
    let row = (id as usize).checked_rem(rows.len() / 2)? * 2;
    Some((rows.get(row)?, rows.get(row + 1)?))
}

fn next(word: usize) -> u64 {
    table().get(word).map_or(1, |word| word.fetch_add(1, Ordering::Relaxed) + 1)
}

pub(super) fn next_one_time() -> u64 {
    next(1)
}

/// A client that nobody has met before.
pub(super) fn new() -> u32 {
    let id = next(0) as u32;
    if let Some((state, nonce)) = place(id) {
        nonce.store(0, Ordering::Release);
        state.store(u64::from(id) << 32, Ordering::Release);
    }
    id
}

pub(super) fn knows(id: u32) -> bool {
    id != 0 && place(id).is_some_and(|(state, _)| state.load(Ordering::Acquire) >> 32 == u64::from(id))
}

/// The nonce's hash, as many of its bits as a word has.
fn mark(nonce: &[u8]) -> u64 {
    let digits = nonce.get(12..28).and_then(|digits| digits.to_str().ok());
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// The client has a new nonce, and counts from the beginning.
pub(super) fn begin(id: u32, nonce: &str) {
    let Some((state, current)) = place(id).filter(|_| knows(id)) else { return };
    current.store(mark(nonce.as_bytes()), Ordering::Release);
    state.store(u64::from(id) << 32, Ordering::Release);
}

pub(super) fn is_current(id: u32, nonce: &[u8]) -> bool {
    knows(id) && place(id).is_some_and(|(_, current)| current.load(Ordering::Acquire) == mark(nonce))
}

/// Notes that the client used `count` with its nonce; Err with the highest one so far where it is not above.
pub(super) fn count(id: u32, nonce: &[u8], count: u32) -> Result<(), u32> {
    let Some((state, _)) = place(id) else { return Ok(()) };
    if !is_current(id, nonce) {
        // Its nonce is an old one; whether it still holds is another question.
        return Ok(());
    }
    let raised = state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
        let fits = word >> 32 == u64::from(id) && u64::from(count) > word & 0xffff_ffff;
        fits.then_some(u64::from(id) << 32 | u64::from(count))
    });
    raised.map(drop).map_err(|word| word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_rise() {
        open().unwrap();
        let (id, nonce) = (new(), format!("{}{:040x}", "A".repeat(12), 77));
        begin(id, &nonce);
        assert!(knows(id) && is_current(id, nonce.as_bytes()));
        assert_eq!(count(id, nonce.as_bytes(), 1), Ok(()));
        assert_eq!(count(id, nonce.as_bytes(), 1), Err(1));
        assert_eq!(count(id, nonce.as_bytes(), 9), Ok(()));
        assert_eq!(count(id, nonce.as_bytes(), 3), Err(9));
        let all: Vec<_> = (0..20).map(|_| new()).collect();
        assert!(!knows(id) && knows(all[19]));
    }
}
