//! mod_speling: finds the file that a mistyped URL may mean: CheckSpelling, CheckCaseOnly, CheckBasenameMatch.
//!
//! Hooks: `fixups`, last. One candidate that is better than all others becomes a redirect (301), several a list (300).
//! Manual: mod/mod_speling.html.

use crate::config::*;
use crate::engine;
use crate::log::{Level, raw};
use crate::module::{Answer, LAST, Linked, Module};
use crate::request::{FileKind, MethodNumber, Request, Status};
use crate::server::{self, escape};
use bstr::{BString, ByteSlice};
use std::fs;
use std::os::unix::ffi::OsStringExt;

pub static MODULE: Module = Module {
    name: "mod_speling.c",
    ident: "speling_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<SpellingDir>(),
    hooks: |on| {
        on.fixups(LAST, check);
    },
};

const DIRECTIVES: &[Directive] = &[
    flag(
        "CheckSpelling",
        ANYWHERE,
        OPTIONS,
        |cx, on| set(&mut cx.dir::<SpellingDir>().enabled, on),
        "whether or not to fix miscapitalized/misspelled requests",
    ),
    flag(
        "CheckCaseOnly",
        ANYWHERE,
        OPTIONS,
        |cx, on| set(&mut cx.dir::<SpellingDir>().case_only, on),
        "whether or not to fix only miscapitalized requests",
    ),
    flag(
        "CheckBasenameMatch",
        ANYWHERE,
        OPTIONS,
        |cx, on| set(&mut cx.dir::<SpellingDir>().base_name, on),
        "whether or not to fix files with the same base name",
    ),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct SpellingDir {
    enabled: Option<bool>,
    case_only: Option<bool>,
    base_name: Option<bool>,
}

impl Settings for SpellingDir {
    crate::slot!();
    /// Nothing is inherited: whoever says one of the three says all.
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn set(place: &mut Option<bool>, on: bool) -> Outcome {
    *place = Some(on);
    Ok(())
}

/// How a name differs from what was asked for, the likeliest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Slip {
    Case,
    Swapped,
    Missing,
    Extra,
    Wrong,
    Extension,
}

impl Slip {
    fn reason(self) -> &'static str {
        match self {
            Slip::Case => "miscapitalized",
            Slip::Swapped => "transposed characters",
            Slip::Missing => "character missing",
            Slip::Extra => "extra character",
            Slip::Wrong => "mistyped character",
            Slip::Extension => "common basename",
        }
    }
}

struct Candidate {
    name: BString,
    slip: Slip,
}

fn check(r: &mut Request) -> Answer {
    let dir = r.dir::<SpellingDir>();
    if dir.enabled != Some(true)
        || !r.method.is(MethodNumber::GET)
        || r.finfo.kind != FileKind::None
        || r.proxy_request
        || r.main.is_some()
        || r.uri == "/"
    {
        return Answer::Declined;
    }
    let Some(slash) = r.filename.rfind_byte(b'/') else { return Answer::Declined };
    let (place, asked) = r.filename.split_at(slash);
    let asked = BString::from(asked.get(1..).unwrap_or_default());
    // What is mapped elsewhere than by its own name has no URL that a neighbour's could be made of.
    let tail = [asked.as_slice(), r.path_info.as_slice()].concat();
    let Some(front) = r.uri.strip_suffix(tail.as_slice()).map(BString::from) else { return Answer::Declined };
    let Ok(entries) = engine::block(|| fs::read_dir(place.to_path_lossy())) else { return Answer::Declined };
    let (case_only, base_name) = (dir.case_only == Some(true), dir.base_name != Some(false));
    // The directory itself and the one above count as entries, too.
    let own = [b".".to_vec(), b"..".to_vec()];
    let names =
        engine::block(|| entries.flatten().map(|entry| entry.file_name().into_vec()).chain(own).collect::<Vec<_>>());
    // It is there after all, as a broken link may be: a redirect would only come back.
    if names.contains(&*asked) {
        return Answer::Ok;
    }
    let mut candidates = Vec::new();
    for name in names {
        if let Some(slip) = compare(&asked, &name, case_only, base_name) {
            candidates.push(Candidate { name: name.into(), slip });
        }
    }
    candidates.sort_by_key(|candidate| candidate.slip);
    match candidates.as_slice() {
        [] => Answer::Ok,
        [best, rest @ ..] if best.slip != Slip::Extension && rest.first().is_none_or(|next| next.slip != best.slip) => {
            redirect(r, &front, &best.name)
        }
        all => offer(r, &front, all),
    }
}

/// How `name` differs from `asked`, where it is close.
fn compare(asked: &[u8], name: &[u8], case_only: bool, base_name: bool) -> Option<Slip> {
    if asked.eq_ignore_ascii_case(name) {
        return Some(Slip::Case);
    }
    let close = if case_only { None } else { slip(asked, name) };
    let stem = |name: &[u8]| name.find_byte(b'.').unwrap_or(name.len());
    close.or_else(|| {
        let (left, right) = (asked.get(..stem(asked))?, name.get(..stem(name))?);
        (base_name && left.eq_ignore_ascii_case(right)).then_some(Slip::Extension)
    })
}

/// The one slip of the pen that makes `asked` of `name`, case aside.
fn slip(asked: &[u8], name: &[u8]) -> Option<Slip> {
    let same = asked.iter().zip(name).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    let (asked, name) = (asked.get(same..)?, name.get(same..)?);
    let like = |a: Option<&[u8]>, b: Option<&[u8]>| matches!((a, b), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b));
    match (asked, name) {
        ([a, b, rest @ ..], [c, d, other @ ..])
            if a.eq_ignore_ascii_case(d) && b.eq_ignore_ascii_case(c) && rest.eq_ignore_ascii_case(other) =>
        {
            Some(Slip::Swapped)
        }
        _ if like(asked.get(1..), name.get(1..)) => Some(Slip::Wrong),
        _ if like(asked.get(1..), Some(name)) => Some(Slip::Extra),
        _ if like(Some(asked), name.get(1..)) => Some(Slip::Missing),
        _ => None,
    }
}

fn redirect(r: &mut Request, front: &BString, name: &BString) -> Answer {
    let mut target = escape::uri(&[front.as_slice(), name.as_slice(), r.path_info.as_slice()].concat());
    if let Some(args) = &r.args {
        target.push(b'?');
        target.extend_from_slice(args);
    }
    let url = server::construct_url(r, &target);
    r.headers_out.set("Location", url);
    let (from, to) = (raw(&r.uri), raw(&target));
    match r.headers_in.get("Referer") {
        Some(page) => {
            let text = format_args!("AH03224: Fixed spelling: {from} to {to} from {}", raw(page));
            r.log(Level::Info, "speling", text);
        }
        None => r.log(Level::Info, "speling", format_args!("AH03225: Fixed spelling: {from} to {to}")),
    }
    Answer::Status(Status::MOVED_PERMANENTLY)
}

fn offer(r: &mut Request, front: &BString, candidates: &[Candidate]) -> Answer {
    let mut page = BString::from("The document name you requested (<code>");
    page.extend_from_slice(&escape::html(&r.uri));
    page.extend_from_slice(
        b"</code>) could not be found on this server.\nHowever, we found documents with names similar to the one you \
          requested.<p>Available documents:\n<ul>\n",
    );
    let mut variants: Vec<BString> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let reason = candidate.slip.reason();
        let mut url = [front.as_slice(), candidate.name.as_slice(), r.path_info.as_slice()].concat();
        if let Some(args) = &r.args {
            url.push(b'?');
            url.extend_from_slice(args);
        }
        let link = escape::uri(&url);
        variants.push([b"\"", link.as_slice(), b"\";\"", reason.as_bytes(), b"\""].concat().into());
        let text = escape::html(&url);
        for part in [b"<li><a href=\"", link.as_slice(), b"\">", &text, b"</a> (", reason.as_bytes(), b")\n"] {
            page.extend_from_slice(part);
        }
        // Between the close ones and those that only share the base name, but not before the second.
        let next = candidates.get(at + 1).is_some_and(|next| next.slip == Slip::Extension);
        if at > 0 && next && candidate.slip != Slip::Extension {
            page.extend_from_slice(b"</ul>\nFurthermore, the following related documents were found:\n<ul>\n");
        }
    }
    page.extend_from_slice(b"</ul>\n");
    let referer = r.headers_in.get("Referer").map(BString::from);
    if let Some(referer) = &referer {
        page.extend_from_slice(b"Please consider informing the owner of the referring page <tt>");
        page.extend_from_slice(&escape::html(referer));
        page.extend_from_slice(b"</tt> about the broken link.\n");
    }
    r.notes.set("variant-list", page);
    r.env.merge("VARIANTS", bstr::join(",", &variants));
    let (uri, count) = (raw(&r.uri), candidates.len());
    match &referer {
        Some(page) => {
            let text = format_args!("AH03226: Spelling fix: {uri}: {count} candidates from {}", raw(page));
            r.log(Level::Info, "speling", text);
        }
        None => r.log(Level::Info, "speling", format_args!("AH03227: Spelling fix: {uri}: {count} candidates")),
    }
    Answer::Status(Status::MULTIPLE_CHOICES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        for (asked, name, expected) in [
            ("idnex.html", "index.html", Some(Slip::Swapped)),
            ("indx.html", "index.html", Some(Slip::Missing)),
            ("indeex.html", "index.html", Some(Slip::Extra)),
            ("indax.html", "INDEX.html", Some(Slip::Wrong)),
            ("index.htm", "index.html", Some(Slip::Missing)),
            ("indexx", "index", Some(Slip::Extra)),
            ("a", "", Some(Slip::Extra)),
            ("", "a", Some(Slip::Missing)),
            ("abcd", "badc", None),
        ] {
            assert_eq!(slip(asked.as_bytes(), name.as_bytes()), expected, "{asked} {name}");
        }
    }
}
