//! The same cases against Debian's apache2 and Pinion. One file a family; the module families are named after the module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;
mod config;
mod core;
mod http1;
mod http1_hosts;
mod http1_odd;
mod mod_access_compat;
mod mod_alias;
mod mod_auth_basic;
mod mod_authn_core;
mod mod_authn_file;
mod mod_authz_core;
mod mod_authz_host;
mod mod_authz_user;
mod mod_autoindex;
mod mod_deflate;
mod mod_dir;
mod mod_env;
mod mod_filter;
mod mod_log_config;
mod mod_logio;
mod mod_macro;
mod mod_mime;
mod mod_negotiation;
mod mod_reqtimeout;
mod mod_setenvif;
mod mod_so;
mod mod_status;
mod mod_systemd;
mod mod_unixd;
mod mod_version;
mod mod_watchdog;
mod process;
mod stock;
mod support;
