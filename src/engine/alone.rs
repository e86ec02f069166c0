//! One task on its own thread: waiting is poll(2). For prefork and worker.

use super::BoxFuture;
use super::io::{READABLE, WRITABLE};
use crate::sys::epoll::{PollFd, event_fd, poll_fds};
use std::cell::RefCell;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

#[derive(Default)]
struct Alone {
    running: bool,
    /// What the futures of this turn wait for.
    waits: Vec<PollFd>,
    /// What poll(2) found before this turn, as long as nobody used it.
    found: Vec<PollFd>,
    deadline: Option<Instant>,
    beside: Vec<BoxFuture<'static, ()>>,
}

thread_local! {
    static ALONE: RefCell<Alone> = RefCell::default();
    static SIGNAL: RefCell<Option<Arc<Signal>>> = const { RefCell::new(None) };
}

const POLLING: u8 = 0;
const WOKEN: u8 = 1;
/// In poll(2), or about to be: only now a wake must be heard through the eventfd.
const WAITING: u8 = 2;

/// Wakes the thread from another one.
struct Signal {
    state: AtomicU8,
    event: Option<OwnedFd>,
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Signal>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == WAITING
            && let Some(event) = &self.event
        {
            let _ = nix::unistd::write(event, &1u64.to_ne_bytes());
        }
    }
}

fn signal() -> Arc<Signal> {
    SIGNAL.with_borrow_mut(|kept| {
        let make = || Arc::new(Signal { state: AtomicU8::new(POLLING), event: event_fd().ok() });
        kept.get_or_insert_with(make).clone()
    })
}

/// Whether a task runs alone on this thread.
pub(super) fn running() -> bool {
    ALONE.with_borrow(|alone| alone.running)
}

fn events(flag: u32) -> libc::c_short {
    let mut events = 0;
    if flag & READABLE != 0 {
        events |= libc::POLLIN;
    }
    if flag & WRITABLE != 0 {
        events |= libc::POLLOUT;
    }
    events
}

/// True once for what poll(2) has found; else notes that the task waits for the descriptor.
pub(super) fn ready_or_wait(fd: RawFd, flag: u32) -> bool {
    ALONE.with_borrow_mut(|alone| {
        let events = events(flag);
        match alone.found.iter().position(|found| found.fd == fd && found.events == events) {
            Some(at) => {
                alone.found.swap_remove(at);
                true
            }
            None => {
                alone.waits.push(PollFd { fd, events, revents: 0 });
                false
            }
        }
    })
}

/// Notes that the task waits for a moment; false where no task runs alone on this thread.
pub(super) fn wait_until(deadline: Instant) -> bool {
    ALONE.with_borrow_mut(|alone| {
        if alone.running {
            alone.deadline = Some(alone.deadline.map_or(deadline, |other| other.min(deadline)));
        }
        alone.running
    })
}

/// Polls a future beside the main one. Outside of any engine it is dropped.
pub(super) fn spawn(future: BoxFuture<'static, ()>) {
    ALONE.with_borrow_mut(|alone| {
        if alone.running {
            alone.beside.push(future);
        }
    });
}

/// What ran on this thread before, put back however the run ends; what ran beside is dropped.
struct Outer(Option<Alone>);

impl Drop for Outer {
    fn drop(&mut self) {
        let outer = self.0.take().unwrap_or_default();
        let inner = ALONE.replace(outer);
        // Only now: what is dropped may look at this thread's state.
        drop(inner);
    }
}

/// Runs a future to its end on this thread, and those that it spawns beside it until then.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let signal = signal();
    let waker = Waker::from(signal.clone());
    let mut cx = Context::from_waker(&waker);
    let _outer = Outer(Some(ALONE.take()));
    let mut fds: Vec<PollFd> = Vec::new();
    loop {
        signal.state.store(POLLING, Ordering::Release);
        ALONE.with_borrow_mut(|alone| {
            alone.running = true;
            alone.waits.clear();
            alone.deadline = None;
        });
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        poll_beside(&mut cx);
        let deadline = ALONE.with_borrow_mut(|alone| {
            alone.found.clear();
            std::mem::swap(&mut alone.waits, &mut fds);
            alone.deadline
        });
        if let Some(event) = &signal.event {
            fds.push(PollFd { fd: event.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        }
        if signal.state.compare_exchange(POLLING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            continue;
        }
        let span = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let _ = poll_fds(&mut fds, span);
        if signal.event.is_some()
            && let Some(own) = fds.pop()
            && own.revents != 0
            && let Some(event) = &signal.event
        {
            let _ = nix::unistd::read(event, &mut [0; 8]);
        }
        fds.retain(|fd| fd.revents != 0);
        ALONE.with_borrow_mut(|alone| std::mem::swap(&mut alone.found, &mut fds));
        fds.clear();
    }
}

/// Polls what was spawned, and what that spawns.
fn poll_beside(cx: &mut Context<'_>) {
    let mut kept: Vec<BoxFuture<'static, ()>> = Vec::new();
    loop {
        let new = ALONE.with_borrow_mut(|alone| std::mem::take(&mut alone.beside));
        if new.is_empty() {
            break;
        }
        for mut task in new {
            if task.as_mut().poll(cx).is_pending() {
                kept.push(task);
            }
        }
    }
    if !kept.is_empty() {
        ALONE.with_borrow_mut(|alone| alone.beside = kept);
    }
}
