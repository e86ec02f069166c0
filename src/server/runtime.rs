//! What a child runs on: the compiled phases of its configuration. Set once, before the first connection.

use crate::config::{Configuration, Server};
use crate::module::{Chains, ConnectionProtocol, Dump, Http2, ProxyHeader, ReadTimeouts, Satisfy, Tls};
use crate::request::{Connection, ReadLimits, Request};
use bstr::{BStr, BString};
use parking_lot::Mutex;
use std::sync::OnceLock;

struct Runtime {
    chains: Chains,
    satisfy: Option<&'static dyn Satisfy>,
    timeouts: Option<&'static dyn ReadTimeouts>,
    proxy_header: Option<&'static dyn ProxyHeader>,
    tls: Option<&'static dyn Tls>,
    protocol: Option<&'static dyn ConnectionProtocol>,
    dump: Option<&'static dyn Dump>,
    http2: Option<&'static dyn Http2>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Installs the phases; a second call is without effect.
pub fn install(chains: Chains, configuration: &'static Configuration) {
    let satisfy = configuration.providers.find::<dyn Satisfy>(b"satisfy");
    let timeouts = configuration.providers.find::<dyn ReadTimeouts>(b"reqtimeout");
    let proxy_header = configuration.providers.find::<dyn ProxyHeader>(b"proxy-protocol");
    let tls = configuration.providers.find::<dyn Tls>(b"tls");
    let protocol = configuration.providers.find::<dyn ConnectionProtocol>(b"echo");
    let dump = configuration.providers.find::<dyn Dump>(b"dumpio");
    let http2 = configuration.providers.find::<dyn Http2>(b"http2");
    let _ = RUNTIME.set(Runtime { chains, satisfy, timeouts, proxy_header, tls, protocol, dump, http2 });
}

/// What the parent does when the server ends.
static AT_END: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Has the parent run this once the server has ended.
pub fn at_end(run: fn()) {
    let mut all = AT_END.lock();
    if !all.iter().any(|known| std::ptr::fn_addr_eq(*known, run)) {
        all.push(run);
    }
}

/// The server has ended.
pub fn end() {
    for run in std::mem::take(&mut *AT_END.lock()) {
        run();
    }
}

/// The phases; all empty before [`install`].
pub fn chains() -> &'static Chains {
    static EMPTY: OnceLock<Chains> = OnceLock::new();
    match RUNTIME.get() {
        Some(runtime) => &runtime.chains,
        None => EMPTY.get_or_init(Chains::default),
    }
}

/// Who decides between Satisfy All and Any, if any module does.
pub(super) fn satisfy() -> Option<&'static dyn Satisfy> {
    RUNTIME.get()?.satisfy
}

/// What bounds the reading of requests on a server's connections: nothing, unless a module says.
pub fn read_limits(server: &Server) -> ReadLimits {
    let timeouts = RUNTIME.get().and_then(|runtime| runtime.timeouts);
    timeouts.map(|timeouts| timeouts.limits(server)).unwrap_or_default()
}

/// Who reads what must stand before the first request of the connection, if anything must.
pub fn proxy_header(connection: &Connection, configuration: &Configuration) -> Option<&'static dyn ProxyHeader> {
    let reader = RUNTIME.get()?.proxy_header?;
    reader.expected(connection, configuration).then_some(reader)
}

/// Who secures the connections of a server, if they are to be secured.
pub fn tls(server: &Server) -> Option<&'static dyn Tls> {
    RUNTIME.get()?.tls.filter(|tls| tls.secures(server))
}

/// What a server's connections speak instead of HTTP, if anything.
pub fn protocol(server: &Server) -> Option<&'static dyn ConnectionProtocol> {
    RUNTIME.get()?.protocol.filter(|protocol| protocol.takes(server))
}

/// Who is to be told what comes in, and what goes out, on a connection.
pub fn dump(connection: &Connection) -> (Option<&'static dyn Dump>, Option<&'static dyn Dump>) {
    let Some(dump) = RUNTIME.get().and_then(|runtime| runtime.dump) else { return (None, None) };
    let (incoming, outgoing) = dump.wants(connection);
    (incoming.then_some(dump), outgoing.then_some(dump))
}

/// The value of a variable of secured connections (`SSL_PROTOCOL`), or of anything else that mod_ssl looks up.
pub fn tls_variable(r: &Request, name: &BStr) -> Option<BString> {
    RUNTIME.get()?.tls?.variable(r, name)
}

/// What HTTP/2 connections are to be like, where they are spoken at all.
pub fn http2() -> Option<&'static dyn Http2> {
    RUNTIME.get()?.http2
}
