//! The module contract: one record per module, hooks in Apache's order, providers, filters.

mod hooks;
mod provider;

pub use hooks::*;
pub use provider::*;

use crate::config::{Directive, SettingsKind};

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

impl Module {
    /// Name in `LogLevel` and log lines: `mod_alias.c` is `alias`.
    pub fn log_name(&self) -> &'static str {
        let name = self.name.strip_suffix(".c").unwrap_or(self.name);
        name.strip_prefix("mod_").unwrap_or(name)
    }
}
