//! Subrequests: asking the server what it would do with another URL or file, and running that for its output.

use super::file::dirname;
use super::{escape, file, phases, redirect, uri, walk};
use crate::config::{CoreServer, options};
use crate::log::Level;
use crate::module::Answer;
use crate::request::{Body, FileInfo, FileKind, Method, Parent, Request, Status};
use bstr::BString;
use bytes::Bytes;
use std::sync::Arc;

/// Limits when LimitInternalRecursion is not set: internal redirects, nested subrequests.
pub(super) const RECURSION: (u32, u32) = (10, 10);

/// A body that was read and is there for subrequests and internal redirects too (mod_request).
#[derive(Clone, Debug)]
pub struct KeptBody(pub Bytes);

/// Gives `sub` what the body of `r` was, with the fields that tell of it, if it was kept.
pub fn pass_body_on(r: &Request, sub: &mut Request) {
    let Some(kept) = r.extensions.of::<KeptBody>().cloned() else { return };
    sub.headers_in = r.headers_in.clone();
    sub.headers_in.set("Content-Length", itoa::Buffer::new().format(kept.0.len()));
    sub.body_in = kept.0.clone().into();
    sub.extensions.put(kept);
}

/// A request below `r` with nothing looked up yet.
fn make(r: &Request) -> Box<Request> {
    let mut sub = Box::new(Request::new(r.connection.clone(), r.configuration, walk::memo::defaults(r.server)));
    sub.server = r.server;
    sub.dir = walk::memo::defaults(r.server);
    sub.the_request = r.the_request.clone();
    sub.method = Method::parse(b"GET");
    sub.version = r.version;
    sub.protocol = "INCLUDED".into();
    sub.hostname = r.hostname.clone();
    sub.host_port = r.host_port;
    sub.useragent = r.useragent;
    sub.useragent_ip = r.useragent_ip.clone();
    sub.time = r.time;
    sub.headers_in = r.headers_in.clone();
    for name in [
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Location",
        "Content-Type",
        "Transfer-Encoding",
        "Range",
        "If-Range",
    ] {
        sub.headers_in.unset(name);
    }
    sub.env = r.env.clone();
    sub.no_local_copy = r.no_local_copy;
    sub.main = Some(Arc::new(Parent {
        uri: r.uri.clone(),
        filename: r.filename.clone(),
        args: r.args.clone(),
        path_info: r.path_info.clone(),
        content_type: r.content_type.clone(),
        user: r.user.clone(),
        auth_type: r.auth_type.clone(),
        dir_id: r.dir.id,
        depth: r.main.as_ref().map_or(0, |main| main.depth) + 1,
        main: r.main.clone(),
    }));
    sub
}

/// Whether one more subrequest is too many; logs it.
fn too_deep(r: &Request, sub: &Request) -> bool {
    let limit = r.server::<CoreServer>().limit_recursion.unwrap_or(RECURSION).1;
    let depth = sub.main.as_ref().map_or(0, |main| main.depth);
    if depth <= limit {
        return false;
    }
    let text = format_args!(
        "AH00125: Request exceeded the limit of {limit} subrequest nesting levels due to probable configuration error. \
         Use 'LimitInternalRecursion' to increase the limit if necessary. Use 'LogLevel debug' to get a backtrace."
    );
    r.log(Level::Error, "core", text);
    redirect::backtrace(r);
    true
}

async fn finish(mut sub: Box<Request>, by_file: bool) -> Box<Request> {
    if let Err(answer) = phases::prepare(&mut sub, by_file).await {
        sub.status = match answer {
            Answer::Status(status) => status,
            _ => sub.status,
        };
    }
    sub
}

/// Looks `target` up as if a client had asked for it with GET; relative targets start at `r`'s directory. The phases up
/// to fixups run, not the handler; `status` says what came of it.
pub async fn lookup_uri(r: &mut Request, target: &[u8]) -> Box<Request> {
    lookup_method_uri(r, b"GET", target).await
}

/// As [`lookup_uri`] with another method.
pub async fn lookup_method_uri(r: &mut Request, method: &[u8], target: &[u8]) -> Box<Request> {
    let mut sub = make(r);
    sub.method = Method::parse(method);
    if target.starts_with(b"/") {
        uri::set_uri(&mut sub, target);
    } else {
        let base = escape::uri(dirname(&r.uri));
        uri::set_uri(&mut sub, &[base.as_slice(), target].concat());
    }
    if too_deep(r, &sub) {
        sub.status = Status::INTERNAL_SERVER_ERROR;
        return sub;
    }
    finish(sub, false).await
}

/// Looks an entry of `r`'s own directory up, whose facts are known from reading it.
pub async fn lookup_dirent(r: &mut Request, name: &[u8], info: FileInfo) -> Box<Request> {
    let mut sub = make(r);
    sub.filename = [dirname(&r.filename), name].concat().into();
    sub.uri = [dirname(&r.uri), name].concat().into();
    sub.unparsed_uri = sub.uri.clone();
    sub.args = None;
    if too_deep(r, &sub) {
        sub.status = Status::INTERNAL_SERVER_ERROR;
        return sub;
    }
    if walk::allowed_options(r) & options::SYM_LINKS != 0 {
        sub.finfo = info;
    }
    if info.kind == FileKind::Directory {
        sub.uri.push(b'/');
    }
    finish(sub, true).await
}

/// Looks a file up by name; a relative one stands in the directory of `r`'s file.
pub async fn lookup_file(r: &mut Request, filename: &[u8]) -> Box<Request> {
    let mut sub = make(r);
    let directory = dirname(&r.filename);
    sub.filename = if filename.starts_with(b"/") { filename.into() } else { [directory, filename].concat().into() };
    // A file of the same directory has a URL; of others nothing is known.
    sub.uri = match sub.filename.strip_prefix(directory) {
        Some(name) if !name.is_empty() && !name.contains(&b'/') => [dirname(&r.uri), name].concat().into(),
        _ => BString::default(),
    };
    sub.unparsed_uri = sub.uri.clone();
    if too_deep(r, &sub) {
        sub.status = Status::INTERNAL_SERVER_ERROR;
        return sub;
    }
    sub.finfo = file::stat(&sub.filename).unwrap_or_default();
    finish(sub, true).await
}

/// Runs a looked-up subrequest's handler and returns its body behind its own filters.
pub async fn run_sub(r: &mut Request, sub: &mut Request) -> Result<Body, Status> {
    if sub.status != Status::OK {
        return Err(sub.status);
    }
    // What is a file is not asked for once more.
    let unknown = sub.filename.is_empty() || sub.finfo.kind == FileKind::None;
    let quick = match unknown {
        true => phases::run_first(&super::chains().quick_handler, sub).await,
        false => Answer::Declined,
    };
    let answer = match quick {
        Answer::Declined => Box::pin(phases::invoke_handler(sub)).await,
        other => other,
    };
    match answer {
        Answer::Ok | Answer::Done => {}
        Answer::Status(status) => return Err(status),
        Answer::Declined => return Err(Status::INTERNAL_SERVER_ERROR),
    }
    phases::apply_output_filters(sub)?;
    r.no_cache |= sub.no_cache;
    Ok(std::mem::take(&mut sub.body_out))
}
