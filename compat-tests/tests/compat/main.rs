//! The same cases against Debian's apache2 and Pinion. One file a family; the module families are named after the module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod config;
mod http1;
mod mod_alias;
