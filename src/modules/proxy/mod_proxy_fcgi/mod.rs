//! mod_proxy_fcgi: backends that speak FastCGI, as php-fpm does.
//!
//! Offers a [`ProxyScheme`] for `fcgi:`. ProxyFCGISetEnvIf changes the variables that a backend gets, ProxyFCGIBackendType
//! says whether file names keep their `proxy:fcgi://` (which php-fpm knows) or lose it. `proxy-fcgi-pathinfo` cuts the path.
//! Connections are kept only where `enablereuse=on` says so. `records.rs` is the protocol.
//!
//! Differences: a request in flight holds no thread. Manual: mod/mod_proxy_fcgi.html.

mod records;

use super::mod_proxy::{self, Call, Octets, ProxyDir, ProxyScheme, Scanned, Wire, patience};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module};
use crate::request::{Body, Request, Status};
use crate::server::{self, cgi, expression};
use bstr::{BStr, BString, ByteSlice};
use records::{BEGIN_REQUEST, MOST, PARAMS, Records, STDIN};
use std::io;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_proxy_fcgi.c",
    ident: "proxy_fcgi_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<FcgiDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1(
        "ProxyFCGIBackendType",
        ANYWHERE,
        FILE_INFO,
        backend_type,
        "Specify the type of FastCGI server: 'Generic', 'FPM'",
    ),
    take23("ProxyFCGISetEnvIf", ANYWHERE, FILE_INFO, set_env_if, "expr-condition env-name expr-value"),
];

/// ProxyFCGISetEnvIf.
struct Change {
    condition: Expression,
    name: BString,
    value: Value,
}

enum Value {
    /// The variable is taken out.
    Unset,
    Empty,
    Text(Expression),
}

/// Settings of a section.
#[derive(Clone, Default)]
pub struct FcgiDir {
    generic: Option<bool>,
    changes: Vec<Arc<Change>>,
}

impl Settings for FcgiDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        FcgiDir { generic: add.generic.or(base.generic), changes: [&base.changes[..], &add.changes[..]].concat() }
    }
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("fcgi", &Fcgi);
}

fn backend_type(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<FcgiDir>().generic = Some(match word.to_ascii_lowercase().as_slice() {
        b"generic" => true,
        b"fpm" => false,
        _ => return Err("ProxyFCGIBackendType requires one of the following arguments: 'GENERIC', 'FPM'".into()),
    });
    Ok(())
}

fn set_env_if(cx: &mut Cx<'_>, condition: Word<'_>, name: Word<'_>, value: Option<Word<'_>>) -> Outcome {
    let refused = |text: &BStr, error: String| format!("Could not parse expression \"{text}\": {error}");
    let condition =
        Expression::condition(condition, cx.rights(), cx.providers).map_err(|error| refused(condition, error))?;
    let condition = condition.at("proxy_fcgi", cx.file, cx.line);
    let (name, value) = match (name.strip_prefix(b"!"), value) {
        (Some(b""), _) => return Err("ProxyFCGISetEnvIf: \"!\" is not a valid variable name".into()),
        (Some(_), Some(value)) => {
            let text = "is not allowed when using ProxyFCGISetEnvIf's unset mode";
            return Err(format!("Third argument (\"{value}\") {text} ({name})").into());
        }
        (Some(name), None) => (BString::from(name), Value::Unset),
        (None, None) => (name.to_owned(), Value::Empty),
        (None, Some(text)) => {
            let parsed = Expression::string(text, cx.rights(), cx.providers).map_err(|error| refused(text, error))?;
            (name.to_owned(), Value::Text(parsed.at("proxy_fcgi", cx.file, cx.line)))
        }
    };
    cx.dir::<FcgiDir>().changes.push(Arc::new(Change { condition, name, value }));
    Ok(())
}

struct Fcgi;

impl ProxyScheme for Fcgi {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        if !url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"fcgi:")) {
            return Answer::Declined;
        }
        canonical(r, url.get(5..).unwrap_or_default().as_bstr())
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        match call.url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"fcgi:")) {
            true => Box::pin(run(r, call)),
            false => crate::module::declined(),
        }
    }
}

fn canonical(r: &mut Request, rest: &BStr) -> Answer {
    let path = match mod_proxy::script_path(r, "fcgi".into(), rest, "proxy_fcgi", ["01059", "10414"]) {
        Ok(path) => path,
        Err(answer) => return answer,
    };
    r.log(Level::Debug, "proxy_fcgi", format_args!("AH01060: set r->filename to {}", raw(&r.filename)));
    let Some(kind) = r.env.get("proxy-fcgi-pathinfo").map(BString::from) else { return Answer::Ok };
    let info: BString = match kind.to_ascii_lowercase().as_slice() {
        b"first-dot" => behind_dot(&path, path.find_byte(b'.')),
        b"last-dot" => behind_dot(&path, path.rfind_byte(b'.')),
        b"full" => return Answer::Ok,
        b"unescape" => [b"/", path.as_slice()].concat().into(),
        _ => [b"/", path.as_slice()].concat().into(),
    };
    let mut info = info.to_vec();
    if ["first-dot", "last-dot", "unescape"].iter().any(|word| kind.eq_ignore_ascii_case(word.as_bytes())) {
        let _ = server::escape::unescape_url(&mut info, server::escape::Slashes::Keep);
    }
    let info = BString::from(info);
    if !info.is_empty() {
        r.log(Level::Debug, "proxy_fcgi", format_args!("AH01061: set r->path_info to {}", raw(&info)));
        r.path_info = info;
    }
    Answer::Ok
}

/// What stands behind the segment with the dot.
fn behind_dot(path: &[u8], dot: Option<usize>) -> BString {
    let rest = dot.and_then(|dot| path.get(dot..)).unwrap_or_default();
    rest.find_byte(b'/').and_then(|slash| rest.get(slash..)).unwrap_or_default().into()
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let Some((host, port)) = mod_proxy::target_of(call) else {
        let why = format!("URI cannot be parsed: {}", call.url);
        return mod_proxy::proxy_error(r, Status::BAD_REQUEST, &why);
    };
    let outgoing = match mod_proxy::read_ahead(r, call).await {
        Ok(outgoing) => outgoing,
        Err(answer) => return answer,
    };
    let failed_to = |r: &Request| {
        let text = format_args!("AH01079: failed to make connection to backend: {host}");
        r.log(Level::Error, "proxy_fcgi", text);
    };
    let backend = match mod_proxy::backend(r, call, host.as_bstr(), port, failed_to).await {
        Ok(backend) => backend,
        Err(answer) => return answer,
    };
    let mut wire = Wire::new(backend, patience(r, call.worker.as_deref()));
    strip_filename(r);
    walk(r);
    if let Some(length) = outgoing.length {
        r.headers_in.set("Content-Length", itoa::Buffer::new().format(length));
    }
    r.headers_in.unset("Transfer-Encoding");
    cgi::common_env(r);
    cgi::cgi_env(r).await;
    r.env.set("SCRIPT_FILENAME", r.filename.clone());
    change(r);
    match send(r, outgoing, &mut wire).await {
        Ok(()) => {}
        Err(Sending::Client(status)) => return Answer::Status(status),
        Err(Sending::Backend(error)) => {
            failed(r, &error, "");
            return Answer::Status(unavailable(&error));
        }
    }
    answer(r, wire).await
}

fn unavailable(error: &io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::TimedOut => Status::GATEWAY_TIME_OUT,
        _ => Status::SERVICE_UNAVAILABLE,
    }
}

/// Tells that the backend cannot be heard any more.
fn failed(r: &Request, error: &io::Error, when: &str) {
    let when = if error.kind() == io::ErrorKind::TimedOut { "(polling)" } else { when };
    let text = format_args!("AH01075: Error dispatching request to : {when}");
    r.log_errno(Level::Error, "proxy_fcgi", mod_proxy::errno(error), text);
}

/// `proxy-fcgi-pathinfo=full`: the file that the path leads to ends the script's name, if there is one.
fn walk(r: &mut Request) {
    let full = r.env.get("proxy-fcgi-pathinfo").is_some_and(|kind| kind.eq_ignore_ascii_case(b"full"));
    let Some(rest) = r.filename.strip_prefix(b"proxy:fcgi://").filter(|_| full) else { return };
    let Some(at) = rest.find_byte(b'/') else { return };
    // Of two slashes after the authority one is the path's own.
    let path = rest.get(at..).unwrap_or_default();
    let path = if path.starts_with(b"//") { path.get(1..).unwrap_or_default() } else { path };
    let mut plain = path.to_vec();
    if server::escape::unescape_url(&mut plain, server::escape::Slashes::Keep).is_err() {
        return;
    }
    let mut end = plain.len();
    loop {
        let Some(file) = plain.get(..end).filter(|file| !file.is_empty()) else { return };
        if crate::engine::block(|| std::path::Path::new(&file.to_os_str_lossy()).is_file()) {
            r.path_info = plain.get(end..).unwrap_or_default().into();
            r.filename = file.into();
            return;
        }
        match file.rfind_byte(b'/') {
            Some(slash) => end = slash,
            None => return,
        }
    }
}

/// The file name that the backend gets: php-fpm itself takes off what stands before it.
fn strip_filename(r: &mut Request) {
    if r.dir::<FcgiDir>().generic != Some(true) {
        return;
    }
    let Some(bare) = r.filename.strip_prefix(b"proxy:fcgi://").map(BString::from) else { return };
    let query = r.args.as_ref().filter(|args| !args.is_empty()).map(|args| [b"?", args.as_slice()].concat());
    let bare = query.and_then(|query| bare.strip_suffix(query.as_slice()).map(BString::from)).unwrap_or(bare);
    r.filename = bare.find_byte(b'/').and_then(|at| bare.get(at..)).unwrap_or_default().into();
}

fn change(r: &mut Request) {
    let changes = r.dir::<FcgiDir>().changes.clone();
    for change in changes {
        let mut backrefs = expression::Backrefs::default();
        match expression::holds_with(&change.condition, r, &mut backrefs) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => continue,
        }
        match &change.value {
            Value::Unset => {
                r.env.unset(&change.name);
            }
            Value::Empty => r.env.set(&change.name, ""),
            Value::Text(value) => match expression::text_with(value, r, &mut backrefs) {
                Ok(text) => r.env.set(&change.name, text),
                Err(error) => {
                    let name = &change.name;
                    let text =
                        format_args!("AH03514: Error evaluating expression for replacement of {name}: '{error}'");
                    r.log(Level::Error, "proxy_fcgi", text);
                }
            },
        }
    }
}

enum Sending {
    Client(Status),
    Backend(io::Error),
}

/// Sends the request: its beginning, the variables, the body.
async fn send(r: &mut Request, outgoing: mod_proxy::Ahead, wire: &mut Wire) -> Result<(), Sending> {
    let mut out = Vec::with_capacity(4096);
    records::head(&mut out, BEGIN_REQUEST, 8);
    let keeps = u8::from(wire.backend.announced_reuse());
    out.extend_from_slice(&[0, 1, keeps, 0, 0, 0, 0, 0]);
    let mut parameters = Vec::new();
    for (name, value) in r.env.iter() {
        let before = parameters.len();
        records::parameter(&mut parameters, name, value);
        if parameters.len() > MOST {
            let one = parameters.split_off(before);
            put(&mut out, PARAMS, &parameters);
            parameters = one;
            if parameters.len() > MOST {
                let text = format_args!("AH02536: couldn't encode envvar '{name}' in {MOST} bytes");
                r.log(Level::Error, "proxy_fcgi", text);
                return Err(Sending::Backend(io::Error::from_raw_os_error(libc::ENOSPC)));
            }
        }
    }
    put(&mut out, PARAMS, &parameters);
    records::head(&mut out, PARAMS, 0);
    let mut ahead = outgoing.pieces;
    loop {
        let bytes = match ahead.pop_front() {
            Some(bytes) => Some(bytes),
            None if outgoing.ended => None,
            None => {
                wire.send(&out).await.map_err(Sending::Backend)?;
                out.clear();
                r.read_body().await.map_err(|fault| Sending::Client(fault.status))?
            }
        };
        let Some(bytes) = bytes else { break };
        for part in bytes.chunks(MOST) {
            put(&mut out, STDIN, part);
        }
        if out.len() >= MOST {
            wire.send(&out).await.map_err(Sending::Backend)?;
            out.clear();
        }
    }
    records::head(&mut out, STDIN, 0);
    wire.send(&out).await.map_err(Sending::Backend)
}

fn put(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    if !content.is_empty() {
        records::head(out, kind, content.len());
        out.extend_from_slice(content);
    }
}

async fn answer(r: &mut Request, wire: Wire) -> Answer {
    let mut source: Box<dyn Octets> = Box::new(Records::new(wire));
    let first = match mod_proxy::scan(r, &mut *source, "proxy_fcgi", true).await {
        Scanned::Head(first) => first,
        Scanned::Condition(status, _) => return Answer::Status(status),
        Scanned::Malformed => {
            r.log(Level::Error, "proxy_fcgi", format_args!("AH01070: Error parsing script headers"));
            source.broken(r, &io::Error::from_raw_os_error(libc::EINVAL));
            // The head that there is goes out with an error's status and nothing behind it.
            r.status = Status::INTERNAL_SERVER_ERROR;
            r.body_out = Body::Empty;
            return Answer::Ok;
        }
        Scanned::Headless(whole) => {
            source.release();
            r.body_out = whole.into();
            return Answer::Ok;
        }
        Scanned::Broken(error, _) => {
            source.broken(r, &error);
            return Answer::Status(unavailable(&error));
        }
    };
    r.headers_out.unset("Content-Length");
    let dir = r.dir.clone();
    if dir.settings.of::<ProxyDir>().overrides(r.status.0) && r.prev.is_none() && !r.is_sub() {
        let status = std::mem::replace(&mut r.status, Status::OK);
        return Answer::Status(status);
    }
    r.body_out = match r.header_only {
        true => Body::Empty,
        false => mod_proxy::script_body(source, first),
    };
    Answer::Ok
}
