//! mod_xml2enc: the filter xml2enc finds out the character set of markup, and turns it into one that a parser knows.
//!
//! What the media type, the first octets (XML's rules) or a META element say is used, in this order, else xml2EncDefault.
//! A character set that libxml2 knows by itself stays as it is, for the parser behind; others become UTF-8 by the system's
//! iconv. [`Detected`] tells who comes next what it is. No more is held than what is looked at, 64 KB.
//!
//! Differences: an invalid octet at the very end is skipped as any other. Manual: mod/mod_xml2enc.html.

use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use crate::sys::iconv::{Converter, Stopped};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::sync::OnceLock;

pub static MODULE: Module = Module {
    name: "mod_xml2enc.c",
    ident: "xml2enc_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<EncodingDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("xml2EncDefault", ANYWHERE, Override::ALL, default, "Usage: xml2EncDefault charset"),
    iterate2("xml2EncAlias", SERVER, NO_OVERRIDE, alias, "EncodingAlias charset alias [more aliases]"),
    iterate(
        "xml2StartParse",
        ANYWHERE,
        Override::ALL,
        start_parse,
        "Ignore anything in front of the first of these elements",
    ),
];

/// Per-directory settings.
#[derive(Clone, Default)]
struct EncodingDir {
    default: Option<BString>,
    start: Vec<BString>,
}

impl Settings for EncodingDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        EncodingDir {
            default: add.default.clone().or_else(|| base.default.clone()),
            start: if add.start.is_empty() { base.start.clone() } else { add.start.clone() },
        }
    }
}

/// Names for character sets, and what they stand for.
#[derive(Clone, Default)]
struct Aliases(Vec<(BString, BString)>);

fn default(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if !is_native(cx.process.shared.of::<Aliases>(), word) {
        return Err("Invalid or unsupported default charset".into());
    }
    cx.dir::<EncodingDir>().default = Some(word.into());
    Ok(())
}

fn alias(cx: &mut Cx<'_>, charset: Word<'_>, alias: Word<'_>) -> Outcome {
    cx.forbid_in_host()?;
    cx.process.shared::<Aliases>().0.push((alias.into(), charset.into()));
    Ok(())
}

fn start_parse(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<EncodingDir>().start.push(word.into());
    Ok(())
}

static FILTER: Filter = Filter { name: "xml2enc", kind: FilterKind::Resource, wrap };

fn hooks(on: &mut Hooks) {
    on.output_filter(&FILTER);
}

/// The character set that the body behind the filter has, and the one that it came in. Noted with the request when its
/// first octets are there.
#[derive(Clone, Default)]
pub struct Detected {
    pub now: BString,
    pub before: BString,
}

/// Character sets that a parser of libxml2 knows without help.
fn is_native(aliases: Option<&Aliases>, name: &[u8]) -> bool {
    const NAMES: [&str; 23] = [
        "UTF-8",
        "UTF8",
        "UTF-16",
        "UTF16",
        "ISO-10646-UCS-2",
        "UCS-2",
        "UCS2",
        "ISO-10646-UCS-4",
        "UCS-4",
        "UCS4",
        "ISO-8859-1",
        "ISO-LATIN-1",
        "ISO-8859-2",
        "ISO-LATIN-2",
        "ISO-8859-3",
        "ISO-8859-4",
        "ISO-8859-5",
        "ISO-8859-6",
        "ISO-8859-7",
        "ISO-8859-8",
        "ISO-8859-9",
        "ISO-2022-JP",
        "SHIFT_JIS",
    ];
    let name = resolve(aliases, name);
    name.eq_ignore_ascii_case(b"EUC-JP") || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn resolve<'a>(aliases: Option<&'a Aliases>, name: &'a [u8]) -> &'a [u8] {
    let known = aliases.and_then(|aliases| aliases.0.iter().rfind(|(alias, _)| alias.eq_ignore_ascii_case(name)));
    known.map_or(name, |(_, charset)| charset)
}

fn aliases(r: &Request) -> Option<&Aliases> {
    r.configuration.process.shared.of::<Aliases>()
}

/// `charset=` in a media type: where its value begins and ends.
fn parameter(kind: &[u8]) -> Option<(usize, usize)> {
    let start = kind.find(b"charset=")? + b"charset=".len();
    let rest = kind.get(start..)?;
    Some((start, start + rest.find_byteset(b" ;").unwrap_or(rest.len())))
}

fn wrap(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let Some(kind) = r.content_type.as_ref().map(|kind| kind.to_ascii_lowercase()) else { return Ok(body) };
    if !kind.starts_with(b"text/") && !kind.contains_str("xml") {
        return Ok(body);
    }
    r.log(Level::Debug, "xml2enc", format_args!("AH01430: Content-Type is {}", raw(&kind)));
    let named = parameter(&kind).and_then(|(start, end)| kind.get(start..end)).map(BString::from);
    let new = match parameter(&kind).filter(|(start, _)| kind.get(*start).is_some_and(u8::is_ascii_alphanumeric)) {
        Some((start, end)) => {
            let (before, behind) = (kind.get(..start).unwrap_or_default(), kind.get(end..).unwrap_or_default());
            [before, b"utf-8", behind].concat()
        }
        None => [&kind[..], b";charset=utf-8"].concat(),
    };
    r.set_content_type(new);
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    if let Some(named) = &named {
        let text = format_args!("AH01431: Got charset {} from HTTP headers", raw(named));
        r.log(Level::Info, "xml2enc", text);
        if is_native(aliases(r), named) && r.dir::<EncodingDir>().start.is_empty() {
            let charset: BString = resolve(aliases(r), named).into();
            r.extensions.put(Detected { now: charset.clone(), before: charset });
            return Ok(body);
        }
    }
    Ok(Body::Stream(Box::new(Recoded {
        inner: Octets::new(body),
        named,
        start: Some(Vec::new()),
        converter: None,
        left: Vec::new(),
        out: Vec::new(),
        flush: false,
        ended: false,
    })))
}

/// Octets that are looked at.
const WINDOW: usize = 64 * 1024;
/// Octets that are collected before they go on.
const ENOUGH: usize = 8192;

struct Recoded {
    inner: Octets,
    /// What the media type says.
    named: Option<BString>,
    /// The first octets, until it is known what they are.
    start: Option<Vec<u8>>,
    /// None: octets stay as they are.
    converter: Option<Converter>,
    /// The beginning of a character.
    left: Vec<u8>,
    out: Vec<u8>,
    flush: bool,
    ended: bool,
}

/// A META element that names the media type.
fn meta(text: &[u8]) -> Option<(usize, usize)> {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    let flags = Flags { icase: true, ..Flags::default() };
    let pattern =
        PATTERN.get_or_init(|| Regex::new(b"(<meta[^>]*http-equiv[ \t\r\n='\"]*content-type[^>]*>)", flags).ok());
    pattern.as_ref()?.captures(text)?.0.first().copied().flatten()
}

/// What a META element says.
fn meta_charset(element: &[u8]) -> Option<&BStr> {
    let lower = element.to_ascii_lowercase();
    let start = lower.find(b"charset=")? + b"charset=".len();
    let rest = element.get(start..)?;
    let end = rest
        .find_not_byteset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        .unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty()).map(BStr::new)
}

/// Whether the first octets are those of an XML declaration or mark the order of octets.
fn by_xml_rules(text: &[u8]) -> Option<&'static str> {
    const RULES: [(&[u8], &str); 11] = [
        (b"\x00\x00\x00\x3c", "UCS-4BE"),
        (b"\x3c\x00\x00\x00", "UCS-4LE"),
        (b"\x00\x00\x3c\x00", "UCS-4"),
        (b"\x00\x3c\x00\x00", "UCS-4"),
        (b"\x4c\x6f\xa7\x94", "EBCDIC-US"),
        (b"\x3c\x3f\x78\x6d", "UTF-8"),
        (b"\x3c\x00\x3f\x00", "UTF-16LE"),
        (b"\x00\x3c\x00\x3f", "UTF-16BE"),
        (b"\xef\xbb\xbf", "UTF-8"),
        (b"\xfe\xff", "UTF-16BE"),
        (b"\xff\xfe", "UTF-16LE"),
    ];
    RULES.iter().find(|(start, _)| text.starts_with(start)).map(|(_, name)| *name)
}

impl Recoded {
    /// Finds out what the first octets are, and lets them through.
    fn sniff(&mut self, r: &mut Request, mut text: Vec<u8>) {
        let mut by_rules = None;
        if self.named.is_none() {
            by_rules = by_xml_rules(&text);
            if by_rules.is_some() {
                r.log(Level::Info, "xml2enc", format_args!("AH01432: Got charset from XML rules."));
            }
        }
        let mut charset = self.named.clone();
        if charset.is_none()
            && by_rules.is_none()
            && let Some((start, end)) = meta(&text)
        {
            charset = text.get(start..end).and_then(meta_charset).map(BString::from);
            text.drain(start..end);
            if let Some(charset) = charset.as_ref().filter(|charset| is_native(aliases(r), charset)) {
                let text = format_args!("AH01433: Got charset {} from HTML META", raw(charset));
                r.log(Level::Info, "xml2enc", text);
            }
        }
        let dir = r.dir::<EncodingDir>();
        let (fallback, elements) = (dir.default.clone().unwrap_or_else(|| "ISO-8859-1".into()), dir.start.clone());
        let detected: BString = match (by_rules, &charset) {
            (Some(charset), _) => charset.into(),
            (None, Some(charset)) if is_native(aliases(r), charset) => resolve(aliases(r), charset).into(),
            (None, charset) => {
                let charset = charset.as_ref().unwrap_or(&fallback);
                let shown = raw(charset);
                let text = format_args!("AH01434: Charset {shown} not supported by libxml2; trying apr_xlate");
                r.log(Level::Debug, "xml2enc", text);
                match Converter::new(b"UTF-8", charset) {
                    Ok(converter) => {
                        self.converter = Some(converter);
                        "UTF-8".into()
                    }
                    Err(_) => {
                        let text = format_args!("AH01435: Charset {shown} not supported.  Consider aliasing it?");
                        r.log(Level::Error, "xml2enc", text);
                        let text = "AH01436: No usable charset information; using configuration default";
                        r.log(Level::Warn, "xml2enc", format_args!("{text}"));
                        fallback.clone()
                    }
                }
            }
        };
        let before = match &self.converter {
            Some(_) => charset.unwrap_or(fallback),
            None => detected.clone(),
        };
        r.extensions.put(Detected { now: detected, before });
        skip_to(r, &elements, &mut text);
        self.feed(r, &text);
    }

    fn feed(&mut self, r: &Request, bytes: &[u8]) {
        let Some(converter) = &mut self.converter else {
            self.out.extend_from_slice(bytes);
            return;
        };
        let mut whole = std::mem::take(&mut self.left);
        whole.extend_from_slice(bytes);
        let mut input = &whole[..];
        loop {
            let (used, stopped) = converter.convert(input, &mut self.out);
            input = input.get(used..).unwrap_or_default();
            match stopped {
                Stopped::Done => return,
                Stopped::Incomplete => {
                    self.left = input.to_vec();
                    return;
                }
                Stopped::Invalid => {
                    let text = "AH01444: Skipping invalid byte(s) in input stream!";
                    r.log(Level::Error, "xml2enc", format_args!("{text}"));
                    input = input.get(1..).unwrap_or_default();
                }
            }
        }
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        while !self.ended && !self.flush && self.out.len() < ENOUGH {
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => match &mut self.start {
                    Some(start) => {
                        start.extend_from_slice(&bytes);
                        if start.len() >= WINDOW {
                            let start = self.start.take().unwrap_or_default();
                            self.sniff(r, start);
                        }
                    }
                    None => self.feed(r, &bytes),
                },
                Next::Flush => self.flush = true,
                Next::End => self.ended = true,
            }
            if (self.ended || self.flush)
                && let Some(start) = self.start.take_if(|start| self.ended || !start.is_empty())
            {
                self.sniff(r, start);
            }
        }
        if !self.out.is_empty() {
            return Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut self.out)))));
        }
        Ok(std::mem::take(&mut self.flush).then_some(Piece::Flush))
    }
}

/// Drops what stands before the first of the elements.
fn skip_to(r: &Request, elements: &[BString], text: &mut Vec<u8>) {
    if elements.is_empty() {
        return;
    }
    let lower = text.to_ascii_lowercase();
    let found = elements.iter().find_map(|element| {
        let tag = [b"<", &element.to_ascii_lowercase()[..]].concat();
        lower.find(&tag).map(|at| (element, at))
    });
    if let Some((element, at)) = found {
        r.log(Level::Debug, "xml2enc", format_args!("AH01428: Skipped to first <{element}> element"));
        text.drain(..at);
    }
    // Junk before the element is complained about, too.
    if found.is_none_or(|(_, at)| at > 0) {
        let text = "AH01429: Failed to find start of recognised HTML!";
        r.log(Level::Warn, "xml2enc", format_args!("{text}"));
    }
}

impl Source for Recoded {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
