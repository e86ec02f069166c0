//! Waiting for one another: a counting semaphore that serves in order, and a notification.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

struct Waiter {
    waker: Mutex<Option<Waker>>,
    granted: AtomicBool,
}

#[derive(Default)]
struct Line {
    free: usize,
    waiters: VecDeque<Arc<Waiter>>,
}

/// So many at a time; others wait in line.
pub struct Semaphore(Mutex<Line>);

/// One of a semaphore's places; given back when dropped.
pub struct Permit(Arc<Semaphore>);

impl Semaphore {
    pub fn new(places: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore(Mutex::new(Line { free: places, waiters: VecDeque::new() })))
    }
    /// A place, if one is free and nobody waits.
    pub fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let mut line = self.0.lock();
        if line.free == 0 || !line.waiters.is_empty() {
            return None;
        }
        line.free -= 1;
        Some(Permit(self.clone()))
    }
    /// Waits in line for a place.
    pub async fn acquire(self: &Arc<Self>) -> Permit {
        if let Some(permit) = self.try_acquire() {
            return permit;
        }
        let waiter = Arc::new(Waiter { waker: Mutex::new(None), granted: AtomicBool::new(false) });
        let mut place = InLine { semaphore: self.clone(), waiter: waiter.clone(), taken: false };
        self.0.lock().waiters.push_back(waiter.clone());
        self.grant();
        std::future::poll_fn(|cx| {
            *waiter.waker.lock() = Some(cx.waker().clone());
            if waiter.granted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        place.taken = true;
        Permit(self.clone())
    }
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiters.len()
    }

    /// Hands free places to those in front.
    fn grant(&self) {
        let mut line = self.0.lock();
        while line.free > 0 {
            let Some(waiter) = line.waiters.pop_front() else { return };
            line.free -= 1;
            waiter.granted.store(true, Ordering::Release);
            if let Some(waker) = waiter.waker.lock().take() {
                waker.wake();
            }
        }
    }
    fn give_back(&self) {
        self.0.lock().free += 1;
        self.grant();
    }
}

/// A place in line; whoever leaves it early passes on what was granted meanwhile.
struct InLine {
    semaphore: Arc<Semaphore>,
    waiter: Arc<Waiter>,
    taken: bool,
}

impl Drop for InLine {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        self.semaphore.0.lock().waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        if self.waiter.granted.load(Ordering::Acquire) {
            self.semaphore.give_back();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Wakes everyone who waits for the next notification.
#[derive(Default)]
pub struct Notify {
    count: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
}

impl Notify {
    pub const fn new() -> Notify {
        Notify { count: AtomicU64::new(0), wakers: Mutex::new(Vec::new()) }
    }
    /// Wakes all that wait now. Usable from any thread.
    pub fn notify_all(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        for waker in std::mem::take(&mut *self.wakers.lock()) {
            waker.wake();
        }
    }
    /// Waits for the next notification after this call's first poll.
    pub async fn notified(&self) {
        let seen = self.count.load(Ordering::Acquire);
        std::future::poll_fn(|cx| {
            let mut wakers = self.wakers.lock();
            if self.count.load(Ordering::Acquire) != seen {
                return Poll::Ready(());
            }
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
