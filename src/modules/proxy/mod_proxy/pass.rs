//! ProxyPass, ProxySet, BalancerMember and the sections: where workers come from.

use super::balancer::{Balancer, HealthChecks, balancer_name};
use super::parameters;
use super::settings::{Pass, ProxyDir, ProxyServer, Reversal};
use super::worker::{self, Worker};
use crate::config::*;
use crate::log::Level;
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::next_word;
use std::sync::Arc;

/// `info` of the rows whose path is a regular expression.
pub const MATCH: usize = 1;

const IN_FILES: &[&str] = &["<Directory", "<DirectoryMatch", "<Files", "<FilesMatch"];
const PAIR: &str = "Parameter must be in the form 'key=value'";

/// A `key=value` word cut in two.
fn pair(word: &[u8]) -> Option<(&BStr, &BStr)> {
    let (key, value) = word.split_once_str("=")?;
    Some((key.as_bstr(), value.as_bstr()))
}

fn prefixed(directive: &str, complaint: Complaint) -> Complaint {
    match complaint {
        Complaint::Text(text) => Complaint::Text([directive.as_bytes(), b" ", &text].concat().into()),
        other => other,
    }
}

pub fn pass(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    cx.forbid_within(IN_FILES)?;
    let location = cx.path.clone();
    let mut regex = cx.directive.info == MATCH;
    let (mut first, mut second): (Option<BString>, Option<BString>) = (None, None);
    let mut pass = Pass {
        fake: BString::default(),
        regex: None,
        real: BString::default(),
        raw_path: false,
        interpolate: false,
        no_query: false,
        encoded: false,
        servlet: false,
    };
    let mut set: Vec<(BString, BString)> = Vec::new();
    let mut rest: &[u8] = args;
    while !rest.is_empty() {
        let (word, left) = next_word(rest);
        rest = left;
        if first.is_none() {
            if word == "~" {
                if regex {
                    return Err("ProxyPassMatch invalid syntax ('~' usage).".into());
                }
                regex = true;
                continue;
            }
            first = Some(word);
        } else if second.is_none() && location.is_none() {
            second = Some(word);
        } else if word.eq_ignore_ascii_case(b"nocanon") {
            pass.raw_path = true;
        } else if word.eq_ignore_ascii_case(b"interpolate") {
            pass.interpolate = true;
        } else if word.eq_ignore_ascii_case(b"noquery") {
            pass.no_query = true;
        } else {
            let Some((key, value)) = pair(&word) else {
                if location.is_some() && first.as_ref().is_some_and(|url| url.starts_with(b"/")) {
                    return Err("ProxyPass|ProxyPassMatch can not have a path when defined in a location.".into());
                }
                return Err(format!("Invalid ProxyPass|ProxyPassMatch parameter. {PAIR}.").into());
            };
            if key == "mapping" {
                match value.to_ascii_lowercase().as_slice() {
                    b"encoded" => pass.encoded = true,
                    b"servlet" => (pass.encoded, pass.servlet) = (true, true),
                    _ => return Err("unknown mapping".into()),
                }
            } else {
                set.push((key.into(), value.into()));
            }
        }
    }
    let (fake, url) = match (location, first, second) {
        (Some(path), Some(url), None) => (path, url),
        (None, Some(fake), Some(url)) => (fake, url),
        _ => return Err("ProxyPass|ProxyPassMatch needs a path when not defined in a location".into()),
    };
    let in_location = cx.path.is_some();
    regex |= in_location && fnmatch::is_pattern(&fake);
    if regex {
        let compiled = Regex::new(&fake, Flags::default());
        pass.regex = Some(Arc::new(compiled.map_err(|_| "Regular expression could not be compiled.")?));
    }
    pass.fake = fake;
    let Ok((_, target)) = worker::split_socket(&url) else {
        return Err("ProxyPass|ProxyPassMatch uses an invalid \"unix:\" URL".into());
    };
    pass.real = target;
    let excludes = pass.excludes();
    let path = pass.fake.clone();
    let pass = Arc::new(pass);
    if in_location {
        cx.dir::<ProxyDir>().alias = Some(pass);
    } else {
        cx.server::<ProxyServer>().aliases.push(pass);
    }
    if excludes {
        return Ok(());
    }
    define(cx, &url, &path, regex, &set).map_err(|complaint| prefixed("ProxyPass", complaint))
}

/// Makes the worker of `url`, or finds the one that covers it already, whose parameters stay.
fn define(cx: &mut Cx<'_>, url: &[u8], path: &[u8], pattern: bool, set: &[(BString, BString)]) -> Outcome {
    if url.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"balancer:")) {
        let at = balancer_at(cx, url)?;
        for (key, value) in set {
            edit(cx, at, |balancer, cx| balancer.set(cx, key.as_bstr(), value.as_bstr()))?;
        }
        edit(cx, at, |balancer, _| {
            balancer.path = path.into();
            Ok(())
        })?;
        return Ok(());
    }
    let made = Worker::parse(url, pattern)?;
    let alike = |worker: &&Arc<Worker>| worker.matchable == pattern;
    let workers = &cx.server::<ProxyServer>().workers;
    if let Some(old) = worker::find(workers.iter().filter(alike), &made.name) {
        let (old, new) = (old.name.clone(), made.name);
        cx.warn(Level::Info, format!("AH01145: Sharing worker '{old}' instead of creating new worker '{new}'"));
        for (key, value) in set {
            let text =
                format!("AH01146: Ignoring parameter '{key}={value}' for worker '{old}' because of worker sharing");
            cx.warn(Level::Warn, text);
        }
        return Ok(());
    }
    let mut made = made;
    for (key, value) in set {
        set_parameter(cx, &mut made, key.as_bstr(), value.as_bstr())?;
    }
    cx.server::<ProxyServer>().workers.push(Arc::new(made));
    Ok(())
}

/// Where the balancer of a URL stands; made if there is none yet.
fn balancer_at(cx: &mut Cx<'_>, url: &[u8]) -> Result<usize, Complaint> {
    let bad = || Complaint::from([b"Bad syntax for a balancer name (", url, b")"].concat().as_bstr().to_owned());
    let name = balancer_name(url).ok_or_else(bad)?;
    let balancers = &mut cx.server::<ProxyServer>().balancers;
    if let Some(at) = balancers.iter().position(|balancer| balancer.name == name) {
        return Ok(at);
    }
    balancers.push(Arc::new(Balancer::new(name)));
    Ok(balancers.len() - 1)
}

/// Changes a balancer of the server.
fn edit(
    cx: &mut Cx<'_>,
    at: usize,
    change: impl FnOnce(&mut Balancer, &Cx<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let Some(mut balancer) = cx.server::<ProxyServer>().balancers.get(at).map(|balancer| Balancer::clone(balancer))
    else {
        return Ok(());
    };
    change(&mut balancer, cx)?;
    if let Some(place) = cx.server::<ProxyServer>().balancers.get_mut(at) {
        *place = Arc::new(balancer);
    }
    Ok(())
}

pub fn reverse(cx: &mut Cx<'_>, first: Word<'_>, second: Option<Word<'_>>, third: Option<Word<'_>>) -> Outcome {
    cx.forbid_within(IN_FILES)?;
    let flag = |word: Option<Word<'_>>| word.is_some_and(|word| word.eq_ignore_ascii_case(b"interpolate"));
    let (public, internal, interpolate) = match cx.path.clone() {
        None => match second {
            Some(url) if !flag(Some(url)) => (first.to_owned(), url.to_owned(), flag(third)),
            _ => return Err("ProxyPassReverse needs a path when not defined in a location".into()),
        },
        Some(path) => match second {
            Some(word) if !flag(Some(word)) => {
                return Err("ProxyPassReverse can not have a path when defined in a location".into());
            }
            second => (path, first.to_owned(), flag(second)),
        },
    };
    cx.dir::<ProxyDir>().reversals.push(Reversal { public, internal, interpolate });
    Ok(())
}

fn cookie(first: Word<'_>, second: Word<'_>, third: Option<Word<'_>>) -> Reversal {
    let interpolate = third.is_some_and(|word| word.eq_ignore_ascii_case(b"interpolate"));
    Reversal { internal: first.into(), public: second.into(), interpolate }
}

pub fn cookie_path(cx: &mut Cx<'_>, first: Word<'_>, second: Word<'_>, third: Option<Word<'_>>) -> Outcome {
    cx.dir::<ProxyDir>().cookie_paths.push(cookie(first, second, third));
    Ok(())
}

pub fn cookie_domain(cx: &mut Cx<'_>, first: Word<'_>, second: Word<'_>, third: Option<Word<'_>>) -> Outcome {
    cx.dir::<ProxyDir>().cookie_domains.push(cookie(first, second, third));
    Ok(())
}

/// ProxySet, whose URL is that of the section around it, if any.
pub fn proxy_set(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    cx.forbid_within(IN_FILES)?;
    let mut rest: &[u8] = args;
    let within = cx.around.last().is_some_and(|name| name.starts_with("<Proxy"));
    let url = match cx.path.clone().filter(|_| within) {
        Some(url) => url,
        None => {
            let (word, left) = next_word(rest);
            rest = left;
            word
        }
    };
    set_all(cx, &url, rest, "ProxySet:", within)
}

fn set_all(cx: &mut Cx<'_>, url: &[u8], mut rest: &[u8], who: &str, makes: bool) -> Outcome {
    let Ok((_, target)) = worker::split_socket(url) else {
        return Err("ProxySet uses an invalid \"unix:\" URL".into());
    };
    let name = worker::comparable(&target);
    if name.starts_with(b"balancer:") {
        return set_balancer(cx, url, rest, who, makes);
    }
    let at = cx.server::<ProxyServer>().workers.iter().position(|worker| worker.name == name);
    let at = match at {
        Some(at) => at,
        None if makes => {
            let made = Worker::parse(url, false).map_err(|complaint| prefixed(who, complaint))?;
            let workers = &mut cx.server::<ProxyServer>().workers;
            workers.push(Arc::new(made));
            workers.len() - 1
        }
        None => return Err([b"ProxySet can not find '", url, b"' Worker."].concat().as_bstr().to_owned().into()),
    };
    while !rest.is_empty() {
        let (word, left) = next_word(rest);
        rest = left;
        let Some((key, value)) = pair(&word) else { return Err(no_pair(who)) };
        let Some(worker) = cx.server::<ProxyServer>().workers.get(at) else { break };
        let mut changed = Worker::clone(worker);
        set_parameter(cx, &mut changed, key, value).map_err(|text| format!("{who} {text} {key}={value}; {name}"))?;
        if let Some(place) = cx.server::<ProxyServer>().workers.get_mut(at) {
            *place = Arc::new(changed);
        }
    }
    Ok(())
}

/// `<Proxy>` and `<ProxyMatch>`.
pub fn section(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let shown = cx.shown();
    let Some(args) = httpd_conf::section_args(args) else {
        return Err(format!("{shown} directive missing closing '>'").into());
    };
    let (mut path, rest) = next_word(args);
    let regex = cx.directive.info == MATCH;
    if let Some(bare) = path.strip_prefix(b"proxy:") {
        path = bare.into();
    }
    let pattern = if regex {
        if !rest.is_empty() && cx.directive.info == MATCH {
            return Err("Multiple <ProxyMatch> arguments not (yet) supported.".into());
        }
        let compiled = Regex::new(&path, Flags::default()).map_err(|_| "Regex could not be compiled")?;
        Pattern::Regex(Arc::new(compiled))
    } else if fnmatch::is_pattern(&path) {
        Pattern::Wildcard(path.clone())
    } else {
        Pattern::Literal(path.clone())
    };
    let plain = matches!(pattern, Pattern::Literal(_));
    let mut dir = SettingsVec::default();
    cx.section(Some(path.clone()), &mut dir)?;
    let names = match &pattern {
        Pattern::Regex(regex) => regex.names().into_iter().map(|(name, number)| (name.into(), number)).collect(),
        _ => Vec::new(),
    };
    let made = Section { id: Section::next_id(), pattern, components: 0, settings: dir, continues: false, names };
    cx.server::<ProxyServer>().sections.push(Arc::new(made));
    if rest.is_empty() {
        return Ok(());
    }
    if !plain {
        return Err(format!("{shown} arguments are not supported for wildchar url.").into());
    }
    if path.find(b":/").is_none() {
        return Err(format!("{shown} arguments are not supported for non url.").into());
    }
    set_all(cx, &path, rest, shown.trim_end_matches('>'), true)
}

/// Sets a parameter of a worker, those of mod_proxy_hcheck too where it is loaded.
fn set_parameter(cx: &mut Cx<'_>, worker: &mut Worker, key: &BStr, value: &BStr) -> Result<(), String> {
    let checks = cx.provider::<dyn HealthChecks>(b"hcheck");
    match checks.filter(|_| key.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"hc"))) {
        Some(checks) => checks.set(cx, &mut worker.parameters.health, key, value),
        None => parameters::set(&mut worker.parameters, key, value),
    }
}

fn no_pair(who: &str) -> Complaint {
    format!("Invalid {} parameter. {PAIR}", if who == "ProxySet:" { "ProxySet" } else { "Proxy" }).into()
}

/// ProxySet and `<Proxy>` for a balancer.
fn set_balancer(cx: &mut Cx<'_>, url: &[u8], mut rest: &[u8], who: &str, makes: bool) -> Outcome {
    let known = cx.server::<ProxyServer>().balancer(url).is_some();
    if !known && !makes {
        return Err([b"ProxySet can not find '", url, b"' Balancer."].concat().as_bstr().to_owned().into());
    }
    let at = balancer_at(cx, url).map_err(|complaint| prefixed(who, complaint))?;
    while !rest.is_empty() {
        let (word, left) = next_word(rest);
        rest = left;
        let Some((key, value)) = pair(&word) else { return Err(no_pair(who)) };
        edit(cx, at, |balancer, cx| balancer.set(cx, key, value))
            .map_err(|text| format!("{who} {text} {key}={value}; {}", url.as_bstr()))?;
    }
    Ok(())
}

/// `BalancerMember [balancer] url [key=value ...]`
pub fn balancer_member(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    const MISSING: &str = "BalancerMember must define remote proxy server";
    let mut rest: &[u8] = args;
    let mut take = || {
        let (word, left) = next_word(rest);
        rest = left;
        (!word.is_empty()).then_some(word)
    };
    let (balancer, url) = match cx.path.clone() {
        Some(path) => (path, take()),
        None => {
            let text = "BalancerMember must define balancer name when outside <Proxy > section";
            let balancer = take().ok_or(text)?;
            (balancer, take())
        }
    };
    let url = url.ok_or(MISSING)?;
    let mut set = Vec::new();
    while let Some(word) = take() {
        let Some((key, value)) = pair(&word) else {
            if cx.path.is_some() && url.starts_with(b"balancer:") {
                return Err("BalancerMember can not have a balancer name when defined in a location".into());
            }
            return Err(format!("Invalid BalancerMember parameter. {PAIR}").into());
        };
        set.push((BString::from(key), BString::from(value)));
    }
    let member = |complaint| prefixed("BalancerMember", complaint);
    let at = balancer_at(cx, &balancer).map_err(member)?;
    let mut made = Worker::parse(&url, false).map_err(member)?;
    // A member that fails is left alone for a while: others step in.
    made.parameters.status = 0;
    let name = cx.server::<ProxyServer>().balancers.get(at).map(|balancer| balancer.name.clone()).unwrap_or_default();
    let members = cx.server::<ProxyServer>().balancers.get(at).map(|balancer| balancer.members.clone());
    if let Some(old) = worker::find(&members.unwrap_or_default(), &made.name) {
        let (old, new) = (old.shown_name(), made.shown_name());
        cx.warn(Level::Info, format!("AH01149: Sharing worker '{old}' instead of creating new worker '{new}'"));
        for (key, value) in set {
            let text =
                format!("AH01150: Ignoring parameter '{key}={value}' for worker '{old}' because of worker sharing");
            cx.warn(Level::Warn, text);
        }
        return Ok(());
    }
    let shown = made.shown_name();
    cx.warn(Level::Debug, format!("AH01147: Defining worker '{shown}' for balancer '{name}'"));
    for (key, value) in &set {
        set_parameter(cx, &mut made, key.as_bstr(), value.as_bstr()).map_err(|text| member(text.into()))?;
    }
    cx.warn(Level::Debug, format!("AH01148: Defined worker '{shown}' for balancer '{name}'"));
    edit(cx, at, |balancer, _| {
        balancer.members.push(Arc::new(made));
        Ok(())
    })?;
    Ok(())
}
