//! The `log` methods of requests, connections and servers.
//!
//! `r.log(Level::Error, "authz_core", format_args!("AH01630: ..."))` costs a look at the levels when nobody wants the
//! line. Octets of clients and paths go in as `log::raw(&r.uri)`.

use super::{Connection, Request};
use crate::config::{CoreDir, CoreServer, Server};
use crate::log::{self, Cause, ErrorFormat, Level, Levels, Line, LogId, Scope};
use bstr::{BStr, ByteSlice};
use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// In a file notices are never suppressed, whatever LogLevel says; syslog filters them.
fn wanted(level: Level, module: &str, directory: Option<&Levels>, server: &Server) -> bool {
    level == Level::Notice && !server.log.is_syslog() || log::allowed(level, module, directory, server.levels.as_ref())
}

fn format(server: &Server) -> Option<&ErrorFormat> {
    server.settings.of::<CoreServer>().error_log_format.as_deref()
}

impl Request {
    fn levels(&self) -> Option<&Levels> {
        self.dir.settings.of::<CoreDir>().levels.as_ref()
    }
    /// Whether a line of that level would be written: for callers that prepare much.
    #[inline]
    pub fn logs(&self, level: Level, module: &str) -> bool {
        wanted(level, module, self.levels(), self.server)
    }
    /// A line of this request.
    #[inline]
    #[track_caller]
    pub fn log(&self, level: Level, module: &'static str, message: fmt::Arguments<'_>) {
        self.log_errno(level, module, 0, message);
    }
    /// As [`Request::log`], with an errno (or APR status) whose text stands before the message.
    #[inline]
    #[track_caller]
    pub fn log_errno(&self, level: Level, module: &'static str, error: impl Cause, message: fmt::Arguments<'_>) {
        if self.logs(level, module) {
            let line = Line { level, module, errno: error.errno(), source: Some(Location::caller()), message };
            log::emit(&self.server.log, format(self.server), self, &line);
        }
    }
}

impl Connection {
    /// Whether a line of that level would be written.
    #[inline]
    pub fn logs(&self, level: Level, module: &str) -> bool {
        wanted(level, module, None, self.base)
    }
    /// A line of this connection, outside of any request.
    #[inline]
    #[track_caller]
    pub fn log(&self, level: Level, module: &'static str, message: fmt::Arguments<'_>) {
        self.log_errno(level, module, 0, message);
    }
    /// As [`Connection::log`], with an errno (or APR status) whose text stands before the message.
    #[inline]
    #[track_caller]
    pub fn log_errno(&self, level: Level, module: &'static str, error: impl Cause, message: fmt::Arguments<'_>) {
        if self.logs(level, module) {
            let line = Line { level, module, errno: error.errno(), source: Some(Location::caller()), message };
            log::emit(&self.base.log, format(self.base), self, &line);
        }
    }
}

impl Server {
    /// Whether a line of that level would be written.
    #[inline]
    pub fn logs(&self, level: Level, module: &str) -> bool {
        wanted(level, module, None, self)
    }
    /// A line of this server, outside of any connection.
    #[inline]
    #[track_caller]
    pub fn log(&self, level: Level, module: &'static str, message: fmt::Arguments<'_>) {
        self.log_errno(level, module, 0, message);
    }
    /// A line that is for whoever starts the server: it stands there by itself.
    pub fn log_bare(&self, level: Level, message: fmt::Arguments<'_>) {
        log::emit_bare(&self.log, &Line { level, module: "", errno: 0, source: None, message });
    }
    /// As [`Server::log`], with an errno (or APR status) whose text stands before the message.
    #[inline]
    #[track_caller]
    pub fn log_errno(&self, level: Level, module: &'static str, error: impl Cause, message: fmt::Arguments<'_>) {
        if self.logs(level, module) {
            let line = Line { level, module, errno: error.errno(), source: Some(Location::caller()), message };
            log::emit(&self.log, format(self), self, &line);
        }
    }
}

/// A connection that a server opened, for what is logged of it.
#[derive(Clone, Copy)]
pub struct Remote {
    pub server: &'static Server,
    /// Whom it leads to.
    pub remote: Option<SocketAddr>,
}

impl Remote {
    /// A line of this connection.
    #[track_caller]
    pub fn log(&self, level: Level, module: &'static str, message: fmt::Arguments<'_>) {
        self.log_errno(level, module, 0, message);
    }
    /// As [`Remote::log`], with an errno (or APR status) whose text stands before the message.
    #[track_caller]
    pub fn log_errno(&self, level: Level, module: &'static str, error: impl Cause, message: fmt::Arguments<'_>) {
        if self.server.logs(level, module) {
            let line = Line { level, module, errno: error.errno(), source: Some(Location::caller()), message };
            log::emit(&self.server.log, format(self.server), self, &line);
        }
    }
}

impl Scope for Remote {
    fn client(&self) -> Option<SocketAddr> {
        self.remote
    }
    fn is_remote(&self) -> bool {
        true
    }
    fn peer(&self) -> Option<SocketAddr> {
        self.remote
    }
    fn server_name(&self) -> Option<&BStr> {
        Scope::server_name(self.server)
    }
}

impl Scope for Request {
    fn client(&self) -> Option<SocketAddr> {
        Some(self.useragent)
    }
    fn is_remote(&self) -> bool {
        self.connection.stream_of.is_some()
    }
    fn peer(&self) -> Option<SocketAddr> {
        Some(self.connection.client)
    }
    fn local(&self) -> Option<SocketAddr> {
        Some(self.connection.local)
    }
    fn keepalives(&self) -> Option<u32> {
        Some(self.connection.keepalives.load(Ordering::Relaxed))
    }
    fn header(&self, name: &BStr) -> Option<&BStr> {
        self.headers_in.get(name)
    }
    fn env(&self, name: &BStr) -> Option<&BStr> {
        self.env.get(name)
    }
    fn note(&self, name: &BStr) -> Option<&BStr> {
        self.notes.get(name)
    }
    fn request_id(&self) -> Option<&OnceLock<LogId>> {
        Some(&self.log_id)
    }
    fn connection_id(&self) -> Option<&OnceLock<LogId>> {
        Some(&self.connection.log_id)
    }
    fn server_name(&self) -> Option<&BStr> {
        Scope::server_name(self.server)
    }
    fn canonical_name(&self) -> Option<&BStr> {
        use crate::config::CanonicalName;
        match self.dir.settings.of::<CoreDir>().canonical_name {
            None | Some(CanonicalName::Off) => self.hostname.as_ref().map(|name| name.as_bstr()),
            _ => None,
        }
        .or_else(|| Scope::server_name(self))
    }
}

impl Scope for Connection {
    fn client(&self) -> Option<SocketAddr> {
        Some(self.client)
    }
    fn is_remote(&self) -> bool {
        self.stream_of.is_some()
    }
    fn peer(&self) -> Option<SocketAddr> {
        Some(self.client)
    }
    fn local(&self) -> Option<SocketAddr> {
        Some(self.local)
    }
    fn keepalives(&self) -> Option<u32> {
        Some(self.keepalives.load(Ordering::Relaxed))
    }
    fn connection_id(&self) -> Option<&OnceLock<LogId>> {
        Some(&self.log_id)
    }
    fn server_name(&self) -> Option<&BStr> {
        Scope::server_name(self.base)
    }
}

impl Scope for Server {
    fn server_name(&self) -> Option<&BStr> {
        self.name.as_ref().map(|name| name.as_bstr())
    }
}
