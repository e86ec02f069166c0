//! Timers: lists by length, each in order of its deadlines, so that setting and taking back cost a few instructions.
//!
//! A server's timeouts are of few lengths; a list per length needs no heap. Entries are linked by index within a slab.

use super::{alone, clock, event};
use slab::Slab;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const NONE: usize = usize::MAX;
/// Lengths are rounded up to this, so that there are few of them.
const GRAIN: Duration = Duration::from_millis(10);

struct Entry {
    deadline: Instant,
    waker: Option<Waker>,
    list: usize,
    prev: usize,
    next: usize,
}

struct List {
    length: Duration,
    head: usize,
    tail: usize,
}

/// All timers of a loop.
#[derive(Default)]
pub(super) struct Timers {
    entries: Slab<Entry>,
    lists: Slab<List>,
}

impl Timers {
    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lists.iter().filter_map(|(_, list)| self.entries.get(list.head)).map(|entry| entry.deadline).min()
    }

    fn set(&mut self, now: Instant, length: Duration, waker: Waker) -> usize {
        let found = self.lists.iter().find(|(_, list)| list.length == length).map(|(at, _)| at);
        let list = found.unwrap_or_else(|| self.lists.insert(List { length, head: NONE, tail: NONE }));
        let tail = self.lists.get(list).map_or(NONE, |list| list.tail);
        let deadline = now + length;
        // Within one list deadlines never go back, whatever thread's clock set them.
        let deadline = self.entries.get(tail).map_or(deadline, |last| last.deadline.max(deadline));
        let key = self.entries.insert(Entry { deadline, waker: Some(waker), list, prev: tail, next: NONE });
        if let Some(last) = self.entries.get_mut(tail) {
            last.next = key;
        }
        if let Some(list) = self.lists.get_mut(list) {
            list.tail = key;
            if list.head == NONE {
                list.head = key;
            }
        }
        key
    }

    /// Takes an entry out of its list, keeping it in the slab.
    fn unlink(&mut self, key: usize) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let (list, prev, next) = (entry.list, entry.prev, entry.next);
        if list == NONE {
            return;
        }
        entry.list = NONE;
        if let Some(before) = self.entries.get_mut(prev) {
            before.next = next;
        }
        if let Some(behind) = self.entries.get_mut(next) {
            behind.prev = prev;
        }
        let Some(entry) = self.lists.get_mut(list) else { return };
        if entry.head == key {
            entry.head = next;
        }
        if entry.tail == key {
            entry.tail = prev;
        }
        // Odd lengths come and go; the few usual ones are found again quickly either way.
        if entry.head == NONE && self.lists.len() > 8 {
            self.lists.remove(list);
        }
    }

    /// Takes an entry out; what it was to wake is for the caller to drop, without the lock.
    fn cancel(&mut self, key: usize) -> Option<Entry> {
        self.unlink(key);
        self.entries.try_remove(key)
    }

    /// Takes all wakers out: the loop is over.
    pub(super) fn disband(&mut self) -> Vec<Waker> {
        self.entries.iter_mut().filter_map(|(_, entry)| entry.waker.take()).collect()
    }

    /// Moves the wakers of all entries that are due to `out`.
    pub(super) fn expire(&mut self, now: Instant, out: &mut Vec<Waker>) {
        let heads: smallvec::SmallVec<[usize; 16]> = self.lists.iter().map(|(_, list)| list.head).collect();
        for mut key in heads {
            while let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.deadline <= now) {
                let next = entry.next;
                out.extend(entry.waker.take());
                self.unlink(key);
                key = next;
            }
        }
    }
}

/// The time ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

/// A deadline that is set when it is first waited for, and taken back when dropped.
struct Timer {
    length: Duration,
    /// Known from the first wait on.
    deadline: Option<Instant>,
    set: Option<(Arc<event::Shared>, usize)>,
}

impl Timer {
    fn new(length: Duration) -> Timer {
        let grains = length.as_nanos().div_ceil(GRAIN.as_nanos()) as u64;
        Timer {
            length: Duration::from_nanos(grains.saturating_mul(GRAIN.as_nanos() as u64)),
            deadline: None,
            set: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = clock::now();
        let deadline = *self.deadline.get_or_insert(now + self.length);
        if deadline <= now {
            return Poll::Ready(());
        }
        if alone::wait_until(deadline) {
            return Poll::Pending;
        }
        match &self.set {
            Some((shared, key)) => {
                let mut before = None;
                if let Some(entry) = shared.timers.lock().entries.get_mut(*key) {
                    match &mut entry.waker {
                        Some(waker) if waker.will_wake(cx.waker()) => {}
                        Some(waker) => before = Some(std::mem::replace(waker, cx.waker().clone())),
                        // It fired, but the turn's clock is a little behind: the wake is on its way.
                        None => return Poll::Ready(()),
                    }
                }
                drop(before);
            }
            None => {
                if let Some(shared) = event::current() {
                    let key = shared.timers.lock().set(now, self.length, cx.waker().clone());
                    // A sleeping leader on another thread must learn of a new first deadline.
                    shared.rouse();
                    self.set = Some((shared, key));
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((shared, key)) = self.set.take() {
            let gone = shared.timers.lock().cancel(key);
            drop(gone);
        }
    }
}

/// Waits.
pub async fn sleep(length: Duration) {
    let mut timer = Timer::new(length);
    std::future::poll_fn(|cx| timer.poll(cx)).await;
}

/// Waits for `future`, but no longer than `length`. The timer is set only if there is something to wait for.
pub async fn timeout<T>(length: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = std::pin::pin!(future);
    let mut timer = Timer::new(length);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => timer.poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

/// Lets other tasks run first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
