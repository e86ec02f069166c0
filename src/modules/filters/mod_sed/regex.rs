//! The regular expressions of sed: an old dialect with few signs, in which anything else stands for itself.
//!
//! `.`, `[set]`, `*` and `\{m,n\}` behind one character, `\(` `\)` and `\1` to `\9`, `^` at the very beginning and `$` at
//! the very end. The longest of a repetition is tried first; the leftmost match wins. Names of classes mean nothing.

use bstr::BStr;

/// Most groups.
const GROUPS: usize = 9;
/// The count of a repetition stays below.
const ENDLESS: u32 = 255;

/// What one octet is held against.
#[derive(Clone, Debug, PartialEq)]
enum One {
    Octet(u8),
    /// Anything but the end.
    Any,
    Set(Box<[bool; 256]>),
}

impl One {
    fn takes(&self, octet: u8) -> bool {
        match self {
            One::Octet(own) => *own == octet,
            One::Any => true,
            One::Set(set) => set.get(usize::from(octet)) == Some(&true),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    One(One),
    /// So many, and so many at most.
    Many(One, usize, usize),
    Open(usize),
    Close(usize),
    Back(usize),
    /// As often as it is there.
    BackMany(usize),
    End,
}

/// See the module text.
#[derive(Clone, Debug)]
pub(super) struct Regex {
    nodes: Vec<Node>,
    anchored: bool,
    pub(super) groups: usize,
}

/// A match: where it begins and ends, and its groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: [(usize, usize); GROUPS],
}

/// Why an expression is none; the texts end with the script.
pub(super) type Wrong = &'static str;

/// No closing delimiter.
pub(super) const MISSING: Wrong = "Illegal or missing delimiter: ";

/// An expression that was read, and what stands behind its closing delimiter.
pub(super) struct Read<'a> {
    /// None: it is empty.
    pub(super) regex: Option<Regex>,
    pub(super) rest: &'a [u8],
}

/// What `\{` may be applied to.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    One,
    Other,
    /// It has its count already.
    Counted,
}

/// Reads an expression up to `delimiter`.
pub(super) fn read(text: &[u8], delimiter: u8) -> Result<Read<'_>, Wrong> {
    let mut nodes: Vec<Node> = Vec::new();
    let (mut open, mut groups, mut closed, mut last) = (Vec::new(), 0, 0, Last::Nothing);
    let mut at = 0;
    let byte = |at: usize| text.get(at).copied();
    if byte(0) == Some(delimiter) {
        return Ok(Read { regex: None, rest: text.get(1..).unwrap_or_default() });
    }
    let anchored = byte(0) == Some(b'^');
    at += usize::from(anchored);
    loop {
        let Some(octet) = byte(at).filter(|octet| *octet != b'\n') else { return Err(MISSING) };
        at += 1;
        if octet == delimiter {
            if !open.is_empty() {
                return Err("\\( \\) imbalance: ");
            }
            let rest = text.get(at..).unwrap_or_default();
            return Ok(Read { regex: Some(Regex { nodes, anchored, groups }), rest });
        }
        match octet {
            b'*' if last == Last::Counted => {}
            b'*' if last == Last::One || matches!(nodes.last(), Some(Node::Back(_))) => match nodes.pop() {
                Some(Node::One(one)) => nodes.push(Node::Many(one, 0, usize::MAX)),
                Some(Node::Back(group)) => nodes.push(Node::BackMany(group)),
                Some(other) => nodes.push(other),
                None => {}
            },
            b'.' => {
                nodes.push(Node::One(One::Any));
                last = Last::One;
            }
            b'$' if byte(at) == Some(delimiter) => {
                nodes.push(Node::End);
                last = Last::Other;
            }
            b'[' => {
                nodes.push(Node::One(One::Set(set(text, &mut at)?)));
                last = Last::One;
            }
            b'\\' => {
                let Some(escaped) = byte(at) else { return Err(MISSING) };
                at += 1;
                match escaped {
                    b'(' => {
                        if groups >= GROUPS {
                            return Err("Too many \\(: ");
                        }
                        open.push(groups);
                        nodes.push(Node::Open(groups));
                        groups += 1;
                        last = Last::Nothing;
                    }
                    b')' => {
                        let group = open.pop().ok_or("\\( \\) imbalance: ")?;
                        nodes.push(Node::Close(group));
                        closed += 1;
                        last = Last::Nothing;
                    }
                    b'{' if !nodes.is_empty() && !matches!(nodes.last(), Some(Node::Open(_))) => {
                        let (low, high) = counts(text, &mut at)?;
                        match nodes.pop() {
                            Some(Node::One(one) | Node::Many(one, ..)) => nodes.push(Node::Many(one, low, high)),
                            // Of what stands for more than a character only its first occurrence is meant.
                            Some(Node::Back(_) | Node::BackMany(_)) => {}
                            Some(other) => nodes.push(other),
                            None => {}
                        }
                        last = Last::Counted;
                    }
                    b'1'..=b'9' => {
                        let group = usize::from(escaped - b'1');
                        if group >= closed {
                            return Err("``\\digit'' out of range: ");
                        }
                        nodes.push(Node::Back(group));
                        last = Last::Other;
                    }
                    b'n' if delimiter != b'n' => {
                        nodes.push(Node::One(One::Octet(b'\n')));
                        last = Last::One;
                    }
                    b'\n' => return Err(MISSING),
                    other => {
                        nodes.push(Node::One(One::Octet(other)));
                        last = Last::One;
                    }
                }
            }
            other => {
                nodes.push(Node::One(One::Octet(other)));
                last = Last::One;
            }
        }
    }
}

/// What stands between brackets; `at` is behind the first.
fn set(text: &[u8], at: &mut usize) -> Result<Box<[bool; 256]>, Wrong> {
    const OPEN: Wrong = "[ ] imbalance: ";
    let mut next = || {
        let octet = text.get(*at).copied();
        *at += 1;
        octet.ok_or(OPEN)
    };
    let mut own = Box::new([false; 256]);
    let mut mark = |octet: u8| {
        if let Some(place) = own.get_mut(usize::from(octet)) {
            *place = true;
        }
    };
    let mut octet = next()?;
    let others = octet == b'^';
    if others {
        octet = next()?;
    }
    let mut before = None;
    loop {
        if octet == b'\n' {
            return Err(OPEN);
        }
        if octet == b'-' && before.is_some() {
            octet = next()?;
            if octet == b']' {
                mark(b'-');
                break;
            }
            (before.unwrap_or(octet)..=octet).for_each(&mut mark);
        }
        before = Some(octet);
        mark(octet);
        octet = next()?;
        if octet == b']' {
            break;
        }
    }
    if others {
        own.iter_mut().for_each(|place| *place = !*place);
    }
    Ok(own)
}

/// What stands between `\{` and `\}`; `at` is behind the first.
fn counts(text: &[u8], at: &mut usize) -> Result<(usize, usize), Wrong> {
    let mut number = || {
        let mut value = 0u32;
        let start = *at;
        while let Some(digit) = text.get(*at).filter(|octet| octet.is_ascii_digit()) {
            value = value.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            *at += 1;
        }
        if *at == start {
            return Err("Bad number: ");
        }
        if value >= ENDLESS {
            return Err("Range endpoint too large: ");
        }
        Ok(value as usize)
    };
    let low = number()?;
    let mut high = low;
    if text.get(*at) == Some(&b',') {
        *at += 1;
        high = usize::MAX;
        if text.get(*at) != Some(&b'\\') {
            high = match text.get(*at).filter(|octet| octet.is_ascii_digit()) {
                Some(_) => {
                    let mut value = 0u32;
                    while let Some(digit) = text.get(*at).filter(|octet| octet.is_ascii_digit()) {
                        value = value.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
                        *at += 1;
                    }
                    if value >= ENDLESS {
                        return Err("Range endpoint too large: ");
                    }
                    value as usize
                }
                None => return Err("Bad number: "),
            };
            if high < low {
                return Err("First number exceeds second in \\{ \\}: ");
            }
        }
    }
    match (text.get(*at), text.get(*at + 1)) {
        (Some(b'\\'), Some(b'}')) => {
            *at += 2;
            Ok((low, high))
        }
        (Some(b'\\'), _) => Err("} expected after \\: "),
        (Some(b','), _) => Err("More than 2 numbers given in \\{ \\}: "),
        _ => Err("Bad number: "),
    }
}

impl Regex {
    /// The leftmost match at or behind `from`. No repetition ends at `stop`, where the match before this one ended.
    pub(super) fn find(&self, text: &BStr, from: usize, stop: Option<usize>) -> Option<Found> {
        if self.anchored {
            return self.at(text, from, stop).filter(|_| from == 0);
        }
        // Most positions fail at their first octet.
        let first = match self.nodes.first() {
            Some(Node::One(one)) => Some(one),
            _ => None,
        };
        (from..=text.len())
            .filter(|start| first.is_none_or(|one| text.get(*start).is_some_and(|octet| one.takes(*octet))))
            .find_map(|start| self.at(text, start, stop))
    }

    fn at(&self, text: &[u8], start: usize, stop: Option<usize>) -> Option<Found> {
        let mut found = Found { start, ..Found::default() };
        found.end = advance(&self.nodes, text, start, stop, &mut found.groups)?;
        Some(found)
    }
}

/// Where a match of the nodes at `at` ends.
fn advance(
    nodes: &[Node],
    text: &[u8],
    mut at: usize,
    stop: Option<usize>,
    groups: &mut [(usize, usize); GROUPS],
) -> Option<usize> {
    let mut nodes = nodes;
    while let Some((node, rest)) = nodes.split_first() {
        match node {
            Node::One(one) => {
                if !one.takes(*text.get(at)?) {
                    return None;
                }
                at += 1;
            }
            Node::Many(one, low, high) => {
                let there = text.get(at..)?.iter().take(*high).take_while(|octet| one.takes(**octet)).count();
                let next = match rest.first() {
                    Some(Node::One(next)) => Some(next),
                    _ => None,
                };
                return (*low..=there)
                    .rev()
                    .take_while(|count| stop != Some(at + count))
                    .filter(|count| next.is_none_or(|one| text.get(at + count).is_some_and(|octet| one.takes(*octet))))
                    .find_map(|count| advance(rest, text, at + count, stop, groups));
            }
            Node::Open(group) => {
                if let Some(place) = groups.get_mut(*group) {
                    place.0 = at;
                }
            }
            Node::Close(group) => {
                if let Some(place) = groups.get_mut(*group) {
                    place.1 = at;
                }
            }
            Node::Back(group) => at = again(text, at, groups, *group)?,
            Node::BackMany(group) => {
                let mut places = vec![at];
                let mut last = at;
                while let Some(next) = again(text, last, groups, *group).filter(|next| *next > last) {
                    places.push(next);
                    last = next;
                }
                return places.into_iter().rev().find_map(|place| advance(rest, text, place, stop, groups));
            }
            Node::End => {
                if at < text.len() {
                    return None;
                }
            }
        }
        nodes = rest;
    }
    Some(at)
}

/// The end of what a group took, once more.
fn again(text: &[u8], at: usize, groups: &[(usize, usize); GROUPS], group: usize) -> Option<usize> {
    let (start, end) = *groups.get(group)?;
    let taken = text.get(start..end)?;
    text.get(at..)?.starts_with(taken).then_some(at + taken.len())
}
