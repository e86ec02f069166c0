//! File name patterns as Apache matches them: `*`, `?`, `[...]` with ranges and `!` or `^`, `\` escapes.

/// `/` is matched only by itself (FNM_PATHNAME).
pub const PATHNAME: u32 = 1;
/// A leading `.` is matched only by itself (FNM_PERIOD).
pub const PERIOD: u32 = 2;
/// Letters match in either case (FNM_CASE_BLIND).
pub const NO_CASE: u32 = 4;

/// Whether `text` has wildcards: `*`, `?`, or a `[` that is closed. A backslash escapes what follows.
pub fn is_pattern(text: &[u8]) -> bool {
    let mut bracket = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' => return true,
            b'\\' => {
                bytes.next();
            }
            b'[' => bracket = true,
            b']' if bracket => return true,
            _ => {}
        }
    }
    false
}

/// Whether `text` as a whole matches `pattern`.
///
/// One position to return to suffices: a later `*` makes all earlier ones irrelevant, except that with PATHNAME a `*`
/// cannot reach over a slash, where the earlier one could not either.
pub fn matches(pattern: &[u8], text: &[u8], flags: u32) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last `*`: in the pattern, and the text position to try next.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let leads = flags & PERIOD != 0
            && text.get(t) == Some(&b'.')
            && (t == 0 || (flags & PATHNAME != 0 && text.get(t - 1) == Some(&b'/')));
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) if !leads => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            (Some(b'?'), Some(byte)) if !leads && (flags & PATHNAME == 0 || *byte != b'/') => Some(1),
            (Some(b'['), Some(byte)) => {
                let class = class(&pattern[p + 1..], *byte, flags);
                match class {
                    Some((true, length)) if !leads && (flags & PATHNAME == 0 || *byte != b'/') => Some(1 + length),
                    Some(_) => None,
                    // No closing bracket: an ordinary character.
                    None => (*byte == b'[').then_some(1),
                }
            }
            (Some(b'\\'), Some(byte)) if p + 1 < pattern.len() => same(pattern[p + 1], *byte, flags).then_some(2),
            (Some(b'*' | b'?'), _) => None,
            (Some(literal), Some(byte)) => same(*literal, *byte, flags).then_some(1),
            _ => None,
        };
        match (step, star) {
            (Some(length), _) => (p, t) = (p + length, t + 1),
            (None, Some((after, tried))) => {
                match text.get(tried) {
                    None => return false,
                    Some(b'/') if flags & PATHNAME != 0 => return false,
                    Some(_) => {}
                }
                (p, t) = (after, tried + 1);
                star = Some((after, tried + 1));
            }
            (None, None) => return false,
        }
    }
}

fn same(left: u8, right: u8, flags: u32) -> bool {
    left == right || (flags & NO_CASE != 0 && left.eq_ignore_ascii_case(&right))
}

/// Whether `byte` is in the class whose text starts behind `[`, and the length of that text with its `]`.
fn class(text: &[u8], byte: u8, flags: u32) -> Option<(bool, usize)> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let start = at;
    let mut found = false;
    loop {
        let mut low = *text.get(at)?;
        if low == b']' && at > start {
            return Some((found != negated, at + 1));
        }
        if low == b'\\' && at + 1 < text.len() {
            at += 1;
            low = *text.get(at)?;
        }
        at += 1;
        let mut high = low;
        if text.get(at) == Some(&b'-') && text.get(at + 1).is_some_and(|end| *end != b']') {
            high = *text.get(at + 1)?;
            at += 2;
            if high == b'\\' {
                high = *text.get(at)?;
                at += 1;
            }
        }
        let within = |byte: u8| low <= byte && byte <= high;
        found |= within(byte)
            || (flags & NO_CASE != 0 && (within(byte.to_ascii_lowercase()) || within(byte.to_ascii_uppercase())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, flags, expected) in [
            ("*.conf", "a.conf", 0, true),
            ("*.conf", ".conf", PERIOD, false),
            ("*", "a/b", PATHNAME, false),
            ("*", "a/b", 0, true),
            ("/a/*/c", "/a/b/c", PATHNAME, true),
            ("/a/*/c", "/a/b/b/c", PATHNAME, false),
            ("/a/*", "/a/b/c", PATHNAME, false),
            ("a*b*c", "aXbYbZc", 0, true),
            ("a*b*c", "aXbYbZ", 0, false),
            ("?", "/", PATHNAME, false),
            ("[a-c]x", "bx", 0, true),
            ("[!a-c]x", "bx", 0, false),
            ("[^a-c]x", "dx", 0, true),
            ("[]]", "]", 0, true),
            ("[x", "[x", 0, true),
            ("\\*", "*", 0, true),
            ("\\*", "a", 0, false),
            ("ABC", "abc", NO_CASE, true),
            ("[A-C]", "b", NO_CASE, true),
            ("*.ex?mple.*", "www.example.org", 0, true),
            ("", "", 0, true),
            ("", "a", 0, false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), flags), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_a_pattern() {
        assert!(is_pattern(b"a*") && is_pattern(b"a?") && is_pattern(b"[a]"));
        assert!(!is_pattern(b"a[b") && !is_pattern(b"a\\*") && !is_pattern(b"plain"));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let text = [b'a'; 2000];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*b", &text, 0));
    }
}
