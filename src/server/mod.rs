//! What holds for any protocol: phases, walks, virtual-host choice, subrequests, redirects, error documents.

mod auth;
pub mod cgi;
pub mod conditional;
pub mod date;
pub mod dbm;
mod default_handler;
pub mod disk_cache;
pub mod error_page;
pub mod escape;
pub mod expression;
mod file;
mod host;
mod logs;
mod methods;
mod mpm;
mod name;
mod open_files;
mod phases;
pub mod protocols;
mod redirect;
mod runtime;
pub mod sdbm;
mod settle;
mod subrequest;
pub mod uri;
pub mod vhost;
mod walk;

pub use auth::*;
pub use default_handler::{add_input_filter, add_output_filter, core_hooks, output_filter, translate_below_root};
pub use file::*;
pub use host::*;
pub use logs::*;
pub use methods::*;
pub use mpm::*;
pub use name::*;
pub use phases::{apply_network_filters, insert_error_filters, insert_filters};
pub use redirect::{fast_redirect, internal_redirect, internal_redirect_handler, internal_redirect_with_vary, vary};
pub use runtime::{at_end, chains, dump, end, http2, install, protocol, proxy_header, read_limits, tls, tls_variable};
pub use settle::{Again, die, handle};
pub(crate) use settle::{attribute_answer, process, settle};
pub use subrequest::*;
pub use vhost::base_server;
pub(crate) use walk::memo::defaults;
pub use walk::{allowed_options, proxy_walk, same_sections};

use crate::request::Request;

/// Runs the loggers, once the response is on its way.
pub async fn log_transaction(r: &mut Request) {
    let mut each = Some(&mut *r);
    while let Some(request) = each {
        request.forget_handler_by_type();
        each = request.prev.as_deref_mut();
    }
    phases::run_all(&chains().log_transaction, r).await;
}
