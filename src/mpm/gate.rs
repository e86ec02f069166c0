//! Where a process or thread that serves one connection at a time waits for the next: listeners, connections of a child
//! that ends, and signals, all in one epoll set. Listeners are waited on exclusively, so that a connection wakes one child.

use super::Listeners;
use crate::sys::passing;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

const LOBBY: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;

/// What came through.
pub enum Arrival {
    Connection(Accepted),
    /// Signals wait to be looked at.
    Signal,
    /// Nothing after all: another child was faster, or the client is gone.
    Nothing,
    /// Descriptors or memory ran short.
    Short,
}

/// A connection to serve.
pub struct Accepted {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    /// Index into the configuration's listeners.
    pub listener: usize,
    /// Requests that another child served on it; None for a fresh connection.
    pub keepalives: Option<u32>,
}

/// See the module text.
pub struct Gate {
    epoll: Epoll,
    listeners: Arc<Listeners>,
    lobby: OwnedFd,
}

impl Gate {
    pub fn new(listeners: Arc<Listeners>, lobby: OwnedFd, signals: impl AsFd) -> io::Result<Gate> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let shared = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        for (index, bound) in (0u64..).zip(listeners.iter()) {
            epoll.add(&bound.socket, EpollEvent::new(shared, index))?;
        }
        epoll.add(&lobby, EpollEvent::new(shared, LOBBY))?;
        epoll.add(signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        Ok(Gate { epoll, listeners, lobby })
    }
    /// Closes the listeners: a client that comes now is refused at once when no other child has them.
    pub fn close(&mut self) {
        for bound in self.listeners.iter() {
            // Others hold the same open socket: closing alone does not take it out of the set.
            let _ = self.epoll.delete(&bound.socket);
        }
        self.listeners = Arc::default();
    }
    /// Waits for one arrival.
    pub fn next(&self) -> io::Result<Arrival> {
        let mut events = [EpollEvent::empty()];
        match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(Arrival::Signal),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [event] = events;
        match event.data() {
            SIGNALS => Ok(Arrival::Signal),
            LOBBY => Ok(take_over(&self.lobby, &self.listeners).map_or(Arrival::Nothing, Arrival::Connection)),
            index => {
                let Some(listener) = usize::try_from(index).ok() else { return Ok(Arrival::Nothing) };
                let Some(bound) = self.listeners.iter().nth(listener) else { return Ok(Arrival::Nothing) };
                match bound.socket.accept() {
                    Ok((stream, peer)) => {
                        Ok(Arrival::Connection(Accepted { stream, peer, listener, keepalives: None }))
                    }
                    Err(error) => Ok(if is_short(&error) { Arrival::Short } else { Arrival::Nothing }),
                }
            }
        }
    }
}

/// Whether an accept failed for want of descriptors or memory: trying again at once is no use.
pub fn is_short(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// An idle connection of a child that ends. None when there is none (any more), or its listener is gone.
pub fn take_over(lobby: impl AsFd, listeners: &Listeners) -> Option<Accepted> {
    let mut note = [0u8; 4];
    let (fd, length) = passing::receive(lobby, &mut note).ok()?;
    let stream = TcpStream::from(fd);
    let listener = listeners.of(stream.local_addr().ok()?)?;
    let keepalives = (length == note.len()).then(|| u32::from_ne_bytes(note));
    Some(Accepted { peer: stream.peer_addr().ok()?, stream, listener, keepalives })
}
