//! The module contract: one record per module, hooks in Apache's order, providers, filters.

pub mod cache;
mod defined;
mod hooks;
mod http2;
mod provider;
mod session;
mod slotmem;
mod socache;

pub use cache::{CacheControl, CacheEntity, CacheInfo, CacheStorage};
pub use defined::*;
pub use hooks::*;
pub use http2::*;
pub use provider::*;
pub use session::*;
pub use slotmem::*;
pub use socache::*;

use crate::config::{Commands, Directive, Registered, SettingsKind};

/// How a module gets into the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linked {
    /// Always there (`-l` lists it).
    Static,
    /// Switched on by `LoadModule`.
    Loadable,
}

/// A module's record: one static in its file, listed in the registry.
pub struct Module {
    /// `mod_alias.c`: for `<IfModule>`, `-l`, before/after lists.
    pub name: &'static str,
    /// `alias_module`: for `LoadModule`, `<IfModule>`, `-M`.
    pub ident: &'static str,
    pub linked: Linked,
    pub directives: &'static [&'static [Directive]],
    pub server: Option<SettingsKind>,
    pub dir: Option<SettingsKind>,
    /// Registers hooks, filters and providers; run once per reading of the configuration if the module is loaded.
    pub hooks: fn(&mut Hooks),
}

impl Registered for Module {
    fn name(&self) -> &'static str {
        self.name
    }
    fn ident(&self) -> &'static str {
        self.ident
    }
    fn is_static(&self) -> bool {
        self.linked == Linked::Static
    }
    fn directives(&self) -> &'static [&'static [Directive]] {
        self.directives
    }
    fn server_settings(&self) -> Option<SettingsKind> {
        self.server
    }
    fn dir_settings(&self) -> Option<SettingsKind> {
        self.dir
    }
}

/// The registry as the configuration takes it.
pub fn registered(registry: &[&'static Module]) -> Vec<&'static dyn Registered> {
    registry.iter().map(|module| *module as &'static dyn Registered).collect()
}

/// The hooks of the loaded modules, in the order of loading.
pub fn hooks(registry: &[&'static Module], loaded: &Commands) -> Hooks {
    let mut hooks = Hooks::default();
    for module in loaded.modules() {
        if let Some(module) = registry.iter().copied().find(|known| known.ident == module.ident()) {
            hooks.enter(module);
            (module.hooks)(&mut hooks);
        }
    }
    hooks
}
