//! The loop of one process: leader and followers.
//!
//! One thread at a time is the leader: it waits for events and polls tasks itself, so that a request is served without a
//! hand-over. When a task is about to block, the leader passes the loop on to a follower first; the watchdog does the
//! same for a task that does not return. Whose term it is says `epoch`: a thread that finds another epoch than its own
//! leads no more and becomes a follower.

use super::io::Sources;
use super::task::Task;
use super::timer::Timers;
use super::{BoxFuture, clock, watchdog};
use mio::{Events, Poll, Token};
use parking_lot::{Condvar, Mutex};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Token of the waker, beyond any source's.
pub(super) const WAKE: Token = Token(usize::MAX);
/// Tasks that are polled before events are looked at again.
const BATCH: usize = 128;
/// A follower without work for so long ends.
const FOLLOWER_IDLE: Duration = Duration::from_secs(10);

/// How to run a loop.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads at most, the leader included.
    pub max_threads: usize,
    /// A task that runs longer than this loses the loop to a follower.
    pub watchdog: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_threads: 64, watchdog: Duration::from_millis(30) }
    }
}

/// What all threads of a loop share.
pub(super) struct Shared {
    options: Options,
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
    pub(super) epoch: AtomicU64,
    followers: Mutex<Followers>,
    promoted: Condvar,
    tasks: AtomicUsize,
    stop: AtomicBool,
    main_done: AtomicBool,
    pub(super) pulse: watchdog::Pulse,
}

#[derive(Default)]
struct Followers {
    idle: usize,
    threads: usize,
    /// Epoch that an idle follower is to lead.
    offer: Option<u64>,
}

/// This thread's part in a loop.
pub(super) struct Part {
    pub(super) shared: Arc<Shared>,
    /// The term in which it leads; it leads while the loop's epoch is the same.
    epoch: u64,
    blocking: bool,
}

thread_local! {
    static PART: RefCell<Option<Part>> = const { RefCell::new(None) };
}

/// The loop that drives the current thread, if any.
pub(super) fn current() -> Option<Arc<Shared>> {
    PART.with_borrow(|part| part.as_ref().map(|part| part.shared.clone()))
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

    fn pop(&self) -> Option<Arc<Task>> {
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

    fn over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
            || (self.main_done.load(Ordering::Acquire) && self.tasks.load(Ordering::Acquire) == 0)
    }

    /// Passes the loop on to a follower, if the term is still `epoch` and a follower can be had.
    pub(super) fn pass_on(self: &Arc<Shared>, epoch: u64) -> bool {
        let mut followers = self.followers.lock();
        if self.epoch.load(Ordering::Acquire) != epoch || followers.offer.is_some() {
            return false;
        }
        let next = epoch + 1;
        if followers.idle > 0 {
            followers.offer = Some(next);
            self.epoch.store(next, Ordering::Release);
            self.promoted.notify_one();
            return true;
        }
        if followers.threads >= self.options.max_threads {
            return false;
        }
        let shared = self.clone();
        let thread = std::thread::Builder::new().name("follower".into());
        if thread.spawn(move || work(&shared, Some(next), false)).is_err() {
            return false;
        }
        followers.threads += 1;
        self.epoch.store(next, Ordering::Release);
        true
    }

    /// Waits for an offer to lead. None: the loop is over, or this thread is not needed any more.
    fn follow(&self, keep: bool) -> Option<u64> {
        let mut followers = self.followers.lock();
        followers.idle += 1;
        loop {
            if let Some(epoch) = followers.offer.take() {
                followers.idle -= 1;
                return Some(epoch);
            }
            if self.over() {
                followers.idle -= 1;
                return None;
            }
            let waited = self.promoted.wait_for(&mut followers, FOLLOWER_IDLE);
            if waited.timed_out() && !keep && followers.offer.is_none() && followers.idle > 1 {
                followers.idle -= 1;
                followers.threads -= 1;
                return None;
            }
        }
    }

    fn finish(&self) {
        let guard = self.followers.lock();
        self.promoted.notify_all();
        drop(guard);
        let _ = self.waker.wake();
    }
}

/// A thread's life: leading, following, leading again.
fn work(shared: &Arc<Shared>, first: Option<u64>, keep: bool) {
    PART.set(Some(Part { shared: shared.clone(), epoch: 0, blocking: false }));
    let mut term = first;
    loop {
        match term.take().or_else(|| shared.follow(keep)) {
            None => break,
            Some(epoch) => {
                PART.with_borrow_mut(|part| {
                    if let Some(part) = part {
                        part.epoch = epoch;
                    }
                });
                lead(shared, epoch);
                clock::end_turn();
            }
        }
        if shared.over() {
            shared.finish();
            break;
        }
    }
    PART.set(None);
}

/// Leads until the term ends or the loop is over.
fn lead(shared: &Arc<Shared>, epoch: u64) {
    let mut expired = Vec::new();
    loop {
        clock::begin_turn();
        for _ in 0..BATCH {
            let Some(task) = shared.pop() else { break };
            shared.pulse.enter();
            let done = task.run();
            if done && shared.tasks.fetch_sub(1, Ordering::AcqRel) == 1 && shared.over() {
                return;
            }
            if shared.epoch.load(Ordering::Acquire) != epoch {
                return;
            }
        }
        shared.pulse.leave();
        if shared.over() {
            return;
        }
        wait(shared, &mut expired);
    }
}

/// Waits for events or the next timer and wakes whom they concern.
fn wait(shared: &Shared, expired: &mut Vec<std::task::Waker>) {
    let mut guard = shared.poll.lock();
    let (poll, events) = &mut *guard;
    shared.sleeping.store(true, Ordering::SeqCst);
    let timeout = if shared.ready_len.load(Ordering::SeqCst) > 0 || shared.over() {
        Some(Duration::ZERO)
    } else {
        shared.timers.lock().next().map(|at| at.saturating_duration_since(std::time::Instant::now()))
    };
    let result = poll.poll(events, timeout);
    shared.sleeping.store(false, Ordering::SeqCst);
    shared.pulse.wake_watchdog();
    let now = clock::begin_turn();
    if result.is_ok() {
        for event in events.iter().filter(|event| event.token() != WAKE) {
            shared.sources.dispatch(event);
        }
    }
    drop(guard);
    shared.timers.lock().expire(now, expired);
    for waker in expired.drain(..) {
        waker.wake();
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
        let _ = self.0.waker.wake();
    }
    /// Threads of the loop at present.
    pub fn threads(&self) -> usize {
        self.0.followers.lock().threads
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
        options,
        ready: Mutex::default(),
        ready_len: AtomicUsize::new(0),
        poll: Mutex::new((poll, Events::with_capacity(1024))),
        registry,
        epoll,
        waker,
        sleeping: AtomicBool::new(false),
        sources: Sources::default(),
        timers: Mutex::default(),
        epoch: AtomicU64::new(1),
        followers: Mutex::new(Followers { idle: 0, threads: 1, offer: None }),
        promoted: Condvar::new(),
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
    Ok(())
}

/// Adds a task to the loop that drives this thread; under [`super::alone`] it is polled beside the main future.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    match current() {
        Some(shared) => shared.spawn(Box::pin(future)),
        None => super::alone::spawn(Box::pin(future)),
    }
}

/// Runs something that may block. The leader passes the loop on first; on any other thread this is a plain call.
pub fn block<T>(f: impl FnOnce() -> T) -> T {
    let leading = PART.with_borrow_mut(|part| {
        let part = part.as_mut()?;
        let leads = !part.blocking && part.shared.epoch.load(Ordering::Acquire) == part.epoch;
        part.blocking |= leads;
        leads.then(|| (part.shared.clone(), part.epoch))
    });
    let Some((shared, epoch)) = leading else { return f() };
    shared.pulse.leave();
    if shared.pass_on(epoch) {
        clock::end_turn();
    }
    let result = f();
    PART.with_borrow_mut(|part| {
        if let Some(part) = part {
            part.blocking = false;
        }
    });
    result
}
