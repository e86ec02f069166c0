//! Handlers that make a response of their own.

pub mod mod_asis;
pub mod mod_autoindex;
pub mod mod_cgi;
pub mod mod_cgid;
pub mod mod_echo;
pub mod mod_imagemap;
pub mod mod_info;
pub mod mod_reflector;
pub mod mod_status;
