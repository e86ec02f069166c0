//! The directory walk: from the root down to the mapped file, merging `<Directory>` and .htaccess, checking symbolic
//! links, splitting off the path info.

use super::htaccess::Lasting;
use super::trodden::{self, Watched};
use super::{apply, regex_matches};
use crate::config::{CoreServer, Pattern, Section, fnmatch, options};
use crate::log::Level;
use crate::request::{FileInfo, FileKind, Request, Status};
use crate::server::file::{self, lstat, stat};
use bstr::{BString, ByteSlice};
use std::io::ErrorKind;
use std::sync::Arc;

/// What a component of the path turned out to be.
enum Component {
    Directory,
    /// A file, or nothing at all: the walk ends here.
    End(FileInfo),
}

/// See the module text.
pub fn directory_walk(r: &mut Request) -> Result<(), Status> {
    if !r.filename.starts_with(b"/") {
        let text =
            format_args!("AH00029: Filepath: {} is not an absolute path, returning OK", crate::log::raw(&r.filename));
        r.log(Level::Info, "core", text);
        return Ok(());
    }
    clean(&mut r.filename);
    let sections = &r.server::<CoreServer>().directories;
    // With symbolic links allowed throughout, one stat of the whole path tells what each component is.
    let whole = if r.finfo.kind == FileKind::None { stat(&r.filename).ok() } else { Some(r.finfo) };
    if let Some(info) = whole {
        r.finfo = info;
    }
    let mut next_section = 0;
    // Length of the directory prefix that was entered, with its slash.
    let mut entered = 1;
    let mut path_info_at = r.filename.len();
    let mut slash_added = false;
    // A file whose directory was walked before without a look at the disk: only what is behind it is to be done.
    let plain = whole.is_some_and(|info| info.kind == FileKind::File) && !r.filename.ends_with(b"/");
    let base = r.dir.id;
    let mut lasting = if plain { Lasting::Always } else { Lasting::No };
    if plain && let Some(known) = trodden::find(base, r.server.index, file::dirname(&r.filename), r.time) {
        (r.dir, next_section) = known;
        return patterns(r, sections, next_section);
    }
    loop {
        next_section = enter(r, sections, next_section, entered, &mut lasting)?;
        let rest = r.filename.get(entered..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        if r.dir.core().options() & options::SYM_LINKS == 0 {
            lasting = Lasting::No;
        }
        let end = entered + rest.find_byte(b'/').unwrap_or(rest.len());
        let last = rest[end - entered..].iter().all(|&byte| byte == b'/');
        match component(r, whole, end, last)? {
            Component::Directory => {
                if end == r.filename.len() {
                    slash_added = true;
                    r.filename.push(b'/');
                    path_info_at += 1;
                }
                entered = end + 1;
            }
            Component::End(info) => {
                r.finfo = info;
                path_info_at = end;
                break;
            }
        }
    }
    if path_info_at < r.filename.len() {
        r.path_info = BString::from(&r.filename[path_info_at..]);
        r.filename.truncate(path_info_at);
    }
    if lasting != Lasting::No && path_info_at == r.filename.len() && r.path_info.is_empty() {
        let watched = match lasting {
            Lasting::Watched(state) => Some(Watched { state, time: r.time }),
            _ => None,
        };
        trodden::keep(base, r.server.index, file::dirname(&r.filename), &r.dir, next_section, watched);
    }
    patterns(r, sections, next_section)?;
    // A directory is named as it was asked for; the slash was for the sections.
    if slash_added && r.filename.len() > 1 {
        r.filename.pop();
    }
    Ok(())
}

/// `<DirectoryMatch>`, which looks at the whole file name.
fn patterns(r: &mut Request, sections: &'static [Arc<Section>], from: usize) -> Result<(), Status> {
    for section in sections.get(from..).unwrap_or_default() {
        let matched = match &section.pattern {
            Pattern::Regex(regex) if section.names.is_empty() => regex.is_match(&r.filename),
            Pattern::Regex(regex) => {
                let filename = r.filename.clone();
                regex_matches(r, section, regex, &filename)
            }
            _ => false,
        };
        if matched {
            apply(r, section);
        }
    }
    Ok(())
}

/// Takes repeated slashes and `.` segments out of a file name.
fn clean(filename: &mut BString) {
    let odd = |pair: &[u8]| pair == b"//" || pair == b"/.";
    if filename.windows(2).any(odd)
        && (filename.contains_str("//") || filename.contains_str("/./") || filename.ends_with(b"/."))
    {
        let mut path = std::mem::take(&mut **filename);
        let how = crate::server::uri::Normalize { merge_slashes: true, decode_unreserved: false };
        crate::server::uri::normalize_path(&mut path, how);
        *filename = path.into();
    }
}

/// Merges what holds for the directory `filename[..len]`: its sections, then its .htaccess.
fn enter(
    r: &mut Request,
    sections: &'static [Arc<Section>],
    from: usize,
    len: usize,
    lasting: &mut Lasting,
) -> Result<usize, Status> {
    let prefix = &r.filename[..len];
    let components = prefix.iter().filter(|&&byte| byte == b'/').count();
    let mut at = from;
    while let Some(section) = sections.get(at) {
        if matches!(section.pattern, Pattern::Regex(_)) || section.components > components {
            break;
        }
        at += 1;
        let directory = &r.filename[..len];
        let matched = section.components == components
            && match &section.pattern {
                Pattern::Literal(path) => path == directory,
                Pattern::Wildcard(pattern) => fnmatch::matches(pattern, directory, fnmatch::PATHNAME),
                _ => false,
            };
        if matched {
            apply(r, section);
        }
    }
    super::htaccess::apply_htaccess(r, len, lasting)?;
    Ok(at)
}

/// Looks at the component that ends at `end`.
fn component(r: &Request, whole: Option<FileInfo>, end: usize, last: bool) -> Result<Component, Status> {
    let options = r.dir.core().options();
    let follow = options & options::SYM_LINKS != 0;
    if let Some(info) = whole.filter(|_| follow) {
        return Ok(if last { sorted(r, info)? } else { Component::Directory });
    }
    let path = &r.filename[..end];
    let info = match lstat(path) {
        Ok((info, false)) => info,
        Ok((link, true)) => followed(r, path, link, options)?,
        Err(error) => return absent(r, path, &error),
    };
    sorted(r, info)
}

fn sorted(r: &Request, info: FileInfo) -> Result<Component, Status> {
    match info.kind {
        FileKind::Directory => Ok(Component::Directory),
        FileKind::File | FileKind::None => Ok(Component::End(info)),
        FileKind::Other => {
            let text = format_args!(
                "AH00038: Forbidden: {} doesn't point to a file or directory",
                crate::log::raw(&r.filename)
            );
            r.log(Level::Error, "core", text);
            Err(Status::FORBIDDEN)
        }
    }
}

fn absent(r: &Request, path: &[u8], error: &std::io::Error) -> Result<Component, Status> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Ok(Component::End(FileInfo { looked_up: true, ..FileInfo::default() }))
        }
        ErrorKind::PermissionDenied => {
            let text = format_args!(
                "AH00035: access to {} denied (filesystem path '{}') because search permissions are missing on a \
                 component of the path",
                crate::log::raw(&r.uri),
                path.as_bstr()
            );
            r.log_errno(Level::Error, "core", error, text);
            Err(Status::FORBIDDEN)
        }
        _ => {
            let text = format_args!(
                "AH00036: access to {} failed (filesystem path '{}')",
                crate::log::raw(&r.uri),
                path.as_bstr()
            );
            r.log_errno(Level::Error, "core", error, text);
            Err(Status::FORBIDDEN)
        }
    }
}

/// What a symbolic link leads to, where the options let it be followed.
fn followed(r: &Request, path: &[u8], link: FileInfo, options: u32) -> Result<FileInfo, Status> {
    let target = if options & (options::SYM_LINKS | options::SYM_OWNER) != 0 { stat(path).ok() } else { None };
    let allowed = target.filter(|target| options & options::SYM_LINKS != 0 || target.uid == link.uid);
    allowed.ok_or_else(|| {
        // Where the directory is that of the request which asks, httpd walks no further than the file.
        let beside = r.main.as_ref().is_some_and(|main| file::dirname(&main.filename) == file::dirname(path));
        let tag = if beside { "AH00032" } else { "AH00037" };
        let path = path.as_bstr();
        let text = format_args!("{tag}: Symbolic link not allowed or link target not accessible: {path}");
        r.log(Level::Error, "core", text);
        Status::FORBIDDEN
    })
}
