//! mod_info: the page of the handler `server-info`, and the configuration's text for `-D DUMP_CONFIG`.
//!
//! Hooks: `check_config`, first: prints the configuration where DUMP_CONFIG is defined. `handler`, middle.
//! Differences: hooks, providers and libraries are those of this server. Manual: mod/mod_info.html.

mod page;
mod tree;

use crate::config::*;
use crate::module::{Answer, FIRST, Hooks, Linked, MIDDLE, Module};
use crate::request::{MethodNumber, Request};
use crate::server;
use bstr::{BStr, BString};
use std::io::{self, Write};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_info.c",
    ident: "info_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<InfoServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take2(
    "AddModuleInfo",
    SERVER,
    NO_OVERRIDE,
    add_module_info,
    "a module name and additional information on that module",
)];

/// The module's settings of a server.
#[derive(Clone, Default)]
pub struct InfoServer {
    /// Module, its text, and where it was said.
    more: Vec<(BString, BString)>,
    /// The main server's: the configuration as it was read.
    nodes: Arc<Vec<Node>>,
}

impl Settings for InfoServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let more = base.more.iter().chain(&add.more).cloned().collect();
        InfoServer { more, nodes: base.nodes.clone() }
    }
}

fn add_module_info(cx: &mut Cx<'_>, module: &BStr, text: &BStr) -> Outcome {
    cx.server::<InfoServer>().more.push((module.into(), text.into()));
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.check_config(FIRST, dump);
    on.handler(MIDDLE, serve);
    on.providers.offer::<dyn TreeKeeper>("tree", &Keeper);
}

struct Keeper;

impl TreeKeeper for Keeper {
    fn keep(&self, configuration: &mut Configuration, nodes: Vec<Node>) {
        let nodes = Arc::new(nodes);
        for server in &mut configuration.servers {
            server.settings.edit::<InfoServer>().nodes = nodes.clone();
        }
    }
}

fn dump(configuration: &Configuration) -> bool {
    if configuration.process.defines.iter().any(|(name, _)| name == "DUMP_CONFIG") {
        let mut text = Vec::new();
        tree::plain(&mut text, &configuration.main().settings.of::<InfoServer>().nodes);
        // Whoever does not read it misses nothing else.
        let _ = io::stdout().lock().write_all(&text);
    }
    true
}

fn serve(r: &mut Request) -> Answer {
    if r.handler.as_ref().is_none_or(|name| name != "server-info") {
        return Answer::Declined;
    }
    server::allow(r, &[MethodNumber::GET]);
    if !r.method.is(MethodNumber::GET) {
        return Answer::Declined;
    }
    r.set_content_type("text/html; charset=ISO-8859-1");
    let page = page::page(r);
    r.respond(page);
    Answer::Ok
}
