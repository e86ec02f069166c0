//! The loop of one process: what its threads share, and how it is run.

use super::io::Sources;
use super::leader::{Followers, work};
use super::task::Task;
use super::timer::Timers;
use super::{BoxFuture, clock, watchdog};
use mio::{Events, Poll, Token};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

pub(super) use super::leader::current;
pub use super::leader::driven;

/// Token of the waker, beyond any source's.
pub(super) const WAKE: Token = Token(usize::MAX);

/// How to run a loop.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads at most, the leader included.
    pub max_threads: usize,
    /// Stack of a thread in octets; 0 is the system's choice.
    pub stack_size: usize,
    /// A task that runs longer than this loses the loop to a follower.
    pub watchdog: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_threads: 64, stack_size: 0, watchdog: Duration::from_millis(30) }
    }
}

/// What all threads of a loop share.
pub(super) struct Shared {
    ready: Mutex<VecDeque<Arc<Task>>>,
    /// Length of `ready`, to look at without its lock.
    ready_len: AtomicUsize,
    poll: Mutex<(Poll, Events)>,
    pub(super) registry: mio::Registry,
    pub(super) epoll: std::os::fd::RawFd,
    waker: mio::Waker,
    /// The leader waits for events or is about to.
    sleeping: AtomicBool,
    pub(super) sources: Sources,
    pub(super) timers: Mutex<Timers>,
    pub(super) followers: Followers,
    tasks: AtomicUsize,
    stop: AtomicBool,
    main_done: AtomicBool,
    pub(super) pulse: watchdog::Pulse,
}

impl Shared {
    /// Puts a task in line, and wakes the leader where it sleeps on another thread.
    pub(super) fn push(&self, task: Arc<Task>) {
        let mut ready = self.ready.lock();
        ready.push_back(task);
        self.ready_len.store(ready.len(), Ordering::SeqCst);
        drop(ready);
        self.rouse();
    }

    /// Makes the leader look around, where it sleeps.
    pub(super) fn rouse(&self) {
        if self.sleeping.load(Ordering::SeqCst) {
            let _ = self.waker.wake();
        }
    }

    pub(super) fn pop(&self) -> Option<Arc<Task>> {
        if self.ready_len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut ready = self.ready.lock();
        let task = ready.pop_front();
        self.ready_len.store(ready.len(), Ordering::SeqCst);
        task
    }

    fn spawn(self: &Arc<Shared>, future: BoxFuture<'static, ()>) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        self.push(Task::new(self.clone(), future));
    }

    /// Asked to end, whatever tasks are left.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
            || (self.main_done.load(Ordering::Acquire) && self.tasks.load(Ordering::Acquire) == 0)
    }

    /// Counts the end of a task; true if it was the loop's end too.
    pub(super) fn done(&self) -> bool {
        self.tasks.fetch_sub(1, Ordering::AcqRel) == 1 && self.over()
    }

    /// Tells all threads that the loop is over.
    pub(super) fn finish(&self) {
        self.followers.dismiss();
        let _ = self.waker.wake();
    }

    /// Drops the tasks that are left: each is held by the line, a timer or a descriptor that it waits for.
    fn disband(&self) {
        loop {
            let ready = std::mem::take(&mut *self.ready.lock());
            let mut wakers = self.timers.lock().disband();
            wakers.append(&mut self.sources.disband());
            if ready.is_empty() && wakers.is_empty() {
                return;
            }
            ready.iter().for_each(|task| task.discard());
            for waker in &wakers {
                waker.wake_by_ref();
            }
        }
    }

    /// Waits for events or the next timer and wakes whom they concern.
    pub(super) fn wait(&self, expired: &mut Vec<Waker>) {
        let mut guard = self.poll.lock();
        let (poll, events) = &mut *guard;
        self.sleeping.store(true, Ordering::SeqCst);
        let timeout = if self.ready_len.load(Ordering::SeqCst) > 0 || self.over() {
            Some(Duration::ZERO)
        } else {
            self.timers.lock().next().map(|at| at.saturating_duration_since(Instant::now()))
        };
        let result = poll.poll(events, timeout);
        self.sleeping.store(false, Ordering::SeqCst);
        let now = clock::begin_turn();
        if result.is_ok() {
            self.sources.dispatch(events);
        }
        drop(guard);
        self.timers.lock().expire(now, expired);
        for waker in expired.drain(..) {
            waker.wake();
        }
        if self.ready_len.load(Ordering::Relaxed) > 0 {
            self.pulse.begin_turn();
        }
    }
}

/// Notes the end of the main task, however it comes.
struct MainDone(Arc<Shared>);

impl Drop for MainDone {
    fn drop(&mut self) {
        self.0.main_done.store(true, Ordering::Release);
    }
}

/// A handle on a loop, usable from any thread.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Adds a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(Box::pin(future));
    }
    /// Ends the loop whatever tasks are left.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.finish();
    }
    /// Threads of the loop at present.
    pub fn threads(&self) -> usize {
        self.0.followers.threads()
    }
    /// Tasks that are not done.
    pub fn tasks(&self) -> usize {
        self.0.tasks.load(Ordering::Relaxed)
    }
    /// Tasks that could run but wait for the leader.
    pub fn ready(&self) -> usize {
        self.0.ready_len.load(Ordering::Relaxed)
    }
}

/// The loop that drives the current thread.
pub fn handle() -> Option<Handle> {
    current().map(Handle)
}

/// Runs a loop on this thread until `main` and all tasks are done, or [`Handle::stop`] is called.
pub fn run(options: Options, main: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    let waker = mio::Waker::new(&registry, WAKE)?;
    let epoll = std::os::fd::AsRawFd::as_raw_fd(&poll);
    let shared = Arc::new(Shared {
        ready: Mutex::default(),
        ready_len: AtomicUsize::new(0),
        poll: Mutex::new((poll, Events::with_capacity(1024))),
        registry,
        epoll,
        waker,
        sleeping: AtomicBool::new(false),
        sources: Sources::default(),
        timers: Mutex::default(),
        followers: Followers::new(options.max_threads, options.stack_size),
        tasks: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        main_done: AtomicBool::new(false),
        pulse: watchdog::Pulse::default(),
    });
    watchdog::start(&shared, options.watchdog);
    let done = MainDone(shared.clone());
    shared.spawn(Box::pin(async move {
        let _done = done;
        main.await;
    }));
    work(&shared, Some(1), true);
    shared.stop.store(true, Ordering::Release);
    shared.finish();
    watchdog::end(&shared);
    shared.disband();
    Ok(())
}

/// Adds a task to the loop that drives this thread; under [`super::alone`] it is polled beside the main future.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    match current() {
        Some(shared) => shared.spawn(Box::pin(future)),
        None => super::alone::spawn(Box::pin(future)),
    }
}
