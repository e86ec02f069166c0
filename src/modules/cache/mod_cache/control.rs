//! Cache-Control and Pragma (RFC 9111 section 5.2), as Apache reads them.

use crate::module::CacheControl;
use crate::module::cache::flags::*;
use crate::request::Table;
use bstr::{BStr, BString, ByteSlice};

/// All values of a field as one list.
pub(super) fn joined(table: &Table, name: &str) -> Option<BString> {
    let mut values = table.all(name);
    let mut all = BString::from(values.next()?);
    for value in values {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value);
    }
    Some(all)
}

/// The parts of a list, between commas and white space outside of quotes.
pub(super) fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let separates = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !separates(byte))?;
        rest = rest.get(start..)?;
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = !quoted && separates(byte);
            match byte {
                b'"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = quoted && !escaped && *byte == b'\\';
            ends
        });
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(token)
    })
}

/// The names in the quotes behind a token's `=`.
fn named(token: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = token.find_byte(b'=').and_then(|at| token.get(at + 1..)).unwrap_or_default();
    tokens(list.trim_with(|letter| letter == '"'))
}

/// What stands behind `name=`: None where the token is another; a number that is none is `Some(None)`.
fn number(token: &[u8], name: &[u8]) -> Option<Option<i64>> {
    let (start, rest) = token.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    match rest.split_first() {
        None => Some(None),
        Some((b'=', digits)) => {
            let digits = digits.to_str().ok()?;
            Some(digits.parse().ok())
        }
        Some(_) => None,
    }
}

fn begins(token: &[u8], name: &[u8]) -> bool {
    token.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Reads both fields; `fields` are those of the message, which some directives name.
pub(super) fn parse(cache_control: Option<&BStr>, pragma: Option<&BStr>, fields: &Table) -> CacheControl {
    let mut control = CacheControl { flags: PARSED, ..CacheControl::default() };
    if let Some(pragma) = pragma {
        control.flags |= PRAGMA;
        if tokens(pragma).any(|token| token.eq_ignore_ascii_case(b"no-cache")) {
            control.flags |= NO_CACHE;
        }
    }
    let Some(list) = cache_control else { return control };
    control.flags |= CACHE_CONTROL;
    for token in tokens(list) {
        directive(&mut control, token, fields);
    }
    control
}

fn directive(control: &mut CacheControl, token: &[u8], fields: &Table) {
    const WORDS: &[(&[u8], u32)] = &[
        (b"no-store", NO_STORE),
        (b"no-transform", NO_TRANSFORM),
        (b"only-if-cached", ONLY_IF_CACHED),
        (b"public", PUBLIC),
        (b"must-revalidate", MUST_REVALIDATE),
        (b"proxy-revalidate", PROXY_REVALIDATE),
    ];
    if let Some((_, bit)) = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(token)) {
        control.flags |= bit;
        return;
    }
    for (word, whole, part) in
        [(b"no-cache".as_slice(), NO_CACHE, NO_CACHE_HEADER), (b"private", PRIVATE, PRIVATE_HEADER)]
    {
        if begins(token, word) {
            match token.get(word.len()) {
                None => control.flags |= whole,
                Some(b'=') if named(token).any(|name| fields.contains(name)) => control.flags |= part,
                Some(_) => {}
            }
            return;
        }
    }
    if let Some(Some(seconds)) = number(token, b"max-age") {
        control.flags |= MAX_AGE;
        control.max_age = Some(seconds);
    } else if let Some(Some(seconds)) = number(token, b"s-maxage") {
        control.flags |= S_MAXAGE;
        control.s_maxage = Some(seconds);
    } else if let Some(seconds) = number(token, b"max-stale") {
        control.flags |= MAX_STALE;
        control.max_stale = seconds;
    } else if let Some(Some(seconds)) = number(token, b"min-fresh") {
        control.flags |= MIN_FRESH;
        control.min_fresh = Some(seconds);
    }
}

/// Takes the fields away that `no-cache="..."` and `private="..."` name: they are for this client alone.
pub(super) fn remove_named(fields: &mut Table) {
    let Some(list) = joined(fields, "Cache-Control") else { return };
    for token in tokens(&list) {
        if begins(token, b"no-cache=") || begins(token, b"private=") {
            named(token).for_each(|name| {
                fields.unset(name);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CacheControl {
        parse(Some(text.into()), None, &Table::from_iter([("Set-Cookie", "a")]))
    }

    #[test]
    fn directives() {
        let control = read(r#"Max-Age=5,  no-cache="Set-Cookie", private=x, s-maxage=x, MUST-REVALIDATE"#);
        assert_eq!(control.flags, PARSED | CACHE_CONTROL | MAX_AGE | NO_CACHE_HEADER | MUST_REVALIDATE);
        assert_eq!((control.max_age, control.s_maxage), (Some(5), None));
        assert!(read("no-cache").has(NO_CACHE) && read("max-stale").has(MAX_STALE) && !read("no-cachex").has(NO_CACHE));
        assert!(parse(None, Some("x, no-cache".into()), &Table::new()).has(NO_CACHE));
    }

    #[test]
    fn fields_that_are_named() {
        let mut fields =
            Table::from_iter([("Cache-Control", r#"no-cache="a, B", x"#), ("a", "1"), ("b", "2"), ("c", "3")]);
        remove_named(&mut fields);
        assert_eq!(fields.len(), 2);
    }
}
