//! Waiting for one another: a counting semaphore that serves in order, and a notification. Usable from any thread.

use parking_lot::Mutex;
use slab::Slab;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

const NONE: usize = usize::MAX;

/// Those who wait, in order. Joining, calling and leaving cost the same however long the line.
struct Line {
    waiters: Slab<Waiter>,
    /// Those who were not called yet.
    waiting: usize,
    head: usize,
    tail: usize,
}

struct Waiter {
    /// None: it was called, and is in line no more.
    waker: Option<Waker>,
    prev: usize,
    next: usize,
}

impl Line {
    const fn new() -> Line {
        Line { waiters: Slab::new(), waiting: 0, head: NONE, tail: NONE }
    }
    fn join(&mut self, waker: Waker) -> usize {
        let key = self.waiters.insert(Waiter { waker: Some(waker), prev: self.tail, next: NONE });
        match self.waiters.get_mut(self.tail) {
            Some(last) => last.next = key,
            None => self.head = key,
        }
        self.tail = key;
        self.waiting += 1;
        key
    }
    fn call(&mut self, key: usize) -> Option<Waker> {
        let waiter = self.waiters.get_mut(key)?;
        let (waker, prev, next) = (waiter.waker.take()?, waiter.prev, waiter.next);
        match self.waiters.get_mut(prev) {
            Some(before) => before.next = next,
            None => self.head = next,
        }
        match self.waiters.get_mut(next) {
            Some(behind) => behind.prev = prev,
            None => self.tail = prev,
        }
        self.waiting -= 1;
        Some(waker)
    }
    fn call_first(&mut self) -> Option<Waker> {
        self.call(self.head)
    }
    /// Ends a waiter. None: it had been called; else its waker, for the caller to drop without the lock.
    fn leave(&mut self, key: usize) -> Option<Waker> {
        let waker = self.call(key);
        self.waiters.try_remove(key);
        waker
    }
    /// Whether a waiter was called; if not it will be woken through `cx`. The old waker is for the caller to drop.
    fn look(&mut self, key: usize, cx: &Context<'_>) -> (bool, Option<Waker>) {
        match self.waiters.get_mut(key).and_then(|waiter| waiter.waker.as_mut()) {
            None => (true, None),
            Some(waker) if waker.will_wake(cx.waker()) => (false, None),
            Some(waker) => (false, Some(std::mem::replace(waker, cx.waker().clone()))),
        }
    }
}

struct Places {
    free: usize,
    line: Line,
}

/// So many at a time; others wait in line.
pub struct Semaphore(Mutex<Places>);

/// One of a semaphore's places; given back when dropped.
pub struct Permit(Arc<Semaphore>);

impl Semaphore {
    pub fn new(places: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore(Mutex::new(Places { free: places, line: Line::new() })))
    }
    fn take(&self) -> bool {
        // Places are handed to those in line at once: if one is free, nobody waits.
        let mut places = self.0.lock();
        let free = places.free > 0;
        places.free -= usize::from(free);
        free
    }
    /// A place, if one is free.
    pub fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        self.take().then(|| Permit(self.clone()))
    }
    /// Waits in line for a place.
    pub async fn acquire(self: &Arc<Self>) -> Permit {
        let mut place = Place { semaphore: self, key: None };
        std::future::poll_fn(|cx| place.poll(cx)).await;
        Permit(self.clone())
    }
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().line.waiting
    }
    fn give_back(&self) {
        let mut places = self.0.lock();
        let next = places.line.call_first();
        places.free += usize::from(next.is_none());
        drop(places);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// A place in line; whoever leaves it early passes on what it was given meanwhile.
struct Place<'a> {
    semaphore: &'a Semaphore,
    key: Option<usize>,
}

impl Place<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(key) = self.key else {
            let mut places = self.semaphore.0.lock();
            if places.free > 0 {
                places.free -= 1;
                return Poll::Ready(());
            }
            self.key = Some(places.line.join(cx.waker().clone()));
            return Poll::Pending;
        };
        let mut places = self.semaphore.0.lock();
        let (called, old) = places.line.look(key, cx);
        if called {
            places.line.leave(key);
            self.key = None;
        }
        drop(places);
        drop(old);
        if called { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let waker = self.semaphore.0.lock().line.leave(key);
        if waker.is_none() {
            self.semaphore.give_back();
        }
    }
}

struct Bell {
    /// [`Notify::notify_one`] found nobody: the next to wait goes on at once.
    kept: bool,
    line: Line,
}

/// Wakes one or all of those who wait.
pub struct Notify {
    /// How often all were woken. Changed under the lock.
    rounds: AtomicU64,
    bell: Mutex<Bell>,
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl Notify {
    pub const fn new() -> Notify {
        Notify { rounds: AtomicU64::new(0), bell: Mutex::new(Bell { kept: false, line: Line::new() }) }
    }
    /// Wakes all whose [`Notify::notified`] was called before.
    pub fn notify_all(&self) {
        let mut bell = self.bell.lock();
        self.rounds.fetch_add(1, Ordering::AcqRel);
        let called: Vec<Waker> = std::iter::from_fn(|| bell.line.call_first()).collect();
        drop(bell);
        called.into_iter().for_each(Waker::wake);
    }
    /// Wakes who has waited longest, or the next to wait.
    pub fn notify_one(&self) {
        let mut bell = self.bell.lock();
        let first = bell.line.call_first();
        bell.kept |= first.is_none();
        drop(bell);
        if let Some(waker) = first {
            waker.wake();
        }
    }
    /// Waits for the next notification after this call, not after the first poll: call it, then look whether there is
    /// anything to wait for, then await it, and none is missed.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, round: self.rounds.load(Ordering::Acquire), key: None }
    }
}

/// See [`Notify::notified`].
#[must_use]
pub struct Notified<'a> {
    notify: &'a Notify,
    round: u64,
    key: Option<usize>,
}

impl Notified<'_> {
    fn all_called(&self) -> bool {
        self.notify.rounds.load(Ordering::Acquire) != self.round
    }
}

impl Future for Notified<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut bell = self.notify.bell.lock();
        let Some(key) = self.key else {
            if self.all_called() || std::mem::take(&mut bell.kept) {
                return Poll::Ready(());
            }
            let key = bell.line.join(cx.waker().clone());
            drop(bell);
            self.key = Some(key);
            return Poll::Pending;
        };
        let (called, old) = bell.line.look(key, cx);
        if called {
            bell.line.leave(key);
        }
        drop(bell);
        drop(old);
        if !called {
            return Poll::Pending;
        }
        self.key = None;
        Poll::Ready(())
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let waker = self.notify.bell.lock().line.leave(key);
        // Called alone but gone before it knew: the next in line is called instead.
        if waker.is_none() && !self.all_called() {
            self.notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    fn poll(future: Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn whoever_leaves_the_line_leaves_nothing_behind() {
        let notify = Notify::new();
        for _ in 0..100 {
            let mut one = pin!(notify.notified());
            assert!(!poll(one.as_mut()));
        }
        assert_eq!(notify.bell.lock().line.waiters.len(), 0);
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire();
        assert!(held.is_some() && semaphore.try_acquire().is_none());
        for _ in 0..100 {
            let mut one = pin!(semaphore.acquire());
            assert!(!poll(one.as_mut()));
            assert_eq!(semaphore.waiting(), 1);
        }
        assert_eq!(semaphore.0.lock().line.waiters.len(), 0);
        drop(held);
        assert!(semaphore.try_acquire().is_some());
    }

    #[test]
    fn a_place_given_to_one_who_left_goes_to_the_next() {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut second = pin!(semaphore.acquire());
        {
            let mut first = pin!(semaphore.acquire());
            assert!(!poll(first.as_mut()) && !poll(second.as_mut()));
            drop(held);
            assert!(!poll(second.as_mut()));
        }
        assert!(poll(second.as_mut()));
    }

    #[test]
    fn notifications_reach_those_who_asked_before() {
        let notify = Notify::new();
        let mut before = pin!(notify.notified());
        notify.notify_all();
        let mut after = pin!(notify.notified());
        assert!(poll(before.as_mut()) && !poll(after.as_mut()));
        let mut other = pin!(notify.notified());
        assert!(!poll(other.as_mut()));
        notify.notify_one();
        assert!(!poll(other.as_mut()) && poll(after.as_mut()));
        notify.notify_one();
        notify.notify_one();
        assert!(poll(other.as_mut()));
        assert!(poll(pin!(notify.notified())), "one was kept");
        assert!(!poll(pin!(notify.notified())));
    }
}
