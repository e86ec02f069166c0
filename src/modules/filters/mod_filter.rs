//! mod_filter: filters chosen by what the response turns out to be.
//!
//! A smart filter is a name with providers: the first whose condition holds, when the response starts, does the work.
//! Responses of another status than 200 pass by, unless the variable `filter-errordocs` is set.
//! Hook: `insert_filter`, middle. Differences: FilterTrace writes its lines once a response, since a body here is
//! wrapped once. Manual: mod/mod_filter.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, DefinedFilters, Hooks, Linked, MIDDLE, Module};
use crate::request::{Body, Filter, FilterContext, FilterInstance, FilterKind, Request, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_filter.c",
    ident: "filter_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<FilterDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take12("FilterDeclare", ANYWHERE, OPTIONS, declare, "filter-name [filter-type]"),
    take3("FilterProvider", ANYWHERE, OPTIONS, provider, "filter-name provider-name match-expression"),
    iterate("FilterChain", ANYWHERE, OPTIONS, chain, "list of filter names with optional [+-=!@]"),
    take2("FilterTrace", SERVER.and(DIRECTORY), NO_OVERRIDE, trace, "filter-name debug-level"),
    take_argv(
        "AddOutputFilterByType",
        ANYWHERE,
        FILE_INFO,
        by_type,
        "output filter name followed by one or more content-types",
    ),
    take23("FilterProtocol", ANYWHERE, OPTIONS, protocol, "filter-name [provider-name] protocol-args"),
];

/// What a provider needs of the response's header fields (FilterProtocol).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Protocol {
    change: bool,
    change_length: bool,
    no_byteranges: bool,
    no_proxy: bool,
    no_cache: bool,
    transform: bool,
}

#[derive(Clone)]
enum Condition {
    Types(Vec<BString>),
    Expression(Arc<Expression>),
}

#[derive(Clone)]
struct Provider {
    filter: BString,
    condition: Condition,
    protocol: Protocol,
}

#[derive(Clone)]
struct Smart {
    name: BString,
    kind: Option<FilterKind>,
    providers: Vec<Arc<Provider>>,
    protocol: Protocol,
    trace: u32,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct FilterDir {
    declared: Vec<Arc<Smart>>,
    chain: Vec<BString>,
    /// `FilterChain =` or `!`: what stands above does not count.
    reset: bool,
}

impl Settings for FilterDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut declared = base.declared.clone();
        for smart in &add.declared {
            declared.retain(|other| other.name != smart.name);
            declared.push(smart.clone());
        }
        let chain = if add.reset { add.chain.clone() } else { [&base.chain[..], &add.chain[..]].concat() };
        FilterDir { declared, chain, reset: base.reset || add.reset }
    }
}

fn kind(word: &[u8]) -> Option<FilterKind> {
    match word.to_ascii_uppercase().as_slice() {
        b"RESOURCE" => Some(FilterKind::Resource),
        b"CONTENT_SET" => Some(FilterKind::ContentSet),
        b"PROTOCOL" => Some(FilterKind::Protocol),
        b"TRANSCODE" => Some(FilterKind::Transcode),
        b"CONNECTION" | b"NETWORK" => Some(FilterKind::Transcode),
        _ => None,
    }
}

impl FilterDir {
    fn smart(&mut self, name: &[u8]) -> &mut Smart {
        let at = match self.declared.iter().position(|smart| smart.name == name) {
            Some(at) => at,
            None => {
                let protocol = Protocol::default();
                self.declared.push(Arc::new(Smart {
                    name: name.into(),
                    kind: None,
                    providers: Vec::new(),
                    protocol,
                    trace: 0,
                }));
                self.declared.len() - 1
            }
        };
        Arc::make_mut(&mut self.declared[at])
    }
}

fn declare(cx: &mut Cx<'_>, name: &BStr, word: Option<&BStr>) -> Outcome {
    let kind = word.map(|word| kind(word).unwrap_or(FilterKind::Resource));
    let smart = cx.dir::<FilterDir>().smart(name);
    smart.kind = Some(kind.unwrap_or(FilterKind::Resource));
    // A declaration starts anew.
    smart.providers.clear();
    Ok(())
}

fn provider(cx: &mut Cx<'_>, name: &BStr, filter: &BStr, text: &BStr) -> Outcome {
    if !known(cx, filter) {
        if cx.dir::<FilterDir>().declared.iter().any(|smart| smart.name == filter) {
            return Err("AH01377: Chaining of FilterProviders not supported".into());
        }
        return Err(format!("Unknown filter provider {filter}").into());
    }
    let condition = match Expression::condition(text, cx.rights(), cx.providers) {
        Ok(expression) => Condition::Expression(Arc::new(expression.at("filter", cx.file, cx.line))),
        Err(error) => return Err(format!("Error parsing FilterProvider expression:{error}").into()),
    };
    let new = Provider { filter: filter.into(), condition, protocol: Protocol::default() };
    cx.dir::<FilterDir>().smart(name).providers.push(Arc::new(new));
    Ok(())
}

/// Whether a loaded module offers an output filter of that name.
fn known(cx: &Cx<'_>, name: &[u8]) -> bool {
    cx.process.shared.of::<DefinedFilters>().is_some_and(|defined| defined.output(name).is_some())
        || cx.providers.names::<Filter>().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

fn chain(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let dir = cx.dir::<FilterDir>();
    match word.split_first() {
        Some((b'+', name)) => dir.chain.push(name.into()),
        Some((b'@', name)) => dir.chain.insert(0, name.into()),
        Some((b'-', name)) => dir.chain.retain(|other| other != name),
        Some((b'=', name)) => {
            dir.chain = if name.is_empty() { Vec::new() } else { vec![name.into()] };
            dir.reset = true;
        }
        Some((b'!', _)) => {
            dir.chain.clear();
            dir.reset = true;
        }
        _ => dir.chain.push(word.into()),
    }
    Ok(())
}

fn trace(cx: &mut Cx<'_>, name: &BStr, level: &BStr) -> Outcome {
    let level = level.to_str().ok().and_then(|level| level.parse().ok()).unwrap_or(0);
    match cx.dir::<FilterDir>().declared.iter_mut().find(|smart| smart.name == name) {
        Some(smart) => Arc::make_mut(smart).trace = level,
        None => return Err(format!("Undeclared smart filter {name}").into()),
    }
    Ok(())
}

fn by_type(cx: &mut Cx<'_>, words: &[&BStr]) -> Outcome {
    let Some((names, types)) = words.split_first().filter(|(_, types)| !types.is_empty()) else {
        return Err("AddOutputFilterByType requires at least two arguments".into());
    };
    // Several filters may be named at once, separated by semicolons.
    for filter in names.split(|byte| *byte == b';').filter(|name| !name.is_empty()) {
        let name = BString::from([b"BYTYPE:", filter].concat());
        if !known(cx, filter) {
            return Err(format!("Unknown filter provider {}", filter.as_bstr()).into());
        }
        let condition = Condition::Types(types.iter().map(|word| BString::from(*word)).collect());
        let new = Provider { filter: filter.into(), condition, protocol: Protocol::default() };
        let dir = cx.dir::<FilterDir>();
        dir.smart(&name).providers.push(Arc::new(new));
        if !dir.chain.contains(&name) {
            dir.chain.push(name);
        }
    }
    Ok(())
}

fn protocol(cx: &mut Cx<'_>, name: &BStr, second: &BStr, third: Option<&BStr>) -> Outcome {
    let (filter, flags) = match third {
        Some(flags) => (Some(second), flags),
        None => (None, second),
    };
    let mut parsed = Protocol::default();
    for word in flags.split(|byte| b", \t".contains(byte)) {
        match word.to_ascii_lowercase().as_slice() {
            b"change=yes" => (parsed.change, parsed.change_length) = (true, true),
            b"change=1:1" => parsed.change = true,
            b"byteranges=no" => parsed.no_byteranges = true,
            b"proxy=no" => parsed.no_proxy = true,
            b"proxy=transform" => parsed.transform = true,
            b"cache=no" => parsed.no_cache = true,
            _ => {}
        }
    }
    let Some(smart) = cx.dir::<FilterDir>().declared.iter_mut().find(|smart| smart.name == name) else {
        return Err("FilterProtocol: No such filter".into());
    };
    let smart = Arc::make_mut(smart);
    match filter {
        None => smart.protocol = parsed,
        Some(filter) => match smart.providers.iter_mut().find(|provider| provider.filter == filter) {
            Some(provider) => Arc::make_mut(provider).protocol = parsed,
            None => return Err("FilterProtocol: No such provider for this filter".into()),
        },
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.insert_filter(MIDDLE, insert);
}

const fn harness(kind: FilterKind) -> Filter {
    Filter { name: "filter_harness", kind, wrap: dispatch }
}

static RESOURCE: Filter = harness(FilterKind::Resource);
static CONTENT_SET: Filter = harness(FilterKind::ContentSet);
static PROTOCOL: Filter = harness(FilterKind::Protocol);
static TRANSCODE: Filter = harness(FilterKind::Transcode);

fn insert(r: &mut Request) -> Answer {
    let settings = r.dir.clone();
    let dir = settings.settings.of::<FilterDir>();
    for name in &dir.chain {
        match dir.declared.iter().find(|smart| smart.name == *name) {
            Some(smart) => {
                let first = smart.providers.first().and_then(|first| server::output_filter(r, &first.filter));
                let filter = match smart.kind.or(first.map(|first| first.filter.kind)).unwrap_or(FilterKind::Resource) {
                    FilterKind::Resource => &RESOURCE,
                    FilterKind::ContentSet => &CONTENT_SET,
                    FilterKind::Protocol => &PROTOCOL,
                    _ => &TRANSCODE,
                };
                r.output_filters.push(FilterInstance { filter, context: Some(smart.clone()) });
            }
            None => r.log(Level::Warn, "filter", format_args!("AH01380: Unknown filter {name} not added")),
        }
    }
    Answer::Ok
}

/// Whether a provider's condition holds.
fn holds(provider: &Provider, r: &mut Request) -> Result<bool, String> {
    match &provider.condition {
        Condition::Expression(expression) => server::expression::holds(expression, r),
        Condition::Types(types) => {
            let Some(kind) = &r.content_type else { return Ok(false) };
            let bare = kind.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
            // What the configuration has in capitals matches nothing.
            let bare = bare.to_ascii_lowercase();
            Ok(types.iter().any(|one| *one == bare))
        }
    }
}

fn dispatch(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    let Some(smart) = context.as_ref().and_then(|context| context.downcast_ref::<Smart>()) else { return Ok(body) };
    if r.status != Status::OK && r.env.get("filter-errordocs").is_none() {
        return Ok(body);
    }
    if smart.trace > 0 {
        let kind = r.content_type.clone().unwrap_or_default();
        let length = body.length().map_or(-1, |length| length as i64);
        r.log(Level::Debug, "filter", format_args!("AH01375: {}", smart.name));
        let text = format_args!("AH01376: {}: type: {kind}, length: {length}", smart.name);
        r.log(Level::Debug, "filter", text);
    }
    for provider in &smart.providers {
        let matched = holds(provider, r).unwrap_or_else(|error| {
            let text = format_args!("AH01379: Error evaluating filter dispatch condition: {error}");
            r.log(Level::Error, "filter", text);
            false
        });
        if !matched {
            continue;
        }
        if !apply_protocol(r, smart.protocol) || !apply_protocol(r, provider.protocol) {
            return Ok(body);
        }
        return match server::output_filter(r, &provider.filter) {
            Some(instance) => (instance.filter.wrap)(r, body, &instance.context),
            None => Ok(body),
        };
    }
    Ok(body)
}

/// Adjusts the header fields to what the provider does; false when it must not run at all.
fn apply_protocol(r: &mut Request, protocol: Protocol) -> bool {
    if protocol.no_proxy && r.proxy_request {
        return false;
    }
    let no_transform = r.headers_out.get("Cache-Control").is_some_and(|value| value.contains_str("no-transform"));
    if protocol.transform && r.proxy_request {
        if no_transform {
            return false;
        }
        let name = server::server_name(r);
        r.headers_out.merge("Warning", format!("214 {name} Transformation applied"));
    }
    if protocol.no_cache {
        r.headers_out.unset("Last-Modified");
        r.headers_out.merge("Cache-Control", "no-cache");
    }
    if protocol.change {
        r.headers_out.unset("Content-MD5");
        r.headers_out.unset("ETag");
        if protocol.change_length {
            r.headers_out.unset("Content-Length");
            r.content_length = None;
        }
    }
    if protocol.no_byteranges {
        r.headers_out.set("Accept-Ranges", "none");
    }
    true
}
