//! Reading a script: each directive adds its commands.

use super::regex::{self, Regex};
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

/// A line that a command looks for.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Line(u64),
    Last,
    Matching(Arc<Regex>),
}

/// Which match is replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Which {
    All,
    Nth(u32),
}

/// A part of what takes a match's place.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(Vec<u8>),
    Whole,
    Group(usize),
}

/// What `p` behind a substitution prints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Print {
    Nothing,
    All,
    FirstLine,
}

#[derive(Clone, Debug)]
pub(super) struct Substitution {
    pub(super) regex: Arc<Regex>,
    pub(super) parts: Vec<Part>,
    pub(super) which: Which,
    pub(super) print: Print,
    /// Index into [`Script::files`].
    pub(super) file: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// `{`: where it is not wanted, on with the command of that index.
    Block(usize),
    /// `b` and `t`: a label, empty for the end of the script.
    Branch(BString),
    BranchIfChanged(BString),
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    ReadFile(BString),
    WriteFile(usize),
    Substitute(Box<Substitution>),
    Translate(Box<[u8; 256]>),
    /// One of the commands that are one letter.
    Letter(u8),
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) first: Option<Address>,
    pub(super) second: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
}

/// See the module text.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    pub(super) labels: Vec<(BString, usize)>,
    /// Files that `w` writes to.
    pub(super) files: Vec<BString>,
    /// `#n`: lines are printed only when a command says so.
    pub(super) quiet: bool,
    /// Blocks that were not closed yet.
    blocks: Vec<usize>,
    last_regex: Option<Arc<Regex>>,
}

/// Longest label, its end included.
const LABEL: usize = 8;
/// Highest number behind a substitution.
const MATCHES: u32 = 512;

/// A complaint; one that ends with a colon goes on with the line.
type Wrong = String;

impl Script {
    /// Adds commands; the error is Apache's text.
    pub(super) fn add(&mut self, text: &BStr) -> Result<(), BString> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // A line ends where no backslash keeps it open; one that is left open is passed over.
            let mut end = 0;
            while let Some(octet) = rest.get(end).filter(|octet| **octet != b'\n') {
                end += if *octet == b'\\' { 2 } else { 1 };
            }
            let Some(line) = rest.get(..end) else { return Ok(()) };
            rest = rest.get(end + 1..).unwrap_or_default();
            self.line(line).map_err(|wrong| match wrong.ends_with(": ") {
                true => [wrong.as_bytes(), line].concat(),
                false => wrong.into_bytes(),
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if line.starts_with(b"#n") {
            self.quiet = true;
            return Ok(());
        }
        let mut at = line;
        loop {
            at = at.trim_start_with(|c| matches!(c, ' ' | '\t' | ';'));
            if at.is_empty() || at.starts_with(b"#") {
                return Ok(());
            }
            match self.command(at)? {
                Some(rest) => at = rest,
                None => return Ok(()),
            }
        }
    }

    fn address(&mut self, at: &mut &[u8]) -> Result<Option<Address>, Wrong> {
        let text = *at;
        match text.first() {
            Some(b'$') => {
                *at = text.get(1..).unwrap_or_default();
                Ok(Some(Address::Last))
            }
            Some(octet) if octet.is_ascii_digit() => {
                let digits = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
                let (number, rest) = text.split_at(digits);
                *at = rest;
                let add = |sum: u64, digit: &u8| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
                Ok(Some(Address::Line(number.iter().fold(0, add))))
            }
            Some(b'/') => self.regex(at, b'/', text.get(1..).unwrap_or_default()).map(Some),
            Some(b'\\') => match text.get(1) {
                Some(delimiter) => self.regex(at, *delimiter, text.get(2..).unwrap_or_default()).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn regex(&mut self, at: &mut &[u8], delimiter: u8, text: &[u8]) -> Result<Address, Wrong> {
        let (regex, used) = self.pattern(text, delimiter)?;
        let skipped = at.len() - text.len();
        *at = at.get(skipped + used..).unwrap_or_default();
        Ok(Address::Matching(regex))
    }

    /// An expression, or the last one again where it is empty; how many octets it takes with its delimiter.
    fn pattern(&mut self, text: &[u8], delimiter: u8) -> Result<(Arc<Regex>, usize), Wrong> {
        let read = regex::read(text, delimiter)?;
        let used = text.len() - read.rest.len();
        if let Some(regex) = read.regex {
            self.last_regex = Some(Arc::new(regex));
        }
        Ok((self.last_regex.clone().ok_or("first RE may not be null")?, used))
    }

    /// Reads one command; what stands behind it, or None where the rest of the line is part of it.
    fn command<'a>(&mut self, text: &'a [u8]) -> Result<Option<&'a [u8]>, Wrong> {
        let garbled = || Wrong::from("command garbled: ");
        let unknown = || Wrong::from("unrecognized command: ");
        let mut at = text;
        let first = match self.address(&mut at) {
            // An expression that is none is taken for a command.
            Err(wrong) if wrong.ends_with(": ") => {
                at = at.get(if at.starts_with(b"\\") { 2 } else { 1 }..).unwrap_or_default();
                if wrong == regex::MISSING {
                    return Err(unknown());
                }
                None
            }
            address => address?,
        };
        let mut second = None;
        if first.is_some() && matches!(at.first(), Some(b',' | b';')) {
            at = at.get(1..).unwrap_or_default();
            second = match self.address(&mut at) {
                Err(wrong) if wrong.ends_with(": ") => return Err(garbled()),
                address => Some(address?.ok_or_else(garbled)?),
            };
        }
        at = at.trim_start_with(|c| c == ' ' || c == '\t');
        let negated = at.starts_with(b"!");
        at = at.trim_start_with(|c| c == '!');
        let Some((&letter, rest)) = at.split_first() else { return Err(unknown()) };
        let one_at_most = match second {
            Some(_) => Err(Wrong::from("only one address allowed: ")),
            None => Ok(()),
        };
        let none = match first {
            Some(_) => Err(Wrong::from("no addresses allowed: ")),
            None => Ok(()),
        };
        let (action, rest) = match letter {
            b'{' => {
                self.blocks.push(self.commands.len());
                (Action::Block(0), Some(rest))
            }
            b'}' => {
                none?;
                let block = self.blocks.pop().ok_or("too many }'s")?;
                let end = self.commands.len();
                if let Some(Command { action: Action::Block(to), .. }) = self.commands.get_mut(block) {
                    *to = end;
                }
                return Ok(None);
            }
            b':' => {
                none?;
                let label = label(rest)?;
                if label.is_empty() || self.labels.iter().any(|(known, _)| *known == label) {
                    return Err("duplicate labels: ".into());
                }
                self.labels.push((label, self.commands.len()));
                return Ok(None);
            }
            b'b' => (Action::Branch(label(rest)?), None),
            b't' => (Action::BranchIfChanged(label(rest)?), None),
            b'a' => {
                one_at_most?;
                (Action::Append(self::text(rest)?), None)
            }
            b'i' => {
                one_at_most?;
                (Action::Insert(self::text(rest)?), None)
            }
            b'c' => (Action::Change(self::text(rest)?), None),
            b'r' => {
                one_at_most?;
                let name = rest.strip_prefix(b" ").ok_or_else(garbled)?;
                (Action::ReadFile(file_name(name)), None)
            }
            b'w' => {
                let name = rest.strip_prefix(b" ").ok_or("Space missing before filename: ")?;
                (Action::WriteFile(self.file(name)), None)
            }
            b's' => {
                let (substitution, rest) = self.substitution(rest)?;
                (Action::Substitute(Box::new(substitution)), rest)
            }
            b'y' => match rest.split_first() {
                Some((delimiter, rest)) => {
                    let (table, rest) = table(rest, *delimiter)?;
                    (Action::Translate(table), Some(rest))
                }
                None => return Ok(None),
            },
            b'=' | b'q' => {
                one_at_most?;
                (Action::Letter(letter), Some(rest))
            }
            b'd' | b'D' | b'g' | b'G' | b'h' | b'H' | b'l' | b'n' | b'N' | b'p' | b'P' | b'x' => {
                (Action::Letter(letter), Some(rest))
            }
            _ => return Err(unknown()),
        };
        let opens = matches!(action, Action::Block(_));
        self.commands.push(Command { first, second, negated, action });
        match rest {
            Some(rest) if !opens && !rest.is_empty() => Ok(Some(rest.strip_prefix(b";").ok_or_else(garbled)?)),
            rest => Ok(rest),
        }
    }

    fn file(&mut self, name: &[u8]) -> usize {
        let name = file_name(name);
        match self.files.iter().position(|known| *known == name) {
            Some(known) => known,
            None => {
                self.files.push(name);
                self.files.len() - 1
            }
        }
    }

    /// What stands behind `s`; behind it None where the rest of the line is the name of a file.
    fn substitution<'a>(&mut self, text: &'a [u8]) -> Result<(Substitution, Option<&'a [u8]>), Wrong> {
        const MISSING: &str = "ending delimiter missing on substitution: ";
        let Some((&delimiter, text)) = text.split_first() else { return Err("first RE may not be null".into()) };
        let (regex, used) = self.pattern(text, delimiter).map_err(|wrong| match wrong == regex::MISSING {
            true => MISSING.into(),
            false => wrong,
        })?;
        let text = text.get(used..).unwrap_or_default();
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut octets = text.iter().copied().enumerate();
        let end = loop {
            match octets.next() {
                None | Some((_, b'\n')) => return Err(MISSING.into()),
                Some((at, octet)) if octet == delimiter => break at + 1,
                Some((_, b'&')) => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Whole);
                }
                Some((_, b'\\')) => match octets.next() {
                    None => return Err(MISSING.into()),
                    Some((_, digit @ b'1'..=b'9')) => {
                        let group = usize::from(digit - b'1');
                        if group >= regex.groups {
                            return Err("``\\digit'' out of range: ".into());
                        }
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                        parts.push(Part::Group(group));
                    }
                    Some((_, octet)) => plain.push(octet),
                },
                Some((_, octet)) => plain.push(octet),
            }
        };
        parts.push(Part::Text(plain));
        let mut rest = text.get(end..).unwrap_or_default();
        let mut cut = |letter: u8| match rest.split_first() {
            Some((first, behind)) if *first == letter => {
                rest = behind;
                true
            }
            _ => false,
        };
        let mut which = if cut(b'g') { Which::All } else { Which::Nth(1) };
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        if digits > 0 {
            let (number, behind) = rest.split_at(digits);
            let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            match number.iter().fold(0, add) {
                0 => return Err("command garbled: ".into()),
                number if number > MATCHES => return Err("suffix too large: ".into()),
                number => which = Which::Nth(number),
            }
            rest = behind;
        }
        let print = match rest.first() {
            Some(b'p') => Print::All,
            Some(b'P') => Print::FirstLine,
            _ => Print::Nothing,
        };
        if print != Print::Nothing {
            rest = rest.get(1..).unwrap_or_default();
        }
        let mut substitution = Substitution { regex, parts, which, print, file: None };
        if let Some(name) = rest.strip_prefix(b"w") {
            let name = name.strip_prefix(b" ").ok_or("Space missing before filename: ")?;
            substitution.file = Some(self.file(name));
            return Ok((substitution, None));
        }
        Ok((substitution, Some(rest)))
    }

    /// What is missing once all directives are read.
    pub(super) fn unfinished(&self) -> Option<BString> {
        if !self.blocks.is_empty() {
            return Some("too many {'s".into());
        }
        self.commands.iter().find_map(|command| match &command.action {
            Action::Branch(label) | Action::BranchIfChanged(label) if self.target(label.as_bstr()).is_none() => {
                Some(format!("undefined label: {label}").into())
            }
            _ => None,
        })
    }

    /// The index behind a label.
    pub(super) fn target(&self, label: &BStr) -> Option<usize> {
        match label.is_empty() {
            true => Some(self.commands.len()),
            false => self.labels.iter().find(|(known, _)| known == label).map(|(_, at)| *at),
        }
    }
}

/// The rest of a line without what stands before it.
fn label(rest: &[u8]) -> Result<BString, Wrong> {
    let label = rest.trim_start_with(|c| c == ' ' || c == '\t');
    match label.len() < LABEL {
        true => Ok(label.into()),
        false => Err("label too long: ".into()),
    }
}

fn file_name(rest: &[u8]) -> BString {
    rest.trim_start_with(|c| c == ' ' || c == '\t').into()
}

/// Lines of text behind `a\`, without what they begin with; a backslash takes the meaning of what follows.
fn text(rest: &[u8]) -> Result<Vec<u8>, Wrong> {
    let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
    let rest = rest.strip_prefix(b"\n").ok_or("command garbled: ")?;
    let blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    let mut out = Vec::new();
    let mut octets = rest.trim_start_with(|c| c == ' ' || c == '\t').iter().peekable();
    while let Some(octet) = octets.next() {
        let octet = if *octet == b'\\' { octets.next().unwrap_or(octet) } else { octet };
        out.push(*octet);
        if *octet == b'\n' {
            while blank(octets.peek().copied()) {
                octets.next();
            }
        }
    }
    Ok(out)
}

/// The table of `y`, and what stands behind it.
fn table(text: &[u8], delimiter: u8) -> Result<(Box<[u8; 256]>, &[u8]), Wrong> {
    const MISSING: &str = "ending delimiter missing on string: ";
    let mut end = 0;
    loop {
        match text.get(end) {
            None | Some(b'\n') => return Err(MISSING.into()),
            Some(octet) if *octet == delimiter => break,
            Some(b'\\') if matches!(text.get(end + 1), None | Some(b'\n')) => return Err(MISSING.into()),
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
        }
    }
    let mut from = text;
    let mut to = text.get(end + 1..).unwrap_or_default();
    // A line break is written `\n` on either side; any other backslash stands for itself.
    let cut = |text: &mut &[u8]| -> Option<u8> {
        let (octet, rest) = text.split_first()?;
        *text = rest;
        match (octet, rest.strip_prefix(b"n")) {
            (b'\\', Some(rest)) => {
                *text = rest;
                Some(b'\n')
            }
            _ => Some(*octet),
        }
    };
    let mut table = Box::new(std::array::from_fn(|octet| octet as u8));
    while from.first().is_some_and(|octet| *octet != delimiter) {
        let (Some(octet), Some(new)) = (cut(&mut from), cut(&mut to)) else { return Err(MISSING.into()) };
        if new == delimiter {
            return Err(MISSING.into());
        }
        if let Some(place) = table.get_mut(usize::from(octet)) {
            *place = new;
        }
    }
    match to.split_first() {
        Some((octet, rest)) if *octet == delimiter => Ok((table, rest)),
        Some(_) => Err("transform strings not the same size: ".into()),
        None => Err(MISSING.into()),
    }
}
