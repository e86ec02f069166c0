//! mod_lbmethod_byrequests: requests are counted: each member gets its share of them.
//!
//! No directives. Hook: `post_config`, which misses mod_proxy. Offers a [`BalancerMethod`] as `byrequests`.
//! Manual: mod/mod_lbmethod_byrequests.html.

use crate::config::*;
use crate::module::{Hooks, Linked, MIDDLE, Module};
use crate::modules::proxy::mod_proxy::{Balancer, BalancerMethod, Worker, word};
use crate::request::Request;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_lbmethod_byrequests.c",
    ident: "lbmethod_byrequests_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, |configuration| super::needs_proxy(configuration, "lbmethod_byrequests", "10152"));
    on.providers.offer::<dyn BalancerMethod>("byrequests", &ByRequests);
}

struct ByRequests;

impl BalancerMethod for ByRequests {
    fn choose(&self, balancer: &Balancer, members: &[Arc<Worker>], r: &mut Request) -> Option<Arc<Worker>> {
        let mut total = 0;
        let best = balancer.best(members, r, |worker, best| {
            let words = &worker.state().0;
            let factor = words.number(word::FACTOR);
            words.add(word::LB_STATUS, factor);
            total += factor;
            best.is_none_or(|best| words.number(word::LB_STATUS) > best.state().0.number(word::LB_STATUS))
        })?;
        best.state().0.add(word::LB_STATUS, -total);
        Some(best)
    }
}
