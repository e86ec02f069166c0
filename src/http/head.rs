//! A request's head: from bytes to request line and fields (RFC 9112 sections 2 to 5).
//!
//! A head that lies in the buffer whole and is plain goes through httparse. Everything else, and whatever httparse does
//! not like, goes line by line through [`Parser`], which answers as Apache does: same limits, same statuses, same notes
//! and log lines. Manual: HttpProtocolOptions, LimitRequestLine, LimitRequestFieldSize, LimitRequestFields.

use super::request_line;
use crate::config::{CoreServer, HttpOptions, Server};
use crate::log::Level;
use crate::request::{Request, Status};
use bstr::{BString, ByteSlice};

/// What bounds a head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub line: usize,
    pub field_size: usize,
    /// 0: any number.
    pub fields: usize,
    pub options: HttpOptions,
}

impl Limits {
    /// The limits of the server that a connection reached.
    pub fn of(server: &Server) -> Limits {
        Limits {
            line: server.limit_request_line.unwrap_or(8190),
            field_size: server.limit_request_field_size.unwrap_or(8190),
            fields: server.limit_request_fields.unwrap_or(100),
            options: server.settings.of::<CoreServer>().use_strict.unwrap_or_default(),
        }
    }
}

/// How far parsing came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// More bytes are needed.
    More,
    /// The head is complete.
    Done,
    /// The head is bad: answer with this status and close. Notes and log lines are made.
    Bad(Status),
}

/// Blank lines that may precede a request.
pub const BLANK_LINES: usize = 10;

/// The line-by-line parser of one head.
#[derive(Debug, Default)]
pub struct Parser {
    in_fields: bool,
    /// The fields are a trailer section's.
    trailers: bool,
    blank: usize,
    count: usize,
    /// The field that may still be continued by a folded line.
    field: Vec<u8>,
}

impl Parser {
    /// A parser of a trailer section: fields without a request line.
    pub fn trailers() -> Parser {
        Parser { in_fields: true, trailers: true, ..Parser::default() }
    }

    /// Whether a request line was read.
    pub fn in_fields(&self) -> bool {
        self.in_fields
    }

    /// Takes complete lines off the front of `bytes`; says how many octets it took.
    pub fn advance(&mut self, bytes: &[u8], r: &mut Request, limits: &Limits) -> (usize, Step) {
        let mut rest = bytes;
        loop {
            let taken = bytes.len() - rest.len();
            // Apache's limits are of its buffers: a line of one octet more still fits.
            let limit = if self.in_fields { limits.field_size + 1 } else { limits.line + 1 };
            let Some(end) = memchr::memchr(b'\n', rest) else {
                let step = if rest.len() > limit + 1 { self.too_long(rest, r, limits) } else { Step::More };
                return (taken, step);
            };
            let (raw, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let line = raw.strip_suffix(b"\r").unwrap_or(raw);
            let step = if line.len() > limit {
                self.too_long(line, r, limits)
            } else if line.len() == raw.len() && limits.options.strict || line.contains(&0) {
                self.malformed(bytes.get(taken..taken + end + 1).unwrap_or(line), r, limits)
            } else if self.in_fields {
                self.field_line(line, r, limits)
            } else {
                self.first_line(line, r, limits)
            };
            if step != Step::More {
                return (bytes.len() - rest.len(), step);
            }
        }
    }

    fn first_line(&mut self, line: &[u8], r: &mut Request, limits: &Limits) -> Step {
        if line.is_empty() {
            self.blank += 1;
            return if self.blank > BLANK_LINES { self.malformed(line, r, limits) } else { Step::More };
        }
        self.in_fields = true;
        match request_line::parse(line, r, &limits.options) {
            Err(status) => Step::Bad(status),
            Ok(()) if r.simple => Step::Done,
            Ok(()) => Step::More,
        }
    }

    fn field_line(&mut self, line: &[u8], r: &mut Request, limits: &Limits) -> Step {
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if folded {
            if self.field.is_empty() {
                r.log(Level::Debug, "core", format_args!("AH03442: Line folding encountered before first header line"));
                return self.failed(r, Status::BAD_REQUEST);
            }
            let more = line.trim_start_with(|letter| letter == ' ' || letter == '\t');
            if more.is_empty() {
                r.log(Level::Debug, "core", format_args!("AH03443: Empty folded line encountered"));
                return self.failed(r, Status::BAD_REQUEST);
            }
            if self.field.len() + more.len() + 3 > limits.field_size {
                let name = name_of(&self.field);
                let text = format_args!("AH00562: Request header exceeds LimitRequestFieldSize after folding: {name}");
                r.log(Level::Info, "core", text);
                r.notes.set("error-notes", TOO_BIG);
                return self.failed(r, Status::BAD_REQUEST);
            }
            self.field.push(b' ');
            self.field.extend_from_slice(more);
            return Step::More;
        }
        if !self.field.is_empty() {
            let field = std::mem::take(&mut self.field);
            let stored = self.store(&field, r, limits);
            self.field = field;
            self.field.clear();
            if let Err(status) = stored {
                return self.failed(r, status);
            }
        }
        if line.is_empty() {
            return self.merged(r, limits);
        }
        self.count += 1;
        if limits.fields != 0 && self.count > limits.fields {
            r.log(Level::Info, "core", format_args!("AH00563: Number of request headers exceeds LimitRequestFields"));
            r.notes.set("error-notes", "The number of request header fields exceeds this server's limit.");
            return self.failed(r, Status::BAD_REQUEST);
        }
        self.field.extend_from_slice(line);
        Step::More
    }

    /// The end of the head: fields of one name are one, and must not be too long together.
    fn merged(&self, r: &mut Request, limits: &Limits) -> Step {
        let Some((name, _)) = r.headers_in.iter().find(|(_, value)| value.len() > limits.field_size) else {
            return Step::Done;
        };
        let name = name_of(name);
        let text = format_args!("AH00560: Request header exceeds LimitRequestFieldSize after merging: {name}");
        r.log(Level::Info, "core", text);
        r.notes.set("error-notes", TOO_BIG);
        self.failed(r, Status::BAD_REQUEST)
    }

    fn failed(&self, r: &Request, status: Status) -> Step {
        if !self.trailers {
            r.log(Level::Debug, "core", format_args!("AH00567: request failed: error reading the headers"));
        }
        Step::Bad(status)
    }

    fn store(&self, field: &[u8], r: &mut Request, limits: &Limits) -> Result<(), Status> {
        match split_field(field, limits.options.strict) {
            Ok((name, value)) => {
                r.headers_in.merge(name, value);
                Ok(())
            }
            Err(BadField::Name) => {
                let text = format_args!("AH02426: Request header field name is malformed: {}", excerpt(field));
                r.log(Level::Debug, "core", text);
                Err(Status::BAD_REQUEST)
            }
            Err(BadField::Value(value)) => {
                let text = format_args!("AH02427: Request header value is malformed: {}", excerpt(value));
                r.log(Level::Debug, "core", text);
                Err(Status::BAD_REQUEST)
            }
        }
    }

    fn too_long(&mut self, line: &[u8], r: &mut Request, limits: &Limits) -> Step {
        if !self.in_fields {
            r.the_request = line.get(..limits.line + 1).unwrap_or(line).into();
            let text = format_args!(
                "AH00565: request failed: client's request-line exceeds LimitRequestLine (longer than {})",
                limits.line
            );
            r.log(Level::Info, "core", text);
            request_line::after_failure(r);
            return Step::Bad(Status::REQUEST_URI_TOO_LARGE);
        }
        let text = format_args!("AH00561: Request header exceeds LimitRequestFieldSize: {}", name_of(line));
        r.log(Level::Info, "core", text);
        r.notes.set("error-notes", TOO_BIG);
        self.failed(r, Status::BAD_REQUEST)
    }

    /// A bare LF where it is not allowed, or a NUL.
    fn malformed(&mut self, line: &[u8], r: &mut Request, limits: &Limits) -> Step {
        if self.in_fields {
            let text = format_args!("Failed to read request header line {}", excerpt(line.trim_end()));
            r.log(Level::Debug, "core", text);
            return self.failed(r, Status::BAD_REQUEST);
        }
        // As far as a C string goes, with its line feed where that was what is wrong.
        let line = line.split_str(b"\0").next().unwrap_or_default();
        r.the_request = line.get(..limits.line + 1).unwrap_or(line).into();
        r.log(Level::Debug, "core", format_args!("AH00566: request failed: malformed request line"));
        request_line::after_failure(r);
        Step::Bad(Status::BAD_REQUEST)
    }
}

const TOO_BIG: &str = "Size of a request header field exceeds server limit.";

/// The name of a field line, cut to what a log line bears.
fn name_of(field: &[u8]) -> BString {
    let name = field.split_str(":").next().unwrap_or_default();
    name.get(..80).unwrap_or(name).into()
}

fn excerpt(text: &[u8]) -> BString {
    text.get(..80).unwrap_or(text).into()
}

#[derive(Debug, PartialEq)]
enum BadField<'a> {
    Name,
    Value(&'a [u8]),
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn split_field(field: &[u8], strict: bool) -> Result<(&[u8], &[u8]), BadField<'_>> {
    let blank = |letter: char| letter == ' ' || letter == '\t';
    let colon = memchr::memchr(b':', field).ok_or(BadField::Name)?;
    let (name, value) = field.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_with(blank);
    let bad = |byte: &u8| if strict { !is_token(*byte) } else { matches!(*byte, b' ' | b'\t' | b'\n'..=b'\r') };
    if name.is_empty() || name.iter().any(bad) {
        return Err(BadField::Name);
    }
    let bad = |byte: &u8| match strict {
        true => *byte < b' ' && *byte != b'\t' || *byte == 0x7f,
        false => matches!(*byte, b'\n'..=b'\r'),
    };
    if value.iter().any(bad) {
        return Err(BadField::Value(value));
    }
    Ok((name, value))
}

/// Parses a whole, plain head at once. None: not whole, or not plain; nothing was changed then.
pub fn fast(bytes: &[u8], r: &mut Request, limits: &Limits) -> Option<usize> {
    const FIELDS: usize = 64;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = head.parse(bytes) else {
        return None;
    };
    let raw = bytes.get(..len)?;
    // What httparse lets pass and Apache does not: lines that end in a bare LF, and any limit.
    if raw.len() > limits.line.min(limits.field_size) || limits.fields != 0 && head.headers.len() > limits.fields {
        return None;
    }
    // As many bare line feeds as lines that end in CR LF: one of each for each line, and the empty one.
    let count = |wanted: u8| {
        raw.chunks(255).map(|part| usize::from(part.iter().fold(0u8, |n, b| n + u8::from(*b == wanted)))).sum::<usize>()
    };
    let lines = head.headers.len() + 2;
    if count(b'\n') != lines || count(b'\r') != lines {
        return None;
    }
    let (method, target, minor) = (head.method?, head.path?, head.version?);
    let line_len = method.len() + target.len() + 10;
    let line = raw.get(..line_len)?;
    // The lengths agree only when single spaces stand between and nothing before.
    if raw.get(line_len) != Some(&b'\r') || !target.starts_with('/') {
        return None;
    }
    if !request_line::plain(line, method.as_bytes(), target.as_bytes(), u32::from(minor), r, &limits.options) {
        return None;
    }
    let block = raw.get(line_len + 2..).unwrap_or_default();
    let fields = head.headers.iter().map(|field| (field.name.as_bytes(), field.value.trim_ascii()));
    if !r.headers_in.adopt(block, fields.clone()) {
        fields.for_each(|(name, value)| r.headers_in.merge(name, value));
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;

    #[test]
    fn fields() {
        assert_eq!(split_field(b"A:  b\t", true), Ok((&b"A"[..], &b"b"[..])));
        assert_eq!(split_field(b"A:", true), Ok((&b"A"[..], &b""[..])));
        assert_eq!(split_field(b"A : b", true), Err(BadField::Name));
        assert_eq!(split_field(b"A : b", false), Err(BadField::Name));
        assert_eq!(split_field(b"A(: b\x01", false), Ok((&b"A("[..], &b"b\x01"[..])));
        assert_eq!(split_field(b": b", true), Err(BadField::Name));
        assert_eq!(split_field(b"A", true), Err(BadField::Name));
        assert_eq!(split_field(b"A: b\rc", true), Err(BadField::Value(b"b\rc")));
        assert_eq!(split_field(b"A: \xff\t.", true), Ok((&b"A"[..], &b"\xff\t."[..])));
    }

    #[test]
    fn names_for_the_log_are_cut() {
        assert_eq!(name_of(b"Long: x"), "Long");
        assert_eq!(name_of(&[b'a'; 100]).len(), 80);
    }

    fn blank() -> Request {
        let mut r = testing::request();
        r.headers_in.clear();
        r.hostname = None;
        r
    }

    /// Parses line by line, shown `span` more octets at a time.
    fn slow(bytes: &[u8], span: usize) -> (Request, Step) {
        let (mut r, mut parser, limits) = (blank(), Parser::default(), Limits::of(&testing::server()));
        let (mut at, mut shown) = (0, 0);
        loop {
            shown = (shown + span).min(bytes.len());
            let (used, step) = parser.advance(&bytes[at..shown], &mut r, &limits);
            at += used;
            if step != Step::More || shown == bytes.len() {
                return (r, step);
            }
        }
    }

    fn facts(r: &Request) -> String {
        let target = (&r.unparsed_uri, &r.uri, &r.args);
        format!("{:?} {:?} {:?} {target:?} {:?}", r.the_request, r.method, r.protocol, r.headers_in)
    }

    #[test]
    fn both_ways_read_the_same() {
        let limits = Limits::of(&testing::server());
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /a?b=c HTTP/1.0\r\nA: 1\r\na:2 \r\nB:\r\n\r\n",
            "FOO /%41 HTTP/1.1\r\nX:\t\u{80}\t\r\n\r\n",
        ] {
            let mut r = blank();
            assert_eq!(fast(head.as_bytes(), &mut r, &limits), Some(head.len()), "{head}");
            for span in [1, 7, head.len()] {
                let (other, step) = slow(head.as_bytes(), span);
                assert_eq!((step, facts(&other)), (Step::Done, facts(&r)), "{head} {span}");
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_slow_way() {
        let limits = Limits::of(&testing::server());
        for head in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            "GET /#a HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\nA",
        ] {
            let mut r = blank();
            assert_eq!(fast(head.as_bytes(), &mut r, &limits), None, "{head}");
            assert_eq!(facts(&r), facts(&blank()), "{head}");
        }
    }

    #[test]
    fn refusals() {
        for (head, status) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\n", 400),
            ("GET / HTTP/0.9\r\n", 400),
            ("GET / FOO/1.1\r\n", 400),
            ("GET * HTTP/1.1\r\n", 400),
            ("G(T / HTTP/1.1\r\n", 400),
            ("POST /\r\n", 400),
            ("GET /\0 HTTP/1.1\r\n", 400),
            ("GET http://u@a/ HTTP/1.1\r\n", 400),
        ] {
            assert_eq!(slow(head.as_bytes(), 5).1, Step::Bad(Status(status)), "{head}");
        }
        let long = format!("GET /{} HTTP/1.1", "a".repeat(8200));
        assert_eq!(slow(long.as_bytes(), 1000).1, Step::Bad(Status::REQUEST_URI_TOO_LARGE));
        let wide = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(8200));
        let (r, step) = slow(wide.as_bytes(), 1000);
        assert_eq!(step, Step::Bad(Status::BAD_REQUEST));
        assert_eq!(r.notes.get("error-notes"), Some(TOO_BIG.into()));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
        assert_eq!(slow(many.as_bytes(), 1000).1, Step::Bad(Status::BAD_REQUEST));
    }
}
