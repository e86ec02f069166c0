//! Running a script: lines go in, what is printed comes out.

use super::regex::Found;
use super::script::{Action, Address, Part, Print, Script, Substitution, Which};
use bstr::{BString, ByteSlice};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// No space grows beyond this: 8 MB, as in Apache.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;
/// Commands for one line of input; a script that runs longer than that has no end.
const PATIENCE: u32 = 1_000_000;
/// Columns of what `l` prints.
const COLUMNS: usize = 72;

/// The script cannot go on.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    TooLong,
    Endless,
}

/// What goes out behind a line.
enum Behind {
    Text(Vec<u8>),
    File(BString),
}

/// Why a script stops in the middle of a line.
#[derive(Clone, Copy, PartialEq)]
enum Wants {
    /// A new cycle.
    Line,
    /// `n`
    Next,
    /// `N`
    More,
    /// A cycle with what is left, without a line: `D`.
    Again,
    /// `q`, or no line where one was wanted.
    Nothing,
}

/// See the module text.
pub(super) struct Machine {
    script: Arc<Script>,
    files: Vec<File>,
    space: Vec<u8>,
    hold: Vec<u8>,
    number: u64,
    last: bool,
    /// Ranges that began, by command.
    ranges: Vec<bool>,
    /// The next command.
    at: usize,
    changed: bool,
    behind: Vec<Behind>,
    wants: Wants,
    pub(super) out: Vec<u8>,
}

impl Machine {
    /// Opens the files that the script writes to; the error is the name of one that cannot be opened.
    pub(super) fn new(script: Arc<Script>) -> Result<Machine, BString> {
        let open = |name: &BString| {
            let options =
                File::options().write(true).create(true).truncate(true).open(Path::new(&*name.to_os_str_lossy()));
            options.map_err(|_| name.clone())
        };
        let files = script.files.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Machine {
            files,
            space: Vec::new(),
            hold: Vec::new(),
            number: 0,
            last: false,
            ranges: vec![false; script.commands.len()],
            at: 0,
            changed: false,
            behind: Vec::new(),
            wants: Wants::Line,
            out: Vec::new(),
            script,
        })
    }

    /// Whether more lines would make no difference.
    pub(super) fn is_done(&self) -> bool {
        self.wants == Wants::Nothing
    }

    /// Takes the next line, without its end.
    pub(super) fn line(&mut self, line: &[u8], last: bool) -> Result<(), Failure> {
        self.put_behind();
        match self.wants {
            Wants::Nothing => return Ok(()),
            Wants::More => {
                self.space.push(b'\n');
                self.space.extend_from_slice(line);
            }
            _ => {
                self.space.clear();
                self.space.extend_from_slice(line);
            }
        }
        if self.space.len() > LONGEST {
            return Err(Failure::TooLong);
        }
        self.number += 1;
        self.last = last;
        if self.wants == Wants::Line {
            self.at = 0;
        }
        let mut left = PATIENCE;
        loop {
            self.cycle(&mut left)?;
            if self.wants != Wants::Again {
                return Ok(());
            }
            self.at = 0;
        }
    }

    fn print(&mut self) {
        self.out.extend_from_slice(&self.space);
        self.out.push(b'\n');
    }

    fn put_behind(&mut self) {
        for behind in std::mem::take(&mut self.behind) {
            match behind {
                Behind::Text(text) => {
                    self.out.extend_from_slice(&text);
                    self.out.push(b'\n');
                }
                Behind::File(name) => {
                    let path = name.to_path_lossy();
                    if path.metadata().is_ok_and(|file| file.is_file()) {
                        self.out.extend(std::fs::read(path).unwrap_or_default());
                    }
                }
            }
        }
    }

    /// Runs commands until the line is done with, or another is wanted.
    fn cycle(&mut self, left: &mut u32) -> Result<(), Failure> {
        let script = self.script.clone();
        let mut deleted = false;
        while let Some(command) = script.commands.get(self.at) {
            *left = left.checked_sub(1).ok_or(Failure::Endless)?;
            let at = self.at;
            self.at += 1;
            if self.selects(at, &command.first, &command.second) == command.negated {
                if let Action::Block(end) = command.action {
                    self.at = end;
                }
                continue;
            }
            match &command.action {
                Action::Block(_) => {}
                Action::Branch(label) => self.at = script.target(label.as_bstr()).unwrap_or(script.commands.len()),
                Action::BranchIfChanged(label) => {
                    if std::mem::take(&mut self.changed) {
                        self.at = script.target(label.as_bstr()).unwrap_or(script.commands.len());
                    }
                }
                Action::Append(text) => self.behind.push(Behind::Text(text.clone())),
                Action::ReadFile(name) => self.behind.push(Behind::File(name.clone())),
                Action::Insert(text) => {
                    self.out.extend_from_slice(text);
                    self.out.push(b'\n');
                }
                Action::Change(text) => {
                    if self.ranges.get(at) != Some(&true) || self.last {
                        self.out.extend_from_slice(text);
                        self.out.push(b'\n');
                    }
                    deleted = true;
                    break;
                }
                Action::WriteFile(file) => self.write(*file),
                Action::Substitute(substitution) => self.substitute(substitution)?,
                Action::Translate(table) => {
                    for octet in &mut self.space {
                        *octet = table.get(usize::from(*octet)).copied().unwrap_or(*octet);
                    }
                }
                Action::Letter(letter) => match letter {
                    b'd' => {
                        deleted = true;
                        break;
                    }
                    b'D' => {
                        deleted = true;
                        if let Some(end) = self.space.find_byte(b'\n') {
                            self.space.drain(..=end);
                            self.put_behind();
                            self.wants = Wants::Again;
                            return Ok(());
                        }
                        break;
                    }
                    b'n' | b'N' => {
                        let next = *letter == b'n';
                        if next && !script.quiet {
                            self.print();
                        }
                        self.wants = match (self.last, next) {
                            (true, _) => Wants::Nothing,
                            (false, true) => Wants::Next,
                            (false, false) => Wants::More,
                        };
                        if self.last {
                            self.put_behind();
                        }
                        return Ok(());
                    }
                    b'q' => {
                        if !script.quiet {
                            self.print();
                        }
                        self.put_behind();
                        self.wants = Wants::Nothing;
                        return Ok(());
                    }
                    letter => self.letter(*letter)?,
                },
            }
        }
        if !script.quiet && !deleted {
            self.print();
        }
        self.put_behind();
        self.wants = if self.last { Wants::Nothing } else { Wants::Line };
        Ok(())
    }

    /// The commands that only move text about.
    fn letter(&mut self, letter: u8) -> Result<(), Failure> {
        match letter {
            b'=' => self.out.extend_from_slice(format!("{}\n", self.number).as_bytes()),
            b'g' => self.space.clone_from(&self.hold),
            b'h' => self.hold.clone_from(&self.space),
            b'G' => {
                self.space.push(b'\n');
                self.space.extend_from_slice(&self.hold);
            }
            b'H' => {
                self.hold.push(b'\n');
                self.hold.extend_from_slice(&self.space);
            }
            b'x' => std::mem::swap(&mut self.space, &mut self.hold),
            b'l' => list(&self.space, &mut self.out),
            b'p' => self.print(),
            b'P' => self.print_first(),
            _ => {}
        }
        match self.space.len().max(self.hold.len()) > LONGEST {
            true => Err(Failure::TooLong),
            false => Ok(()),
        }
    }

    fn print_first(&mut self) {
        self.out.extend_from_slice(self.space.split(|octet| *octet == b'\n').next().unwrap_or_default());
        self.out.push(b'\n');
    }

    fn write(&mut self, file: usize) {
        if let Some(file) = self.files.get_mut(file) {
            // A full disk is no reason to withhold the response.
            let _ = file.write_all(&[&self.space[..], b"\n"].concat());
        }
    }

    fn matches(&self, address: &Address) -> bool {
        match address {
            Address::Line(number) => self.number == *number,
            Address::Last => self.last,
            Address::Matching(regex) => regex.find(self.space.as_bstr(), 0, None).is_some(),
        }
    }

    /// Whether the line is one that a command's addresses name.
    fn selects(&mut self, at: usize, first: &Option<Address>, second: &Option<Address>) -> bool {
        let Some(first) = first else { return true };
        let Some(second) = second else { return self.matches(first) };
        if self.ranges.get(at) != Some(&true) {
            let begins = self.matches(first);
            // A last line begins nothing.
            if let Some(range) = self.ranges.get_mut(at) {
                *range = begins && !matches!(first, Address::Last);
            }
            return begins;
        }
        let (inside, ends) = match second {
            Address::Last => (true, false),
            Address::Line(number) => (self.number <= *number, self.number >= *number),
            Address::Matching(_) => (true, self.matches(second)),
        };
        if let Some(range) = self.ranges.get_mut(at) {
            *range = !ends;
        }
        inside
    }

    fn substitute(&mut self, substitution: &Substitution) -> Result<(), Failure> {
        let text = self.space.as_bstr();
        let mut made = Vec::new();
        let (mut from, mut copied, mut count, mut replaced) = (0, 0, 0, false);
        let mut end_before = None;
        while from <= text.len()
            && let Some(found) = substitution.regex.find(text, from, end_before)
        {
            let empty = found.end == found.start;
            from = found.end + usize::from(empty);
            // Nothing at all right behind a match is no match.
            if empty && end_before == Some(found.start) {
                continue;
            }
            end_before = Some(found.end);
            count += 1;
            let wanted = match substitution.which {
                Which::All => true,
                Which::Nth(number) => number == count,
            };
            if wanted {
                replaced = true;
                made.extend_from_slice(text.get(copied..found.start).unwrap_or_default());
                put(&mut made, substitution, &found, text);
                copied = found.end;
                if made.len() > LONGEST {
                    return Err(Failure::TooLong);
                }
                if substitution.which != Which::All {
                    break;
                }
            }
        }
        if !replaced {
            return Ok(());
        }
        made.extend_from_slice(text.get(copied..).unwrap_or_default());
        if made.len() > LONGEST {
            return Err(Failure::TooLong);
        }
        self.space = made;
        self.changed = true;
        // With lines printed anyway, there is nothing to print.
        if self.script.quiet {
            match substitution.print {
                Print::Nothing => {}
                Print::All => self.print(),
                Print::FirstLine => self.print_first(),
            }
        }
        if let Some(file) = substitution.file {
            self.write(file);
        }
        Ok(())
    }
}

/// What takes a match's place.
fn put(out: &mut Vec<u8>, substitution: &Substitution, found: &Found, text: &[u8]) {
    for part in &substitution.parts {
        let (start, end) = match part {
            Part::Text(text) => {
                out.extend_from_slice(text);
                continue;
            }
            Part::Whole => (found.start, found.end),
            Part::Group(group) => found.groups.get(*group).copied().unwrap_or_default(),
        };
        out.extend_from_slice(text.get(start..end).unwrap_or_default());
    }
}

/// The command `l`: what cannot be seen as octal numbers, in lines of limited length.
fn list(space: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for octet in space {
        let digit = |number: i8| number.wrapping_add(b'0' as i8) as u8;
        let signed = *octet as i8;
        let shown: Vec<u8> = match octet {
            b'\n' => vec![b'\n'],
            0..0x20 => vec![b'\\', digit(signed >> 3), digit(signed & 7)],
            0x20..0x7f => vec![*octet],
            // The first digit of what is not ASCII is none: the sign of the octet goes with it.
            _ => vec![b'\\', digit(signed >> 6), digit((signed >> 3) & 7), digit(signed & 7)],
        };
        for octet in shown {
            if column + 1 >= COLUMNS {
                out.extend_from_slice(b"\\\n");
                column = 0;
            }
            out.push(octet);
            column += 1;
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BStr;

    fn run(script: &[&str], lines: &[&str]) -> Result<String, Failure> {
        let mut read = Script::default();
        for line in script {
            read.add(BStr::new(line)).unwrap();
        }
        assert_eq!(read.unfinished(), None);
        let mut machine = Machine::new(Arc::new(read)).map_err(|_| Failure::TooLong)?;
        for (number, line) in lines.iter().enumerate() {
            machine.line(line.as_bytes(), number + 1 == lines.len())?;
        }
        Ok(String::from_utf8_lossy(&machine.out).into_owned())
    }

    #[test]
    fn scripts_without_an_end_are_stopped() {
        assert_eq!(run(&[":x", "b x"], &["a"]), Err(Failure::Endless));
        assert_eq!(run(&["G", "D"], &["a"]), Err(Failure::Endless));
    }

    #[test]
    fn spaces_have_a_limit() {
        assert_eq!(run(&[":x", "s/.*/&&/", "b x"], &["a"]), Err(Failure::TooLong));
        assert_eq!(run(&[":x", "H", "b x"], &[&"a".repeat(10_000)]), Err(Failure::TooLong));
    }

    #[test]
    fn lines() {
        assert_eq!(run(&["N;P;D"], &["a", "b", "c"]).as_deref(), Ok("a\nb\n"));
        assert_eq!(run(&["1!G;h;$!d"], &["a", "b", "c"]).as_deref(), Ok("c\nb\na\n"));
        assert_eq!(run(&["l"], &["\u{e9}\t"]).as_deref(), Ok("\\/03\\.51\\11\n\u{e9}\t\n"));
    }
}
