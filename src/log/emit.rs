//! One line of the error log, from its parts to the target.

use super::format::{Id, Item, Layout, Token};
use super::{ErrorFormat, Level, Target, clock, escape_error, escape_text};
use bstr::{BStr, ByteSlice};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A line longer than this is cut.
const LINE_LIMIT: usize = 8190;

/// What is to be said.
pub struct Line<'a> {
    pub level: Level,
    /// The module's log name, `authz_core`; empty where there is none.
    pub module: &'a str,
    /// Its text stands in `%E`; 0 is none. Values from 20000 on are APR's.
    pub errno: i32,
    /// The call, for `%F`.
    pub source: Option<&'static Location<'static>>,
    /// Text with its AH tag.
    pub message: fmt::Arguments<'a>,
}

/// Whatever has an errno (or APR status) for a line; 0 is none.
pub trait Cause {
    fn errno(&self) -> i32;
}

impl Cause for i32 {
    fn errno(&self) -> i32 {
        *self
    }
}
impl Cause for std::io::Error {
    fn errno(&self) -> i32 {
        self.raw_os_error().unwrap_or(0)
    }
}
impl Cause for nix::errno::Errno {
    fn errno(&self) -> i32 {
        *self as i32
    }
}
impl<C: Cause> Cause for &C {
    fn errno(&self) -> i32 {
        (**self).errno()
    }
}

/// What a line may tell of the request, connection or server that it belongs to.
pub trait Scope {
    /// The user agent's address (`%a`).
    fn client(&self) -> Option<SocketAddr> {
        None
    }
    /// Whether log lines say `remote` for `client`: on streams of HTTP/2, and on connections that we opened.
    fn is_remote(&self) -> bool {
        false
    }
    /// The connection's peer (`%{c}a`).
    fn peer(&self) -> Option<SocketAddr> {
        None
    }
    fn local(&self) -> Option<SocketAddr> {
        None
    }
    fn keepalives(&self) -> Option<u32> {
        None
    }
    fn header(&self, _name: &BStr) -> Option<&BStr> {
        None
    }
    fn env(&self, _name: &BStr) -> Option<&BStr> {
        None
    }
    fn note(&self, _name: &BStr) -> Option<&BStr> {
        None
    }
    /// The request's id cell; filled by its first line.
    fn request_id(&self) -> Option<&OnceLock<LogId>> {
        None
    }
    /// The connection's id cell; filled by its first line.
    fn connection_id(&self) -> Option<&OnceLock<LogId>> {
        None
    }
    fn server_name(&self) -> Option<&BStr> {
        None
    }
    /// The name under UseCanonicalName; only requests have one.
    fn canonical_name(&self) -> Option<&BStr> {
        None
    }
}

/// The scope of a line of the process: the main server's name, once that is known.
pub struct ProcessScope<'a>(pub &'a BStr);
impl Scope for ProcessScope<'_> {
    fn server_name(&self) -> Option<&BStr> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// What `%L` shows: names a request or connection in both logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId([u8; 11]);

impl LogId {
    /// An id that no other request or connection of this machine gets.
    pub fn fresh() -> LogId {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let count = u64::from(COUNT.fetch_add(1, Ordering::Relaxed));
        let clock = clock::now() as u64;
        // 36 bits of microseconds (19 hours), the process, a counter: unique while anyone still compares.
        let mut rest = clock << 28 | u64::from(std::process::id() & 0xffff) << 12 | count & 0xfff;
        let mut id = [b'A'; 11];
        for digit in &mut id {
            *digit = DIGITS.get((rest & 63) as usize).copied().unwrap_or(b'A');
            rest >>= 6;
        }
        LogId(id)
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[derive(Default)]
struct Scratch {
    text: String,
    line: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static THREAD: Cell<i32> = const { Cell::new(0) };
}

/// Writes a line; its level has been checked.
pub fn emit(target: &Target, format: Option<&ErrorFormat>, scope: &dyn Scope, line: &Line<'_>) {
    introduce(target, format, scope, line);
    let layout = ErrorFormat::of(format, target.is_syslog());
    with_scratch(|scratch| {
        scratch.text.clear();
        let _ = scratch.text.write_fmt(line.message);
        if render(scratch, layout, scope, line) {
            target.write(line.level, &mut scratch.line);
        }
    });
}

/// Writes a bare message, as start-up complaints are: no stamp, no module, an errno's text before it.
pub fn emit_bare(target: &Target, line: &Line<'_>) {
    with_scratch(|scratch| {
        scratch.text.clear();
        let _ = scratch.text.write_fmt(line.message);
        scratch.line.clear();
        if line.errno != 0 {
            append_errno(&mut scratch.line, line.errno);
            scratch.line.extend_from_slice(b": ");
        }
        escape_text(&mut scratch.line, &scratch.text);
        scratch.line.truncate(LINE_LIMIT);
        target.write(line.level, &mut scratch.line);
    });
}

/// Connections and requests get their id with their first line, and what is to be said once of them stands before it.
fn introduce(target: &Target, format: Option<&ErrorFormat>, scope: &dyn Scope, line: &Line<'_>) {
    let once = |layouts: Option<&Vec<Layout>>, scope: &dyn Scope| {
        for layout in layouts.into_iter().flatten() {
            with_scratch(|scratch| {
                if render(scratch, layout, scope, line) {
                    target.write(line.level, &mut scratch.line);
                }
            });
        }
    };
    if let Some(cell) = scope.connection_id()
        && cell.set_if_unset()
    {
        once(format.map(|format| &format.connection), &OfConnection(scope));
    }
    if let Some(cell) = scope.request_id()
        && cell.set_if_unset()
    {
        once(format.map(|format| &format.request), scope);
    }
}

trait SetIfUnset {
    /// Gives a fresh id; says whether there was none.
    fn set_if_unset(&self) -> bool;
}

impl SetIfUnset for OnceLock<LogId> {
    fn set_if_unset(&self) -> bool {
        self.get().is_none() && self.set(LogId::fresh()).is_ok()
    }
}

/// A request's scope without the request.
struct OfConnection<'a>(&'a dyn Scope);

impl Scope for OfConnection<'_> {
    fn client(&self) -> Option<SocketAddr> {
        self.0.peer()
    }
    fn peer(&self) -> Option<SocketAddr> {
        self.0.peer()
    }
    fn local(&self) -> Option<SocketAddr> {
        self.0.local()
    }
    fn keepalives(&self) -> Option<u32> {
        self.0.keepalives()
    }
    fn connection_id(&self) -> Option<&OnceLock<LogId>> {
        self.0.connection_id()
    }
    fn server_name(&self) -> Option<&BStr> {
        self.0.server_name()
    }
}

fn with_scratch(use_it: impl FnOnce(&mut Scratch)) {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => use_it(&mut scratch),
        // A value that is being formatted logs a line itself.
        Err(_) => use_it(&mut Scratch::default()),
    });
}

/// Renders into the scratch's line; false when a required token has no value.
fn render(scratch: &mut Scratch, layout: &Layout, scope: &dyn Scope, line: &Line<'_>) -> bool {
    let Scratch { text, line: out } = scratch;
    out.clear();
    let (mut field, mut skipping) = (0, false);
    for item in &layout.0 {
        match item {
            Item::Field(spaces) => {
                (field, skipping) = (out.len(), false);
                out.resize(out.len() + spaces, b' ');
            }
            Item::Token { token: Token::Message, .. } => escape_text(out, text),
            _ if skipping => {}
            Item::Literal(text) => out.extend_from_slice(text),
            Item::Token { verbosity: Some(least), .. } if line.level < *least => {
                out.truncate(field);
                skipping = true;
            }
            Item::Token { token, hyphen, required, .. } => {
                let before = out.len();
                append(out, token, scope, line);
                if out.len() == before {
                    match (required, hyphen) {
                        (true, _) => return false,
                        // Lines of no module have nothing there in httpd's own layout.
                        (_, true) if matches!(token, Token::Module) && layout.is_default() => {}
                        (_, true) => out.push(b'-'),
                        _ => {
                            out.truncate(field);
                            skipping = true;
                        }
                    }
                }
            }
        }
    }
    out.truncate(LINE_LIMIT);
    true
}

/// Appends a token's value, or nothing where there is none.
fn append(out: &mut Vec<u8>, token: &Token, scope: &dyn Scope, line: &Line<'_>) {
    let address = |out: &mut Vec<u8>, address: Option<SocketAddr>| {
        if let Some(address) = address {
            let _ = write!(out, "{}:{}", address.ip(), address.port());
        }
    };
    let escaped = |out: &mut Vec<u8>, value: Option<&BStr>| {
        if let Some(value) = value {
            escape_error(out, value);
        }
    };
    let id = |out: &mut Vec<u8>, cell: Option<&OnceLock<LogId>>| {
        if let Some(id) = cell.and_then(OnceLock::get) {
            out.extend_from_slice(id.as_bytes());
        }
    };
    match token {
        Token::Client => address(out, scope.client()),
        Token::Side => out.extend_from_slice(if scope.is_remote() { b"[remote " } else { b"[client " }),
        Token::Peer => address(out, scope.peer()),
        Token::Local => address(out, scope.local()),
        Token::Env(name) => escaped(out, scope.env(name.as_bstr())),
        Token::Header(name) => escaped(out, scope.header(name.as_bstr())),
        Token::Note(name) => escaped(out, scope.note(name.as_bstr())),
        Token::Errno if line.errno != 0 => append_errno(out, line.errno),
        Token::Errno => {}
        Token::Source => {
            if let Some(source) = line.source {
                let file = source.file().rsplit('/').next().unwrap_or_default();
                let _ = write!(out, "{file}({})", source.line());
            }
        }
        Token::Keepalives => {
            if let Some(count) = scope.keepalives() {
                let _ = write!(out, "{count}");
            }
        }
        Token::Level => out.extend_from_slice(line.level.name().as_bytes()),
        Token::Id(Id::Request) => id(out, scope.request_id()),
        Token::Id(Id::Connection) => id(out, scope.connection_id()),
        Token::Id(Id::ConnectionOnly) if scope.request_id().is_none() => id(out, scope.connection_id()),
        Token::Id(Id::ConnectionOnly) => {}
        Token::Module => out.extend_from_slice(line.module.as_bytes()),
        Token::Message => {}
        Token::Pid => drop(write!(out, "{}", std::process::id())),
        Token::Tid { system: true } => drop(write!(out, "{}", thread_id())),
        Token::Tid { system: false } => drop(write!(out, "{}", nix::sys::pthread::pthread_self())),
        Token::Stamp { fraction, compact: true, zone } => {
            clock::append_compact_stamp(out, clock::now(), *fraction, *zone);
        }
        Token::Stamp { fraction, zone, .. } => clock::append_error_stamp(out, clock::now(), *fraction, *zone),
        Token::Strftime(format) => clock::append_strftime(out, format, &clock::Civil::local(clock::now())),
        Token::ServerName => escaped(out, scope.server_name()),
        Token::CanonicalName => escaped(out, scope.canonical_name()),
    }
}

/// The kernel's number of this thread.
pub fn thread_id() -> i32 {
    // A forked child inherits the cell of the thread that forked: only the process's first thread may have its id
    // equal to an inherited value, so that thread is never cached.
    THREAD.with(|cell| match cell.get() {
        0 => {
            let id = nix::unistd::gettid().as_raw();
            if id != std::process::id() as i32 {
                cell.set(id);
            }
            id
        }
        id => id,
    })
}

/// Texts that APR has for numbers of its own.
const APR: [(i32, &str); 12] = [
    (20002, "No such address / Could not find specified socket in poll list."),
    (20014, "Internal error (specific information not available)"),
    (20019, "DSO load failed"),
    (20023, "The given path was above the root path"),
    (20024, "The given path is misformatted or contained invalid characters"),
    (20028, "Not enough entropy to continue."),
    (EAI_NONAME, "Name or service not known"),
    (70007, "The timeout specified has expired"),
    (70008, "Partial results are valid but processing is incomplete"),
    (70014, "End of file found"),
    (70015, "Could not find specified socket in poll list."),
    (70023, "This function has not been implemented on this platform"),
];

/// APR's number of the resolver's "no such name".
pub const EAI_NONAME: i32 = 670_002;

/// `(13)Permission denied`
fn append_errno(out: &mut Vec<u8>, errno: i32) {
    let _ = match errno {
        EAI_NONAME => write!(out, "(EAI 2){}", errno_text(errno)),
        _ => write!(out, "({errno}){}", errno_text(errno)),
    };
}

/// The text of an errno or of an APR status.
pub fn errno_text(errno: i32) -> String {
    if let Some((_, text)) = APR.iter().find(|(number, _)| *number == errno) {
        return (*text).to_owned();
    }
    // APR's own numbers and those of its callers.
    match errno {
        20_000..120_000 => return "Error string not specified yet".to_owned(),
        120_000..620_000 => return "APR does not understand this error code".to_owned(),
        _ => {}
    }
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client;
    impl Scope for Client {
        fn client(&self) -> Option<SocketAddr> {
            Some(SocketAddr::from(([127, 0, 0, 1], 4000)))
        }
    }

    fn line(format: &str, level: Level, message: &str) -> String {
        let mut compiled = ErrorFormat::default();
        compiled.add(format.into(), None).unwrap();
        let mut scratch = Scratch { text: message.to_owned(), line: Vec::new() };
        let line = Line { level, module: "core", errno: 13, source: None, message: format_args!("") };
        assert!(render(&mut scratch, ErrorFormat::of(Some(&compiled), false), &Client, &line));
        String::from_utf8(scratch.line).unwrap()
    }

    #[test]
    fn fields_without_a_value_vanish_with_their_spaces() {
        for (format, expected) in [
            ("A\t%{Foo}i\tB %M", " m"),
            ("a  %{Foo}i  b x%{Foo}i %M c%{Foo}i", "a  b m"),
            ("%M  x%{Foo}i  y% %{Foo}iz% w", "m  yw"),
            ("[%{Foo}i] [%-{Foo}i %M]", " [- m]"),
            ("%M%{Foo}i", ""),
            ("x%{Foo}i%M y", "m y"),
            ("lit\\ %{Foo}i [client\\ %a] %E: %M", " [client 127.0.0.1:4000] (13)Permission denied: m"),
        ] {
            assert_eq!(line(format, Level::Error, "m"), expected, "{format}");
        }
    }

    #[test]
    fn a_number_asks_for_verbosity() {
        assert_eq!(line("%7m: %M", Level::Error, "m"), " m");
        assert_eq!(line("%7m: %M", Level::Debug, "m"), "core: m");
        assert_eq!(line("%3m %M", Level::Error, "m"), "core m");
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(line("%M", Level::Error, &"x".repeat(10_000)).len(), LINE_LIMIT);
    }

    #[test]
    fn ids_differ() {
        assert_ne!(LogId::fresh(), LogId::fresh());
        assert_eq!(LogId::fresh().to_string().len(), 11);
    }
}
