//! fork(2).

use std::io;

/// Which side of a fork one is on.
pub enum Fork {
    Child,
    /// With the child's process id.
    Parent(i32),
}

/// Forks. The calling process must run one thread only: the child goes on with arbitrary code.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: by the contract above no other thread can hold a lock that the child would wait for.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Child) => Ok(Fork::Child),
        Ok(nix::unistd::ForkResult::Parent { child }) => Ok(Fork::Parent(child.as_raw())),
        Err(error) => Err(error.into()),
    }
}

/// Ends the process at once, without destructors or exit handlers: the way out of a forked child.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}
