//! Request heads: what the fast way accepts, the slow way reads alike; and neither ever panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pinion::config::{Configuration, CoreServer, HttpOptions, Kinds, Merged, Process, Server, SettingsVec};
use pinion::http::head::{Limits, Parser, Step, fast};
use pinion::request::{Connection, Request};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

fn request() -> Request {
    static CONFIGURATION: OnceLock<Configuration> = OnceLock::new();
    let configuration = CONFIGURATION.get_or_init(|| Configuration {
        process: Process::default(),
        servers: vec![server()],
        kinds: Kinds::default(),
        providers: Default::default(),
        warnings: Vec::new(),
        commands: Default::default(),
    });
    let local = SocketAddr::from(([127, 0, 0, 1], 80));
    let connection = Arc::new(Connection::new(1, local, local, configuration.main()));
    Request::new(connection, configuration, Arc::new(Merged { settings: SettingsVec::default(), id: 0 }))
}

fn server() -> Server {
    Server {
        index: 0,
        defined_file: "".into(),
        defined_line: 0,
        addresses: Vec::new(),
        name: None,
        scheme: None,
        port: 0,
        aliases: Vec::new(),
        wild_aliases: Vec::new(),
        admin: None,
        legacy_path: None,
        error_log: None,
        levels: None,
        log: Default::default(),
        timeout: None,
        keep_alive: None,
        keep_alive_timeout: None,
        max_keep_alive_requests: None,
        limit_request_line: Some(200),
        limit_request_field_size: Some(200),
        limit_request_fields: Some(10),
        settings: SettingsVec::default(),
        defaults: SettingsVec::default(),
    }
}

fn facts(r: &Request) -> String {
    let line = (&r.the_request, &r.method, &r.protocol, r.version, &r.unparsed_uri, &r.uri, &r.args);
    format!("{line:?} {:?} {:?}", r.hostname, r.headers_in)
}

fuzz_target!(|input: (bool, &[u8])| {
    let (strict, bytes) = input;
    let mut server = server();
    server.settings.edit::<CoreServer>().use_strict = Some(HttpOptions { strict, ..HttpOptions::default() });
    let limits = Limits::of(&server);
    let (mut quick, mut slow) = (request(), request());
    let (used, step) = Parser::default().advance(bytes, &mut slow, &limits);
    if let Some(len) = fast(bytes, &mut quick, &limits) {
        assert_eq!((len, Step::Done, facts(&quick)), (used, step, facts(&slow)));
    }
});
