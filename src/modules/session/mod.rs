//! Sessions of visitors.

pub mod mod_session;
pub mod mod_session_cookie;
pub mod mod_session_crypto;
