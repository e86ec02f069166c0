//! Internal redirects: the same client request answered by another URL or file.

use super::subrequest::{KeptBody, RECURSION};
use super::{phases, uri, walk};
use crate::config::CoreServer;
use crate::log::{Level, raw};
use crate::module::Answer;
use crate::request::{Request, Status, Table};
use bstr::BString;

/// Adds the name of a request field to those that the response varies by, unless it is one of them.
pub fn vary(fields: &mut Table, name: &[u8]) {
    let known = fields
        .all("Vary")
        .any(|value| value.split(|byte| *byte == b',').any(|known| known.trim_ascii().eq_ignore_ascii_case(name)));
    if !known {
        fields.merge("Vary", name);
    }
}

/// Makes `r` what the subrequest `sub` found, without another lookup (`ap_internal_fast_redirect`).
pub fn fast_redirect(r: &mut Request, sub: Box<Request>) {
    let mut sub = *sub;
    r.proxy_request = sub.proxy_request;
    r.forward_proxy = sub.forward_proxy;
    r.no_cache |= sub.no_cache;
    r.no_local_copy |= sub.no_local_copy;
    r.mtime = sub.mtime;
    r.uri = sub.uri;
    r.filename = sub.filename;
    r.canonical_filename = sub.canonical_filename;
    r.path_info = sub.path_info;
    r.args = sub.args;
    r.finfo = sub.finfo;
    r.handler = sub.handler;
    r.content_type = sub.content_type;
    r.content_encoding = sub.content_encoding;
    r.content_languages = sub.content_languages;
    r.dir = sub.dir;
    r.user = sub.user.or(r.user.take());
    r.auth_type = sub.auth_type.or(r.auth_type.take());
    // Where the path was mapped to is told of the request as the client sent it.
    // What the subrequest says stands first; what the request said before stays where names differ.
    let merge = |first: &mut Table, second: &mut Table| {
        let mut joined = std::mem::take(first);
        for (name, value) in second.iter() {
            if !joined.contains(name) {
                joined.add(name, value);
            }
        }
        *second = joined;
    };
    // The response varies by what either of them looked at.
    for value in r.headers_out.all("Vary").map(BString::from).collect::<Vec<_>>() {
        for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            vary(&mut sub.headers_out, name);
        }
    }
    merge(&mut sub.notes, &mut r.notes);
    merge(&mut sub.headers_out, &mut r.headers_out);
    merge(&mut sub.err_headers_out, &mut r.err_headers_out);
    merge(&mut sub.env, &mut r.env);
    r.output_filters = sub.output_filters;
    r.input_filters = sub.input_filters;
}

/// Answers `r` by another path of this server: `r` becomes a new request whose `prev` is the old one.
pub async fn internal_redirect(r: &mut Request, target: &[u8]) -> Answer {
    if let Err(status) = begin(r, target) {
        return Answer::Status(status);
    }
    run(r).await
}

/// As [`internal_redirect`], keeping the content type: for handlers by type (mod_actions).
pub async fn internal_redirect_handler(r: &mut Request, target: &[u8]) -> Answer {
    let content_type = r.content_type.clone();
    if let Err(status) = begin(r, target) {
        return Answer::Status(status);
    }
    r.content_type = content_type;
    run(r).await
}

/// As [`internal_redirect`]; the response varies as it would have done without it (mod_rewrite).
pub async fn internal_redirect_with_vary(r: &mut Request, target: &[u8]) -> Answer {
    let vary = r.headers_out.get("Vary").map(BString::from);
    if let Err(status) = begin(r, target) {
        return Answer::Status(status);
    }
    if let Some(vary) = vary {
        r.headers_out.set("Vary", vary);
    }
    run(r).await
}

async fn run(r: &mut Request) -> Answer {
    let chains = super::chains();
    let answer = match Box::pin(phases::run_all(&chains.post_read_request, r)).await {
        Answer::Ok => Box::pin(super::process(r)).await,
        other => other,
    };
    Box::pin(super::settle(r, answer)).await;
    Answer::Done
}

/// Tells at debug how the server came to `r`.
pub(super) fn backtrace(r: &Request) {
    r.log(Level::Debug, "core", format_args!("AH00121: r->uri = {}", raw(&r.uri)));
    let mut earlier = r.prev.as_ref();
    while let Some(request) = earlier {
        r.log(Level::Debug, "core", format_args!("AH00122: redirected from r->uri = {}", raw(&request.uri)));
        earlier = request.prev.as_ref();
    }
    let mut above = r.main.as_ref();
    while let Some(main) = above {
        r.log(Level::Debug, "core", format_args!("AH00123: subrequested from r->uri = {}", raw(&main.uri)));
        above = main.main.as_ref();
    }
}

/// Replaces `r` by a fresh request for `target`.
pub(super) fn begin(r: &mut Request, target: &[u8]) -> Result<(), Status> {
    let limit = r.server::<CoreServer>().limit_recursion.unwrap_or(RECURSION).0;
    let mut depth = 0;
    let mut earlier = r.prev.as_ref();
    while let Some(request) = earlier {
        depth += 1;
        earlier = request.prev.as_ref();
    }
    if depth >= limit {
        let text = format_args!(
            "AH00124: Request exceeded the limit of {limit} internal redirects due to probable configuration error. \
             Use 'LimitInternalRecursion' to increase the limit if necessary. Use 'LogLevel debug' to get a backtrace."
        );
        r.log(Level::Error, "core", text);
        backtrace(r);
        return Err(Status::INTERNAL_SERVER_ERROR);
    }
    let mut new = Request::new(r.connection.clone(), r.configuration, walk::memo::defaults(r.server));
    new.server = r.server;
    new.the_request = r.the_request.clone();
    new.method = r.method.clone();
    new.version = r.version;
    new.protocol = r.protocol.clone();
    new.hostname = r.hostname.clone();
    new.host_port = r.host_port;
    new.useragent = r.useragent;
    new.useragent_ip = r.useragent_ip.clone();
    new.time = r.time;
    new.header_only = r.header_only;
    new.simple = r.simple;
    new.absolute_uri = r.absolute_uri;
    new.expecting_continue = r.expecting_continue;
    new.allowed = r.allowed;
    new.allowed_methods = r.allowed_methods.clone();
    new.headers_in = r.headers_in.clone();
    new.trailers_in = std::mem::take(&mut r.trailers_in);
    new.err_headers_out = std::mem::take(&mut r.err_headers_out);
    // A document that stands for a redirect leads on.
    if let Some(location) = r.headers_out.get("Location").filter(|_| r.status.is_redirect()) {
        new.headers_out.set("Location", location);
    }
    new.body_in = std::mem::take(&mut r.body_in);
    if let Some(kept) = r.extensions.take::<KeptBody>() {
        new.body_in = kept.0.clone().into();
        new.extensions.put(kept);
    }
    new.input_filters = std::mem::take(&mut r.input_filters);
    new.no_cache = r.no_cache;
    new.no_local_copy = r.no_local_copy;
    new.keep_alive = r.keep_alive;
    new.read_length = r.read_length;
    new.wire_in = r.wire_in;
    new.vlist_validator = r.vlist_validator.clone();
    new.main = r.main.clone();
    for (name, value) in r.env.iter() {
        new.env.set([b"REDIRECT_", name.as_ref() as &[u8]].concat(), value);
    }
    new.env.set("REDIRECT_STATUS", itoa::Buffer::new().format(r.status.0));
    uri::set_uri(&mut new, target);
    let old = std::mem::replace(r, new);
    r.prev = Some(Box::new(old));
    Ok(())
}
