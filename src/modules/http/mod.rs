//! What a file is to HTTP: media types.

pub mod mod_mime;
