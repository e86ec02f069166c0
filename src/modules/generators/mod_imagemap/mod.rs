//! mod_imagemap: server-side image maps: ImapMenu, ImapDefault, ImapBase.
//!
//! Hooks: `handler`, middle: handlers `imap-file` and `application/x-httpd-imap`. A map is read line by line; coordinates in
//! the query choose a URL, without any a menu is made. Manual: mod/mod_imagemap.html.

mod geometry;
mod url;

use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{MethodNumber, Request, Status};
use crate::server::{self, escape};
use bstr::{BStr, BString, ByteSlice};
use geometry::Point;
use std::io::{self, Read};

pub static MODULE: Module = Module {
    name: "mod_imagemap.c",
    ident: "imagemap_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<MapDir>(),
    hooks: |on| {
        on.later(Phase::handler, MIDDLE, serve);
    },
};

const DIRECTIVES: &[Directive] = &[
    take1(
        "ImapMenu",
        ANYWHERE,
        INDEXES,
        menu,
        "the type of menu generated: none, formatted, semiformatted, unformatted",
    ),
    take1(
        "ImapDefault",
        ANYWHERE,
        INDEXES,
        default,
        "the action taken if no match: error, nocontent, referer, menu, URL",
    ),
    take1("ImapBase", ANYWHERE, INDEXES, base, "the base for all URL's: map, referer, URL (or start of)"),
];

/// Largest map that is read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct MapDir {
    menu: Option<BString>,
    default: Option<BString>,
    base: Option<BString>,
}

impl Settings for MapDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MapDir {
            menu: add.menu.clone().or_else(|| base.menu.clone()),
            default: add.default.clone().or_else(|| base.default.clone()),
            base: add.base.clone().or_else(|| base.base.clone()),
        }
    }
}

fn menu(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<MapDir>().menu = Some(word.into());
    Ok(())
}

fn default(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<MapDir>().default = Some(word.into());
    Ok(())
}

fn base(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<MapDir>().base = Some(word.into());
    Ok(())
}

fn serve(r: &mut Request) -> BoxFuture<'_, Answer> {
    let ours = r.handler.as_ref().is_some_and(|name| name == "imap-file" || name == "application/x-httpd-imap");
    if !ours || !r.method.is(MethodNumber::GET) {
        return declined();
    }
    server::allow(r, &[MethodNumber::GET]);
    Box::pin(async move {
        let path = r.filename.to_path_lossy().into_owned();
        let read = engine::block(|| {
            let mut text = Vec::new();
            server::open_plain(&path)?.take(LIMIT).read_to_end(&mut text)?;
            io::Result::Ok(text)
        });
        match read {
            Ok(text) => answer(r, &text),
            Err(_) => Answer::Status(Status::NOT_FOUND),
        }
    })
}

/// How much of a menu is ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Formatted,
    SemiFormatted,
    Unformatted,
    /// A word that is none of them: only head and foot.
    Bare,
}

/// The map cannot be used; it is logged.
struct Broken;

fn answer(r: &mut Request, text: &[u8]) -> Answer {
    let dir = r.dir::<MapDir>();
    let word = |word: &Option<BString>, usual: &str| word.clone().unwrap_or_else(|| usual.into());
    let (menu, default, base) = (word(&dir.menu, "formatted"), word(&dir.default, "nocontent"), word(&dir.base, "map"));
    let found = geometry::asked(r.args.as_ref().map(|args| args.as_slice()));
    let none = menu.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"no"));
    if found.is_none() && !none {
        let style = match menu.to_ascii_lowercase().as_slice() {
            b"formatted" => Style::Formatted,
            b"semiformatted" => Style::SemiFormatted,
            b"unformatted" => Style::Unformatted,
            _ => Style::Bare,
        };
        return show(r, text, style, &base, &default);
    }
    let place = choose(r, text, found, &base, &default);
    match place {
        Err(Broken) => Answer::Status(Status::INTERNAL_SERVER_ERROR),
        Ok(url) if url.eq_ignore_ascii_case(b"nocontent") => Answer::Status(Status::NO_CONTENT),
        Ok(url) if url.is_empty() || url.eq_ignore_ascii_case(b"error") => {
            Answer::Status(Status::INTERNAL_SERVER_ERROR)
        }
        Ok(url) => {
            r.headers_out.set("Location", url);
            Answer::Status(Status::FOUND)
        }
    }
}

/// A line of a map.
enum Line<'a> {
    Blank,
    Comment(&'a [u8]),
    Fields { name: &'a [u8], value: &'a [u8], rest: &'a [u8] },
    Broken,
}

/// The lines with their numbers, taken apart as far as all have the same form.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Line<'_>)> {
    text.lines().map(<[u8]>::trim_ascii).enumerate().map(|(at, line)| {
        let parsed = match line {
            [] => Line::Blank,
            [b'#', comment @ ..] => Line::Comment(comment),
            _ => match word(line) {
                (_, []) => Line::Broken,
                (name, rest) => {
                    let (value, rest) = word(rest);
                    Line::Fields { name, value, rest }
                }
            },
        };
        (at + 1, parsed)
    })
}

/// The first word, and what stands behind the space behind it.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_ascii_start())
}

/// A text in quotes at the front of `rest`, which is cut behind it.
fn quoted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = rest.trim_ascii_start();
    let (quoted, behind) = text.strip_prefix(b"\"")?.split_once_str("\"")?;
    *rest = behind;
    Some(quoted)
}

fn too_short(r: &Request, number: usize) {
    let text =
        format_args!("AH00679: map file {}, line {number} syntax error: requires at least two fields", raw(&r.uri));
    r.log(Level::Error, "imagemap", text);
}

/// The URL that the coordinates lead to.
fn choose(r: &mut Request, text: &[u8], asked: Option<Point>, base: &[u8], default: &[u8]) -> Result<BString, Broken> {
    let mut base = url::resolve(r, b"", base)?;
    let mut default = url::resolve(r, b"", default)?;
    let mut nearest: Option<(f64, &[u8])> = None;
    for (number, line) in lines(text) {
        let (name, value, mut rest) = match line {
            Line::Blank | Line::Comment(_) => continue,
            Line::Fields { name, value, rest } => (name, value, rest),
            Line::Broken => {
                too_short(r, number);
                return Err(Broken);
            }
        };
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"base")) {
            base = url::resolve(r, b"", value)?;
            continue;
        }
        quoted(&mut rest);
        if name.eq_ignore_ascii_case(b"default") {
            default = url::resolve(r, b"", value)?;
            continue;
        }
        let Some(asked) = asked else { continue };
        let points = geometry::points(&mut rest);
        let Some(&first) = points.first().filter(|first| first.x != -1.0) else { continue };
        let inside = match name.to_ascii_lowercase().as_slice() {
            b"poly" => geometry::in_polygon(asked, &points),
            b"circle" => geometry::in_circle(asked, &points),
            b"rect" => geometry::in_rectangle(asked, &points),
            b"point" => {
                let far = geometry::square_distance(asked, first);
                if first.x >= 0.0 && first.y >= 0.0 && nearest.is_none_or(|(best, _)| far < best) {
                    nearest = Some((far, value));
                }
                false
            }
            _ => false,
        };
        if inside {
            return url::resolve(r, &base, value);
        }
    }
    match nearest {
        Some((_, value)) => url::resolve(r, &base, value),
        None => url::resolve(r, &base, &default),
    }
}

/// The menu.
fn show(r: &mut Request, text: &[u8], style: Style, base: &[u8], default: &[u8]) -> Answer {
    // What is wrong with these is an error before the page begins.
    let (Ok(base), Ok(_)) = (url::resolve(r, b"", base), url::resolve(r, b"", default)) else {
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    };
    r.set_content_type("text/html; charset=ISO-8859-1");
    let uri = escape::html(&r.uri);
    let mut page = Vec::new();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| page.extend_from_slice(part));
    put(&[
        b"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n",
        b"<html><head>\n<title>Menu for ",
        &uri,
        b"</title>\n</head><body>\n",
    ]);
    if style == Style::Formatted {
        put(&[b"<h1>Menu for ", &uri, b"</h1>\n<hr />\n\n"]);
    }
    if entries(r, text, style, base, &mut put).is_err() {
        put(&[b"\n\n[an internal server error occured]\n"]);
    }
    put(&[b"\n\n</body>\n</html>\n"]);
    r.respond(page);
    Answer::Ok
}

fn entries(
    r: &mut Request,
    text: &[u8],
    style: Style,
    mut base: BString,
    put: &mut impl FnMut(&[&[u8]]),
) -> Result<(), Broken> {
    for (number, line) in lines(text) {
        let (name, value, mut rest) = match line {
            Line::Blank if style == Style::SemiFormatted => {
                put(&[b"<br />\n"]);
                continue;
            }
            Line::Comment(comment) if matches!(style, Style::SemiFormatted | Style::Unformatted) => {
                put(&[comment, b"\n"]);
                continue;
            }
            Line::Blank | Line::Comment(_) => {
                if style != Style::Bare {
                    put(&[b"\n"]);
                }
                continue;
            }
            Line::Fields { name, value, rest } => (name, value, rest),
            Line::Broken => {
                too_short(r, number);
                return Err(Broken);
            }
        };
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"base")) {
            base = url::resolve(r, b"", value)?;
            continue;
        }
        let title = quoted(&mut rest);
        if name.eq_ignore_ascii_case(b"default") {
            let default = url::resolve(r, b"", value)?;
            let target = url::resolve(r, &base, &default)?;
            link(style, b"<pre>(Default) ", &target, title.unwrap_or(&default), put);
            continue;
        }
        geometry::points(&mut rest);
        let title = title.or_else(|| quoted(&mut rest));
        let target = url::resolve(r, &base, value)?;
        link(style, b"<pre>          ", &target, title.unwrap_or(value), put);
    }
    Ok(())
}

fn link(style: Style, indent: &[u8], target: &[u8], title: &[u8], put: &mut impl FnMut(&[&[u8]])) {
    if target.eq_ignore_ascii_case(b"error") || target.eq_ignore_ascii_case(b"nocontent") {
        return;
    }
    let (target, title) = (escape::html(target), escape::html(title));
    let anchor: [&[u8]; 5] = [b"<a href=\"", &target, b"\">", &title, b"</a>"];
    match style {
        Style::Formatted | Style::SemiFormatted => {
            put(&[indent]);
            put(&anchor);
            put(&[b"</pre>\n"]);
        }
        Style::Unformatted => {
            put(&anchor);
        }
        Style::Bare => {}
    }
}
