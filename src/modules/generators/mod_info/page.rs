//! The page, whole or one of its parts.

use super::InfoServer;
use super::tree::Html;
use crate::config::{Commands, Registered, identity, rows_in_order};
use crate::module::{AuthnProvider, AuthzProvider, Position};
use crate::request::Request;
use crate::server::{self, escape};
use bstr::ByteSlice;
use std::io::Write;

const HEAD: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
    \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
    <html xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n  <title>Server Information</title>\n</head>\n\
    <body><h1 style=\"text-align: center\">Apache Server Information</h1>\n";

/// Phases with their names on the page, by section.
const STARTUP: &[(&str, &str)] = &[
    ("Check Configuration", "check_config"),
    ("Test Configuration", "test_config"),
    ("Post Configuration", "post_config"),
    ("Open Logs", "open_logs"),
    ("Child Init", "child_init"),
];
const REQUEST: &[(&str, &str)] = &[
    ("Post-Read Request", "post_read_request"),
    ("Header Parse", "header_parser"),
    ("Quick Handler", "quick_handler"),
    ("Pre-Translate Name", "pre_translate_name"),
    ("Translate Name", "translate_name"),
    ("Map to Storage", "map_to_storage"),
    ("Check Access", "access_checker_ex"),
    ("Check Access (legacy)", "access_checker"),
    ("Verify User ID", "check_user_id"),
    ("Verify User Access", "auth_checker"),
    ("Check Type", "type_checker"),
    ("Fixups", "fixups"),
    ("Insert Filters", "insert_filter"),
    ("Content Handlers", "handler"),
    ("Transaction Logging", "log_transaction"),
    ("Insert Errors", "insert_error_filter"),
];
const OTHER: &[(&str, &str)] = &[("Child Exit", "child_exit")];

/// Writes to memory, which does not fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { let _ = write!($out, $($text)*); };
}

pub(super) fn page(r: &Request) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    let commands = &r.configuration.commands;
    let mut modules: Vec<&dyn Registered> = commands.modules().iter().map(|module| *module as _).collect();
    modules.sort_by_key(|module| module.name());
    let wanted = r.args.as_ref().map(|args| args.to_str_lossy().into_owned());
    let is = |name: &str| wanted.as_deref().is_some_and(|wanted| wanted.eq_ignore_ascii_case(name));
    match &wanted {
        Some(_) if is("config") => {
            put!(out, "<dl><dt><strong>Configuration:</strong>\n");
            Html { commands, module: None }.append(&mut out, &r.server::<InfoServer>().nodes);
            put!(out, "</dl><hr />");
        }
        Some(_) if is("server") => settings(&mut out, r),
        Some(_) if is("list") => {
            put!(out, "<dl><dt>Server Module List</dt>");
            for module in &modules {
                put!(out, "<dd>{}</dd>", module.name());
            }
            put!(out, "</dl><hr />");
        }
        Some(_) if is("hooks") => hooks(&mut out, '?'),
        Some(_) if is("providers") => providers(&mut out, r),
        // A word that is none of these is no module either.
        Some(name) => {
            if let Some(module) = modules.iter().find(|module| module.name().eq_ignore_ascii_case(name)) {
                one(&mut out, r, commands, *module);
            }
        }
        None => {
            put!(
                out,
                "<dl><dt><tt>Subpages:<br /><a href=\"?config\">Configuration Files</a>, <a href=\"?server\">Server Settings</a>, \
                 <a href=\"?list\">Module List</a>, <a href=\"?hooks\">Active Hooks</a>, <a href=\"?providers\">Available Providers</a>\
                 </tt></dt></dl><hr /><dl><dt><tt>Sections:<br /><a href=\"#modules\">Loaded Modules</a>, <a href=\"#server\">Server \
                 Settings</a>, <a href=\"#startup_hooks\">Startup Hooks</a>, <a href=\"#request_hooks\">Request Hooks</a>, \
                 <a href=\"#other_hooks\">Other Hooks</a>, <a href=\"#providers\">Providers</a></tt></dt></dl><hr />\
                 <h2><a name=\"modules\">Loaded Modules</a></h2><dl><dt><tt>"
            );
            for module in &modules {
                put!(out, "<a href=\"#{0}\">{0}</a>, ", module.name());
            }
            put!(out, "</tt></dt></dl><hr />");
            settings(&mut out, r);
            hooks(&mut out, '#');
            providers(&mut out, r);
            for module in &modules {
                one(&mut out, r, commands, *module);
            }
        }
    }
    put!(out, "</body></html>\n");
    out
}

fn settings(out: &mut Vec<u8>, r: &Request) {
    let process = &r.configuration.process;
    put!(out, "<h2><a name=\"server\">Server Settings</a></h2><dl>");
    let big = [("Server Version", identity::description().to_string()), ("Server Built", identity::built().to_owned())];
    for (name, value) in big {
        put!(out, "<dt><strong>{name}:</strong> <font size=\"+1\"><tt>{value}</tt></font></dt>\n");
    }
    let line = |out: &mut Vec<u8>, name: &str, value: &str| {
        put!(out, "<dt><strong>{name}:</strong> <tt>{value}</tt></dt>");
    };
    // The places of APR and PCRE: what does their work here.
    for name in ["Server loaded", "Compiled with"] {
        line(out, &format!("{name} Pinion Version"), identity::VERSION);
        put!(out, "\n");
    }
    line(out, "Module Magic Number", identity::MAGIC);
    put!(out, "\n");
    let name = server::server_name(r);
    line(out, "Hostname/port", &format!("{}:{}", escape::html(&name), server::server_port(r)));
    put!(out, "\n");
    let seconds = |time: Option<std::time::Duration>, usual: u64| time.map_or(usual, |time| time.as_secs());
    let (timeout, keep) = (seconds(r.server.timeout, 60), seconds(r.server.keep_alive_timeout, 5));
    line(out, "Timeouts", &format!("connection: {timeout} &nbsp;&nbsp; keep-alive: {keep}"));
    let mpm = process.mpm.map_or("", |mpm| mpm.name());
    line(out, "MPM Name", mpm);
    put!(out, "\n");
    let daemons =
        server::mpm().map_or(0, |mpm| mpm.snapshot().processes.iter().filter(|process| process.pid != 0).count());
    let threaded = if mpm == "prefork" { "no" } else { "yes" };
    line(out, "MPM Information", &format!("Max Daemons: {daemons} Threaded: {threaded} Forked: yes"));
    put!(out, "\n");
    line(out, "Server Architecture", &format!("{}-bit", usize::BITS));
    put!(out, "\n");
    line(out, "Server Root", &process.server_root.display().to_string());
    put!(out, "\n");
    line(out, "Config File", &process.server_root.join(&process.config_file).display().to_string());
    put!(out, "\n<dt><strong>Server Built With:</strong>\n<tt style=\"white-space: pre;\">\n");
    // Two that `-V` has and this page has not.
    let shown = |setting: &&&str| !["APR_USE_PTHREAD_SERIALIZE", "DYNAMIC_MODULE_LIMIT=256"].contains(*setting);
    for setting in identity::COMPILED.iter().filter(shown) {
        put!(out, " -D {setting}\n");
    }
    put!(out, "</tt></dt>\n</dl><hr />");
}

fn registered(phase: &str) -> &'static [(&'static str, Position)] {
    let all = &server::chains().registered;
    all.iter().find(|(name, _)| *name == phase).map_or(&[], |(_, modules)| modules.as_slice())
}

fn hooks(out: &mut Vec<u8>, link: char) {
    let sections = [
        ("startup_hooks", "Startup Hooks", STARTUP),
        ("request_hooks", "Request Hooks", REQUEST),
        ("other_hooks", "Other Hooks", OTHER),
    ];
    for (anchor, title, phases) in sections {
        put!(out, "<h2><a name=\"{anchor}\">{title}</a></h2>\n<dl>");
        for (name, phase) in phases {
            put!(out, "<dt><strong>{name}:</strong>\n <br /><tt>\n");
            for (module, position) in registered(phase) {
                put!(out, "&nbsp;&nbsp; {position:02} <a href=\"{link}{module}\">{module}</a> <br/>");
            }
            put!(out, "\n  </tt>\n</dt>\n");
        }
        put!(out, "</dl>\n<hr />\n");
    }
}

fn providers(out: &mut Vec<u8>, r: &Request) {
    put!(out, "<h2><a name=\"providers\">Providers</a></h2>\n<dl>");
    let all = &r.configuration.providers;
    let groups: [(&str, Vec<&str>); 2] =
        [("authn", all.names::<dyn AuthnProvider>().collect()), ("authz", all.names::<dyn AuthzProvider>().collect())];
    for (group, names) in groups.iter().filter(|(_, names)| !names.is_empty()) {
        put!(out, "<dt><strong>{group}</strong> (version <tt>0</tt>):\n <br />\n");
        for name in names {
            put!(out, "<tt>&nbsp;&nbsp;{name}</tt><br/>");
        }
        put!(out, "\n</dt>\n");
    }
    put!(out, "</dl>\n<hr />\n");
}

/// Everything about one module.
fn one(out: &mut Vec<u8>, r: &Request, commands: &Commands, module: &dyn Registered) {
    let name = module.name();
    put!(
        out,
        "<dl><dt><a name=\"{name}\"><strong>Module Name:</strong></a> <font size=\"+1\"><tt><a href=\"?{name}\">{name}</a></tt></font></dt>\n"
    );
    let takes_part = |phase: &str| registered(phase).iter().any(|(other, _)| *other == name);
    let handlers = if takes_part("handler") { "yes" } else { "none" };
    put!(out, "<dt><strong>Content handlers:</strong> <tt> <em>{handlers}</em></tt></dt>");
    let mut phases: Vec<&str> = Vec::new();
    if module.dir_settings().is_some() {
        phases.extend(["Create Directory Config", "Merge Directory Configs"]);
    }
    if module.server_settings().is_some() {
        phases.extend(["Create Server Config", "Merge Server Configs"]);
    }
    list(out, "Configuration Phase Participation", &phases);
    let phases: Vec<&str> = REQUEST.iter().filter(|(_, phase)| takes_part(phase)).map(|(name, _)| *name).collect();
    list(out, "Request Phase Participation", &phases);
    put!(out, "\n<dt><strong>Module Directives:</strong></dt>");
    let rows = rows_in_order(module);
    if rows.is_empty() {
        put!(out, "<dd><tt> none</tt></dd>");
    } else {
        for row in rows {
            let bracket = if row.name.starts_with('<') { "&gt;" } else { "" };
            let (name, help) = (escape::html(row.name.as_bytes()), escape::html(row.help.as_bytes()));
            put!(out, "<dd><tt>{name}{bracket} - <i>{help}</i></tt></dd>\n");
        }
        put!(out, "<dt><strong>Current Configuration:</strong></dt>\n");
        Html { commands, module: Some(name) }.append(out, &r.server::<InfoServer>().nodes);
    }
    // The first that was said; it is HTML already.
    if let Some((_, text)) = r.server::<InfoServer>().more.iter().find(|(module, _)| module == name) {
        put!(out, "<dt><strong>Additional Information:</strong>\n</dt><dd>");
        out.extend_from_slice(text);
        put!(out, "</dd>");
    }
    put!(out, "</dl><hr />\n");
}

fn list(out: &mut Vec<u8>, title: &str, names: &[&str]) {
    put!(out, "<dt><strong>{title}:</strong>\n");
    if names.is_empty() {
        put!(out, "<tt> <em>none</em></tt>");
    }
    for (at, name) in names.iter().enumerate() {
        put!(out, "{}<tt>{name}</tt>", if at == 0 { "" } else { ", " });
    }
    put!(out, "</dt>");
}
