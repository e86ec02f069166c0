//! Listening sockets, shared by the children of a server.

use super::io::{READABLE, Source};
use super::stream::Stream;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// Accepts after which the listener goes to the end of the kernel's line of waiters: the kernel wakes the latest first,
/// and without this one child would get most connections.
const TURN: u32 = 16;

/// See the module text.
pub struct Listener {
    source: Source,
    accepted: AtomicU32,
}

impl Listener {
    /// Takes a bound, listening, non-blocking socket.
    pub fn new(fd: OwnedFd) -> io::Result<Listener> {
        Ok(Listener { source: Source::new(fd, true)?, accepted: AtomicU32::new(0) })
    }
    /// Accepts one connection for each time the kernel wakes us.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        let attempt = |fd: &OwnedFd| Ok((crate::sys::socket::accept(fd)?, true));
        let (fd, peer) = std::future::poll_fn(|cx| self.source.poll_with(cx, READABLE, attempt)).await?;
        if self.accepted.fetch_add(1, Ordering::Relaxed) % TURN == TURN - 1 {
            let _ = self.source.listen(false).and_then(|()| self.source.listen(true));
        }
        Ok((Stream::from_fd(fd)?, peer))
    }
    /// Stops listening: connections wait for other children, or in the backlog.
    pub fn disable(&self) {
        let _ = self.source.listen(false);
    }
    /// Listens again.
    pub fn enable(&self) {
        let _ = self.source.listen(true);
    }
}
