//! What filters that code a body anew have in common: which bodies may be coded, and what becomes of the ETag.

use crate::request::Request;
use bstr::{BString, ByteSlice};

/// What an ETag becomes when the body is coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AlterETag {
    AddSuffix,
    NoChange,
    Remove,
}

/// Codings already applied to the body that leave it compressible.
pub(super) fn is_plain(coding: &[u8]) -> bool {
    [&b"identity"[..], b"7bit", b"8bit", b"binary"].iter().any(|plain| coding.eq_ignore_ascii_case(plain))
}

/// Whether nothing has compressed the body yet.
pub(super) fn is_compressible(r: &Request) -> bool {
    let fields = [r.headers_out.get("Content-Encoding"), r.err_headers_out.get("Content-Encoding")];
    let codings = fields.into_iter().flatten().chain(r.content_encoding.as_ref().map(|coding| coding.as_bstr()));
    let mut tokens = codings.flat_map(|field| field.split(|byte| *byte == b',')).map(|token| token.trim_ascii());
    tokens.all(|token| token.is_empty() || is_plain(token))
}

/// Makes the ETag of a variant another one: `-gzip` or the like behind it.
pub(super) fn alter(r: &mut Request, choice: AlterETag, suffix: &str) {
    let Some(etag) = r.headers_out.get("ETag").map(BString::from) else { return };
    match choice {
        AlterETag::NoChange => {}
        AlterETag::Remove => {
            r.headers_out.unset("ETag");
        }
        AlterETag::AddSuffix => {
            if let Some(bare) = etag.strip_suffix(b"\"").filter(|bare| bare.len() > 1) {
                r.headers_out.set("ETag", [bare, b"-", suffix.as_bytes(), b"\""].concat());
            }
        }
    }
}
