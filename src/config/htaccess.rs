//! .htaccess files: parsed once, looked at by one `stat` on every request.
//!
//! A file that changed, came or went is noticed at once; what was made of it is kept for as long as it stays the same
//! and the same may be set in it. Manual: howto/htaccess.html, AllowOverride in mod/core.html.

use super::{
    Complaint, Configuration, CoreDir, Inner, Node, Override, Pattern, Permit, Place, Reader, Section, Server,
    SettingsVec, Walker, Warning,
};
use bstr::{BStr, BString, ByteSlice};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, LazyLock};

/// Files that are remembered; then the memory starts anew.
const CAPACITY: usize = 16_384;

/// What a file was found to be.
pub struct Parsed {
    pub path: BString,
    /// The section that its lines make, or the text of the first error.
    pub outcome: Result<Section, BString>,
    /// To be logged whenever the file is used.
    pub warnings: Vec<Warning>,
}

/// Why a file that is there cannot be used.
#[derive(Debug)]
pub struct Unreadable {
    pub path: BString,
    pub error: io::Error,
    /// It is a directory, a device or the like.
    pub irregular: bool,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

struct Entry {
    stamp: Stamp,
    server: usize,
    permit: Permit,
    parsed: Arc<Parsed>,
}

static KNOWN: LazyLock<RwLock<HashMap<BString, Entry>>> = LazyLock::new(RwLock::default);

impl Permit {
    /// What the merged settings above a directory let its .htaccess do; None: it is not looked for.
    pub fn of(core: &CoreDir) -> Option<Permit> {
        let list = core.override_list.as_ref().filter(|list| !list.is_empty());
        let nonfatal = core.nonfatal.unwrap_or_default();
        if core.overrides() == Override::NONE && list.is_none() && nonfatal == super::Nonfatal::default() {
            return None;
        }
        Some(Permit {
            overrides: core.overrides(),
            options: core.override_options.unwrap_or(u32::MAX),
            list: list.cloned(),
            nonfatal,
        })
    }
}

/// The first of `names` that there is in `dir` (with its trailing slash).
pub fn htaccess(
    configuration: &Configuration,
    server: &Server,
    dir: &BStr,
    names: &[BString],
    permit: &Permit,
) -> Result<Option<Arc<Parsed>>, Unreadable> {
    let mut path = BString::from(dir);
    for name in names {
        path.truncate(dir.len());
        path.extend_from_slice(name);
        let unreadable = |error, irregular| Unreadable { path: path.clone(), error, irregular };
        let meta = match std::fs::metadata(path.to_os_str_lossy()) {
            Ok(meta) => meta,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(unreadable(error, false)),
        };
        if !meta.is_file() {
            return Err(unreadable(io::Error::from_raw_os_error(libc::EBADF), true));
        }
        let stamp = Stamp::of(&meta);
        if let Some(entry) = KNOWN.read().get(&path)
            && entry.stamp == stamp
            && entry.server == server.index
            && entry.permit == *permit
        {
            return Ok(Some(entry.parsed.clone()));
        }
        let text = std::fs::read(path.to_os_str_lossy()).map_err(|error| unreadable(error, false))?;
        let parsed = Arc::new(parse(configuration, server, dir, &path, &text, permit));
        let entry = Entry { stamp, server: server.index, permit: permit.clone(), parsed: parsed.clone() };
        let mut known = KNOWN.write();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(path, entry);
        return Ok(Some(parsed));
    }
    Ok(None)
}

fn parse(
    configuration: &Configuration,
    server: &Server,
    dir: &BStr,
    path: &BString,
    text: &[u8],
    permit: &Permit,
) -> Parsed {
    let (nodes, mut warnings) =
        Reader::htaccess(text, path.clone(), &configuration.commands, &configuration.process, permit.clone());
    let outcome = nodes.and_then(|nodes| run(configuration, server, dir, &nodes, permit, &mut warnings));
    Parsed { path: path.clone(), outcome: outcome.map_err(|complaint| complaint.text()), warnings }
}

fn run(
    configuration: &Configuration,
    server: &Server,
    dir: &BStr,
    nodes: &[Node],
    permit: &Permit,
    warnings: &mut Vec<Warning>,
) -> Result<Section, Complaint> {
    let (mut scratch, mut process) = (server.clone(), configuration.process.clone());
    let mut settings = SettingsVec::default();
    let walker = Walker { commands: &configuration.commands, providers: &configuration.providers, permit };
    let inner = Inner {
        place: Place::Htaccess,
        path: Some(dir.into()),
        around: "",
        limited: u64::MAX,
        server: &mut scratch,
        dir: &mut settings,
        process: &mut process,
        warnings,
    };
    walker.run(nodes, &[], inner, &mut Vec::new())?;
    Ok(Section {
        id: Section::next_id(),
        pattern: Pattern::Literal(dir.into()),
        components: 0,
        settings,
        continues: false,
        names: Vec::new(),
    })
}
