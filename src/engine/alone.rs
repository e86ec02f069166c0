//! One task on its own thread: waiting is poll(2). For prefork and worker.

use super::BoxFuture;
use super::io::{READABLE, WRITABLE};
use std::cell::RefCell;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Alone {
    running: bool,
    waits: Vec<(RawFd, u32)>,
    deadline: Option<Instant>,
    beside: Vec<BoxFuture<'static, ()>>,
}

thread_local! {
    static ALONE: RefCell<Alone> = RefCell::default();
    static SIGNAL: RefCell<Option<Arc<Signal>>> = const { RefCell::new(None) };
}

/// Wakes the thread from another one.
struct Signal {
    woken: AtomicBool,
    event: Option<OwnedFd>,
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Signal>) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Some(event) = &self.event
        {
            let _ = nix::unistd::write(event, &1u64.to_ne_bytes());
        }
    }
}

fn signal() -> Arc<Signal> {
    SIGNAL.with_borrow_mut(|kept| {
        let make = || {
            let event = crate::sys::epoll::event_fd().ok();
            Arc::new(Signal { woken: AtomicBool::new(false), event })
        };
        kept.get_or_insert_with(make).clone()
    })
}

/// Notes that the task waits for a descriptor.
pub(super) fn wait_for(fd: RawFd, flag: u32) {
    ALONE.with_borrow_mut(|alone| alone.waits.push((fd, flag)));
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

/// Whether a descriptor is ready at this moment.
pub(super) fn is_ready(fd: RawFd, flag: u32) -> bool {
    crate::sys::epoll::poll_fds(&mut [(fd, events(flag))], Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
}

/// Runs a future to its end on this thread.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let signal = signal();
    let waker = Waker::from(signal.clone());
    let mut cx = Context::from_waker(&waker);
    let outer = ALONE.take();
    let mut fds: Vec<(RawFd, libc::c_short)> = Vec::new();
    let result = loop {
        signal.woken.store(false, Ordering::Release);
        ALONE.with_borrow_mut(|alone| {
            alone.running = true;
            alone.waits.clear();
            alone.deadline = None;
        });
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            break value;
        }
        let mut beside = ALONE.with_borrow_mut(|alone| std::mem::take(&mut alone.beside));
        beside.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        let deadline = ALONE.with_borrow_mut(|alone| {
            beside.append(&mut alone.beside);
            alone.beside = beside;
            fds.clear();
            fds.extend(alone.waits.iter().map(|&(fd, flag)| (fd, events(flag))));
            alone.deadline
        });
        if signal.woken.load(Ordering::Acquire) {
            continue;
        }
        if let Some(event) = &signal.event {
            fds.push((event.as_raw_fd(), libc::POLLIN));
        }
        let span = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let _ = crate::sys::epoll::poll_fds(&mut fds, span);
        if let Some(event) = &signal.event
            && signal.woken.load(Ordering::Acquire)
        {
            let _ = nix::unistd::read(event, &mut [0; 8]);
        }
    };
    ALONE.set(outer);
    result
}
