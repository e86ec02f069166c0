//! event: the record of MPM event.
//!
//! Manual: mod/event.html.

use super::common;
use crate::config::*;
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "event.c",
    ident: "mpm_event_module",
    linked: Linked::Loadable,
    directives: &[common::LISTENING, common::THREADED, DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[take1(
    "AsyncRequestWorkerFactor",
    GLOBAL,
    NO_OVERRIDE,
    common::async_factor,
    "How many additional connects will be accepted per idle worker thread",
)];
