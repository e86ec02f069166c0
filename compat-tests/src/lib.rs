//! compat-tests: one case, two servers, no expectation written by hand.
//!
//! A [`Group`] is a configuration snippet, some files and a list of things to do with them. The harness lays the same tree out
//! twice, lets Debian's `apache2` run in one and Pinion's `httpd` in the other, does the same things to both and compares
//! what can be seen from outside: answers, logs, output, exit codes, process facts. What may differ is in the named list
//! [`normal::RULES`] and nowhere else.
//!
//! The tour: [`backend`] stands behind proxies, [`binaries`] finds the two programs, [`tree`] lays out a server root, [`ports`] finds it ports, [`server`] starts, watches and stops one,
//! [`wire`] speaks raw TCP, or [`tls`] over it, and takes answers apart, [`normal`] blanks what must differ, [`report`] tells what does, and
//! The tour: [`backend`] and [`gateway`] stand behind proxies, [`binaries`] finds the two programs, [`tree`] lays out a server root, [`ports`] finds it ports, [`server`] starts, watches and stops one,
//! [`wire`] speaks raw TCP and takes answers apart, [`normal`] blanks what must differ, [`report`] tells what does, and
//! [`group`] is the builder that tests are written with.
// A test harness reports by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod backend;
pub mod binaries;
pub mod gateway;
pub mod group;
pub mod h2;
pub mod keeper;
pub mod normal;
pub mod ports;
pub mod report;
pub mod server;
pub mod tls;
pub mod tree;
pub mod wire;

pub use backend::{Backend, Step, says, says_and_closes};
pub use gateway::Protocol;
pub use group::{Group, group};
pub use keeper::Keeper;
pub use server::Running;

/// Which multi-processing module a group runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// `mpm_event_module`
    Event,
    /// `mpm_worker_module`
    Worker,
    /// `mpm_prefork_module`
    Prefork,
}

impl Mpm {
    /// The name inside `mpm_NAME_module`.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Event => "event",
            Mpm::Worker => "worker",
            Mpm::Prefork => "prefork",
        }
    }
}

/// Makes three tests, `name::event`, `name::worker` and `name::prefork`, of one function that takes an [`Mpm`].
#[macro_export]
macro_rules! under_each_mpm {
    ($(#[$meta:meta])* fn $name:ident($mpm:ident) $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn case($mpm: $crate::Mpm) $body
            #[test]
            $(#[$meta])*
            fn event() { case($crate::Mpm::Event) }
            #[test]
            $(#[$meta])*
            fn worker() { case($crate::Mpm::Worker) }
            #[test]
            $(#[$meta])*
            fn prefork() { case($crate::Mpm::Prefork) }
        }
    };
}
