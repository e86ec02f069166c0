//! The walks: which sections hold for a request, merged in Apache's order onto `r.dir`.
//!
//! Source: "How the sections are merged" (sections.html): Directory by length with .htaccess, DirectoryMatch, Files,
//! Location, If.

mod directory;
mod htaccess;
pub(crate) mod memo;
mod trodden;

pub use directory::directory_walk;

use crate::config::{CoreServer, Dir, Pattern, Section, fnmatch};
use crate::log::Level;
use crate::request::{Request, Status};
use crate::server::uri;
use bstr::{BStr, ByteSlice};
use std::sync::Arc;

/// What holds outside of any section.
pub(crate) fn defaults(r: &Request) -> Dir {
    memo::defaults(r.server)
}

fn apply(r: &mut Request, section: &Section) {
    r.dir = memo::merged(r.configuration, &r.dir, section);
}

/// Applies a regex section: on a match, its named groups become variables.
fn regex_matches(r: &mut Request, section: &Section, regex: &crate::sys::regex::Regex, subject: &[u8]) -> bool {
    if section.names.is_empty() {
        return regex.is_match(subject);
    }
    let Some(captures) = regex.captures(subject) else { return false };
    for (name, number) in &section.names {
        if let Some(value) = captures.get(subject, *number) {
            r.env.set([b"MATCH_", name.as_slice()].concat().to_ascii_uppercase(), value);
        }
    }
    true
}

/// `<Location>` and `<LocationMatch>`, in the order of the files.
pub(crate) fn location_walk(r: &mut Request) -> Result<(), Status> {
    let server = r.server::<CoreServer>();
    // Slashes that MergeSlashes leaves alone are for expressions to see.
    let merged = (server.merge_slashes == Some(false)).then(|| uri::merge_slashes(&r.uri));
    for section in &server.locations {
        let path = merged.as_ref().unwrap_or(&r.uri);
        let matched = match &section.pattern {
            Pattern::Literal(prefix) => location_holds(prefix, path),
            Pattern::Wildcard(pattern) => fnmatch::matches(pattern, path, fnmatch::PATHNAME),
            Pattern::Regex(regex) => {
                let uri = r.uri.clone();
                regex_matches(r, section, regex, &uri)
            }
            _ => false,
        };
        if matched {
            apply(r, section);
        }
    }
    Ok(())
}

/// `<Proxy>` and `<ProxyMatch>`, which look at the URL that a request is for, then `<Files>`.
pub fn proxy_walk(r: &mut Request, sections: &'static [Arc<Section>], url: &[u8]) {
    for section in sections {
        let matched = match &section.pattern {
            Pattern::Literal(prefix) => url.starts_with(prefix),
            Pattern::Wildcard(pattern) => fnmatch::matches(pattern, url, 0),
            Pattern::Regex(regex) => regex_matches(r, section, regex, url),
            _ => false,
        };
        if matched {
            apply(r, section);
        }
    }
    // It refuses nothing.
    let _ = file_walk(r);
}

/// Whether a location's path covers a URL: the whole of it, or up to a slash.
fn location_holds(path: &[u8], uri: &[u8]) -> bool {
    let Some(rest) = uri.strip_prefix(path) else { return false };
    path.ends_with(b"/") || rest.first().is_none_or(|&byte| byte == b'/')
}

/// `<Files>` and `<FilesMatch>` that the directories brought along.
pub(crate) fn file_walk(r: &mut Request) -> Result<(), Status> {
    if r.filename.is_empty() {
        return Ok(());
    }
    let holder = r.dir.clone();
    for section in &holder.core().files {
        let name = r.filename.rfind_byte(b'/').map_or(&r.filename[..], |slash| &r.filename[slash + 1..]);
        let matched = match &section.pattern {
            Pattern::Literal(pattern) => pattern == name,
            Pattern::Wildcard(pattern) => fnmatch::matches(pattern, name, fnmatch::PATHNAME),
            Pattern::Regex(regex) if section.names.is_empty() => regex.is_match(name),
            Pattern::Regex(regex) => {
                let name = name.to_vec();
                regex_matches(r, section, regex, &name)
            }
            _ => false,
        };
        if matched {
            apply(r, section);
        }
    }
    Ok(())
}

/// Whether the file `name` in the directory of `r`, at `uri`, stands under the same sections as `r` itself: no section
/// of either kind that holds for the one alone, no condition.
pub fn same_sections(r: &Request, uri: &BStr, name: &BStr) -> bool {
    let holds = |section: &Section, uri: &BStr| match &section.pattern {
        Pattern::Literal(path) => location_holds(path, uri),
        Pattern::Wildcard(pattern) => fnmatch::matches(pattern, uri, fnmatch::PATHNAME),
        Pattern::Regex(regex) => regex.is_match(uri),
        Pattern::Condition(_) | Pattern::Otherwise => true,
    };
    let names = |section: &Section| match &section.pattern {
        Pattern::Literal(pattern) => pattern == name,
        Pattern::Wildcard(pattern) => fnmatch::matches(pattern, name, fnmatch::PATHNAME),
        Pattern::Regex(regex) => regex.is_match(name),
        Pattern::Condition(_) | Pattern::Otherwise => true,
    };
    let core = r.dir.core();
    core.ifs.is_empty()
        && !core.files.iter().any(|section| names(section))
        && r.server::<CoreServer>()
            .locations
            .iter()
            .all(|section| holds(section, r.uri.as_bstr()) == holds(section, uri))
}

/// `<If>`, `<ElseIf>`, `<Else>` chains that the sections brought along, nested ones behind their parents.
pub(crate) fn if_walk(r: &mut Request) -> Result<(), Status> {
    let mut seen = 0;
    loop {
        let holder = r.dir.clone();
        let ifs: &[Arc<Section>] = &holder.core().ifs;
        let Some(fresh) = ifs.get(seen..).filter(|fresh| !fresh.is_empty()) else { return Ok(()) };
        seen = ifs.len();
        let mut taken = false;
        for section in fresh {
            if section.continues && taken {
                continue;
            }
            let holds = match &section.pattern {
                Pattern::Condition(condition) => match super::expression::holds(condition, r) {
                    Ok(holds) => holds,
                    Err(error) => {
                        let text = format_args!("AH00039: Failed to evaluate <If > condition: {error}");
                        r.log(Level::Error, "core", text);
                        continue;
                    }
                },
                _ => true,
            };
            taken = holds;
            if holds {
                apply(r, section);
            }
        }
    }
}

/// Core's own mapping to storage: directories, then files.
pub(crate) fn storage_walk(r: &mut Request) -> Result<(), Status> {
    directory_walk(r)?;
    file_walk(r)
}

/// Options that hold for the request (Apache's `ap_allow_options`).
pub fn allowed_options(r: &Request) -> u32 {
    r.dir.core().options()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_ends_at_a_slash() {
        assert!(location_holds(b"/a", b"/a"));
        assert!(location_holds(b"/a", b"/a/b"));
        assert!(!location_holds(b"/a", b"/ab"));
        assert!(location_holds(b"/", b"/x"));
        assert!(location_holds(b"/a/", b"/a/b"));
        assert!(!location_holds(b"/a/", b"/a"));
    }
}
