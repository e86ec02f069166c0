//! Handlers that make a response of their own.

pub mod mod_autoindex;
pub mod mod_status;
