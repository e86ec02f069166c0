//! Signals as bytes in a pipe: a handler may do almost nothing, so it notes the signal and wakes whoever waits.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

static PENDING: AtomicU64 = AtomicU64::new(0);
static PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(signal: libc::c_int) {
    let saved = nix::errno::Errno::last_raw();
    PENDING.fetch_or(1u64 << (signal as u32 & 63), Ordering::SeqCst);
    let pipe = PIPE.load(Ordering::Relaxed);
    if pipe >= 0 {
        // SAFETY: write is async-signal-safe; the byte lives on this stack. A full pipe is as good as a written byte.
        let _ = unsafe { libc::write(pipe, [0u8].as_ptr().cast(), 1) };
    }
    nix::errno::Errno::set_raw(saved);
}

/// The receiving end of this process's signals.
pub struct Signals {
    read: OwnedFd,
    _write: OwnedFd,
}

impl Signals {
    /// Opens a pipe of this process's own and catches `signals`. A later call in the same process (after a fork)
    /// takes the place of an earlier one.
    pub fn catch(signals: &[Signal]) -> io::Result<Signals> {
        use nix::fcntl::OFlag;
        let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        PENDING.store(0, Ordering::SeqCst);
        PIPE.store(write.as_raw_fd(), Ordering::SeqCst);
        for signal in signals {
            set(*signal, SigHandler::Handler(note))?;
        }
        Ok(Signals { read, _write: write })
    }
    /// Readable when signals came in.
    pub fn fd(&self) -> &OwnedFd {
        &self.read
    }
    /// The signals since the last call; empties the pipe.
    pub fn take(&self) -> Caught {
        let mut bytes = [0u8; 64];
        while matches!(nix::unistd::read(&self.read, &mut bytes), Ok(n) if n == bytes.len()) {}
        Caught(PENDING.swap(0, Ordering::SeqCst))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = PIPE.compare_exchange(self._write.as_raw_fd(), -1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// A set of caught signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caught(u64);

impl Caught {
    pub fn has(self, signal: Signal) -> bool {
        self.0 & (1u64 << (signal as u32 & 63)) != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub fn add(&mut self, other: Caught) {
        self.0 |= other.0;
    }
    /// Forgets one signal.
    pub fn clear(&mut self, signal: Signal) {
        self.0 &= !(1u64 << (signal as u32 & 63));
    }
}

/// The default action.
pub fn default(signals: &[Signal]) -> io::Result<()> {
    signals.iter().try_for_each(|signal| set(*signal, SigHandler::SigDfl))
}

/// No action.
pub fn ignore(signals: &[Signal]) -> io::Result<()> {
    signals.iter().try_for_each(|signal| set(*signal, SigHandler::SigIgn))
}

fn set(signal: Signal, handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the only handler ever installed is `note`, which is async-signal-safe.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_signal_is_reported_once() {
        let signals = Signals::catch(&[Signal::SIGURG]).unwrap();
        nix::sys::signal::raise(Signal::SIGURG).unwrap();
        let caught = signals.take();
        assert!(caught.has(Signal::SIGURG) && !caught.has(Signal::SIGTERM));
        assert!(signals.take().is_empty());
    }
}
