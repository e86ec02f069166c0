//! What a child runs on: the compiled phases of its configuration. Set once, before the first connection.

use crate::config::{Configuration, Server};
use crate::module::{Chains, ReadTimeouts, Satisfy};
use crate::request::ReadLimits;
use std::sync::OnceLock;

struct Runtime {
    chains: Chains,
    satisfy: Option<&'static dyn Satisfy>,
    timeouts: Option<&'static dyn ReadTimeouts>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Installs the phases; a second call is without effect.
pub fn install(chains: Chains, configuration: &'static Configuration) {
    let satisfy = configuration.providers.find::<dyn Satisfy>(b"satisfy");
    let timeouts = configuration.providers.find::<dyn ReadTimeouts>(b"reqtimeout");
    let _ = RUNTIME.set(Runtime { chains, satisfy, timeouts });
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
