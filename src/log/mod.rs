//! The error log: levels, AH tags, formats, targets, the tracing layer.
//!
//! A line starts at a `log` method (of a request, a connection, a server, or [`process`] for the process as a whole): the
//! level is checked there, before anything is formatted. [`emit`] renders it with the server's [`ErrorFormat`] into a
//! buffer that the thread keeps, and the [`Target`] takes it in one `write(2)`. Manual: logs.html, mod/core.html.
//!
//! The folder knows no request: what a line may tell of one is asked through [`Scope`].

pub mod clock;
mod emit;
mod escape;
mod format;
mod layer;
mod level;
mod piped;
mod process;
mod syslog;
mod target;

pub use emit::*;
pub use escape::*;
pub use format::*;
pub use layer::*;
pub use level::*;
pub use piped::*;
pub use process::*;
pub use syslog::*;
pub use target::*;
