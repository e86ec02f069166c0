//! mod_logio: octets on the wire in access logs (`%I`, `%O`, `%S`) and the time to the first of a response (`%^FB`).
//!
//! The wire code counts octets of every request anyway; this module only shows them.
//! Hooks: `insert_filter`, first: a filter outside of all others notes when the head is about to be sent, where
//! LogIOTrackTTFB asks for it.
//!
//! Differences: none known. Manual: mod/mod_logio.html.

use crate::config::*;
use crate::log::clock;
use crate::module::{Answer, FIRST, Hooks, Linked, LogItem, Module};
use crate::request::{Body, Filter, FilterContext, FilterInstance, FilterKind, Request, Status};
use bstr::BStr;

pub static MODULE: Module = Module {
    name: "mod_logio.c",
    ident: "logio_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<LogIo>(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[flag("LogIOTrackTTFB", ANYWHERE, Override::ALL, track, "Set to 'ON' to enable tracking time to first byte")];

#[derive(Clone, Default)]
struct LogIo {
    track: Option<bool>,
}

impl Settings for LogIo {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        LogIo { track: add.track.or(base.track) }
    }
}

fn track(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<LogIo>().track = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.insert_filter(FIRST, insert);
    on.output_filter(&FIRST_BYTE);
    on.providers.offer::<dyn LogItem>("I", &Wire { received: true, sent: false });
    on.providers.offer::<dyn LogItem>("O", &Wire { received: false, sent: true });
    on.providers.offer::<dyn LogItem>("S", &Wire { received: true, sent: true });
    on.providers.offer::<dyn LogItem>("^FB", &FirstByteItem);
}

/// Microseconds from the request's arrival to the response's head.
struct FirstByte(i64);

static FIRST_BYTE: Filter = Filter { name: "LOGIO_TTFB_OUT", kind: FilterKind::Transcode, wrap: note };

fn insert(r: &mut Request) -> Answer {
    if r.dir::<LogIo>().track == Some(true) {
        r.output_filters.push(FilterInstance { filter: &FIRST_BYTE, context: None });
    }
    Answer::Ok
}

fn note(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let since = clock::now().saturating_sub(r.time);
    r.extensions.put(FirstByte(since));
    Ok(body)
}

struct Wire {
    received: bool,
    sent: bool,
}

impl LogItem for Wire {
    fn append(&self, out: &mut Vec<u8>, r: &Request, _: &BStr) -> bool {
        let octets = if self.received { r.wire_in } else { 0 } + if self.sent { r.wire_out } else { 0 };
        out.extend_from_slice(itoa::Buffer::new().format(octets).as_bytes());
        true
    }
    fn is_number(&self) -> bool {
        true
    }
}

struct FirstByteItem;

impl LogItem for FirstByteItem {
    fn append(&self, out: &mut Vec<u8>, r: &Request, _: &BStr) -> bool {
        let Some(FirstByte(since)) = r.extensions.of() else { return false };
        out.extend_from_slice(itoa::Buffer::new().format(*since).as_bytes());
        true
    }
    fn is_number(&self) -> bool {
        true
    }
}
