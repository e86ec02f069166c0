//! The event engine: waiting without threads. Knows nothing of HTTP.
//!
//! The same async code runs in two ways. Under [`event`] thousands of tasks share one loop per process: the leader
//! thread polls them, and whoever is about to block hands the loop on first ([`block`]). Under [`alone`] one task has a
//! thread of its own and waits in poll(2). A thread-local says which one drives the current poll.

pub mod alone;
mod clock;
pub mod event;
mod io;
mod leader;
mod listener;
mod pipe;
mod process;
mod round;
mod stream;
mod sync;
mod task;
mod timer;
mod tls;
mod watchdog;

pub use clock::now;
pub use event::spawn;
pub use io::readable_fd;
pub use leader::block;
pub use listener::Listener;
pub use pipe::{PipeReader, PipeWriter};
pub use process::Child;
pub use round::at_round_end;
pub use stream::{Outbound, Stream};
pub use sync::{Notified, Notify, Permit, Semaphore};
pub use timer::{Elapsed, sleep, timeout, yield_now};
pub use tls::{HandshakeError, Session};

use std::future::Future;
use std::pin::Pin;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
