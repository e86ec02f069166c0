//! TLS.

pub mod mod_ssl;
