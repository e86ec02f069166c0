//! `if`, `elif`, `else` and `endif`: which branch goes out, by conditions of both kinds.

use super::elements::complain;
use super::legacy::{self, Joint, Node, Operator};
use super::page::Page;
use super::parse::Attribute;
use super::variables::{self, LastMatch, Unset};
use crate::config::{Expression, Rights};
use crate::engine;
use crate::log::Level;
use crate::request::{Request, Status};
use crate::server;
use crate::server::expression::{self, Backrefs};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};

impl Page {
    pub(super) fn condition(&mut self, r: &mut Request, attributes: &[Attribute], otherwise: bool) {
        let tags = match otherwise {
            true => ["AH01356", "AH01357", "AH01358"],
            false => ["AH01352", "AH01353", "AH01354"],
        };
        let file = r.filename.clone();
        let outside = if otherwise { self.state.nesting == 0 } else { self.state.printing };
        if attributes.len() != 1 {
            let level = if outside { Level::Error } else { Level::Warn };
            match attributes.is_empty() {
                true => {
                    let text = format_args!("{}: missing expr argument for if element in {file}", tags[1]);
                    r.log(level, "include", text);
                }
                false => {
                    let text = format_args!("{}: too many arguments for if element in {file}", tags[0]);
                    r.log(level, "include", text);
                }
            }
        }
        if !outside {
            self.state.nesting += usize::from(!otherwise);
            return;
        }
        match self.branch(r, attributes, otherwise, tags[2]) {
            Some(holds) => self.state.printing = holds,
            // Nothing goes out up to a branch that holds; the one without a condition is none.
            None => {
                self.fail();
                (self.state.printing, self.state.held, self.state.broken) = (false, false, true);
            }
        }
    }

    /// Whether the branch behind `if` or `elif` goes out. None: that is no condition, which the log says.
    fn branch(&mut self, r: &mut Request, attributes: &[Attribute], otherwise: bool, tag: &str) -> Option<bool> {
        let file = r.filename.clone();
        let [Attribute { name, value }] = attributes else { return None };
        if name != "expr" {
            complain(r, format_args!("{tag}: unknown parameter \"{name}\" to tag if in {file}"));
            return None;
        }
        let Some(expression) = value else {
            match otherwise {
                true => complain(r, format_args!("AH01359: missing expr in elif statement: {file}")),
                false => complain(r, format_args!("AH01355: missing expr value for if element in {file}")),
            }
            return None;
        };
        if otherwise && self.state.held {
            return Some(false);
        }
        self.state.held = self.holds(r, expression.as_bstr())?;
        Some(self.state.held)
    }

    /// `else` and `endif`.
    pub(super) fn branch_without(&mut self, r: &Request, attributes: &[Attribute], name: &str) {
        let ends = name.ends_with("endif");
        if !attributes.is_empty() {
            let level = if self.state.nesting == 0 { Level::Error } else { Level::Warn };
            r.log(
                level,
                "include",
                format_args!("{name} directive does not take tags in {}", crate::log::raw(&r.filename)),
            );
        }
        if self.state.nesting > 0 {
            self.state.nesting -= usize::from(ends);
        } else if !attributes.is_empty() {
            if self.state.printing || ends {
                self.fail();
            }
        } else if ends || !self.state.broken {
            self.state.printing = ends || !self.state.held;
            (self.state.held, self.state.broken) = (true, false);
        }
    }

    /// Whether a condition holds. None: it is none, which the log says.
    fn holds(&mut self, r: &mut Request, text: &BStr) -> Option<bool> {
        if self.state.legacy {
            return self.holds_as_before(r, text);
        }
        let file = r.filename.clone();
        let rights = Rights { restricted: true, includes: true, ..Rights::default() }.without_vary();
        let parsed = match Expression::condition(text, rights, &crate::config::Providers::default()) {
            Ok(parsed) => parsed,
            Err(error) => {
                complain(r, format_args!("AH01337: Could not parse expr \"{text}\" in {file}: {error}"));
                return None;
            }
        };
        for name in variables::LATE.iter().filter(|name| text.to_ascii_uppercase().contains_str(name)) {
            variables::settle(r, name.as_bytes().as_bstr(), &self.state.time_format);
        }
        let mut groups = match self.state.last.take() {
            Some(last) => last.found,
            None => Backrefs::default(),
        };
        let holds = expression::holds_with(&parsed, r, &mut groups);
        let found = Some(groups).filter(|groups| !groups.is_empty());
        // Of such a match documents see the whole, not its groups, as in Apache.
        self.state.last = found.map(|found| LastMatch { pattern: "(null)".into(), groups: 0, found });
        match holds {
            Ok(holds) => Some(holds),
            Err(error) => {
                complain(r, format_args!("AH01338: Could not evaluate expr \"{text}\" in {file}: {error}"));
                None
            }
        }
    }

    fn holds_as_before(&mut self, r: &mut Request, text: &BStr) -> Option<bool> {
        let file = r.filename.clone();
        match legacy::parse(text) {
            Ok((None, _)) => Some(false),
            Ok((Some(node), regexes)) => {
                let mut evaluation = Evaluation { page: self, text, regexes };
                evaluation.node(r, &node)
            }
            Err(legacy::Flaw::Invalid) => {
                complain(r, format_args!("AH03188: Invalid expression \"{text}\" in file {file}"));
                None
            }
            Err(legacy::Flaw::UnmatchedClose) => {
                complain(r, format_args!("AH03189: Unmatched ')' in \"{text}\" in file {file}"));
                None
            }
        }
    }
}

/// A condition of the old kind being worked out.
struct Evaluation<'p> {
    page: &'p mut Page,
    text: &'p BStr,
    /// Regular expressions still to be tried: until then nothing is skipped, so that their groups are known.
    regexes: usize,
}

impl Evaluation<'_> {
    fn invalid<T>(&self, r: &Request, tag: &str, file: &BStr) -> Option<T> {
        complain(r, format_args!("{tag}: Invalid expression \"{}\" in file {file}", self.text));
        None
    }

    fn string(&self, r: &mut Request, text: &BString) -> BString {
        self.page.state.expand(r, text.as_bstr(), Unset::Drop)
    }

    fn node(&mut self, r: &mut Request, node: &Node) -> Option<bool> {
        let file = r.filename.clone();
        Some(match node {
            Node::Text(text) => !self.string(r, text).is_empty(),
            Node::Regex(_) => return self.invalid(r, "AH03188", file.as_bstr()),
            Node::Access(None) => {
                let text = self.text;
                complain(
                    r,
                    format_args!(
                        "AH01335: Invalid expression \"{text}\" in file {file}: Token '-A' must be followed by a URI string."
                    ),
                );
                return None;
            }
            Node::Access(Some(target)) => {
                let target = self.string(r, target);
                let sub = engine::block(|| engine::alone::run(server::lookup_uri(r, &target)));
                sub.status == Status::OK
            }
            Node::Not(None) => false,
            Node::Not(Some(inner)) => !self.node(r, inner)?,
            Node::Group { closed: false, .. } => {
                complain(r, format_args!("AH03191: Unmatched '(' in \"{}\" in file {file}", self.text));
                return None;
            }
            Node::Group { inner: None, .. } => true,
            Node::Group { inner: Some(inner), .. } => self.node(r, inner)?,
            Node::Chain(operands, last) => return self.chain(r, operands, last.as_deref()),
            Node::Compare(operator, left, right) => match right.as_deref() {
                Some(Node::Text(right)) => {
                    let order = self.string(r, left).cmp(&self.string(r, right));
                    match operator {
                        Operator::Equal => order.is_eq(),
                        Operator::NotEqual => order.is_ne(),
                        Operator::Less => order.is_lt(),
                        Operator::LessOrEqual => order.is_le(),
                        Operator::Greater => order.is_gt(),
                        Operator::GreaterOrEqual => order.is_ge(),
                    }
                }
                Some(Node::Regex(pattern)) => {
                    let (left, pattern) = (self.string(r, left), self.string(r, pattern));
                    self.regexes = self.regexes.saturating_sub(1);
                    self.matches(r, &left, pattern) == (*operator == Operator::Equal)
                }
                _ => return self.invalid(r, "AH01333", file.as_bstr()),
            },
        })
    }

    /// From left to right, as far as it takes to settle the matter.
    fn chain(&mut self, r: &mut Request, operands: &[(Node, Joint)], last: Option<&Node>) -> Option<bool> {
        let mut settled = None;
        for (at, (operand, joint)) in operands.iter().enumerate() {
            if at + 1 == operands.len() && last.is_none() {
                let file = r.filename.clone();
                return self.invalid(r, "AH01332", file.as_bstr());
            }
            let holds = self.node(r, operand)?;
            if holds == (*joint == Joint::Or) {
                settled.get_or_insert(holds);
                if self.regexes == 0 {
                    return settled;
                }
            }
        }
        let holds = self.node(r, last?)?;
        Some(settled.unwrap_or(holds))
    }

    fn matches(&mut self, r: &Request, subject: &[u8], pattern: BString) -> bool {
        let Ok(regex) = Regex::new(&pattern, Flags::default()) else {
            complain(r, format_args!("AH02667: unable to compile pattern \"{pattern}\""));
            return true;
        };
        let found = regex.captures(subject).map(|groups| Backrefs::of(subject, groups));
        let matched = found.is_some();
        self.page.state.last = found.map(|found| LastMatch { pattern, groups: regex.groups(), found });
        matched
    }
}
