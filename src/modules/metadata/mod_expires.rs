//! mod_expires: Expires and Cache-Control: max-age by media type.
//!
//! Hooks: `insert_filter` and `insert_error_filter`, middle: the fields are set when the type of the response is settled,
//! inside of what mod_headers changes; redirects get them, errors do not.
//! Differences: none known. Manual: mod/mod_expires.html.

use crate::config::*;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{FileKind, Filter, FilterInstance, FilterKind, Request};
use crate::server::date;
use bstr::{BStr, BString};
use httpd_conf::next_word;

pub static MODULE: Module = Module {
    name: "mod_expires.c",
    ident: "expires_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<Expiry>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    flag(
        "ExpiresActive",
        ANYWHERE,
        INDEXES,
        |cx, on| {
            cx.dir::<Expiry>().active = Some(on);
            Ok(())
        },
        "Limited to 'on' or 'off'",
    ),
    take2("ExpiresByType", ANYWHERE, INDEXES, by_type, "a MIME type followed by an expiry date code"),
    take1("ExpiresDefault", ANYWHERE, INDEXES, default, "an expiry date code"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Base {
    Access,
    Modification,
}

/// Seconds behind a base time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Code {
    base: Base,
    seconds: i64,
}

/// The settings of a place.
#[derive(Clone, Default)]
struct Expiry {
    active: Option<bool>,
    default: Option<Code>,
    /// Full types, or `image/*`.
    types: Vec<(BString, Code)>,
}

impl Expiry {
    fn put(&mut self, kind: &[u8], code: Code) {
        self.types.retain(|(known, _)| !known.eq_ignore_ascii_case(kind));
        self.types.push((kind.into(), code));
    }
    fn find(&self, kind: &[u8]) -> Option<Code> {
        self.types.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, code)| *code)
    }
}

impl Settings for Expiry {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = base.clone();
        out.active = add.active.or(base.active);
        out.default = add.default.or(base.default);
        for (kind, code) in &add.types {
            out.put(kind, *code);
        }
        out
    }
}

fn by_type(cx: &mut Cx<'_>, kind: &BStr, text: &BStr) -> Outcome {
    if !kind.contains(&b'/') {
        return Err("Invalid mimetype: should contain a slash".into());
    }
    let code = code(text).map_err(|error| format!("'ExpiresByType {kind} {text}': {error}"))?;
    cx.dir::<Expiry>().put(kind, code);
    Ok(())
}

fn default(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    let code = code(text).map_err(|error| format!("'ExpiresDefault {text}': {error}"))?;
    cx.dir::<Expiry>().default = Some(code);
    Ok(())
}

/// The number that a text begins with, 0 where it begins with none.
fn begins(word: &[u8], text: &[u8]) -> bool {
    word.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
}

/// `A3600`, or `access plus 1 hour`. Words are told by their first letters alone.
fn code(text: &BStr) -> Result<Code, String> {
    match text.split_first() {
        Some((b'A', rest)) => return Ok(Code { base: Base::Access, seconds: atoi(rest) }),
        Some((b'M', rest)) => return Ok(Code { base: Base::Modification, seconds: atoi(rest) }),
        _ => {}
    }
    let (word, mut rest) = next_word(text);
    let base = if begins(&word, b"n") || begins(&word, b"a") {
        Base::Access
    } else if begins(&word, b"m") {
        Base::Modification
    } else {
        return Err(format!("bad expires code, unrecognised <base> '{word}'"));
    };
    let mut word;
    (word, rest) = next_word(rest);
    if begins(&word, b"p") {
        (word, rest) = next_word(rest);
    }
    let mut seconds = 0i64;
    while !word.is_empty() {
        if !word.first().is_some_and(u8::is_ascii_digit) {
            return Err(format!("bad expires code, numeric value expected <num> '{word}'"));
        }
        let count = atoi(&word);
        (word, rest) = next_word(rest);
        if word.is_empty() {
            return Err("bad expires code, missing <type>".into());
        }
        let units: [(&[u8], i64); 7] = [
            (b"y", 365 * 86_400),
            (b"mo", 30 * 86_400),
            (b"w", 7 * 86_400),
            (b"d", 86_400),
            (b"h", 3600),
            (b"mi", 60),
            (b"s", 1),
        ];
        let Some((_, unit)) = units.iter().find(|(start, _)| begins(&word, start)) else {
            return Err(format!("bad expires code, unrecognised <type>'{word}'"));
        };
        seconds = seconds.saturating_add(unit.saturating_mul(count));
        (word, rest) = next_word(rest);
    }
    Ok(Code { base, seconds })
}

fn hooks(on: &mut Hooks) {
    on.output_filter(&FILTER);
    on.insert_filter(MIDDLE, insert);
    on.insert_error_filter(MIDDLE, insert);
}

// Of the kind before those that change content, so that mod_headers sees what is set here.
static FILTER: Filter = Filter {
    name: "MOD_EXPIRES",
    kind: FilterKind::Resource,
    wrap: |r, body, _| {
        stamp(r);
        Ok(body)
    },
};

fn insert(r: &mut Request) -> Answer {
    let expiry = r.dir::<Expiry>();
    let wanted = expiry.active == Some(true) && (expiry.default.is_some() || !expiry.types.is_empty());
    // A document that stands for an error is one.
    let failed = r.status.0 >= 400 || r.prev.as_ref().is_some_and(|prev| prev.status.0 >= 400);
    if wanted && !failed {
        r.output_filters.push(FilterInstance { filter: &FILTER, context: None });
    }
    Answer::Ok
}

fn stamp(r: &mut Request) {
    if r.err_headers_out.contains("Expires") || r.headers_out.contains("Expires") {
        return;
    }
    let expiry = r.dir::<Expiry>();
    let kind = r.content_type.as_ref().map(|kind| kind.split(|byte| b"; \t".contains(byte)).next().unwrap_or_default());
    let by_type = kind.and_then(|kind| {
        expiry.find(kind).or_else(|| {
            let major = kind.split(|byte| *byte == b'/').next().unwrap_or_default();
            expiry.find(&[major, b"/*"].concat())
        })
    });
    let Some(code) = by_type.or(expiry.default) else { return };
    let base = match code.base {
        // What comes from no file has no time of modification.
        Base::Modification if r.finfo.kind == FileKind::None => return,
        Base::Modification => r.finfo.mtime,
        Base::Access => r.time,
    };
    let expires = base.saturating_add(code.seconds.saturating_mul(1_000_000)).max(r.time);
    let age = format!("max-age={}", (expires - r.time) / 1_000_000);
    let table = if r.err_headers_out.contains("Cache-Control") { &mut r.err_headers_out } else { &mut r.headers_out };
    table.merge("Cache-Control", age);
    r.headers_out.set("Expires", date::format(date::seconds(expires)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_syntaxes() {
        let read = |text: &str| code(text.into()).map(|code| (code.base, code.seconds));
        assert_eq!(read("A3600"), Ok((Base::Access, 3600)));
        assert_eq!(read("M-5"), Ok((Base::Modification, -5)));
        assert_eq!(read("access plus 1 month 2 mi"), Ok((Base::Access, 30 * 86_400 + 120)));
        assert_eq!(read("mod 1 y"), Ok((Base::Modification, 365 * 86_400)));
        assert_eq!(read("now"), Ok((Base::Access, 0)));
        assert!(read("foo").is_err() && read("now 1").is_err() && read("now plus x").is_err());
    }
}
