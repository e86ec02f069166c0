//! mod_proxy_http: backends that speak HTTP/1, over TCP and Unix sockets.
//!
//! Offers a [`ProxyScheme`]. The request's head and body go out whole (`send.rs`), then the head of the response is read
//! (`head.rs`); its body is a stream that is pulled as fast as the client takes it (`body.rs`). No thread waits for a
//! backend, and of a body there is never more in memory than one buffer.
//!
//! Environment: force-proxy-request-1.0, proxy-nokeepalive, proxy-initial-not-pooled, proxy-sendcl, proxy-sendchunked,
//! proxy-interim-response, proxy-chain-auth.
//! Manual: mod/mod_proxy_http.html.

mod body;
mod head;
mod send;

use super::mod_proxy::{
    self, Call, ProxyScheme, Unsecured, Wire, blocked, default_port, patience, proxy_error, split_authority, split_url,
};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, Module};
use crate::request::{Body, Request, Status};
use bstr::{BStr, BString, ByteSlice};
use send::Failure;
use std::sync::atomic::Ordering;

pub static MODULE: Module = Module {
    name: "mod_proxy_http.c",
    ident: "proxy_http_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("http", &Http);
}

struct Http;

impl ProxyScheme for Http {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        let Some((scheme, rest)) = url.split_once_str(":") else { return Answer::Declined };
        let scheme = BString::from(scheme.to_ascii_lowercase());
        if !["http", "https", "ws", "wss"].iter().any(|known| scheme == *known) {
            return Answer::Declined;
        }
        let rest = rest.to_vec();
        mod_proxy::canonical(r, scheme.as_bstr(), &rest, "proxy_http", ["01083", "10415", "10408"])
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        let scheme = call.url.split(|byte| *byte == b':').next().unwrap_or_default();
        let own = scheme.eq_ignore_ascii_case(b"http")
            || scheme.eq_ignore_ascii_case(b"ws")
            || mod_proxy::is_secure(&call.url) && call.remote.is_none();
        // Another proxy may know what we do not.
        match own || call.remote.is_some() && scheme.eq_ignore_ascii_case(b"ftp") {
            true => Box::pin(run(r, call)),
            false => crate::module::declined(),
        }
    }
}

/// Where the request goes, and what its request line says.
struct Target {
    host: BString,
    port: u16,
    path: BString,
}

fn target(call: &Call) -> Option<Target> {
    let (scheme, authority, rest) = split_url(&call.url)?;
    let (host, port) = split_authority(authority)?;
    let path = match rest.first() {
        Some(b'/') => rest.into(),
        _ => [b"/", rest.as_bytes()].concat().into(),
    };
    Some(Target { host, port: port.unwrap_or_else(|| default_port(scheme)), path })
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let Some(target) = target(call) else {
        return proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    // A name that nobody knows is told of first.
    if mod_proxy::blocks(r)
        && !mod_proxy::addresses(call.worker.as_ref(), &target.host).await.is_empty()
        && let Some(answer) = blocked(r, &target.host)
    {
        return answer;
    }
    // Where another member of a balancer was asked in vain, the beginning is read already.
    let body = match r.extensions.take::<send::Outgoing>() {
        Some(body) => body,
        None => match send::look_at_body(r, call).await {
            Ok(body) => body,
            Err(answer) => return answer,
        },
    };
    let host = call.remote.as_ref().map_or(&target.host, |remote| &remote.host).clone();
    let failed = |r: &Request| {
        let text = format_args!("AH01114: HTTP: failed to make connection to backend: {host}");
        r.log(Level::Error, "proxy_http", text);
    };
    let mut backend = match mod_proxy::backend(r, call, target.host.as_bstr(), target.port, failed).await {
        Ok(backend) => backend,
        Err(answer) => {
            if call.busy.is_some() {
                r.extensions.put(body);
            }
            return answer;
        }
    };
    let patience = patience(r, call.worker.as_deref());
    match mod_proxy::secure(r, call, &mut backend, host.as_bstr(), patience).await {
        Ok(()) => {}
        Err(Unsecured::Off(answer)) => return answer,
        Err(Unsecured::Failed(answer)) => {
            let name = backend.stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            let client = r.connection.client_ip.clone();
            let text = format_args!("AH01097: pass request body failed to {name} ({host}) from {client} ()");
            r.log(Level::Error, "proxy_http", text);
            return answer;
        }
    }
    let mut wire = Wire::new(backend, patience);
    let sent = match send::request(r, call, &target, body, &mut wire).await {
        Ok(sent) => sent,
        Err(Failure::Answer(answer)) => return answer,
        Err(Failure::Backend(error)) => {
            let name = wire.backend.stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            let (who, client) = (host.as_bstr(), r.connection.client_ip.clone());
            let text = format_args!("AH01097: pass request body failed to {name} ({who}) from {client} ()");
            r.log_errno(Level::Error, "proxy_http", errno(&error), text);
            return Answer::Status(if error.kind() == std::io::ErrorKind::TimedOut {
                Status::GATEWAY_TIME_OUT
            } else {
                Status::BAD_GATEWAY
            });
        }
    };
    head::response(r, call, &target, sent, wire).await
}

/// APR's number for a failure that has none.
const GENERAL: i32 = 20_014;

/// An error's number for the log, as APR has it.
fn errno(error: &std::io::Error) -> i32 {
    match error.kind() {
        std::io::ErrorKind::TimedOut => 70_007,
        std::io::ErrorKind::UnexpectedEof => 70_014,
        _ => error.raw_os_error().unwrap_or(0),
    }
}

/// Ends the client's connection without a response, so that it may ask again on another.
fn vanish(r: &mut Request) -> Answer {
    r.connection.aborted.store(true, Ordering::Relaxed);
    r.keep_alive = Some(false);
    r.simple = true;
    r.status = Status::BAD_GATEWAY;
    r.body_out = Body::Empty;
    Answer::Done
}
