//! mod_mime_magic: media types from what a file contains, where mod_mime knows none from its name.
//!
//! Hooks: post_config reads the magic files; type_checker, last and after mod_mime, looks at the first octets of the file.
//! Differences: what is compressed with compress(1) is not looked into (DIFFERENCES.md). Manual: mod/mod_mime_magic.html.

mod rules;
mod words;

use crate::config::*;
use crate::engine;
use crate::log::{self, Level};
use crate::module::{Answer, Hooks, LAST, Linked, MIDDLE, Module};
use crate::request::{FileKind, Request};
use bstr::{BStr, BString, ByteSlice};
use rules::Rule;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_mime_magic.c",
    ident: "mime_magic_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<Magic>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[take1("MimeMagicFile", SERVER, NO_OVERRIDE, magic_file, "Path to MIME Magic file (in file(1) format)")];

/// Per-server settings: the file, and its rules once they are read.
#[derive(Clone, Default)]
pub struct Magic {
    path: Option<PathBuf>,
    rules: Option<Arc<Vec<Rule>>>,
}

impl Settings for Magic {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        if add.path.is_some() { add.clone() } else { base.clone() }
    }
}

fn magic_file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    cx.server::<Magic>().path = Some(path);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, load);
    on.type_checker(LAST, find_type).after(&["mod_mime.c"]);
}

fn load(configuration: &mut Configuration) -> Result<(), String> {
    let mut known: Vec<(PathBuf, Arc<Vec<Rule>>)> = Vec::new();
    for server in &mut configuration.servers {
        let Some(path) = server.settings.of::<Magic>().path.clone() else { continue };
        let rules = match known.iter().find(|(other, _)| *other == path) {
            Some((_, rules)) => rules.clone(),
            None => {
                let text = match std::fs::read(&path) {
                    Ok(text) => text,
                    Err(error) => {
                        let text = format_args!("AH01515: mod_mime_magic: can't read magic file {}", path.display());
                        log::startup_errno(Level::Error, &error, text);
                        continue;
                    }
                };
                let rules = Arc::new(rules::parse(&text, &mut |complaint| {
                    log::startup(Level::Error, format_args!("{complaint}"));
                }));
                known.push((path, rules.clone()));
                rules
            }
        };
        server.settings.edit::<Magic>().rules = Some(rules);
    }
    Ok(())
}

/// Octets of a file that are looked at.
const LOOK: usize = 4096;

fn find_type(r: &mut Request) -> Answer {
    let rules = r.server::<Magic>().rules.as_deref();
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return Answer::Declined };
    // The file, not what stands behind it in the path; proxied requests and directories have none.
    if r.content_type.is_some() || r.proxy_request || r.handler.is_some() || r.finfo.kind != FileKind::File {
        return Answer::Declined;
    }
    let found = engine::block(|| {
        let mut start = Vec::with_capacity(LOOK);
        let file = std::fs::File::open(r.filename.to_os_str_lossy())?;
        file.take(LOOK as u64).read_to_end(&mut start)?;
        Ok::<_, std::io::Error>(start)
    });
    let start = match found {
        Ok(start) => start,
        Err(error) => {
            let text = format_args!("AH01512: mod_mime_magic: can't read `{}'", crate::log::raw(&r.filename));
            r.log_errno(Level::Error, "mime_magic", &error, text);
            return Answer::Declined;
        }
    };
    let mut says = tell(&start, rules);
    if start.starts_with(&[0x1f, 0x8b]) && start.len() > 2 {
        // What is compressed has the type of what it holds, and an encoding.
        let mut inner = Vec::with_capacity(LOOK);
        let unpacked = flate2::read::MultiGzDecoder::new(&start[..]).take(LOOK as u64).read_to_end(&mut inner);
        if inner.is_empty() {
            if let Err(error) = unpacked {
                let text = format_args!(
                    "AH01554: mod_mime_magic: read failed from uncompress of {}",
                    crate::log::raw(&r.filename)
                );
                r.log_errno(Level::Error, "mime_magic", &error, text);
            }
            return Answer::Declined;
        }
        says = tell(&inner, rules);
        r.content_encoding = Some("x-gzip".into());
    }
    let Some(says) = says else { return Answer::Declined };
    let (kind, rest) = word(&says);
    if !kind.contains(&b'/') {
        return Answer::Declined;
    }
    r.set_content_type(kind.to_ascii_lowercase());
    let (encoding, _) = word(rest);
    if !encoding.is_empty() {
        r.content_encoding = Some(encoding.to_ascii_lowercase().into());
    }
    Answer::Ok
}

/// What a file that begins so is called; None where neither rules nor words know.
fn tell(start: &[u8], rules: &[Rule]) -> Option<BString> {
    if start.is_empty() {
        return Some("text/plain".into());
    }
    rules::tell(start, rules).or_else(|| words::tell(start).map(BString::from))
}

/// The first word and what follows it. As in Apache the blank behind the word belongs to it, and goes out with the field.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_start();
    let end = text.iter().position(u8::is_ascii_whitespace).map_or(text.len(), |blank| blank + 1);
    text.split_at(end)
}
