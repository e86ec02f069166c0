//! Magic rules: `[>...]OFFSET TYPE[&MASK] [RELATION]VALUE TEXT`, a line each (magic(5), and the module's manual page).

use bstr::{BString, ByteSlice};

/// Octets that must stand behind an offset for a rule to look there.
const WINDOW: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Byte,
    Short,
    Long,
    BeShort,
    BeLong,
    LeShort,
    LeLong,
    Text,
}

const KINDS: &[(&str, Kind)] = &[
    ("byte", Kind::Byte),
    ("char", Kind::Byte),
    ("short", Kind::Short),
    ("long", Kind::Long),
    ("string", Kind::Text),
    ("date", Kind::Long),
    ("beshort", Kind::BeShort),
    ("belong", Kind::BeLong),
    ("bedate", Kind::BeLong),
    ("leshort", Kind::LeShort),
    ("lelong", Kind::LeLong),
    ("ledate", Kind::LeLong),
];

impl Kind {
    fn octets(self) -> u32 {
        match self {
            Kind::Byte => 1,
            Kind::Short | Kind::BeShort | Kind::LeShort => 2,
            _ => 4,
        }
    }
    /// The number at the start of `at`.
    fn read(self, at: &[u8]) -> Option<u32> {
        let two = || at.first_chunk::<2>().copied();
        let four = || at.first_chunk::<4>().copied();
        match self {
            Kind::Byte => at.first().map(|byte| u32::from(*byte)),
            Kind::Short => two().map(|two| u16::from_ne_bytes(two).into()),
            Kind::BeShort => two().map(|two| u16::from_be_bytes(two).into()),
            Kind::LeShort => two().map(|two| u16::from_le_bytes(two).into()),
            Kind::Long => four().map(u32::from_ne_bytes),
            Kind::BeLong => four().map(u32::from_be_bytes),
            Kind::LeLong => four().map(u32::from_le_bytes),
            Kind::Text => None,
        }
    }
    /// As a number with a sign.
    fn signed(self, value: u32) -> i64 {
        match self.octets() {
            1 => i64::from(value as u8 as i8),
            2 => i64::from(value as u16 as i16),
            _ => i64::from(value as i32),
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Number of `>`: 0 begins a group.
    level: u32,
    offset: usize,
    /// None: unknown, matches nothing.
    kind: Option<Kind>,
    mask: u32,
    relation: u8,
    number: u32,
    text: BString,
    says: BString,
    /// What it says follows without a space.
    joined: bool,
}

/// Reads a magic file; lines with mistakes are told and matched as far as they go.
pub(super) fn parse(file: &[u8], complain: &mut dyn FnMut(String)) -> Vec<Rule> {
    let lines = file.split(|byte| *byte == b'\n').map(|line| line.trim_start());
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).map(|line| rule(line, complain)).collect()
}

/// A number in C's notation and what follows it.
fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, rest) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let (base, digits) = match rest {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', ..] => (8, rest),
        _ => (10, rest),
    };
    let count = digits.iter().take_while(|byte| char::from(**byte).is_digit(base)).count();
    let (digits, rest) = digits.split_at(count);
    let value = i64::from_str_radix(digits.to_str().ok()?, base).ok()?;
    Some((sign * value, rest))
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    text.trim_start_with(|c| c == ' ' || c == '\t')
}

fn rule(line: &[u8], complain: &mut dyn FnMut(String)) -> Rule {
    let level = line.iter().take_while(|byte| **byte == b'>').count();
    let mut rest = line.get(level..).unwrap_or_default();
    let mut new = Rule {
        level: level as u32,
        offset: 0,
        kind: None,
        mask: u32::MAX,
        relation: b'=',
        number: 0,
        text: BString::default(),
        says: BString::default(),
        joined: false,
    };
    match number(rest) {
        Some((offset, behind)) => {
            new.offset = usize::try_from(offset).unwrap_or(usize::MAX);
            rest = behind;
        }
        None => complain(format!("AH01521: mod_mime_magic: offset {} invalid", rest.as_bstr())),
    }
    rest = skip_blanks(rest.trim_start_with(|c| c.is_ascii_digit()));
    let found = KINDS.iter().filter(|(name, _)| rest.starts_with(name.as_bytes())).max_by_key(|(name, _)| name.len());
    match found {
        Some((name, kind)) => {
            new.kind = Some(*kind);
            rest = rest.get(name.len()..).unwrap_or_default();
        }
        None => {
            complain(format!("AH01524: mod_mime_magic: type {} invalid", rest.as_bstr()));
            return new;
        }
    }
    if let Some((mask, behind)) = rest.strip_prefix(b"&").and_then(number) {
        new.mask = mask as u32;
        rest = behind;
    }
    rest = skip_blanks(rest);
    match rest.first() {
        Some(relation @ (b'>' | b'<' | b'&' | b'^' | b'=' | b'!')) => {
            new.relation = *relation;
            rest = rest.get(1..).unwrap_or_default();
        }
        Some(b'x') if rest.get(1).is_none_or(u8::is_ascii_whitespace) => {
            new.relation = b'x';
            rest = rest.get(1..).unwrap_or_default();
        }
        _ => {}
    }
    if new.kind == Some(Kind::Text) {
        let (text, behind) = string(rest);
        (new.text, rest) = (text, behind);
    } else if new.relation != b'x'
        && let Some((value, behind)) = number(skip_blanks(rest))
    {
        (new.number, rest) = (value as u32, behind);
    }
    let says = skip_blanks(rest);
    let stripped = says.strip_prefix(b"\\b").or_else(|| says.strip_prefix(b"\x08"));
    new.joined = stripped.is_some();
    new.says = stripped.unwrap_or(says).into();
    new
}

/// A value up to white space, with C's escapes; a backslash keeps any other character.
fn string(text: &[u8]) -> (BString, &[u8]) {
    let mut out = BString::default();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte.is_ascii_whitespace() {
            break;
        }
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escaped, behind)) = rest.split_first() else { break };
        rest = behind;
        let digits = |base: u32, most: usize, from: &mut &[u8]| {
            let count = from.iter().take(most).take_while(|byte| char::from(**byte).is_digit(base)).count();
            let (digits, behind) = from.split_at(count);
            *from = behind;
            digits.to_str().ok().and_then(|digits| u32::from_str_radix(digits, base).ok())
        };
        out.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'0'..=b'7' => {
                let more = digits(8, 2, &mut rest).unwrap_or(0);
                let weight = 8u32.pow((behind.len() - rest.len()) as u32);
                (u32::from(escaped - b'0') * weight + more) as u8
            }
            b'x' => digits(16, 2, &mut rest).map_or(b'x', |value| value as u8),
            other => other,
        });
    }
    (out, rest)
}

impl Rule {
    fn matches(&self, start: &[u8]) -> bool {
        let Some(kind) = self.kind else { return false };
        let Some(at) = start.get(self.offset..).filter(|at| at.len() >= WINDOW) else { return false };
        if self.relation == b'x' {
            return true;
        }
        if kind == Kind::Text {
            let part = at.get(..self.text.len()).unwrap_or(at);
            let order = part.cmp(self.text.as_bytes());
            return match self.relation {
                b'=' => order.is_eq(),
                b'!' => order.is_ne(),
                b'>' => order.is_gt(),
                b'<' => order.is_lt(),
                _ => false,
            };
        }
        let Some(value) = kind.read(at).map(|value| value & self.mask) else { return false };
        let (own, wanted) = (kind.signed(value), kind.signed(self.number));
        match self.relation {
            b'=' => own == wanted,
            b'!' => own != wanted,
            b'>' => own > wanted,
            b'<' => own < wanted,
            b'&' => own & wanted == wanted,
            b'^' => own & wanted != wanted,
            _ => false,
        }
    }
    /// The text with `%s` or a number's format filled in.
    fn print(&self, start: &[u8]) -> BString {
        let Some(percent) = self.says.find_byte(b'%') else { return self.says.clone() };
        let (before, rest) = self.says.split_at(percent);
        let flags = rest.iter().skip(1).take_while(|byte| b"-0123456789.l".contains(byte)).count();
        let Some(kind) = self.kind else { return self.says.clone() };
        let at = start.get(self.offset..).unwrap_or_default();
        let shown: Vec<u8> = match rest.get(1 + flags) {
            Some(b's') if kind == Kind::Text && matches!(self.relation, b'=' | b'!') => self.text.to_vec(),
            Some(b's') => at.split(|byte| matches!(byte, 0 | b'\n')).next().unwrap_or_default().to_vec(),
            Some(b'x') => format!("{:x}", kind.read(at).unwrap_or(0) & self.mask).into(),
            Some(b'd' | b'i') => kind.signed(kind.read(at).unwrap_or(0) & self.mask).to_string().into(),
            Some(b'u') => (kind.read(at).unwrap_or(0) & self.mask).to_string().into(),
            _ => return self.says.clone(),
        };
        let behind = rest.get(2 + flags..).unwrap_or_default();
        [before, &shown, behind].concat().into()
    }
}

/// What the first group that matches says; the rules of a group below a match add to it.
pub(super) fn tell(start: &[u8], rules: &[Rule]) -> Option<BString> {
    let mut at = 0;
    while let Some(first) = rules.get(at) {
        let below = rules.get(at + 1..).unwrap_or_default();
        let group = below.iter().take_while(|rule| rule.level > 0).count();
        if first.matches(start) {
            let mut out = first.print(start);
            let mut level = 1;
            for rule in below.iter().take(group).filter(|rule| rule.level > 0) {
                if rule.level > level {
                    continue;
                }
                level = rule.level;
                if rule.matches(start) {
                    let says = rule.print(start);
                    if !out.is_empty() && !says.is_empty() && !rule.joined {
                        out.push(b' ');
                    }
                    out.extend_from_slice(&says);
                    level += 1;
                }
            }
            return Some(out);
        }
        at += 1 + group;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(file: &str, start: &[u8]) -> Option<String> {
        let rules = parse(file.as_bytes(), &mut |complaint| panic!("{complaint}"));
        let padded = [start, &[b'z'; WINDOW]].concat();
        tell(&padded, &rules).map(|text| text.to_string())
    }

    #[test]
    fn groups_relations_and_escapes() {
        let file = "# c\n0\tstring\tDEF\n>4\tbyte\t1\td/one\n>4 byte >5 d/big\n0 string \\037\\213\\x41\\ b a/z x-z\n4 belong&0xff00 0x4200 b/m\n";
        assert_eq!(says(file, b"DEF \x01").as_deref(), Some("d/one"));
        assert_eq!(says(file, b"DEF \x09").as_deref(), Some("d/big"));
        assert_eq!(says(file, b"DEF \x02").as_deref(), Some(""));
        assert_eq!(says(file, b"\x1f\x8bA b").as_deref(), Some("a/z x-z"));
        assert_eq!(says(file, b"....\0\0B\0").as_deref(), Some("b/m"));
        assert_eq!(says(file, b"none"), None);
    }
}
