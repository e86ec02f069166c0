//! The HTTP core, and what a file is to HTTP: media types.

pub mod http_core;
pub mod mod_mime;
