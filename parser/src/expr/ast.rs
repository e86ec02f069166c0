//! What a parsed expression is made of.

use bstr::{BStr, BString};
use std::ops::Range;

/// A condition with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it says.
    pub kind: ConditionKind,
    /// Where it stands.
    pub span: Range<usize>,
}

/// The forms of a condition. `and` binds tighter than `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// `true`, `false`.
    Constant(bool),
    /// `! c`, `not c`.
    Not(Box<Condition>),
    /// `a && b && …`: two or more.
    And(Vec<Condition>),
    /// `a || b || …`: two or more.
    Or(Vec<Condition>),
    /// `-f word`.
    Unary {
        /// One letter, without the dash; case matters.
        name: BString,
        /// Its operand.
        argument: Word,
    },
    /// `word -ipmatch word`.
    Binary {
        /// Two characters or more, without the dash.
        name: BString,
        /// The left operand.
        left: Word,
        /// The right operand.
        right: Word,
    },
    /// `word -eq word`, by value as integers.
    Integer {
        /// Which order is asked for.
        comparison: Comparison,
        /// The left operand.
        left: Word,
        /// The right operand.
        right: Word,
    },
    /// `word == word`, byte by byte.
    Text {
        /// Which order is asked for.
        comparison: Comparison,
        /// The left operand.
        left: Word,
        /// The right operand.
        right: Word,
    },
    /// `word in {…}`.
    In {
        /// What is looked for.
        needle: Word,
        /// Where.
        list: List,
    },
    /// `word =~ /…/`, `word !~ /…/`.
    Match {
        /// What is matched.
        subject: Word,
        /// With what.
        regex: Regex,
        /// Whether it was `!~`.
        negated: bool,
    },
}

/// Orders of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The right side of `in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// `{a, b}`: at least one.
    Words(Vec<Word>),
    /// `name(word)`: a function that answers with a list.
    Function {
        /// As written; case does not matter.
        name: BString,
        /// What stands in the parentheses.
        argument: Word,
        /// Where the call stands.
        span: Range<usize>,
    },
}

/// A string-valued expression: its parts' values, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Pieces of a quoted string and operands of `.`, all flattened. Never empty: `''` is one empty text.
    pub parts: Vec<Part>,
    /// Where it stands, quotes included.
    pub span: Range<usize>,
}

impl Word {
    /// The text of a word in quotes without variables, functions, back-references and concatenation: what httpd takes
    /// as a constant argument. A bare number is none.
    pub fn as_constant(&self) -> Option<&BStr> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text.as_ref()),
            _ => None,
        }
    }
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text, escapes replaced.
    Text(BString),
    /// Digits without quotes, perhaps with a sign.
    Number(BString),
    /// `$0` to `$9`.
    Backref(u8),
    /// `%{NAME}`.
    Variable {
        /// As written; case does not matter.
        name: BString,
        /// Where it stands, `%{` and `}` included.
        span: Range<usize>,
    },
    /// `name(word)` or `%{name:string}`.
    Function {
        /// As written; case does not matter.
        name: BString,
        /// Its argument.
        argument: Word,
        /// Where the call stands.
        span: Range<usize>,
    },
}

/// A regular expression as written: `/pattern/i`, `m#pattern#`. Nothing in it escapes the delimiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// Between the delimiters.
    pub pattern: BString,
    /// Whether `i` follows.
    pub ignore_case: bool,
    /// Where it stands.
    pub span: Range<usize>,
}

/// Something whose name or argument the caller may refuse.
#[derive(Clone, Copy, Debug)]
pub enum Use<'a> {
    /// `%{NAME}`.
    Variable(&'a BStr),
    /// A function that answers with a string.
    Function {
        /// As written.
        name: &'a BStr,
        /// Its argument.
        argument: &'a Word,
    },
    /// A function that answers with a list.
    ListFunction {
        /// As written.
        name: &'a BStr,
        /// Its argument.
        argument: &'a Word,
    },
    /// `-x word`.
    Unary {
        /// Without the dash.
        name: &'a BStr,
        /// Its operand.
        argument: &'a Word,
    },
    /// `word -xy word`.
    Binary {
        /// Without the dash.
        name: &'a BStr,
        /// The left operand.
        left: &'a Word,
        /// The right operand.
        right: &'a Word,
    },
    /// A regular expression, to be compiled. httpd's text for one that does not compile is
    /// `Failed to compile regular expression`, and it reads no further.
    Regex(&'a Regex),
}

impl Use<'_> {
    /// httpd's text for a name that nothing provides.
    pub fn does_not_exist(&self) -> BString {
        let (kind, dash, name) = match self {
            Use::Variable(name) => ("Variable", "", *name),
            Use::Function { name, .. } => ("Function", "", *name),
            Use::ListFunction { name, .. } => ("List-returning function", "", *name),
            Use::Unary { name, .. } => ("Unary operator", "-", *name),
            Use::Binary { name, .. } => ("Binary operator", "-", *name),
            Use::Regex(_) => return BString::from("Failed to compile regular expression"),
        };
        format!("{kind} '{dash}{name}' does not exist").into()
    }
}
