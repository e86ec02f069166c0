//! LogFormat, compiled: a flat list of pieces, each of which appends its text to the line.

use super::json::Json;
use crate::config::Providers;
use crate::log::clock::{self, Civil};
use crate::log::escape_access;
use crate::module::LogItem;
use crate::request::{Request, Table};
use crate::server::{self, Want};
use bstr::{BStr, BString, ByteSlice};
use std::io::Write;
use std::sync::atomic::Ordering;

/// A compiled format.
#[derive(Clone)]
pub(super) enum Format {
    Line(Vec<Piece>),
    Json(Json),
}

impl Default for Format {
    fn default() -> Format {
        Format::Line(Vec::new())
    }
}

#[derive(Clone)]
pub(super) enum Piece {
    Literal(BString),
    Item(Item),
}

#[derive(Clone)]
pub(super) struct Item {
    what: What,
    /// Asks the request as the client sent it, not the one that internal redirects led to.
    original: bool,
    statuses: Option<Box<Statuses>>,
}

/// `%!200,304`: on which statuses the item is shown.
#[derive(Clone, Default)]
struct Statuses {
    listed: Vec<u16>,
    except: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fields {
    In,
    TrailersIn,
    TrailersOut,
    Env,
    Notes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Port {
    Canonical,
    Local,
    Remote,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Begin,
    End,
}

#[derive(Clone, Debug)]
enum Time {
    Common,
    Seconds,
    Milliseconds,
    Microseconds,
    MillisecondFraction,
    MicrosecondFraction,
    Strftime(BString),
}

#[derive(Clone)]
enum What {
    /// Always the same text.
    Fixed(BString),
    Client,
    Peer,
    Local,
    Bytes {
        /// `%b`: a hyphen for nothing.
        hyphen: bool,
    },
    Cookie(BString),
    /// Division of microseconds.
    Duration(i64),
    Filename,
    RemoteHost,
    PeerHost,
    Protocol,
    Field(Fields, BString),
    ResponseField(BString),
    Keepalives,
    LogId,
    ConnectionLogId,
    Method,
    Port(Port),
    Pid,
    Tid,
    HexTid,
    Query,
    RequestLine,
    Handler,
    Status,
    Time(Moment, Time),
    User,
    Path,
    ServerName,
    CanonicalName,
    Connection,
    /// Of another module.
    Other(&'static dyn LogItem, BString),
}

const RAN_OFF: &str = "Ran off end of LogFormat parsing args to some directive";

impl Format {
    /// Compiles a format; the error's text is Apache's.
    pub(super) fn compile(text: &BStr, providers: &Providers) -> Result<Format, BString> {
        match text.strip_prefix(b"json:") {
            Some(members) => Json::compile(members, providers).map(Format::Json),
            None => Format::pieces(text, providers).map(Format::Line),
        }
    }

    pub(super) fn pieces(text: &[u8], providers: &Providers) -> Result<Vec<Piece>, BString> {
        let mut pieces: Vec<Piece> = Vec::new();
        let literal = |pieces: &mut Vec<Piece>, bytes: &[u8]| match pieces.last_mut() {
            Some(Piece::Literal(text)) => text.extend_from_slice(bytes),
            _ => pieces.push(Piece::Literal(bytes.into())),
        };
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'%' if rest.first() == Some(&b'%') => {
                    literal(&mut pieces, b"%");
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'%' => {
                    let (item, after) = Item::compile(rest, providers)?;
                    pieces.push(Piece::Item(item));
                    rest = after;
                }
                b'\\' => {
                    let escaped = match rest.first() {
                        Some(b'n') => b"\n",
                        Some(b'r') => b"\r",
                        Some(b't') => b"\t",
                        Some(b'\\') => b"\\",
                        Some(b'"') => b"\"",
                        // Any other backslash is itself.
                        _ => {
                            literal(&mut pieces, b"\\");
                            continue;
                        }
                    };
                    literal(&mut pieces, escaped);
                    rest = rest.get(1..).unwrap_or_default();
                }
                _ => {
                    let plain = rest.iter().take_while(|byte| !b"%\\".contains(byte)).count();
                    literal(&mut pieces, &[byte]);
                    literal(&mut pieces, rest.get(..plain).unwrap_or_default());
                    rest = rest.get(plain..).unwrap_or_default();
                }
            }
        }
        Ok(pieces)
    }

    /// Appends the line of a finished request, without its line feed. `last` is the one that internal redirects ended
    /// with.
    pub(super) fn append(&self, out: &mut Vec<u8>, last: &Request, end: i64) {
        let pieces = match self {
            Format::Line(pieces) => pieces,
            Format::Json(json) => return json.append(out, last, end),
        };
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Item(item) => {
                    if !item.append(out, last, end) {
                        out.push(b'-');
                    }
                }
            }
        }
    }
}

/// The request that the client sent.
fn original(last: &Request) -> &Request {
    let mut first = last;
    while let Some(before) = &first.prev {
        first = before;
    }
    first
}

impl Item {
    /// Reads what stands behind a percent sign.
    fn compile<'t>(text: &'t [u8], providers: &Providers) -> Result<(Item, &'t [u8]), BString> {
        let (mut rest, mut argument) = (text, BString::default());
        let (mut want_original, mut statuses) = (None, None::<Box<Statuses>>);
        loop {
            let (&byte, after) = rest.split_first().ok_or(RAN_OFF)?;
            rest = after;
            match byte {
                b'!' => statuses.get_or_insert_default().except = true,
                b'<' => want_original = Some(true),
                b'>' => want_original = Some(false),
                b',' => {}
                b'0'..=b'9' => {
                    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let number = after.get(..digits).unwrap_or_default().iter();
                    let status = number.fold(u32::from(byte - b'0'), |sum, digit| {
                        sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
                    });
                    statuses.get_or_insert_default().listed.push(u16::try_from(status).unwrap_or(u16::MAX));
                    rest = after.get(digits..).unwrap_or_default();
                }
                b'{' => {
                    let (read, end) = after.split_once_str("}").ok_or(RAN_OFF)?;
                    argument = read.into();
                    rest = end;
                }
                _ => {
                    let name = match byte {
                        b'^' => rest.get(..2).map(|two| [b"^", two].concat()),
                        _ => Some(vec![byte]),
                    };
                    let unknown = || BString::from([b"Unrecognized LogFormat directive %", &[byte][..]].concat());
                    let name = name.ok_or_else(unknown)?;
                    if byte == b'^' {
                        rest = rest.get(2..).unwrap_or_default();
                    }
                    let (what, by_default) = What::named(&name, argument, providers).ok_or_else(unknown)?;
                    return Ok((Item { what, original: want_original.unwrap_or(by_default), statuses }, rest));
                }
            }
        }
    }

    /// Whether the item is a count or a code.
    pub(super) fn is_number(&self) -> bool {
        match &self.what {
            What::Bytes { .. } | What::Duration(_) | What::Keepalives | What::Port(_) | What::Status => true,
            What::Pid | What::Tid => true,
            What::Time(_, time) => matches!(time, Time::Seconds | Time::Milliseconds | Time::Microseconds),
            What::Other(item, _) => item.is_number(),
            _ => false,
        }
    }

    /// Appends the value; false, and nothing appended, where there is none.
    pub(super) fn append(&self, out: &mut Vec<u8>, last: &Request, end: i64) -> bool {
        let r = if self.original { original(last) } else { last };
        let shown = |statuses: &Statuses| statuses.listed.contains(&last.status.0) != statuses.except;
        self.statuses.as_deref().is_none_or(shown) && self.what.append(out, r, end)
    }
}

impl What {
    /// The item of a name, and whether it looks at the original request where nothing else is asked for.
    fn named(name: &[u8], argument: BString, providers: &Providers) -> Option<(What, bool)> {
        let original = matches!(name, b"s" | b"U" | b"T" | b"D" | b"r" | b"R" | b"L");
        let field = |fields, argument| What::Field(fields, argument);
        let what = match name {
            b"a" if argument == "c" => What::Peer,
            b"a" => What::Client,
            b"A" => What::Local,
            b"b" => What::Bytes { hyphen: true },
            b"B" => What::Bytes { hyphen: false },
            b"C" => What::Cookie(argument),
            b"D" => What::Duration(1),
            b"e" => field(Fields::Env, argument),
            b"f" => What::Filename,
            b"h" if argument == "c" => What::PeerHost,
            b"h" => What::RemoteHost,
            b"H" => What::Protocol,
            b"i" => field(Fields::In, argument),
            b"k" => What::Keepalives,
            // No identd is ever asked.
            b"l" => What::Fixed("-".into()),
            b"L" if argument == "c" => What::ConnectionLogId,
            b"L" => What::LogId,
            b"m" => What::Method,
            b"n" => field(Fields::Notes, argument),
            b"o" => What::ResponseField(argument),
            b"p" => match argument.as_slice() {
                b"" => What::Port(Port::Canonical),
                word if word.eq_ignore_ascii_case(b"canonical") => What::Port(Port::Canonical),
                word if word.eq_ignore_ascii_case(b"local") => What::Port(Port::Local),
                word if word.eq_ignore_ascii_case(b"remote") => What::Port(Port::Remote),
                _ => What::Fixed(argument),
            },
            b"P" => match argument.as_slice() {
                b"" => What::Pid,
                word if word.eq_ignore_ascii_case(b"pid") => What::Pid,
                word if word.eq_ignore_ascii_case(b"tid") => What::Tid,
                word if word.eq_ignore_ascii_case(b"hextid") => What::HexTid,
                _ => What::Fixed(argument),
            },
            b"q" => What::Query,
            b"r" => What::RequestLine,
            b"R" => What::Handler,
            b"s" => What::Status,
            b"t" => What::time(argument.as_bstr()),
            b"T" => match argument.as_slice() {
                b"" => What::Duration(1_000_000),
                word if word.eq_ignore_ascii_case(b"s") => What::Duration(1_000_000),
                word if word.eq_ignore_ascii_case(b"ms") => What::Duration(1000),
                word if word.eq_ignore_ascii_case(b"us") => What::Duration(1),
                _ => What::Fixed(argument),
            },
            b"u" => What::User,
            b"U" => What::Path,
            b"v" => What::ServerName,
            b"V" => What::CanonicalName,
            b"X" => What::Connection,
            b"^ti" => field(Fields::TrailersIn, argument),
            b"^to" => field(Fields::TrailersOut, argument),
            other => What::Other(providers.find::<dyn LogItem>(other)?, argument),
        };
        Some((what, original))
    }

    fn time(format: &BStr) -> What {
        let (moment, format) = match format.as_bytes() {
            [b'b', b'e', b'g', b'i', b'n', b':', rest @ ..] => (Moment::Begin, rest),
            [b'e', b'n', b'd', b':', rest @ ..] => (Moment::End, rest),
            all => (Moment::Begin, all),
        };
        let time = match format {
            b"" => Time::Common,
            b"sec" => Time::Seconds,
            b"msec" => Time::Milliseconds,
            b"usec" => Time::Microseconds,
            b"msec_frac" => Time::MillisecondFraction,
            b"usec_frac" => Time::MicrosecondFraction,
            other => Time::Strftime(other.into()),
        };
        What::Time(moment, time)
    }

    /// Appends the value; false where there is none.
    fn append(&self, out: &mut Vec<u8>, r: &Request, end: i64) -> bool {
        let connection = &*r.connection;
        match self {
            What::Fixed(text) => out.extend_from_slice(text),
            What::Client => out.extend_from_slice(&r.useragent_ip),
            What::Peer => out.extend_from_slice(&connection.client_ip),
            What::Local => out.extend_from_slice(&connection.local_ip),
            What::Bytes { hyphen } => {
                if *hyphen && r.bytes_sent == 0 {
                    return false;
                }
                number(out, r.bytes_sent);
            }
            What::Cookie(name) => return cookie(out, &r.headers_in, name),
            What::Duration(unit) => number(out, end.saturating_sub(r.time).max(0) / unit),
            What::Filename => return escaped(out, Some(r.filename()).filter(|name| !name.is_empty())),
            What::RemoteHost => return remote_host(out, r),
            What::PeerHost => {
                let name = connection.remote_host.get().and_then(Option::as_ref);
                escape_access(out, name.unwrap_or(&connection.client_ip));
            }
            What::Protocol => escape_access(out, &r.protocol),
            What::Field(fields, name) => {
                let table = match fields {
                    Fields::In => &r.headers_in,
                    Fields::TrailersIn => &r.trailers_in,
                    Fields::TrailersOut => &r.trailers_out,
                    Fields::Env => &r.env,
                    Fields::Notes => &r.notes,
                };
                return escaped(out, table.get(name));
            }
            What::ResponseField(name) => return response_field(out, r, name.as_bstr()),
            // The connection counts this request too, if another may follow it.
            What::Keepalives => number(out, connection.keepalives.load(Ordering::Relaxed).saturating_sub(1)),
            What::LogId => match r.log_id.get() {
                Some(id) => out.extend_from_slice(id.as_bytes()),
                None => return false,
            },
            What::ConnectionLogId => match connection.log_id.get() {
                Some(id) => out.extend_from_slice(id.as_bytes()),
                None => return false,
            },
            What::Method => return escaped(out, Some(r.method.name()).filter(|name| !name.is_empty())),
            What::Port(Port::Canonical) if r.server.port != 0 => number(out, r.server.port),
            What::Port(Port::Canonical) => number(out, server::default_port(r)),
            What::Port(Port::Local) => number(out, connection.local.port()),
            What::Port(Port::Remote) => number(out, connection.client.port()),
            What::Pid => number(out, std::process::id()),
            What::Tid => number(out, nix::sys::pthread::pthread_self()),
            What::HexTid => drop(write!(out, "{:x}", nix::sys::pthread::pthread_self())),
            What::Query => {
                if let Some(args) = &r.args {
                    out.push(b'?');
                    escape_access(out, args);
                }
            }
            What::RequestLine => {
                if r.the_request.is_empty() {
                    return false;
                }
                escape_access(out, &r.the_request);
            }
            What::Handler => return escaped(out, r.handler.as_ref().map(|handler| handler.as_bstr())),
            What::Status if r.status.0 == 0 => return false,
            What::Status => number(out, r.status.0),
            What::Time(moment, time) => {
                let micros = if *moment == Moment::Begin { r.time } else { end };
                time.append(out, micros);
            }
            What::User => match &r.user {
                None => return false,
                Some(user) if user.is_empty() => out.extend_from_slice(b"\"\""),
                Some(user) => escape_access(out, user),
            },
            What::Path => return escaped(out, Some(r.uri.as_bstr()).filter(|uri| !uri.is_empty())),
            What::ServerName => match &r.server.name {
                Some(name) => escape_access(out, name),
                None => escape_access(out, &connection.local_ip),
            },
            What::CanonicalName => escape_access(out, &server::server_name(r)),
            What::Connection => out.push(match () {
                () if connection.aborted.load(Ordering::Relaxed) => b'X',
                () if r.keep_alive == Some(true) && another_may_follow(r) => b'+',
                () => b'-',
            }),
            What::Other(item, argument) => return item.append(out, r, argument.as_bstr()),
        }
        true
    }
}

/// Whether MaxKeepAliveRequests allows of more.
fn another_may_follow(r: &Request) -> bool {
    let most = r.server.max_keep_alive_requests.unwrap_or(100);
    most == 0 || most > r.connection.keepalives.load(Ordering::Relaxed)
}

impl Time {
    fn append(&self, out: &mut Vec<u8>, micros: i64) {
        match self {
            Time::Common => clock::append_common_stamp(out, micros),
            Time::Seconds => number(out, micros.div_euclid(1_000_000)),
            Time::Milliseconds => number(out, micros.div_euclid(1000)),
            Time::Microseconds => number(out, micros),
            Time::MillisecondFraction => drop(write!(out, "{:03}", micros.rem_euclid(1_000_000) / 1000)),
            Time::MicrosecondFraction => drop(write!(out, "{:06}", micros.rem_euclid(1_000_000))),
            Time::Strftime(format) => clock::append_strftime(out, format, &Civil::local(micros)),
        }
    }
}

fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn escaped(out: &mut Vec<u8>, value: Option<&BStr>) -> bool {
    if let Some(value) = value {
        escape_access(out, value);
    }
    value.is_some()
}

fn remote_host(out: &mut Vec<u8>, r: &Request) -> bool {
    use crate::config::Lookups;
    match r.dir.core().hostname_lookups {
        None | Some(Lookups::Off) if r.connection.remote_host.get().is_none() => escape_access(out, &r.useragent_ip),
        _ => match server::remote_host(r, Want::Name) {
            Some(name) => escape_access(out, &name),
            None => return false,
        },
    }
    true
}

/// Fields of the response; Content-Type as it was settled, without parameters.
fn response_field(out: &mut Vec<u8>, r: &Request, name: &BStr) -> bool {
    if name.eq_ignore_ascii_case(b"Content-Type") {
        let bare = r.content_type.as_ref().and_then(|kind| kind.split(|byte| *byte == b';').next());
        return escaped(out, bare.map(|kind| kind.trim_end().as_bstr()));
    }
    let mut found = false;
    for table in [&r.headers_out, &r.err_headers_out] {
        for value in table.all(name.as_bytes()) {
            if found {
                out.extend_from_slice(b", ");
            }
            escape_access(out, value);
            found = true;
        }
        if found {
            break;
        }
    }
    found
}

/// The value of a cookie of the request.
fn cookie(out: &mut Vec<u8>, headers: &Table, name: &BString) -> bool {
    for header in headers.all("Cookie") {
        for pair in header.split_str(";") {
            let pair = pair.trim_start_with(|c| c == '=');
            let Some((key, value)) = pair.split_once_str("=") else { continue };
            if !value.is_empty() && key.trim().eq_ignore_ascii_case(name) {
                escape_access(out, value.trim());
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Status, testing};

    fn compile(text: &str) -> Result<Format, BString> {
        Format::compile(text.into(), &Providers::default())
    }
    fn line(text: &str, r: &Request) -> String {
        let mut out = Vec::new();
        compile(text).unwrap().append(&mut out, r, r.time + 2_500_737);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn refuses_as_apache_does() {
        let error = |text: &str| compile(text).err().unwrap();
        assert_eq!(error("%y"), "Unrecognized LogFormat directive %y");
        assert_eq!(error("%^xx"), "Unrecognized LogFormat directive %^");
        assert_eq!(error("%^F"), "Unrecognized LogFormat directive %^");
        assert_eq!(error("%!200%h"), "Unrecognized LogFormat directive %%");
        for text in ["%{a", "%", "%200", "%>"] {
            assert_eq!(error(text), RAN_OFF);
        }
    }

    #[test]
    fn the_combined_line() {
        let mut r = testing::request();
        (r.the_request, r.bytes_sent) = ("GET /x.txt?q=\"a\\ HTTP/1.1".into(), 3);
        r.headers_in.add("Referer", b"x\"y\\z\xff\tq");
        let text = line(r#"%h %l %u \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#, &r);
        assert_eq!(text, r#"192.0.2.7 - - "GET /x.txt?q=\"a\\ HTTP/1.1" 200 3 "x\"y\\z\xff\tq" "-""#);
    }

    #[test]
    fn statuses_and_redirects_choose() {
        let mut first = testing::request();
        first.status = Status(403);
        let mut last = testing::request();
        (last.uri, last.prev) = ("/y".into(), Some(Box::new(first)));
        assert_eq!(line("%s %>s %<s %U %>U %>m", &last), "403 200 403 /x.txt /y GET");
        assert_eq!(line("%200,404m|%!200,404m|%200,!404m|%!403<m|%2000m|%,200m", &last), "GET|-|-|GET|-|GET");
    }

    #[test]
    fn times_and_durations() {
        let r = testing::request();
        assert_eq!(line("%D %T %{ms}T %{us}T %{S}T %{foo}T", &r), "2500737 2 2500 2500737 2 foo");
        let text = line("%{sec}t %{msec}t %{usec}t %{msec_frac}t %{usec_frac}t %{end:usec_frac}t %{begin:%Y%%}t", &r);
        assert_eq!(text, "1609513445 1609513445000 1609513445000042 000 000042 500779 2021%");
        assert_eq!(line("%{begin:}t", &r), line("%t", &r));
    }

    #[test]
    fn names_ports_cookies() {
        let mut r = testing::request();
        r.headers_in.add("Cookie", "a=1; b=\"2 3\"; c; a=9; d = x ;e=");
        assert_eq!(line("%{a}C %{A}C %{b}C %{c}C %{d}C %{e}C", &r), r#"1 1 \"2 3\" - x -"#);
        assert_eq!(
            line("%a %{c}a %A %p %{local}p %{remote}p %{x}p", &r),
            "192.0.2.7 192.0.2.7 192.0.2.1 80 8080 4000 x"
        );
        assert_eq!(
            line("%v %V %H %m %U %q %k %X %L %R %f", &r),
            "www.example.com www.example.com HTTP/1.1 GET /x.txt ?q=1 0 - - - -"
        );
        assert_eq!(line(r#"%%\n\t\"\\\x|%B%b"#, &r), "%\n\t\"\\\\x|0-");
        r.user = Some("".into());
        assert_eq!(line("%u", &r), "\"\"");
    }
}
