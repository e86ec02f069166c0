//! Expressions of the configuration (ap_expr), compiled: names resolved, patterns and address ranges parsed.
//!
//! The grammar is the parser crate's; what the names mean for a request is `crate::server::expression`'s.
//! Manual: expr.html.

use super::subnet::{self, Parsed, Subnet};
use super::{HealthNames, Providers, TlsNames};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::expr::{self, Condition, ConditionKind, List, Part, Use, Word};
use std::sync::Arc;

pub use httpd_conf::expr::Comparison;

/// A compiled condition or string expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: BString,
    root: Root,
    /// Request headers that are read do not get into Vary.
    pub no_vary: bool,
    /// Module, file and line of its directive, for the log line when it fails.
    origin: Option<(&'static str, BString, u32)>,
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub enum Root {
    Condition(Test),
    Text(Text),
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Test {
    Constant(bool),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    Unary(Unary, Text),
    /// `-R`, `-ipmatch`; without a left side it is the client's address.
    Address(Option<Text>, Subnet),
    Wildcard {
        text: Text,
        pattern: Text,
        /// `-fnmatch`: wildcards do not match slashes.
        path: bool,
        ignore_case: bool,
    },
    Integer(Comparison, Text, Text),
    Text(Comparison, Text, Text),
    /// Texts by their lengths first: how SSLRequire compares.
    Lengths(Comparison, Text, Text),
    In(Text, Vec<Text>),
    Match {
        subject: Text,
        regex: Arc<Regex>,
        negated: bool,
    },
}

/// A string: its pieces' values, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Text(pub Vec<Piece>);

#[derive(Clone, Debug)]
pub enum Piece {
    Literal(BString),
    Backref(u8),
    Variable(Variable),
    Function(Function, Text),
    /// A variable of secured connections (`SSL_PROTOCOL`).
    Tls(BString),
    /// The same with a name that is made up (`%{SSL:...}`).
    TlsNamed(Text),
}

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($($word:literal)|+ => $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum $kind { $($variant,)* }
        impl $kind {
            /// What a name stands for; case does not matter.
            pub fn named(name: &[u8]) -> Option<$kind> {
                const NAMES: &[(&str, $kind)] = &[$($(($word, $kind::$variant),)+)*];
                NAMES.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
            }
        }
    };
}

names! {
    /// `%{NAME}`.
    Variable {
        "HTTP_ACCEPT" => HttpAccept,
        "HTTP_COOKIE" => HttpCookie,
        "HTTP_FORWARDED" => HttpForwarded,
        "HTTP_HOST" => HttpHost,
        "HTTP_PROXY_CONNECTION" => HttpProxyConnection,
        "HTTP_REFERER" => HttpReferer,
        "HTTP_USER_AGENT" => HttpUserAgent,
        "REQUEST_METHOD" => RequestMethod,
        "REQUEST_SCHEME" => RequestScheme,
        "REQUEST_URI" => RequestUri,
        "DOCUMENT_URI" => DocumentUri,
        "REQUEST_FILENAME" => RequestFilename,
        "SCRIPT_FILENAME" => ScriptFilename,
        "LAST_MODIFIED" => LastModified,
        "SCRIPT_USER" => ScriptUser,
        "SCRIPT_GROUP" => ScriptGroup,
        "PATH_INFO" => PathInfo,
        "QUERY_STRING" => QueryString,
        "IS_SUBREQ" => IsSubreq,
        "THE_REQUEST" => TheRequest,
        "REMOTE_ADDR" => RemoteAddr,
        "REMOTE_PORT" => RemotePort,
        "REMOTE_HOST" => RemoteHost,
        "REMOTE_USER" => RemoteUser,
        "REMOTE_IDENT" => RemoteIdent,
        "SERVER_NAME" => ServerName,
        "SERVER_PORT" => ServerPort,
        "SERVER_ADMIN" => ServerAdmin,
        "SERVER_PROTOCOL" => ServerProtocol,
        "DOCUMENT_ROOT" => DocumentRoot,
        "AUTH_TYPE" => AuthType,
        "CONTENT_TYPE" => ContentType,
        "HANDLER" => Handler,
        "HTTP2" => Http2,
        "HTTPS" => Https,
        "IPV6" => Ipv6,
        "REQUEST_STATUS" => RequestStatus,
        "REQUEST_LOG_ID" => RequestLogId,
        "CONN_LOG_ID" => ConnLogId,
        "CONN_REMOTE_ADDR" => ConnRemoteAddr,
        "CONTEXT_PREFIX" => ContextPrefix,
        "CONTEXT_DOCUMENT_ROOT" => ContextDocumentRoot,
        "TIME_YEAR" => TimeYear,
        "TIME_MON" => TimeMon,
        "TIME_DAY" => TimeDay,
        "TIME_HOUR" => TimeHour,
        "TIME_MIN" => TimeMin,
        "TIME_SEC" => TimeSec,
        "TIME_WDAY" => TimeWday,
        "TIME" => Time,
        "SERVER_SOFTWARE" => ServerSoftware,
        "API_VERSION" => ApiVersion,
    }
}

names! {
    /// `name(word)`, `%{name:string}`.
    Function {
        "hc" => Health,
        "req" | "http" => Req,
        "req_novary" => ReqNoVary,
        "resp" => Resp,
        "reqenv" => ReqEnv,
        "osenv" => OsEnv,
        "note" => Note,
        "env" => Env,
        "tolower" => ToLower,
        "toupper" => ToUpper,
        "escape" => Escape,
        "unescape" => Unescape,
        "base64" => Base64,
        "unbase64" => Unbase64,
        "md5" => Md5,
        "sha1" => Sha1,
        "file" => File,
        "filesize" => FileSize,
        "ldap" => Ldap,
        "v" => IncludeVariable,
    }
}

/// `-x word`; case matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    Directory,
    Exists,
    RegularFile,
    NotEmptyFile,
    Symlink,
    Executable,
    /// `-F`: a file that a subrequest may have.
    AccessibleFile,
    /// `-U`, `-A`: a URL that a subrequest may have.
    AccessibleUrl,
    NotEmpty,
    Empty,
    /// `-T`
    Truth,
}

impl Unary {
    fn named(name: &[u8]) -> Option<Unary> {
        Some(match name {
            b"d" => Unary::Directory,
            b"e" => Unary::Exists,
            b"f" => Unary::RegularFile,
            b"s" => Unary::NotEmptyFile,
            b"h" | b"L" => Unary::Symlink,
            b"x" => Unary::Executable,
            b"F" => Unary::AccessibleFile,
            b"U" | b"A" => Unary::AccessibleUrl,
            b"n" => Unary::NotEmpty,
            b"z" => Unary::Empty,
            b"T" => Unary::Truth,
            _ => return None,
        })
    }
}

impl Unary {
    /// Whether it says what stands on the disk, without a subrequest's checks.
    fn looks_at_files(self) -> bool {
        use Unary::*;
        matches!(self, Directory | Exists | RegularFile | NotEmptyFile | Symlink | Executable)
    }
}

/// What an expression may do where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Functions that read files are refused (.htaccess, mod_include).
    pub restricted: bool,
    /// Reading a request header does not add it to Vary.
    pub no_vary: bool,
    /// `v()` is known, and operators that look at files are refused (mod_include).
    pub includes: bool,
}

impl Rights {
    /// The same, and headers that are read stay out of Vary.
    pub fn without_vary(self) -> Rights {
        Rights { no_vary: true, ..self }
    }
}

impl Expression {
    /// Compiles a condition; the error's text is Apache's.
    pub fn condition(text: &BStr, rights: Rights, providers: &Providers) -> Result<Expression, String> {
        let more = More::of(providers);
        let condition = expr::parse_condition(text, |used| check(used, rights, more)).map_err(refused)?;
        Ok(Expression {
            text: text.into(),
            root: Root::Condition(Test::resolve(condition)?),
            no_vary: rights.no_vary,
            origin: None,
        })
    }
    /// Compiles a string with `%{...}` in it; the error's text is Apache's.
    pub fn string(text: &BStr, rights: Rights, providers: &Providers) -> Result<Expression, String> {
        let more = More::of(providers);
        let word = expr::parse_string(text, |used| check(used, rights, more)).map_err(refused)?;
        Ok(Expression {
            text: text.into(),
            root: Root::Text(Text::resolve(word)?),
            no_vary: rights.no_vary,
            origin: None,
        })
    }
    /// The same, with numbers compared as SSLRequire does: texts by their lengths first.
    pub fn comparing_lengths(self) -> Expression {
        let root = match self.root {
            Root::Condition(test) => Root::Condition(test.comparing_lengths()),
            text => text,
        };
        Expression { root, ..self }
    }
    /// The same, and its failures are logged with the place where it stands.
    pub fn at(self, module: &'static str, file: &BStr, line: u32) -> Expression {
        Expression { origin: Some((module, file.into(), line)), ..self }
    }
    /// Module, file and line of its directive, where known.
    pub fn origin(&self) -> Option<(&'static str, &BStr, u32)> {
        self.origin.as_ref().map(|(module, file, line)| (*module, file.as_bstr(), *line))
    }
    /// As written.
    pub fn text(&self) -> &BStr {
        self.text.as_bstr()
    }
    pub fn root(&self) -> &Root {
        &self.root
    }
}

fn refused(error: expr::ParseError) -> String {
    error.message().to_string()
}

fn is_tls(name: &[u8]) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SSL_"))
}

const NO_NETWORK: &str = "parsing of subnet/netmask failed";

/// What modules that are loaded add.
#[derive(Clone, Copy)]
struct More {
    tls: bool,
    health: bool,
}

impl More {
    fn of(providers: &Providers) -> More {
        More {
            tls: providers.find::<dyn TlsNames>(b"tls").is_some(),
            health: providers.find::<dyn HealthNames>(b"hcheck").is_some(),
        }
    }
}

/// What the parser asks of every name it meets.
fn check(used: Use<'_>, rights: Rights, more: More) -> Result<(), BString> {
    let network = |operator: &str, argument: &Word| match argument.as_constant() {
        None => Err(BString::from(format!("-{operator} requires subnet/netmask as constant argument"))),
        Some(text) => as_subnet(text).map(|_| ()).map_err(Into::into),
    };
    let known = match used {
        Use::Variable(name) => Variable::named(name).is_some() || more.tls && is_tls(name),
        Use::Function { name, .. } => match Function::named(name) {
            Some(Function::File | Function::FileSize) if rights.restricted => {
                return Err(format!("{name} not available in restricted context").into());
            }
            Some(Function::IncludeVariable) => rights.includes,
            Some(Function::Health) => more.health,
            function => function.is_some() || more.tls && name.eq_ignore_ascii_case(b"SSL"),
        },
        Use::ListFunction { .. } => false,
        Use::Unary { name, argument } if name == "R" => return network("R", argument),
        Use::Unary { name, .. } => match Unary::named(name) {
            Some(operator) if rights.includes && operator.looks_at_files() => {
                return Err(format!("-{name} not available in restricted context").into());
            }
            operator => operator.is_some(),
        },
        Use::Binary { name, right, .. } if name.eq_ignore_ascii_case(b"ipmatch") => return network("ipmatch", right),
        Use::Binary { name, .. } => {
            [&b"strmatch"[..], b"strcmatch", b"fnmatch"].iter().any(|known| name.eq_ignore_ascii_case(known))
        }
        Use::Regex(regex) => compile(regex).is_ok(),
    };
    if known { Ok(()) } else { Err(used.does_not_exist()) }
}

fn compile(regex: &expr::Regex) -> Result<Regex, String> {
    let flags = Flags { icase: regex.ignore_case, ..Flags::default() };
    Regex::new(&regex.pattern, flags).map_err(|_| "Failed to compile regular expression".to_owned())
}

impl Test {
    fn comparing_lengths(self) -> Test {
        let all = |tests: Vec<Test>| tests.into_iter().map(Test::comparing_lengths).collect();
        match self {
            Test::Not(test) => Test::Not(Box::new(test.comparing_lengths())),
            Test::And(tests) => Test::And(all(tests)),
            Test::Or(tests) => Test::Or(all(tests)),
            Test::Integer(comparison, left, right) => Test::Lengths(comparison, left, right),
            other => other,
        }
    }
    fn resolve(condition: Condition) -> Result<Test, String> {
        let all = |conditions: Vec<Condition>| conditions.into_iter().map(Test::resolve).collect::<Result<_, _>>();
        let unknown = |name: BString| format!("'{name}' does not exist");
        Ok(match condition.kind {
            ConditionKind::Constant(value) => Test::Constant(value),
            ConditionKind::Not(inner) => Test::Not(Box::new(Test::resolve(*inner)?)),
            ConditionKind::And(conditions) => Test::And(all(conditions)?),
            ConditionKind::Or(conditions) => Test::Or(all(conditions)?),
            ConditionKind::Unary { name, argument } if name == "R" => Test::Address(None, network(&argument)?),
            ConditionKind::Unary { name, argument } => {
                Test::Unary(Unary::named(&name).ok_or_else(|| unknown(name))?, Text::resolve(argument)?)
            }
            ConditionKind::Binary { name, left, right } => match name.to_ascii_lowercase().as_slice() {
                b"ipmatch" => Test::Address(Some(Text::resolve(left)?), network(&right)?),
                lower @ (b"strmatch" | b"strcmatch" | b"fnmatch") => Test::Wildcard {
                    text: Text::resolve(left)?,
                    pattern: Text::resolve(right)?,
                    path: lower == b"fnmatch",
                    ignore_case: lower == b"strcmatch",
                },
                _ => return Err(unknown(name)),
            },
            ConditionKind::Integer { comparison, left, right } => {
                Test::Integer(comparison, Text::resolve(left)?, Text::resolve(right)?)
            }
            ConditionKind::Text { comparison, left, right } => {
                Test::Text(comparison, Text::resolve(left)?, Text::resolve(right)?)
            }
            ConditionKind::In { needle, list: List::Words(words) } => {
                let words = words.into_iter().map(Text::resolve).collect::<Result<_, _>>()?;
                Test::In(Text::resolve(needle)?, words)
            }
            ConditionKind::In { list: List::Function { name, .. }, .. } => return Err(unknown(name)),
            ConditionKind::Match { subject, regex, negated } => {
                Test::Match { subject: Text::resolve(subject)?, regex: Arc::new(compile(&regex)?), negated }
            }
        })
    }
}

fn network(word: &Word) -> Result<Subnet, String> {
    as_subnet(word.as_constant().unwrap_or_default()).map_err(str::to_owned)
}

fn as_subnet(text: &[u8]) -> Result<Subnet, &'static str> {
    match subnet::parse(text) {
        Parsed::Subnet(subnet) => Ok(subnet),
        _ => Err(NO_NETWORK),
    }
}

impl Text {
    fn resolve(word: Word) -> Result<Text, String> {
        let piece = |part: Part| {
            Ok(match part {
                Part::Text(text) | Part::Number(text) => Piece::Literal(text),
                Part::Backref(number) => Piece::Backref(number),
                Part::Variable { name, .. } => match Variable::named(&name) {
                    Some(variable) => Piece::Variable(variable),
                    None if is_tls(&name) => Piece::Tls(name),
                    None => return Err(format!("Variable '{name}' does not exist")),
                },
                Part::Function { name, argument, .. } if name.eq_ignore_ascii_case(b"SSL") => {
                    Piece::TlsNamed(Text::resolve(argument)?)
                }
                Part::Function { name, argument, .. } => Piece::Function(
                    Function::named(&name).ok_or_else(|| format!("Function '{name}' does not exist"))?,
                    Text::resolve(argument)?,
                ),
            })
        };
        Ok(Text(word.parts.into_iter().map(piece).collect::<Result<_, String>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Expression::condition(text.into(), Rights { restricted: true, ..Rights::default() }, &Providers::default())
            .unwrap_err()
    }

    #[test]
    fn refuses_as_apache_does() {
        assert_eq!(error("-R 'abc'"), NO_NETWORK);
        assert_eq!(error("'a' -ipmatch '1.2.3.4/99'"), NO_NETWORK);
        assert_eq!(error("-R %{REMOTE_ADDR}"), "-R requires subnet/netmask as constant argument");
        assert_eq!(error("%{FOO} == 'a'"), "Variable 'FOO' does not exist");
        assert_eq!(error("'a' in foo('b')"), "List-returning function 'foo' does not exist");
        assert_eq!(error("'a' -xyz 'b'"), "Binary operator '-xyz' does not exist");
        assert_eq!(error("'a' =~ /(/"), "Failed to compile regular expression");
        assert_eq!(error("file('/x') == ''"), "file not available in restricted context");
        assert_eq!(error("filesize('/x') == ''"), "filesize not available in restricted context");
        assert!(
            Expression::condition("file('/x') == '' && -x '/x'".into(), Rights::default(), &Providers::default())
                .is_ok()
        );
    }
}
