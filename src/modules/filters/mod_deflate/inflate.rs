//! The decompressor: for responses that must be changed or whose client cannot read gzip, and for request bodies.

use super::super::coding::{AlterETag, alter};
use super::{DeflateDir, DeflateServer};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::request::{Body, Fault, FilterContext, Piece, Request, Source, Status};
use bstr::ByteSlice;
use bytes::Bytes;
use zlib_rs::{Inflate, InflateFlush, Status as Zlib};

/// The output filter INFLATE.
pub(super) fn response(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if r.is_sub() || (body.is_empty() && (r.status != Status::OK || r.header_only)) {
        return Ok(body);
    }
    let field = r.headers_out.get("Content-Encoding").or(r.content_encoding.as_ref().map(|coding| coding.as_bstr()));
    let Some(rest) = field.and_then(without_gzip) else { return Ok(body) };
    if body.is_empty() {
        r.log(Level::Error, "deflate", format_args!("AH01401: Zlib: Validation bytes not present"));
        return Err(Status::INTERNAL_SERVER_ERROR);
    }
    let from_field = r.headers_out.contains("Content-Encoding");
    match (rest.is_empty(), from_field) {
        (true, true) => {
            r.headers_out.unset("Content-Encoding");
        }
        (false, true) => r.headers_out.set("Content-Encoding", rest),
        (empty, false) => r.content_encoding = (!empty).then(|| rest.into()),
    }
    for name in ["Content-Length", "Content-MD5"] {
        r.headers_out.unset(name);
    }
    r.content_length = None;
    let choice = r.server::<DeflateServer>().etag.unwrap_or(AlterETag::AddSuffix);
    alter(r, choice, "gunzip");
    Ok(Body::Stream(Box::new(Inflater::new(body, r, u64::MAX))))
}

/// The input filter DEFLATE.
pub(super) fn request(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if !r.is_initial() {
        return Ok(body);
    }
    let Some(rest) = r.headers_in.get("Content-Encoding").and_then(without_gzip) else { return Ok(body) };
    if rest.is_empty() {
        r.headers_in.unset("Content-Encoding");
    } else {
        r.headers_in.set("Content-Encoding", rest);
    }
    r.headers_in.unset("Content-Length");
    r.headers_in.unset("Content-MD5");
    let limit = r.dir::<DeflateDir>().limit.or(r.dir::<crate::config::CoreDir>().limit_request_body);
    Ok(Body::Stream(Box::new(Inflater::new(body, r, limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX)))))
}

/// The codings without a final gzip; None where gzip is not the last.
fn without_gzip(field: &bstr::BStr) -> Option<Vec<u8>> {
    let (rest, last) = match field.rfind_byte(b',') {
        Some(comma) => (field[..comma].trim_ascii(), field[comma + 1..].trim_ascii()),
        None => (&b""[..], field.trim_ascii()),
    };
    let gzip = last.eq_ignore_ascii_case(b"gzip") || last.eq_ignore_ascii_case(b"x-gzip");
    gzip.then(|| rest.to_vec())
}

struct Inflater {
    inner: Body,
    stream: Inflate,
    /// Compressed octets not yet taken.
    pending: Vec<u8>,
    out_size: usize,
    limit: u64,
    ratio_limit: u64,
    ratio_burst: u32,
    bursts: u32,
    total_in: u64,
    done: bool,
}

/// Inflated octets below which the ratio is not looked at.
const RATIO_FROM: u64 = 64 * 1024;

impl Inflater {
    fn new(inner: Body, r: &Request, limit: u64) -> Inflater {
        let dir = r.dir::<DeflateDir>();
        Inflater {
            inner,
            // 16 more than the window: a gzip header is expected and its checksum verified.
            stream: Inflate::new(true, 15 + 16),
            pending: Vec::new(),
            out_size: r.server::<DeflateServer>().buffer.unwrap_or(8096).max(512),
            limit,
            ratio_limit: dir.ratio.unwrap_or(200),
            ratio_burst: dir.burst.unwrap_or(3),
            bursts: 0,
            total_in: 0,
            done: false,
        }
    }

    fn decode(&mut self, r: &Request) -> Result<Bytes, Fault> {
        let mut out = vec![0; self.out_size];
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let result = self.stream.decompress(&self.pending, &mut out, InflateFlush::NoFlush);
        let took = (self.stream.total_in() - before_in) as usize;
        let gave = (self.stream.total_out() - before_out) as usize;
        self.pending.drain(..took.min(self.pending.len()));
        out.truncate(gave);
        match result {
            Ok(Zlib::StreamEnd) => self.done = true,
            Ok(_) => {}
            Err(error) => {
                let text = format!("AH01392: Zlib error inflating data ({error:?})");
                r.log(Level::Error, "deflate", format_args!("{text}"));
                return Err(Fault::client(Status::BAD_REQUEST, text));
            }
        }
        self.check(r)?;
        Ok(out.into())
    }

    /// Enforces the limits on inflated size and ratio.
    fn check(&mut self, r: &Request) -> Result<(), Fault> {
        let total = self.stream.total_out();
        let refuse = |text: String| {
            r.log(Level::Error, "deflate", format_args!("{text}"));
            Err(Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, text))
        };
        if total > self.limit {
            return refuse(format!(
                "AH02648: Inflated content length of {total} is larger than the configured limit of {}",
                self.limit
            ));
        }
        if total > RATIO_FROM && total / self.stream.total_in().max(1) > self.ratio_limit {
            self.bursts += 1;
            if self.bursts > self.ratio_burst {
                return refuse(format!(
                    "AH02805: Inflated content ratio is larger than the configured limit {} by {} time(s)",
                    self.ratio_limit, self.ratio_burst
                ));
            }
        } else {
            self.bursts = 0;
        }
        Ok(())
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        loop {
            if self.done {
                return Ok(None);
            }
            if !self.pending.is_empty() {
                let before = self.pending.len();
                let bytes = self.decode(r)?;
                if !bytes.is_empty() {
                    return Ok(Some(Piece::Bytes(bytes)));
                }
                if self.pending.len() < before {
                    continue;
                }
            }
            match self.inner.next(r).await? {
                Some(Piece::Bytes(bytes)) => {
                    self.total_in += bytes.len() as u64;
                    self.pending.extend_from_slice(&bytes);
                }
                Some(Piece::File(range)) => {
                    let mut chunk = vec![0; range.len.min(32 * 1024) as usize];
                    let read = range.file.read_at(&mut chunk, range.offset);
                    let read = read
                        .map_err(|error| Fault::ours(format!("AH10298: failed reading from FILE bucket: {error}")))?;
                    self.pending.extend_from_slice(chunk.get(..read).unwrap_or_default());
                    let mut rest = range;
                    rest.offset += read as u64;
                    rest.len -= read as u64;
                    if read > 0 && rest.len > 0 {
                        let behind = std::mem::take(&mut self.inner);
                        self.inner = Body::Stream(Box::new(Then { first: Some(Piece::File(rest)), behind }));
                    }
                }
                Some(Piece::Flush) => {}
                None if self.total_in == 0 && self.stream.total_in() == 0 => {
                    self.done = true;
                }
                None => {
                    let text = "AH02481: Encountered premature end-of-stream while inflating";
                    r.log(Level::Error, "deflate", format_args!("{text}"));
                    return Err(Fault::client(Status::BAD_REQUEST, text));
                }
            }
        }
    }
}

/// One piece before the rest of a body.
struct Then {
    first: Option<Piece>,
    behind: Body,
}

impl Source for Then {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            match self.first.take() {
                Some(piece) => Ok(Some(piece)),
                None => self.behind.next(r).await,
            }
        })
    }
}

impl Source for Inflater {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
