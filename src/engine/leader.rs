//! Leader and followers: whose turn it is to run the loop.
//!
//! One thread at a time is the leader: it waits for events and polls tasks itself, so that a request is served without a
//! hand-over. When a task is about to block, the leader passes the loop on to a follower first; the watchdog does the
//! same for a task that does not return. Whose term it is says `epoch`: a thread that finds another epoch than its own
//! leads no more and becomes a follower.

use super::event::Shared;
use super::{clock, round};
use parking_lot::{Condvar, Mutex};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tasks that are polled before events are looked at again.
const BATCH: usize = 128;
/// A follower without work for so long ends.
const FOLLOWER_IDLE: Duration = Duration::from_secs(10);

/// Where one idle follower waits to be called.
#[derive(Default)]
struct Seat {
    called: Condvar,
    /// The term that it is to lead; 0 for none. Changed under the lock of [`Followers`].
    term: AtomicU64,
}

#[derive(Default)]
struct Threads {
    /// The latest to sit down is called first, so that those who are not needed end.
    idle: Vec<Arc<Seat>>,
    all: usize,
}

/// The threads of a loop.
pub(super) struct Followers {
    threads: Mutex<Threads>,
    epoch: AtomicU64,
    most: usize,
    stack_size: usize,
}

/// This thread's part in a loop.
struct Part {
    shared: Arc<Shared>,
    /// The term in which it leads; it leads while the loop's epoch is the same.
    epoch: u64,
    blocking: bool,
}

thread_local! {
    static PART: RefCell<Option<Part>> = const { RefCell::new(None) };
}

/// Whether a loop drives the current thread.
pub fn driven() -> bool {
    PART.with_borrow(|part| part.is_some())
}

/// The loop that drives the current thread, if any.
pub(super) fn current() -> Option<Arc<Shared>> {
    PART.with_borrow(|part| part.as_ref().map(|part| part.shared.clone()))
}

impl Followers {
    /// The calling thread will lead the first term.
    pub(super) fn new(most: usize, stack_size: usize) -> Followers {
        let threads = Threads { idle: Vec::new(), all: 1 };
        Followers { threads: Mutex::new(threads), epoch: AtomicU64::new(1), most, stack_size }
    }
    pub(super) fn threads(&self) -> usize {
        self.threads.lock().all
    }
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Passes the loop on to a follower, if the term is still `epoch` and a follower can be had.
    pub(super) fn pass_on(&self, shared: &Arc<Shared>, epoch: u64) -> bool {
        let mut threads = self.threads.lock();
        if self.epoch() != epoch || shared.over() {
            return false;
        }
        let next = epoch + 1;
        if let Some(seat) = threads.idle.pop() {
            seat.term.store(next, Ordering::Release);
            self.epoch.store(next, Ordering::Release);
            seat.called.notify_one();
            return true;
        }
        if threads.all >= self.most {
            return false;
        }
        let (own, mut builder) = (shared.clone(), std::thread::Builder::new().name("follower".into()));
        if self.stack_size > 0 {
            builder = builder.stack_size(self.stack_size);
        }
        let life = move || {
            // Not before the new term has begun, which is under the lock.
            drop(own.followers.threads.lock());
            work(&own, Some(next), false);
        };
        if builder.spawn(life).is_err() {
            return false;
        }
        threads.all += 1;
        self.epoch.store(next, Ordering::Release);
        true
    }

    /// Waits to be called. None: the loop is over, or this thread is not needed any more. `keep`: the thread that
    /// runs the loop for its caller stays, and without a clock that would wake an idle process.
    fn follow(&self, shared: &Shared, seat: &Arc<Seat>, keep: bool) -> Option<u64> {
        let mut threads = self.threads.lock();
        threads.idle.push(seat.clone());
        loop {
            let term = seat.term.swap(0, Ordering::AcqRel);
            if term != 0 {
                return Some(term);
            }
            let late = match (shared.over(), keep) {
                (true, _) => false,
                (false, true) => {
                    seat.called.wait(&mut threads);
                    false
                }
                (false, false) => seat.called.wait_for(&mut threads, FOLLOWER_IDLE).timed_out(),
            };
            if (late || shared.over()) && seat.term.load(Ordering::Acquire) == 0 {
                threads.idle.retain(|other| !Arc::ptr_eq(other, seat));
                threads.all -= 1;
                return None;
            }
        }
    }

    /// Calls all idle threads, to see that the loop is over.
    pub(super) fn dismiss(&self) {
        for seat in &self.threads.lock().idle {
            seat.called.notify_one();
        }
    }
}

/// A thread's life: leading, following, leading again.
pub(super) fn work(shared: &Arc<Shared>, first: Option<u64>, keep: bool) {
    PART.set(Some(Part { shared: shared.clone(), epoch: 0, blocking: false }));
    let seat = Arc::new(Seat::default());
    let mut term = first;
    while let Some(epoch) = term.take().or_else(|| shared.followers.follow(shared, &seat, keep)) {
        PART.with_borrow_mut(|part| {
            if let Some(part) = part {
                part.epoch = epoch;
            }
        });
        lead(shared, epoch);
        clock::end_turn();
        if shared.over() {
            shared.finish();
        }
    }
    PART.set(None);
}

/// Leads until the term ends or the loop is over.
fn lead(shared: &Arc<Shared>, epoch: u64) {
    let mut expired = Vec::new();
    clock::begin_turn();
    // Whoever led before left its task's pulse behind.
    shared.pulse.begin_turn();
    while shared.followers.epoch() == epoch && !shared.over() {
        for _ in 0..BATCH {
            let Some(task) = shared.pop() else { break };
            shared.pulse.enter();
            let done = task.run();
            if done && shared.done() {
                return;
            }
            if shared.followers.epoch() != epoch {
                return;
            }
        }
        // Still under the watchdog's eye: a log that does not take its lines must not hold the loop up.
        round::end();
        if shared.followers.epoch() != epoch {
            return;
        }
        shared.pulse.leave();
        shared.wait(&mut expired);
    }
}

/// Ends a blocking call, however it ends.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        PART.with_borrow_mut(|part| {
            if let Some(part) = part {
                part.blocking = false;
            }
        });
    }
}

/// Runs something that may block. The leader passes the loop on first; on any other thread this is a plain call.
pub fn block<T>(f: impl FnOnce() -> T) -> T {
    let leading = PART.with_borrow_mut(|part| {
        let part = part.as_mut()?;
        let leads = !part.blocking && part.shared.followers.epoch() == part.epoch;
        part.blocking |= leads;
        leads.then(|| (part.shared.clone(), part.epoch))
    });
    let Some((shared, epoch)) = leading else { return f() };
    let _back = Back;
    round::end();
    if shared.followers.pass_on(&shared, epoch) {
        clock::end_turn();
    }
    // Where no follower could be had the task keeps its pulse: the watchdog calls the first that comes free.
    f()
}
