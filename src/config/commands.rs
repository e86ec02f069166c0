//! The modules that are loaded and the directives they understand.

use super::{Directive, Kinds, MpmKind, SettingsKind};
use std::collections::HashMap;

/// A module as the configuration sees it. `crate::module::Module` is one; only the command line knows them all.
pub trait Registered: Sync {
    /// `mod_alias.c`.
    fn name(&self) -> &'static str;
    /// `alias_module`.
    fn ident(&self) -> &'static str;
    /// Linked in: there without `LoadModule`.
    fn is_static(&self) -> bool;
    fn directives(&self) -> &'static [&'static [Directive]];
    fn server_settings(&self) -> Option<SettingsKind>;
    fn dir_settings(&self) -> Option<SettingsKind>;

    /// Name of the shared object that Apache has the module in: `mod_alias.so`.
    fn file_name(&self) -> String {
        format!("mod_{}.so", self.ident().strip_suffix("_module").unwrap_or(self.ident()))
    }
    /// Which MPM this is, if any.
    fn mpm(&self) -> Option<MpmKind> {
        match self.ident() {
            "mpm_prefork_module" => Some(MpmKind::Prefork),
            "mpm_worker_module" => Some(MpmKind::Worker),
            "mpm_event_module" => Some(MpmKind::Event),
            _ => None,
        }
    }
    /// Name in log lines: `alias_module` is `alias`.
    fn log_name(&self) -> &'static str {
        self.ident().strip_suffix("_module").unwrap_or(self.ident())
    }
}

/// A directive's row with the module that owns it.
#[derive(Clone, Copy)]
pub struct Row {
    pub directive: &'static Directive,
    pub module: &'static dyn Registered,
}

/// The loaded modules in the order of loading, and all their rows by name.
#[derive(Clone, Default)]
pub struct Commands {
    modules: Vec<&'static dyn Registered>,
    /// By lower-case name; the module loaded last comes first, as in Apache.
    rows: HashMap<Vec<u8>, Vec<Row>>,
}

impl Commands {
    /// Adds a module.
    pub fn add(&mut self, module: &'static dyn Registered) {
        self.modules.push(module);
        for directive in module.directives().iter().copied().flatten() {
            let rows = self.rows.entry(directive.name.to_ascii_lowercase().into_bytes()).or_default();
            rows.insert(0, Row { directive, module });
        }
    }
    /// The rows of that name (a section's with its `<`), any case.
    pub fn find(&self, name: &[u8]) -> &[Row] {
        self.rows.get(&name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }
    /// Loaded modules in the order of loading.
    pub fn modules(&self) -> &[&'static dyn Registered] {
        &self.modules
    }
    /// The loaded module of that file name or identifier, to the letter.
    pub fn module(&self, name: &[u8]) -> Option<&'static dyn Registered> {
        self.modules.iter().copied().find(|m| m.name().as_bytes() == name || m.ident().as_bytes() == name)
    }
    /// What merges need to know of the loaded modules' settings.
    pub fn kinds(&self) -> Kinds {
        let mut kinds = Kinds::default();
        for module in &self.modules {
            for kind in [module.server_settings(), module.dir_settings()].into_iter().flatten() {
                kinds.register(kind);
            }
        }
        kinds
    }
}
