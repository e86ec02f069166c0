//! Traits behind which modules offer something to one another.

use crate::config::{Configuration, Cx, Server};
use crate::engine::{BoxFuture, Stream};
use crate::request::{Body, Connection, ReadLimit, ReadLimits, Request};
use bstr::{BStr, BString};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Result of checking a password (`authn_status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authn {
    Denied,
    Granted,
    UserFound,
    UserNotFound,
    GeneralError,
}

/// An authentication provider (`AuthBasicProvider file`). Runs where blocking is allowed.
pub trait AuthnProvider: Sync {
    /// Whether `password` is the user's.
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn;
    /// Whether [`AuthnProvider::realm_hash`] ever knows one.
    fn knows_realms(&self) -> bool {
        false
    }
    /// The stored hash for `user` in `realm` (digest authentication); None where not supported.
    fn realm_hash(&self, _r: &mut Request, _user: &BStr, _realm: &BStr) -> Option<Result<Vec<u8>, Authn>> {
        None
    }
}

/// Result of an authorization provider (`authz_status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authz {
    Denied,
    Granted,
    Neutral,
    GeneralError,
    /// Denied because there is no user yet: authentication may change it.
    DeniedNoUser,
}

/// An authorization provider: the word after `Require`.
pub trait AuthzProvider: Sync {
    /// Parses the rest of the `Require` line once.
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String>;
    /// Whether the request fulfils the requirement.
    fn check<'a>(
        &'a self,
        r: &'a mut Request,
        arguments: &'a BStr,
        parsed: &'a Arc<dyn Any + Send + Sync>,
    ) -> AuthzCheck<'a>;
    /// Whether everybody fulfils it, whoever asks for what.
    fn grants_all(&self, _parsed: &(dyn Any + Send + Sync)) -> bool {
        false
    }
}

/// A check's result, at once or later.
pub enum AuthzCheck<'a> {
    Now(Authz),
    Later(BoxFuture<'a, Authz>),
}

/// Whether access by address and access by user must both hold (`Satisfy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Satisfaction {
    All,
    Any,
}

/// Offered as `satisfy` by the module that has the directive.
pub trait Satisfy: Sync {
    fn satisfaction(&self, r: &Request) -> Satisfaction;
}

/// Offered as `auth`: what AuthType and AuthName say for a request.
pub trait AuthNames: Sync {
    fn auth_type(&self, r: &mut Request) -> Option<BString>;
    fn auth_name(&self, r: &mut Request) -> Option<BString>;
}

/// An authentication scheme, offered under its lower-case name (`basic`): puts its challenge into the response.
pub trait Challenge: Sync {
    fn challenge(&self, r: &mut Request);
}

/// Offered as `file-group`: the name of the group that owns the request's file.
pub trait FileGroup: Sync {
    fn file_group(&self, r: &Request) -> Option<BString>;
}

/// Offered as `mime`: which parts of a file's name mean nothing (the base name first), for MultiViews.
pub trait UnknownParts: Sync {
    /// None: no part of the name means anything.
    fn unknown_parts(&self, r: &Request) -> Option<Vec<BString>>;
}

/// Offered under its identifier (`alias_module`) by a module that may map, redirect or refuse a URL whose file does not
/// exist, so that such a URL need not be asked for when it would not.
pub trait UrlMeaning: Sync {
    fn means(&self, r: &Request, uri: &BStr) -> bool;
}

/// Offered under its name in LogFormat (`I`, `^FB`, `x`) by a module that adds to what access logs can show.
pub trait LogItem: Sync {
    /// Appends the value, escaped where clients have a hand in it; false where there is none. `argument` is what stood
    /// in braces.
    fn append(&self, out: &mut Vec<u8>, r: &Request, argument: &BStr) -> bool;
    /// Whether the value is always a number.
    fn is_number(&self) -> bool {
        false
    }
}

/// How the reading of a PROXY header goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderStep {
    More,
    /// So many octets are the header's; the first request follows.
    Done(usize),
    /// Close without an answer.
    Close,
}

/// Offered as `proxy-protocol`: what stands before the first request of a connection.
pub trait ProxyHeader: Sync {
    /// Whether the connection must begin with such a header.
    fn expected(&self, connection: &Connection, configuration: &Configuration) -> bool;
    /// Looks at what was received; `ended`: no more will come. Keeps what it learns with the connection.
    fn take(&self, connection: &Connection, input: &[u8], ended: bool) -> HeaderStep;
}

/// What became of a connection that was to be secured.
pub enum Secured {
    /// What is read and written from now on is protected.
    Done(Stream),
    /// The client does not speak TLS; these octets stand for its request.
    Plain(Stream, &'static [u8]),
    /// There is nobody to talk to.
    Closed,
}

/// Offered as `tls`: what secures connections, and what is known of those that are.
pub trait Tls: Sync {
    /// Whether connections to this server are to be secured.
    fn secures(&self, server: &Server) -> bool;
    /// Does the handshake; `received` was read from the stream already.
    fn accept<'a>(
        &'a self,
        stream: Stream,
        received: Vec<u8>,
        connection: &'a Arc<Connection>,
        configuration: &'static Configuration,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Secured>;
    /// The value of a variable (`SSL_PROTOCOL`); None where it has none.
    fn variable(&self, r: &Request, name: &BStr) -> Option<BString>;
}

/// How a connection to a backend is to be secured.
pub struct Outgoing<'a> {
    /// Whom the backend's certificate must be for, and whom the handshake asks for unless it is an address; empty: anybody.
    pub host: &'a BStr,
    /// Protocols that are asked for (ALPN), by preference; what was chosen the stream's session knows.
    pub protocols: &'a [&'a [u8]],
    /// The handshake takes no longer.
    pub patience: Duration,
}

/// Offered as `tls`: what secures connections to backends.
pub trait OutgoingTls: Sync {
    /// Which settings hold for the backend of a request, as a number that tells them apart: a connection that was made
    /// with other settings is not used again. None: connections to it are not to be secured (SSLProxyEngine).
    fn settings(&self, r: &Request) -> Option<usize>;
    /// Does the handshake. None: it failed, which the log says.
    fn connect<'a>(&'a self, r: &'a mut Request, stream: Stream, how: Outgoing<'a>) -> BoxFuture<'a, Option<Stream>>;
}

/// Offered under a protocol's name (`h2`) by a module that speaks it on connections whose handshake chose it (ALPN,
/// RFC 7301); `Connection::protocol` has the choice.
pub trait SecuredProtocol: Sync {
    /// Whether it may be chosen on a connection whose handshake is for `server`, and whose client and server have it.
    fn proposes(&self, server: &Server, connection: &Connection) -> bool;
}

/// Offered as `exec`: what the element `exec` of mod_include runs.
pub trait ExecElement: Sync {
    /// Whose complaints are logged.
    fn module(&self) -> &'static str;
    /// Starts a shell with the environment of `r`; its output. None: that was not possible, which the log says.
    fn command<'a>(&'a self, r: &'a mut Request, command: &'a BStr) -> BoxFuture<'a, Option<Body>>;
}

/// Offered as `echo`: what is spoken on connections instead of HTTP.
pub trait ConnectionProtocol: Sync {
    /// Whether a server's connections speak it.
    fn takes(&self, server: &Server) -> bool;
    /// Serves a connection to its end; `patience` is for each read and write.
    fn serve<'a>(&'a self, stream: &'a Stream, connection: &'a Connection, patience: Duration) -> BoxFuture<'a, ()>;
}

/// Offered as `dumpio`: who is told what goes over a connection.
pub trait Dump: Sync {
    /// Whether what comes in and what goes out is asked for.
    fn wants(&self, connection: &Connection) -> (bool, bool);
    /// Octets that came in: `how` they were asked for (`getline`, `readbytes`).
    fn came(&self, connection: &Connection, how: &str, octets: &[u8]);
    /// Octets that go out.
    fn goes(&self, connection: &Connection, octets: &[u8]);
}

/// Offered as `reqtimeout`: what bounds the reading of requests on a server's connections.
pub trait ReadTimeouts: Sync {
    fn limits(&self, server: &Server) -> ReadLimits;
}

/// Offered under any name: what a module adds to the pages of mod_status.
pub trait StatusPart: Sync {
    /// Appends to the page for people, or with `auto` to that for programs.
    fn append(&self, r: &Request, out: &mut String, auto: bool);
}

/// Something wrong that only the strict check tells.
pub struct Finding {
    /// Index of the host.
    pub server: usize,
    /// The directive that is at fault, and its argument where that tells it from others.
    pub directive: &'static str,
    pub argument: BString,
    /// What is wrong, ` -- `, and what to do.
    pub text: String,
}

/// Offered by a module under any name: what `-t -D STRICT` asks about its settings.
pub trait Inspect: Sync {
    fn inspect(&self, configuration: &Configuration) -> Vec<Finding>;
}

/// Offered under any name: work that is done at the intervals of WatchdogInterval, in one child at a time.
pub trait Periodic: Sync {
    /// Whether the configuration asks for any.
    fn wanted(&self, configuration: &Configuration) -> bool;
    /// Does what is due, or begins it (`engine::spawn`).
    fn tick(&self, configuration: &'static Configuration);
}
