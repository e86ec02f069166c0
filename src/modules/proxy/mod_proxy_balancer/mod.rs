//! mod_proxy_balancer: which member of a balancer a request goes to, and the page on which balancers are managed.
//!
//! Hooks: `post_config`, middle, puts the states of balancers and members into shared memory (mod_slotmem_shm); `handler`,
//! first, is the page `balancer-manager`. Offers [`Balancing`] as `balancer` to mod_proxy; the methods are modules of their
//! own ([`BalancerMethod`](super::mod_proxy::BalancerMethod)).
//!
//! `session.rs` finds the member that a client's session belongs to, `share.rs` is the memory, `manager.rs` takes what the
//! page's forms send, `page.rs` and `xml.rs` write it.
//!
//! Differences: memory is anonymous, so that no files of slots stand in the runtime directory; changes that are to persist
//! are kept in one file a balancer. Manual: mod/mod_proxy_balancer.html.

mod manager;
mod page;
mod session;
mod share;
mod xml;

use super::mod_proxy::{Balancer, Balancing, Elected, Worker, bits, clock, live, word};
use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, FIRST, Hooks, Linked, MIDDLE, Module, Phase};
use crate::request::{Request, Status};
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_proxy_balancer.c",
    ident: "proxy_balancer_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, share::share);
    on.later(Phase::handler, FIRST, manager::handler);
    on.providers.offer::<dyn Balancing>("balancer", &Elections);
}

struct Elections;

impl Balancing for Elections {
    fn elect<'a>(
        &'a self,
        r: &'a mut Request,
        balancer: &'a Arc<Balancer>,
        url: &'a BStr,
    ) -> BoxFuture<'a, Result<Elected, Answer>> {
        Box::pin(elect(r, balancer, url))
    }

    fn done(&self, r: &Request, balancer: &Balancer, worker: &Worker) {
        let (name, member, state) = (&balancer.name, worker.shown_name(), worker.state());
        if state.has(bits::IGNORE_ERRORS) {
            return;
        }
        if balancer.parameters.fail_on.contains(&r.status.0) {
            let text = format_args!(
                "AH01174: {name}: Forcing worker ({member}) into error state due to status code {} matching \
                 'failonstatus' balancer parameter",
                r.status.0
            );
            r.log(Level::Error, "proxy_balancer", text);
            state.fail(clock());
        }
        if balancer.parameters.fail_on_timeout && r.notes.contains("proxy_timedout") {
            let text = format_args!(
                "AH02460: {name}: Forcing worker ({member}) into error state due to timeout and 'failontimeout' parameter \
                 being set"
            );
            r.log(Level::Error, "proxy_balancer", text);
            state.fail(clock());
        }
        r.log(Level::Debug, "proxy_balancer", format_args!("AH01176: proxy_balancer_post_request for ({name})"));
    }
}

async fn elect(r: &mut Request, balancer: &Arc<Balancer>, url: &BStr) -> Result<Elected, Answer> {
    let members = balancer.all();
    recover(balancer, &members, r);
    let name = &balancer.name;
    let found = session::route(balancer, r, url);
    let named = found.as_ref().filter(|found| !found.route.is_empty());
    let mut worker = named.and_then(|found| session::member(&members, &found.route, r, 1));
    if let (Some(worker), Some(found)) = (&worker, named) {
        let own = worker.state().route();
        if own != found.route {
            r.env.set("BALANCER_ROUTE_CHANGED", "1");
            let text = format_args!("AH01162: Route changed from {} to {}", raw(&found.route), raw(&own));
            r.log(Level::Debug, "proxy_balancer", text);
        }
        count_session(balancer, &members, worker);
    } else if let Some(found) = named
        && balancer.words().number(live::FORCE) != 0
        && members.iter().any(|member| member.state().route() == found.route)
    {
        let text = format_args!("AH01167: {name}: All workers are in error state for route ({})", raw(&found.route));
        r.log(Level::Error, "proxy_balancer", text);
        return Err(Answer::Status(Status::SERVICE_UNAVAILABLE));
    }
    if worker.is_none() {
        worker = wait_for_best(balancer, r).await;
        if worker.is_none() {
            let text = if members.is_empty() {
                format!("AH01171: {name}: No workers in balancer")
            } else {
                format!("AH01170: {name}: All workers are in error state")
            };
            r.log(Level::Error, "proxy_balancer", format_args!("{text}"));
            return Err(Answer::Status(Status::SERVICE_UNAVAILABLE));
        }
        if !balancer.words().text(live::STICKY).is_empty() {
            r.env.set("BALANCER_ROUTE_CHANGED", "1");
        }
    }
    let Some(worker) = worker else { return Err(Answer::Status(Status::SERVICE_UNAVAILABLE)) };
    r.env.set("BALANCER_NAME", name);
    r.env.set("BALANCER_WORKER_NAME", worker.shown_name());
    r.env.set("BALANCER_WORKER_ROUTE", worker.state().route());
    if let Some(found) = found {
        r.env.set("BALANCER_SESSION_STICKY", found.sticky);
        r.env.set("BALANCER_SESSION_ROUTE", found.route);
    }
    let path = url.find(b"://").and_then(|at| {
        let start = at + 3 + url.get(at + 3..)?.find_byte(b'/')?;
        url.get(start..)
    });
    let target: BString = [worker.name.as_slice(), path.unwrap_or_default()].concat().into();
    let text = format_args!("AH01172: {name}: worker ({}) rewritten to {}", worker.shown_name(), raw(&target));
    r.log(Level::Debug, "proxy_balancer", text);
    Ok(Elected { worker, url: target })
}

/// Where all members are in error, all are tried again: better a failure than nobody to ask.
fn recover(balancer: &Balancer, members: &[Arc<Worker>], r: &Request) {
    let healthy = members.iter().any(|member| {
        member.retry(r);
        !member.state().has(bits::IN_ERROR)
    });
    if healthy || !balancer.parameters.force_recovery {
        return;
    }
    for member in members {
        member.state().0.add(word::RETRIES, 1);
        member.state().mark(bits::IN_ERROR, false);
        let text =
            format_args!("AH01165: {}: Forcing recovery for worker ({}:{})", balancer.name, member.host, member.port);
        r.server.log(Level::Debug, "proxy_balancer", text);
    }
}

/// A request that its session leads to a member counts in the distribution of others.
fn count_session(balancer: &Balancer, members: &[Arc<Worker>], worker: &Worker) {
    let _held = balancer.words().lock();
    let mut total = 0;
    for member in members.iter().filter(|member| member.state().usable()) {
        let factor = member.state().0.number(word::FACTOR);
        member.state().0.add(word::LB_STATUS, factor);
        total += factor;
    }
    worker.state().0.add(word::LB_STATUS, -total);
    worker.state().0.add(word::ELECTED, 1);
}

/// The method's choice; where there is none, it is asked again for as long as the balancer's timeout says.
async fn wait_for_best(balancer: &Balancer, r: &mut Request) -> Option<Arc<Worker>> {
    let method = balancer.method(r)?;
    let timeout = u64::try_from(balancer.words().number(live::TIMEOUT)).unwrap_or(0);
    let mut waited = 0;
    loop {
        let members = balancer.all();
        let chosen = {
            let _held = balancer.words().lock();
            let chosen = method.choose(balancer, &members, r);
            if let Some(worker) = &chosen {
                worker.state().0.add(word::ELECTED, 1);
            }
            chosen
        };
        if chosen.is_some() || waited >= timeout {
            return chosen;
        }
        let step = timeout / 100;
        engine::sleep(Duration::from_micros(step)).await;
        waited += step.max(1);
    }
}
