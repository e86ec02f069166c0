//! mod_proxy_html: the filter proxy-html maps the links in HTML that comes from a backend.
//!
//! The document is parsed as libxml2 parses it ([`parser`], with the facts of [`elements`]) and written anew with its links
//! mapped ([`rewrite`]). Hook: `insert_filter`, middle: puts the filter, behind mod_xml2enc's, into responses where
//! ProxyHTMLEnable is on. The document streams: a tag, a comment or (with ProxyHTMLExtended) a script is held at a time.
//!
//! Differences: ProxyHTMLDocType does not drop elements and attributes that its document type does not know; ProxyHTMLBufSize
//! means nothing, as buffers grow by themselves. Manual: mod/mod_proxy_html.html.

mod elements;
mod parser;
mod rewrite;

use super::mod_xml2enc::Detected;
use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterInstance, FilterKind, Piece, Request, Source, Status};
use crate::server;
use crate::sys::iconv::{Converter, Stopped};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use parser::Parser;
use rewrite::{From as Pattern, Rule, Writer};
use std::collections::BTreeMap;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_proxy_html.c",
    ident: "proxy_html_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<HtmlDir>(),
    hooks,
};

const PLACES: Contexts = SERVER.and(DIRECTORY);

const DIRECTIVES: &[Directive] = &[
    iterate("ProxyHTMLEvents", PLACES, NO_OVERRIDE, events, "Strings to be treated as scripting events"),
    iterate2("ProxyHTMLLinks", PLACES, NO_OVERRIDE, links, "Declare HTML Attributes"),
    raw_args("ProxyHTMLURLMap", PLACES, NO_OVERRIDE, url_map, "Map URL From To"),
    take12("ProxyHTMLDoctype", PLACES, NO_OVERRIDE, doctype, "(HTML|XHTML) [Legacy]"),
    iterate("ProxyHTMLFixups", PLACES, NO_OVERRIDE, fixups, "Options are lowercase, dospath"),
    flag(
        "ProxyHTMLMeta",
        PLACES,
        NO_OVERRIDE,
        |cx, on| set(cx, |dir| &mut dir.meta, on),
        "Fix META http-equiv elements",
    ),
    flag(
        "ProxyHTMLInterp",
        PLACES,
        NO_OVERRIDE,
        |cx, on| set(cx, |dir| &mut dir.interpolates, on),
        "Support interpolation and conditions in URLMaps",
    ),
    flag(
        "ProxyHTMLExtended",
        PLACES,
        NO_OVERRIDE,
        |cx, on| set(cx, |dir| &mut dir.extended, on),
        "Map URLs in Javascript and CSS",
    ),
    flag(
        "ProxyHTMLStripComments",
        PLACES,
        NO_OVERRIDE,
        |cx, on| set(cx, |dir| &mut dir.strip_comments, on),
        "Strip out comments",
    ),
    take1("ProxyHTMLBufSize", PLACES, NO_OVERRIDE, buffer_size, "Buffer size").ignored("buffers grow by themselves"),
    take1("ProxyHTMLCharsetOut", PLACES, NO_OVERRIDE, charset_out, "Usage: ProxyHTMLCharsetOut charset"),
    flag(
        "ProxyHTMLEnable",
        PLACES,
        NO_OVERRIDE,
        |cx, on| set(cx, |dir| &mut dir.enabled, on),
        "Enable proxy-html and xml2enc filters",
    ),
];

/// A rule as it was written.
struct Map {
    from: BString,
    to: BString,
    regex: Option<Result<Arc<Regex>, ()>>,
    flags: Flags,
    html: bool,
    events: bool,
    scripts: bool,
    last: bool,
    at_start: bool,
    at_end: bool,
    interpolates_from: bool,
    interpolates_to: bool,
    condition: Option<Condition>,
}

/// When a rule holds.
enum Condition {
    /// `[!]NAME[=VALUE]`: a variable of the request.
    Variable {
        negated: bool,
        name: BString,
        value: Option<BString>,
    },
    Expression(Expression),
}

impl Condition {
    fn parse(cx: &Cx<'_>, text: &BStr) -> Result<Condition, Complaint> {
        let negated = text.starts_with(b"!");
        let bare = if negated { text.get(1..).unwrap_or_default() } else { text };
        let (name, value) = match bare.split_once_str("=") {
            Some((name, value)) if !value.is_empty() => (name, Some(value.into())),
            _ => (bare, None),
        };
        if !name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'_') {
            // The manual has names alone too; Apache refuses them.
            if value.is_none() {
                let what = if negated { "T_OP_NOT" } else { "T_STR_BEGIN" };
                return Err(format!("syntax error, unexpected {what}").into());
            }
            return Ok(Condition::Variable { negated, name: name.into(), value });
        }
        let expression = Expression::condition(text, cx.rights(), cx.providers);
        expression
            .map(|expression| Condition::Expression(expression.at("proxy_html", cx.file, cx.line)))
            .map_err(Complaint::from)
    }

    fn holds(&self, r: &mut Request) -> bool {
        match self {
            Condition::Variable { negated, name, value } => {
                let there = r.env.get(name);
                let same = match value {
                    Some(value) => there.is_some_and(|there| there == value),
                    None => there.is_some(),
                };
                same != *negated
            }
            Condition::Expression(expression) => server::expression::holds(expression, r).unwrap_or_else(|error| {
                r.log(Level::Error, "proxy_html", format_args!("AH01421: Error evaluating expr: {error}"));
                false
            }),
        }
    }
}

/// Per-directory settings.
#[derive(Clone, Default)]
struct HtmlDir {
    maps: Vec<Arc<Map>>,
    links: Option<BTreeMap<BString, Vec<BString>>>,
    events: Option<Vec<BString>>,
    doctype: Option<BString>,
    /// Elements without content end as in XML.
    xml: bool,
    lowercase: bool,
    dospath: bool,
    /// ProxyHTMLFixups reset: what stands above does not count.
    reset: bool,
    meta: bool,
    interpolates: bool,
    extended: bool,
    strip_comments: bool,
    charset_out: Option<BString>,
    enabled: bool,
}

impl Settings for HtmlDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let own_type = add.doctype.is_some();
        // What is on stays on further in; only `ProxyHTMLFixups reset` takes it all back.
        let either = |field: fn(&Self) -> bool| field(add) || field(base) && !add.reset;
        HtmlDir {
            maps: [&add.maps[..], &base.maps[..]].concat(),
            links: add.links.clone().or_else(|| base.links.clone()),
            events: add.events.clone().or_else(|| base.events.clone()),
            doctype: add.doctype.clone().or_else(|| base.doctype.clone()),
            xml: if own_type { add.xml } else { base.xml },
            lowercase: either(|dir| dir.lowercase),
            dospath: either(|dir| dir.dospath),
            reset: false,
            meta: either(|dir| dir.meta),
            interpolates: either(|dir| dir.interpolates),
            extended: either(|dir| dir.extended),
            strip_comments: either(|dir| dir.strip_comments),
            charset_out: add.charset_out.clone().or_else(|| base.charset_out.clone()),
            enabled: either(|dir| dir.enabled),
        }
    }
}

fn set(cx: &mut Cx<'_>, field: fn(&mut HtmlDir) -> &mut bool, on: bool) -> Outcome {
    *field(cx.dir::<HtmlDir>()) = on;
    Ok(())
}

fn events(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<HtmlDir>().events.get_or_insert_default().push(word.into());
    Ok(())
}

fn links(cx: &mut Cx<'_>, element: Word<'_>, attribute: Word<'_>) -> Outcome {
    let links = cx.dir::<HtmlDir>().links.get_or_insert_default();
    links.entry(element.into()).or_default().push(attribute.into());
    Ok(())
}

fn url_map(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let mut words = httpd_conf::words(args);
    let mut next = || words.next().map(|word| word.into_owned());
    let (Some(from), Some(to)) = (next(), next()) else { return Ok(()) };
    let (flags, condition) = (next().unwrap_or_default(), next());
    let has = |flag: u8| flags.contains(&flag);
    let options = Flags { icase: has(b'i'), multiline: has(b's'), extended: false, ..Flags::default() };
    let regex = has(b'R').then(|| Regex::new(&from, options).map(Arc::new).map_err(|_| ()));
    let condition = condition.filter(|text| !text.is_empty());
    let condition = condition.map(|text| Condition::parse(cx, text.as_bstr())).transpose()?;
    let map = Map {
        regex,
        flags: options,
        html: !has(b'h'),
        events: !has(b'e'),
        scripts: !has(b'c'),
        last: has(b'L'),
        at_start: has(b'^'),
        at_end: has(b'$'),
        interpolates_from: has(b'v'),
        interpolates_to: has(b'V'),
        condition,
        from,
        to,
    };
    cx.dir::<HtmlDir>().maps.push(Arc::new(map));
    Ok(())
}

fn doctype(cx: &mut Cx<'_>, first: Word<'_>, second: Option<Word<'_>>) -> Outcome {
    const HTML: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\">\n";
    const HTML_LEGACY: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\">\n";
    const XHTML: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
                         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n";
    const XHTML_LEGACY: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \
                                \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n";
    let second = second.map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let legacy = second == b"legacy";
    let (text, xml): (BString, bool) = match first.to_ascii_lowercase().as_slice() {
        b"xhtml" => (if legacy { XHTML_LEGACY } else { XHTML }.into(), true),
        b"html" => (if legacy { HTML_LEGACY } else { HTML }.into(), false),
        b"html5" => ("<!DOCTYPE html>\n".into(), false),
        _ => (first.into(), second == b"xml" || second == b"xhtml"),
    };
    let dir = cx.dir::<HtmlDir>();
    (dir.doctype, dir.xml) = (Some(text), xml);
    Ok(())
}

fn fixups(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let dir = cx.dir::<HtmlDir>();
    match word.to_ascii_lowercase().as_slice() {
        b"lowercase" => dir.lowercase = true,
        b"dospath" => dir.dospath = true,
        b"reset" => (dir.lowercase, dir.dospath, dir.reset) = (false, false, true),
        _ => {}
    }
    Ok(())
}

fn buffer_size(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        true => Ok(()),
        false => Err("Invalid value for directive ProxyHTMLBufSize, expected integer".into()),
    }
}

fn charset_out(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<HtmlDir>().charset_out = Some(word.into());
    Ok(())
}

static FILTER: Filter = Filter { name: "proxy-html", kind: FilterKind::Resource, wrap };

fn hooks(on: &mut Hooks) {
    on.output_filter(&FILTER);
    on.insert_filter(MIDDLE, insert);
}

fn insert(r: &mut Request) -> Answer {
    if r.dir::<HtmlDir>().enabled {
        if let Some(encoding) = server::output_filter(r, b"xml2enc") {
            r.output_filters.push(encoding);
        }
        r.output_filters.push(FilterInstance { filter: &FILTER, context: None });
    }
    Answer::Ok
}

/// Why a response is none of ours.
fn refusal(r: &Request) -> Option<&'static str> {
    if !r.env.contains("PROXY_HTML_FORCE") {
        if !r.proxy_request {
            return Some("Non-proxy request; not inserting proxy-html filter");
        }
        let Some(kind) = &r.content_type else { return Some("No content-type; bailing out of proxy-html filter") };
        let is = |prefix: &[u8]| kind.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if !is(b"text/html") && !is(b"application/xhtml+xml") {
            return Some("Non-HTML content; not inserting proxy-html filter");
        }
    }
    match r.dir::<HtmlDir>().links {
        None => Some("No links configured: nothing for proxy-html filter to do"),
        Some(_) => None,
    }
}

fn wrap(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if let Some(text) = refusal(r) {
        r.log(Level::Trace1, "proxy_html", format_args!("{text}"));
        return Ok(body);
    }
    let settings = r.dir.settings.shared::<HtmlDir>();
    r.set_content_type("text/html;charset=utf-8");
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    let rules = rules(r, &settings);
    Ok(Body::Stream(Box::new(Rewritten {
        inner: Octets::new(body),
        parser: Parser::new(),
        writer: Writer::new(settings, rules),
        input: None,
        output: None,
        begun: false,
        left: Vec::new(),
        out: Vec::new(),
        flush: false,
        sent: false,
        ended: false,
    })))
}

/// The rules that hold for a request.
fn rules(r: &mut Request, settings: &HtmlDir) -> Vec<Rule> {
    let interpolates = settings.interpolates;
    let mut rule = |map: &Arc<Map>| {
        if !map.condition.as_ref().filter(|_| interpolates).is_none_or(|condition| condition.holds(r)) {
            return None;
        }
        let to = if interpolates && map.interpolates_to { interpolated(r, &map.to) } else { map.to.clone() };
        let anew = interpolates && map.interpolates_from;
        let from = match &map.regex {
            None if anew => Pattern::Text(interpolated(r, &map.from)),
            None => Pattern::Text(map.from.clone()),
            Some(_) if anew => Pattern::Regex(Arc::new(Regex::new(&interpolated(r, &map.from), map.flags).ok()?)),
            Some(regex) => Pattern::Regex(regex.clone().ok()?),
        };
        Some(Rule { from, to, map: map.clone() })
    };
    settings.maps.iter().filter_map(&mut rule).collect()
}

/// `${NAME}` and `${NAME|otherwise}` with the request's variables.
fn interpolated(r: &Request, text: &[u8]) -> BString {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(b"${")
        && let Some(end) = rest.get(start..).and_then(|rest| rest.find_byte(b'}'))
    {
        out.extend_from_slice(rest.get(..start).unwrap_or_default());
        let inside = rest.get(start + 2..start + end).unwrap_or_default();
        let (name, otherwise) = inside.split_once_str("|").unwrap_or((inside, b""));
        out.extend_from_slice(r.env.get(name).unwrap_or(BStr::new(otherwise)));
        rest = rest.get(start + end + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.into()
}

/// Octets that are collected before they go on.
const ENOUGH: usize = 8192;
/// What is shorter is no document.
const LEAST: usize = 4;
/// What is looked through for META elements.
const HEAD: usize = 8192;

struct Rewritten {
    inner: Octets,
    parser: Parser,
    writer: Writer,
    /// Into UTF-8, where the document is not.
    input: Option<Converter>,
    /// Out of UTF-8, where something else is asked for.
    output: Option<Converter>,
    begun: bool,
    /// What came before it was enough to begin, then the beginning of a character.
    left: Vec<u8>,
    out: Vec<u8>,
    flush: bool,
    sent: bool,
    ended: bool,
}

/// Header fields that META elements stand for; those of the content are the server's.
fn promote(r: &mut Request, text: &[u8]) {
    let flags = Flags { icase: true, ..Flags::default() };
    let Ok(pattern) = Regex::new(b"<meta[^>]*(http-equiv)[^>]*>", flags) else { return };
    let mut rest = text;
    while let Some((start, end)) = pattern.captures(rest).and_then(|found| found.0.first().copied().flatten()) {
        let element = rest.get(start..end).unwrap_or_default();
        let value = |name: &str| {
            let at = element.to_ascii_lowercase().find(name)? + name.len();
            let behind = element.get(at..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
            let quote = behind.first().filter(|octet| matches!(octet, b'"' | b'\''));
            let end = match quote {
                Some(quote) => return behind.get(1..)?.split(|octet| octet == quote).next().map(BString::from),
                None => behind.find_byteset(b" \t\r\n/>").unwrap_or(behind.len()),
            };
            behind.get(..end).map(BString::from)
        };
        if let (Some(name), Some(content)) = (value("http-equiv"), value("content"))
            && !name.to_ascii_lowercase().starts_with(b"content-")
            && !name.is_empty()
        {
            r.headers_out.set(&name, &content);
        }
        rest = rest.get(end.max(1)..).unwrap_or_default();
    }
}

impl Rewritten {
    fn begin(&mut self, r: &mut Request) {
        self.begun = true;
        let unknown = || Detected { now: "UTF-8".into(), before: "UTF-8".into() };
        let Detected { now: charset, before } = r.extensions.of::<Detected>().cloned().unwrap_or_else(unknown);
        let utf8 = |name: &[u8]| name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"UTF8");
        if !utf8(&charset) {
            self.input = Converter::new(b"UTF-8", &charset).ok();
        }
        if let Some(wanted) = self.writer.settings.charset_out.clone() {
            let wanted = if wanted == "*" { before } else { wanted };
            if !utf8(&wanted) {
                self.output = Converter::new(&wanted, b"UTF-8").ok();
            }
            if utf8(&wanted) || self.output.is_some() {
                r.set_content_type(format!("text/html;charset={wanted}"));
            }
        }
        if self.writer.settings.meta {
            promote(r, self.left.get(..HEAD).unwrap_or(&self.left));
        }
    }

    fn feed(&mut self, bytes: &[u8], last: bool) {
        let mut text = Vec::new();
        let mut whole = std::mem::take(&mut self.left);
        whole.extend_from_slice(bytes);
        match &mut self.input {
            None => text = whole,
            Some(converter) => {
                let mut input = &whole[..];
                loop {
                    let (used, stopped) = converter.convert(input, &mut text);
                    input = input.get(used..).unwrap_or_default();
                    match stopped {
                        Stopped::Done => break,
                        Stopped::Incomplete => {
                            self.left = input.to_vec();
                            break;
                        }
                        Stopped::Invalid => input = input.get(1..).unwrap_or_default(),
                    }
                }
            }
        }
        self.parser.feed(&text, last, &mut self.writer);
        match &mut self.output {
            None => self.out.append(&mut self.writer.out),
            Some(converter) => {
                let made = std::mem::take(&mut self.writer.out);
                let mut input = &made[..];
                while !input.is_empty() {
                    let (used, stopped) = converter.convert(input, &mut self.out);
                    input = input.get(used..).unwrap_or_default();
                    if stopped != Stopped::Done {
                        // What the character set does not have is left out.
                        let length = input.iter().skip(1).take_while(|octet| **octet & 0xc0 == 0x80).count() + 1;
                        input = input.get(length..).unwrap_or_default();
                    }
                }
            }
        }
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        while !self.ended && !self.flush && self.out.len() < ENOUGH {
            let next = self.inner.next(r).await?;
            self.ended = matches!(next, Next::End);
            self.flush = matches!(next, Next::Flush);
            let bytes = if let Next::Bytes(bytes) = next { bytes } else { Bytes::new() };
            if !self.begun {
                self.left.extend_from_slice(&bytes);
                if !self.ended && !self.flush && self.left.len() < HEAD {
                    continue;
                }
                self.begin(r);
                if self.ended && self.left.len() < LEAST {
                    self.out.append(&mut self.left);
                    continue;
                }
                self.feed(b"", self.ended);
            } else {
                self.feed(&bytes, self.ended);
            }
        }
        if !self.out.is_empty() {
            // What is longer than one buffer goes out before its length is known.
            self.flush |= !std::mem::replace(&mut self.sent, true) && !self.ended;
            return Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut self.out)))));
        }
        Ok(std::mem::take(&mut self.flush).then_some(Piece::Flush))
    }
}

impl Source for Rewritten {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
