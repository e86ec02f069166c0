//! Every native module, by Apache's own categories.

pub mod arch;
pub mod core;
pub mod generators;
pub mod http;
pub mod loggers;
pub mod mappers;
pub mod mpm;

use crate::module::Module;

/// All modules: those linked in first, in the order of `httpd -l`, then those that LoadModule switches on.
pub static REGISTRY: &[&Module] = &[
    &core::core::MODULE,
    &core::mod_so::MODULE,
    &core::mod_watchdog::MODULE,
    &http::http_core::MODULE,
    &loggers::mod_log_config::MODULE,
    &loggers::mod_logio::MODULE,
    &core::mod_version::MODULE,
    &arch::mod_unixd::MODULE,
    &mpm::event::MODULE,
    &mpm::worker::MODULE,
    &mpm::prefork::MODULE,
    &core::mod_macro::MODULE,
    &generators::mod_autoindex::MODULE,
    &http::mod_mime::MODULE,
    &mappers::mod_alias::MODULE,
    &mappers::mod_dir::MODULE,
];
