//! Pinion: a drop-in replacement of Apache httpd 2.4. The tour, in the order in which a request meets the folders:

/// Flags, texts and exit codes of the commands; puts the parts together.
pub mod cli;
/// Meaning of the configuration.
pub mod config;
/// Sockets, tasks, timers, processes: waiting without threads.
pub mod engine;
/// HTTP/1 on the wire.
pub mod http;
/// The error log.
pub mod log;
/// The module contract.
pub mod module;
/// Every native module.
pub mod modules;
/// Parent, scoreboard, listeners, signals; prefork, worker, event.
pub mod mpm;
/// The vocabulary: request, response, headers, body.
pub mod request;
/// Phases, walks, virtual hosts, subrequests, errors: what holds for any protocol.
pub mod server;
/// The operating system: the only unsafe code.
pub mod sys;
