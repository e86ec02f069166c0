//! Range requests: cutting a response to the parts asked for (RFC 9110 section 14).
//!
//! Which parts are merged, counted against MaxRanges, MaxRangeOverlaps and MaxRangeReversals, or ignored, and how a
//! multipart answer is written, is Apache's way. Manual: mod/core.html.

use crate::config::{RANGES_DEFAULT, RANGES_NONE, RANGES_UNLIMITED};
use crate::log::Level;
use crate::request::{Body, FileRange, Piece, Request, Status};
use crate::server::conditional::{self, Condition};
use bstr::{BStr, ByteSlice};
use bytes::Bytes;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

/// MaxRanges where not set.
const MAX_RANGES: i64 = 200;
/// MaxRangeOverlaps and MaxRangeReversals where not set.
const MAX_TURNS: i64 = 20;

/// First and last octet of a part.
pub type Span = (u64, u64);

/// What a Range field asks of a body.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    pub spans: Vec<Span>,
    pub overlaps: i64,
    pub reversals: i64,
    /// At least one part lies behind the end.
    pub unsatisfiable: bool,
}

/// Reads the list behind `bytes=` for a body of `length` octets, merging parts that touch. None: to be ignored.
pub fn parse(list: &[u8], length: u64) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut open: Option<Span> = None;
    if list.starts_with(b",") {
        return None;
    }
    let mut whole = false;
    for part in list.split_str(",").filter(|part| !part.is_empty()) {
        // Behind a part that is everything nothing is looked at.
        if whole {
            break;
        }
        whole = part == b"0-";
        let dash = part.find_byte(b'-')?;
        let (from, to) = part.split_at(dash);
        let to = to.get(1..).unwrap_or_default();
        let (start, end) = if from.is_empty() {
            let count = number(to).filter(|count| *count > 0)?;
            (length.saturating_sub(count), length.saturating_sub(1))
        } else {
            let start = number(from)?;
            let end = if to.is_empty() { length.saturating_sub(1).max(start) } else { number(to)? };
            if start > end {
                return None;
            }
            (start, end)
        };
        if start >= length {
            asked.unsatisfiable = true;
            continue;
        }
        let end = end.min(length - 1);
        let Some((first, last)) = open else {
            open = Some((start, end));
            continue;
        };
        let (mut merged, mut touches) = ((first, last), start >= first && end <= last);
        if start < first && end + 1 >= first {
            merged.0 = start;
            asked.reversals += 1;
            touches = true;
        }
        if end >= last && start <= last + 1 {
            merged.1 = end;
            touches = true;
        }
        if touches {
            asked.overlaps += 1;
            open = Some(merged);
        } else {
            asked.spans.push((first, last));
            open = Some((start, end));
        }
    }
    asked.spans.extend(open);
    Some(asked)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.to_str().ok()?.parse().ok().filter(|number| *number <= i64::MAX as u64)
}

/// A limit as the directive gives it; None: there is none.
fn limit(setting: Option<i64>, default: i64) -> Option<i64> {
    match setting.unwrap_or(RANGES_DEFAULT) {
        RANGES_DEFAULT => Some(default),
        RANGES_UNLIMITED => None,
        RANGES_NONE => Some(0),
        number => Some(number),
    }
}

/// Cuts the response to what the request's Range field asks for. An error is the status that takes its place.
pub fn apply(r: &mut Request) -> Result<(), Status> {
    if r.status != Status::OK || r.simple {
        return Ok(());
    }
    let Some(range) = r.headers_in.get("Range") else {
        return Ok(());
    };
    if !range.get(..6).is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes=")) {
        return Ok(());
    }
    let multipart = r.content_type.as_ref().is_some_and(|kind| kind.starts_with(b"multipart/byteranges"));
    if multipart || r.headers_out.contains("Content-Range") || matches!(r.body_out, Body::Stream(_) | Body::Empty) {
        return Ok(());
    }
    // What leaves before the end of the body is known cannot be cut.
    if let Body::Pieces(pieces) = &r.body_out
        && pieces.iter().any(|piece| matches!(piece, Piece::Flush))
    {
        return Ok(());
    }
    let core = r.dir.core();
    let most = limit(core.max_ranges, MAX_RANGES);
    if conditional::if_range(r) == Condition::NoMatch {
        return Ok(());
    }
    let Some(length) = r.body_out.length().filter(|length| *length > 0) else {
        return Ok(());
    };
    let list = range.get(6..).unwrap_or_default();
    let Some(asked) = parse(list, length) else {
        return Ok(());
    };
    if asked.spans.is_empty() {
        return if asked.unsatisfiable { Err(Status::RANGE_NOT_SATISFIABLE) } else { Ok(()) };
    }
    if r.logs(Level::Debug, "http") {
        let spans: Vec<String> = asked.spans.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let text = format_args!(
            "AH01583: Range: {} | {} ({} : {} : {length})",
            list.as_bstr(),
            spans.join(","),
            asked.overlaps,
            asked.reversals
        );
        r.log(Level::Debug, "http", text);
    }
    let over = |count: i64, limit: Option<i64>| limit.is_some_and(|limit| count > limit);
    let many = over(asked.spans.len() as i64, most)
        || over(asked.overlaps, limit(core.max_overlaps, MAX_TURNS))
        || over(asked.reversals, limit(core.max_reversals, MAX_TURNS));
    let total: u64 = asked.spans.iter().map(|(first, last)| last - first + 1).sum();
    if many || total > length {
        return Ok(());
    }
    cut(r, &asked.spans, length);
    r.status = Status::PARTIAL_CONTENT;
    r.status_line = None;
    Ok(())
}

fn cut(r: &mut Request, spans: &[Span], length: u64) {
    let body = std::mem::take(&mut r.body_out);
    if let [span] = spans {
        r.body_out = Body::Pieces(slice(&body, *span));
        let size = span.1 - span.0 + 1;
        r.headers_out.set("Content-Range", format!("bytes {}-{}/{length}", span.0, span.1));
        r.headers_out.set("Content-Length", itoa::Buffer::new().format(size));
        return;
    }
    let boundary = boundary();
    let kind = r.content_type.clone();
    let mut pieces = VecDeque::with_capacity(spans.len() * 2 + 1);
    for span in spans {
        pieces.push_back(Piece::Bytes(part_head(boundary, kind.as_ref().map(|kind| kind.as_bstr()), *span, length)));
        pieces.extend(slice(&body, *span));
    }
    pieces.push_back(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    let size: u64 = pieces.iter().map(Piece::len).sum();
    r.body_out = Body::Pieces(pieces);
    r.headers_out.set("Content-Length", itoa::Buffer::new().format(size));
    r.set_content_type(format!("multipart/byteranges; boundary={boundary}"));
}

fn part_head(boundary: &str, kind: Option<&BStr>, span: Span, length: u64) -> Bytes {
    let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
    if let Some(kind) = kind {
        head.extend_from_slice(b"Content-type: ");
        head.extend_from_slice(kind);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-range: bytes {}-{}/{length}\r\n\r\n", span.0, span.1).as_bytes());
    head.into()
}

/// 16 hexadecimal digits that a process keeps.
fn boundary() -> &'static str {
    static BOUNDARY: OnceLock<String> = OnceLock::new();
    BOUNDARY.get_or_init(|| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        format!("{:016x}", hasher.finish())
    })
}

/// The octets `first..=last` of a body that lies in memory or in files.
fn slice(body: &Body, (first, last): Span) -> VecDeque<Piece> {
    let mut out = VecDeque::with_capacity(1);
    let mut at = 0;
    let mut add = |piece: &Piece| {
        let (start, end) = (at, at + piece.len());
        at = end;
        let (from, to) = (first.max(start), (last + 1).min(end));
        if from >= to {
            return;
        }
        match piece {
            Piece::Bytes(bytes) => {
                out.push_back(Piece::Bytes(bytes.slice((from - start) as usize..(to - start) as usize)));
            }
            Piece::File(range) => out.push_back(Piece::File(FileRange {
                file: range.file.clone(),
                offset: range.offset + from - start,
                len: to - from,
            })),
            Piece::Flush => {}
        }
    };
    match body {
        Body::Bytes(bytes) => add(&Piece::Bytes(bytes.clone())),
        Body::File(range) => add(&Piece::File(range.clone())),
        Body::Pieces(pieces) => pieces.iter().for_each(add),
        Body::Empty | Body::Stream(_) => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(list: &str) -> Option<Vec<Span>> {
        parse(list.as_bytes(), 1001).map(|asked| asked.spans)
    }

    #[test]
    fn what_is_asked() {
        for (list, want) in [
            ("0-4", Some(vec![(0, 4)])),
            ("0-4,10-14", Some(vec![(0, 4), (10, 14)])),
            ("-5", Some(vec![(996, 1000)])),
            ("-5000", Some(vec![(0, 1000)])),
            ("0-4,3-9", Some(vec![(0, 9)])),
            ("5-9,0-4", Some(vec![(0, 9)])),
            ("0-", Some(vec![(0, 1000)])),
            ("5-,0-,x", Some(vec![(0, 1000)])),
            ("0-1000,x", None),
            ("2000-", Some(vec![])),
            ("2000-,0-1", Some(vec![(0, 1)])),
            ("1-3,,6-7", Some(vec![(1, 3), (6, 7)])),
            ("990-5000", Some(vec![(990, 1000)])),
            ("-0", None),
            ("5-2", None),
            ("x", None),
            ("1-x", None),
            (" 1 - 3 ", None),
            ("1-3, 5-6", None),
            (",1-3", None),
            ("0-99999999999999999999999", None),
        ] {
            assert_eq!(spans(list), want, "{list}");
        }
    }

    #[test]
    fn merges_are_counted() {
        let asked = parse(b"5-9,0-4", 1001).unwrap();
        assert_eq!((asked.overlaps, asked.reversals), (1, 1));
        let asked = parse(b"0-1,0-1,0-1", 1001).unwrap();
        assert_eq!((asked.overlaps, asked.reversals, asked.spans.len()), (2, 0, 1));
        assert_eq!(parse(b"0-", 0), Some(Asked { unsatisfiable: true, ..Asked::default() }));
    }

    #[test]
    fn slices_cross_pieces() {
        let pieces = [&b"abc"[..], b"def", b"ghi"].map(|text| Piece::Bytes(Bytes::from_static(text)));
        let body = Body::Pieces(pieces.into_iter().collect());
        let text: Vec<u8> = slice(&body, (2, 6))
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.to_vec(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(text, b"cdefg");
    }
}
