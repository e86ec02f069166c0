//! The watchdog: takes the loop away from a task that does not return.
//!
//! It looks at the leader's pulse a few times within the allowed span, and only while the loop is busy: on an idle
//! server it is parked and wakes nobody.

use super::event::Shared;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

/// Looks in vain before the watchdog parks.
const PATIENCE: u32 = 4;

/// What the leader shows of itself. Even: not in a task; odd: in one. Each change is another number.
#[derive(Default)]
pub(super) struct Pulse {
    beat: AtomicU64,
    parked: AtomicBool,
    over: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Pulse {
    /// A task is about to be polled.
    pub(super) fn enter(&self) {
        let beat = self.beat.load(Ordering::Relaxed);
        self.beat.store((beat | 1) + 2, Ordering::Release);
    }
    /// No task runs.
    pub(super) fn leave(&self) {
        let beat = self.beat.load(Ordering::Relaxed);
        self.beat.store((beat | 1) + 1, Ordering::Release);
    }
    /// A turn of the loop begins: no task runs yet, but one may soon.
    pub(super) fn begin_turn(&self) {
        // Of this change and the watchdog's going to sleep one sees the other: hence the order over all threads.
        let beat = self.beat.load(Ordering::Relaxed);
        self.beat.swap((beat | 1) + 1, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst)
            && let Some(thread) = &*self.thread.lock()
        {
            self.parked.store(false, Ordering::SeqCst);
            thread.unpark();
        }
    }
}

pub(super) fn start(shared: &Arc<Shared>, span: Duration) {
    let weak = Arc::downgrade(shared);
    let thread = std::thread::Builder::new().name("watchdog".into()).stack_size(64 * 1024);
    if let Ok(handle) = thread.spawn(move || watch(&weak, span)) {
        *shared.pulse.thread.lock() = Some(handle.thread().clone());
    }
}

pub(super) fn end(shared: &Shared) {
    shared.pulse.over.store(true, Ordering::Release);
    if let Some(thread) = &*shared.pulse.thread.lock() {
        thread.unpark();
    }
}

fn watch(shared: &Weak<Shared>, span: Duration) {
    let step = (span / 2).max(Duration::from_millis(1));
    let (mut seen, mut same, mut quiet) = (0, 0, 0);
    loop {
        let Some(shared) = shared.upgrade() else { return };
        if shared.pulse.over.load(Ordering::Acquire) {
            return;
        }
        let beat = shared.pulse.beat.load(Ordering::Acquire);
        let stuck = beat & 1 == 1 && beat == seen;
        same = if stuck { same + 1 } else { 0 };
        quiet = if beat == seen && beat & 1 == 0 { quiet + 1 } else { 0 };
        seen = beat;
        if same >= 2 {
            let epoch = shared.followers.epoch();
            // Only if the very same task still runs: the term may have ended in between. Where no follower is to be
            // had, another look soon.
            if shared.pulse.beat.load(Ordering::Acquire) == beat {
                shared.followers.pass_on(&shared, epoch);
            }
            same = 1;
        }
        if quiet >= PATIENCE {
            quiet = 0;
            shared.pulse.parked.store(true, Ordering::SeqCst);
            if shared.pulse.beat.load(Ordering::SeqCst) != beat {
                shared.pulse.parked.store(false, Ordering::SeqCst);
                continue;
            }
            drop(shared);
            std::thread::park();
        } else {
            drop(shared);
            std::thread::sleep(step);
        }
    }
}
