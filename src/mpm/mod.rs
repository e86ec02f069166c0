//! Multi-processing: the parent with its children, the scoreboard, listeners, signals, and the three ways to run
//! connections: prefork, worker, event.
//!
//! `cli` checks the limits, opens the listeners and the logs, and calls [`run`], which goes into the background, writes the
//! pid file and forks the children. A child drops its privileges, asks the [`Program`] for its [`Service`] and gives it
//! connections until it is told to end.

mod child;
mod event;
mod gate;
mod limits;
mod line;
mod listeners;
mod maintenance;
pub mod pidfile;
mod prefork;
mod privileges;
mod scoreboard;
mod slots;
mod supervisor;
mod systemd;
mod worker;

pub use crate::sys::account::{group_id, user_id};
pub use limits::{Fixed, Limits, settle};
pub use line::Line;
pub use listeners::{Bound, Listeners};

use crate::config::{Configuration, MpmKind, Process, Warning};
use crate::engine::{BoxFuture, Stream};
use crate::log;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// What the processes are for.
pub trait Program: Send + Sync {
    /// Reads and compiles the configuration again and reopens the logs (a restart). `generation` counts from 1. Err: what
    /// is wrong was logged already; the old configuration stays.
    fn load(&self, generation: u32) -> Result<Arc<Configuration>, String>;
    /// In a child after privileges are dropped: installs chains, runs child_init, returns the connection function.
    fn child(&self, configuration: &'static Configuration) -> Arc<dyn Service>;
    /// Writes a line to the error log (to standard error as long as there is none).
    fn log(&self, line: &Line) {
        log::process_errno(line.level, line.module, line.errno, format_args!("{}", line.text));
    }
    /// A process that is none of the parent's children ended: a piped logger, a helper of a module.
    fn child_of_other(&self, pid: i32, status: i32) {
        let _ = (log::logger_died(pid), status);
    }
}

/// What a child does with a connection.
pub trait Service: Send + Sync {
    /// Serves a connection from its first octet to its end. `listener` is the position among the `Listen`s.
    fn connection(&self, stream: Stream, peer: SocketAddr, listener: usize) -> BoxFuture<'static, ()>;
    /// Goes on with a plain HTTP/1 connection that another child served `keepalives` requests on, and that waits for the
    /// next.
    fn resume(&self, stream: Stream, peer: SocketAddr, listener: usize, keepalives: u32) -> BoxFuture<'static, ()> {
        let _ = keepalives;
        self.connection(stream, peer, listener)
    }
    /// The child ends after its last connection (`child_exit`): flush what is buffered.
    fn end(&self) {}
}

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Go into the background; false with `-DFOREGROUND`, `-DNO_DETACH`, `-X`.
    pub detach: bool,
    /// `-X`: serve in this very process.
    pub one_process: bool,
    /// `Apache/2.4.71 (Pinion)`.
    pub server_version: String,
    /// When it was built, for the log.
    pub server_built: String,
    /// The command line, for the log.
    pub command_line: String,
    /// The program's short name, for messages.
    pub argv0: String,
}

/// Warnings of the clipping of limits at a first start: `-t` and the start print them, restarts log their own.
pub fn check(process: &Process) -> Vec<Warning> {
    settle(process.mpm.unwrap_or(MpmKind::Event), &process.numbers, None).1
}

/// The same in the wording of the log, where a first start tells them once more.
pub fn check_for_log(process: &Process) -> Vec<Warning> {
    let kind = process.mpm.unwrap_or(MpmKind::Event);
    let fixed = settle(kind, &process.numbers, None).0.fixed;
    settle(kind, &process.numbers, Some(fixed)).1
}

/// Runs the server to its end. The calling process must have one thread only.
pub fn run(
    program: &dyn Program,
    configuration: Arc<Configuration>,
    listeners: Listeners,
    options: RunOptions,
) -> ExitCode {
    supervisor::run(program, configuration, listeners, options)
}
