//! The grammar, by recursive descent.
//!
//! Each place that refuses a token lists what httpd's message expects there; where that would be more than four
//! tokens the list is empty, as its parser generator has it.

use super::ast::{Condition, ConditionKind, List, Part, Regex, Use, Word};
use super::lexer::{Lexer, Token};
use bstr::BString;
use std::fmt;
use std::ops::Range;

/// How deep parentheses, negations, calls and variables may nest. httpd gives up with the same message, at some
/// thousands; this leaves room on a small stack for those who walk the tree.
pub const MAX_DEPTH: usize = 200;

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// `syntax error, unexpected X, expecting Y`, or what the check of a regular expression answered.
    pub syntax: Option<BString>,
    /// The latest complaint about a name or a character.
    pub detail: Option<BString>,
    /// Where the parser stood.
    pub offset: usize,
    /// Whether httpd prints [`detail`](Self::detail) alone, without file and line, and exits with status 2: its
    /// scanner has no answer to quotes in `%{name:…}` and to a backslash at the end.
    pub fatal: bool,
}

impl ParseError {
    /// The message as httpd prints it after `Cannot parse condition clause: ` and the like.
    pub fn message(&self) -> BString {
        let texts: Vec<&[u8]> =
            [&self.syntax, &self.detail].into_iter().flatten().map(|text| text.as_slice()).collect();
        bstr::join(": ", texts).into()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

/// Parses a condition. `check` is asked about every name, operator and regular expression in the order in which they
/// are complete; except for regular expressions parsing goes on after a refusal, as in httpd, and the last one counts.
pub fn parse_condition(
    source: &[u8],
    check: impl FnMut(Use<'_>) -> Result<(), BString>,
) -> Result<Condition, ParseError> {
    let mut parser = Parser::new(source, check, false);
    let condition = parser.or().and_then(|condition| {
        parser.expect(&Token::End, "$end")?;
        Ok(condition)
    });
    parser.finish(condition)
}

/// Parses a string with `%{…}` and `$0` in it, where quotes mean nothing.
pub fn parse_string(source: &[u8], check: impl FnMut(Use<'_>) -> Result<(), BString>) -> Result<Word, ParseError> {
    let mut parser = Parser::new(source, check, true);
    let word = parser.pieces(&Token::End, "$end");
    parser.finish(word)
}

/// The parser has stopped; what it has to say is in its fields.
struct Stopped;
type Parsed<T> = Result<T, Stopped>;

struct Parser<'a, C> {
    lexer: Lexer<'a>,
    check: C,
    /// The token looked at but not taken.
    ahead: Option<(Token, Range<usize>)>,
    /// Where the last token taken ends.
    end: usize,
    depth: usize,
    syntax: Option<BString>,
    offset: usize,
}

impl<'a, C: FnMut(Use<'_>) -> Result<(), BString>> Parser<'a, C> {
    fn new(source: &'a [u8], check: C, string: bool) -> Self {
        Parser { lexer: Lexer::new(source, string), check, ahead: None, end: 0, depth: 0, syntax: None, offset: 0 }
    }

    fn finish<T>(self, parsed: Parsed<T>) -> Result<T, ParseError> {
        let fatal = self.lexer.jammed;
        match parsed {
            Ok(value) if self.lexer.detail.is_none() => Ok(value),
            _ => Err(ParseError {
                syntax: self.syntax.filter(|_| !fatal),
                detail: self.lexer.detail,
                offset: self.offset,
                fatal,
            }),
        }
    }

    fn peek(&mut self) -> &Token {
        let lexer = &mut self.lexer;
        &self.ahead.get_or_insert_with(|| lexer.next()).0
    }

    /// Where the next token begins.
    fn start(&mut self) -> usize {
        self.peek();
        self.ahead.as_ref().map_or(self.end, |(_, span)| span.start)
    }

    fn take(&mut self) -> Token {
        let (token, span) = self.ahead.take().unwrap_or_else(|| self.lexer.next());
        self.end = span.end;
        token
    }

    /// Takes the next token if it is this one.
    fn takes(&mut self, token: &Token) -> bool {
        let same = self.peek() == token;
        if same {
            self.take();
        }
        same
    }

    fn expect(&mut self, token: &Token, expecting: &str) -> Parsed<()> {
        if self.takes(token) { Ok(()) } else { self.refuse(expecting) }
    }

    /// Refuses the next token.
    fn refuse<T>(&mut self, expecting: &str) -> Parsed<T> {
        let unexpected = self.peek().name();
        let comma = if expecting.is_empty() { "" } else { ", expecting " };
        self.offset = self.start();
        self.syntax = Some(format!("syntax error, unexpected {unexpected}{comma}{expecting}").into());
        Err(Stopped)
    }

    /// Stops at a token that only says what the lexer found wrong.
    fn stop<T>(&mut self) -> Parsed<T> {
        self.offset = self.start();
        Err(Stopped)
    }

    /// Runs one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            self.offset = self.end;
            self.syntax = Some("memory exhausted".into());
            return Err(Stopped);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Asks about a name; parsing goes on.
    fn ask(&mut self, used: Use<'_>) {
        if let Err(text) = (self.check)(used) {
            if self.lexer.detail.is_none() {
                self.offset = self.end;
            }
            self.lexer.detail = Some(text);
        }
    }

    fn or(&mut self) -> Parsed<Condition> {
        self.chain(&Token::Or, Self::and, ConditionKind::Or)
    }

    fn and(&mut self) -> Parsed<Condition> {
        self.chain(&Token::And, Self::not, ConditionKind::And)
    }

    fn chain(
        &mut self,
        operator: &Token,
        operand: fn(&mut Self) -> Parsed<Condition>,
        kind: fn(Vec<Condition>) -> ConditionKind,
    ) -> Parsed<Condition> {
        let start = self.start();
        let first = operand(self)?;
        if self.peek() != operator {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.takes(operator) {
            all.push(operand(self)?);
        }
        let end = all.last().map_or(start, |last| last.span.end);
        Ok(Condition { kind: kind(all), span: start..end })
    }

    fn not(&mut self) -> Parsed<Condition> {
        let start = self.start();
        if self.takes(&Token::Not) {
            let inner = self.nested(Self::not)?;
            let span = start..inner.span.end;
            return Ok(Condition { kind: ConditionKind::Not(Box::new(inner)), span });
        }
        self.simple(start)
    }

    fn simple(&mut self, start: usize) -> Parsed<Condition> {
        let kind = match self.peek().clone() {
            Token::Error => return self.stop(),
            Token::Open => {
                self.take();
                let mut inner = self.nested(Self::or)?;
                self.expect(&Token::Close, "T_OP_OR or T_OP_AND or ')'")?;
                inner.span = start..self.end;
                return Ok(inner);
            }
            Token::Constant(constant) => {
                self.take();
                ConditionKind::Constant(constant)
            }
            Token::Unary(name) => {
                self.take();
                let argument = self.word()?;
                self.ask(Use::Unary { name: name.as_ref(), argument: &argument });
                ConditionKind::Unary { name, argument }
            }
            _ => self.comparison()?,
        };
        Ok(Condition { kind, span: start..self.end })
    }

    fn comparison(&mut self) -> Parsed<ConditionKind> {
        let left = self.word()?;
        match self.peek().clone() {
            Token::Integer(comparison) => {
                self.take();
                Ok(ConditionKind::Integer { comparison, left, right: self.word()? })
            }
            Token::Text(comparison) => {
                self.take();
                Ok(ConditionKind::Text { comparison, left, right: self.word()? })
            }
            Token::Binary(name) => {
                self.take();
                let right = self.word()?;
                self.ask(Use::Binary { name: name.as_ref(), left: &left, right: &right });
                Ok(ConditionKind::Binary { name, left, right })
            }
            Token::In => {
                self.take();
                Ok(ConditionKind::In { needle: left, list: self.list()? })
            }
            Token::Match { negated } => {
                self.take();
                Ok(ConditionKind::Match { subject: left, regex: self.regex()?, negated })
            }
            _ => self.refuse(""),
        }
    }

    fn list(&mut self) -> Parsed<List> {
        let start = self.start();
        match self.peek().clone() {
            Token::Id(name) => {
                self.take();
                let argument = self.argument()?;
                self.ask(Use::ListFunction { name: name.as_ref(), argument: &argument });
                Ok(List::Function { name, argument, span: start..self.end })
            }
            Token::BraceOpen => {
                self.take();
                let mut words = vec![self.word()?];
                while self.takes(&Token::Comma) {
                    words.push(self.word()?);
                }
                self.expect(&Token::BraceClose, "'}' or ','")?;
                Ok(List::Words(words))
            }
            _ => self.refuse("T_ID or '{'"),
        }
    }

    fn regex(&mut self) -> Parsed<Regex> {
        let start = self.start();
        let Token::Regex { pattern, ignore_case } = self.peek().clone() else {
            return self.refuse("T_REGEX or T_REGEX_I");
        };
        self.take();
        let regex = Regex { pattern, ignore_case, span: start..self.end };
        match (self.check)(Use::Regex(&regex)) {
            Ok(()) => Ok(regex),
            Err(text) => {
                self.offset = start;
                self.syntax = Some(text);
                Err(Stopped)
            }
        }
    }

    /// Words joined by `.`.
    fn word(&mut self) -> Parsed<Word> {
        let start = self.start();
        let mut parts = Vec::new();
        loop {
            self.operand(&mut parts)?;
            let end = self.end;
            if !self.takes(&Token::Concat) {
                return Ok(Word { parts, span: start..end });
            }
        }
    }

    fn operand(&mut self, parts: &mut Vec<Part>) -> Parsed<()> {
        let start = self.start();
        match self.peek().clone() {
            Token::StringBegin => {
                self.take();
                if self.takes(&Token::StringEnd) {
                    parts.push(Part::Text(BString::default()));
                } else {
                    let expecting = "T_STRING or T_REGEX_BACKREF or T_STR_END or T_VAR_BEGIN";
                    parts.extend(self.pieces(&Token::StringEnd, expecting)?.parts);
                }
            }
            Token::Id(name) => {
                self.take();
                let argument = self.argument()?;
                self.ask(Use::Function { name: name.as_ref(), argument: &argument });
                parts.push(Part::Function { name, argument, span: start..self.end });
            }
            Token::Digit(_) | Token::Backref(_) | Token::VarBegin => parts.push(self.piece()?),
            _ => return self.refuse(""),
        }
        Ok(())
    }

    /// A function's argument in its parentheses.
    fn argument(&mut self) -> Parsed<Word> {
        self.expect(&Token::Open, "'('")?;
        let argument = self.nested(Self::word)?;
        self.expect(&Token::Close, "T_OP_CONCAT or ')'")?;
        Ok(argument)
    }

    /// The inside of a string, at least one piece, and the token that ends it.
    fn pieces(&mut self, end: &Token, expecting: &str) -> Parsed<Word> {
        let start = self.start();
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                Token::Piece(_) | Token::Backref(_) | Token::VarBegin => parts.push(self.piece()?),
                Token::Error if parts.is_empty() => return self.stop(),
                _ if parts.is_empty() && *end == Token::StringEnd => return self.refuse(""),
                _ if parts.is_empty() => {
                    return self.refuse("T_ERROR or T_STRING or T_REGEX_BACKREF or T_VAR_BEGIN");
                }
                _ => {
                    let span = start..self.end;
                    self.expect(end, expecting)?;
                    return Ok(Word { parts, span });
                }
            }
        }
    }

    /// Text, a back-reference or `%{…}`.
    fn piece(&mut self) -> Parsed<Part> {
        let start = self.start();
        match self.take() {
            Token::Piece(text) => Ok(Part::Text(text)),
            Token::Digit(digits) => Ok(Part::Number(digits)),
            Token::Backref(number) => Ok(Part::Backref(number)),
            _ => self.nested(|parser| parser.variable(start)),
        }
    }

    /// What follows `%{`.
    fn variable(&mut self, start: usize) -> Parsed<Part> {
        let Token::Id(name) = self.peek().clone() else { return self.refuse("T_ID") };
        self.take();
        if self.takes(&Token::Colon) {
            let expecting = "T_STRING or T_REGEX_BACKREF or T_VAR_BEGIN or T_VAR_END";
            let argument = self.pieces(&Token::VarEnd, expecting)?;
            self.ask(Use::Function { name: name.as_ref(), argument: &argument });
            return Ok(Part::Function { name, argument, span: start..self.end });
        }
        self.expect(&Token::VarEnd, "T_VAR_END or ':'")?;
        self.ask(Use::Variable(name.as_ref()));
        Ok(Part::Variable { name, span: start..self.end })
    }
}
