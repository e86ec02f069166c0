//! The request with its response: one value that walks through the phases (Apache's `request_rec`).

use super::{Body, Connection, Extensions, Fault, FilterInstance, Method, MethodNumber, Piece, Status, Table};
use crate::config::{Configuration, Dir, Server, Settings};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;

/// HTTP version: 1001 is 1.1, as in Apache's `HTTP_VERSION`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(pub u32);

impl Version {
    pub const V0_9: Version = Version(9);
    pub const V1_0: Version = Version(1000);
    pub const V1_1: Version = Version(1001);
    pub const V2: Version = Version(2000);
}

/// What a file name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileKind {
    /// Nothing there (or not looked up).
    #[default]
    None,
    File,
    Directory,
    Other,
}

/// Facts of `stat(2)` for the mapped file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    pub kind: FileKind,
    /// Whether anybody has looked: nothing may be there all the same.
    pub looked_up: bool,
    pub size: u64,
    /// Modification time in microseconds since the epoch.
    pub mtime: i64,
    /// Time of the last change of content or attributes, in nanoseconds since the epoch.
    pub changed: i64,
    pub inode: u64,
    pub device: u64,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// Facts of the request that a subrequest was made for.
#[derive(Clone, Debug, Default)]
pub struct Parent {
    pub uri: BString,
    pub filename: BString,
    pub args: Option<BString>,
    pub path_info: BString,
    pub content_type: Option<BString>,
    pub user: Option<BString>,
    pub auth_type: Option<BString>,
    /// Id of its merged settings: the same settings need no second access check.
    pub dir_id: u64,
    /// Subrequests around this one.
    pub depth: u32,
    /// The request that it is itself a subrequest of.
    pub main: Option<Arc<Parent>>,
}

/// See the module text.
pub struct Request {
    pub connection: Arc<Connection>,
    pub configuration: &'static Configuration,
    /// The chosen virtual host.
    pub server: &'static Server,
    /// Merged per-directory settings that hold so far.
    pub dir: Dir,

    /// The request line as received.
    pub the_request: BString,
    pub method: Method,
    pub version: Version,
    /// Protocol as sent, `HTTP/1.1`.
    pub protocol: BString,
    /// Host name of the request (Host field or absolute URI), lower case, without port.
    pub hostname: Option<BString>,
    /// Port named with the host, if any.
    pub host_port: Option<u16>,
    /// The target as received.
    pub unparsed_uri: BString,
    /// Decoded path: what maps and sections look at.
    pub uri: BString,
    /// Query string after `?`, undecoded.
    pub args: Option<BString>,
    pub headers_in: Table,
    pub trailers_in: Table,
    /// Address of the user agent; the connection's peer unless a module (mod_remoteip) knows better.
    pub useragent: SocketAddr,
    pub useragent_ip: BString,
    /// Microseconds since the epoch when the request line arrived.
    pub time: i64,
    /// RFC 9110 asks for the full form: CONNECT or absolute target.
    pub absolute_uri: bool,
    /// HEAD: no body is sent.
    pub header_only: bool,
    /// HTTP/0.9.
    pub simple: bool,
    pub expecting_continue: bool,
    /// Bits of the method mask that `<Limit>`ed rules look at.
    pub allowed: u64,
    /// Names of allowed extension methods.
    pub allowed_methods: Vec<BString>,

    pub filename: BString,
    /// As `filename`, with the on-disk spelling where that differs.
    pub canonical_filename: BString,
    pub path_info: BString,
    pub finfo: FileInfo,
    pub document_root: Option<BString>,
    /// Prefix and root set by Alias, VirtualDocumentRoot or UserDir.
    pub context: Option<(BString, BString)>,

    pub handler: Option<BString>,
    /// The handler's name is the media type's, and only until the response is made.
    pub handler_by_type: bool,
    pub content_type: Option<BString>,
    pub content_encoding: Option<BString>,
    pub content_languages: Vec<BString>,
    /// Varies by negotiation: the ETag gets a variant suffix.
    pub vlist_validator: Option<BString>,
    pub user: Option<BString>,
    pub auth_type: Option<BString>,

    pub status: Status,
    /// Full status line chosen by a handler, without the protocol.
    pub status_line: Option<BString>,
    pub headers_out: Table,
    /// Header fields that survive errors and internal redirects.
    pub err_headers_out: Table,
    pub trailers_out: Table,
    /// Environment of scripts and conditions (`subprocess_env`).
    pub env: Table,
    pub notes: Table,
    /// Modification time for Last-Modified and ETag, microseconds since the epoch; 0 unknown.
    pub mtime: i64,
    /// Never answer 304 from the stored copy.
    pub no_local_copy: bool,
    /// Tell caches not to store.
    pub no_cache: bool,
    /// Content-Length asked for by the handler.
    pub content_length: Option<u64>,
    /// Another server answers, and we pass it on.
    pub proxy_request: bool,
    /// The client itself named that server.
    pub forward_proxy: bool,
    /// Keep the connection open after this response; None while undecided.
    pub keep_alive: Option<bool>,
    pub body_in: Body,
    pub body_out: Body,
    /// Those that are still to be put before the body; the first read does that.
    pub input_filters: Vec<FilterInstance>,
    body_filtered: bool,
    pub output_filters: Vec<FilterInstance>,
    /// How the response was framed: transfer coding chunked.
    pub chunked: bool,

    /// Body octets sent (`%b`), octets read and written on the wire (`%I`, `%O`).
    pub bytes_sent: u64,
    pub wire_in: u64,
    pub wire_out: u64,
    /// Body octets read.
    pub read_length: u64,
    /// Log id (`%L`), made by the first line in the error log.
    pub log_id: std::sync::OnceLock<crate::log::LogId>,

    /// How this request itself ended, and the media type it had, where an earlier one of its chain answers in its place.
    pub failed_document: Option<(Status, Option<BString>)>,
    /// The handler answers at once, but lets the client finish its body first.
    pub drains_body: bool,
    /// The request that was internally redirected to this one.
    pub prev: Option<Box<Request>>,
    /// Facts of the main request, for a subrequest.
    pub main: Option<Arc<Parent>>,
    pub extensions: Extensions,
    /// Section ids whose settings are in `dir`, in merge order: the memo's key.
    pub sections: Vec<u32>,
}

impl Request {
    /// A request on `connection` before anything was read.
    pub fn new(connection: Arc<Connection>, configuration: &'static Configuration, dir: Dir) -> Request {
        let (server, useragent) = (connection.base, connection.client);
        let useragent_ip = connection.client_ip.clone();
        Request {
            connection,
            configuration,
            server,
            dir,
            the_request: BString::default(),
            method: Method::default(),
            version: Version::V1_0,
            protocol: BString::default(),
            hostname: None,
            host_port: None,
            unparsed_uri: BString::default(),
            uri: BString::default(),
            args: None,
            headers_in: Table::new(),
            trailers_in: Table::new(),
            useragent,
            useragent_ip,
            time: 0,
            absolute_uri: false,
            header_only: false,
            simple: false,
            expecting_continue: false,
            allowed: 0,
            allowed_methods: Vec::new(),
            filename: BString::default(),
            canonical_filename: BString::default(),
            path_info: BString::default(),
            finfo: FileInfo::default(),
            document_root: None,
            context: None,
            handler: None,
            handler_by_type: false,
            content_type: None,
            content_encoding: None,
            content_languages: Vec::new(),
            vlist_validator: None,
            user: None,
            auth_type: None,
            status: Status::OK,
            status_line: None,
            headers_out: Table::new(),
            err_headers_out: Table::new(),
            trailers_out: Table::new(),
            env: Table::new(),
            notes: Table::new(),
            mtime: 0,
            no_local_copy: false,
            no_cache: false,
            content_length: None,
            proxy_request: false,
            forward_proxy: false,
            keep_alive: None,
            body_in: Body::Empty,
            body_out: Body::Empty,
            input_filters: Vec::new(),
            body_filtered: false,
            output_filters: Vec::new(),
            chunked: false,
            bytes_sent: 0,
            wire_in: 0,
            wire_out: 0,
            read_length: 0,
            log_id: std::sync::OnceLock::new(),
            failed_document: None,
            drains_body: false,
            prev: None,
            main: None,
            extensions: Extensions::default(),
            sections: Vec::new(),
        }
    }

    /// Makes this a request on `connection` before anything was read, in the memory it has. Nothing of its content survives.
    pub fn renew(&mut self, connection: Arc<Connection>, configuration: &'static Configuration, dir: Dir) {
        // Named one by one, so that a new field cannot be forgotten.
        let Request {
            connection: old_connection,
            configuration: old_configuration,
            server,
            dir: old_dir,
            the_request,
            method,
            version,
            protocol,
            hostname,
            host_port,
            unparsed_uri,
            uri,
            args,
            headers_in,
            trailers_in,
            useragent,
            useragent_ip,
            time,
            absolute_uri,
            header_only,
            simple,
            expecting_continue,
            allowed,
            allowed_methods,
            filename,
            canonical_filename,
            path_info,
            finfo,
            document_root,
            context,
            handler,
            handler_by_type,
            content_type,
            content_encoding,
            content_languages,
            vlist_validator,
            user,
            auth_type,
            status,
            status_line,
            headers_out,
            err_headers_out,
            trailers_out,
            env,
            notes,
            mtime,
            no_local_copy,
            no_cache,
            content_length,
            proxy_request,
            forward_proxy,
            keep_alive,
            body_in,
            body_out,
            input_filters,
            body_filtered,
            output_filters,
            chunked,
            bytes_sent,
            wire_in,
            wire_out,
            read_length,
            log_id,
            failed_document,
            drains_body,
            prev,
            main,
            extensions,
            sections,
        } = self;
        (*server, *useragent) = (connection.base, connection.client);
        useragent_ip.clone_from(&connection.client_ip);
        (*old_connection, *old_configuration, *old_dir) = (connection, configuration, dir);
        method.number = MethodNumber::default();
        method.name.clear();
        the_request.clear();
        protocol.clear();
        unparsed_uri.clear();
        uri.clear();
        headers_in.clear();
        trailers_in.clear();
        allowed_methods.clear();
        filename.clear();
        canonical_filename.clear();
        path_info.clear();
        content_languages.clear();
        headers_out.clear();
        err_headers_out.clear();
        trailers_out.clear();
        env.clear();
        notes.clear();
        input_filters.clear();
        output_filters.clear();
        extensions.clear();
        sections.clear();
        *version = Version::V1_0;
        *hostname = None;
        *host_port = None;
        *args = None;
        *time = 0;
        *absolute_uri = false;
        *header_only = false;
        *simple = false;
        *expecting_continue = false;
        *allowed = 0;
        *finfo = FileInfo::default();
        *document_root = None;
        *context = None;
        *handler = None;
        *handler_by_type = false;
        *content_type = None;
        *content_encoding = None;
        *vlist_validator = None;
        *user = None;
        *auth_type = None;
        *status = Status::OK;
        *status_line = None;
        *mtime = 0;
        *no_local_copy = false;
        *no_cache = false;
        *content_length = None;
        *proxy_request = false;
        *forward_proxy = false;
        *keep_alive = None;
        *body_in = Body::Empty;
        *body_out = Body::Empty;
        *chunked = false;
        *body_filtered = false;
        *bytes_sent = 0;
        *wire_in = 0;
        *wire_out = 0;
        *read_length = 0;
        *log_id = std::sync::OnceLock::new();
        *failed_document = None;
        *drains_body = false;
        *prev = None;
        *main = None;
    }

    /// A module's merged settings for the mapped resource.
    #[inline]
    pub fn dir<T: Settings>(&self) -> &T {
        self.dir.settings.of::<T>()
    }
    /// A module's settings of the chosen virtual host. They outlive the request.
    #[inline]
    pub fn server<T: Settings>(&self) -> &'static T {
        self.server.settings.of::<T>()
    }
    /// Whether this is a subrequest.
    pub fn is_sub(&self) -> bool {
        self.main.is_some()
    }
    /// Ends the time in which a handler's name that came from the media type holds.
    pub fn forget_handler_by_type(&mut self) {
        if std::mem::take(&mut self.handler_by_type) {
            self.handler = None;
        }
    }
    /// Whether this is the request as the client sent it: neither subrequest nor internal redirect.
    pub fn is_initial(&self) -> bool {
        self.main.is_none() && self.prev.is_none()
    }
    pub fn filename(&self) -> &BStr {
        self.filename.as_bstr()
    }
    /// Sets the media type, as Apache's `ap_set_content_type` does.
    pub fn set_content_type(&mut self, value: impl Into<BString>) {
        self.content_type = Some(value.into());
    }
    /// Answers with a body in memory.
    pub fn respond(&mut self, body: impl Into<Body>) {
        self.body_out = body.into();
    }
    /// Whether filters stand between the client's body and who reads it, so that its length is not known.
    pub fn filters_body(&self) -> bool {
        self.body_filtered || !self.input_filters.is_empty()
    }
    /// Puts the input filters before the body, those nearest to the network first.
    fn filter_body(&mut self) -> Result<(), Fault> {
        let mut filters = std::mem::take(&mut self.input_filters);
        filters.sort_by_key(|instance| std::cmp::Reverse(instance.filter.kind));
        self.body_filtered = true;
        for instance in &filters {
            let body = std::mem::take(&mut self.body_in);
            self.body_in = (instance.filter.wrap)(self, body, &instance.context)
                .map_err(|status| Fault::client(status, format!("the filter {} failed", instance.filter.name)))?;
        }
        Ok(())
    }
    /// The next octets of the request body after its input filters; None at the end.
    pub async fn read_body(&mut self) -> Result<Option<Bytes>, Fault> {
        if !self.input_filters.is_empty() {
            self.filter_body()?;
        }
        loop {
            let mut body = std::mem::take(&mut self.body_in);
            let piece = body.next(self).await;
            self.body_in = body;
            match piece? {
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) if !bytes.is_empty() => return Ok(Some(bytes)),
                Some(Piece::File(_)) => return Err(Fault::ours("a request body is never a file")),
                Some(_) => {}
            }
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({:?} {:?})", self.the_request, self.status)
    }
}
