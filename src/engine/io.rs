//! Readiness of descriptors: edge-triggered, registered once, remembered until the kernel says "would block".
//!
//! A descriptor enters the loop that drives the current poll when it first has to wait, so that one that never waits
//! costs no `epoll_ctl`, and one made elsewhere is at home where it is used. Under [`alone`] waiting is poll(2).

use super::{alone, event};
use parking_lot::Mutex;
use slab::Slab;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

pub(super) const READABLE: u32 = 1;
pub(super) const WRITABLE: u32 = 2;
/// The other side will send no more: what a short read leaves behind is the end, and no edge announces it again.
const ENDED: u32 = 4;
/// Above the flags: how many events came, so that an edge between an attempt and its "would block" is not lost.
const TICK: u32 = 8;

/// Readiness of one descriptor and who waits for it.
pub(super) struct Readiness {
    state: AtomicU32,
    wakers: [Mutex<Option<Waker>>; 2],
}

impl Readiness {
    fn load(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    /// Takes flags back, unless an event came since `seen`.
    fn clear(&self, flags: u32, seen: u32) {
        let _ = self.state.compare_exchange(seen, seen & !flags, Ordering::AcqRel, Ordering::Acquire);
    }

    fn add(&self, flags: u32) {
        let step = |state: u32| Some((state | flags).wrapping_add(TICK));
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
    }

    /// Wakes who waits for any of `flags`.
    pub(super) fn wake(&self, flags: u32) {
        for (flag, waker) in [READABLE, WRITABLE].into_iter().zip(&self.wakers) {
            if flags & flag != 0
                && let Some(waker) = &*waker.lock()
            {
                waker.wake_by_ref();
            }
        }
    }

    /// Notes who waits for `flag`; ready if it came meanwhile.
    pub(super) fn wait(&self, flag: u32, cx: &Context<'_>) -> Poll<()> {
        if let Some(place) = self.wakers.get(usize::from(flag == WRITABLE)) {
            let mut place = place.lock();
            if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                let before = place.replace(cx.waker().clone());
                drop(place);
                drop(before);
            }
        }
        if self.load() & flag != 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// All registered descriptors of a loop, by token.
#[derive(Default)]
pub(super) struct Sources(Mutex<Slab<Arc<Readiness>>>);

impl Sources {
    /// Notes what the kernel reports and wakes those concerned.
    pub(super) fn dispatch(&self, events: &mio::Events) {
        let sources = self.0.lock();
        for event in events {
            let Some(readiness) = sources.get(event.token().0) else { continue };
            let mut flags = 0;
            if event.is_readable() {
                flags |= READABLE;
            }
            if event.is_writable() || event.is_write_closed() {
                flags |= WRITABLE;
            }
            if event.is_read_closed() {
                flags |= READABLE | ENDED;
            }
            if event.is_error() {
                flags |= READABLE | WRITABLE | ENDED;
            }
            readiness.add(flags);
            readiness.wake(flags);
        }
    }

    /// Takes all wakers out: the loop is over.
    pub(super) fn disband(&self) -> Vec<Waker> {
        let sources = self.0.lock();
        sources.iter().flat_map(|(_, readiness)| &readiness.wakers).filter_map(|waker| waker.lock().take()).collect()
    }
}

/// A descriptor with its place in a loop, once it has one.
pub(super) struct Source {
    pub(super) fd: OwnedFd,
    /// A listener, shared by several processes: level-triggered, and one of them is woken.
    exclusive: bool,
    /// Others may hold the same open file: closing ours does not take it out of the loop.
    shared: AtomicBool,
    readiness: Arc<Readiness>,
    place: OnceLock<(Arc<event::Shared>, usize)>,
}

impl Source {
    fn make(fd: OwnedFd, exclusive: bool, shared: bool, state: u32) -> Source {
        let readiness = Arc::new(Readiness { state: AtomicU32::new(state), wakers: Default::default() });
        Source { fd, exclusive, shared: AtomicBool::new(shared), readiness, place: OnceLock::new() }
    }
    /// Takes a non-blocking descriptor that nobody else holds. It is thought ready until an attempt shows otherwise.
    pub(super) fn new(fd: OwnedFd) -> Source {
        Source::make(fd, false, false, READABLE | WRITABLE)
    }
    /// As [`new`](Source::new), with nothing to read as far as is known.
    pub(super) fn resting(fd: OwnedFd) -> Source {
        Source::make(fd, false, false, WRITABLE)
    }
    /// Takes a listener.
    pub(super) fn listener(fd: OwnedFd) -> Source {
        Source::make(fd, true, true, READABLE)
    }
    /// Takes a descriptor that is to be waited for before any attempt. `shared`: others hold the same open file.
    pub(super) fn not_ready(fd: OwnedFd, shared: bool) -> Source {
        Source::make(fd, false, shared, 0)
    }

    /// The descriptor, for others to look at and perhaps to copy.
    pub(super) fn lend(&self) -> RawFd {
        self.shared.store(true, Ordering::Release);
        self.fd.as_raw_fd()
    }
    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Enters the loop of this thread, where there is one.
    fn enter(&self) -> io::Result<()> {
        let Some(shared) = event::current() else {
            return Err(io::Error::other("a descriptor can be waited for only within the engine"));
        };
        let raw = self.fd.as_raw_fd();
        let mut sources = shared.sources.0.lock();
        // Another task that holds the same stream may have been first.
        if self.place.get().is_some() {
            return Ok(());
        }
        let key = sources.insert(self.readiness.clone());
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let result = match self.exclusive {
            true => crate::sys::epoll::add_exclusive(shared.epoll, raw, key),
            false => shared.registry.register(&mut mio::unix::SourceFd(&raw), mio::Token(key), interest),
        };
        if result.is_err() {
            sources.remove(key);
        }
        drop(sources);
        result.map(|()| {
            let _ = self.place.set((shared, key));
        })
    }

    /// Takes a listener out of the loop or puts it back in; where it has no place yet, nothing.
    pub(super) fn listen(&self, on: bool) {
        if let Some((shared, key)) = self.place.get() {
            // Twice the same is no harm: the kernel says so and changes nothing.
            let _ = match on {
                true => crate::sys::epoll::add_exclusive(shared.epoll, self.fd.as_raw_fd(), *key),
                false => crate::sys::epoll::remove(shared.epoll, self.fd.as_raw_fd()),
            };
        }
    }

    /// Ready when an attempt is worth it.
    pub(super) fn poll_ready(&self, cx: &Context<'_>, flag: u32) -> Poll<io::Result<()>> {
        if self.readiness.load() & flag != 0 {
            return Poll::Ready(Ok(()));
        }
        if self.place.get().is_none() {
            if alone::running() {
                return match alone::ready_or_wait(self.fd.as_raw_fd(), flag) {
                    true => {
                        self.readiness.add(flag);
                        Poll::Ready(Ok(()))
                    }
                    false => Poll::Pending,
                };
            }
            self.enter()?;
        }
        self.readiness.wait(flag, cx).map(Ok)
    }

    /// Tries `attempt` whenever the descriptor may be ready, until it does not say "would block". An attempt that
    /// succeeds says whether the descriptor is exhausted by it: then the next one waits first.
    pub(super) fn poll_with<T>(
        &self,
        cx: &Context<'_>,
        flag: u32,
        mut attempt: impl FnMut(&OwnedFd) -> io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            let seen = self.readiness.load();
            if seen & flag == 0 {
                ready!(self.poll_ready(cx, flag))?;
                continue;
            }
            match attempt(&self.fd) {
                Ok((value, drained)) => {
                    if drained && seen & ENDED == 0 {
                        self.readiness.clear(flag, seen);
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readiness.clear(flag, seen),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some((shared, key)) = self.place.take() {
            // Closing the last descriptor of an open file takes it out of epoll by itself.
            if *self.shared.get_mut() {
                let _ = crate::sys::epoll::remove(shared.epoll, self.fd.as_raw_fd());
            }
            // What goes with it, a task's last reference perhaps, must not go while the lock is held.
            let gone = shared.sources.0.lock().try_remove(key);
            drop(gone);
        }
    }
}

/// Waits until a descriptor that somebody else reads (a signal pipe, a pidfd) is readable.
pub async fn readable_fd(fd: &OwnedFd) -> io::Result<()> {
    let source = Source::not_ready(fd.try_clone()?, true);
    std::future::poll_fn(|cx| source.poll_ready(cx, READABLE)).await
}
