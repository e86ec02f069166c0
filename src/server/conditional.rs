//! Validators and conditional requests: ETag, Last-Modified, If-Match and its kin (RFC 9110 sections 8.8 and 13).

use super::{date, escape};
use crate::config::{ETag, RANGES_NONE};
use crate::request::{FileKind, MethodNumber, Request, Status, Table};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, ByteSlice};
use sha1::{Digest, Sha1};
use std::fs::File;
use std::io::Read;

/// What a condition says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The field is not there (or cannot be read).
    None,
    /// It does not hold.
    NoMatch,
    /// It holds by weak comparison only.
    Weak,
    /// It holds.
    Strong,
}

impl Condition {
    fn holds(self) -> bool {
        matches!(self, Condition::Weak | Condition::Strong)
    }
}

/// Sets Last-Modified from `r.mtime`; never later than the request itself.
pub fn set_last_modified(r: &mut Request) {
    if r.mtime != 0 {
        let at = if r.mtime <= r.time { r.mtime } else { r.mtime.min(date::now()) };
        r.headers_out.set("Last-Modified", date::format(date::seconds(at)));
    }
}

/// Sets Accept-Ranges as MaxRanges has it.
pub fn set_accept_ranges(r: &mut Request) {
    let none = r.dir.core().max_ranges == Some(RANGES_NONE);
    r.headers_out.set("Accept-Ranges", if none { "none" } else { "bytes" });
}

/// The note that keeps the entity tag of a response from clients, for what changes without its file.
pub const NO_ETAG: &str = "no-etag";

/// Sets ETag as FileETag asks.
pub fn set_etag(r: &mut Request) {
    let mut text = Tag::new();
    if etag(r, &mut text) {
        r.headers_out.set("ETag", &text);
    }
}

/// Room for an entity tag.
pub type Tag = smallvec::SmallVec<[u8; 64]>;

/// Writes the entity tag of the request's file; false when FileETag is None.
pub fn etag(r: &Request, out: &mut Tag) -> bool {
    let bits = r.dir.core().file_etag.unwrap_or_default().components();
    if bits & ETag::NONE != 0 {
        return false;
    }
    if bits & ETag::DIGEST != 0 && r.finfo.kind == FileKind::File && digest(r, out) {
        return close(r, out);
    }
    // A file that changed within the last second may change again without a new time stamp.
    if r.time - r.mtime <= 1_000_000 {
        out.extend_from_slice(b"W/");
    }
    out.push(b'"');
    let start = out.len();
    let mut part = |number: u64| {
        if out.len() > start {
            out.push(b'-');
        }
        out.extend_from_slice(escape::hex(number, &mut [0; 16]));
    };
    if r.finfo.kind != FileKind::None {
        if bits & ETag::INODE != 0 {
            part(r.finfo.inode);
        }
        if bits & ETag::SIZE != 0 {
            part(r.finfo.size);
        }
        if bits & ETag::MTIME != 0 {
            part(r.mtime as u64);
        }
    } else {
        part(r.mtime as u64);
    }
    close(r, out)
}

/// The tag that is a digest of the content. False: the file cannot be read.
fn digest(r: &Request, out: &mut Tag) -> bool {
    let path = r.filename.to_os_str_lossy();
    let hashed = crate::engine::block(|| -> std::io::Result<_> {
        let (mut file, mut hash, mut buffer) = (File::open(&path)?, Sha1::new(), [0; 8192]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hash.finalize()),
                count => hash.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    });
    let Ok(hash) = hashed else { return false };
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(hash).as_bytes());
    true
}

/// The end of a tag: the validator of the variant list, where there is one, and the quote.
fn close(r: &Request, out: &mut Tag) -> bool {
    if let Some(variant) = &r.vlist_validator {
        let inner = variant.trim_with(|letter| letter == '"' || letter == 'W' || letter == '/');
        if !inner.is_empty() {
            out.push(b';');
            out.extend_from_slice(inner);
            // Apache leaves such a tag without its closing quote, and caches hold it so.
            return true;
        }
    }
    out.push(b'"');
    true
}

/// The tags of a list field, without surrounding white space.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_with(|letter| letter == ',' || letter.is_ascii_whitespace());
        if rest.is_empty() {
            return None;
        }
        // A comma within quotes is part of the tag.
        let mut quoted = false;
        let end = rest.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let (tag, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(tag.trim_ascii())
    })
}

/// Whether `tag` is in the list by strong comparison: both are strong and equal.
pub fn finds_strong(list: &[u8], tag: &[u8]) -> bool {
    !tag.starts_with(b"W/") && tags(list).any(|other| other == tag)
}

/// Whether `tag` is in the list by weak comparison: equal but for `W/`.
pub fn finds_weak(list: &[u8], tag: &[u8]) -> bool {
    let bare = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    tags(list).any(|other| bare(other) == bare(tag))
}

fn current_tag(r: &Request) -> Option<&BStr> {
    r.headers_out.get("ETag").or_else(|| r.err_headers_out.get("ETag"))
}

/// The representation's time in seconds; now where it has none.
fn current_time(r: &Request) -> i64 {
    date::seconds(if r.mtime != 0 { r.mtime } else { date::now() })
}

/// What conditions look at: the tag and the time, in seconds, of a representation.
#[derive(Clone, Copy)]
struct Facts<'a> {
    tag: Option<&'a BStr>,
    time: i64,
}

impl<'a> Facts<'a> {
    fn of(r: &'a Request) -> Facts<'a> {
        Facts { tag: current_tag(r), time: current_time(r) }
    }
}

/// Whether a condition of the request does not hold for a stored representation with these fields: then only its origin can say.
pub fn differs(r: &Request, stored: &Table) -> bool {
    let time = stored.get("Last-Modified").and_then(|text| date::parse(text));
    let facts = Facts { tag: stored.get("ETag"), time: time.unwrap_or_else(|| date::seconds(date::now())) };
    let all = [
        if_match(r, facts),
        if_unmodified_since(r, facts),
        if_none_match(r, facts),
        if_modified_since(r, facts),
        range_condition(r, facts),
    ];
    let since = r.headers_in.get("If-Modified-Since");
    all.contains(&Condition::NoMatch) || since.is_some_and(|text| date::parse(text).is_none())
}

fn if_match(r: &Request, facts: Facts<'_>) -> Condition {
    match r.headers_in.get("If-Match") {
        None => Condition::None,
        Some(list) if list.first() == Some(&b'*') => Condition::Strong,
        Some(list) => match facts.tag {
            Some(tag) if finds_strong(list, tag) => Condition::Strong,
            _ => Condition::NoMatch,
        },
    }
}

fn if_none_match(r: &Request, facts: Facts<'_>) -> Condition {
    let Some(list) = r.headers_in.get("If-None-Match") else {
        return Condition::None;
    };
    if list.first() == Some(&b'*') {
        return Condition::Strong;
    }
    match facts.tag {
        None => Condition::NoMatch,
        Some(tag) if finds_strong(list, tag) => Condition::Strong,
        // A range of another, only weakly equal representation would be no part of the stored one; and what changes
        // something asks for the very same.
        Some(tag) if r.method.is(MethodNumber::GET) && !r.headers_in.contains("Range") && finds_weak(list, tag) => {
            Condition::Weak
        }
        Some(_) => Condition::NoMatch,
    }
}

fn if_modified_since(r: &Request, facts: Facts<'_>) -> Condition {
    let Some(since) = r.headers_in.get("If-Modified-Since").and_then(|text| date::parse(text)) else {
        return Condition::None;
    };
    let (changed, now) = (facts.time, date::seconds(r.time));
    if since < changed || since > now {
        return Condition::NoMatch;
    }
    if now < changed + 60 { Condition::Weak } else { Condition::Strong }
}

fn if_unmodified_since(r: &Request, facts: Facts<'_>) -> Condition {
    match r.headers_in.get("If-Unmodified-Since").and_then(|text| date::parse(text)) {
        None => Condition::None,
        Some(since) if facts.time > since => Condition::Strong,
        Some(_) => Condition::NoMatch,
    }
}

/// Whether the range that a request asks for is of the representation it knows (`If-Range`).
pub fn if_range(r: &Request) -> Condition {
    range_condition(r, Facts::of(r))
}

fn range_condition(r: &Request, facts: Facts<'_>) -> Condition {
    let Some(text) = r.headers_in.get("If-Range").filter(|_| r.headers_in.contains("Range")) else {
        return Condition::None;
    };
    let same = if text.first() == Some(&b'"') {
        facts.tag == Some(text)
    } else if text.starts_with(b"W/") {
        false
    } else {
        date::parse(text) == Some(facts.time)
    };
    if !same {
        return Condition::NoMatch;
    }
    let tag = text.first() == Some(&b'"');
    if tag || date::seconds(r.time) >= facts.time + 60 { Condition::Strong } else { Condition::Weak }
}

/// Whether a condition of the request forbids the full answer: 304, 412 or None (`ap_meets_conditions`).
pub fn meets_conditions(r: &mut Request) -> Option<Status> {
    if !r.status.is_success() || r.no_local_copy {
        return None;
    }
    let conditional = |name: &BStr| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"If-"));
    if !r.headers_in.iter().any(|(name, _)| conditional(name)) {
        return None;
    }
    let reads = r.method.is(MethodNumber::GET);
    // A later condition that does not hold overrules an earlier one that says "not modified".
    let mut not_modified = None;
    let facts = Facts::of(r);
    if if_match(r, facts) == Condition::NoMatch || if_unmodified_since(r, facts).holds() {
        return Some(Status::PRECONDITION_FAILED);
    }
    // Whoever asks for what is unmodified wants it, whatever the date says.
    if r.headers_in.contains("If-Unmodified-Since") {
        not_modified = Some(false);
    }
    match if_none_match(r, facts) {
        Condition::None => {}
        Condition::NoMatch => not_modified = Some(false),
        _ if reads => not_modified = not_modified.or(Some(true)),
        _ => return Some(Status::PRECONDITION_FAILED),
    }
    match if_modified_since(r, facts) {
        Condition::None => {}
        Condition::NoMatch => not_modified = Some(false),
        _ if reads && not_modified.is_none() => not_modified = Some(true),
        _ => {}
    }
    let ranged = range_condition(r, facts) != Condition::None;
    (not_modified == Some(true) && !ranged).then_some(Status::NOT_MODIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_lists() {
        assert!(finds_strong(br#""a", "b""#, br#""b""#));
        assert!(!finds_strong(br#"W/"b""#, br#""b""#));
        assert!(!finds_strong(br#"W/"b""#, br#"W/"b""#));
        assert!(finds_weak(br#"W/"b" "#, br#""b""#));
        assert!(finds_weak(br#""x,y","b""#, br#"W/"x,y""#));
        assert!(!finds_weak(b"", br#""b""#));
        assert!(!finds_weak(br#","", "#, br#""b""#));
    }
}
