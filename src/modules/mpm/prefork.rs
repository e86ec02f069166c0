//! prefork: the record of MPM prefork.
//!
//! Manual: mod/prefork.html.

use super::common;
use crate::config::*;
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "prefork.c",
    ident: "mpm_prefork_module",
    linked: Linked::Loadable,
    directives: &[common::LISTENING, DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[
    take1(
        "StartServers",
        GLOBAL,
        NO_OVERRIDE,
        common::start_servers,
        "Number of child processes launched at server startup",
    ),
    take1(
        "MinSpareServers",
        GLOBAL,
        NO_OVERRIDE,
        common::min_spare_servers,
        "Minimum number of idle children, to handle request spikes",
    ),
    take1("MaxSpareServers", GLOBAL, NO_OVERRIDE, common::max_spare_servers, "Maximum number of idle children"),
    take1("MaxClients", GLOBAL, NO_OVERRIDE, common::max_request_workers, "Deprecated name of MaxRequestWorkers"),
    take1(
        "MaxRequestWorkers",
        GLOBAL,
        NO_OVERRIDE,
        common::max_request_workers,
        "Maximum number of children alive at the same time",
    ),
    take1(
        "ServerLimit",
        GLOBAL,
        NO_OVERRIDE,
        common::server_limit,
        "Maximum value of MaxRequestWorkers for this run of Apache",
    ),
];
