//! mod_vhost_alias: document roots made of the name or the address of the host.
//!
//! Hook: `translate_name`, middle, after mod_alias and mod_userdir.
//!
//! Differences: none known. Manual: mod/mod_vhost_alias.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{Request, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_vhost_alias.c",
    ident: "vhost_alias_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<Roots>(),
    dir: Config::none(),
    hooks,
};

const BY_IP: usize = 1;
const SCRIPTS: usize = 2;

const DIRECTIVES: &[Directive] = &[
    take1("VirtualScriptAlias", SERVER, NO_OVERRIDE, root, "how to create a ScriptAlias based on the host")
        .info(SCRIPTS),
    take1("VirtualDocumentRoot", SERVER, NO_OVERRIDE, root, "how to create the DocumentRoot based on the host"),
    take1("VirtualScriptAliasIP", SERVER, NO_OVERRIDE, root, "how to create a ScriptAlias based on the host")
        .info(SCRIPTS | BY_IP),
    take1("VirtualDocumentRootIP", SERVER, NO_OVERRIDE, root, "how to create the DocumentRoot based on the host")
        .info(BY_IP),
];

/// A format, and what it is filled with.
#[derive(Clone)]
struct Root {
    pieces: Arc<Vec<Piece>>,
    by_ip: bool,
}

enum Piece {
    Text(BString),
    Port,
    /// A part of the name, and what of its characters.
    Part(Selector, Selector),
}

/// `2`, `-1+` ...: 0 is everything.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Selector {
    number: usize,
    /// Counted from the end.
    last: bool,
    /// With all behind it, or before it where it is counted from the end.
    more: bool,
}

/// The module's settings of a server: the outer None where nothing is set, the inner for `none`.
#[derive(Clone, Default)]
pub struct Roots {
    documents: Option<Option<Root>>,
    scripts: Option<Option<Root>>,
}

impl Settings for Roots {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        Roots {
            documents: add.documents.clone().or_else(|| base.documents.clone()),
            scripts: add.scripts.clone().or_else(|| base.scripts.clone()),
        }
    }
}

fn root(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    let info = cx.directive.info;
    let root = match text.eq_ignore_ascii_case(b"none") {
        true => None,
        false if !text.starts_with(b"/") => {
            return Err("format string must be an absolute path, or 'none'".into());
        }
        false => Some(Root {
            pieces: Arc::new(pieces(text).ok_or("syntax error in format string")?),
            by_ip: info & BY_IP != 0,
        }),
    };
    let roots = cx.server::<Roots>();
    let place = if info & SCRIPTS != 0 { &mut roots.scripts } else { &mut roots.documents };
    *place = Some(root);
    Ok(())
}

fn pieces(text: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, behind) = rest.split_at(rest.find_byte(b'%').unwrap_or(rest.len()));
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        let Some(format) = behind.strip_prefix(b"%") else { break };
        rest = match format.first()? {
            b'%' => {
                pieces.push(Piece::Text("%".into()));
                format.get(1..)?
            }
            b'p' => {
                pieces.push(Piece::Port);
                format.get(1..)?
            }
            _ => {
                let (part, behind) = Selector::read(format)?;
                let (characters, behind) = match behind.strip_prefix(b".") {
                    Some(format) => Selector::read(format)?,
                    None => (Selector::default(), behind),
                };
                pieces.push(Piece::Part(part, characters));
                behind
            }
        };
    }
    Some(pieces)
}

impl Selector {
    fn read(text: &[u8]) -> Option<(Selector, &[u8])> {
        let (last, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = digits.split_at(length);
        let number =
            digits.iter().fold(0usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
        let (more, rest) = rest.strip_prefix(b"+").map_or((false, rest), |rest| (true, rest));
        (length > 0).then_some((Selector { number, last, more }, rest))
    }

    /// The range of `count` things; None where there are not so many.
    fn range(self, count: usize) -> Option<std::ops::Range<usize>> {
        if self.number == 0 {
            return Some(0..count);
        }
        let at = if self.last { count.checked_sub(self.number)? } else { self.number - 1 };
        Some(match (self.more, self.last) {
            _ if at >= count => return None,
            (false, _) => at..at + 1,
            (true, false) => at..count,
            (true, true) => 0..at + 1,
        })
    }
}

fn hooks(on: &mut Hooks) {
    on.translate_name(MIDDLE, translate).after(&["mod_alias.c", "mod_userdir.c"]);
}

/// Octets of a directory's name that are too many.
const LONGEST: usize = 8192;

fn translate(r: &mut Request) -> Answer {
    let roots = r.server::<Roots>();
    let scripts = roots.scripts.as_ref().and_then(Option::as_ref);
    let script = scripts.filter(|_| r.uri.trim_start_with(|c| c == '/').starts_with(b"cgi-bin/"));
    let documents = roots.documents.as_ref().and_then(Option::as_ref);
    let Some(root) = script.or(documents).filter(|_| r.uri.starts_with(b"/")) else { return Answer::Declined };
    let name = if root.by_ip { r.connection.local_ip.clone() } else { server::server_name(r) };
    let is_script = script.is_some();
    let mut path = fill(&root.pieces, &name, server::server_port(r));
    if path.len() >= LONGEST {
        r.log(Level::Error, "vhost_alias", format_args!("AH10595: VirtualDocumentRoot expansion too large"));
        return Answer::Status(Status::REQUEST_URI_TOO_LARGE);
    }
    if path.ends_with(b"/") {
        path.pop();
    }
    let rest = if is_script {
        r.uri.trim_start_with(|c| c == '/').get(b"cgi-bin".len()..).unwrap_or_default()
    } else {
        &r.uri
    };
    r.filename = [path.as_slice(), rest].concat().into();
    if is_script {
        r.handler = Some("cgi-script".into());
        r.notes.set("alias-forced-type", "cgi-script");
    }
    r.context = Some((BString::default(), path.clone()));
    r.document_root = Some(path);
    Answer::Ok
}

/// The format with its parts, all in lower case; what is not there is an underscore.
fn fill(pieces: &[Piece], name: &[u8], port: u16) -> BString {
    let mut path = BString::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => path.extend_from_slice(text),
            Piece::Port => path.extend_from_slice(itoa::Buffer::new().format(port).as_bytes()),
            Piece::Part(part, characters) => {
                let chosen = part_of(name, *part).and_then(|text| text.get(characters.range(text.len())?));
                path.extend(chosen.unwrap_or(b"_").to_ascii_lowercase());
            }
        }
    }
    path
}

/// The parts between dots, with the dots between them.
fn part_of(name: &[u8], part: Selector) -> Option<&[u8]> {
    let ends: Vec<(usize, usize)> = {
        let mut start = 0;
        name.split_str(".")
            .map(|text| {
                let span = (start, start + text.len());
                start = span.1 + 1;
                span
            })
            .collect()
    };
    let range = part.range(ends.len())?;
    name.get(ends.get(range.start)?.0..ends.get(range.end.checked_sub(1)?)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names() {
        let of = |format: &str| fill(&pieces(format.as_bytes()).unwrap(), b"www.Domain.example.com", 80).to_string();
        assert_eq!(of("/%3+/%2.1/%2.2/%2.3/%2"), "/example.com/d/o/m/domain");
        assert_eq!(of("/%3+/%2.-1/%2.-2/%2.4+"), "/example.com/n/i/ain");
        assert_eq!(of("/%-2+/%-1/%0/%9/%1.9/%p/%%"), "/www.domain.example/com/www.domain.example.com/_/_/80/%");
        assert_eq!(of("/%-2.0.%-1.0"), "/example.com");
        for wrong in ["/%", "/%x", "/%1.", "/%-", "/%+"] {
            assert!(pieces(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
