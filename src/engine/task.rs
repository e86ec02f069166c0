//! Tasks: a boxed future and the state that keeps it from being polled by two threads at once.

use super::BoxFuture;
use super::event::Shared;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Its event came while it ran: it is polled again when it returns.
const AGAIN: u8 = 3;
const DONE: u8 = 4;

/// One task of an event loop.
pub(super) struct Task {
    state: AtomicU8,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    shared: Arc<Shared>,
}

impl Task {
    /// A task that is about to be queued.
    pub(super) fn new(shared: Arc<Shared>, future: BoxFuture<'static, ()>) -> Arc<Task> {
        Arc::new(Task { state: AtomicU8::new(QUEUED), future: Mutex::new(Some(future)), shared })
    }

    /// Polls the task once. True when it is done; an event that came meanwhile puts it back in line.
    pub(super) fn run(self: &Arc<Task>) -> bool {
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        self.state.store(RUNNING, Ordering::Release);
        let mut slot = self.future.lock();
        let Some(future) = slot.as_mut() else { return true };
        // A panic ends this task alone; what it held is dropped with its future.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        if let Err(panic) = &polled {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
            tracing::error!("a connection's task panicked and is dropped: {text}");
        }
        if let Ok(Poll::Pending) = polled
            && !self.shared.stopped()
        {
            drop(slot);
            if self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                self.state.store(QUEUED, Ordering::Release);
                self.shared.push(self.clone());
            }
            return false;
        }
        drop(slot);
        self.discard();
        true
    }

    /// Drops what the task is, on whatever thread.
    pub(super) fn discard(&self) {
        let future = self.future.lock().take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        self.state.store(DONE, Ordering::Release);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Task>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Task>) {
        loop {
            let state = self.state.load(Ordering::Acquire);
            let next = match state {
                IDLE => QUEUED,
                RUNNING => AGAIN,
                _ => return,
            };
            if self.state.compare_exchange(state, next, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                if next == QUEUED {
                    self.shared.push(self.clone());
                }
                return;
            }
        }
    }
}
