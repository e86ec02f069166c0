//! From the request target to the path that maps and sections look at: splitting, decoding, dot segments, slashes.
//!
//! Source: RFC 3986 section 5.2.4, AllowEncodedSlashes and MergeSlashes in the manual.

use super::escape::{Slashes, Undecodable, hex_pair, unescape_url};
use crate::config::{CoreServer, EncodedSlashes};
use crate::log::Level;
use crate::request::{Request, Status};
use bstr::{BString, ByteSlice};
use std::cell::Cell;

/// What to do besides removing dot segments.
#[derive(Clone, Copy, Default)]
pub struct Normalize {
    pub merge_slashes: bool,
    /// Decode `%xx` of unreserved characters, so that an encoded dot is a dot.
    pub decode_unreserved: bool,
}

/// Removes dot segments in place. False: the path does not start with a slash, climbs above the root, or (where escapes
/// are decoded) holds one that is malformed.
pub fn normalize_path(path: &mut Vec<u8>, how: Normalize) -> bool {
    if path.first() != Some(&b'/') {
        return path.as_slice() == b"*" || path.is_empty();
    }
    if !needs_work(path) {
        return true;
    }
    let mut ok = true;
    let valid = Cell::new(true);
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut at = 0;
    let next = |at: &mut usize| -> Option<u8> {
        let byte = *path.get(*at)?;
        *at += 1;
        if how.decode_unreserved && byte == b'%' {
            let pair = path.get(*at).zip(path.get(*at + 1)).and_then(|(&high, &low)| hex_pair(high, low));
            match pair {
                // Decoding around it could make a new escape: `%%32%65`.
                None => valid.set(false),
                Some(decoded) if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) => {
                    *at += 2;
                    return Some(decoded);
                }
                Some(_) => {}
            }
        }
        Some(byte)
    };
    while let Some(byte) = next(&mut at) {
        if byte != b'/' {
            out.push(byte);
            continue;
        }
        close_segment(&mut out, &mut ok);
        if !(how.merge_slashes && out.last() == Some(&b'/')) {
            out.push(b'/');
        }
    }
    // A final dot segment leaves a trailing slash.
    if out.ends_with(b"/.") || out.ends_with(b"/..") {
        close_segment(&mut out, &mut ok);
        if out.last() != Some(&b'/') {
            out.push(b'/');
        }
    }
    *path = out;
    ok && valid.get()
}

/// A path with one slash wherever there are several.
pub fn merge_slashes(path: &BString) -> BString {
    let mut out = path.clone();
    out.dedup_by(|byte, before| *byte == b'/' && *before == b'/');
    out
}

fn needs_work(path: &[u8]) -> bool {
    path.contains(&b'%') || path.windows(2).any(|two| two[0] == b'/' && (two[1] == b'/' || two[1] == b'.'))
}

/// At a slash or the end: takes back what a `.` or `..` segment just written means. Leaves `out` without the slash
/// that is to follow, except that an empty result stays empty.
fn close_segment(out: &mut Vec<u8>, ok: &mut bool) {
    if out.ends_with(b"/.") {
        out.truncate(out.len() - 2);
    } else if out.ends_with(b"/..") {
        out.truncate(out.len() - 3);
        match out.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => out.truncate(slash),
            None => *ok = false,
        }
    }
}

/// Splits a target without scheme and authority into path and query; a fragment ends the path.
pub fn set_uri(r: &mut Request, target: &[u8]) {
    r.unparsed_uri.clear();
    r.unparsed_uri.extend_from_slice(target);
    set_path(r, target);
}

/// As [`set_uri`], keeping `unparsed_uri`: for absolute targets, whose authority was cut off.
pub fn set_path(r: &mut Request, target: &[u8]) {
    let target = target.find_byte(b'#').map_or(target, |hash| &target[..hash]);
    let (path, args) = match target.find_byte(b'?') {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    };
    r.uri.clear();
    r.uri.extend_from_slice(if path.is_empty() { b"/" } else { path });
    match (args, &mut r.args) {
        (Some(args), Some(kept)) => {
            kept.clear();
            kept.extend_from_slice(args);
        }
        (args, kept) => *kept = args.map(BString::from),
    }
}

/// The first normalisation, before anything is mapped: dot segments, with encoded dots being dots on the first pass.
pub(super) fn normalize(r: &mut Request) -> Result<(), Status> {
    let merge = r.server::<CoreServer>().merge_slashes.unwrap_or(true);
    let how = Normalize { merge_slashes: merge, decode_unreserved: r.is_initial() };
    if normalize_path(&mut r.uri, how) {
        return Ok(());
    }
    r.log(Level::Error, "core", format_args!("AH10244: invalid URI path ({})", crate::log::raw(&r.unparsed_uri)));
    Err(Status::BAD_REQUEST)
}

/// Percent-decoding, as AllowEncodedSlashes has it.
pub(super) fn decode(r: &mut Request) -> Result<(), Status> {
    let slashes = match r.dir.core().encoded_slashes.unwrap_or(EncodedSlashes::Off) {
        EncodedSlashes::Off => Slashes::Refuse,
        EncodedSlashes::On => Slashes::Decode,
        EncodedSlashes::NoDecode => Slashes::Keep,
    };
    match unescape_url(&mut r.uri, slashes) {
        Ok(()) => {}
        Err(Undecodable::Escape) => return Err(Status::BAD_REQUEST),
        Err(Undecodable::Path) => {
            if slashes == Slashes::Refuse {
                let text = format_args!(
                    "AH00026: found %2f (encoded '/') in URI path ({}), returning 404",
                    crate::log::raw(&r.unparsed_uri)
                );
                r.log(Level::Info, "core", text);
            }
            return Err(Status::NOT_FOUND);
        }
    }
    if slashes == Slashes::Decode {
        let merge_slashes = r.server::<CoreServer>().merge_slashes.unwrap_or(true);
        normalize_path(&mut r.uri, Normalize { merge_slashes, decode_unreserved: false });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(path: &str, merge_slashes: bool) -> Option<String> {
        let mut path = path.as_bytes().to_vec();
        let ok = normalize_path(&mut path, Normalize { merge_slashes, decode_unreserved: true });
        ok.then(|| String::from_utf8_lossy(&path).into_owned())
    }

    #[test]
    fn dot_segments_go() {
        for (from, to) in [
            ("/", "/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/b/../../", "/"),
            ("/.a/..b/c..", "/.a/..b/c.."),
            ("/a//b", "/a/b"),
            ("/a/...", "/a/..."),
            ("//", "/"),
        ] {
            assert_eq!(norm(from, true).as_deref(), Some(to), "{from}");
        }
        assert_eq!(norm("/a//../b", false).as_deref(), Some("/a/b"));
        assert_eq!(norm("//a", false).as_deref(), Some("//a"));
    }

    #[test]
    fn nothing_climbs_above_the_root() {
        for path in ["/..", "/../", "/.%2e/x", "/a/../../b", "x", "/%%32%65", "/%%32%65%%32%65/x", "/%zz", "/a%"] {
            assert_eq!(norm(path, true), None, "{path}");
        }
    }
}
