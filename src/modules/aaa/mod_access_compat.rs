//! mod_access_compat: Order, Allow, Deny, Satisfy of Apache 2.2.
//!
//! Hook: `access_checker`, middle. Offers `satisfy`, by which the phases combine it with Require.
//! Manual: mod/mod_access_compat.html.

use super::mod_authz_host::in_domain;
use crate::config::subnet::{self, Parsed, Subnet};
use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, Satisfaction, Satisfy};
use crate::request::{MethodNumber, Request, Status};
use crate::server::{self, Want};
use bstr::{BStr, BString};

pub static MODULE: Module = Module {
    name: "mod_access_compat.c",
    ident: "access_compat_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<AccessDir>(),
    hooks,
};

const ALLOW: usize = 0;
const DENY: usize = 1;

const DIRECTIVES: &[Directive] = &[
    take1("order", DIRECTORY.and(HTACCESS), LIMIT, order, "'allow,deny', 'deny,allow', or 'mutual-failure'"),
    iterate2("allow", DIRECTORY.and(HTACCESS), LIMIT, rule, "'from' followed by hostnames or IP-address wildcards")
        .info(ALLOW),
    iterate2("deny", DIRECTORY.and(HTACCESS), LIMIT, rule, "'from' followed by hostnames or IP-address wildcards")
        .info(DENY),
    take1(
        "Satisfy",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        satisfy,
        "access policy if both allow and require used ('all' or 'any')",
    ),
];

/// Order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Order {
    #[default]
    DenyThenAllow,
    AllowThenDeny,
    MutualFailure,
}

/// Whom a rule names.
#[derive(Clone, Debug)]
enum Whom {
    All,
    Env { name: BString, unless: bool },
    Subnet(Subnet),
    Host(BString),
}

#[derive(Clone, Debug)]
struct Rule {
    whom: Whom,
    limited: u64,
}

const METHODS: usize = 64;

/// Per-directory settings. Order and Satisfy are kept per method, since `<Limit>` may hold them.
#[derive(Clone)]
pub struct AccessDir {
    order: [Option<Order>; METHODS],
    satisfy: [Option<Satisfaction>; METHODS],
    allows: Vec<Rule>,
    denies: Vec<Rule>,
    set: bool,
}

impl Default for AccessDir {
    fn default() -> AccessDir {
        AccessDir {
            order: [None; METHODS],
            satisfy: [None; METHODS],
            allows: Vec::new(),
            denies: Vec::new(),
            set: false,
        }
    }
}

impl Settings for AccessDir {
    crate::slot!();
    /// A section that says anything of this says all of it: nothing is inherited.
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn order(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let order = match word.to_ascii_lowercase().as_slice() {
        b"allow,deny" => Order::AllowThenDeny,
        b"deny,allow" => Order::DenyThenAllow,
        b"mutual-failure" => Order::MutualFailure,
        _ => return Err("unknown order".into()),
    };
    let limited = cx.limited;
    let dir = cx.dir::<AccessDir>();
    dir.set = true;
    for (method, slot) in dir.order.iter_mut().enumerate() {
        if limited & (1 << method) != 0 {
            *slot = Some(order);
        }
    }
    Ok(())
}

fn satisfy(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let satisfy = match word.to_ascii_lowercase().as_slice() {
        b"all" => Satisfaction::All,
        b"any" => Satisfaction::Any,
        _ => return Err("Satisfy either 'any' or 'all'.".into()),
    };
    let limited = cx.limited;
    for (method, slot) in cx.dir::<AccessDir>().satisfy.iter_mut().enumerate() {
        if limited & (1 << method) != 0 {
            *slot = Some(satisfy);
        }
    }
    Ok(())
}

fn rule(cx: &mut Cx<'_>, from: &BStr, whom: &BStr) -> Outcome {
    if !from.eq_ignore_ascii_case(b"from") {
        return Err("allow and deny must be followed by 'from'".into());
    }
    let lower = whom.to_ascii_lowercase();
    let whom = if lower == b"all" {
        Whom::All
    } else if lower.starts_with(b"env=!") {
        Whom::Env { name: whom[5..].into(), unless: true }
    } else if lower.starts_with(b"env=") {
        Whom::Env { name: whom[4..].into(), unless: false }
    } else {
        match subnet::parse(whom) {
            Parsed::Subnet(subnet) => Whom::Subnet(subnet),
            Parsed::NotAddress if whom.contains(&b'/') => return Err("An IP address was expected".into()),
            Parsed::NotAddress if whom.starts_with(b"#") => return Err("No comments are allowed here".into()),
            Parsed::NotAddress => Whom::Host(whom.into()),
            bad => return Err(subnet::complaint(&bad).into()),
        }
    };
    let rule = Rule { whom, limited: cx.limited };
    let deny = cx.directive.info == DENY;
    let dir = cx.dir::<AccessDir>();
    dir.set = true;
    if deny {
        dir.denies.push(rule)
    } else {
        dir.allows.push(rule)
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.access_checker(MIDDLE, check).after(&["mod_setenvif.c"]);
    on.providers.offer::<dyn Satisfy>("satisfy", &Combination);
}

fn found(rules: &[Rule], r: &Request) -> bool {
    let method = r.method.number.bit();
    rules.iter().filter(|rule| rule.limited & method != 0).any(|rule| match &rule.whom {
        Whom::All => true,
        Whom::Env { name, unless } => r.env.contains(name) != *unless,
        Whom::Subnet(subnet) => subnet.contains(r.useragent.ip()),
        Whom::Host(domain) => server::remote_host(r, Want::DoubleReverse).is_some_and(|host| in_domain(domain, &host)),
    })
}

fn check(r: &mut Request) -> Answer {
    let settings = r.dir.clone();
    let dir = settings.settings.of::<AccessDir>();
    if !dir.set {
        return Answer::Ok;
    }
    let allowed = match dir.order[usize::from(r.method.number.0) % METHODS].unwrap_or_default() {
        Order::AllowThenDeny => found(&dir.allows, r) && !found(&dir.denies, r),
        Order::DenyThenAllow => !found(&dir.denies, r) || found(&dir.allows, r),
        Order::MutualFailure => found(&dir.allows, r) && !found(&dir.denies, r),
    };
    if allowed {
        return Answer::Ok;
    }
    let (kind, what) = if r.filename.is_empty() { ("uri ", &r.uri) } else { ("", &r.filename) };
    let text = format_args!("AH01797: client denied by server configuration: {kind}{what}");
    r.log(Level::Error, "access_compat", text);
    Answer::Status(Status::FORBIDDEN)
}

struct Combination;

impl Satisfy for Combination {
    fn satisfaction(&self, r: &Request) -> Satisfaction {
        let number: MethodNumber = r.method.number;
        r.dir::<AccessDir>().satisfy[usize::from(number.0) % METHODS].unwrap_or(Satisfaction::All)
    }
}
