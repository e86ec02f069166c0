//! Listening sockets, shared by the children of a server.

use super::io::{READABLE, Source};
use super::stream::Stream;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Accepts after which the listener goes to the end of the kernel's line of waiters: the kernel wakes the latest first,
/// and without this one child would get most connections.
const TURN: u32 = 16;
/// Rest after the kernel could not give us a descriptor.
const REST: Duration = Duration::from_millis(50);

/// See the module text.
pub struct Listener {
    source: Source,
    enabled: AtomicBool,
    accepted: AtomicU32,
    /// When descriptors or memory ran short.
    short: Mutex<Option<Instant>>,
}

impl Listener {
    /// Takes a bound, listening, non-blocking socket.
    pub fn new(fd: OwnedFd) -> io::Result<Listener> {
        let (enabled, accepted, short) = (AtomicBool::new(true), AtomicU32::new(0), Mutex::new(None));
        Ok(Listener { source: Source::listener(fd), enabled, accepted, short })
    }

    /// Accepts one connection for each time the kernel wakes us. After a shortage of descriptors or memory, which is
    /// reported once, the next call waits a moment before it tries again.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        let short = self.short.lock().take();
        if let Some(since) = short {
            super::sleep(REST.saturating_sub(since.elapsed())).await;
            if self.enabled.load(Ordering::Acquire) {
                self.source.listen(true);
            }
        }
        let attempt = |fd: &OwnedFd| Ok((crate::sys::socket::accept(fd)?, true));
        let result = std::future::poll_fn(|cx| {
            if !self.enabled.load(Ordering::Acquire) {
                let _ = self.source.readiness().wait(READABLE, cx);
                if !self.enabled.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
            }
            self.source.poll_with(cx, READABLE, attempt)
        });
        let (fd, peer) = match result.await {
            Ok(accepted) => accepted,
            Err(error) => {
                let shortages = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
                if error.raw_os_error().is_some_and(|code| shortages.contains(&code)) {
                    // What cannot be accepted must not wake the loop again and again.
                    self.source.listen(false);
                    *self.short.lock() = Some(Instant::now());
                }
                return Err(error);
            }
        };
        if self.accepted.fetch_add(1, Ordering::Relaxed) % TURN == TURN - 1 && self.enabled.load(Ordering::Acquire) {
            self.source.listen(false);
            self.source.listen(true);
        }
        Ok((Stream::from_fd(fd)?, peer))
    }
    /// Stops listening: connections wait for other children, or in the backlog. [`Listener::accept`] waits.
    pub fn disable(&self) {
        self.enabled.store(false, Ordering::Release);
        self.source.listen(false);
    }
    /// Listens again.
    pub fn enable(&self) {
        self.enabled.store(true, Ordering::Release);
        self.source.listen(true);
        self.source.readiness().wake(READABLE);
    }
}
