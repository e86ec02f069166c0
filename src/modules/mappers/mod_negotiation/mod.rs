//! mod_negotiation: one URL, several representations, chosen by the client's Accept fields.
//!
//! Hooks: `type_checker`, first: MultiViews, for a name that is no file, before mod_mime types the one that is chosen.
//! `handler`, middle: type maps. Both leave to a future without state what is not theirs.
//!
//! Differences: under RVSA/1.0 (`Negotiate: 1.0`) the usual elimination ranks the variants, not the product of qualities.
//! Manual: mod/mod_negotiation.html, content-negotiation.html; RFC 2295, 2296.

mod accept;
mod answer;
mod choose;
mod variant;

use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::Level;
use crate::module::{Answer, FIRST, Hooks, Linked, MIDDLE, Module, Phase, UnknownParts, declined};
use crate::request::{FileInfo, FileKind, MethodNumber, Request, Status, Version};
use crate::server::{self, conditional, escape};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use variant::{MapError, Variant};

pub static MODULE: Module = Module {
    name: "mod_negotiation.c",
    ident: "negotiation_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<NegotiationServer>(),
    dir: Config::of::<NegotiationDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    flag(
        "CacheNegotiatedDocs",
        SERVER,
        NO_OVERRIDE,
        |cx, on| {
            cx.server::<NegotiationServer>().cache = Some(on);
            Ok(())
        },
        "Either 'on' or 'off' (default)",
    ),
    iterate(
        "LanguagePriority",
        ANYWHERE,
        FILE_INFO,
        |cx, language| {
            let list = cx.dir::<NegotiationDir>().priority.get_or_insert_default();
            Arc::make_mut(list).push(language.into());
            Ok(())
        },
        "space-delimited list of MIME language abbreviations",
    ),
    iterate(
        "ForceLanguagePriority",
        ANYWHERE,
        FILE_INFO,
        force,
        "Force LanguagePriority elections, either None, or Fallback and/or Prefer",
    ),
];

/// Bits of ForceLanguagePriority.
const NONE: u8 = 1;
const PREFER: u8 = 2;
const FALLBACK: u8 = 4;

/// Per-server settings.
#[derive(Clone, Default)]
pub struct NegotiationServer {
    cache: Switch,
}

impl Settings for NegotiationServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        NegotiationServer { cache: add.cache.or(base.cache) }
    }
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct NegotiationDir {
    /// Bits; 0 unset.
    force: u8,
    priority: Option<Arc<Vec<BString>>>,
}

impl NegotiationDir {
    fn force(&self) -> u8 {
        if self.force == 0 { PREFER } else { self.force }
    }
}

impl Settings for NegotiationDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        NegotiationDir {
            force: if add.force != 0 { add.force } else { base.force },
            priority: add.priority.clone().or_else(|| base.priority.clone()),
        }
    }
}

fn force(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let set = &mut cx.dir::<NegotiationDir>().force;
    let (bit, label) = match word.to_ascii_lowercase().as_slice() {
        b"none" if *set & (PREFER | FALLBACK) != 0 => {
            return Err("Cannot combine ForceLanguagePriority options with None".into());
        }
        b"none" => (NONE, "None"),
        b"prefer" => (PREFER, "Prefer"),
        b"fallback" => (FALLBACK, "Fallback"),
        _ => return Err(format!("Invalid ForceLanguagePriority option {word}").into()),
    };
    if bit != NONE && *set & NONE != 0 {
        return Err(format!("Cannot combine ForceLanguagePriority options None and {label}").into());
    }
    *set |= bit;
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::type_checker, FIRST, multiviews);
    on.fixups(MIDDLE, name_of_encoding);
    on.later(Phase::handler, MIDDLE, type_map);
}

/// `gzip` and `x-gzip` are one: the client is told the name that it used.
fn name_of_encoding(r: &mut Request) -> Answer {
    let Some(encoding) = r.content_encoding.as_ref().filter(|encoding| !encoding.is_empty()) else {
        return Answer::Declined;
    };
    let plain = encoding.strip_prefix(b"x-").unwrap_or(encoding);
    let accepted = accept::list(r.headers_in.get("Accept-Encoding").map(|field| field.as_bytes())).unwrap_or_default();
    let mut names = accepted.into_iter().map(|item| item.name);
    let mut named_x = None;
    let exact = names.find(|name| {
        if name.strip_prefix(b"x-").is_some_and(|name| name == plain) {
            named_x = Some(name.clone());
        }
        name == plain
    });
    let Some(name) = exact.or(named_x) else { return Answer::Declined };
    r.content_encoding = Some(name);
    Answer::Ok
}

fn multiviews(r: &mut Request) -> BoxFuture<'_, Answer> {
    let no_file = r.finfo.kind == FileKind::None && !r.filename.is_empty() && !r.filename.ends_with(b"/");
    if !no_file || server::allowed_options(r) & options::MULTI == 0 {
        return declined();
    }
    Box::pin(find_and_choose(r))
}

fn type_map(r: &mut Request) -> BoxFuture<'_, Answer> {
    if r.handler.as_ref().is_some_and(is_map) { Box::pin(serve_map(r)) } else { declined() }
}

fn is_map(handler: &BString) -> bool {
    handler == "type-map" || handler == MAP_TYPE
}

/// Media type of type maps.
const MAP_TYPE: &str = "application/x-type-map";
/// What a file with a handler but no media type counts as.
const SCRIPT_TYPE: &str = "application/x-httpd-cgi";

fn base(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |slash| path.get(slash + 1..).unwrap_or_default())
}

/// The files of `r`'s directory whose names go on with a dot where the requested one ends.
fn candidates(r: &Request) -> io::Result<Vec<(BString, FileInfo)>> {
    use std::os::unix::ffi::OsStrExt;
    let (directory, wanted) = (server::dirname(&r.filename), base(&r.filename));
    engine::block(|| {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory.to_os_str_lossy())? {
            let name = entry?.file_name();
            let name = name.as_bytes();
            if name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(b".")) {
                found.push((name.into(), server::stat(&[directory, name].concat()).unwrap_or_default()));
            }
        }
        Ok(found)
    })
}

/// Whether every part of a file's name that means nothing is in the requested name, in the same order.
fn named_in_full(unknown: &[BString], wanted: &[u8]) -> bool {
    let mut unknown = unknown.iter();
    let mut next = unknown.next();
    for part in wanted.split(|byte| *byte == b'.') {
        if next.is_some_and(|name| name == part) {
            next = unknown.next();
        }
    }
    next.is_none()
}

async fn find_and_choose(r: &mut Request) -> Answer {
    let found = match candidates(r) {
        Ok(found) => found,
        Err(error) => {
            let directory = server::dirname(&r.filename).as_bstr();
            let text = format_args!("AH00686: cannot read directory for multi: {directory}");
            r.log_errno(Level::Error, "negotiation", &error, text);
            return Answer::Status(Status::FORBIDDEN);
        }
    };
    let mime = r.configuration.providers.find::<dyn UnknownParts>(b"mime");
    let wanted: BString = base(&r.filename).into();
    let (mut variants, mut any, mut map) = (Vec::new(), false, None);
    for (name, info) in found {
        if info.kind == FileKind::Directory {
            continue;
        }
        any = true;
        let mut sub = server::lookup_dirent(r, &name, info).await;
        if sub.finfo.kind != FileKind::File {
            continue;
        }
        if sub.handler.is_some() && sub.content_type.is_none() {
            sub.set_content_type(SCRIPT_TYPE);
        }
        let unknown = mime.and_then(|mime| mime.unknown_parts(&sub));
        let known = unknown.is_some_and(|unknown| named_in_full(&unknown, &wanted));
        if sub.status != Status::OK || !known {
            continue;
        }
        let typed = sub.content_type.as_ref().is_some_and(|kind| kind == MAP_TYPE);
        if typed || sub.handler.as_ref().is_some_and(is_map) {
            match load_map(r, &sub.filename) {
                Ok((listed, _)) => variants = listed,
                Err(status) => return Answer::Status(status),
            }
            map = Some(sub.finfo);
            break;
        }
        variants.push(of_file(name, sub));
    }
    if !any {
        return Answer::Declined;
    }
    if variants.is_empty() {
        let text = format_args!(
            "AH00687: Negotiation: discovered file(s) matching request: {} (None could be negotiated).",
            crate::log::raw(&r.filename)
        );
        r.log(Level::Error, "negotiation", text);
        return Answer::Status(Status::NOT_FOUND);
    }
    // The list's own validator: the map's, or the directory's time.
    let validator = match map {
        Some(info) => Some(format!("{:x}-{:x}", info.size, info.mtime)),
        None => {
            variants.sort_by(|a, b| a.name.cmp(&b.name));
            server::stat(server::dirname(&r.filename)).ok().map(|info| format!("{:x}", info.mtime))
        }
    };
    let choice = match answer::decide(r, &mut variants) {
        Ok(choice) => choice,
        Err(status) => return Answer::Status(status),
    };
    let Some(mut chosen) = variants.into_iter().nth(choice.at) else { return Answer::Declined };
    let mut sub = match chosen.sub.take() {
        Some(sub) => sub,
        None => server::lookup_file(r, &chosen.name).await,
    };
    if sub.status != Status::OK {
        return Answer::Status(sub.status);
    }
    if choice.encoding.is_some() {
        sub.content_encoding = choice.encoding;
    }
    sub.args = r.args.clone();
    if sub.path_info.is_empty() && !r.path_info.is_empty() {
        sub.path_info = r.path_info.clone();
        sub.uri.extend_from_slice(&r.path_info);
    }
    server::fast_redirect(r, sub);
    // The file's time says nothing of the resource: another variant may be younger.
    r.mtime = 0;
    r.vlist_validator = validator.map(BString::from);
    Answer::Ok
}

/// The variant that a looked-up file is.
fn of_file(name: BString, sub: Box<Request>) -> Variant {
    let mut variant = Variant {
        name,
        source_quality: 1.0,
        encoding: sub.content_encoding.as_ref().map(|encoding| encoding.to_ascii_lowercase().into()),
        languages: sub.content_languages.clone(),
        length: Some(sub.finfo.size),
        ..Variant::default()
    };
    if let Some(kind) = &sub.content_type {
        variant.set_kind(kind);
    }
    variant.sub = Some(sub);
    variant
}

/// Reads a map's file: its variants, with the sizes of files that it does not tell, and its text.
fn load_map(r: &Request, path: &BString) -> Result<(Vec<Variant>, Bytes), Status> {
    let text = engine::block(|| std::fs::read(path.to_os_str_lossy())).map_err(|error| {
        let text = format_args!("AH00683: cannot access type map file: {}", crate::log::raw(path));
        r.log_errno(Level::Error, "negotiation", &error, text);
        Status::FORBIDDEN
    })?;
    let mut variants = Vec::new();
    match variant::read_map(&text, path.as_ref(), &mut variants) {
        Ok(()) => {}
        Err(MapError::Cut(text)) => r.log(Level::Error, "negotiation", format_args!("{text}")),
        Err(MapError::Broken(text)) => {
            r.log(Level::Error, "negotiation", format_args!("{text}"));
            return Err(Status::INTERNAL_SERVER_ERROR);
        }
    }
    for variant in variants.iter_mut().filter(|variant| variant.length.is_none()) {
        let file = [server::dirname(path), &variant.name].concat();
        variant.length = server::stat(&file).ok().filter(|info| info.kind == FileKind::File).map(|info| info.size);
    }
    Ok((variants, text.into()))
}

async fn serve_map(r: &mut Request) -> Answer {
    let path = r.filename.clone();
    let (mut variants, text) = match load_map(r, &path) {
        Ok(loaded) => loaded,
        Err(status) => return Answer::Status(status),
    };
    let choice = match answer::decide(r, &mut variants) {
        Ok(choice) => choice,
        Err(status) => return Answer::Status(status),
    };
    // Old caches do not know Vary.
    if !r.server::<NegotiationServer>().cache.unwrap_or(false) && r.version < Version::V1_1 {
        r.no_cache = true;
    }
    let Some(chosen) = variants.into_iter().nth(choice.at) else { return Answer::Declined };
    if let Some(range) = chosen.body {
        let mut kind = chosen.kind;
        if let Some(charset) = &chosen.charset {
            kind.extend_from_slice(b"; charset=");
            kind.extend_from_slice(charset);
        }
        r.set_content_type(kind);
        r.content_languages = chosen.languages;
        r.content_encoding = choice.encoding.or(chosen.encoding);
        if !(r.method.is(MethodNumber::GET) || r.method.is(MethodNumber::POST)) {
            server::allow(r, &[MethodNumber::GET, MethodNumber::OPTIONS, MethodNumber::POST]);
            return Answer::Status(Status::METHOD_NOT_ALLOWED);
        }
        r.headers_out.set("Accept-Ranges", "bytes");
        r.mtime = r.mtime.max(r.finfo.mtime);
        if let Some(status) = conditional::meets_conditions(r) {
            r.status = status;
            return Answer::Ok;
        }
        r.respond(crate::request::Body::Bytes(text.slice(range)));
        return Answer::Ok;
    }
    if r.err_headers_out.contains("TCN") {
        // What the map leads to is looked at before anything is said of it.
        let sub = server::lookup_file(r, &chosen.name).await;
        let is_map_too =
            sub.content_type.as_ref().is_some_and(|kind| kind == MAP_TYPE) || sub.handler.as_ref().is_some_and(is_map);
        let refused = match sub.status {
            Status::OK if is_map_too => Some(Status::VARIANT_ALSO_VARIES),
            Status::OK => None,
            status => Some(status),
        };
        if let Some(status) = refused {
            for name in ["Content-Location", "Alternates", "Vary", "TCN"] {
                r.err_headers_out.unset(name);
            }
            return Answer::Status(status);
        }
    }
    r.mtime = r.mtime.max(r.finfo.mtime);
    let mut validator = conditional::Tag::new();
    let kept = r.vlist_validator.take();
    if conditional::etag(r, &mut validator) {
        r.vlist_validator = Some(validator.trim_with(|c| matches!(c, 'W' | '/' | '"')).into());
    } else {
        r.vlist_validator = kept;
    }
    let uri = r.uri.strip_suffix(r.path_info.as_slice()).unwrap_or(&r.uri);
    let target = [&escape::uri(server::dirname(uri))[..], &chosen.name, &r.path_info].concat();
    server::internal_redirect(r, &target).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parts_stand_in_order() {
        let parts = |text: &[&str]| text.iter().map(|part| BString::from(*part)).collect::<Vec<_>>();
        assert!(named_in_full(&parts(&["a"]), b"a.html"));
        assert!(named_in_full(&parts(&["a", "foo"]), b"a.html.foo"));
        assert!(!named_in_full(&parts(&["f", "foo"]), b"f"));
        assert!(!named_in_full(&parts(&["a", "x", "y"]), b"a.y.x"));
    }
}
