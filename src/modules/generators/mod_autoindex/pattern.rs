//! Wildcards, matched in time linear in pattern times text: one of the patterns comes from the client (`P=`).

/// `*` and `?`, and with `classes` also `[a-z]`. No character is special otherwise.
fn run(pattern: &[u8], text: &[u8], classes: bool, fold: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit: the star takes one octet more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        let fits = text.get(t).and_then(|&byte| one(pattern.get(p..).unwrap_or_default(), byte, classes, fold));
        match (fits, star) {
            (Some(length), _) => (p, t) = (p + length, t + 1),
            (None, Some((behind, from))) if from < text.len() => {
                (p, t) = (behind, from + 1);
                star = Some((behind, from + 1));
            }
            _ => return false,
        }
    }
    true
}

/// Octets of the pattern that match one octet of text.
fn one(pattern: &[u8], byte: u8, classes: bool, fold: bool) -> Option<usize> {
    let same = |a: u8, b: u8| if fold { a.eq_ignore_ascii_case(&b) } else { a == b };
    match pattern.first()? {
        b'?' => Some(1),
        b'[' if classes => {
            let (negated, start) = match pattern.get(1) {
                Some(b'!' | b'^') => (true, 2),
                _ => (false, 1),
            };
            let (mut at, mut found) = (start, false);
            loop {
                let &low = pattern.get(at)?;
                if low == b']' && at > start {
                    return (found != negated).then_some(at + 1);
                }
                match (pattern.get(at + 1), pattern.get(at + 2)) {
                    (Some(b'-'), Some(&high)) if high != b']' => {
                        found |= (low..=high).contains(&byte);
                        at += 3;
                    }
                    _ => {
                        found |= low == byte;
                        at += 1;
                    }
                }
            }
        }
        &want => same(want, byte).then_some(1),
    }
}

/// `*` and `?` alone.
pub(super) fn simple(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, false, false)
}

/// The same, ignoring case.
pub(super) fn simple_fold(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, false, true)
}

/// Shell wildcards with classes.
pub(super) fn shell(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, true, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_marks_and_classes() {
        for (pattern, text, fits) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.b", false),
            ("a*b*c", "aXbYbZc", true),
            ("?", "", false),
            ("*", "", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "a", false),
        ] {
            assert_eq!(shell(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
        assert!(simple(b"[a]", b"[a]") && !simple(b"A", b"a") && simple_fold(b"A*", b"ab"));
    }

    #[test]
    fn many_stars_end() {
        let pattern = [&b"a*"[..]; 40].concat();
        assert!(!shell(&[&pattern[..], b"b"].concat(), &[b'a'; 4000]));
    }
}
