//! What a listing shows: the directory's entries with their facts, icons and descriptions.

use super::{BY_ENCODING, BY_PATH, BY_TYPE, IndexDir, Item, option, pattern};
use crate::engine;
use crate::request::{FileInfo, FileKind, Request, Status};
use crate::server;
use bstr::{BString, ByteSlice};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

/// One line of the listing.
pub(super) struct Entry {
    /// Directories with a slash; the parent's URL path.
    pub name: BString,
    pub parent: bool,
    pub directory: bool,
    pub icon: Option<BString>,
    pub alt: Option<BString>,
    pub description: Option<BString>,
    /// Microseconds since the epoch; None is not shown.
    pub mtime: Option<i64>,
    /// None for directories.
    pub size: Option<u64>,
}

/// The names in a directory with what they are, `.` and `..` left out.
pub(super) fn read(directory: &[u8]) -> io::Result<Vec<(BString, FileInfo)>> {
    engine::block(|| {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory.to_os_str_lossy())? {
            let Ok(entry) = entry else { break };
            let name = BString::from(entry.file_name().as_bytes());
            let info = server::stat(&[directory, &name].concat()).unwrap_or_default();
            names.push((name, info));
        }
        Ok(names)
    })
}

/// The entry for the directory above; None at the root and where it is ignored.
pub(super) fn parent(r: &Request, dir: &IndexDir, options: u32) -> Option<Entry> {
    let path = [r.filename.as_slice(), b".."].concat();
    let up = r.uri.trim_end_with(|c| c == '/');
    let name = up.get(..=up.rfind_byte(b'/')?)?.into();
    if ignored(dir, &path) {
        return None;
    }
    // Without FancyIndexing itself nothing is known of it, even in a table.
    let fancy = options & option::FANCY != 0;
    let special = |list: &[Item]| named(list, &path).or_else(|| named(list, DIRECTORY)).filter(|_| fancy);
    Some(Entry {
        name,
        parent: true,
        directory: true,
        icon: special(&dir.icons),
        alt: special(&dir.alts).or_else(|| fancy.then(|| "PARENTDIR".into())),
        description: describe(dir, &path).filter(|_| fancy),
        mtime: None,
        size: None,
    })
}

/// Name under which icons of directories are configured.
const DIRECTORY: &[u8] = b"^^DIRECTORY^^";
/// Name of the icon that fills the header's place.
pub(super) const BLANK: &[u8] = b"^^BLANKICON^^";

/// Looks one entry up as a client would; None if it is not to be seen.
pub(super) async fn entry(
    r: &mut Request,
    dir: &IndexDir,
    options: u32,
    wanted: Option<&[u8]>,
    (name, info): (BString, FileInfo),
) -> Option<Entry> {
    if wanted.is_some_and(|wanted| !matches_pattern(wanted, &name)) {
        return None;
    }
    let path = [r.filename.as_slice(), &name].concat();
    if ignored(dir, &path) {
        return None;
    }
    let sub = server::lookup_dirent(r, &name, info).await;
    let shown = match sub.status {
        status if status.is_success() || status.is_redirect() => true,
        Status::UNAUTHORIZED | Status::FORBIDDEN => options & option::SHOW_FORBIDDEN != 0,
        _ => false,
    };
    if !shown || !matches!(sub.finfo.kind, FileKind::File | FileKind::Directory) {
        return None;
    }
    let directory = sub.finfo.kind == FileKind::Directory;
    let mut entry =
        Entry { name, parent: false, directory, icon: None, alt: None, description: None, mtime: None, size: None };
    if directory {
        entry.name.push(b'/');
    }
    if options & option::FACTS == 0 {
        return Some(entry);
    }
    entry.mtime = Some(sub.finfo.mtime);
    entry.description = describe(dir, &path);
    if directory {
        entry.icon = find(&dir.icons, &path, &sub, true).or_else(|| named(&dir.icons, DIRECTORY));
        entry.alt = find(&dir.alts, &path, &sub, true).or_else(|| named(&dir.alts, DIRECTORY));
        entry.alt = entry.alt.or_else(|| Some("DIR".into()));
    } else {
        entry.icon = find(&dir.icons, &path, &sub, false);
        entry.alt = find(&dir.alts, &path, &sub, false);
        entry.size = Some(sub.finfo.size);
        if entry.description.is_none() && options & option::SCAN_TITLES != 0 {
            entry.description = title(&sub);
        }
    }
    Some(entry)
}

/// `P=`: a leading dot must be named.
fn matches_pattern(wanted: &[u8], name: &[u8]) -> bool {
    (!name.starts_with(b".") || wanted.starts_with(b".")) && pattern::shell(wanted, name)
}

fn base(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |slash| path.get(slash + 1..).unwrap_or_default())
}

fn ignored(dir: &IndexDir, path: &[u8]) -> bool {
    dir.ignored.iter().any(|item| pattern::simple(&item.below, path) && pattern::simple(base(&item.to), base(path)))
}

/// The first item for a file, by its path, media type or encoding. An encoded file has no type here.
fn find(list: &[Item], path: &[u8], sub: &Request, by_path_only: bool) -> Option<BString> {
    let media = sub.content_type.as_ref().map(|kind| kind.split_str(";").next().unwrap_or_default().trim());
    let encoding = sub.content_encoding.as_ref();
    let fits = |item: &&Item| {
        pattern::simple(&item.below, path)
            && match item.by {
                BY_PATH => pattern::simple(&item.to, path),
                _ if by_path_only => false,
                BY_TYPE => encoding.is_none() && media.is_some_and(|media| pattern::simple_fold(&item.to, media)),
                BY_ENCODING => encoding.is_some_and(|encoding| pattern::simple_fold(&item.to, encoding)),
                _ => false,
            }
    };
    list.iter().find(fits).map(|item| item.value.clone())
}

/// The first item for a name, which may be one of the special `^^NAME^^`.
pub(super) fn named(list: &[Item], path: &[u8]) -> Option<BString> {
    let fits = |item: &&Item| {
        (path.starts_with(b"^") || pattern::simple(&item.below, path))
            && (item.by == BY_PATH || path.starts_with(b"^"))
            && pattern::simple(&item.to, path)
    };
    list.iter().find(fits).map(|item| item.value.clone())
}

fn describe(dir: &IndexDir, path: &[u8]) -> Option<BString> {
    let fits = |description: &&super::Description| {
        let text = if description.whole_path { path } else { base(path) };
        if description.wildcards {
            pattern::shell(&description.pattern, text)
        } else {
            text.contains_str(&description.pattern)
        }
    };
    dir.descriptions.iter().find(fits).map(|description| description.text.clone())
}

/// Octets of a file that are searched for a title.
const SCANNED: u64 = 8191;

/// The title of an HTML file, on one line.
fn title(sub: &Request) -> Option<BString> {
    let html = sub.content_type.as_ref().is_some_and(|kind| is_html(kind));
    if sub.status != Status::OK || !html || sub.content_encoding.is_some() {
        return None;
    }
    let text = engine::block(|| {
        let mut text = Vec::new();
        File::open(sub.filename.to_os_str_lossy()).ok()?.take(SCANNED).read_to_end(&mut text).ok()?;
        Some(text)
    })?;
    title_in(&text)
}

fn title_in(text: &[u8]) -> Option<BString> {
    let at = text.windows(7).position(|window| window.eq_ignore_ascii_case(b"<title>"))?;
    let rest = text.get(at + 7..)?;
    let title = rest.get(..rest.find_byte(b'<').unwrap_or(rest.len()))?;
    Some(title.iter().map(|&byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }).collect::<Vec<u8>>().into())
}

/// Whether a media type is one of HTML's.
pub(super) fn is_html(kind: &[u8]) -> bool {
    let kind = kind.split_str(";").next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_lose_their_line_breaks() {
        assert_eq!(title_in(b"<html><TITLE>Title\n of a</title>").unwrap(), "Title  of a");
        assert_eq!(title_in(b"<titl"), None);
    }

    #[test]
    fn items_match_ends_of_paths_and_special_names() {
        let item = |by, to: &str| Item { by, below: "/d*".into(), to: to.into(), value: "v".into() };
        assert!(named(&[item(BY_PATH, "*..")], b"/d/x/..").is_some());
        assert!(named(&[item(BY_PATH, "*..")], b"/e/..").is_none());
        assert!(named(&[item(BY_PATH, "*^^DIRECTORY^^")], DIRECTORY).is_some());
        let dir = IndexDir { ignored: vec![item(BY_PATH, "RCS"), item(BY_PATH, ".??*")], ..IndexDir::default() };
        assert!(ignored(&dir, b"/d/RCS") && ignored(&dir, b"/d/.htaccess"));
        assert!(!ignored(&dir, b"/d/..") && !ignored(&dir, b"/d/xRCS"));
    }
}
