//! What a child runs on: the compiled phases of its configuration. Set once, before the first connection.

use crate::config::{Configuration, Server};
use crate::module::{Chains, ProxyHeader, ReadTimeouts, Satisfy};
use crate::request::{Connection, ReadLimits};
use std::sync::OnceLock;

struct Runtime {
    chains: Chains,
    satisfy: Option<&'static dyn Satisfy>,
    timeouts: Option<&'static dyn ReadTimeouts>,
    proxy_header: Option<&'static dyn ProxyHeader>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Installs the phases; a second call is without effect.
pub fn install(chains: Chains, configuration: &'static Configuration) {
    let satisfy = configuration.providers.find::<dyn Satisfy>(b"satisfy");
    let timeouts = configuration.providers.find::<dyn ReadTimeouts>(b"reqtimeout");
    let proxy_header = configuration.providers.find::<dyn ProxyHeader>(b"proxy-protocol");
    let _ = RUNTIME.set(Runtime { chains, satisfy, timeouts, proxy_header });
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
