//! mod_lbmethod_bybusyness: the member with the fewest requests in progress is next.
//!
//! No directives. Hook: `post_config`, which misses mod_proxy. Offers a [`BalancerMethod`] as `bybusyness`.
//! Manual: mod/mod_lbmethod_bybusyness.html.

use crate::config::*;
use crate::module::{Hooks, Linked, MIDDLE, Module};
use crate::modules::proxy::mod_proxy::{Balancer, BalancerMethod, Worker, word};
use crate::request::Request;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_lbmethod_bybusyness.c",
    ident: "lbmethod_bybusyness_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, |configuration| super::needs_proxy(configuration, "lbmethod_bybusyness", "10151"));
    on.providers.offer::<dyn BalancerMethod>("bybusyness", &ByBusyness);
}

struct ByBusyness;

impl BalancerMethod for ByBusyness {
    fn choose(&self, balancer: &Balancer, members: &[Arc<Worker>], r: &mut Request) -> Option<Arc<Worker>> {
        let mut total = 0;
        let best = balancer.best(members, r, |worker, best| {
            let words = &worker.state().0;
            let factor = words.number(word::FACTOR);
            words.add(word::LB_STATUS, factor);
            total += factor;
            let Some(best) = best else { return true };
            let other = &best.state().0;
            let (busy, least) = (words.number(word::BUSY), other.number(word::BUSY));
            busy < least || busy == least && words.number(word::LB_STATUS) > other.number(word::LB_STATUS)
        })?;
        best.state().0.add(word::LB_STATUS, -total);
        Some(best)
    }
}
