//! mod_allowmethods: AllowMethods. One hook, access_checker, before who asks matters. TRACE is the business of TraceEnable.
//! Manual: mod/mod_allowmethods.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{MethodNumber, Request, Status};
use bstr::{BStr, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_allowmethods.c",
    ident: "allowmethods_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<MethodsDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[take_argv("AllowMethods", DIRECTORY, NO_OVERRIDE, allow_methods, "only allow specific methods")];

/// Per-directory settings: the mask of allowed methods, 0 for all.
#[derive(Clone, Default)]
pub struct MethodsDir {
    allowed: Option<u64>,
}

impl Settings for MethodsDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MethodsDir { allowed: add.allowed.or(base.allowed) }
    }
}

fn allow_methods(cx: &mut Cx<'_>, words: &[&BStr]) -> Outcome {
    if words.is_empty() {
        return Err("AllowMethods: No method or 'reset' keyword given".into());
    }
    if matches!(words, [only] if only.eq_ignore_ascii_case(b"reset")) {
        cx.dir::<MethodsDir>().allowed = Some(0);
        return Ok(());
    }
    let mut allowed = cx.dir::<MethodsDir>().allowed.unwrap_or(0);
    for word in words {
        match MethodNumber::known(word) {
            Some(method) => allowed |= method.bit(),
            None => return Err(format!("AllowMethods: Invalid Method '{word}'").into()),
        }
    }
    cx.dir::<MethodsDir>().allowed = Some(allowed);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.access_checker(MIDDLE, check);
}

fn check(r: &mut Request) -> Answer {
    let allowed = r.dir::<MethodsDir>().allowed.unwrap_or(0);
    if allowed == 0 || r.method.is(MethodNumber::TRACE) {
        return Answer::Declined;
    }
    if allowed & r.method.number.bit() != 0 {
        return Answer::Declined;
    }
    let (what, place) = match r.filename.is_empty() {
        true => ("uri ", r.uri.as_bstr()),
        false => ("", r.filename.as_bstr()),
    };
    let method = &r.method.name;
    let text = format_args!("AH01623: client method denied by server configuration: '{method}' to {what}{place}");
    r.log(Level::Error, "allowmethods", text);
    Answer::Status(Status::METHOD_NOT_ALLOWED)
}
