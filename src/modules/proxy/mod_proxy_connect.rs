//! mod_proxy_connect: tunnels for CONNECT, through a forward proxy.
//!
//! Offers a [`ProxyScheme`] for the method CONNECT. AllowCONNECT says to which ports; without it to 443 and 563.
//!
//! Differences: a tunnel holds no thread. Manual: mod/mod_proxy_connect.html.

use super::mod_proxy::{self, Call, ProxyScheme, Wire, blocked, patience, proxy_error};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module, declined};
use crate::request::{MethodNumber, Request, Status};
use bstr::{BStr, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_proxy_connect.c",
    ident: "proxy_connect_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<ConnectServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[iterate(
    "AllowCONNECT",
    SERVER,
    NO_OVERRIDE,
    allow,
    "A list of ports or port ranges which CONNECT may connect to",
)];

/// Settings of a server.
#[derive(Clone, Default)]
pub struct ConnectServer {
    /// First and last ports.
    ports: Vec<(i64, i64)>,
}

impl Settings for ConnectServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        ConnectServer { ports: [&base.ports[..], &add.ports[..]].concat() }
    }
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("connect", &Connect);
}

fn allow(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if !word.first().is_some_and(u8::is_ascii_digit) {
        return Err("AllowCONNECT: port numbers must be numeric".into());
    }
    let cut = |text: &[u8]| text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = word.split_at(cut(word));
    let first = atoi(digits);
    let last = match rest.strip_prefix(b"-") {
        None if rest.is_empty() => first,
        None => return Err(format!("Cannot parse '{}' as port number", raw(rest)).into()),
        Some(rest) => {
            let (digits, tail) = rest.split_at(cut(rest));
            if digits.is_empty() || !tail.is_empty() {
                return Err(format!("Cannot parse '{}' as port number", raw(tail)).into());
            }
            atoi(digits)
        }
    };
    cx.server::<ConnectServer>().ports.push((first, last));
    Ok(())
}

struct Connect;

impl ProxyScheme for Connect {
    fn canonical(&self, r: &mut Request, _: &BStr) -> Answer {
        if r.method.is(MethodNumber::CONNECT) { Answer::Ok } else { Answer::Declined }
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        if r.method.is(MethodNumber::CONNECT) { Box::pin(run(r, call)) } else { declined() }
    }
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let Some((host, Some(port))) = mod_proxy::split_authority(&call.url) else {
        return proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    let remote = call.remote.as_ref().map(|remote| (remote.host.clone(), remote.port));
    let (name, at) = remote.clone().unwrap_or_else(|| (host.clone(), port));
    r.log(Level::Debug, "proxy_connect", format_args!("AH01019: connecting {} to {host}:{port}", raw(&call.url)));
    // As in Apache the name is looked up before anything is forbidden.
    if mod_proxy::addresses(None, &name).await.is_empty() {
        let why = format!("DNS lookup failure for: {name}");
        let text = format_args!("AH02327: failed to resolve hostname '{}'", raw(&name));
        r.log_errno(Level::Error, "proxy_connect", crate::log::EAI_NONAME, text);
        return proxy_error(r, Status::BAD_GATEWAY, &why);
    }
    if let Some(answer) = blocked(r, &host) {
        return answer;
    }
    let ports = &r.server::<ConnectServer>().ports;
    let port_number = i64::from(port);
    let allowed = match ports.is_empty() {
        true => port == 443 || port == 563,
        false => ports.iter().any(|(first, last)| (*first..=*last).contains(&port_number)),
    };
    if !allowed {
        return proxy_error(r, Status::FORBIDDEN, "Connect to remote machine blocked");
    }
    let declines = remote.is_some();
    let backend = match mod_proxy::reach(r, name.as_bstr(), at).await {
        Some(backend) => backend,
        None if declines => return Answer::Declined,
        None => return Answer::Status(Status::SERVICE_UNAVAILABLE),
    };
    let span = patience(r, None);
    let mut wire = Wire::new(backend, span);
    let banner = identity::server_banner();
    let started = match declines {
        true => {
            let text = format!("CONNECT {} HTTP/1.0\r\nProxy-agent: {banner}\r\n\r\n", raw(&call.url));
            wire.send(text.as_bytes()).await
        }
        false => {
            let text = format!("HTTP/1.0 200 Connection Established\r\nProxy-agent: {banner}\r\n\r\n");
            mod_proxy::say(r, text.as_bytes()).await
        }
    };
    if started.is_err() {
        return Answer::Status(Status::BAD_GATEWAY);
    }
    mod_proxy::tunnel(r, wire, span);
    Answer::Done
}
