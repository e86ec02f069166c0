//! epoll beyond what mio offers, eventfd, poll(2), pidfd.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Adds a listener that several processes wait on: level-triggered, one of them is woken (EPOLLEXCLUSIVE).
pub fn add_exclusive(epoll: RawFd, fd: RawFd, token: usize) -> io::Result<()> {
    let events = (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32;
    let mut event = libc::epoll_event { events, u64: token as u64 };
    // SAFETY: the event is valid for the call; the kernel checks both descriptors.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
}

/// Takes a descriptor out.
pub fn remove(epoll: RawFd, fd: RawFd) -> io::Result<()> {
    // SAFETY: EPOLL_CTL_DEL needs no event; the kernel checks both descriptors.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) }).map(drop)
}

fn owned(fd: libc::c_int) -> OwnedFd {
    // SAFETY: called with descriptors that the kernel has just made for us alone.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A fresh eventfd, non-blocking and closed on exec.
pub fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) }).map(owned)
}

/// A descriptor that is readable once the process has ended.
pub fn pid_fd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; pidfd_open takes a pid and flags.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    check(fd as libc::c_int).map(owned)
}

/// One descriptor for [`poll_fds`]: what it is waited for, and what was found.
pub use libc::pollfd as PollFd;

/// Waits until one of the descriptors is ready, and notes in each what was found; None waits for ever. Returns how
/// many are. A failure finds nothing.
pub fn poll_fds(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    // Rounded up: waking a moment early would only spin.
    let millis = timeout.map_or(-1, |span| span.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as libc::c_int);
    // SAFETY: the array and its length belong together.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
    if ready < 0 {
        fds.iter_mut().for_each(|fd| fd.revents = 0);
    }
    check(ready).map(|ready| ready as usize)
}
