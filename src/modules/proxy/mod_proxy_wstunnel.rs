//! mod_proxy_wstunnel: WebSockets. By default mod_proxy_http serves `ws:` URLs and upgrades; with
//! ProxyWebsocketFallbackToProxyHttp off, this module passes the request on and joins the two connections at once.
//!
//! Offers a [`ProxyScheme`] for `ws:` and `wss:`. Differences: a tunnel holds no thread.
//! Manual: mod/mod_proxy_wstunnel.html.

use super::mod_proxy::{self, Call, ProxyScheme, Unsecured, Wire, patience, proxy_error};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module, declined};
use crate::request::{Request, Status};
use bstr::{BStr, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_proxy_wstunnel.c",
    ident: "proxy_wstunnel_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<WsDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[flag(
    "ProxyWebsocketFallbackToProxyHttp",
    SERVER.and(DIRECTORY),
    NO_OVERRIDE,
    |cx, on| {
        cx.dir::<WsDir>().falls_back = Some(on);
        Ok(())
    },
    "whether to let mod_proxy_http handle the upgrade and tunneling, On by default",
)];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct WsDir {
    falls_back: Option<bool>,
}

impl Settings for WsDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        WsDir { falls_back: add.falls_back.or(base.falls_back) }
    }
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("wstunnel", &WsTunnel);
}

struct WsTunnel;

fn ours(r: &Request, url: &[u8]) -> bool {
    let falls_back =
        r.dir::<WsDir>().falls_back != Some(false) && r.configuration.process.has_module("proxy_http_module");
    !falls_back && scheme(url).is_some()
}

/// The scheme, if it is one of ours.
fn scheme(url: &[u8]) -> Option<&'static str> {
    ["ws", "wss"].into_iter().find(|name| {
        url.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            && url.get(name.len()) == Some(&b':')
    })
}

impl ProxyScheme for WsTunnel {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        let Some(scheme) = scheme(url).filter(|_| ours(r, url)) else { return Answer::Declined };
        let rest = url.get(scheme.len() + 1..).unwrap_or_default().to_vec();
        mod_proxy::canonical(r, BStr::new(scheme), &rest, "proxy_wstunnel", ["02439", "10419", "10409"])
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        if ours(r, &call.url) { Box::pin(run(r, call)) } else { declined() }
    }
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let expected = call.worker.as_ref().and_then(|worker| worker.parameters.upgrade.clone());
    let expected = expected.unwrap_or_else(|| "WebSocket".into());
    if expected != "NONE" {
        let asked = r.headers_in.get("Upgrade");
        let fits = expected == "ANY" || asked.is_some_and(|asked| asked.eq_ignore_ascii_case(&expected));
        if !fits {
            let asked = asked.map_or("none".into(), |asked| raw(asked).to_string());
            let text = format_args!(
                "AH02900: require upgrade for URL {} (Upgrade header is {asked}, expecting {expected})",
                raw(&r.uri)
            );
            r.log(Level::Info, "proxy_wstunnel", text);
            return Answer::Status(Status::NOT_FOUND);
        }
    }
    let (Some((host, port)), Some((_, authority, path))) =
        (mod_proxy::target_of(call), mod_proxy::split_url(&call.url))
    else {
        return proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    let failed = |r: &Request| {
        let text = format_args!("AH02452: failed to make connection to backend: {host}");
        r.log(Level::Error, "proxy_wstunnel", text);
    };
    let mut backend = match mod_proxy::backend(r, call, host.as_bstr(), port, failed).await {
        Ok(backend) => backend,
        Err(answer) => return answer,
    };
    let mut out = [r.method.name.as_bytes(), b" ", path, b" HTTP/1.1\r\n"].concat();
    let authority = authority.to_owned();
    mod_proxy::prepare(r, authority.as_bstr(), false, &mut out);
    if expected == "ANY" || expected == "NONE" {
        for name in ["Upgrade", "Connection"] {
            if let Some(value) = r.headers_in.get(name) {
                out.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
    } else {
        out.extend_from_slice(format!("Upgrade: {expected}\r\nConnection: Upgrade\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    let span = patience(r, call.worker.as_deref());
    match mod_proxy::secure(r, call, &mut backend, host.as_bstr(), span).await {
        Ok(()) => {}
        Err(Unsecured::Off(answer) | Unsecured::Failed(answer)) => return answer,
    }
    let mut wire = Wire::new(backend, span);
    if wire.send(&out).await.is_err() {
        return Answer::Status(Status::SERVICE_UNAVAILABLE);
    }
    mod_proxy::tunnel(r, wire, span);
    Answer::Done
}
