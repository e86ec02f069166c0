//! Values of expressions for a request: what variables, functions and operators mean. Manual: expr.html.

use super::escape::{self, Slashes};
use super::{Want, remote_host, server_name, server_port};
use crate::config::{
    Comparison, CoreServer, Expression, Function, Piece, Root, Test, Text, Unary, Variable, fnmatch, identity, strtol,
};
use crate::engine;
use crate::log::clock::{self, Civil};
use crate::request::{FileKind, Request, Version};
use crate::sys::regex::Captures;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, BString, ByteSlice};
use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

/// Look-ups for one expression, those of the expressions that they meet included.
const MOST_LOOKUPS: u32 = 500;
/// The note in which a health check leaves the body of its response.
pub const HEALTH_BODY: &str = "health-check-body";
/// What `file()` reads at most.
const LONGEST_FILE: u64 = 10 * 1024 * 1024;

/// Groups of the last successful match, for `$0` to `$9`.
#[derive(Clone, Debug, Default)]
pub struct Backrefs {
    subject: BString,
    groups: Captures,
}

impl Backrefs {
    /// Groups of a match made elsewhere, for expressions that go on from it.
    pub fn of(subject: &[u8], groups: Captures) -> Backrefs {
        Backrefs { subject: subject.into(), groups }
    }
    fn get(&self, number: u8) -> &[u8] {
        self.group(usize::from(number)).unwrap_or_default()
    }
    /// The text of a group that took part in the match.
    pub fn group(&self, number: usize) -> Option<&[u8]> {
        self.groups.get(&self.subject, number)
    }
    /// Whether nothing has matched yet.
    pub fn is_empty(&self) -> bool {
        self.groups.0.is_empty()
    }
    /// `template` with its `$0` to `$9` replaced.
    pub fn substitute(&self, template: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.groups.substitute(&mut out, template, &self.subject);
        out
    }
}

/// The text of a string expression.
pub fn text(expression: &Expression, r: &mut Request) -> Result<BString, String> {
    text_with(expression, r, &mut Backrefs::default())
}

/// As [`text`], with groups of an earlier match.
pub fn text_with(expression: &Expression, r: &mut Request, backrefs: &mut Backrefs) -> Result<BString, String> {
    let mut evaluation = Evaluation::new(expression, r, backrefs);
    let text = match expression.root() {
        Root::Text(text) => evaluation.text(text),
        Root::Condition(test) => evaluation.test(test).map(|holds| if holds { "1" } else { "" }.into()),
    };
    evaluation.finish(expression, text)
}

/// Whether a condition holds.
pub fn holds(expression: &Expression, r: &mut Request) -> Result<bool, String> {
    holds_with(expression, r, &mut Backrefs::default())
}

/// As [`holds`]; the groups of the last match are left behind.
pub fn holds_with(expression: &Expression, r: &mut Request, backrefs: &mut Backrefs) -> Result<bool, String> {
    let mut evaluation = Evaluation::new(expression, r, backrefs);
    let holds = match expression.root() {
        Root::Condition(test) => evaluation.test(test),
        Root::Text(text) => evaluation.text(text).map(|text| !text.is_empty()),
    };
    evaluation.finish(expression, holds)
}

/// The value of one variable.
pub fn value(r: &Request, variable: Variable) -> BString {
    let mut out = BString::default();
    let field = match variable {
        Variable::HttpAccept => "Accept",
        Variable::HttpCookie => "Cookie",
        Variable::HttpForwarded => "Forwarded",
        Variable::HttpHost => "Host",
        Variable::HttpProxyConnection => "Proxy-Connection",
        Variable::HttpReferer => "Referer",
        Variable::HttpUserAgent => "User-Agent",
        _ => {
            plain_variable(&mut out, r, variable);
            return out;
        }
    };
    r.headers_in.get(field).map(BString::from).unwrap_or_default()
}

struct Evaluation<'e> {
    r: &'e mut Request,
    backrefs: &'e mut Backrefs,
    /// Request headers that were read, for Vary; None where they do not matter.
    vary: Option<Vec<BString>>,
    /// It is the condition of an `<If>`: core has no other conditions.
    in_section: bool,
}

impl<'e> Evaluation<'e> {
    fn new(expression: &Expression, r: &'e mut Request, backrefs: &'e mut Backrefs) -> Evaluation<'e> {
        let in_section = matches!(expression.origin(), Some(("core", ..)));
        Evaluation { r, backrefs, vary: (!expression.no_vary).then(Vec::new), in_section }
    }

    /// The response depends on the headers that were read; a failure is logged with the directive's place.
    fn finish<T>(self, expression: &Expression, value: Result<T, String>) -> Result<T, String> {
        if let Err(error) = &value {
            if let Some((module, file, line)) = expression.origin() {
                let text = format_args!("Evaluation of expression from {file}:{line} failed: {error}");
                self.r.log(crate::log::Level::Error, module, text);
            }
            return value;
        }
        for name in self.vary.into_iter().flatten() {
            super::vary(&mut self.r.headers_out, &name);
        }
        value
    }

    fn test(&mut self, test: &Test) -> Result<bool, String> {
        Ok(match test {
            Test::Constant(value) => *value,
            Test::Not(inner) => !self.test(inner)?,
            Test::And(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(tests) => {
                for test in tests {
                    if self.test(test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Unary(operator, argument) => {
                let argument = self.text(argument)?;
                self.unary(*operator, argument.as_bstr())
            }
            Test::Address(None, network) => network.contains(self.r.useragent.ip()),
            Test::Address(Some(text), network) => {
                let text = self.text(text)?;
                text.to_str().ok().and_then(|text| text.parse().ok()).is_some_and(|ip| network.contains(ip))
            }
            Test::Wildcard { text, pattern, path, ignore_case } => {
                let (mut text, mut pattern) = self.both(text, pattern)?;
                if *ignore_case {
                    text.make_ascii_lowercase();
                    pattern.make_ascii_lowercase();
                }
                fnmatch::matches(&pattern, &text, if *path { fnmatch::PATHNAME } else { 0 })
            }
            Test::Integer(comparison, left, right) => {
                let (left, right) = self.both(left, right)?;
                compare(*comparison, strtol(&left).cmp(&strtol(&right)))
            }
            Test::Text(comparison, left, right) => {
                let (left, right) = self.both(left, right)?;
                compare(*comparison, left.cmp(&right))
            }
            Test::Lengths(comparison, left, right) => {
                let (left, right) = self.both(left, right)?;
                compare(*comparison, left.len().cmp(&right.len()).then_with(|| left.cmp(&right)))
            }
            Test::In(needle, words) => {
                let needle = self.text(needle)?;
                for word in words {
                    if self.text(word)? == needle {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Match { subject, regex, negated } => {
                let subject = self.text(subject)?;
                let matched = if regex.groups() == 0 {
                    regex.is_match(&subject)
                } else {
                    let groups = regex.captures(&subject);
                    let matched = groups.is_some();
                    *self.backrefs = Backrefs { subject, groups: groups.unwrap_or_default() };
                    matched
                };
                matched != *negated
            }
        })
    }

    /// Both sides of a comparison; the right one first, which shows in the order of Vary.
    fn both(&mut self, left: &Text, right: &Text) -> Result<(BString, BString), String> {
        let right = self.text(right)?;
        Ok((self.text(left)?, right))
    }

    fn unary(&mut self, operator: Unary, argument: &BStr) -> bool {
        let path = || argument.to_path_lossy();
        let file = || std::fs::metadata(path()).ok();
        match operator {
            Unary::NotEmpty => !argument.is_empty(),
            Unary::Empty => argument.is_empty(),
            Unary::Truth => {
                let falsities: [&[u8]; 5] = [b"", b"0", b"off", b"false", b"no"];
                !falsities.iter().any(|word| argument.eq_ignore_ascii_case(word))
            }
            Unary::Directory => file().is_some_and(|file| file.is_dir()),
            Unary::Exists => file().is_some(),
            Unary::RegularFile => file().is_some_and(|file| file.is_file()),
            Unary::NotEmptyFile => file().is_some_and(|file| file.is_file() && file.len() > 0),
            Unary::Symlink => std::fs::symlink_metadata(path()).is_ok_and(|file| file.file_type().is_symlink()),
            Unary::Executable => file().is_some_and(|file| file.permissions().mode() & 0o111 != 0),
            // A URL that a section looked up is not looked up again, which ends most circles.
            Unary::AccessibleUrl
                if self.in_section && self.r.main.as_ref().is_some_and(|main| main.uri == self.r.uri) =>
            {
                false
            }
            Unary::AccessibleFile => {
                let Some(sub) = bounded(self.r, |r| engine::alone::run(super::lookup_file(r, argument))) else {
                    return false;
                };
                sub.finfo.kind != FileKind::None && sub.status.is_success()
            }
            Unary::AccessibleUrl => {
                let Some(sub) = bounded(self.r, |r| engine::alone::run(super::lookup_uri(r, argument))) else {
                    return false;
                };
                sub.status.is_success() || sub.status.is_redirect()
            }
        }
    }

    fn text(&mut self, text: &Text) -> Result<BString, String> {
        let mut out = BString::default();
        for piece in &text.0 {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Backref(number) => out.extend_from_slice(self.backrefs.get(*number)),
                Piece::Variable(variable) => self.variable(&mut out, *variable),
                Piece::Tls(name) => out.extend(super::tls_variable(self.r, name.as_bstr()).unwrap_or_default().iter()),
                Piece::TlsNamed(name) => {
                    let name = self.text(name)?;
                    out.extend(super::tls_variable(self.r, name.as_bstr()).unwrap_or_default().iter());
                }
                Piece::Function(function, argument) => {
                    let argument = self.text(argument)?;
                    self.function(&mut out, *function, argument)?;
                }
            }
        }
        Ok(out)
    }

    /// A field of the request; its lines joined.
    fn header(&mut self, out: &mut BString, name: &[u8]) {
        // Every response depends on Host; saying so would only spoil caches.
        if !name.eq_ignore_ascii_case(b"Host")
            && let Some(vary) = &mut self.vary
        {
            vary.push(name.into());
        }
        for (index, value) in self.r.headers_in.all(name).enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(value);
        }
    }

    fn variable(&mut self, out: &mut BString, variable: Variable) {
        let field = match variable {
            Variable::HttpAccept => "Accept",
            Variable::HttpCookie => "Cookie",
            Variable::HttpForwarded => "Forwarded",
            Variable::HttpHost => "Host",
            Variable::HttpProxyConnection => "Proxy-Connection",
            Variable::HttpReferer => "Referer",
            Variable::HttpUserAgent => "User-Agent",
            _ => return plain_variable(out, self.r, variable),
        };
        self.header(out, field.as_bytes());
    }

    fn function(&mut self, out: &mut BString, function: Function, argument: BString) -> Result<(), String> {
        let r = &mut *self.r;
        let mut copy = |value: Option<&BStr>| out.extend_from_slice(value.unwrap_or_default());
        match function {
            Function::Req => self.header(out, &argument),
            Function::ReqNoVary => {
                let vary = self.vary.take();
                self.header(out, &argument);
                self.vary = vary;
            }
            Function::Resp => copy(r.headers_out.get(&argument).or_else(|| r.err_headers_out.get(&argument))),
            // In documents with elements, what matched is a variable like others.
            Function::IncludeVariable if argument == "0" => copy(self.backrefs.group(0).map(BStr::new)),
            Function::ReqEnv | Function::IncludeVariable => copy(r.env.get(&argument)),
            Function::Note => copy(r.notes.get(&argument)),
            Function::Health if argument.eq_ignore_ascii_case(b"body") => copy(r.notes.get(HEALTH_BODY)),
            Function::Health => {}
            Function::OsEnv => os_env(out, &argument),
            Function::Env => match r.notes.get(&argument).or_else(|| r.env.get(&argument)) {
                Some(value) => out.extend_from_slice(value),
                None => os_env(out, &argument),
            },
            Function::ToLower => out.extend(argument.to_ascii_lowercase()),
            Function::ToUpper => out.extend(argument.to_ascii_uppercase()),
            Function::Escape => out.extend_from_slice(&escape::os_path(&argument, true)),
            Function::Unescape => {
                let mut text = argument.into();
                // Text that cannot be decoded, or hides a NUL, is no text.
                if escape::unescape_url(&mut text, Slashes::Keep).is_ok() {
                    out.extend_from_slice(&text);
                }
            }
            Function::Base64 => out.extend(STANDARD.encode(&argument).into_bytes()),
            Function::Unbase64 => out.extend_from_slice(&escape::unbase64(&argument)),
            Function::Md5 => hex(out, &<md5::Md5 as md5::Digest>::digest(&argument)),
            Function::Sha1 => hex(out, &<sha1::Sha1 as sha1::Digest>::digest(&argument)),
            Function::File => read_file(out, &argument)?,
            Function::FileSize => {
                let file = std::fs::metadata(argument.to_path_lossy()).ok().filter(|file| file.is_file());
                drop(write!(out, "{}", file.map_or(0, |file| file.len())));
            }
            Function::Ldap => ldap(out, &argument),
        }
        Ok(())
    }
}

/// A look-up of `-F` or `-U`. Those within its own expressions count too: two in an `<If>` that holds for what they look up
/// would double with every level of nesting.
fn bounded(r: &mut Request, look: impl FnOnce(&mut Request) -> Box<Request>) -> Option<Box<Request>> {
    thread_local!(static NESTED: Cell<(u32, u32)> = const { Cell::new((0, 0)) });
    let (depth, count) = NESTED.get();
    let count = if depth == 0 { 0 } else { count };
    if count >= MOST_LOOKUPS {
        // Said once, not by every expression on the way back.
        if count == MOST_LOOKUPS {
            let text =
                "an expression with -F or -U looks up what is under itself: no further look-ups for this request";
            r.log(crate::log::Level::Error, "core", format_args!("{text}"));
            NESTED.set((depth, count + 1));
        }
        return None;
    }
    NESTED.set((depth + 1, count + 1));
    let sub = engine::block(|| look(r));
    NESTED.set((depth, NESTED.get().1));
    Some(sub)
}

fn plain_variable(out: &mut BString, r: &Request, variable: Variable) {
    let connection = &*r.connection;
    let switch = |on: bool| if on { "on" } else { "off" };
    let now = || Civil::local(clock::now());
    let optional = |value: &Option<BString>| value.clone().unwrap_or_default();
    let root =
        || r.document_root.clone().or_else(|| r.server::<CoreServer>().document_root.clone()).unwrap_or_default();
    let stamp = |out: &mut BString, at: &Civil| clock::append_strftime(out, b"%Y%m%d%H%M%S", at);
    match variable {
        Variable::RequestMethod => out.extend_from_slice(r.method.name()),
        Variable::RequestScheme => out.extend_from_slice(connection.scheme.as_bytes()),
        Variable::RequestUri | Variable::DocumentUri => out.extend_from_slice(&r.uri),
        Variable::RequestFilename | Variable::ScriptFilename => out.extend_from_slice(&r.filename),
        Variable::LastModified => stamp(out, &Civil::local(r.mtime)),
        Variable::ScriptUser | Variable::ScriptGroup if !r.finfo.looked_up => {}
        // Of a file that is not there, as of one of root: as Apache has it.
        Variable::ScriptUser => {
            let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(r.finfo.uid));
            out.extend(user.ok().flatten().map(|user| user.name.into_bytes()).unwrap_or_default());
        }
        Variable::ScriptGroup => {
            let group = nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(r.finfo.gid));
            out.extend(group.ok().flatten().map(|group| group.name.into_bytes()).unwrap_or_default());
        }
        Variable::PathInfo => out.extend_from_slice(&r.path_info),
        Variable::QueryString => out.extend(optional(&r.args).iter()),
        Variable::IsSubreq => out.extend_from_slice(if r.is_sub() { b"true" } else { b"false" }),
        Variable::TheRequest => out.extend_from_slice(&r.the_request),
        Variable::RemoteAddr => out.extend_from_slice(&r.useragent_ip),
        Variable::RemotePort => drop(write!(out, "{}", r.useragent.port())),
        Variable::RemoteHost => out.extend(remote_host(r, Want::Name).unwrap_or_default().iter()),
        Variable::RemoteUser => out.extend(optional(&r.user).iter()),
        // No identd is ever asked.
        Variable::RemoteIdent => {}
        Variable::ServerName => out.extend_from_slice(&server_name(r)),
        Variable::ServerPort => drop(write!(out, "{}", server_port(r))),
        Variable::ServerAdmin => out.extend_from_slice(super::name::server_admin(r)),
        Variable::ServerProtocol => out.extend_from_slice(&r.protocol),
        Variable::DocumentRoot => out.extend_from_slice(&root()),
        Variable::AuthType => out.extend(optional(&r.auth_type).iter()),
        Variable::ContentType => out.extend(optional(&r.content_type).iter()),
        Variable::Handler => out.extend(optional(&r.handler).iter()),
        Variable::Http2 => out.extend_from_slice(switch(r.version >= Version::V2).as_bytes()),
        Variable::Https => out.extend_from_slice(switch(connection.scheme == "https").as_bytes()),
        Variable::Ipv6 => out.extend_from_slice(switch(connection.client.is_ipv6()).as_bytes()),
        Variable::RequestStatus => drop(write!(out, "{}", r.status.0)),
        Variable::RequestLogId => out.extend(r.log_id.get().map(|id| id.as_bytes()).unwrap_or_default()),
        Variable::ConnLogId => out.extend(connection.log_id.get().map(|id| id.as_bytes()).unwrap_or_default()),
        Variable::ConnRemoteAddr => out.extend_from_slice(&connection.client_ip),
        Variable::ContextPrefix => out.extend(r.context.iter().flat_map(|(prefix, _)| prefix.iter())),
        Variable::ContextDocumentRoot => match &r.context {
            Some((_, directory)) => out.extend_from_slice(directory),
            None => out.extend_from_slice(&root()),
        },
        Variable::TimeYear => clock::append_strftime(out, b"%Y", &now()),
        Variable::TimeMon => clock::append_strftime(out, b"%m", &now()),
        Variable::TimeDay => clock::append_strftime(out, b"%d", &now()),
        Variable::TimeHour => clock::append_strftime(out, b"%H", &now()),
        Variable::TimeMin => clock::append_strftime(out, b"%M", &now()),
        Variable::TimeSec => clock::append_strftime(out, b"%S", &now()),
        Variable::TimeWday => clock::append_strftime(out, b"%w", &now()),
        Variable::Time => stamp(out, &now()),
        Variable::ServerSoftware => out.extend_from_slice(identity::server_banner().as_bytes()),
        Variable::ApiVersion => {
            let major = identity::MAGIC.split(':').next().unwrap_or_default();
            out.extend_from_slice(major.as_bytes());
        }
        // Request headers are `Evaluation::variable`'s.
        Variable::HttpAccept
        | Variable::HttpCookie
        | Variable::HttpForwarded
        | Variable::HttpHost
        | Variable::HttpProxyConnection
        | Variable::HttpReferer
        | Variable::HttpUserAgent => {}
    }
}

fn os_env(out: &mut BString, name: &[u8]) {
    // Names that the environment cannot hold make the standard library panic or answer nothing.
    if !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) {
        let value = std::env::var_os(name.to_os_str_lossy()).unwrap_or_default();
        out.extend_from_slice(value.as_encoded_bytes());
    }
}

fn read_file(out: &mut BString, name: &[u8]) -> Result<(), String> {
    let shown = name.as_bstr();
    let path = name.to_path_lossy();
    let file = engine::block(|| std::fs::File::open(&path));
    let file = file.map_err(|_| format!("Cannot open file {shown}"))?;
    let facts = file.metadata().map_err(|_| format!("Cannot open file {shown}"))?;
    if facts.len() > LONGEST_FILE {
        return Err(format!("File {shown} too large"));
    }
    let mut text = Vec::new();
    engine::block(|| file.take(LONGEST_FILE).read_to_end(&mut text))
        .map_err(|_| format!("Cannot read file {shown}"))?;
    out.extend_from_slice(&text);
    Ok(())
}

fn hex(out: &mut BString, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// RFC 4514 and RFC 4515: what means something in a name or a filter, as `\hh`.
fn ldap(out: &mut BString, text: &[u8]) {
    for (at, &byte) in text.iter().enumerate() {
        let ends = at == 0 || at + 1 == text.len();
        match byte {
            0 | b'*' | b'(' | b')' | b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | 0x7f.. => {
                drop(write!(out, "\\{byte:02x}"));
            }
            b' ' if ends => drop(write!(out, "\\{byte:02x}")),
            b'#' if at == 0 => drop(write!(out, "\\{byte:02x}")),
            _ => out.push(byte),
        }
    }
}

fn compare(comparison: Comparison, order: std::cmp::Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Providers, Rights};
    use crate::request::testing;

    fn condition(text: &str, r: &mut Request) -> bool {
        holds(&Expression::condition(text.into(), Rights::default(), &Providers::default()).unwrap(), r).unwrap()
    }
    fn string(value: &str, r: &mut Request) -> String {
        text(&Expression::string(value.into(), Rights::default(), &Providers::default()).unwrap(), r)
            .unwrap()
            .to_string()
    }

    #[test]
    fn operators_as_apache_answers() {
        let mut r = testing::request();
        for (text, expected) in [
            ("-T ''", false),
            ("-T 'OFF'", false),
            ("-T '00'", true),
            ("'10' -eq '10x'", true),
            ("'a' -eq '0'", true),
            ("'0x10' -eq '16'", false),
            ("' 5' -eq '5'", true),
            ("'99999999999999999999' -gt '9223372036854775806'", true),
            ("'B' < 'a'", true),
            ("'::ffff:10.1.2.3' -ipmatch '10.0.0.0/8'", true),
            ("'bogus' -ipmatch '10.0.0.0/8'", false),
            ("-R '192.0.2'", true),
            ("'a/b' -strmatch 'a*'", true),
            ("'a/b' -fnmatch 'a*'", false),
            ("'A/b' -strcmatch 'a*'", true),
            ("-d '/tmp' && -x '/tmp' && ! -f '/tmp' && ! -s '/tmp'", true),
            ("-e ''", false),
            ("'abc' =~ /B(.)/i && 'c' == $1", true),
            ("'abc' !~ /z(.)/ && '' == $1", true),
            ("'a' in {'b','a'}", true),
        ] {
            assert_eq!(condition(text, &mut r), expected, "{text}");
        }
    }

    #[test]
    fn functions_as_apache_answers() {
        let mut r = testing::request();
        for (text, expected) in [
            ("%{tolower:AbC%{REQUEST_METHOD}}", "abcget"),
            ("%{escape:a b/c?d&e%%}", "a%20b/c%3fd&e%25%25"),
            ("[%{unescape:a%2fb%20c%zz}%{unescape:a%00b}%{unescape:a%2}]", "[]"),
            ("%{base64:a b}|%{unbase64:YSBi}|%{unbase64:YQBi}", "YSBi|a b|a"),
            ("%{md5:foo}", "acbd18db4cc2f85cedef654fccc4a4d8"),
            ("%{sha1:foo}", "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"),
            ("%{filesize:/none}", "0"),
            ("%{ldap:a*b(c)#,}", "a\\2ab\\28c\\29#\\2c"),
            (
                "%{REMOTE_ADDR}:%{REMOTE_PORT} %{SERVER_NAME} %{QUERY_STRING} %{IPV6} %{API_VERSION}",
                "192.0.2.7:4000 www.example.com q=1 off 20120211",
            ),
        ] {
            assert_eq!(string(text, &mut r), expected, "{text}");
        }
    }

    #[test]
    fn headers_that_are_read_vary_the_response() {
        let mut r = testing::request();
        r.headers_in.add("Accept", "x");
        assert!(condition("%{HTTP_ACCEPT} == 'x' && req('accept') == 'x' && %{HTTP_HOST} != ''", &mut r));
        assert!(condition("req_novary('Cookie') == '' && %{HTTP_USER_AGENT} == ''", &mut r));
        assert_eq!(r.headers_out.get("Vary"), Some("Accept, User-Agent".into()));
        let quiet = Expression::condition(
            "%{HTTP_REFERER} == ''".into(),
            Rights::default().without_vary(),
            &Providers::default(),
        )
        .unwrap();
        assert!(holds(&quiet, &mut r).unwrap());
        assert_eq!(r.headers_out.get("Vary"), Some("Accept, User-Agent".into()));
    }
}
