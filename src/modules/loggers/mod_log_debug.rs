//! mod_log_debug: LogMessage writes a text of the administrator's to the error log when a request comes by.
//!
//! Hooks: each phase that LogMessage can name, first. Differences: subrequests that only look a URL up, as for DirectoryIndex,
//! have no phase quick_handler. Manual: mod/mod_log_debug.html.

use crate::config::*;
use crate::log::{Level, raw};
use crate::module::{Answer, FIRST, Hooks, Linked, Module};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_log_debug.c",
    ident: "log_debug_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<MessagesDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take123(
    "LogMessage",
    SERVER.and(DIRECTORY),
    NO_OVERRIDE,
    log_message,
    "Log a debug message to the error log if this config block is used for  a request",
)];

/// Names that `hook=` takes.
const HOOKS: [&str; 13] = [
    "log_transaction",
    "quick_handler",
    "handler",
    "pre_translate_name",
    "translate_name",
    "map_to_storage",
    "fixups",
    "type_checker",
    "check_access",
    "check_access_ex",
    "check_authn",
    "check_authz",
    "insert_filter",
];

struct Message {
    text: Expression,
    condition: Option<Expression>,
    /// None: all.
    hook: Option<&'static str>,
    file: BString,
    line: u32,
}

/// Per-directory settings: messages of all sections that hold, outermost first.
#[derive(Clone, Default)]
pub struct MessagesDir {
    messages: Vec<Arc<Message>>,
}

impl Settings for MessagesDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MessagesDir { messages: [base.messages.as_slice(), &add.messages].concat() }
    }
}

fn log_message(cx: &mut Cx<'_>, text: &BStr, second: Option<&BStr>, third: Option<&BStr>) -> Outcome {
    let rights = cx.rights().without_vary();
    let parsed = Expression::string(text, rights, cx.providers);
    let text = parsed.map_err(|error| format!("Could not parse message expression '{text}': {error}"))?;
    let text = text.at("log_debug", cx.file, cx.line);
    let (mut condition, mut hook) = (None, Some("log_transaction"));
    for word in [second, third].into_iter().flatten() {
        let after = |name: &str| {
            let (start, rest) = word.split_at_checked(name.len())?;
            start.eq_ignore_ascii_case(name.as_bytes()).then_some(rest.as_bstr())
        };
        if let Some(name) = after("hook=") {
            hook = match HOOKS.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                Some(known) => Some(known),
                None if name.eq_ignore_ascii_case(b"all") => None,
                None => return Err(format!("Invalid hook name: {name}").into()),
            };
        } else if let Some(text) = after("expr=") {
            let parsed = Expression::condition(text, rights, cx.providers);
            let parsed = parsed.map_err(|error| format!("Could not parse expression '{text}': {error}"))?;
            condition = Some(parsed.at("log_debug", cx.file, cx.line));
        } else {
            return Err(format!("Invalid argument {word}").into());
        }
    }
    let message = Message { text, condition, hook, file: cx.file.into(), line: cx.line };
    cx.dir::<MessagesDir>().messages.push(Arc::new(message));
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.log_transaction(FIRST, |r| tell(r, "log_transaction"));
    on.quick_handler(FIRST, |r| tell(r, "quick_handler"));
    on.handler(FIRST, |r| tell(r, "handler"));
    on.pre_translate_name(FIRST, |r| tell(r, "pre_translate_name"));
    on.translate_name(FIRST, |r| tell(r, "translate_name"));
    on.map_to_storage(FIRST, |r| tell(r, "map_to_storage"));
    on.fixups(FIRST, |r| tell(r, "fixups"));
    on.type_checker(FIRST, |r| tell(r, "type_checker"));
    on.access_checker(FIRST, |r| tell(r, "check_access"));
    on.access_checker_ex(FIRST, |r| tell(r, "check_access_ex"));
    on.check_user_id(FIRST, |r| tell(r, "check_authn"));
    on.auth_checker(FIRST, |r| tell(r, "check_authz"));
    on.insert_filter(FIRST, |r| tell(r, "insert_filter"));
}

/// Logs the messages of a phase.
fn tell(r: &mut Request, hook: &'static str) -> Answer {
    if r.dir::<MessagesDir>().messages.is_empty() {
        return Answer::Declined;
    }
    let shared = r.dir.clone();
    for message in &shared.settings.of::<MessagesDir>().messages {
        if message.hook.is_none_or(|wanted| wanted == hook) {
            message.tell(r, hook);
        }
    }
    Answer::Declined
}

impl Message {
    fn tell(&self, r: &mut Request, hook: &str) {
        if let Some(condition) = &self.condition {
            match server::expression::holds(condition, r) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let text = format_args!("AH00640: Can't evaluate condition: {error}");
                    return r.log(Level::Error, "log_debug", text);
                }
            }
        }
        match server::expression::text(&self.text, r) {
            Ok(text) => {
                let (text, file, line) = (raw(&text), raw(&self.file), self.line);
                match r.logs(Level::Debug, "log_debug") {
                    true => r.log(Level::Info, "log_debug", format_args!("{text} ({hook} hook, {file}:{line})")),
                    false => r.log(Level::Info, "log_debug", format_args!("{text}")),
                }
            }
            Err(error) => {
                let text = format_args!("AH00641: Can't evaluate message expression: {error}");
                r.log(Level::Error, "log_debug", text);
            }
        }
    }
}
