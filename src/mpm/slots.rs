//! The slots of one event child: who has none waits in line.
//!
//! Taking and giving back a free slot is one atomic operation each. Only when all are taken does a task queue under a
//! lock, first come, first served.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::task::{Context, Poll, Waker};

/// See the module text.
pub struct Slots {
    /// One bit per free slot.
    free: Box<[AtomicU64]>,
    waiting: AtomicUsize,
    line: Mutex<VecDeque<Arc<Mutex<Place>>>>,
    taken: AtomicUsize,
}

enum Place {
    Waiting(Waker),
    Granted(u32),
    Left,
}

impl Slots {
    pub fn new(count: u32) -> Slots {
        let free = (0..count.div_ceil(64)).map(|word| {
            let here = (count - word * 64).min(64);
            AtomicU64::new(if here == 64 { u64::MAX } else { (1 << here) - 1 })
        });
        Slots { free: free.collect(), waiting: AtomicUsize::new(0), line: Mutex::default(), taken: AtomicUsize::new(0) }
    }
    /// Tasks in line.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }
    /// Slots in use.
    pub fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }
    /// The lowest free slot, unless others wait already.
    pub fn try_acquire(&self) -> Option<u32> {
        if self.waiting() > 0 { None } else { self.pop() }
    }
    fn pop(&self) -> Option<u32> {
        for (index, word) in (0u32..).zip(&self.free) {
            let mut bits = word.load(SeqCst);
            while bits != 0 {
                let lowest = bits.trailing_zeros();
                match word.compare_exchange_weak(bits, bits & !(1 << lowest), SeqCst, SeqCst) {
                    Ok(_) => {
                        self.taken.fetch_add(1, SeqCst);
                        return Some(index * 64 + lowest);
                    }
                    Err(now) => bits = now,
                }
            }
        }
        None
    }
    pub fn release(&self, slot: u32) {
        self.taken.fetch_sub(1, SeqCst);
        if let Some(word) = self.free.get((slot / 64) as usize) {
            word.fetch_or(1 << (slot % 64), SeqCst);
        }
        if self.waiting() > 0 {
            self.serve();
        }
    }
    /// Hands free slots to the head of the line.
    fn serve(&self) {
        let mut line = self.line.lock();
        while !line.is_empty() {
            let Some(slot) = self.pop() else { return };
            let mut given = false;
            while let Some(place) = line.pop_front() {
                self.waiting.fetch_sub(1, SeqCst);
                let mut place = place.lock();
                if let Place::Waiting(waker) = std::mem::replace(&mut *place, Place::Granted(slot)) {
                    waker.wake();
                    given = true;
                    break;
                }
                *place = Place::Left;
            }
            if !given {
                self.taken.fetch_sub(1, SeqCst);
                if let Some(word) = self.free.get((slot / 64) as usize) {
                    word.fetch_or(1 << (slot % 64), SeqCst);
                }
            }
        }
    }
    /// Waits in line for a slot.
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire { slots: self, place: None }
    }
}

/// A task's place in line.
pub struct Acquire<'a> {
    slots: &'a Slots,
    place: Option<Arc<Mutex<Place>>>,
}

impl Future for Acquire<'_> {
    type Output = u32;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.place.is_none() {
            if let Some(slot) = self.slots.try_acquire() {
                return Poll::Ready(slot);
            }
            let place = Arc::new(Mutex::new(Place::Waiting(cx.waker().clone())));
            self.place = Some(place.clone());
            {
                let mut line = self.slots.line.lock();
                line.push_back(place);
                self.slots.waiting.fetch_add(1, SeqCst);
            }
            // A slot given back between the first look and the queueing would otherwise be missed.
            self.slots.serve();
        }
        let granted = self.place.as_ref().and_then(|place| {
            let mut place = place.lock();
            match &mut *place {
                Place::Granted(slot) => {
                    let slot = *slot;
                    *place = Place::Left;
                    Some(slot)
                }
                Place::Waiting(waker) => {
                    waker.clone_from(cx.waker());
                    None
                }
                Place::Left => None,
            }
        });
        match granted {
            Some(slot) => {
                self.place = None;
                Poll::Ready(slot)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let left = std::mem::replace(&mut *place.lock(), Place::Left);
        match left {
            Place::Granted(slot) => self.slots.release(slot),
            Place::Waiting(_) => {
                let mut line = self.slots.line.lock();
                if let Some(at) = line.iter().position(|other| Arc::ptr_eq(other, &place)) {
                    line.remove(at);
                    self.slots.waiting.fetch_sub(1, SeqCst);
                }
            }
            Place::Left => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn first_come_first_served() {
        let slots = Slots::new(2);
        assert_eq!((slots.try_acquire(), slots.try_acquire(), slots.try_acquire()), (Some(0), Some(1), None));
        let (mut first, mut second) = (slots.acquire(), slots.acquire());
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        assert_eq!(slots.waiting(), 2);
        slots.release(1);
        assert_eq!(slots.try_acquire(), None);
        assert!(poll(&mut second).is_pending());
        assert_eq!(poll(&mut first), Poll::Ready(1));
        slots.release(0);
        assert_eq!(poll(&mut second), Poll::Ready(0));
        assert_eq!((slots.taken(), slots.waiting()), (2, 0));
    }

    #[test]
    fn who_leaves_the_line_passes_his_slot_on() {
        let slots = Slots::new(1);
        let slot = slots.try_acquire().unwrap();
        let (mut first, mut second, mut third) = (slots.acquire(), slots.acquire(), slots.acquire());
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending() && poll(&mut third).is_pending());
        drop(first);
        slots.release(slot);
        drop(second);
        assert_eq!(poll(&mut third), Poll::Ready(0));
    }

    #[test]
    fn many_slots_are_all_handed_out_once() {
        let slots = Slots::new(130);
        let mut got: Vec<u32> = std::iter::from_fn(|| slots.try_acquire()).collect();
        got.sort_unstable();
        assert_eq!(got, (0..130).collect::<Vec<_>>());
    }
}
