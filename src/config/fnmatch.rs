//! Shell wildcards as Apache matches them.

/// `*` and `?` do not match a slash.
pub const PATHNAME: u32 = 1;

/// Whether `pattern` covers all of `text`.
pub fn matches(pattern: &[u8], text: &[u8], flags: u32) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let mut at = text;
            loop {
                if matches(rest, at, flags) {
                    return true;
                }
                match at.split_first() {
                    Some((&byte, behind)) if flags & PATHNAME == 0 || byte != b'/' => at = behind,
                    _ => return false,
                }
            }
        }
        (Some((b'?', rest)), Some((&byte, behind))) => {
            (flags & PATHNAME == 0 || byte != b'/') && matches(rest, behind, flags)
        }
        (Some((want, rest)), Some((have, behind))) => want == have && matches(rest, behind, flags),
        _ => false,
    }
}
