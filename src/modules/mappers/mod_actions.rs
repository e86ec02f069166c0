//! mod_actions: Action and Script hand a request on to a script's URL, by handler or media type, or by method.
//!
//! Hooks: `handler`, last. The script is reached by an internal redirect that keeps method and body. Manual: mod/mod_actions.html.

use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, LAST, Linked, Module, Phase, declined};
use crate::request::{FileKind, MethodNumber, Request, Status};
use crate::server::{self, escape};
use bstr::{BStr, BString};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_actions.c",
    ident: "actions_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<ActionsDir>(),
    hooks: |on| {
        on.later(Phase::handler, LAST, serve);
    },
};

const DIRECTIVES: &[Directive] = &[
    take23("Action", ANYWHERE, FILE_INFO, action, "a media type followed by a script name"),
    take2("Script", SERVER.and(DIRECTORY), NO_OVERRIDE, script, "a method followed by a script name"),
];

#[derive(Clone)]
struct Action {
    script: BString,
    /// The file need not exist.
    anywhere: bool,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct ActionsDir {
    /// By handler or media type, names compared without case.
    by_type: Arc<Vec<(BString, Action)>>,
    by_method: Vec<(MethodNumber, BString)>,
}

impl Settings for ActionsDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut by_method = base.by_method.clone();
        for (method, script) in &add.by_method {
            put(&mut by_method, *method, script.clone());
        }
        let mut by_type = base.by_type.clone();
        for (name, action) in add.by_type.iter() {
            set(&mut by_type, name.clone(), action.clone());
        }
        ActionsDir { by_type, by_method }
    }
}

fn set(actions: &mut Arc<Vec<(BString, Action)>>, name: BString, action: Action) {
    let actions = Arc::make_mut(actions);
    actions.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
    actions.push((name, action));
}

fn put(scripts: &mut Vec<(MethodNumber, BString)>, method: MethodNumber, script: BString) {
    scripts.retain(|(known, _)| *known != method);
    scripts.push((method, script));
}

fn action(cx: &mut Cx<'_>, name: &BStr, script: &BStr, option: Option<&BStr>) -> Outcome {
    let anywhere = match option {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"virtual") => true,
        Some(word) => return Err(format!("unrecognized option '{word}'").into()),
    };
    set(&mut cx.dir::<ActionsDir>().by_type, name.into(), Action { script: script.into(), anywhere });
    Ok(())
}

fn script(cx: &mut Cx<'_>, method: &BStr, script: &BStr) -> Outcome {
    match MethodNumber::register(method) {
        Some(MethodNumber::TRACE) => Err("TRACE not allowed for Script".into()),
        None => Err(format!("Could not register method '{method}' for Script").into()),
        Some(number) => {
            put(&mut cx.dir::<ActionsDir>().by_method, number, script.into());
            Ok(())
        }
    }
}

fn serve(r: &mut Request) -> BoxFuture<'_, Answer> {
    let dir = r.dir::<ActionsDir>();
    if dir.by_type.is_empty() && dir.by_method.is_empty() {
        return declined();
    }
    let script = match script_of(r) {
        Ok(script) => script,
        Err(answer) => return Box::pin(std::future::ready(answer)),
    };
    let Some(script) = script else { return declined() };
    let mut target = script;
    target.extend_from_slice(&escape::uri(&r.uri));
    if let Some(args) = &r.args {
        target.push(b'?');
        target.extend_from_slice(args);
    }
    Box::pin(async move {
        match server::internal_redirect_handler(r, &target).await {
            Answer::Declined => Answer::Ok,
            answer => answer,
        }
    })
}

/// The script in charge of the request, if any.
fn script_of(r: &mut Request) -> Result<Option<BString>, Answer> {
    let dir = r.dir::<ActionsDir>();
    let by_method = dir.by_method.iter().find(|(method, _)| *method == r.method.number);
    // GET without a query is the document itself.
    let by_method = by_method.filter(|_| !r.method.is(MethodNumber::GET) || r.args.is_some());
    let by_method = by_method.map(|(_, script)| script.clone());
    // A script that is none of CGI's comes back here for ever.
    if by_method.is_some() && r.prev.as_ref().is_some_and(|before| before.prev.is_some()) {
        return Ok(None);
    }
    let name = match (&r.handler, &r.content_type) {
        (Some(handler), _) => handler.clone(),
        (None, Some(kind)) => media(kind).into(),
        (None, None) => return Ok(by_method),
    };
    let Some((_, action)) = dir.by_type.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) else {
        return Ok(by_method);
    };
    let action = action.clone();
    if !action.anywhere && r.finfo.kind == FileKind::None {
        r.log(Level::Info, "actions", format_args!("AH00652: File does not exist: {}", raw(&r.filename)));
        return Err(Answer::Status(Status::NOT_FOUND));
    }
    r.env.set("HANDLER", name);
    Ok(Some(action.script))
}

/// A media type without its parameters.
fn media(kind: &[u8]) -> &[u8] {
    kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end()
}
