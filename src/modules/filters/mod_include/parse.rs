//! Cuts a document into text and elements, octet by octet, so that it may come in any pieces.

use bstr::BString;
use bytes::Bytes;

/// Octets that one element may have; a document that opens one and never ends it must not fill the memory.
const LONGEST: usize = 1 << 20;

/// An attribute of an element; without `=` it has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    /// In lower case.
    pub(super) name: BString,
    pub(super) value: Option<BString>,
}

/// What is wrong with an element's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    NoName,
    /// A value in quotes where a name should be.
    BareValue,
    /// `=` without a name before it.
    NoAttributeName,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// In lower case.
    pub(super) name: BString,
    pub(super) attributes: Vec<Attribute>,
    pub(super) flaws: Vec<Flaw>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(Bytes),
    Element(Element),
    /// The document ends within an element, or an element is longer than it may be.
    Unfinished(Element),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Text,
    Name,
    /// White space, or the beginning of the end tag, before an attribute.
    BeforeAttribute,
    AttributeName,
    /// White space before `=`.
    BeforeEqual,
    BeforeValue,
    Value,
    /// Behind a backslash within quotes.
    Escaped,
}

/// See the module text.
pub(super) struct Scanner {
    start: BString,
    end: BString,
    state: State,
    /// Octets of the start tag that stand at the end of what was seen, or of the end tag within an element.
    matched: usize,
    element: Element,
    word: BString,
    quote: Option<u8>,
    length: usize,
}

impl Scanner {
    pub(super) fn new(start: &[u8], end: &[u8]) -> Scanner {
        Scanner {
            start: start.into(),
            end: end.into(),
            state: State::Text,
            matched: 0,
            element: Element::default(),
            word: BString::default(),
            quote: None,
            length: 0,
        }
    }

    /// Takes the next octets of the document.
    pub(super) fn feed(&mut self, bytes: &Bytes, out: &mut impl Extend<Token>) {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Text {
                at = self.text(bytes, at, out);
                continue;
            }
            let Some(&byte) = bytes.get(at) else { break };
            at += 1;
            self.length += 1;
            if self.length > LONGEST {
                out.extend([Token::Unfinished(std::mem::take(&mut self.element))]);
                self.reset();
            } else if self.octet(byte) {
                let element = std::mem::take(&mut self.element);
                out.extend([Token::Element(element)]);
                self.reset();
            }
        }
    }

    /// The document has ended.
    pub(super) fn finish(&mut self, out: &mut impl Extend<Token>) {
        if self.state != State::Text {
            out.extend([Token::Unfinished(std::mem::take(&mut self.element))]);
        } else if self.matched > 0 {
            out.extend([Token::Text(Bytes::copy_from_slice(self.start.get(..self.matched).unwrap_or_default()))]);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.state = State::Text;
        (self.matched, self.length, self.quote) = (0, 0, None);
        self.element = Element::default();
        self.word.clear();
    }

    /// Looks for the start tag from `at` on; the text before it goes out. Answers where to go on.
    fn text(&mut self, bytes: &Bytes, at: usize, out: &mut impl Extend<Token>) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        if self.matched > 0 {
            // The tag may have begun at the end of the last piece.
            let carried = self.start.get(..self.matched).unwrap_or_default();
            let wanted = self.start.get(self.matched..).unwrap_or_default();
            let length = wanted.len().min(rest.len());
            if wanted.get(..length) == rest.get(..length) {
                self.matched += length;
                if self.matched == self.start.len() {
                    (self.state, self.matched) = (State::Name, 0);
                }
                return at + length;
            }
            // It did not; a later beginning may lie within what was held back.
            let mut joined = carried.to_vec();
            joined.extend_from_slice(rest.get(..length).unwrap_or_default());
            let shift = (1..carried.len())
                .find(|&shift| joined.get(shift..).is_some_and(|tail| self.start.starts_with(tail)))
                .unwrap_or(carried.len());
            out.extend([Token::Text(Bytes::copy_from_slice(carried.get(..shift).unwrap_or_default()))]);
            self.matched = carried.len() - shift;
            return at;
        }
        if let Some(found) = bstr::ByteSlice::find(rest, &*self.start) {
            if found > 0 {
                out.extend([Token::Text(bytes.slice(at..at + found))]);
            }
            self.state = State::Name;
            return at + found + self.start.len();
        }
        let longest = self.start.len().saturating_sub(1).min(rest.len());
        self.matched =
            (1..=longest).rev().find(|&length| rest.ends_with(self.start.get(..length).unwrap_or(b"\0"))).unwrap_or(0);
        if rest.len() > self.matched {
            out.extend([Token::Text(bytes.slice(at..bytes.len() - self.matched))]);
        }
        bytes.len()
    }

    /// Follows the end tag. Some: the octet may belong to it, and whether it is whole. What only looked like its beginning
    /// belongs to the word.
    fn end_tag(&mut self, byte: u8) -> Option<bool> {
        let mut seen = self.end.get(..self.matched).unwrap_or_default().to_vec();
        seen.push(byte);
        // In a name the tag may begin anew within what was seen.
        let shifts = 0..if self.state == State::Name { seen.len() } else { 1 };
        let shift = shifts.into_iter().find(|&shift| seen.get(shift..).is_some_and(|tail| self.end.starts_with(tail)));
        let Some(shift) = shift else {
            self.word.extend_from_slice(self.end.get(..self.matched).unwrap_or_default());
            self.matched = 0;
            return None;
        };
        self.word.extend_from_slice(seen.get(..shift).unwrap_or_default());
        self.matched = seen.len() - shift;
        Some(self.matched == self.end.len())
    }

    /// Takes an octet within an element; true when the element is whole.
    fn octet(&mut self, byte: u8) -> bool {
        let space = byte.is_ascii_whitespace() || byte == 0x0b;
        match self.state {
            State::Text => {}
            State::Name => match self.end_tag(byte) {
                Some(true) => {
                    self.name();
                    return true;
                }
                Some(false) => {}
                None if space => {
                    self.name();
                    self.state = State::BeforeAttribute;
                }
                None => self.word.push(byte),
            },
            State::BeforeAttribute => match self.end_tag(byte) {
                Some(whole) => return whole,
                None if space && self.word.is_empty() => {}
                None if matches!(byte, b'"' | b'\'' | b'`') && self.word.is_empty() => {
                    self.element.flaws.push(Flaw::BareValue);
                    self.element.attributes.push(Attribute { name: BString::default(), value: None });
                    (self.state, self.quote) = (State::Value, Some(byte));
                }
                None => {
                    self.state = State::AttributeName;
                    return self.octet(byte);
                }
            },
            State::AttributeName if space || byte == b'=' => {
                let name: BString = std::mem::take(&mut self.word).to_ascii_lowercase().into();
                if name.is_empty() {
                    self.element.flaws.push(Flaw::NoAttributeName);
                }
                self.element.attributes.push(Attribute { name, value: None });
                self.state = State::BeforeEqual;
                return self.octet(byte);
            }
            State::AttributeName => self.word.push(byte),
            State::BeforeEqual if space => {}
            State::BeforeEqual if byte == b'=' => self.state = State::BeforeValue,
            State::BeforeEqual => {
                self.state = State::BeforeAttribute;
                return self.octet(byte);
            }
            State::BeforeValue if space => {}
            State::BeforeValue => {
                self.state = State::Value;
                self.quote = matches!(byte, b'"' | b'\'' | b'`').then_some(byte);
                if self.quote.is_none() {
                    return self.octet(byte);
                }
            }
            State::Value => match self.quote {
                Some(quote) if quote == byte => self.value(),
                Some(_) if byte == b'\\' => self.state = State::Escaped,
                None if space => self.value(),
                _ => self.word.push(byte),
            },
            State::Escaped => {
                if self.quote != Some(byte) {
                    self.word.push(b'\\');
                }
                self.state = State::Value;
                if self.quote == Some(byte) {
                    self.word.push(byte);
                } else {
                    return self.octet(byte);
                }
            }
        }
        false
    }

    fn name(&mut self) {
        self.element.name = std::mem::take(&mut self.word).to_ascii_lowercase().into();
        if self.element.name.is_empty() {
            self.element.flaws.push(Flaw::NoName);
        }
    }

    fn value(&mut self) {
        let value = std::mem::take(&mut self.word);
        if let Some(last) = self.element.attributes.last_mut() {
            last.value = Some(value);
        }
        self.quote = None;
        self.state = State::BeforeAttribute;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(document: &str, size: usize) -> Vec<String> {
        let (mut scanner, mut out) = (Scanner::new(b"<!--#", b"-->"), Vec::new());
        for piece in document.as_bytes().chunks(size) {
            scanner.feed(&Bytes::copy_from_slice(piece), &mut out);
        }
        scanner.finish(&mut out);
        let mut shown: Vec<String> = Vec::new();
        for token in out {
            match token {
                Token::Text(text) => match shown.last_mut() {
                    Some(last) if last.starts_with("t:") => last.push_str(std::str::from_utf8(&text).unwrap()),
                    _ => shown.push(format!("t:{}", std::str::from_utf8(&text).unwrap())),
                },
                Token::Element(element) => {
                    let attributes: Vec<_> = element
                        .attributes
                        .iter()
                        .map(|a| format!(" {}={}", a.name, a.value.as_ref().map_or("-".into(), |v| format!("[{v}]"))))
                        .collect();
                    shown.push(format!("{}{}", element.name, attributes.concat()));
                }
                Token::Unfinished(_) => shown.push("unfinished".into()),
            }
        }
        shown
    }

    #[test]
    fn any_cut_gives_the_same_elements() {
        let document = "a<!-<!--x<<!--#Echo VAR = \"a\\\"b\\n-->\" x='`' -->b<!--#else--><!--#if -x=1 --> c<!--#";
        let whole = tokens(document, 1000);
        assert_eq!(
            whole,
            ["t:a<!-<!--x<", "echo var=[a\"b\\n-->] x=[`]", "t:b", "else", "if -x=[1]", "t: c", "unfinished"]
        );
        for size in 1..9 {
            assert_eq!(tokens(document, size), whole, "{size}");
        }
    }

    #[test]
    fn a_tag_begun_at_the_end_is_text() {
        assert_eq!(tokens("abc<!--", 2), ["t:abc<!--"]);
        assert_eq!(tokens("<!--#--->a", 1), ["-", "t:a"]);
        assert_eq!(tokens("<<!--#x -->", 1), ["t:<", "x"]);
    }
}
