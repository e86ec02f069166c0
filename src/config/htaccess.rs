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
        // Where AllowOverride is nowhere set the file is looked for, and nothing is allowed in it.
        if core.overrides == Some(Override::NONE) && list.is_none() && nonfatal == super::Nonfatal::default() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FILE_INFO, Nonfatal, OPTIONS, Providers, Request, options};
    use crate::module::registered;
    use crate::modules::REGISTRY;

    fn configuration() -> Configuration {
        let request = Request {
            server_root: "/".into(),
            file: "F".into(),
            text: Some(Vec::new()),
            before: vec!["LoadModule mpm_event_module mod_mpm_event.so".into()],
            ..Request::default()
        };
        let tree = crate::config::read(&request, registered(REGISTRY)).map_err(|refused| refused.trouble).unwrap();
        crate::config::compile(tree, Providers::default()).map_err(|refused| refused.trouble).unwrap()
    }

    fn look(configuration: &Configuration, dir: &std::path::Path, permit: &Permit) -> Option<Arc<Parsed>> {
        let dir = format!("{}/", dir.display());
        let names = [BString::from(".htaccess")];
        htaccess(configuration, configuration.main(), dir.as_str().into(), &names, permit).unwrap()
    }

    #[test]
    fn presence_change_and_absence_are_noticed() {
        let (configuration, dir) = (configuration(), tempfile::tempdir().unwrap());
        let (file, permit) = (dir.path().join(".htaccess"), Permit::default());
        assert!(look(&configuration, dir.path(), &permit).is_none());
        std::fs::write(&file, "Options Indexes\n").unwrap();
        let first = look(&configuration, dir.path(), &permit).unwrap();
        let section = first.outcome.as_ref().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(section.settings.of::<CoreDir>().options(), options::INDEXES);
        assert!(Arc::ptr_eq(&first, &look(&configuration, dir.path(), &permit).unwrap()));
        std::fs::write(&file, "Options None # now longer\n").unwrap();
        assert!(!Arc::ptr_eq(&first, &look(&configuration, dir.path(), &permit).unwrap()));
        std::fs::remove_file(&file).unwrap();
        assert!(look(&configuration, dir.path(), &permit).is_none());
    }

    #[test]
    fn what_may_be_set_is_what_the_permit_says() {
        let (configuration, dir) = (configuration(), tempfile::tempdir().unwrap());
        let some = |overrides, nonfatal| Permit { overrides, nonfatal, ..Permit::default() };
        let strict = Nonfatal::default();
        for (text, permit, error) in [
            ("Options None", some(FILE_INFO, strict), Some("Options not allowed here")),
            ("Listen 80", some(Override::ALL, strict), Some("Listen not allowed here")),
            ("Define A", some(Override::ALL, strict), Some("Define not allowed here")),
            (
                "<Files x>\nOptions None\n</Files>",
                some(FILE_INFO, strict),
                Some("Options not allowed in <Files> context"),
            ),
            ("</Files>", some(Override::ALL, strict), Some("</Files> without matching <Files> section")),
            (
                "Options +ExecCGI",
                Permit { options: options::INDEXES, ..some(OPTIONS, strict) },
                Some("Option ExecCGI not allowed here"),
            ),
            (
                "FileETag None",
                Permit { list: Some(Arc::new(vec!["fileetag".into()])), ..some(Override::NONE, strict) },
                None,
            ),
        ] {
            std::fs::write(dir.path().join(".htaccess"), text).unwrap();
            let parsed = look(&configuration, dir.path(), &permit).unwrap();
            assert_eq!(parsed.outcome.as_ref().err().map(|error| error.to_string()).as_deref(), error, "{text}");
        }
        std::fs::write(dir.path().join(".htaccess"), "FooBar\nListen 80\n").unwrap();
        let all = Nonfatal { overridden: true, unknown: true };
        let parsed = look(&configuration, dir.path(), &some(FILE_INFO, all)).unwrap();
        let said: Vec<_> = parsed.warnings.iter().map(|warning| warning.text.to_string()).collect();
        assert_eq!(
            said,
            [
                "AH02296: Unknown directive foobar perhaps misspelled or defined by a module not included in the server configuration",
                "AH02295: Listen in .htaccess forbidden by AllowOverride",
            ]
        );
    }
}
