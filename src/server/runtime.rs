//! What a child runs on: the compiled phases of its configuration. Set once, before the first connection.

use crate::config::Configuration;
use crate::module::{Chains, Satisfy};
use std::sync::OnceLock;

struct Runtime {
    chains: Chains,
    satisfy: Option<&'static dyn Satisfy>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Installs the phases; a second call is without effect.
pub fn install(chains: Chains, configuration: &'static Configuration) {
    let satisfy = configuration.providers.find::<dyn Satisfy>(b"satisfy");
    let _ = RUNTIME.set(Runtime { chains, satisfy });
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
