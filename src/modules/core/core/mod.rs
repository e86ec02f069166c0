//! core: what the server does whatever modules are loaded. Its hooks stand in `crate::server`; here are its directives.
//!
//! Manual: mod/core.html, mod/mpm_common.html (PidFile and the other process-wide ones that belong to core.c).

mod directory;
mod global;
mod limits;
mod options;
mod reading;
mod sections;
mod server;

use crate::config::{Config, Cx, Outcome, Word};
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "core.c",
    ident: "core_module",
    linked: Linked::Static,
    directives: &[
        sections::DIRECTIVES,
        reading::DIRECTIVES,
        options::DIRECTIVES,
        directory::DIRECTIVES,
        server::DIRECTIVES,
        limits::DIRECTIVES,
        global::DIRECTIVES,
    ],
    server: Config::of::<crate::config::CoreServer>(),
    dir: Config::of::<crate::config::CoreDir>(),
    hooks: crate::server::core_hooks,
};

/// For rows that only exist to refuse or to do nothing.
pub(crate) fn accept(_: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    Ok(())
}
