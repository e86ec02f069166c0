//! A request out of nowhere, for unit tests.

use super::{Connection, Method, Request, Version};
use crate::config::{Configuration, Kinds, Merged, Process, Providers, Server, SettingsVec};
use std::net::SocketAddr;
use std::sync::Arc;

/// A server named `www.example.com` without any settings.
pub fn server() -> Server {
    Server {
        index: 0,
        defined_file: "httpd.conf".into(),
        defined_line: 0,
        addresses: Vec::new(),
        name: Some("www.example.com".into()),
        scheme: None,
        port: 0,
        aliases: Vec::new(),
        wild_aliases: Vec::new(),
        admin: None,
        legacy_path: None,
        error_log: None,
        levels: None,
        log: crate::log::Target::default(),
        timeout: None,
        keep_alive: None,
        keep_alive_timeout: None,
        max_keep_alive_requests: None,
        limit_request_line: None,
        limit_request_field_size: None,
        limit_request_fields: None,
        settings: SettingsVec::default(),
        defaults: SettingsVec::default(),
        ..Server::default()
    }
}

/// `GET /x.txt?q=1 HTTP/1.1` from 192.0.2.7 port 4000 to 192.0.2.1 port 8080 at a server with these settings and
/// providers, with these per-directory settings.
pub fn request_on(server: Server, providers: Providers, dir: SettingsVec) -> Request {
    let configuration: &'static Configuration = Box::leak(Box::new(Configuration {
        process: Process::default(),
        servers: vec![server],
        kinds: Kinds::default(),
        providers,
        warnings: Vec::new(),
        ..Configuration::default()
    }));
    let client = SocketAddr::from(([192, 0, 2, 7], 4000));
    let local = SocketAddr::from(([192, 0, 2, 1], 8080));
    let connection = Arc::new(Connection::new(1, client, local, configuration.main()));
    let mut r = Request::new(connection, configuration, Arc::new(Merged::new(dir, 0)));
    r.the_request = "GET /x.txt?q=1 HTTP/1.1".into();
    r.method = Method::parse(b"GET");
    (r.version, r.protocol) = (Version::V1_1, "HTTP/1.1".into());
    r.uri = "/x.txt".into();
    r.unparsed_uri = "/x.txt?q=1".into();
    r.args = Some("q=1".into());
    r.hostname = Some("www.example.com".into());
    r.time = 1_609_513_445_000_042;
    r.headers_in.add("Host", "www.example.com");
    r
}

/// As [`request_on`], without any settings.
pub fn request() -> Request {
    request_on(server(), Providers::default(), SettingsVec::default())
}
