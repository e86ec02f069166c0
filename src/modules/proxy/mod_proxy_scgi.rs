//! mod_proxy_scgi: backends that speak SCGI.
//!
//! Offers a [`ProxyScheme`] for `scgi:`. A response without a status of its own may name a local URL to go on with
//! (ProxySCGIInternalRedirect) or a file to send in its place (ProxySCGISendfile). `proxy-scgi-pathinfo` makes PATH_INFO.
//!
//! Differences: a request in flight holds no thread. Manual: mod/mod_proxy_scgi.html.

use super::mod_proxy::{self, Call, Octets, Plain, ProxyScheme, Scanned, Wire, patience};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module};
use crate::request::{Body, FileKind, Method, Request, Status};
use crate::server::{self, cgi};
use bstr::{BStr, BString, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_proxy_scgi.c",
    ident: "proxy_scgi_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<ScgiDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1(
        "ProxySCGISendfile",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        |cx, word| {
            cx.dir::<ScgiDir>().sendfile = Some(special(word, "X-Sendfile"));
            Ok(())
        },
        "The name of the X-Sendfile pseudo response header or On or Off",
    ),
    take1(
        "ProxySCGIInternalRedirect",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        |cx, word| {
            cx.dir::<ScgiDir>().redirect = Some(special(word, "Location"));
            Ok(())
        },
        "The name of the pseudo response header or On or Off",
    ),
];

/// On, Off or the name of a field.
fn special(word: &BStr, usual: &str) -> Option<BString> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Some(usual.into()),
        b"off" => None,
        _ => Some(word.to_owned()),
    }
}

/// Settings of a section.
#[derive(Clone, Default)]
pub struct ScgiDir {
    /// The field that names a file; Some(None): off.
    sendfile: Option<Option<BString>>,
    /// The field that names a local URL.
    redirect: Option<Option<BString>>,
}

impl Settings for ScgiDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        ScgiDir {
            sendfile: add.sendfile.clone().or_else(|| base.sendfile.clone()),
            redirect: add.redirect.clone().or_else(|| base.redirect.clone()),
        }
    }
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("scgi", &Scgi);
}

struct Scgi;

const TAGS: [&str; 2] = ["00857", "10414"];

impl ProxyScheme for Scgi {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        if !url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"scgi:")) {
            return Answer::Declined;
        }
        let rest = url.get(5..).unwrap_or_default().to_vec();
        let path = match mod_proxy::script_path(r, "scgi".into(), &rest, "proxy_scgi", TAGS) {
            Ok(path) => path,
            Err(answer) => return answer,
        };
        if r.env.contains("proxy-scgi-pathinfo") {
            r.path_info = [b"/", path.as_slice()].concat().into();
        }
        Answer::Ok
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        match call.url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"scgi:")) {
            true => Box::pin(run(r, call)),
            false => crate::module::declined(),
        }
    }
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    if let Some(answer) = mod_proxy::needs_length(r) {
        return answer;
    }
    let Some((host, port)) = mod_proxy::target_of(call) else {
        return mod_proxy::proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    let failed = |r: &Request| {
        let text = format_args!("AH00866: failed to make connection to backend: {host}:{port}");
        r.log(Level::Error, "proxy_scgi", text);
    };
    let backend = match mod_proxy::backend(r, call, host.as_bstr(), port, failed).await {
        Ok(backend) => backend,
        Err(answer) => return answer,
    };
    let mut wire = Wire::new(backend, patience(r, call.worker.as_deref()));
    cgi::common_env(r);
    cgi::cgi_env(r).await;
    r.env.set("SCRIPT_FILENAME", r.filename.clone());
    r.env.unset("GATEWAY_INTERFACE");
    let length = r.headers_in.get("Content-Length").map_or("0".into(), BString::from);
    let mut block = [b"CONTENT_LENGTH\0", length.as_slice(), b"\0SCGI\x001\0"].concat();
    for (name, value) in r.env.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"CONTENT_LENGTH")) {
        for part in [name, BStr::new(b"\0"), value, BStr::new(b"\0")] {
            block.extend_from_slice(part);
        }
    }
    let mut out = format!("{}:", block.len()).into_bytes();
    out.extend_from_slice(&block);
    out.push(b',');
    if let Err(answer) = mod_proxy::send_with_body(r, &mut wire, out).await {
        return answer.unwrap_or_else(|| {
            r.log(Level::Error, "proxy_scgi", format_args!("AH00858: sending data to {host}:{port} failed"));
            Answer::Status(Status::SERVICE_UNAVAILABLE)
        });
    }
    let mut source: Box<dyn Octets> = Box::new(Plain::new(wire));
    let first = match mod_proxy::scan(r, &mut *source, "proxy_scgi", false).await {
        Scanned::Head(first) => first,
        Scanned::Condition(status, _) => return Answer::Status(status),
        failure => {
            let mut status = Status::INTERNAL_SERVER_ERROR;
            if let Scanned::Broken(error, whole) = failure {
                let name = r.filename.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                let what = match (error.kind(), whole) {
                    (std::io::ErrorKind::TimedOut, _) => {
                        status = Status::GATEWAY_TIME_OUT;
                        "Script timed out before returning headers"
                    }
                    (_, 0) => "End of script output before headers",
                    _ => "Premature end of script headers",
                };
                r.log(Level::Error, "proxy_scgi", format_args!("{what}: {}", raw(name)));
            }
            let text = format_args!("AH00860: error reading response headers from {host}:{port}");
            r.log(Level::Error, "proxy_scgi", text);
            r.status_line = None;
            return Answer::Status(status);
        }
    };
    r.headers_out.unset("Content-Length");
    if let Some(answer) = instead(r).await {
        return answer;
    }
    r.body_out = if r.header_only { Body::Empty } else { mod_proxy::script_body(source, first) };
    Answer::Ok
}

/// A file or a local URL that takes the response's place.
async fn instead(r: &mut Request) -> Option<Answer> {
    let dir = r.dir.clone();
    let dir = dir.settings.of::<ScgiDir>();
    let found = |r: &Request, field: &BStr| {
        let value = r.err_headers_out.get(field).or_else(|| r.headers_out.get(field)).map(BString::from);
        if let Some(value) = &value {
            let text = format_args!("AH00861: Found {field}: {} - preparing subrequest.", raw(value));
            r.log(Level::Debug, "proxy_scgi", text);
        }
        value
    };
    if let Some(field) = dir.sendfile.clone().flatten()
        && let Some(name) = found(r, field.as_bstr())
    {
        r.err_headers_out.unset(&field);
        r.headers_out.unset(&field);
        r.log(Level::Debug, "proxy_scgi", format_args!("AH00863: File subrequest to {}", raw(&name)));
        let mut sub = server::lookup_file(r, &name).await;
        if sub.status == Status::OK && sub.finfo.kind != FileKind::None {
            return Some(match server::run_sub(r, &mut sub).await {
                Ok(body) => {
                    r.body_out = body;
                    Answer::Ok
                }
                Err(status) => Answer::Status(status),
            });
        }
        let text = format_args!(
            "AH00864: Subrequest to file '{}' not possible. (rr->status={}, rr->finfo.filetype=0)",
            raw(&name),
            sub.status.0
        );
        r.log(Level::Error, "proxy_scgi", text);
        return Some(Answer::Status(Status::INTERNAL_SERVER_ERROR));
    }
    let redirect = dir.redirect.clone().unwrap_or_else(|| Some("Location".into()))?;
    if r.status != Status::OK {
        return None;
    }
    let to = r.headers_out.get(&redirect).or_else(|| r.err_headers_out.get(&redirect)).map(BString::from)?;
    if !to.starts_with(b"/") {
        return None;
    }
    let _ = found(r, redirect.as_bstr());
    r.log(Level::Debug, "proxy_scgi", format_args!("AH00862: Internal redirect to {}", raw(&to)));
    r.status_line = None;
    r.headers_out.unset(&redirect);
    r.err_headers_out.unset(&redirect);
    r.method = Method::parse(b"GET");
    r.headers_in.unset("Content-Length");
    r.body_in = Body::Empty;
    Some(server::internal_redirect(r, &to).await)
}
