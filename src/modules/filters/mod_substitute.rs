//! mod_substitute: the filter SUBSTITUTE replaces patterns and fixed strings in responses, line by line.
//!
//! Filter: output SUBSTITUTE (resource). Of a response one line is held at a time, at most SubstituteMaxLineLength octets.
//! Manual: mod/mod_substitute.html.

use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_substitute.c",
    ident: "substitute_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<SubstituteDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("Substitute", ANYWHERE, FILE_INFO, substitute, "Pattern to filter the response content (s/foo/bar/[inf])"),
    take1("SubstituteMaxLineLength", ANYWHERE, FILE_INFO, max_line_length, "Maximum line length"),
    flag(
        "SubstituteInheritBefore",
        ANYWHERE,
        FILE_INFO,
        inherit_before,
        "Apply inherited patterns before those of the current context",
    ),
];

enum Pattern {
    Regex(Regex),
    Fixed(BString),
    /// In lower case.
    FixedAnyCase(BString),
}

struct Rule {
    pattern: Pattern,
    replacement: BString,
    /// Later rules see what it leaves as one text; else its replacements and what stands between them on their own.
    flatten: bool,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct SubstituteDir {
    rules: Vec<Arc<Rule>>,
    max_line: Option<usize>,
    inherit_before: Option<bool>,
}

impl Settings for SubstituteDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let inherit_before = add.inherit_before.or(base.inherit_before);
        let (first, then) = match inherit_before {
            Some(true) => (&base.rules, &add.rules),
            _ => (&add.rules, &base.rules),
        };
        SubstituteDir {
            rules: [&first[..], &then[..]].concat(),
            max_line: add.max_line.or(base.max_line),
            inherit_before,
        }
    }
}

fn substitute(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let Some(rest) = word.strip_prefix(b"s").or_else(|| word.strip_prefix(b"S")) else {
        return Err("Bad Substitute format, must be an s/// pattern".into());
    };
    let incomplete = || Complaint::from("Bad Substitute format, must be a complete s/// pattern");
    let (delimiter, rest) = rest.split_first().ok_or_else(incomplete)?;
    let mut parts = rest.splitn(3, |byte| byte == delimiter);
    let from = parts.next().filter(|from| !from.is_empty()).ok_or_else(incomplete)?;
    let to = parts.next().ok_or_else(incomplete)?;
    let (mut fixed, mut any_case, mut flatten) = (false, false, true);
    for flag in parts.next().unwrap_or_default() {
        match flag.to_ascii_lowercase() {
            b'i' => any_case = true,
            b'n' => fixed = true,
            b'f' => flatten = true,
            b'q' => flatten = false,
            _ => return Err("Bad Substitute flag, only s///[infq] are supported".into()),
        }
    }
    let pattern = match (fixed, any_case) {
        (true, true) => Pattern::FixedAnyCase(from.to_ascii_lowercase().into()),
        (true, false) => Pattern::Fixed(from.into()),
        (false, _) => match Regex::new(from, Flags { icase: any_case, ..Flags::default() }) {
            Ok(regex) => Pattern::Regex(regex),
            Err(_) => return Err("Substitute could not compile regex".into()),
        },
    };
    cx.dir::<SubstituteDir>().rules.push(Arc::new(Rule { pattern, replacement: to.into(), flatten }));
    Ok(())
}

fn max_line_length(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let unit: Option<usize> = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => Some(1),
        b"k" => Some(1 << 10),
        b"m" => Some(1 << 20),
        b"g" => Some(1 << 30),
        _ => None,
    };
    let number = number.to_str().ok().and_then(|text| text.parse::<usize>().ok());
    let (Some(number), Some(unit)) = (number, unit) else {
        return Err(
            "SubstituteMaxLineLength must be a non-negative integer optionally suffixed with 'b', 'k', 'm' or 'g'."
                .into(),
        );
    };
    let Some(length) = number.checked_mul(unit).filter(|length| i64::try_from(*length).is_ok()) else {
        return Err("SubstituteMaxLineLength value too large".into());
    };
    cx.dir::<SubstituteDir>().max_line = Some(length);
    Ok(())
}

fn inherit_before(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<SubstituteDir>().inherit_before = Some(on);
    Ok(())
}

static SUBSTITUTE: Filter = Filter { name: "SUBSTITUTE", kind: FilterKind::Resource, wrap };

fn hooks(on: &mut Hooks) {
    on.output_filter(&SUBSTITUTE);
}

const MAX_LINE: usize = 1 << 20;
/// Octets that are collected before they go on.
const ENOUGH: usize = 8192;

fn wrap(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let dir = r.dir::<SubstituteDir>();
    let (rules, max_line) = (dir.rules.clone(), dir.max_line.unwrap_or(MAX_LINE));
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    if body.is_empty() && !r.header_only {
        return Ok(body);
    }
    Ok(Body::Stream(Box::new(Substituter {
        inner: Octets::new(body),
        rules,
        max_line,
        line: Vec::new(),
        out: Vec::new(),
        ended: false,
        told: false,
        broke: false,
    })))
}

struct Substituter {
    inner: Octets,
    rules: Vec<Arc<Rule>>,
    max_line: usize,
    /// The beginning of a line whose end is not there yet.
    line: Vec<u8>,
    out: Vec<u8>,
    ended: bool,
    /// The end is on its way.
    told: bool,
    /// A line break was seen.
    broke: bool,
}

/// What a rule made of a text.
enum Made {
    Same,
    /// The parts, replacements among them.
    Parts(Vec<Vec<u8>>),
    TooLong,
}

impl Rule {
    /// The rule's first match at or behind `from`: where it begins and ends, and what takes its place.
    fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize, Vec<u8>)> {
        let rest = text.get(from..)?;
        match &self.pattern {
            Pattern::Fixed(fixed) => {
                let at = from + rest.find(fixed)?;
                Some((at, at + fixed.len(), self.replacement.to_vec()))
            }
            Pattern::FixedAnyCase(fixed) => {
                let at = rest.windows(fixed.len().max(1)).position(|part| part.eq_ignore_ascii_case(fixed))? + from;
                Some((at, at + fixed.len(), self.replacement.to_vec()))
            }
            Pattern::Regex(regex) => {
                // What follows a match is a text of its own, with a beginning that `^` finds.
                let captures = regex.captures(rest)?;
                let (start, end) = captures.0.first().copied().flatten()?;
                let mut replacement = Vec::new();
                captures.substitute(&mut replacement, &self.replacement, rest);
                Some((from + start, from + end, replacement))
            }
        }
    }
    fn apply(&self, text: &[u8], room: usize) -> Made {
        let (mut parts, mut at, mut length) = (Vec::new(), 0, 0);
        let mut part = Vec::new();
        while at < text.len()
            && let Some((start, end, replacement)) = self.find(text, at)
        {
            let before = text.get(at..start).unwrap_or_default();
            length += before.len() + replacement.len();
            if length > room {
                return Made::TooLong;
            }
            part.extend_from_slice(before);
            if self.flatten {
                part.extend_from_slice(&replacement);
            } else {
                parts.push(std::mem::take(&mut part));
                parts.push(replacement);
            }
            if end == start {
                // Without an end, as the match is found again and again: the line grows until it is too long.
                return Made::TooLong;
            }
            at = end;
        }
        if at == 0 {
            return Made::Same;
        }
        let behind = text.get(at..).unwrap_or_default();
        if length + behind.len() > room {
            return Made::TooLong;
        }
        part.extend_from_slice(behind);
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        Made::Parts(parts)
    }
}

impl Substituter {
    fn too_long(r: &Request) -> Fault {
        let text = format!("AH01328: Line too long, URI {}", r.uri);
        r.log(Level::Error, "substitute", format_args!("{text}"));
        Fault::ours(text)
    }
    /// Sends a whole line on, changed by the rules.
    fn finish_line(&mut self, r: &Request, line: &[u8]) -> Result<(), Fault> {
        let mut parts: Option<Vec<Vec<u8>>> = None;
        for rule in &self.rules {
            match &mut parts {
                None => match rule.apply(line, self.max_line) {
                    Made::Same => {}
                    Made::Parts(made) => parts = Some(made),
                    Made::TooLong => return Err(Self::too_long(r)),
                },
                Some(parts) => {
                    let mut made = Vec::with_capacity(parts.len());
                    for part in std::mem::take(parts) {
                        match rule.apply(&part, self.max_line) {
                            Made::Same => made.push(part),
                            Made::Parts(parts) => made.extend(parts),
                            Made::TooLong => return Err(Self::too_long(r)),
                        }
                    }
                    *parts = made;
                }
            }
        }
        match parts {
            None => self.out.extend_from_slice(line),
            Some(parts) => parts.iter().for_each(|part| self.out.extend_from_slice(part)),
        }
        Ok(())
    }
    fn feed(&mut self, r: &Request, bytes: &[u8]) -> Result<(), Fault> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A line break yet to come counts.
            let length = self.line.len() + line.len() + usize::from(!line.ends_with(b"\n"));
            if length > self.max_line {
                return Err(Self::too_long(r));
            }
            self.broke |= line.ends_with(b"\n");
            if !line.ends_with(b"\n") {
                self.line.extend_from_slice(line);
            } else if self.line.is_empty() {
                self.finish_line(r, line)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.finish_line(r, &whole)?;
            }
        }
        Ok(())
    }
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        let mut flush = false;
        while !self.ended && !flush && self.out.len() < ENOUGH {
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => self.feed(r, &bytes)?,
                Next::Flush => flush = true,
                Next::End => {
                    self.ended = true;
                    // A text without any line break leaves together with its end.
                    self.told |= !self.broke;
                    let last = std::mem::take(&mut self.line);
                    self.finish_line(r, &last)?;
                }
            }
        }
        if !self.out.is_empty() {
            return Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut self.out)))));
        }
        // A response that is made here goes out without a length, however short it is.
        Ok(if std::mem::replace(&mut self.told, self.ended) { None } else { Some(Piece::Flush) })
    }
}

impl Source for Substituter {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
