//! mod_proxy_uwsgi: backends that speak uwsgi, as the server of that name does.
//!
//! Offers a [`ProxyScheme`] for `uwsgi:`. What comes back is a response as HTTP/1 has it.
//!
//! Differences: a request in flight holds no thread. Manual: mod/mod_proxy_uwsgi.html.

use super::mod_proxy::{self, Call, Line, Octets, Plain, ProxyDir, ProxyScheme, Wire, patience};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, Module};
use crate::request::{Body, Request, Status};
use crate::server::{cgi, escape};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::io;

pub static MODULE: Module = Module {
    name: "mod_proxy_uwsgi.c",
    ident: "proxy_uwsgi_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("uwsgi", &Uwsgi);
}

struct Uwsgi;

/// Fields that are for one connection.
const HOP_BY_HOP: [&str; 7] =
    ["Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Transfer-Encoding", "Upgrade"];
/// Longest line of a response's head, and octets of it at most.
const LONGEST_LINE: usize = 8192;
const LARGEST_HEAD: usize = 1 << 20;

fn ours(url: &[u8]) -> bool {
    url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"uwsgi:"))
}

impl ProxyScheme for Uwsgi {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        if !ours(url) {
            return Answer::Declined;
        }
        let rest = url.get(6..).unwrap_or_default().to_vec();
        match mod_proxy::script_path(r, "uwsgi".into(), &rest, "proxy_uwsgi", ["10097", "10417"]) {
            Ok(_) => Answer::Ok,
            Err(answer) => answer,
        }
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        if ours(&call.url) { Box::pin(run(r, call)) } else { crate::module::declined() }
    }
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let Some((host, port)) = mod_proxy::target_of(call) else {
        return mod_proxy::proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    // The path is decoded where it stands: file name and PATH_INFO both show it so.
    let path = mod_proxy::split_url(&call.url).map(|(_, _, path)| path.to_vec()).unwrap_or_default();
    let start = r.filename.len().saturating_sub(path.len());
    let mut info = path;
    if escape::unescape_url(&mut info, escape::Slashes::Keep).is_err() {
        let text = format_args!("AH10100: unable to decode uwsgi uri: {}", call.url);
        r.log(Level::Error, "proxy_uwsgi", text);
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    r.filename.truncate(start);
    r.filename.extend_from_slice(&info);
    if !info.starts_with(b"/") {
        info.insert(0, b'/');
    }
    r.env.set("PATH_INFO", info);
    if let Some(answer) = mod_proxy::needs_length(r) {
        return answer;
    }
    let failed = |r: &Request| {
        let text = format_args!("AH10101: failed to make connection to backend: {host}:{port}");
        r.log(Level::Error, "proxy_uwsgi", text);
    };
    let backend = match mod_proxy::backend(r, call, host.as_bstr(), port, failed).await {
        Ok(backend) => backend,
        Err(answer) => return answer,
    };
    let mut wire = Wire::new(backend, patience(r, call.worker.as_deref()));
    let Some(out) = variables(r).await else {
        let text = format_args!("AH10259: can't send headers to {host}:{port}: packet size too large");
        r.log(Level::Error, "proxy_uwsgi", text);
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    };
    if let Err(answer) = mod_proxy::send_with_body(r, &mut wire, out).await {
        return answer.unwrap_or_else(|| {
            r.log(Level::Error, "proxy_uwsgi", format_args!("AH10098: sending data to {host}:{port} failed"));
            Answer::Status(Status::SERVICE_UNAVAILABLE)
        });
    }
    response(r, wire).await
}

/// The packet of variables; None where they are too many.
async fn variables(r: &mut Request) -> Option<Vec<u8>> {
    cgi::common_env(r);
    cgi::cgi_env(r).await;
    r.env.set("SCRIPT_FILENAME", r.filename.clone());
    if let Some(credentials) = r.headers_in.get("Authorization").map(BString::from) {
        r.env.set("HTTP_AUTHORIZATION", credentials);
    }
    let name = r.env.get("SCRIPT_NAME").map(BString::from).unwrap_or_default();
    let info = r.env.get("PATH_INFO").map(BString::from).unwrap_or_default();
    if let Some(script) = name.strip_suffix(info.as_slice()).filter(|_| info != "/") {
        r.env.set("SCRIPT_NAME", script);
    }
    let mut block = Vec::new();
    for (name, value) in r.env.iter() {
        for text in [name, value] {
            block.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
            block.extend_from_slice(text);
        }
    }
    let length = u16::try_from(block.len()).ok()?.to_le_bytes();
    let mut out = vec![0, length[0], length[1], 0];
    out.extend_from_slice(&block);
    Some(out)
}

async fn response(r: &mut Request, mut wire: Wire) -> Answer {
    const FAILED: Answer = Answer::Status(Status::BAD_GATEWAY);
    let line = match wire.line(LONGEST_LINE).await {
        Ok(Line::Whole(line)) if !line.contains(&0) => line,
        // Who says nothing at all is at fault in another way.
        _ => return Answer::Status(Status::INTERNAL_SERVER_ERROR),
    };
    let digits = |from: usize| line.get(from..from + 3).filter(|code| code.iter().all(u8::is_ascii_digit));
    let begins = line.starts_with(b"HTTP/");
    let at = match (line.get(6), line.get(8)) {
        (Some(b'.'), Some(b' ')) if begins => 9,
        (Some(b' '), _) if begins => 7,
        _ => return FAILED,
    };
    let Some(code) = digits(at).and_then(|code| code.to_str().ok()?.parse().ok()) else { return FAILED };
    r.status = Status(code);
    let mut text = BString::from(line.get(at..).unwrap_or_default());
    if text.len() == 3 {
        text.push(b' ');
    }
    r.status_line = Some(text);
    let mut held = 0;
    while let Some(line) = field_line(&mut wire).await {
        if line.is_empty() {
            return answer(r, wire);
        }
        held += line.len();
        let Some((name, value)) = line.split_once_str(":") else { return FAILED };
        let value = value.trim_ascii();
        let unfit = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if held > LARGEST_HEAD || !name.iter().all(|byte| is_token(*byte)) || value.iter().any(unfit) {
            return FAILED;
        }
        r.headers_out.add(name, value);
    }
    FAILED
}

/// The next line of a head, with those that go on with it; None where there is none.
async fn field_line(wire: &mut Wire) -> Option<Vec<u8>> {
    let Ok(Line::Whole(mut line)) = wire.line(LONGEST_LINE).await else { return None };
    while !line.is_empty() && wire.continues().await.ok()? {
        let Ok(Line::Whole(more)) = wire.line(LONGEST_LINE).await else { return None };
        line.extend_from_slice(&more);
        if line.len() > LONGEST_LINE {
            return None;
        }
    }
    Some(line)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The head is read: what becomes of it, and of what follows.
fn answer(r: &mut Request, wire: Wire) -> Answer {
    if let Some(kind) = r.headers_out.get("Content-Type").map(BString::from) {
        r.set_content_type(kind);
    }
    let dir = r.dir.clone();
    if dir.settings.of::<ProxyDir>().overrides(r.status.0) {
        let status = std::mem::replace(&mut r.status, Status::OK);
        r.status_line = None;
        return Answer::Status(status);
    }
    for name in HOP_BY_HOP {
        r.headers_out.unset(name);
    }
    r.body_out = match r.header_only {
        true => Body::Empty,
        false => mod_proxy::script_body(Box::new(Quiet(Plain::new(wire))), Vec::new()),
    };
    Answer::Ok
}

/// Nothing is said of bodies that break off.
struct Quiet(Plain);

impl Octets for Quiet {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, io::Result<Option<Bytes>>> {
        self.0.next(r)
    }
    fn release(self: Box<Self>) {}
    fn measurable(&self) -> bool {
        true
    }
    fn broken(&self, _: &Request, _: &io::Error) {}
}
