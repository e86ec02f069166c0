//! mod_proxy: which requests go to a backend, and what all protocols to backends have in common.
//!
//! Hooks: `post_read_request`, first: a forward proxy's requests; `pre_translate_name` and `translate_name`, first:
//! ProxyPass; `map_to_storage`, first: `<Proxy>` in the place of directories; `fixups`, first: the URL in one form;
//! `handler`, first: the call itself, which a protocol's module makes ([`ProxyScheme`]).
//!
//! `settings.rs` and `rows.rs` are the directives, `pass.rs` those that make workers, `worker.rs` and `parameters.rs` the
//! workers, `pool.rs` their connections, `translate.rs` the mapping there and back, `url.rs` URLs, `fields.rs` the head of
//! a request to a backend, `balancer.rs` groups of workers, `state.rs` what children share of both, `wire.rs` reading from
//! one, `call.rs` the handler, `secure.rs` TLS to backends.
//!
//! Differences: a connection to a backend holds no thread, so that `max` is unlimited where it is not set. Manual: mod/mod_proxy.html.

mod ahead;
mod balancer;
mod call;
mod fields;
mod parameters;
mod pass;
mod pool;
mod rows;
mod script;
mod secure;
mod settings;
mod state;
mod status;
mod translate;
mod tunnel;
mod url;
mod wire;
mod worker;

pub use ahead::{Ahead, needs_length, read_ahead, send_with_body, unread};
pub use balancer::{Balancer, BalancerMethod, Balancing, Elected, HealthChecks, HealthRow, live};
pub use call::{Call, ProxyScheme, backend, blocked, blocks, reach, target_of};
pub use fields::{hop_by_hop, prepare, via_value};
pub use parameters::real;
pub use pool::{Backend, addresses, patience};
pub use script::{Octets, Plain, Scanned, body as script_body, errno, scan};
pub use secure::{Secrecy, Unsecured, is_secure, secure};
pub use settings::{BadHeader, ProxyDir, ProxyServer, Via};
pub use state::{State, Words, clock, word};
pub use translate::{proxy_error, proxy_error_errno, reversed, reversed_cookie};
pub use tunnel::{say, tunnel};
pub use url::{authority, canonical, place, script_path};
pub use wire::{Line, Wire};
pub use worker::{Health, Parameters, Worker, bits, default_port, split_authority, split_url};

use crate::config::*;
use crate::module::{FIRST, Hooks, Linked, Module, Phase, StatusPart};

pub static MODULE: Module = Module {
    name: "mod_proxy.c",
    ident: "proxy_module",
    linked: Linked::Loadable,
    directives: &[rows::DIRECTIVES],
    server: Config::of::<ProxyServer>(),
    dir: Config::of::<ProxyDir>(),
    hooks,
};

/// Longest line in the head of a response, unless `responsefieldsize` says otherwise.
pub const FIELD_SIZE: usize = 8192;

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn StatusPart>("proxy", &status::Balancers);
    on.post_read_request(FIRST, translate::detect);
    on.pre_translate_name(FIRST, translate::early);
    on.translate_name(FIRST, translate::translate).after(&["mod_rewrite.c"]);
    on.map_to_storage(FIRST, translate::sections);
    on.fixups(FIRST, call::fixup).after(&["mod_rewrite.c"]);
    on.later(Phase::handler, FIRST, call::handler);
}
