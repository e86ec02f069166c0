//! Tokens. What is one depends on where it stands: between words, in a string, in `%{NAME`, in `%{name:argument`.

use super::ast::Comparison;
use bstr::{BString, ByteSlice};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n};
use nom::character::complete::{char, digit1, satisfy};
use nom::combinator::{opt, recognize, value};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};
use std::ops::Range;

/// Pieces of strings and regular expressions of this length or more are refused.
const MAX_PIECE: usize = 8192;

/// A token with what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    /// The text is in [`Lexer::detail`].
    Error,
    Constant(bool),
    Or,
    And,
    Not,
    In,
    Match {
        negated: bool,
    },
    Integer(Comparison),
    Text(Comparison),
    Unary(BString),
    Binary(BString),
    Concat,
    Id(BString),
    Digit(BString),
    Regex {
        pattern: BString,
        ignore_case: bool,
    },
    Piece(BString),
    Backref(u8),
    StringBegin,
    StringEnd,
    VarBegin,
    VarEnd,
    Open,
    Close,
    BraceOpen,
    BraceClose,
    Colon,
    Comma,
}

impl Token {
    /// The name in httpd's messages.
    pub(super) fn name(&self) -> &'static str {
        use Comparison::*;
        match self {
            Token::End => "$end",
            Token::Error => "T_ERROR",
            Token::Constant(true) => "T_TRUE",
            Token::Constant(false) => "T_FALSE",
            Token::Or => "T_OP_OR",
            Token::And => "T_OP_AND",
            Token::Not => "T_OP_NOT",
            Token::In => "T_OP_IN",
            Token::Match { negated: false } => "T_OP_REG",
            Token::Match { negated: true } => "T_OP_NRE",
            Token::Integer(Equal) => "T_OP_EQ",
            Token::Integer(NotEqual) => "T_OP_NE",
            Token::Integer(Less) => "T_OP_LT",
            Token::Integer(LessOrEqual) => "T_OP_LE",
            Token::Integer(Greater) => "T_OP_GT",
            Token::Integer(GreaterOrEqual) => "T_OP_GE",
            Token::Text(Equal) => "T_OP_STR_EQ",
            Token::Text(NotEqual) => "T_OP_STR_NE",
            Token::Text(Less) => "T_OP_STR_LT",
            Token::Text(LessOrEqual) => "T_OP_STR_LE",
            Token::Text(Greater) => "T_OP_STR_GT",
            Token::Text(GreaterOrEqual) => "T_OP_STR_GE",
            Token::Unary(_) => "T_OP_UNARY",
            Token::Binary(_) => "T_OP_BINARY",
            Token::Concat => "T_OP_CONCAT",
            Token::Id(_) => "T_ID",
            Token::Digit(_) => "T_DIGIT",
            Token::Regex { ignore_case: false, .. } => "T_REGEX",
            Token::Regex { ignore_case: true, .. } => "T_REGEX_I",
            Token::Piece(_) => "T_STRING",
            Token::Backref(_) => "T_REGEX_BACKREF",
            Token::StringBegin => "T_STR_BEGIN",
            Token::StringEnd => "T_STR_END",
            Token::VarBegin => "T_VAR_BEGIN",
            Token::VarEnd => "T_VAR_END",
            Token::Open => "'('",
            Token::Close => "')'",
            Token::BraceOpen => "'{'",
            Token::BraceClose => "'}'",
            Token::Colon => "':'",
            Token::Comma => "','",
        }
    }
}

/// Where the next token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    /// In a string that ends at this quote, or, being the whole expression, at the end.
    Text(Option<u8>),
    Name,
    Argument,
}

/// Cuts an expression into tokens, each on demand.
pub(super) struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    places: Vec<Place>,
    /// The latest complaint, of the lexer or of a check: httpd has one place for both.
    pub(super) detail: Option<BString>,
    /// Set where httpd's scanner gives up: nothing is added to its text.
    pub(super) jammed: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a [u8], string: bool) -> Self {
        let place = if string { Place::Text(None) } else { Place::Between };
        Lexer { source, at: 0, places: vec![place], detail: None, jammed: false }
    }

    /// The next token and its span.
    pub(super) fn next(&mut self) -> (Token, Range<usize>) {
        match self.places.last().copied().unwrap_or(Place::Between) {
            Place::Between => {
                self.skip(take_while(|b| matches!(b, b' ' | b'\t' | b'\n')));
                let start = self.at;
                (self.between(), start..self.at)
            }
            Place::Name => {
                let start = self.at;
                (self.name(), start..self.at)
            }
            place => {
                let start = self.at;
                (self.text(place), start..self.at)
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// What `parser` takes off the rest, or nothing.
    fn take<T>(&mut self, mut parser: impl Parser<&'a [u8], Output = T, Error = Failure<'a>>) -> Option<T> {
        let (rest, output) = parser.parse(self.rest()).ok()?;
        self.at = self.source.len() - rest.len();
        Some(output)
    }

    fn skip(&mut self, parser: impl Parser<&'a [u8], Output = &'a [u8], Error = Failure<'a>>) {
        self.take(parser);
    }

    fn error(&mut self, text: impl Into<BString>) -> Token {
        self.at = self.source.len();
        self.detail = Some(text.into());
        Token::Error
    }

    fn jam(&mut self) -> Token {
        self.jammed = true;
        self.error("flex scanner jammed")
    }

    fn between(&mut self) -> Token {
        let Some(&first) = self.rest().first() else { return Token::End };
        if let Some(delimiter) = self.take(regex_start) {
            return self.regex(delimiter);
        }
        if let Some(token) = self.take(alt((word, dashed, number, symbol, backref))) {
            return token;
        }
        match first {
            b'"' | b'\'' => {
                self.at += 1;
                self.places.push(Place::Text(Some(first)));
                Token::StringBegin
            }
            b'%' if self.rest().starts_with(b"%{") => self.variable(),
            _ => self.error([b"Parse error near '", &[first][..], b"'"].concat()),
        }
    }

    fn variable(&mut self) -> Token {
        self.at += 2;
        self.places.push(Place::Name);
        Token::VarBegin
    }

    /// The pattern after its first delimiter. A missing end is the end of the expression, silently.
    fn regex(&mut self, delimiter: u8) -> Token {
        let Some(end) = self.rest().find_byte(delimiter) else {
            self.at = self.source.len();
            return Token::End;
        };
        let pattern = self.rest().get(..end).unwrap_or_default();
        if pattern.len() >= MAX_PIECE {
            return self.error("Regexp too long");
        }
        self.at += end + 1;
        let ignore_case = self.take(char('i')).is_some();
        Token::Regex { pattern: pattern.into(), ignore_case }
    }

    fn name(&mut self) -> Token {
        if let Some(name) = self.take(identifier) {
            return Token::Id(name.into());
        }
        match self.rest().first() {
            None | Some(b'\n') => self.error("Unterminated string or variable"),
            Some(b'}') => {
                self.at += 1;
                self.places.pop();
                Token::VarEnd
            }
            Some(b':') => {
                self.at += 1;
                self.places.pop();
                self.places.push(Place::Argument);
                Token::Colon
            }
            Some(&other) => self.error([b"Invalid character in variable name '", &[other][..], b"'"].concat()),
        }
    }

    /// A piece of text up to what ends it, or that.
    fn text(&mut self, place: Place) -> Token {
        let mut piece = BString::default();
        let start = self.at;
        while let Some(&byte) = self.rest().first() {
            match byte {
                b'\n' => return self.error("Unterminated string or variable"),
                b'"' | b'\'' if place == Place::Argument => return self.jam(),
                b'\\' => match self.escape() {
                    Ok(byte) => piece.push(byte),
                    Err(token) => return token,
                },
                _ if self.ends(byte, place) => break,
                _ => {
                    piece.push(byte);
                    self.at += 1;
                }
            }
        }
        if piece.len() >= MAX_PIECE {
            return self.error("String too long");
        }
        let ended = !self.rest().is_empty() || place == Place::Text(None);
        if !ended {
            return self.error("Unterminated string or variable");
        }
        if self.at > start {
            // httpd keeps pieces as C strings.
            return Token::Piece(piece.split(|&byte| byte == 0).next().unwrap_or_default().into());
        }
        if let Some(token) = self.take(backref) {
            return token;
        }
        match self.rest().first() {
            None => Token::End,
            Some(b'%') => self.variable(),
            Some(_) => {
                self.at += 1;
                self.places.pop();
                if place == Place::Argument { Token::VarEnd } else { Token::StringEnd }
            }
        }
    }

    /// Whether a piece of text ends before this byte.
    fn ends(&self, byte: u8, place: Place) -> bool {
        match byte {
            b'%' => self.rest().starts_with(b"%{"),
            b'$' => self.rest().get(1).is_some_and(u8::is_ascii_digit),
            b'}' => place == Place::Argument,
            _ => place == Place::Text(Some(byte)),
        }
    }

    /// The byte that a backslash and what follows it stand for.
    fn escape(&mut self) -> Result<u8, Token> {
        self.at += 1;
        if let Some(digits) = self.take(digit1) {
            let octal = std::str::from_utf8(digits).ok().filter(|digits| digits.len() <= 3);
            return match octal.map(|digits| u16::from_str_radix(digits, 8)) {
                Some(Ok(number)) => u8::try_from(number).map_err(|_| self.error("Escape sequence out of bound")),
                _ => Err(self.error("Bad escape sequence")),
            };
        }
        let Some(&byte) = self.rest().first() else { return Err(self.jam()) };
        self.at += 1;
        Ok(match byte {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0c,
            other => other,
        })
    }
}

type Failure<'a> = nom::error::Error<&'a [u8]>;

fn name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn identifier(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize(pair(satisfy(|c| c.is_ascii_alphabetic()), take_while(name_byte))).parse(input)
}

/// `/`, or `m` and a delimiter, unless a longer name begins there (`m_x`).
fn regex_start(input: &[u8]) -> IResult<&[u8], u8> {
    let delimiter = satisfy(|c| "/#$%^|?!'\",;:._-".contains(c));
    let (rest, found) = alt((char('/'), preceded(char('m'), delimiter))).parse(input)?;
    if found == '_' && rest.first().copied().is_some_and(name_byte) {
        return Err(nom::Err::Error(Failure { input, code: nom::error::ErrorKind::Verify }));
    }
    Ok((rest, found as u8))
}

/// Words between which operators stand; keywords are in lower case only.
fn word(input: &[u8]) -> IResult<&[u8], Token> {
    let keyword = |name: &[u8]| match name {
        b"true" => Token::Constant(true),
        b"false" => Token::Constant(false),
        b"and" => Token::And,
        b"or" => Token::Or,
        b"not" => Token::Not,
        b"in" => Token::In,
        _ => comparison(name).map_or_else(|| Token::Id(name.into()), Token::Integer),
    };
    identifier.map(keyword).parse(input)
}

/// `-f`, `-eq`, `-ipmatch`.
fn dashed(input: &[u8]) -> IResult<&[u8], Token> {
    let operator = |name: &[u8]| match name {
        b"in" => Token::In,
        [_] => Token::Unary(name.into()),
        _ => comparison(name).map_or_else(|| Token::Binary(name.into()), Token::Integer),
    };
    let name = recognize(pair(satisfy(|c| c.is_ascii_alphabetic() || c == '_'), take_while(name_byte)));
    preceded(char('-'), name).map(operator).parse(input)
}

fn comparison(name: &[u8]) -> Option<Comparison> {
    Some(match name {
        b"eq" => Comparison::Equal,
        b"ne" => Comparison::NotEqual,
        b"lt" => Comparison::Less,
        b"le" => Comparison::LessOrEqual,
        b"gt" => Comparison::Greater,
        b"ge" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn number(input: &[u8]) -> IResult<&[u8], Token> {
    recognize(pair(opt(char('-')), digit1)).map(|digits: &[u8]| Token::Digit(digits.into())).parse(input)
}

fn symbol(input: &[u8]) -> IResult<&[u8], Token> {
    let two = alt((
        value(Token::And, tag("&&")),
        value(Token::Or, tag("||")),
        value(Token::Match { negated: false }, tag("=~")),
        value(Token::Match { negated: true }, tag("!~")),
        value(Token::Text(Comparison::Equal), tag("==")),
        value(Token::Text(Comparison::NotEqual), tag("!=")),
        value(Token::Text(Comparison::LessOrEqual), tag("<=")),
        value(Token::Text(Comparison::GreaterOrEqual), tag(">=")),
    ));
    let one = alt((
        value(Token::Text(Comparison::Equal), char('=')),
        value(Token::Text(Comparison::Less), char('<')),
        value(Token::Text(Comparison::Greater), char('>')),
        value(Token::Not, char('!')),
        value(Token::Concat, char('.')),
        value(Token::Open, char('(')),
        value(Token::Close, char(')')),
        value(Token::BraceOpen, char('{')),
        value(Token::BraceClose, char('}')),
        value(Token::Colon, char(':')),
        value(Token::Comma, char(',')),
    ));
    alt((two, one)).parse(input)
}

fn backref(input: &[u8]) -> IResult<&[u8], Token> {
    let digit = take_while_m_n(1, 1, |b: u8| b.is_ascii_digit());
    let number = |digit: &[u8]| Token::Backref(digit.first().map_or(0, |d| d - b'0'));
    preceded(char('$'), digit).map(number).parse(input)
}
