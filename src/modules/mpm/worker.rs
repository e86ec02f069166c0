//! worker: the record of MPM worker.
//!
//! Manual: mod/worker.html.

use super::common;
use crate::config::Config;
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "worker.c",
    ident: "mpm_worker_module",
    linked: Linked::Loadable,
    directives: &[common::LISTENING, common::THREADED],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};
