//! Regular expressions as Apache compiles them: PCRE2 with DOTALL and DOLLAR_ENDONLY, JIT where there is one.
//!
//! Matching is bounded: a pattern that explodes ends in "no match" after a fixed number of steps, and where the JIT's
//! stack does not suffice the interpreter takes over. Code is shared between threads, match data is per thread.

use bstr::BString;
use pcre2_sys::*;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr;
use std::sync::OnceLock;

/// Steps after which a match is given up (PCRE2's own default is ten times as many).
const MATCH_LIMIT: u32 = 1_000_000;
/// Heap a match may use, in KiB.
const HEAP_LIMIT: u32 = 20_000;

/// Options beyond DOTALL and DOLLAR_ENDONLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub icase: bool,
    /// `^` and `$` at line breaks (ap_expr's `m`).
    pub multiline: bool,
    /// ap_expr's `s` is always on; kept for RegexDefaultOptions.
    pub no_dotall: bool,
    pub no_dollar_endonly: bool,
    pub extended: bool,
}

impl Flags {
    const NONE: Flags =
        Flags { icase: false, multiline: false, no_dotall: false, no_dollar_endonly: false, extended: false };

    fn and(self, other: Flags) -> Flags {
        Flags {
            icase: self.icase || other.icase,
            multiline: self.multiline || other.multiline,
            no_dotall: self.no_dotall || other.no_dotall,
            no_dollar_endonly: self.no_dollar_endonly || other.no_dollar_endonly,
            extended: self.extended || other.extended,
        }
    }
}

thread_local! {
    static DEFAULT: Cell<Flags> = const { Cell::new(Flags::NONE) };
}
static SETTLED: OnceLock<Flags> = OnceLock::new();

/// RegexDefaultOptions: joins `flags` to those of every pattern that this thread compiles from now on.
pub fn default_flags(flags: Flags) {
    DEFAULT.set(flags);
}

/// What a finished configuration says holds for all threads of a child, and for good.
pub fn settle_default_flags(flags: Flags) {
    let _ = SETTLED.set(flags);
}

/// A compiled pattern.
pub struct Regex {
    code: *mut pcre2_code_8,
    groups: usize,
    jit: bool,
    /// What every match begins with, at the subject's start: nothing unless the pattern is anchored.
    start: BString,
}

// SAFETY: compiled code is immutable after compilation; PCRE2 documents it as shareable between threads.
unsafe impl Send for Regex {}
// SAFETY: as above; match data lives in a thread-local.
unsafe impl Sync for Regex {}

/// Why a pattern does not compile, with the octet where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegexError {
    pub message: String,
    pub offset: usize,
}

/// Where the groups of a match lie in the subject; 0 is the whole match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures(pub Vec<Option<(usize, usize)>>);

impl Captures {
    /// The text of group `n`.
    pub fn get<'s>(&self, subject: &'s [u8], n: usize) -> Option<&'s [u8]> {
        let (from, to) = (*self.0.get(n)?)?;
        subject.get(from..to)
    }
}

impl Captures {
    /// Appends `template` with `$0` to `$9` replaced by the groups; a backslash makes the octet behind it plain.
    pub fn substitute(&self, out: &mut Vec<u8>, template: &[u8], subject: &[u8]) {
        let mut rest = template.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            match (byte, rest.peek()) {
                (b'$', Some(digit @ b'0'..=b'9')) => {
                    out.extend_from_slice(self.get(subject, usize::from(digit - b'0')).unwrap_or_default());
                    rest.next();
                }
                (b'\\', Some(plain)) => {
                    out.push(*plain);
                    rest.next();
                }
                _ => out.push(byte),
            }
        }
    }
}

struct Scratch {
    data: *mut pcre2_match_data_8,
    context: *mut pcre2_match_context_8,
}

/// Groups a thread's match data has room for at first.
const PAIRS: u32 = 32;

impl Scratch {
    fn new(pairs: u32) -> Scratch {
        // SAFETY: plain constructors; null results are checked where used.
        unsafe {
            let context = pcre2_match_context_create_8(ptr::null_mut());
            if !context.is_null() {
                pcre2_set_match_limit_8(context, MATCH_LIMIT);
                pcre2_set_heap_limit_8(context, HEAP_LIMIT);
            }
            Scratch { data: pcre2_match_data_create_8(pairs, ptr::null_mut()), context }
        }
    }
}

/// The plain text that a pattern begins with, and what follows. The last octet before a quantifier is not part of it.
pub fn plain_start(pattern: &[u8]) -> (BString, &[u8]) {
    let (mut text, mut rest) = (BString::default(), pattern);
    while let Some((&byte, after)) = rest.split_first() {
        let (octet, after) = match (byte, after.split_first()) {
            (b'\\', Some((escaped, after))) if !escaped.is_ascii_alphanumeric() => (*escaped, after),
            (b'\\' | b'^' | b'$' | b'.' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'|' | b'?' | b'*' | b'+', _) => {
                break;
            }
            _ => (byte, after),
        };
        if matches!(after.first(), Some(b'?' | b'*' | b'+' | b'{')) {
            break;
        }
        text.push(octet);
        rest = after;
    }
    (text, rest)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: both were made by the matching constructors, or are null, which the functions accept.
        unsafe {
            pcre2_match_data_free_8(self.data);
            pcre2_match_context_free_8(self.context);
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new(PAIRS));
}

impl Regex {
    /// Compiles `pattern`, which may hold any octets.
    pub fn new(pattern: &[u8], flags: Flags) -> Result<Regex, RegexError> {
        let flags = flags.and(SETTLED.get().copied().unwrap_or_else(|| DEFAULT.get()));
        let mut options = 0;
        for (on, bit) in [
            (!flags.no_dotall, PCRE2_DOTALL),
            (!flags.no_dollar_endonly, PCRE2_DOLLAR_ENDONLY),
            (flags.icase, PCRE2_CASELESS),
            (flags.multiline, PCRE2_MULTILINE),
            (flags.extended, PCRE2_EXTENDED),
        ] {
            if on {
                options |= bit;
            }
        }
        let (mut code, mut offset) = (0, 0);
        // SAFETY: pattern and length belong together; the out pointers are valid for the call.
        let compiled = unsafe {
            pcre2_compile_8(pattern.as_ptr(), pattern.len(), options, &mut code, &mut offset, ptr::null_mut())
        };
        if compiled.is_null() {
            return Err(RegexError { message: error_text(code), offset });
        }
        // SAFETY: `compiled` is a valid code pointer.
        let jit = unsafe { pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE) } == 0;
        let mut groups: u32 = 0;
        // SAFETY: PCRE2_INFO_CAPTURECOUNT writes one u32.
        unsafe { pcre2_pattern_info_8(compiled, PCRE2_INFO_CAPTURECOUNT, (&raw mut groups).cast()) };
        let plain = !flags.icase && !flags.extended && !flags.multiline && !pattern.contains(&b'|');
        let anchored = pattern.strip_prefix(b"^").filter(|_| plain);
        let start = anchored.map(|rest| plain_start(rest).0).unwrap_or_default();
        Ok(Regex { code: compiled, groups: groups as usize, jit, start })
    }

    /// Capturing groups in the pattern.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Whether the pattern occurs in `subject`. A match that exceeds the limits does not.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.run(subject, 0, |_, _| ()).is_some()
    }

    /// The groups of the first match.
    pub fn captures(&self, subject: &[u8]) -> Option<Captures> {
        self.captures_from(subject, 0)
    }

    /// The groups of the first match at or behind octet `from`.
    pub fn captures_from(&self, subject: &[u8], from: usize) -> Option<Captures> {
        let groups = self.groups;
        self.run(subject, from, |ovector, pairs| {
            let pair = |n: usize| {
                if n >= pairs {
                    return None;
                }
                let (from, to) = (*ovector.get(2 * n)?, *ovector.get(2 * n + 1)?);
                (from != PCRE2_UNSET && from <= to).then_some((from, to))
            };
            Captures((0..=groups).map(pair).collect())
        })
    }

    fn run<T>(&self, subject: &[u8], from: usize, found: impl FnOnce(&[usize], usize) -> T) -> Option<T> {
        if from > subject.len() || from == 0 && !subject.starts_with(&self.start) {
            return None;
        }
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => {
                if self.groups >= PAIRS as usize {
                    return self.run_in(&Scratch::new(self.groups as u32 + 1), subject, from, found);
                }
                if scratch.data.is_null() {
                    *scratch = Scratch::new(PAIRS);
                }
                self.run_in(&scratch, subject, from, found)
            }
            Err(_) => self.run_in(&Scratch::new(self.groups as u32 + 1), subject, from, found),
        })
    }

    fn run_in<T>(
        &self,
        scratch: &Scratch,
        subject: &[u8],
        from: usize,
        found: impl FnOnce(&[usize], usize) -> T,
    ) -> Option<T> {
        if scratch.data.is_null() {
            return None;
        }
        let attempt = |options| {
            // SAFETY: code, match data and context are valid; subject and length belong together; `from` is within.
            unsafe {
                pcre2_match_8(self.code, subject.as_ptr(), subject.len(), from, options, scratch.data, scratch.context)
            }
        };
        let mut count = attempt(0);
        if count == PCRE2_ERROR_JIT_STACKLIMIT && self.jit {
            count = attempt(PCRE2_NO_JIT);
        }
        if count < 0 {
            return None;
        }
        // SAFETY: after a match the ovector holds `count` pairs, and at least the allocated number of slots exists.
        let ovector = unsafe {
            let pairs = pcre2_get_ovector_count_8(scratch.data) as usize;
            std::slice::from_raw_parts(pcre2_get_ovector_pointer_8(scratch.data), 2 * pairs)
        };
        Some(found(ovector, count as usize))
    }

    /// Named groups with their numbers.
    pub fn names(&self) -> Vec<(Vec<u8>, usize)> {
        let (mut count, mut size): (u32, u32) = (0, 0);
        let mut table: *const u8 = ptr::null();
        // SAFETY: each request writes a value of the documented type.
        unsafe {
            pcre2_pattern_info_8(self.code, PCRE2_INFO_NAMECOUNT, (&raw mut count).cast());
            pcre2_pattern_info_8(self.code, PCRE2_INFO_NAMEENTRYSIZE, (&raw mut size).cast());
            pcre2_pattern_info_8(self.code, PCRE2_INFO_NAMETABLE, (&raw mut table).cast());
        }
        if count == 0 || size < 3 || table.is_null() {
            return Vec::new();
        }
        // SAFETY: the table has `count` entries of `size` octets and lives as long as the code.
        let table = unsafe { std::slice::from_raw_parts(table, count as usize * size as usize) };
        let entry = |entry: &[u8]| {
            let number = usize::from(*entry.first()?) << 8 | usize::from(*entry.get(1)?);
            let name = entry.get(2..)?.split(|byte| *byte == 0).next()?;
            Some((name.to_vec(), number))
        };
        table.chunks(size as usize).filter_map(entry).collect()
    }
}

fn error_text(code: i32) -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer's length is given.
    let length = unsafe { pcre2_get_error_message_8(code, buffer.as_mut_ptr(), buffer.len()) };
    let text = buffer.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: `code` came from pcre2_compile and is freed once.
        unsafe { pcre2_code_free_8(self.code) }
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({} groups)", self.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollar_matches_only_at_the_end() {
        let regex = Regex::new(b"\\.php$", Flags::default()).unwrap();
        assert!(regex.is_match(b"x.php"));
        assert!(!regex.is_match(b"x.php\n"));
    }

    #[test]
    fn groups_and_names() {
        let regex = Regex::new(b"^(?<user>[a-z]+)(/x)?(.*)$", Flags { icase: true, ..Flags::default() }).unwrap();
        let subject = b"Bob:1";
        let captures = regex.captures(subject).unwrap();
        assert_eq!(captures.get(subject, 1), Some(&b"Bob"[..]));
        assert_eq!(captures.get(subject, 2), None);
        assert_eq!(captures.get(subject, 3), Some(&b":1"[..]));
        assert_eq!(regex.names(), [(b"user".to_vec(), 1)]);
    }

    #[test]
    fn groups_are_put_into_templates() {
        let regex = Regex::new(b"(x.)t?", Flags::default()).unwrap();
        let captures = regex.captures(b"/x.txt").unwrap();
        let mut out = Vec::new();
        captures.substitute(&mut out, br"$0-$1-$2-$$-$-\$1\0&$", b"/x.txt");
        assert_eq!(out, b"x.t-x.--$$-$-$10&$");
    }

    #[test]
    fn an_explosive_pattern_ends() {
        let regex = Regex::new(b"^(a+)+$", Flags::default()).unwrap();
        let subject = [&[b'a'; 64][..], b"!"].concat();
        assert!(!regex.is_match(&subject));
    }

    #[test]
    fn errors_have_a_text() {
        assert!(Regex::new(b"(", Flags::default()).unwrap_err().message.contains("parenthes"));
    }
}
