//! mod_sed: the filters Sed edit responses and request bodies with the commands of sed.
//!
//! Per-directory settings OutputSed and InputSed, each a piece of a script. Scripts are read with the configuration
//! ([`script`], with the old regular expressions of [`regex`]) and run line by line ([`machine`]); of a body no more is
//! held than a line, and what the script keeps: 8 MB at most.
//!
//! Differences: a script without an end is stopped. Manual: mod/mod_sed.html.

mod machine;
mod regex;
mod script;

use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use bstr::{BStr, BString};
use bytes::Bytes;
use machine::{LONGEST, Machine};
use script::Script;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_sed.c",
    ident: "sed_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<SedDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("OutputSed", DIRECTORY, NO_OVERRIDE, output_sed, "Sed regular expression for Response"),
    take1("InputSed", DIRECTORY, NO_OVERRIDE, input_sed, "Sed regular expression for Request"),
];

/// Per-directory settings.
#[derive(Clone, Default)]
struct SedDir {
    output: Option<Arc<Script>>,
    input: Option<Arc<Script>>,
}

impl Settings for SedDir {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        // The innermost section that says anything holds alone.
        add.clone()
    }
}

fn add(script: &mut Option<Arc<Script>>, text: &BStr) -> Outcome {
    let script = Arc::make_mut(script.get_or_insert_default());
    script.add(text).map_err(|wrong| format!("Failed to compile sed expression. {wrong}").into())
}

fn output_sed(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    add(&mut cx.dir::<SedDir>().output, text)
}

fn input_sed(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    add(&mut cx.dir::<SedDir>().input, text)
}

static OUTPUT: Filter = Filter { name: "Sed", kind: FilterKind::Resource, wrap: wrap_output };
static INPUT: Filter = Filter { name: "Sed", kind: FilterKind::Resource, wrap: wrap_input };

fn hooks(on: &mut Hooks) {
    on.output_filter(&OUTPUT);
    on.input_filter(&INPUT);
}

/// Octets that are collected before they go on.
const ENOUGH: usize = 8192;
/// What the portable runtime calls an internal error.
const INTERNAL: i32 = 20_014;

fn wrap_output(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let Some(script) = r.dir::<SedDir>().output.clone() else { return Ok(body) };
    if body.is_empty() && !r.header_only {
        return Ok(body);
    }
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    Ok(edited(r, body, script, false))
}

fn wrap_input(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let Some(script) = r.dir::<SedDir>().input.clone() else { return Ok(body) };
    // What an internal redirect or a subrequest reads is filtered already, if at all.
    if r.is_sub() || r.prev.is_some() {
        return Ok(body);
    }
    Ok(edited(r, body, script, true))
}

fn edited(r: &Request, body: Body, script: Arc<Script>, input: bool) -> Body {
    let wrong = script.unfinished();
    let told = wrong.is_none();
    let machine = match wrong {
        Some(wrong) => Err(wrong),
        None => Machine::new(script).map_err(|name| format!("cannot open {name}").into()),
    };
    if let Err(wrong) = &machine {
        r.log(Level::Error, "sed", format_args!("AH02998: {wrong}"));
    }
    Body::Stream(Box::new(Edited {
        inner: Octets::new(body),
        told: told && machine.is_err(),
        machine,
        input,
        line: None,
        flush: false,
        ended: false,
    }))
}

struct Edited {
    inner: Octets,
    /// Or why there is none.
    machine: Result<Machine, BString>,
    input: bool,
    /// The failure is in the log as a whole.
    told: bool,
    /// A line that may be the last; whether its end is there.
    line: Option<(Vec<u8>, bool)>,
    flush: bool,
    ended: bool,
}

impl Edited {
    fn failure(&self, r: &Request) -> Fault {
        let (number, side) = if self.input { (10395, "input") } else { (10394, "output") };
        if !self.told {
            let text = format_args!("AH{number}: error evaluating sed on {side}");
            r.log_errno(Level::Error, "sed", INTERNAL, text);
        }
        match self.input {
            true => Fault::client(Status::BAD_REQUEST, "sed failed"),
            false => Fault::ours("sed failed"),
        }
    }

    /// Runs the script over the lines of a piece; only what follows a line shows that it is not the last.
    fn feed(&mut self, r: &Request, bytes: &[u8]) -> Result<(), Fault> {
        for piece in bytes.split_inclusive(|octet| *octet == b'\n') {
            if let Some((line, true)) = &self.line {
                let line = line.clone();
                self.run(r, &line, false)?;
                self.line = None;
            }
            let (line, whole) = self.line.get_or_insert_default();
            let text = piece.strip_suffix(b"\n");
            *whole = text.is_some();
            line.extend_from_slice(text.unwrap_or(piece));
            if line.len() > LONGEST {
                return Err(self.failure(r));
            }
        }
        Ok(())
    }

    fn run(&mut self, r: &Request, line: &[u8], last: bool) -> Result<(), Fault> {
        let run = self.machine.as_mut().is_ok_and(|machine| machine.line(line, last).is_ok());
        if run { Ok(()) } else { Err(self.failure(r)) }
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        loop {
            let Ok(machine) = &mut self.machine else { return Err(self.failure(r)) };
            if machine.out.len() >= ENOUGH || (self.ended || self.flush) && !machine.out.is_empty() {
                return Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut machine.out)))));
            }
            if std::mem::take(&mut self.flush) {
                return Ok(Some(Piece::Flush));
            }
            if self.ended {
                return Ok(None);
            }
            let done = machine.is_done();
            match self.inner.next(r).await? {
                // Nobody wants to know what is left, but whoever sends it must be heard out.
                Next::Bytes(_) if done => {}
                Next::Bytes(bytes) => self.feed(r, &bytes)?,
                Next::Flush => self.flush = true,
                Next::End => {
                    self.ended = true;
                    if let Some((line, _)) = self.line.take() {
                        self.run(r, &line, true)?;
                    }
                }
            }
        }
    }
}

impl Source for Edited {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
