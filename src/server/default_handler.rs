//! Core's own hooks: mapping to the document root, the walks, forced types and filters, and the handler of last resort,
//! which sends files.

use super::{conditional, file, methods, open_files, protocols, walk};
use crate::config::{CoreServer, Handler, PathInfo};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, DefinedFilters, Hooks, LAST, MIDDLE, Phase, REALLY_FIRST, REALLY_LAST, declined};
use crate::request::{
    Body, FileInfo, FileKind, FileRange, FilterInstance, FilterKind, MethodNumber, OpenFile, Request, Status,
};
use bstr::ByteSlice;

/// Registers core's hooks; called by core's record.
pub fn core_hooks(on: &mut Hooks) {
    on.translate_name(REALLY_LAST, translate_below_root);
    on.map_to_storage(REALLY_LAST, map_to_storage);
    on.fixups(REALLY_FIRST, override_type);
    on.insert_filter(MIDDLE, insert_filters);
    on.later(Phase::map_to_storage, MIDDLE, methods::trace);
    on.map_to_storage(MIDDLE, methods::options_server);
    on.later(Phase::handler, REALLY_LAST, discard_filtered);
    on.handler(REALLY_FIRST, protocols::upgrade);
    on.handler(REALLY_LAST, serve);
    on.access_checker(LAST, |_| Answer::Declined);
}

/// Longest path that the system takes, with the slashes and the end that joining may add.
const PATH_MAX: usize = 4096;

/// Maps the path below DocumentRoot.
pub fn translate_below_root(r: &mut Request) -> Answer {
    if r.proxy_request {
        return Answer::Status(Status::FORBIDDEN);
    }
    if !r.uri.starts_with(b"/") && r.uri != "*" {
        let text = format_args!("AH00126: Invalid URI in request '{}' '{}'", crate::log::raw(&r.uri), r.the_request);
        r.log(Level::Error, "core", text);
        return Answer::Status(Status::BAD_REQUEST);
    }
    let root = match &r.document_root {
        Some(root) => root.as_slice(),
        None => r.server::<CoreServer>().document_root.as_ref().map_or(b"".as_slice(), |root| root.as_slice()),
    };
    let root = root.iter().rposition(|&byte| byte != b'/').map_or(b"".as_slice(), |last| &root[..=last]);
    // ServerPath: the legacy prefix is no part of the file name.
    let legacy = r.server.legacy_path.as_ref().filter(|prefix| {
        let rest = r.uri.strip_prefix(prefix.as_slice());
        rest.is_some_and(|rest| prefix.ends_with(b"/") || rest.first().is_none_or(|&byte| byte == b'/'))
    });
    let path = r.uri.get(legacy.map_or(0, |prefix| prefix.len())..).unwrap_or_default();
    if root.len() + path.len() + 3 > PATH_MAX
        && root.len() + path.trim_start_with(|byte| byte == '/').len() + 4 > PATH_MAX
    {
        let error = std::io::Error::from_raw_os_error(libc::ENAMETOOLONG);
        r.log_errno(Level::Error, "core", &error, format_args!("AH00127: Cannot map {} to file", r.the_request));
        return Answer::Status(Status::FORBIDDEN);
    }
    r.filename.clear();
    r.filename.extend_from_slice(root);
    r.filename.push(b'/');
    r.filename.extend_from_slice(path.trim_start_with(|byte| byte == '/'));
    Answer::Ok
}

fn map_to_storage(r: &mut Request) -> Answer {
    match walk::storage_walk(r) {
        Ok(()) => Answer::Ok,
        Err(status) => Answer::Status(status),
    }
}

/// ForceType and SetHandler.
fn override_type(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    let core = dir.core();
    if let Some(kind) = core.force_type.as_ref().filter(|kind| *kind != "none") {
        r.content_type = Some(kind.clone());
    }
    match &core.handler {
        None | Some(Handler::None) => {}
        Some(Handler::Name(name)) => r.handler = Some(name.clone()),
        Some(Handler::Expression(expression)) => match super::expression::text(expression, r) {
            Ok(name) if name.is_empty() || name == "none" => {}
            Ok(name) => r.handler = Some(name),
            Err(error) => {
                let text = format_args!("AH03154: Can't evaluate handler expression: {error}");
                r.log(Level::Error, "core", text);
                return Answer::Status(Status::INTERNAL_SERVER_ERROR);
            }
        },
    }
    Answer::Ok
}

/// SetOutputFilter and SetInputFilter.
fn insert_filters(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    for name in names(&dir.core().output_filters) {
        add_output_filter(r, name);
    }
    for name in names(&dir.core().input_filters) {
        add_input_filter(r, name);
    }
    Answer::Ok
}

fn names(list: &Option<bstr::BString>) -> impl Iterator<Item = &[u8]> {
    list.iter()
        .flat_map(|list| list.split(|byte| *byte == b';'))
        .map(|name| name.trim_ascii())
        .filter(|name| !name.is_empty())
}

/// The output filter of that name: one that the configuration defines, or one that a module registered.
pub fn output_filter(r: &Request, name: &[u8]) -> Option<FilterInstance> {
    let defined = r.configuration.process.shared.of::<DefinedFilters>().and_then(|defined| defined.output(name));
    let registered = || super::chains().output_filter(name).map(|filter| FilterInstance { filter, context: None });
    defined.cloned().or_else(registered)
}

/// Adds an output filter by name; says so in the log when there is none.
pub fn add_output_filter(r: &mut Request, name: &[u8]) {
    match output_filter(r, name) {
        Some(filter) => r.output_filters.push(filter),
        None => unknown(r, name),
    }
}

/// Adds an input filter by name; says so in the log when there is none.
pub fn add_input_filter(r: &mut Request, name: &[u8]) {
    let defined = r.configuration.process.shared.of::<DefinedFilters>().and_then(|defined| defined.input(name));
    let registered = || super::chains().input_filter(name).map(|filter| FilterInstance { filter, context: None });
    match defined.cloned().or_else(registered) {
        Some(filter) => r.input_filters.push(filter),
        None => unknown(r, name),
    }
}

fn unknown(r: &Request, name: &[u8]) {
    let text = format_args!("AH00082: an unknown filter was not added: {}", name.as_bstr());
    r.log(Level::Error, "core", text);
}

/// A body that nobody wants still goes through its filters, which may refuse it.
fn discard_filtered(r: &mut Request) -> BoxFuture<'_, Answer> {
    if !r.filters_body() {
        return declined();
    }
    Box::pin(async {
        loop {
            match r.read_body().await {
                Ok(Some(_)) => {}
                Ok(None) => return Answer::Declined,
                Err(fault) => return Answer::Status(fault.status),
            }
        }
    })
}

/// The handler of last resort: sends the mapped file.
fn serve(r: &mut Request) -> Answer {
    let core = r.dir.core();
    let accepts_path_info = core.accept_path_info == Some(PathInfo::On);
    let digests = core.content_digest;
    methods::allow(r, &[MethodNumber::GET, MethodNumber::OPTIONS, MethodNumber::POST]);
    // The document of an error asks for no body that the client holds back.
    r.drains_body = !r.expecting_continue || r.prev.as_ref().is_none_or(|prev| prev.status == Status::OK);
    if !r.method.is(MethodNumber::GET) && !r.method.is(MethodNumber::POST) {
        if r.method.is(MethodNumber::INVALID) {
            r.log(Level::Error, "core", format_args!("AH00135: Invalid method in request {}", r.the_request));
            return Answer::Status(Status::NOT_IMPLEMENTED);
        }
        if r.method.is(MethodNumber::OPTIONS) {
            return methods::options(r);
        }
        return Answer::Status(Status::METHOD_NOT_ALLOWED);
    }
    match r.finfo.kind {
        FileKind::None => {
            let text = format_args!("AH00128: File does not exist: {}{}", crate::log::raw(&r.filename), r.path_info);
            r.log(Level::Info, "core", text);
            return Answer::Status(Status::NOT_FOUND);
        }
        FileKind::Directory => {
            r.log(
                Level::Info,
                "core",
                format_args!("AH00129: Attempt to serve directory: {}", crate::log::raw(&r.filename)),
            );
            return Answer::Status(Status::NOT_FOUND);
        }
        _ => {}
    }
    if !r.path_info.is_empty() && !accepts_path_info {
        let text = format_args!("AH00130: File does not exist: {}{}", crate::log::raw(&r.filename), r.path_info);
        r.log(Level::Info, "core", text);
        return Answer::Status(Status::NOT_FOUND);
    }
    match open(r) {
        Ok(body) => r.body_out = body,
        Err(status) => return Answer::Status(status),
    }
    r.mtime = r.mtime.max(r.finfo.mtime);
    conditional::set_last_modified(r);
    conditional::set_etag(r);
    conditional::set_accept_ranges(r);
    r.headers_out.set("Content-Length", itoa::Buffer::new().format(r.finfo.size));
    // A filter that makes other content of the file would make the sum a lie.
    let as_it_is = r.output_filters.iter().all(|instance| instance.filter.kind > FilterKind::Resource);
    if let (Some(true), true, Body::File(whole)) = (digests, as_it_is, &r.body_out) {
        match content_md5(&whole.file) {
            Ok(sum) => r.headers_out.set("Content-MD5", sum),
            Err(error) => {
                r.log_errno(Level::Error, "core", &error, format_args!("cannot read {}", crate::log::raw(&r.filename)))
            }
        }
    }
    // What is included in another document is there whatever the client has of it.
    if !r.is_sub()
        && let Some(status) = conditional::meets_conditions(r)
    {
        // The bare status with the validators, and no page.
        r.status = status;
        r.body_out = Body::Empty;
    }
    Answer::Ok
}

/// ContentDigest: the sum of the whole file, read anew for each request.
fn content_md5(file: &OpenFile) -> std::io::Result<String> {
    use base64::Engine;
    use md5::{Digest, Md5};
    crate::engine::block(|| {
        let (mut sum, mut buffer, mut at) = (Md5::new(), vec![0; 64 * 1024], 0);
        loop {
            match file.read_at(&mut buffer, at)? {
                0 => return Ok(base64::engine::general_purpose::STANDARD.encode(sum.finalize())),
                count => {
                    sum.update(buffer.get(..count).unwrap_or_default());
                    at += count as u64;
                }
            }
        }
    })
}

fn open(r: &mut Request) -> Result<Body, Status> {
    let file = open_files::open(&r.filename, &r.finfo).map_err(|error| {
        let text = format_args!("AH00132: file permissions deny server access: {}", crate::log::raw(&r.filename));
        r.log_errno(Level::Error, "core", &error, text);
        Status::FORBIDDEN
    })?;
    if r.finfo == FileInfo::default() {
        r.finfo = file::stat(&r.filename).map_err(|_| Status::NOT_FOUND)?;
    }
    Ok(Body::File(FileRange { file, offset: 0, len: r.finfo.size }))
}
