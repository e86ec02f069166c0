//! Writing a document anew: its links mapped, and the rest as it was.

use super::elements;
use super::parser::{Attribute, Sink};
use super::{HtmlDir, Map};
use crate::sys::regex::Regex;
use bstr::{BString, ByteSlice};
use std::sync::Arc;

/// What a rule looks for in one request.
pub(super) enum From {
    Text(BString),
    Regex(Arc<Regex>),
}

/// A rule as it holds for one request.
pub(super) struct Rule {
    pub(super) from: From,
    pub(super) to: BString,
    pub(super) map: Arc<Map>,
}

/// Where text stands that rules are applied to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Event,
    Script,
}

/// See the module text.
pub(super) struct Writer {
    pub(super) settings: Arc<HtmlDir>,
    pub(super) rules: Vec<Rule>,
    pub(super) out: Vec<u8>,
    /// A script or style sheet that is gathered until it is whole.
    script: Vec<u8>,
    begun: bool,
}

/// Text with what means something in markup escaped.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for octet in text {
        match octet {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(*octet),
        }
    }
}

impl Writer {
    pub(super) fn new(settings: Arc<HtmlDir>, rules: Vec<Rule>) -> Writer {
        Writer { settings, rules, out: Vec::new(), script: Vec::new(), begun: false }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(doctype) = &self.settings.doctype
        {
            self.out.extend_from_slice(doctype);
        }
    }

    /// A link: the first rule that fits its beginning holds.
    fn link(&self, value: &BString) -> BString {
        let mut value = value.clone();
        for rule in self.rules.iter().filter(|rule| rule.map.html) {
            match &rule.from {
                From::Text(from) => {
                    if let Some(rest) = value.strip_prefix(from.as_slice()) {
                        value = [rule.to.as_slice(), rest].concat().into();
                        break;
                    }
                }
                From::Regex(regex) => {
                    if let Some(captures) = regex.captures(&value)
                        && let Some((start, end)) = captures.0.first().copied().flatten()
                    {
                        let mut new = value.get(..start).unwrap_or_default().to_vec();
                        captures.substitute(&mut new, &rule.to, &value);
                        new.extend_from_slice(value.get(end..).unwrap_or_default());
                        value = new.into();
                        break;
                    }
                }
            }
        }
        if self.settings.lowercase {
            value.make_ascii_lowercase();
        }
        if self.settings.dospath {
            value.iter_mut().filter(|octet| **octet == b'\\').for_each(|octet| *octet = b'/');
        }
        value
    }

    /// Text in which links may stand anywhere: every rule holds wherever it fits.
    fn map(&self, text: &[u8], place: Place) -> Vec<u8> {
        let mut text = text.to_vec();
        let concerned = |rule: &&Rule| if place == Place::Event { rule.map.events } else { rule.map.scripts };
        for rule in self.rules.iter().filter(concerned) {
            let mut new = Vec::new();
            let mut from = 0;
            while let Some((start, end)) = find(rule, &text, from) {
                new.extend_from_slice(text.get(from..start).unwrap_or_default());
                match &rule.from {
                    From::Text(_) => new.extend_from_slice(&rule.to),
                    From::Regex(regex) => {
                        let rest = text.get(from..).unwrap_or_default();
                        if let Some(captures) = regex.captures(rest) {
                            captures.substitute(&mut new, &rule.to, rest);
                        }
                    }
                }
                from = end;
                if start == end {
                    break;
                }
            }
            if from == 0 && new.is_empty() {
                continue;
            }
            new.extend_from_slice(text.get(from..).unwrap_or_default());
            text = new;
            if rule.map.last {
                break;
            }
        }
        text
    }

    /// Sends a script on that was gathered.
    fn dump(&mut self) {
        if !self.script.is_empty() {
            let script = std::mem::take(&mut self.script);
            let mapped = self.map(&script, Place::Script);
            self.out.extend_from_slice(&mapped);
        }
    }

    fn attribute(&mut self, element: &BString, (name, value): &Attribute) {
        self.out.push(b' ');
        self.out.extend_from_slice(name);
        let Some(value) = value else { return };
        let settings = &self.settings;
        let is_link =
            settings.links.as_ref().and_then(|links| links.get(element)).is_some_and(|names| names.contains(name));
        let is_event = settings.extended && settings.events.as_ref().is_some_and(|events| events.contains(name));
        let mapped;
        let value = if is_link {
            mapped = self.link(value);
            &mapped
        } else if is_event {
            mapped = self.map(value, Place::Event).into();
            &mapped
        } else {
            value
        };
        self.out.extend_from_slice(b"=\"");
        escape(&mut self.out, value);
        self.out.push(b'"');
    }
}

/// Where a rule fits at or behind `from`.
fn find(rule: &Rule, text: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    let (start, end) = match &rule.from {
        From::Regex(regex) => regex.captures(rest)?.0.first().copied().flatten()?,
        From::Text(wanted) if wanted.is_empty() => return None,
        From::Text(wanted) => {
            let mut at = rest.find(wanted)?;
            if rule.map.at_start && (from + at) > 0 {
                return None;
            }
            if rule.map.at_end && from + at + wanted.len() != text.len() {
                at = rest.len().checked_sub(wanted.len()).filter(|at| rest.get(*at..) == Some(wanted.as_slice()))?;
            }
            (at, at + wanted.len())
        }
    };
    Some((from + start, from + end))
}

impl Sink for Writer {
    fn start(&mut self, name: &BString, attributes: &[Attribute]) {
        self.begin();
        self.dump();
        self.out.push(b'<');
        self.out.extend_from_slice(name);
        for attribute in attributes {
            self.attribute(name, attribute);
        }
        let slash = self.settings.xml && elements::is_empty(name);
        self.out.extend_from_slice(if slash { b" />" } else { b">" });
    }

    fn end(&mut self, name: &BString) {
        self.dump();
        if !elements::is_empty(name) {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(name);
            self.out.push(b'>');
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.begin();
        escape(&mut self.out, text);
    }

    fn script(&mut self, text: &[u8]) {
        if self.settings.extended {
            self.script.extend_from_slice(text);
        } else {
            self.out.extend_from_slice(text);
        }
    }

    fn comment(&mut self, text: &[u8]) {
        if self.settings.strip_comments {
            return;
        }
        self.begin();
        let whole = [b"<!--", text, b"-->"].concat();
        if self.settings.extended {
            let mapped = self.map(&whole, Place::Script);
            self.out.extend_from_slice(&mapped);
        } else {
            self.out.extend_from_slice(&whole);
        }
    }
}
