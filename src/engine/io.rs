//! Readiness of descriptors: edge-triggered, registered once, remembered until the kernel says "would block".

use super::{alone, event};
use parking_lot::Mutex;
use slab::Slab;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

pub(super) const READABLE: u32 = 1;
pub(super) const WRITABLE: u32 = 2;
/// The peer sends no more: its end comes behind the data with no edge of its own. Never taken back.
const CLOSED: u32 = 4;
/// Above the flags: how many events came, so that an edge between an attempt and its "would block" is not lost.
const TICK: u32 = 8;

/// Readiness of one descriptor and who waits for it.
#[derive(Default)]
pub(super) struct Readiness {
    state: AtomicU32,
    wakers: [Mutex<Option<Waker>>; 2],
}

impl Readiness {
    pub(super) fn load(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    /// Takes a flag back, unless an event came since `seen`.
    pub(super) fn clear(&self, flag: u32, seen: u32) {
        let _ = self.state.compare_exchange(seen, seen & !flag, Ordering::AcqRel, Ordering::Acquire);
    }

    fn set(&self, flags: u32) {
        let step = |state: u32| Some((state | flags).wrapping_add(TICK));
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, step);
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
                *place = Some(cx.waker().clone());
            }
        }
        if self.load() & flag != 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// All registered descriptors of a loop, by token.
#[derive(Default)]
pub(super) struct Sources(Mutex<Slab<Arc<Readiness>>>);

impl Sources {
    pub(super) fn dispatch(&self, event: &mio::event::Event) {
        let Some(readiness) = self.0.lock().get(event.token().0).cloned() else { return };
        let mut flags = 0;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            flags |= READABLE;
        }
        if event.is_read_closed() {
            flags |= CLOSED;
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            flags |= WRITABLE;
        }
        readiness.set(flags);
    }
}

/// A descriptor with its place in a loop; without one under [`alone`].
pub(super) struct Source {
    pub(super) fd: OwnedFd,
    registered: Option<(Arc<event::Shared>, usize, Arc<Readiness>)>,
}

impl Source {
    /// Takes a non-blocking descriptor. `exclusive`: a listener, shared by several processes.
    pub(super) fn new(fd: OwnedFd, exclusive: bool) -> io::Result<Source> {
        let Some(shared) = event::current() else { return Ok(Source { fd, registered: None }) };
        let readiness = Arc::new(Readiness::default());
        let key = shared.sources.0.lock().insert(readiness.clone());
        let raw = fd.as_raw_fd();
        let result = if exclusive {
            crate::sys::epoll::add_exclusive(shared.epoll, raw, key)
        } else {
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            shared.registry.register(&mut mio::unix::SourceFd(&raw), mio::Token(key), interest)
        };
        if let Err(error) = result {
            shared.sources.0.lock().remove(key);
            return Err(error);
        }
        // Worth an attempt at once: data often came along with the connection.
        if !exclusive {
            readiness.state.store(READABLE | WRITABLE, Ordering::Release);
        }
        Ok(Source { fd, registered: Some((shared, key, readiness)) })
    }

    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes a listener out of the loop or puts it back in.
    pub(super) fn listen(&self, on: bool) -> io::Result<()> {
        match &self.registered {
            None => Ok(()),
            Some((shared, key, _)) if on => crate::sys::epoll::add_exclusive(shared.epoll, self.raw(), *key),
            Some((shared, ..)) => crate::sys::epoll::remove(shared.epoll, self.raw()),
        }
    }

    /// Tries `attempt` whenever the descriptor may be ready, until it does not say "would block". With `drained`, an
    /// attempt that succeeds says whether the descriptor is exhausted by it.
    pub(super) fn poll_with<T>(
        &self,
        cx: &Context<'_>,
        flag: u32,
        mut attempt: impl FnMut(&OwnedFd) -> io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            let seen = match &self.registered {
                Some((_, _, readiness)) => {
                    let seen = readiness.load();
                    if seen & flag == 0 {
                        match readiness.wait(flag, cx) {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(()) => continue,
                        }
                    }
                    seen
                }
                None => 0,
            };
            match attempt(&self.fd) {
                Ok((value, drained)) => {
                    if drained
                        && seen & CLOSED == 0
                        && let Some((_, _, readiness)) = &self.registered
                    {
                        readiness.clear(flag, seen);
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match &self.registered {
                    Some((_, _, readiness)) => readiness.clear(flag, seen),
                    None => {
                        alone::wait_for(self.raw(), flag);
                        return Poll::Pending;
                    }
                },
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Waits until the descriptor may be ready, without an attempt.
    pub(super) fn poll_ready(&self, cx: &Context<'_>, flag: u32) -> Poll<()> {
        match &self.registered {
            Some((_, _, readiness)) if readiness.load() & flag != 0 => Poll::Ready(()),
            Some((_, _, readiness)) => readiness.wait(flag, cx),
            None if alone::is_ready(self.raw(), flag) => Poll::Ready(()),
            None => {
                alone::wait_for(self.raw(), flag);
                Poll::Pending
            }
        }
    }

    /// Forgets readiness after someone else looked at the descriptor in vain.
    pub(super) fn forget(&self, flag: u32) {
        if let Some((_, _, readiness)) = &self.registered {
            readiness.clear(flag, readiness.load());
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some((shared, key, _)) = self.registered.take() {
            // Closing takes it out of epoll, unless a fork shares it: say so explicitly only for those.
            shared.sources.0.lock().try_remove(key);
            if Arc::strong_count(&shared) > 0 {
                let _ = crate::sys::epoll::remove(shared.epoll, self.fd.as_raw_fd());
            }
        }
    }
}

/// Waits until a descriptor that somebody else reads (a signal pipe, a pidfd) is readable.
pub async fn readable_fd(fd: &OwnedFd) -> io::Result<()> {
    let source = Source::new(fd.as_fd().try_clone_to_owned()?, false)?;
    source.forget(READABLE);
    std::future::poll_fn(|cx| {
        if alone::is_ready(source.raw(), READABLE) {
            return Poll::Ready(());
        }
        source.poll_ready(cx, READABLE)
    })
    .await;
    Ok(())
}
