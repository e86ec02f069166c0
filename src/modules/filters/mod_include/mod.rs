//! mod_include: the filter INCLUDES works out the elements that a document holds (`<!--#include virtual="/x" -->`).
//!
//! Hooks: `fixups`, last: what the handler `server-parsed` and XBitHack ask for, when the type is settled. `insert_filter`,
//! really last: documents with elements have no entity tag unless SSIETag says so, and are never answered from a copy.
//! Filter: output INCLUDES (resource). `parse.rs` cuts the document, `page.rs` works it out piece by piece and passes on
//! what is included as it comes, `elements.rs` has one function an element, `condition.rs` those of conditions, `legacy.rs` the conditions of Apache 2.2.
//! Uses: `exec`, the element that mod_cgi and mod_cgid offer.
//!
//! Differences: an element ends after a mebibyte, finished or not. Manual: mod/mod_include.html.

mod codes;
mod condition;
mod elements;
mod legacy;
mod page;
mod parse;
mod variables;

use super::octets::{Next, Octets};
use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, LAST, Linked, Module, REALLY_LAST};
use crate::request::{Body, Filter, FilterContext, FilterInstance, FilterKind, Request, Status};
use crate::server::{allowed_options, conditional};
use bstr::{BStr, BString};

pub static MODULE: Module = Module {
    name: "mod_include.c",
    ident: "include_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<IncludeServer>(),
    dir: Config::of::<IncludeDir>(),
    hooks,
};

const DIRECTORIES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    take1("XBitHack", ANYWHERE, OPTIONS, x_bit_hack, "Off, On, or Full"),
    take1("SSIErrorMsg", ANYWHERE, Override::ALL, error_message, "a string"),
    take1("SSITimeFormat", ANYWHERE, Override::ALL, time_format, "a strftime(3) formatted string"),
    take1("SSIStartTag", SERVER, NO_OVERRIDE, start_tag, "SSI Start String Tag"),
    take1("SSIEndTag", SERVER, NO_OVERRIDE, end_tag, "SSI End String Tag"),
    take1(
        "SSIUndefinedEcho",
        ANYWHERE,
        Override::ALL,
        undefined_echo,
        "String to be displayed if an echoed variable is undefined",
    ),
    flag(
        "SSILegacyExprParser",
        DIRECTORIES,
        LIMIT,
        legacy_expressions,
        "Whether to use the legacy expression parser compatible with <= 2.2.x. Limited to 'on' or 'off'",
    ),
    flag(
        "SSILastModified",
        DIRECTORIES,
        LIMIT,
        last_modified,
        "Whether to set the last modified header or respect an existing header. Limited to 'on' or 'off'",
    ),
    flag(
        "SSIEtag",
        DIRECTORIES,
        LIMIT,
        etag,
        "Whether to allow the generation of ETags within the server. Existing ETags will be preserved. Limited to 'on' or 'off'",
    ),
];

/// What the group's execute bit and the user's mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum XBitHack {
    Off,
    On,
    Full,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct IncludeDir {
    error_message: Option<BString>,
    time_format: Option<BString>,
    undefined_echo: Option<BString>,
    x_bit_hack: Option<XBitHack>,
    legacy: Option<bool>,
    last_modified: Option<bool>,
    etag: Option<bool>,
}

impl Settings for IncludeDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let text = |add: &Option<BString>, base: &Option<BString>| add.clone().or_else(|| base.clone());
        IncludeDir {
            error_message: text(&add.error_message, &base.error_message),
            time_format: text(&add.time_format, &base.time_format),
            undefined_echo: text(&add.undefined_echo, &base.undefined_echo),
            x_bit_hack: add.x_bit_hack.or(base.x_bit_hack),
            legacy: add.legacy.or(base.legacy),
            last_modified: add.last_modified.or(base.last_modified),
            etag: add.etag.or(base.etag),
        }
    }
}

/// The tags of a server's documents.
#[derive(Clone, Default)]
pub struct IncludeServer {
    start: Option<BString>,
    end: Option<BString>,
}

impl Settings for IncludeServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        IncludeServer {
            start: add.start.clone().or_else(|| base.start.clone()),
            end: add.end.clone().or_else(|| base.end.clone()),
        }
    }
}

fn x_bit_hack(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let how = match word.to_ascii_lowercase().as_slice() {
        b"off" => XBitHack::Off,
        b"on" => XBitHack::On,
        b"full" => XBitHack::Full,
        _ => return Err("XBitHack must be set to Off, On, or Full".into()),
    };
    cx.dir::<IncludeDir>().x_bit_hack = Some(how);
    Ok(())
}

fn error_message(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<IncludeDir>().error_message = Some(word.into());
    Ok(())
}

fn time_format(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<IncludeDir>().time_format = Some(word.into());
    Ok(())
}

fn undefined_echo(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<IncludeDir>().undefined_echo = Some(word.into());
    Ok(())
}

/// A tag without white space, which would never be found.
fn tag(cx: &Cx<'_>, word: &BStr) -> Result<BString, Complaint> {
    match word.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0x0b) {
        true => Err(format!("{} may not contain any whitespaces", cx.directive.name).into()),
        false => Ok(word.into()),
    }
}

fn start_tag(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.server::<IncludeServer>().start = Some(tag(cx, word)?);
    Ok(())
}

fn end_tag(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.server::<IncludeServer>().end = Some(tag(cx, word)?);
    Ok(())
}

fn legacy_expressions(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<IncludeDir>().legacy = Some(on);
    Ok(())
}

fn last_modified(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<IncludeDir>().last_modified = Some(on);
    Ok(())
}

fn etag(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<IncludeDir>().etag = Some(on);
    Ok(())
}

static INCLUDES: Filter = Filter { name: "INCLUDES", kind: FilterKind::Resource, wrap };

fn hooks(on: &mut Hooks) {
    on.fixups(LAST, fixups);
    on.insert_filter(REALLY_LAST, prepare);
    on.output_filter(&INCLUDES);
}

const USER_EXECUTE: u32 = 0o100;
const GROUP_EXECUTE: u32 = 0o010;

fn fixups(r: &mut Request) -> Answer {
    if r.handler.as_ref().is_some_and(|handler| handler == "server-parsed") {
        r.content_type.get_or_insert_with(|| "text/html".into());
        r.handler = Some("default-handler".into());
    } else {
        let hack = r.dir::<IncludeDir>().x_bit_hack.unwrap_or(XBitHack::Off);
        let html = r.content_type.as_ref().is_some_and(|kind| kind == "text/html");
        if hack == XBitHack::Off || r.finfo.mode & USER_EXECUTE == 0 || !html {
            return Answer::Declined;
        }
    }
    r.output_filters.push(FilterInstance { filter: &INCLUDES, context: None });
    Answer::Ok
}

/// Whether the time of the file is that of the document.
fn keeps_time(r: &Request) -> bool {
    r.dir::<IncludeDir>().x_bit_hack == Some(XBitHack::Full) && r.finfo.mode & GROUP_EXECUTE != 0
}

fn prepare(r: &mut Request) -> Answer {
    if !r.output_filters.iter().any(|instance| std::ptr::eq(instance.filter, &INCLUDES)) {
        return Answer::Declined;
    }
    if !keeps_time(r) {
        r.no_local_copy = true;
    }
    if r.dir::<IncludeDir>().etag != Some(true) {
        r.notes.set(conditional::NO_ETAG, "");
    }
    Answer::Ok
}

fn wrap(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let allowed = allowed_options(r);
    if allowed & options::INCLUDES == 0 {
        let text = format_args!(
            "AH01374: mod_include: Options +Includes (or IncludesNoExec) wasn't set, INCLUDES filter removed: {}",
            crate::log::raw(&r.uri)
        );
        r.log(Level::Warn, "include", text);
        return Ok(body);
    }
    if keeps_time(r) {
        r.mtime = r.mtime.max(r.finfo.mtime);
        conditional::set_last_modified(r);
    } else if r.dir::<IncludeDir>().last_modified != Some(true) {
        r.headers_out.unset("Last-Modified");
    }
    if body.is_empty() && !r.header_only {
        return Ok(body);
    }
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    let may_execute = allowed & options::INC_WITH_EXEC != 0;
    Ok(Body::Stream(Box::new(page::Page::new(r, Octets::new(body), may_execute))))
}
