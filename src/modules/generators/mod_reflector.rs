//! mod_reflector: the handler `reflector` answers a POST with its own body, so that output filters become services.
//!
//! Hooks: `handler`, middle. The body flows through: none of it is held. Manual: mod/mod_reflector.html.

use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{Body, Fault, MethodNumber, Piece, Request, Source, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_reflector.c",
    ident: "reflector_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<ReflectorDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take12(
    "ReflectorHeader",
    ANYWHERE,
    OPTIONS,
    reflector_header,
    "Header to reflect back in the response, with an optional new name.",
)];

/// Per-directory settings: fields of the request and their names in the response.
#[derive(Clone, Default)]
pub struct ReflectorDir {
    fields: Arc<Vec<(BString, BString)>>,
}

impl Settings for ReflectorDir {
    crate::slot!();
    /// The inner section's come first, and do not hide the outer one's.
    fn merge(base: &Self, add: &Self) -> Self {
        ReflectorDir { fields: Arc::new([add.fields.as_slice(), &base.fields].concat()) }
    }
}

fn reflector_header(cx: &mut Cx<'_>, name: &BStr, new: Option<&BStr>) -> Outcome {
    let new = new.unwrap_or(name);
    let fields = Arc::make_mut(&mut cx.dir::<ReflectorDir>().fields);
    match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some(place) => place.1 = new.into(),
        None => fields.push((name.into(), new.into())),
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::handler, MIDDLE, serve);
}

fn serve(r: &mut Request) -> BoxFuture<'_, Answer> {
    let ours = r.handler.as_ref().is_some_and(|name| name == "reflector");
    if ours { Box::pin(reflect(r)) } else { declined() }
}

async fn reflect(r: &mut Request) -> Answer {
    server::allow(r, &[MethodNumber::POST, MethodNumber::OPTIONS]);
    if r.method.is(MethodNumber::OPTIONS) {
        return server::options(r);
    }
    if !r.method.is(MethodNumber::POST) {
        return Answer::Status(Status::METHOD_NOT_ALLOWED);
    }
    if r.is_sub() || r.status.drops_connection() {
        return Answer::Ok;
    }
    let fields = r.dir::<ReflectorDir>().fields.clone();
    for (name, new) in fields.iter() {
        if let Some(value) = r.headers_in.get(name) {
            r.headers_out.set(new, value);
        }
    }
    if !r.headers_out.contains("Last-Modified") {
        r.mtime = r.time;
        r.headers_out.set("Last-Modified", server::date::format(server::date::seconds(r.time)));
    }
    if let Some(kind) = r.headers_in.get("Content-Type") {
        let kind = BString::from(kind);
        r.set_content_type(kind);
    }
    server::conditional::set_accept_ranges(r);
    // What is wrong with the body at its start can still be said; what filters it may change its length.
    let first = match r.read_body().await {
        Ok(first) => first,
        Err(fault) => return Answer::Status(fault.status),
    };
    let left = match r.headers_in.get("Content-Length").map(|text| (text, text.to_str().unwrap_or_default().parse())) {
        None => None,
        Some((_, Ok(length))) => Some(length),
        Some((text, Err(_))) => {
            let text = format_args!("AH10243: reflector_handler: invalid content-length '{}'", raw(text));
            r.log(Level::Error, "reflector", text);
            return Answer::Status(Status::INTERNAL_SERVER_ERROR);
        }
    };
    if first.is_some() {
        r.body_out = Body::Stream(Box::new(Reflected { first, flushed: left.is_some(), left }));
    }
    Answer::Ok
}

/// The request's body on its way back.
struct Reflected {
    first: Option<Bytes>,
    left: Option<u64>,
    /// A body of unknown length goes out as it comes.
    flushed: bool,
}

impl Reflected {
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        let bytes = match self.first.take() {
            None if !self.flushed => {
                self.flushed = true;
                return Ok(Some(Piece::Flush));
            }
            None => r.read_body().await?,
            first => first,
        };
        if let (Some(left), Some(bytes)) = (&mut self.left, &bytes) {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        Ok(bytes.map(Piece::Bytes))
    }
}

impl Source for Reflected {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn ends_at_once(&self) -> bool {
        false
    }
    fn length(&self) -> Option<u64> {
        self.left
    }
}
