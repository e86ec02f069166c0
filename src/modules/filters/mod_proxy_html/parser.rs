//! A parser of HTML as found in the wild, which makes of it what libxml2 makes of it: elements that are implied are
//! started, those that were left open are ended, and what is no markup becomes text.
//!
//! It takes pieces as they come and holds no more than a tag, a comment or a text that is not whole yet.

use super::elements;
use bstr::{BString, ByteSlice};

/// An attribute, and its value where it has one.
pub(super) type Attribute = (BString, Option<BString>);

/// What becomes of what is read.
pub(super) trait Sink {
    fn start(&mut self, name: &BString, attributes: &[Attribute]);
    fn end(&mut self, name: &BString);
    fn text(&mut self, text: &[u8]);
    /// What stands in `script` and `style`.
    fn script(&mut self, text: &[u8]);
    fn comment(&mut self, text: &[u8]);
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nothing but comments and the like so far.
    Start,
    Content,
    /// Behind the end of the outermost element.
    Behind,
    /// What comes does not count.
    Over,
}

/// The longest tag, comment or text that is waited for: what is longer is taken to end here.
const LONGEST: usize = 1024 * 1024;

/// See the module text.
pub(super) struct Parser {
    state: State,
    buffer: Vec<u8>,
    /// Names of the open elements.
    open: Vec<BString>,
    head_seen: bool,
    body_seen: bool,
    /// Start tags that were passed over because of their place, and whose end tags are too.
    misplaced: usize,
}

/// How a step went.
enum Step {
    /// So many octets are done with.
    Used(usize),
    /// More must come first.
    Wait,
}

fn blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\n' | b'\r')
}

fn name_start(octet: u8) -> bool {
    octet.is_ascii_alphabetic() || matches!(octet, b'_' | b':' | b'.')
}

/// The name at the start of `text` in lower case, and its length.
fn name(text: &[u8]) -> Option<(BString, usize)> {
    text.first().filter(|octet| name_start(**octet))?;
    let part = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b':' | b'-' | b'_' | b'.');
    let length = text.iter().take_while(|octet| part(octet)).count();
    Some((text.get(..length)?.to_ascii_lowercase().into(), length))
}

/// A character reference or an entity behind `&`: what it stands for (nothing for an invalid number) and its length;
/// None: it is an ampersand.
fn reference(text: &[u8]) -> Option<(String, usize)> {
    if let Some(rest) = text.strip_prefix(b"#") {
        let (digits, radix, skipped) = match rest.first() {
            Some(b'x' | b'X') => (rest.get(1..).unwrap_or_default(), 16, 2),
            _ => (rest, 10, 1),
        };
        let count = digits.iter().take_while(|octet| (**octet as char).is_digit(radix)).count();
        let number = digits.get(..count)?.iter().fold(0u32, |sum, octet| {
            sum.saturating_mul(radix).saturating_add((*octet as char).to_digit(radix).unwrap_or(0))
        });
        let end = usize::from(digits.get(count) == Some(&b';'));
        let value = char::from_u32(number).filter(|value| *value >= ' ' || matches!(value, '\t' | '\n' | '\r'));
        return Some((value.map(String::from).unwrap_or_default(), skipped + count + end));
    }
    let length = text.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count();
    if text.get(length) != Some(&b';') {
        return None;
    }
    Some((elements::entity(text.get(..length)?)?.to_string(), length + 1))
}

/// The value of an attribute with what its references stand for.
fn value(text: &[u8]) -> BString {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find_byte(b'&') {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        match reference(rest) {
            Some((value, length)) => {
                out.extend_from_slice(value.as_bytes());
                rest = rest.get(length..).unwrap_or_default();
            }
            None => out.push(b'&'),
        }
    }
    out.extend_from_slice(rest);
    out.into()
}

/// Where the `>` of a tag stands: not between quotes.
fn tag_end(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut before = 0;
    text.iter().position(|octet| {
        match quote {
            Some(open) if *octet == open => quote = None,
            Some(_) => {}
            None if *octet == b'>' => return true,
            None if matches!(octet, b'"' | b'\'') && before == b'=' => quote = Some(*octet),
            None => {}
        }
        if !blank(*octet) {
            before = *octet;
        }
        false
    })
}

impl Parser {
    pub(super) fn new() -> Parser {
        let (buffer, open) = (Vec::new(), Vec::new());
        Parser { state: State::Start, buffer, open, head_seen: false, body_seen: false, misplaced: 0 }
    }

    /// Takes a piece; `last`: no more will come.
    pub(super) fn feed(&mut self, bytes: &[u8], last: bool, sink: &mut dyn Sink) {
        // A zero octet is no character.
        self.buffer.extend(bytes.iter().map(|octet| if *octet == 0 { b' ' } else { *octet }));
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while let Some(text) = buffer.get(at..).filter(|text| !text.is_empty()) {
            let ends = last || text.len() > LONGEST;
            match self.step(text, ends, sink) {
                Step::Used(used) => at += used.max(1),
                Step::Wait => break,
            }
        }
        self.buffer = buffer.get(at..).unwrap_or_default().to_vec();
        if last && self.state != State::Over {
            while let Some(name) = self.open.pop() {
                sink.end(&name);
            }
        }
    }

    fn step(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        if self.state == State::Over {
            return Step::Used(text.len());
        }
        if self.state == State::Content && self.open.last().is_some_and(|name| *name == "script" || *name == "style") {
            return self.script(text, last, sink);
        }
        if self.state == State::Start && text.first().is_some_and(|octet| blank(*octet)) {
            return Step::Used(text.iter().take_while(|octet| blank(**octet)).count());
        }
        if self.state == State::Behind && !text.starts_with(b"<") && !text.first().is_some_and(|octet| blank(*octet)) {
            self.state = State::Over;
            return Step::Used(text.len());
        }
        let (Some(first), second) = (text.first(), text.get(1)) else { return Step::Wait };
        match (first, second) {
            (b'<', None) if !last => Step::Wait,
            (b'<', Some(b'!')) => self.declaration(text, last, sink),
            (b'<', Some(b'?')) => match text.find_byte(b'>') {
                Some(end) => Step::Used(end + 1),
                None if last => Step::Used(text.len()),
                None => Step::Wait,
            },
            (b'<', _) if self.state == State::Behind => {
                self.state = State::Over;
                Step::Used(text.len())
            }
            (b'<', Some(b'/')) => self.end_tag(text, last, sink),
            (b'<', Some(octet)) if name_start(*octet) => self.start_tag(text, last, sink),
            (b'<', _) => {
                self.state = State::Content;
                sink.text(b"<");
                Step::Used(1)
            }
            (b'&', _) => self.reference(text, last, sink),
            _ => self.characters(text, last, sink),
        }
    }

    fn declaration(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        const TYPE: &[u8] = b"<!doctype";
        if let Some(rest) = text.strip_prefix(b"<!--") {
            return match rest.find(b"-->") {
                Some(end) => {
                    sink.comment(rest.get(..end).unwrap_or_default());
                    Step::Used(end + 7)
                }
                None if last => Step::Used(text.len()),
                None => Step::Wait,
            };
        }
        let start = text.get(..text.len().min(TYPE.len())).unwrap_or_default().to_ascii_lowercase();
        if start == TYPE {
            return match tag_end(text) {
                Some(end) => Step::Used(end + 1),
                None if last => Step::Used(text.len()),
                None => Step::Wait,
            };
        }
        if !last && (TYPE.starts_with(&start) || b"<!--".starts_with(&start)) {
            return Step::Wait;
        }
        if self.state == State::Behind {
            self.state = State::Over;
            return Step::Used(text.len());
        }
        self.state = State::Content;
        sink.text(b"<");
        Step::Used(1)
    }

    fn script(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        let Some(name) = self.open.last().cloned() else { return Step::Wait };
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(b"</")) {
            let end = from + at;
            let behind = text.get(end + 2..).unwrap_or_default();
            match behind.get(..name.len()) {
                Some(there) if there.eq_ignore_ascii_case(&name) => {
                    if end > 0 {
                        sink.script(text.get(..end).unwrap_or_default());
                        return Step::Used(end);
                    }
                    return self.end_tag(text, last, sink);
                }
                None if !last => return self.part(text, end, sink),
                _ => from = end + 2,
            }
        }
        let keep = if last { 0 } else { usize::from(text.ends_with(b"<")) };
        self.part(text, text.len() - keep, sink)
    }

    /// Passes a part of a script on.
    fn part(&self, text: &[u8], end: usize, sink: &mut dyn Sink) -> Step {
        if end == 0 {
            return Step::Wait;
        }
        sink.script(text.get(..end).unwrap_or_default());
        Step::Used(end)
    }

    fn end_tag(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        let Some(end) = text.find_byte(b'>').or(last.then_some(text.len())) else { return Step::Wait };
        let mut used = end + 1;
        match name(text.get(2..).unwrap_or_default()) {
            // What stands behind `</` is text.
            None => used = 2,
            Some((name, _)) => self.close(&name, sink),
        }
        self.state = if self.open.is_empty() { State::Behind } else { State::Content };
        Step::Used(used.min(text.len()))
    }

    fn close(&mut self, name: &BString, sink: &mut dyn Sink) {
        if self.misplaced > 0 && (*name == "html" || *name == "body" || *name == "head") {
            self.misplaced -= 1;
            return;
        }
        let Some(at) = self.open.iter().rposition(|open| open == name) else { return };
        let weight = elements::weight(name);
        if self.open.iter().skip(at + 1).any(|open| elements::weight(open) > weight) {
            return;
        }
        while self.open.len() > at {
            if let Some(open) = self.open.pop() {
                sink.end(&open);
            }
        }
    }

    /// Starts what must stand around an element.
    fn imply(&mut self, new: &[u8], sink: &mut dyn Sink) {
        if new == b"html" {
            return;
        }
        if self.open.is_empty() {
            self.open_element("html".into(), &[], sink);
        }
        if new == b"body" || new == b"head" {
            return;
        }
        let of_head = [&b"script"[..], b"style", b"meta", b"link", b"title", b"base"].contains(&new);
        if self.open.len() <= 1 && of_head {
            if !self.head_seen {
                self.open_element("head".into(), &[], sink);
            }
        } else if ![&b"noframes"[..], b"frame", b"frameset"].contains(&new)
            && !self.body_seen
            && !self.open.iter().any(|open| *open == "body" || *open == "head")
        {
            self.open_element("body".into(), &[], sink);
        }
    }

    fn open_element(&mut self, name: BString, attributes: &[Attribute], sink: &mut dyn Sink) {
        self.head_seen |= name == "head" || name == "body";
        self.body_seen |= name == "body";
        sink.start(&name, attributes);
        self.open.push(name);
    }

    fn auto_close(&mut self, new: &[u8], sink: &mut dyn Sink) {
        while let Some(open) = self.open.pop_if(|open| elements::ends(new, open)) {
            sink.end(&open);
        }
    }

    /// Text needs something to stand in.
    fn paragraph(&mut self, sink: &mut dyn Sink) {
        if self.open.last().is_none_or(|open| *open == "html" || *open == "head") {
            self.auto_close(b"p", sink);
            self.imply(b"p", sink);
            self.open_element("p".into(), &[], sink);
        }
    }

    fn start_tag(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        let end = tag_end(text);
        if end.is_none() && !last {
            return Step::Wait;
        }
        self.state = State::Content;
        let limit = end.unwrap_or(text.len());
        let Some((name, length)) = name(text.get(1..).unwrap_or_default()) else { return Step::Used(1) };
        self.auto_close(&name, sink);
        self.imply(&name, sink);
        let misplaced = match name.as_slice() {
            b"html" => !self.open.is_empty(),
            b"head" => self.open.len() != 1,
            b"body" => self.open.iter().any(|open| *open == "body"),
            _ => false,
        };
        let inside = text.get(1 + length..limit).unwrap_or_default();
        let (attributes, closed) = attributes(inside);
        if misplaced {
            self.misplaced += 1;
            // Its slash ends the element that it stands in.
            if closed && let Some(open) = self.open.pop() {
                sink.end(&open);
            }
        } else {
            self.open_element(name.clone(), &attributes, sink);
            if end.is_none() {
                // A tag that never ends starts something that never ends.
                self.open.pop();
            } else if closed || elements::is_empty(&name) {
                self.open.pop();
                sink.end(&name);
            }
        }
        Step::Used(limit + usize::from(end.is_some()))
    }

    fn reference(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        let rest = text.get(1..).unwrap_or_default();
        let part = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'#';
        if !last && rest.len() < 64 && rest.iter().all(part) {
            return Step::Wait;
        }
        self.state = State::Content;
        match reference(rest) {
            Some((value, length)) => {
                if !value.is_empty() {
                    self.paragraph(sink);
                    sink.text(value.as_bytes());
                }
                Step::Used(1 + length)
            }
            None => {
                self.paragraph(sink);
                sink.text(b"&");
                Step::Used(1)
            }
        }
    }

    fn characters(&mut self, text: &[u8], last: bool, sink: &mut dyn Sink) -> Step {
        let end = text.find_byteset(b"<&");
        if end.is_none() && !last {
            return Step::Wait;
        }
        if self.state == State::Start {
            self.state = State::Content;
        }
        let end = end.unwrap_or(text.len());
        let run = text.get(..end).unwrap_or_default();
        // White space between elements that hold no text, or at the very end, is left out.
        let outside = self.open.last().is_none_or(|open| *open == "html" || *open == "head");
        let left_out = match text.get(end) {
            None => true,
            Some(b'<') => outside,
            Some(_) => false,
        };
        if run.iter().all(|octet| blank(*octet)) && left_out {
            return Step::Used(end);
        }
        self.paragraph(sink);
        sink.text(run);
        Step::Used(end)
    }
}

/// The attributes of a tag (the first of a name counts), and whether a slash ends it.
fn attributes(mut text: &[u8]) -> (Vec<Attribute>, bool) {
    let mut out: Vec<Attribute> = Vec::new();
    let skip = |text: &mut &[u8]| *text = text.trim_start_with(|c| c.is_ascii() && blank(c as u8));
    loop {
        skip(&mut text);
        if text.is_empty() || text == b"/" {
            return (out, !text.is_empty());
        }
        let Some((key, length)) = name(text) else {
            // What is no name is passed over up to the next blank, or to the slash that ends the tag.
            let end =
                text.iter().position(|octet| blank(*octet)).unwrap_or(text.len() - usize::from(text.ends_with(b"/")));
            text = text.get(end.max(1)..).unwrap_or_default();
            continue;
        };
        text = text.get(length..).unwrap_or_default();
        let mut found = None;
        let mut behind = text;
        skip(&mut behind);
        if let Some(rest) = behind.strip_prefix(b"=") {
            text = rest;
            skip(&mut text);
            let quote = text.first().copied().filter(|octet| matches!(octet, b'"' | b'\''));
            let (raw, used) = match quote {
                Some(quote) => {
                    let inside = text.get(1..).unwrap_or_default();
                    let end = inside.find_byte(quote).unwrap_or(inside.len());
                    (inside.get(..end).unwrap_or_default(), end + 2)
                }
                None => {
                    let end = text.iter().position(|octet| blank(*octet)).unwrap_or(text.len());
                    (text.get(..end).unwrap_or_default(), end)
                }
            };
            found = Some(value(raw));
            text = text.get(used..).unwrap_or_default();
        }
        if !out.iter().any(|(known, _)| *known == key) {
            out.push((key, found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Shown(String);
    impl Sink for Shown {
        fn start(&mut self, name: &BString, _: &[Attribute]) {
            self.0.push_str(&format!("<{name}>"));
        }
        fn end(&mut self, name: &BString) {
            self.0.push_str(&format!("</{name}>"));
        }
        fn text(&mut self, text: &[u8]) {
            self.0.push_str(&text.to_str_lossy());
        }
        fn script(&mut self, text: &[u8]) {
            self.0.push_str(&text.to_str_lossy());
        }
        fn comment(&mut self, _: &[u8]) {}
    }

    const PAGE: &str = "<p title='a>b'>x &amp; y<script>a </scr b</script><b>z<p>&eacute;<!-- > --></b>";

    #[test]
    fn pieces_make_no_difference() {
        let mut whole = Shown::default();
        Parser::new().feed(PAGE.as_bytes(), true, &mut whole);
        for size in [1, 2, 7] {
            let (mut parser, mut shown) = (Parser::new(), Shown::default());
            for piece in PAGE.as_bytes().chunks(size) {
                parser.feed(piece, false, &mut shown);
            }
            parser.feed(b"", true, &mut shown);
            assert_eq!(shown.0, whole.0);
        }
    }

    #[test]
    fn what_never_ends_is_not_gathered() {
        let (mut parser, mut shown) = (Parser::new(), Shown::default());
        parser.feed(b"<p>", false, &mut shown);
        for _ in 0..100 {
            parser.feed(&[b'x'; 64 * 1024], false, &mut shown);
            assert!(parser.buffer.len() <= LONGEST);
        }
        assert!(shown.0.len() > 4 * LONGEST);
    }
}
