//! TCP options that no safe wrapper knows.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// TCP_DEFER_ACCEPT: a connection is not handed out before it carries data, for at most `wait` (whole seconds).
pub fn defer_accept(listener: impl AsFd, wait: Duration) -> io::Result<()> {
    let seconds = libc::c_int::try_from(wait.as_secs()).unwrap_or(libc::c_int::MAX);
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: the option's value is a c_int that lives on this stack, and `size` is its size.
    let result =
        unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, (&raw const seconds).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
