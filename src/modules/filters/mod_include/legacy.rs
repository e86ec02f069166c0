//! Conditions as Apache 2.2 wrote them (`SSILegacyExprParser on`): strings, comparisons, regular expressions, `-A`.
//!
//! `&&` and `||` bind alike, and what stands right of them is one operand. Some things that look wrong are found so only when they are evaluated, if
//! ever: an operand that is missing, a parenthesis that stays open. Grammar: mod/mod_include.html, "Legacy expression
//! syntax".

use bstr::BString;

/// Nested parentheses and negations; more is no condition that somebody wrote.
const DEEPEST: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is missing is None.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(BString),
    Regex(BString),
    Access(Option<BString>),
    Compare(Operator, BString, Option<Box<Node>>),
    Not(Option<Box<Node>>),
    /// Operands, all but the last with the operator behind them.
    Chain(Vec<(Node, Joint)>, Option<Box<Node>>),
    Group {
        inner: Option<Box<Node>>,
        closed: bool,
    },
}

/// What stands between operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Text(BString),
    Regex(BString),
    And,
    Or,
    Not,
    Open,
    Close,
    Access,
    Compare(Operator),
}

/// Why a text is no expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Invalid,
    UnmatchedClose,
}

/// Parses a condition; None: there is nothing in it. Also how many regular expressions it has.
pub(super) fn parse(text: &[u8]) -> Result<(Option<Node>, usize), Flaw> {
    let mut parser = Parser { words: words(text).into_iter().peekable(), depth: 0, regexes: 0 };
    let (node, _) = parser.chain(false)?;
    Ok((node, parser.regexes))
}

fn words(text: &[u8]) -> Vec<Word> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some((&byte, behind)) = rest.split_first() {
        let next = behind.first().copied();
        let two = behind.get(1..).unwrap_or_default();
        let (word, after) = match byte {
            _ if byte.is_ascii_whitespace() || byte == 0x0b => {
                rest = behind;
                continue;
            }
            b'(' => (Word::Open, behind),
            b')' => (Word::Close, behind),
            b'=' if next == Some(b'=') => (Word::Compare(Operator::Equal), two),
            b'=' => (Word::Compare(Operator::Equal), behind),
            b'!' if next == Some(b'=') => (Word::Compare(Operator::NotEqual), two),
            b'!' => (Word::Not, behind),
            b'<' if next == Some(b'=') => (Word::Compare(Operator::LessOrEqual), two),
            b'<' => (Word::Compare(Operator::Less), behind),
            b'>' if next == Some(b'=') => (Word::Compare(Operator::GreaterOrEqual), two),
            b'>' => (Word::Compare(Operator::Greater), behind),
            b'&' if next == Some(b'&') => (Word::And, two),
            b'|' if next == Some(b'|') => (Word::Or, two),
            b'-' if next == Some(b'A') => (Word::Access, two),
            b'\'' => {
                let (text, after) = quoted(behind, b'\'');
                (Word::Text(text), after)
            }
            b'/' if words.last() != Some(&Word::Access) => {
                let (pattern, after) = quoted(behind, b'/');
                (Word::Regex(pattern), after)
            }
            _ => {
                let (text, after) = plain(rest);
                (Word::Text(text), after)
            }
        };
        words.push(word);
        rest = after;
    }
    words
}

/// Up to the closing mark; a backslash makes any octet plain. What is not closed is empty, and reaches to the end.
fn quoted(text: &[u8], mark: u8) -> (BString, &[u8]) {
    let (mut out, mut at) = (BString::default(), 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => {
                out.extend(text.get(at + 1));
                at += 1;
            }
            _ if byte == mark => return (out, text.get(at + 1..).unwrap_or_default()),
            _ => out.push(byte),
        }
        at += 1;
    }
    (BString::default(), b"")
}

fn plain(text: &[u8]) -> (BString, &[u8]) {
    let (mut out, mut at) = (BString::default(), 0);
    while let Some(&byte) = text.get(at) {
        let doubled = text.get(at + 1) == Some(&byte);
        match byte {
            b'\\' => {
                out.extend(text.get(at + 1));
                at += 1;
            }
            b'(' | b')' | b'=' | b'!' | b'<' | b'>' | 0x0b => break,
            b'&' | b'|' if doubled => break,
            _ if byte.is_ascii_whitespace() => break,
            _ => out.push(byte),
        }
        at += 1;
    }
    (out, text.get(at..).unwrap_or_default())
}

struct Parser {
    words: std::iter::Peekable<std::vec::IntoIter<Word>>,
    depth: usize,
    regexes: usize,
}

impl Parser {
    /// Operands with `&&` and `||` between them, up to the end or to a closing parenthesis: true then.
    fn chain(&mut self, inside: bool) -> Result<(Option<Node>, bool), Flaw> {
        let mut operands = Vec::new();
        loop {
            let operand = self.operand(true)?;
            let joint = match (self.words.peek(), &operand) {
                (Some(Word::And), Some(_)) => Joint::And,
                (Some(Word::Or), Some(_)) => Joint::Or,
                (None | Some(Word::Close), _) => {
                    let node = match (operands.is_empty(), operand) {
                        (true, operand) => operand,
                        (false, last) => Some(Node::Chain(operands, last.map(Box::new))),
                    };
                    return self.end(inside).map(|closed| (node, closed));
                }
                _ => return Err(Flaw::Invalid),
            };
            self.words.next();
            operands.extend(operand.map(|operand| (operand, joint)));
        }
    }

    /// The end of a chain: a parenthesis that closes it, or that of the text.
    fn end(&mut self, inside: bool) -> Result<bool, Flaw> {
        match self.words.next() {
            Some(_) if !inside => Err(Flaw::UnmatchedClose),
            word => Ok(word.is_some()),
        }
    }

    /// An operand; None where the text or the group ends. Only some strings may be compared.
    fn operand(&mut self, compares: bool) -> Result<Option<Node>, Flaw> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Flaw::Invalid);
        }
        let node = match self.words.peek() {
            None | Some(Word::Close) => None,
            Some(Word::Text(_)) => Some(self.comparison(compares)?),
            Some(Word::Not) => {
                self.words.next();
                Some(Node::Not(self.operand(false)?.map(Box::new)))
            }
            Some(Word::Open) => {
                self.words.next();
                let (inner, closed) = self.chain(true)?;
                Some(Node::Group { inner: inner.map(Box::new), closed })
            }
            Some(Word::Access) => {
                self.words.next();
                match self.words.peek() {
                    None | Some(Word::Close) => Some(Node::Access(None)),
                    Some(Word::Text(_)) => Some(Node::Access(Some(self.strings()))),
                    Some(_) => return Err(Flaw::Invalid),
                }
            }
            Some(_) => return Err(Flaw::Invalid),
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Strings in a row are one, with blanks between them.
    fn strings(&mut self) -> BString {
        let mut all = BString::default();
        while let Some(Word::Text(text)) = self.words.next_if(|word| matches!(word, Word::Text(_))) {
            if !all.is_empty() {
                all.push(b' ');
            }
            all.extend_from_slice(&text);
        }
        all
    }

    fn comparison(&mut self, compares: bool) -> Result<Node, Flaw> {
        let left = self.strings();
        let Some(&Word::Compare(operator)) = self.words.peek().filter(|_| compares) else {
            return Ok(Node::Text(left));
        };
        self.words.next();
        let right = match self.words.peek() {
            Some(Word::Text(_)) => Some(Node::Text(self.strings())),
            Some(Word::Regex(pattern)) if matches!(operator, Operator::Equal | Operator::NotEqual) => {
                let pattern = pattern.clone();
                self.words.next();
                self.regexes += 1;
                Some(Node::Regex(pattern))
            }
            _ => self.operand(false)?,
        };
        Ok(Node::Compare(operator, left, right.map(Box::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_operators_bind_alike() {
        let text = |text: &str| Box::new(Node::Text(text.into()));
        let operands = vec![(*text("a"), Joint::Or), (*text("b c"), Joint::And)];
        let whole = Node::Chain(operands, Some(Box::new(Node::Not(Some(text("d"))))));
        assert_eq!(parse(b"a || b 'c' && !d"), Ok((Some(whole), 0)));
    }

    #[test]
    fn flaws_that_are_seen_at_once() {
        for text in ["!a = b", "&& a", "a = = a", "a !", "(a) b", "/a/", "a = /a/ b", "-A x = b", "a = && b", "-A && a"]
        {
            assert_eq!(parse(text.as_bytes()), Err(Flaw::Invalid), "{text}");
        }
        for text in ["a )", "!)", "a && b)", "-A )"] {
            assert_eq!(parse(text.as_bytes()), Err(Flaw::UnmatchedClose), "{text}");
        }
        for text in ["( a", "()", "a &&", "a = (b)", "a = !b", "(b = )", "-A", "!", "''"] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
        assert!(parse("(".repeat(100_000).as_bytes()).is_err());
    }
}
