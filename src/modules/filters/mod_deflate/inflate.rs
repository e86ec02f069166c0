//! The decompressor: for responses that must be changed or whose client cannot read gzip, and for request bodies.

use super::super::coding::{AlterETag, alter};
use super::super::octets::{Next, Octets};
use super::{DeflateDir, DeflateServer, LEAST_INFLATE_WINDOW};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::request::{Body, Fault, FilterContext, Piece, Request, Source, Status};
use bstr::ByteSlice;
use bytes::{Buf, BytesMut};
use zlib_rs::{Inflate, InflateFlush, Status as Zlib};

/// The output filter INFLATE.
pub(super) fn response(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if r.is_sub() || (body.is_empty() && r.status != Status::OK) {
        return Ok(body);
    }
    let field = r.headers_out.get("Content-Encoding").or(r.content_encoding.as_ref().map(|coding| coding.as_bstr()));
    let Some(rest) = field.and_then(without_gzip) else { return Ok(body) };
    if body.is_empty() {
        r.log(
            Level::Debug,
            "deflate",
            format_args!("AH01398: Zlib: Inflated 0 to 0 : URL {}", crate::log::raw(&r.uri)),
        );
        r.log(Level::Error, "deflate", format_args!("AH01401: Zlib: Validation bytes not present"));
        return Err(Status::INTERNAL_SERVER_ERROR);
    }
    let window = r.server::<DeflateServer>().window();
    let from_field = r.headers_out.contains("Content-Encoding");
    match (rest.is_empty(), from_field) {
        (true, true) => {
            r.headers_out.unset("Content-Encoding");
        }
        (false, true) => r.headers_out.set("Content-Encoding", rest),
        (empty, false) => r.content_encoding = (!empty).then(|| rest.into()),
    }
    let choice = r.server::<DeflateServer>().etag.unwrap_or(AlterETag::AddSuffix);
    alter(r, choice, "gunzip");
    if window < LEAST_INFLATE_WINDOW {
        let text =
            format_args!("AH01397: unable to init Zlib: inflateInit2 returned -2: URL {}", crate::log::raw(&r.uri));
        r.log(Level::Error, "deflate", text);
        return Ok(body);
    }
    for name in ["Content-Length", "Content-MD5"] {
        r.headers_out.unset(name);
    }
    r.content_length = None;
    Ok(Body::Stream(Box::new(Inflater::new(body, r, u64::MAX, &RESPONSE))))
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
    // Zero is as good as nothing for both.
    let own = r.dir::<DeflateDir>().limit.filter(|limit| *limit > 0);
    let limit = own.or(r.dir::<crate::config::CoreDir>().limit_request_body).filter(|limit| *limit > 0);
    Ok(Body::Stream(Box::new(Inflater::new(body, r, limit.unwrap_or(u64::MAX), &REQUEST))))
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

/// What differs between the two directions.
struct Side {
    bad_header: &'static str,
    bad_flags: &'static str,
    bad_sum: &'static str,
    bad_data: &'static str,
    bad_ratio: &'static str,
    /// A stream that ends before its time is an error of its own.
    must_end: bool,
}

static REQUEST: Side = Side {
    bad_header: "AH01387: Zlib: Invalid header",
    bad_flags: "AH01388: Zlib: Invalid flags",
    bad_sum: "AH01394: Zlib: CRC error inflating data",
    bad_data: "AH01392: Zlib error",
    bad_ratio: "AH02649",
    must_end: true,
};

static RESPONSE: Side = Side {
    bad_header: "AH01405: inflate: bad header",
    bad_flags: "AH02620: inflate: bad flags",
    bad_sum: "AH01399: Zlib: Checksum of inflated stream invalid",
    bad_data: "AH01409: Zlib error",
    bad_ratio: "AH02650",
    must_end: false,
};

/// Where in a gzip member (RFC 1952) the stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Header,
    Data,
    Trailer,
    End,
    /// No member at all: what comes is passed on.
    Plain,
}

struct Inflater {
    inner: Octets,
    side: &'static Side,
    at: At,
    stream: Inflate,
    /// No stream can have the window that is set.
    too_narrow: bool,
    /// A full buffer was passed on before the stream ended: the length is not told.
    passed: bool,
    sum: u32,
    trailer: [u8; TRAILER],
    validated: bool,
    /// Compressed octets not yet taken.
    pending: BytesMut,
    out: Vec<u8>,
    out_size: usize,
    limit: u64,
    ratio_limit: u64,
    ratio_burst: u32,
    bursts: u32,
}

/// Octets that are inflated before they are passed on, at most, whatever DeflateBufferSize says.
const LARGEST_PIECE: usize = 1 << 20;
/// What every member begins with, before what its flags add.
const FIXED_HEADER: usize = 10;
/// Sum and length at the end of a member.
const TRAILER: usize = 8;

impl Inflater {
    fn new(inner: Body, r: &Request, limit: u64, side: &'static Side) -> Inflater {
        let dir = r.dir::<DeflateDir>();
        let too_narrow = r.server::<DeflateServer>().window() < LEAST_INFLATE_WINDOW;
        Inflater {
            inner: Octets::new(inner),
            side,
            at: At::Header,
            // Streams of wider windows than the one set are none the worse.
            stream: Inflate::new(false, 15),
            too_narrow,
            passed: false,
            sum: 0,
            trailer: [0; TRAILER],
            validated: false,
            pending: BytesMut::new(),
            out: Vec::new(),
            out_size: r.server::<DeflateServer>().buffer.unwrap_or(8096).clamp(1, LARGEST_PIECE),
            limit,
            ratio_limit: dir.ratio.unwrap_or(200),
            ratio_burst: dir.burst.unwrap_or(3),
            bursts: 0,
        }
    }

    fn refuse<T>(&self, r: &Request, status: Status, errno: i32, text: String) -> Result<T, Fault> {
        r.log(Level::Warn, "deflate", format_args!("{text}"));
        Err(match self.side.must_end {
            true => Fault::client(status, text).errno(errno),
            false => Fault::ours(text),
        })
    }

    fn broken<T>(&self, r: &Request, text: String) -> Result<T, Fault> {
        if self.side.must_end {
            return self.refuse(r, Status::BAD_REQUEST, GENERAL, text);
        }
        r.log(Level::Error, "deflate", format_args!("{text}"));
        Err(Fault::ours(text))
    }

    /// What was inflated, once it fills a buffer or nothing more comes.
    fn give(&mut self) -> Option<Piece> {
        Some(std::mem::take(&mut self.out)).filter(|out| !out.is_empty()).map(|out| Piece::Bytes(out.into()))
    }

    /// Takes what is pending as far as it goes. True: the buffer is full.
    fn step(&mut self, r: &Request) -> Result<bool, Fault> {
        loop {
            match self.at {
                At::Header => match header_length(&self.pending, self.side.must_end) {
                    Header::Whole(length) => {
                        self.pending.advance(length);
                        self.at = At::Data;
                        if self.too_narrow {
                            let text = "AH01389: unable to init Zlib: inflateInit2 returned -2: URL";
                            r.log(Level::Error, "deflate", format_args!("{text} {}", crate::log::raw(&r.uri)));
                            self.at = At::Plain;
                        }
                    }
                    Header::More => return Ok(false),
                    // A response that is none of gzip's stays as it is.
                    Header::NotDeflated => {
                        r.log(Level::Debug, "deflate", format_args!("AH01404: inflate: data not deflated!"));
                        self.at = At::Plain;
                    }
                    Header::Invalid => return self.broken(r, self.side.bad_header.to_owned()),
                    Header::Flags(flags) => return self.broken(r, format!("{} {flags:02x}", self.side.bad_flags)),
                },
                At::Data if self.pending.is_empty() => return Ok(false),
                At::Data if self.out.len() >= self.out_size => {
                    self.passed = true;
                    return Ok(true);
                }
                At::Data => self.decode(r)?,
                At::Trailer => {
                    let Some(trailer) = self.pending.first_chunk::<TRAILER>() else { return Ok(false) };
                    self.trailer = *trailer;
                    self.pending.advance(TRAILER);
                    self.at = At::End;
                    if self.side.must_end {
                        self.validate(r)?;
                    } else if !self.pending.is_empty() {
                        let count = self.pending.len();
                        let text =
                            format_args!("AH01408: Zlib: {count} bytes of garbage at the end of compressed stream.");
                        r.log(Level::Debug, "deflate", text);
                        self.pending.clear();
                    }
                }
                At::End if self.pending.is_empty() => return Ok(false),
                At::End if self.side.must_end => {
                    let text = "AH02485: Encountered extra data after compressed data";
                    r.log(Level::Error, "deflate", format_args!("{text}"));
                    return Err(Fault::client(Status::BAD_REQUEST, text).errno(GENERAL));
                }
                At::End => {
                    let count = self.pending.len();
                    let text = format_args!("AH01407: Zlib: {count} bytes of garbage at the end of compressed stream.");
                    r.log(Level::Info, "deflate", text);
                    self.pending.clear();
                }
                At::Plain => {
                    self.out.extend_from_slice(&self.pending.split());
                    return Ok(!self.out.is_empty());
                }
            }
        }
    }

    /// Whether the stream is what its sum and length say.
    fn validate(&self, r: &Request) -> Result<(), Fault> {
        self.tell(r);
        let [a, b, c, d, e, f, g, h] = self.trailer;
        let (sum, length) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if sum != self.sum {
            return self.broken(r, self.side.bad_sum.to_owned());
        }
        let total = self.stream.total_out();
        if length == total as u32 {
            return Ok(());
        }
        self.broken(
            r,
            match self.side.must_end {
                true => {
                    format!("AH01395: Zlib: Length {total} of inflated data does not match expected value {length}")
                }
                false => "AH01400: Zlib: Length of inflated stream invalid".to_owned(),
            },
        )
    }

    /// Logs what became of what.
    fn tell(&self, r: &Request) {
        let (input, output) = (self.stream.total_in(), self.stream.total_out());
        let tag = if self.side.must_end { "AH01393" } else { "AH01398" };
        r.log(
            Level::Debug,
            "deflate",
            format_args!("{tag}: Zlib: Inflated {input} to {output} : URL {}", crate::log::raw(&r.uri)),
        );
    }

    fn decode(&mut self, r: &Request) -> Result<(), Fault> {
        let at = self.out.len();
        self.out.resize(self.out_size, 0);
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let room = self.out.get_mut(at..).unwrap_or_default();
        let result = self.stream.decompress(&self.pending, room, InflateFlush::NoFlush);
        let took = (self.stream.total_in() - before_in) as usize;
        let gave = (self.stream.total_out() - before_out) as usize;
        self.pending.advance(took.min(self.pending.len()));
        self.out.truncate(at + gave);
        self.sum = zlib_rs::crc32::crc32(self.sum, self.out.get(at..).unwrap_or_default());
        match result {
            Ok(Zlib::StreamEnd) => self.at = At::Trailer,
            Ok(_) => {}
            Err(error) => {
                let why = self.stream.error_message().unwrap_or(error.as_str());
                let text = format!("{} -3 inflating data ({why})", self.side.bad_data);
                return self.refuse(r, Status::BAD_REQUEST, GENERAL, text);
            }
        }
        self.check(r)
    }

    /// Enforces the limits on inflated size and ratio.
    fn check(&mut self, r: &Request) -> Result<(), Fault> {
        let (total_in, total) = (self.stream.total_in(), self.stream.total_out());
        if total > self.limit {
            let text = format!(
                "AH02648: Inflated content length of {total} is larger than the configured limit of {}",
                self.limit
            );
            return self.refuse(r, Status::REQUEST_ENTITY_TOO_LARGE, libc::ENOSPC, text);
        }
        match total.checked_div(total_in) {
            Some(ratio) if ratio >= self.ratio_limit => self.bursts += 1,
            Some(_) => self.bursts = 0,
            None => {}
        }
        if self.bursts > self.ratio_burst {
            let text = format!(
                "{}: Inflated content ratio is larger than the configured limit {} by {} time(s)",
                self.side.bad_ratio, self.ratio_limit, self.ratio_burst
            );
            return self.refuse(r, Status::BAD_REQUEST, libc::EINVAL, text);
        }
        Ok(())
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        loop {
            if self.step(r)? {
                return Ok(self.give());
            }
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => self.pending.extend_from_slice(&bytes),
                Next::Flush => return Ok(Some(self.give().unwrap_or(Piece::Flush))),
                Next::End if self.at == At::End && !self.side.must_end && !self.validated => {
                    self.validated = true;
                    self.validate(r)?;
                    return Ok(self.give());
                }
                Next::End if matches!(self.at, At::End | At::Plain) => return Ok(self.give()),
                Next::End if self.at == At::Header && self.pending.is_empty() => {
                    self.at = At::End;
                    return Ok(None);
                }
                Next::End if self.side.must_end => {
                    let text = match self.at {
                        At::Header if self.pending.len() < FIXED_HEADER => {
                            "AH02619: Encountered premature end-of-stream while reading inflate header"
                        }
                        _ => "AH02481: Encountered premature end-of-stream while inflating",
                    };
                    r.log(Level::Error, "deflate", format_args!("{text}"));
                    return Err(Fault::client(Status::BAD_REQUEST, text).errno(GENERAL));
                }
                Next::End => {
                    (self.at, self.validated) = (At::End, true);
                    self.tell(r);
                    r.log(Level::Error, "deflate", format_args!("AH01401: Zlib: Validation bytes not present"));
                    return Err(Fault::ours("AH01401: Zlib: Validation bytes not present"));
                }
            }
        }
    }
}

/// Error number of the portable runtime for what has no other.
const GENERAL: i32 = 20014;

/// What stands before the data.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    Whole(usize),
    More,
    /// Another method, of a response.
    NotDeflated,
    Invalid,
    /// Reserved bits are set; with its sign, as logs show it.
    Flags(i32),
}

/// The length of the header at the beginning of a member (RFC 1952, section 2.3). Nobody asks for the method of a request.
fn header_length(bytes: &[u8], of_request: bool) -> Header {
    let Some(&[one, two, method, flags, ..]) = bytes.first_chunk::<FIXED_HEADER>() else { return Header::More };
    if method != 8 && !of_request {
        return Header::NotDeflated;
    }
    if [one, two] != [0x1f, 0x8b] {
        return Header::Invalid;
    }
    if flags & 0xe0 != 0 {
        return Header::Flags(i32::from(flags as i8));
    }
    let mut at = FIXED_HEADER;
    if flags & 4 != 0 {
        let Some(&[low, high]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else { return Header::More };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    // A name and a comment, each up to a NUL.
    for bit in [8, 16] {
        if flags & bit != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| rest.find_byte(0)) else { return Header::More };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    if bytes.len() < at { Header::More } else { Header::Whole(at) }
}

impl Source for Inflater {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn measurable(&self) -> bool {
        !self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_members() {
        let member = |flags: u8, rest: &[u8]| [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], rest].concat();
        assert_eq!(header_length(&member(0, b""), false), Header::Whole(10));
        assert_eq!(header_length(&member(4 | 8 | 16 | 2, b"\x02\0ab name\0comment\0cc"), false), Header::Whole(30));
        assert_eq!(header_length(&member(8, b"name"), false), Header::More);
        assert_eq!(header_length(&member(0x20, b""), false), Header::Flags(0x20));
        assert_eq!(header_length(&member(0x80, b""), false), Header::Flags(-128));
        assert_eq!(header_length(b"hello, world", false), Header::NotDeflated);
        assert_eq!(header_length(b"hello, world", true), Header::Invalid);
        assert_eq!(header_length(b"\x1f\x8b\x09\0\0\0\0\0\0\x03", true), Header::Whole(10));
        assert_eq!(header_length(b"\x1f\x8a\x08\0\0\0\0\0\0\x03", false), Header::Invalid);
    }
}
