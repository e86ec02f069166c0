//! The core and its helpers (Apache's `modules/core` and `server`).

// Named after the record, as every module.
#[allow(clippy::module_inception)]
pub mod core;
pub mod mod_macro;
pub mod mod_so;
pub mod mod_version;
pub mod mod_watchdog;
