//! mod_cgid: runs programs that make a response, as mod_cgi does: here no thread waits for a program anyway, and none
//! copies a large server, so that both are the same code under two names.
//!
//! Hooks: see mod_cgi. Differences: no daemon and no socket; what ScriptSock names is not made.
//! Manual: mod/mod_cgid.html.

use super::mod_cgi::{CGID_TIMEOUT, CgiDir, CgiServer, SCRIPT_LOG, cgid_hooks};
use crate::config::*;
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "mod_cgid.c",
    ident: "cgid_module",
    linked: Linked::Loadable,
    directives: &[SCRIPT_LOG, DIRECTIVES, CGID_TIMEOUT],
    server: Config::of::<CgiServer>(),
    dir: Config::of::<CgiDir>(),
    hooks: cgid_hooks,
};

const DIRECTIVES: &[Directive] = &[take1(
    "ScriptSock",
    SERVER,
    NO_OVERRIDE,
    script_sock,
    "the name of the socket to use for communication with the cgi daemon.",
)
.ignored("programs are started without a daemon")];

fn script_sock(cx: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    match cx.around.first() {
        Some(&"<VirtualHost") => Err("ScriptSock cannot occur within <VirtualHost> section".into()),
        _ => Ok(()),
    }
}
