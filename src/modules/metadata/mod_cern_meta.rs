//! mod_cern_meta: header fields from a file beside the document: MetaFiles, MetaDir, MetaSuffix.
//!
//! Hooks: `fixups`, middle. The meta file must itself be one that the client might ask for. Manual: mod/mod_cern_meta.html.

use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{FileKind, Request, Status, Table};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::io::{self, Read};

pub static MODULE: Module = Module {
    name: "mod_cern_meta.c",
    ident: "cern_meta_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<MetaDir>(),
    hooks: |on| {
        on.later(Phase::fixups, MIDDLE, fixup);
    },
};

const DIRECTIVES: &[Directive] = &[
    flag("MetaFiles", ANYWHERE, INDEXES, meta_files, "Limited to 'on' or 'off'"),
    take1("MetaDir", ANYWHERE, INDEXES, meta_dir, "the name of the directory containing meta files"),
    take1("MetaSuffix", ANYWHERE, INDEXES, meta_suffix, "the filename suffix for meta files"),
];

/// Longest meta file that is read; one is a head, not a document.
const LIMIT: u64 = 1024 * 1024;
/// What a line holds beyond is lost.
const LINE: usize = 8190;
/// Fields that belong to the message's framing.
const FRAMING: [&str; 6] = ["Transfer-Encoding", "Content-Length", "Connection", "Trailer", "Upgrade", "Keep-Alive"];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct MetaDir {
    on: Option<bool>,
    directory: Option<BString>,
    suffix: Option<BString>,
}

impl Settings for MetaDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MetaDir {
            // Not inherited: whoever says where has to say On, too.
            on: add.on,
            directory: add.directory.clone().or_else(|| base.directory.clone()),
            suffix: add.suffix.clone().or_else(|| base.suffix.clone()),
        }
    }
}

fn meta_files(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<MetaDir>().on = Some(on);
    Ok(())
}

fn meta_dir(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<MetaDir>().directory = Some(word.into());
    Ok(())
}

fn meta_suffix(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<MetaDir>().suffix = Some(word.into());
    Ok(())
}

fn fixup(r: &mut Request) -> BoxFuture<'_, Answer> {
    let on = r.dir::<MetaDir>().on == Some(true);
    let file = !matches!(r.finfo.kind, FileKind::None | FileKind::Directory) && !r.uri.ends_with(b"/");
    if on && file { Box::pin(add(r)) } else { declined() }
}

async fn add(r: &mut Request) -> Answer {
    let dir = r.dir::<MetaDir>();
    let directory = dir.directory.as_ref().map_or(".web".as_bytes(), |name| name.as_slice());
    let suffix = dir.suffix.as_ref().map_or(".meta".as_bytes(), |name| name.as_slice());
    let Some(slash) = r.filename.rfind_byte(b'/').filter(|slash| *slash > 0) else {
        let text = format_args!("AH01561: internal error in mod_cern_meta: {}", raw(&r.filename));
        r.log(Level::Error, "cern_meta", text);
        return Answer::Declined;
    };
    let (place, name) = r.filename.split_at(slash);
    let path = BString::from([place, b"/", directory, name, suffix].concat());
    if server::lookup_file(r, &path).await.status != Status::OK {
        return Answer::Declined;
    }
    let read = engine::block(|| {
        let mut text = Vec::new();
        server::open_plain(&path.to_path_lossy())?.take(LIMIT).read_to_end(&mut text)?;
        Ok(text)
    });
    let text: io::Result<Vec<u8>> = read;
    match text {
        Ok(text) => apply(r, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Answer::Declined,
        Err(error) => {
            let text = format_args!("AH01562: meta file permissions deny server access: {}", raw(&path));
            r.log_errno(Level::Error, "cern_meta", &error, text);
            Answer::Status(Status::FORBIDDEN)
        }
    }
}

/// Takes the fields of a meta file over.
fn apply(r: &mut Request, text: &[u8]) -> Answer {
    let mut fields = Table::new();
    for line in text.lines().map(|line| line.get(..LINE).unwrap_or(line)) {
        // The end of the head, before anything was taken over.
        if line.is_empty() {
            return Answer::Ok;
        }
        let Some((name, value)) = line.split_once_str(":") else {
            let text = format_args!("AH01560: malformed header in meta file: {}", raw(&r.filename));
            r.log(Level::Error, "cern_meta", text);
            return Answer::Status(Status::INTERNAL_SERVER_ERROR);
        };
        let value = value.trim_ascii_start();
        let is = |field: &str| name.eq_ignore_ascii_case(field.as_bytes());
        if is("Content-type") {
            let mut kind = value.trim_ascii_end().to_vec();
            let media = kind.find_byte(b';').unwrap_or(kind.len());
            kind.iter_mut().take(media).for_each(|octet| octet.make_ascii_lowercase());
            r.set_content_type(kind);
        } else if is("Status") {
            if value.first().is_some_and(u8::is_ascii_digit)
                && let Ok(code) = u16::try_from(atoi(value))
            {
                r.status = Status(code);
                r.status_line = Some(value.into());
            }
        } else if FRAMING.iter().any(|field| is(field)) {
            let (name, file) = (raw(name), raw(&r.filename));
            let text = format_args!("AH10596: forbidden HTTP framing header '{name}' in meta file: {file}");
            r.log(Level::Error, "cern_meta", text);
            return Answer::Status(Status::INTERNAL_SERVER_ERROR);
        } else {
            fields.set(name, value);
        }
    }
    r.headers_out.overlay(&fields);
    Answer::Ok
}
