//! mod_lbmethod_bytraffic: octets are counted: each member gets its share of them.
//!
//! No directives. Hook: `post_config`, which misses mod_proxy. Offers a [`BalancerMethod`] as `bytraffic`.
//! Manual: mod/mod_lbmethod_bytraffic.html.

use crate::config::*;
use crate::module::{Hooks, Linked, MIDDLE, Module};
use crate::modules::proxy::mod_proxy::{Balancer, BalancerMethod, Worker, word};
use crate::request::Request;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_lbmethod_bytraffic.c",
    ident: "lbmethod_bytraffic_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, |configuration| super::needs_proxy(configuration, "lbmethod_bytraffic", "10150"));
    on.providers.offer::<dyn BalancerMethod>("bytraffic", &ByTraffic);
}

struct ByTraffic;

impl BalancerMethod for ByTraffic {
    fn choose(&self, balancer: &Balancer, members: &[Arc<Worker>], r: &mut Request) -> Option<Arc<Worker>> {
        let mut least = 0;
        balancer.best(members, r, |worker, best| {
            let words = &worker.state().0;
            let factor = words.number(word::FACTOR).max(1);
            let traffic = words.number(word::SENT) / factor + words.number(word::RECEIVED) / factor;
            let better = best.is_none() || traffic < least;
            if better {
                least = traffic;
            }
            better
        })
    }
}
