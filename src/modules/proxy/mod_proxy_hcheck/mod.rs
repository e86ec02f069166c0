//! mod_proxy_hcheck: members of balancers are asked at intervals whether they are well, and left out while they are not.
//!
//! Offers [`HealthChecks`] to mod_proxy (the parameters `hcmethod` and the like, and the manager's page), [`Periodic`] to
//! mod_watchdog, and makes `hc('body')` known to expressions. A check is a task on the watchdog's thread (`check.rs`): a
//! member that hangs delays no other.
//!
//! Differences: ProxyHCTPsize bounds the checks in progress instead of threads. Manual: mod/mod_proxy_hcheck.html.

mod check;

use super::mod_proxy::{Health, HealthChecks, HealthRow, ProxyServer, Worker, bits, clock, word};
use crate::config::*;
use crate::engine;
use crate::module::{Hooks, Linked, Module, Periodic};
use crate::request::Request;
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::next_word;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_proxy_hcheck.c",
    ident: "proxy_hcheck_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<HealthServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    raw_args("ProxyHCTemplate", ANYWHERE, FILE_INFO, template, "Health check template"),
    take1("ProxyHCTPsize", SERVER, NO_OVERRIDE, pool_size, "Set size of health check thread pool"),
    raw_args("ProxyHCExpr", ANYWHERE, FILE_INFO, expression, "Define a health check condition ruleset expression"),
];

/// The methods, in the order of the page; the rest of Apache's names are known and refused.
const METHODS: [&str; 8] = ["NONE", "TCP", "OPTIONS", "HEAD", "GET", "OPTIONS11", "HEAD11", "GET11"];
const REFUSED: [&str; 2] = ["CPING", "PROVIDER"];
/// Of [`METHODS`]: those without a response to judge.
const NONE: i64 = 0;
const TCP: i64 = 1;
/// Shortest interval, in microseconds.
const SHORTEST: i64 = 100_000;
/// A URI is shorter than this.
const LONGEST: usize = 64;
/// Longest name of an expression.
const LONGEST_NAME: usize = 15;
/// Checks in progress where nothing is said.
const AT_ONCE: i64 = 16;

/// Settings of a server.
#[derive(Clone, Default)]
pub struct HealthServer {
    templates: Vec<(BString, Health)>,
    expressions: Vec<(BString, Arc<Expression>)>,
    at_once: Option<i64>,
}

impl Settings for HealthServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        HealthServer {
            templates: [&add.templates[..], &base.templates[..]].concat(),
            expressions: [&add.expressions[..], &base.expressions[..]].concat(),
            at_once: add.at_once.or(base.at_once),
        }
    }
}

impl HealthServer {
    fn expression(&self, name: &[u8]) -> Option<&Arc<Expression>> {
        self.expressions.iter().find(|(known, _)| known == name).map(|(_, expression)| expression)
    }
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn HealthChecks>("hcheck", &Checks);
    on.providers.offer::<dyn HealthNames>("hcheck", &Checks);
    on.providers.offer::<dyn Periodic>("hcheck", &Checks);
}

fn template(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (name, mut rest) = next_word(args);
    if name.is_empty() {
        return Err(format!("Missing template name for {}", cx.directive.name).into());
    }
    let mut health = Health::default();
    while !rest.is_empty() {
        let (word, left) = next_word(rest);
        rest = left;
        let Some((key, value)) = word.split_once_str("=") else {
            return Err("Invalid ProxyHCTemplate parameter. Parameter must be in the form 'key=value'".into());
        };
        let set = Checks.set(cx, &mut health, key.as_bstr(), value.as_bstr());
        set.map_err(|text| format!("{}: {text} {}={}; {name}", cx.directive.name, key.as_bstr(), value.as_bstr()))?;
    }
    cx.server::<HealthServer>().templates.push((name, health));
    Ok(())
}

fn pool_size(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.forbid_in_host()?;
    let size = atoi(word);
    if size < 0 {
        return Err("Invalid ProxyHCTPsize parameter. Parameter must be >= 0".into());
    }
    cx.server::<HealthServer>().at_once = Some(size);
    Ok(())
}

/// What stands in braces, which may hold others, and what follows; without braces a word like any.
fn braced(text: &[u8]) -> (BString, &[u8]) {
    if !text.starts_with(b"{") {
        return next_word(text);
    }
    let mut depth = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let inner = text.get(1..at).unwrap_or_default().trim_ascii();
            return (inner.into(), text.get(at + 1..).unwrap_or_default().trim_ascii());
        }
    }
    (BString::default(), b"")
}

fn expression(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (name, rest) = next_word(args);
    if name.is_empty() {
        return Err(format!("Missing expression name for {}", cx.directive.name).into());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("Expression name limited to {LONGEST_NAME} characters").into());
    }
    let (text, rest) = braced(rest);
    if !rest.is_empty() {
        return Err("error: extra parameter(s)".into());
    }
    if text.is_empty() {
        return Err(format!("Missing expression for {}", cx.directive.name).into());
    }
    let parsed = Expression::condition(text.as_bstr(), cx.rights(), cx.providers);
    let parsed = parsed.map_err(|why| format!("Could not parse expression \"{text}\": {why}"))?;
    let all = &mut cx.server::<HealthServer>().expressions;
    all.retain(|(known, _)| *known != name);
    all.push((name, Arc::new(parsed)));
    Ok(())
}

struct Checks;

impl HealthNames for Checks {}

fn method(name: &[u8]) -> Option<i64> {
    METHODS.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|at| at as i64)
}

impl HealthChecks for Checks {
    fn set(&self, cx: &mut Cx<'_>, health: &mut Health, key: &BStr, value: &BStr) -> Result<(), String> {
        match key.to_ascii_lowercase().as_slice() {
            b"hctemplate" => {
                let known = cx.server::<HealthServer>().templates.iter().rev().find(|(name, _)| name == value);
                let (_, own) = known.ok_or_else(|| format!("Unknown ProxyHCTemplate name: {value}"))?;
                *health = own.clone();
            }
            b"hcmethod" => match method(value) {
                Some(method) => health.method = Some(method),
                None => {
                    let refused = REFUSED.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(value));
                    return Err(match refused {
                        Some(name) => format!("Health check method {name} not (yet) implemented"),
                        None => "Unknown method".into(),
                    });
                }
            },
            b"hcinterval" => match duration(value, b"s") {
                None => return Err("Unparse-able hcinterval setting".into()),
                Some(micros) if micros < SHORTEST => {
                    return Err("Interval must be a positive value greater than 100ms".into());
                }
                Some(micros) => health.interval = Some(micros),
            },
            b"hcpasses" if atoi(value) < 0 => return Err("Passes must be a positive value".into()),
            b"hcpasses" => health.passes = Some(atoi(value)),
            b"hcfails" if atoi(value) < 0 => return Err("Fails must be a positive value".into()),
            b"hcfails" => health.fails = Some(atoi(value)),
            b"hcuri" if value.len() >= LONGEST => {
                return Err(format!("Health check uri length must be < {LONGEST} characters"));
            }
            b"hcuri" => health.uri = Some(value.into()),
            b"hcexpr" => {
                if cx.server::<HealthServer>().expression(value).is_none() {
                    return Err(format!("Unknown health check condition expr: {value}"));
                }
                health.expression = Some(value.into());
            }
            _ => return Err("unknown Worker hcheck parameter".into()),
        }
        Ok(())
    }

    fn change(&self, r: &Request, worker: &Worker, key: &str, value: &BStr) {
        let words = &worker.state().0;
        match key {
            "hcinterval" => {
                if let Some(micros) = duration(value, b"ms").filter(|micros| *micros >= SHORTEST) {
                    words.set(word::INTERVAL, micros);
                }
            }
            "hcpasses" | "hcfails" => {
                let place = if key == "hcpasses" { word::PASSES } else { word::FAILS };
                if atoi(value) >= 1 {
                    words.set(place, atoi(value));
                }
            }
            "hcmethod" => {
                if let Some(method) = method(value) {
                    words.set(word::METHOD, method);
                }
            }
            "hcuri" => words.set_text(word::URI, if value.len() < LONGEST { value } else { b"" }),
            _ => {
                let known = r.server::<HealthServer>().expression(value).is_some();
                words.set_text(word::EXPRESSION, if known { value } else { b"" });
            }
        }
        if words.number(word::METHOD) <= TCP {
            words.set_text(word::EXPRESSION, b"");
        }
    }

    fn row(&self, worker: &Worker) -> HealthRow {
        let words = &worker.state().0;
        let method = usize::try_from(words.number(word::METHOD)).unwrap_or(0);
        HealthRow {
            method: METHODS.get(method).copied().unwrap_or("NONE"),
            interval: words.number(word::INTERVAL) / 1000,
            passes: words.number(word::PASSES),
            passed: words.number(word::PASSED),
            fails: words.number(word::FAILS),
            failed: words.number(word::FAILED),
            uri: words.text(word::URI),
            expression: words.text(word::EXPRESSION),
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        &METHODS
    }

    fn expressions(&self, r: &Request, each: &mut dyn FnMut(&BStr, &BStr)) {
        for (name, expression) in &r.server::<HealthServer>().expressions {
            each(name.as_bstr(), expression.text());
        }
    }
}

impl Periodic for Checks {
    fn wanted(&self, configuration: &Configuration) -> bool {
        configuration.servers.iter().any(|server| !server.settings.of::<ProxyServer>().balancers.is_empty())
    }

    fn tick(&self, configuration: &'static Configuration) {
        let at_once = configuration.main().settings.of::<HealthServer>().at_once.unwrap_or(AT_ONCE);
        let now = clock();
        for server in &configuration.servers {
            for balancer in &server.settings.of::<ProxyServer>().balancers {
                for worker in balancer.all() {
                    let (state, words) = (worker.state(), &worker.state().0);
                    let due = words.number(word::CHECKED) + words.number(word::INTERVAL) < now;
                    if words.number(word::METHOD) == NONE || state.has(bits::STOPPED) || !due {
                        continue;
                    }
                    if !check::begins(&worker) {
                        continue;
                    }
                    words.set(word::CHECKED, now);
                    engine::spawn(check::run(configuration, server, worker, at_once));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_and_methods() {
        assert_eq!(braced(b"{%{A} =~ /x/} more"), ("%{A} =~ /x/".into(), &b"more"[..]));
        assert_eq!(braced(b"{ open").0, "");
        assert_eq!(braced(b"\"a b\" c").0, "a b");
        assert_eq!((method(b"get11"), method(b"CPING")), (Some(7), None));
    }
}
