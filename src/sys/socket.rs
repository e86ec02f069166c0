//! Sockets beyond the standard library: accept4 with flags, sendfile.

use socket2::SockAddr;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Accepts one connection, non-blocking and closed on exec, with the peer's address where it has an IP address.
pub fn accept(listener: &OwnedFd) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    let accept = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        // SAFETY: storage and length are valid for the call, and length says how much room there is.
        let fd = unsafe {
            libc::accept4(listener.as_raw_fd(), storage.cast(), length, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    // SAFETY: on success accept4 has filled the storage with an address of the length it set.
    let (fd, address) = unsafe { SockAddr::try_init(accept) }?;
    Ok((fd, address.as_socket()))
}

/// The descriptors that a service manager opened for this process (sd_listen_fds(3)). Only the first call gets any.
pub fn handed_over() -> Vec<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    /// Where they begin.
    const FIRST: RawFd = 3;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    if number("LISTEN_PID") != i32::try_from(std::process::id()).ok() || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, 4096);
    (FIRST..FIRST + count)
        // SAFETY: fcntl touches no memory of ours; it fails for a descriptor that is not open.
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_SETFD, libc::FD_CLOEXEC) } == 0)
        // SAFETY: open, given to this very process at its start, and by the flag above taken once.
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .collect()
}

/// Sends up to `len` octets of `file` from `offset` on, without copying them through this process.
pub fn sendfile(socket: &OwnedFd, file: &File, offset: u64, len: usize) -> io::Result<usize> {
    let mut offset = offset as libc::off_t;
    // SAFETY: the offset is valid for the call; the kernel checks both descriptors.
    let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut offset, len) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// Holds partial segments back, or sends them (TCP_CORK).
pub fn set_cork(socket: &OwnedFd, on: bool) -> io::Result<()> {
    let value = libc::c_int::from(on);
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: value and size belong together and are valid for the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_CORK, (&raw const value).cast(), size)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
