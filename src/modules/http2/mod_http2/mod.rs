//! mod_http2: HTTP/2 for clients, over TLS (`h2`) and without (`h2c`). Protocols switches it on.
//!
//! The wire code speaks the protocol and asks the provider `http2` for what the directives say. A request is a task of
//! the MPM in a slot of its own, so that no pool of workers is there to be sized. Hook: fixups sets the variables and, for places
//! with H2PushResource or H2EarlyHint, sends a 103 response.
//!
//! Differences: what the `h2` crate does not have (priorities, padding) and what slots make needless is accepted without
//! effect, see the rows. Manual: mod/mod_http2.html.

mod settings;

use crate::config::*;
use crate::module::{Answer, Hooks, Http2, Http2Session, LAST, Linked, Module, SecuredProtocol};
use crate::request::{Connection, Request, Table};
use crate::server::protocols::{H2, H2C, speaks};
use bstr::ByteSlice;
use settings::{H2Dir, H2Server};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_http2.c",
    ident: "http2_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<H2Server>(),
    dir: Config::of::<H2Dir>(),
    hooks,
};

const NO_WORKERS: &str = "streams are tasks in the MPM's own slots: there is no pool of workers to size";

const DIRECTIVES: &[Directive] = &[
    take1("H2MaxSessionStreams", SERVER, NO_OVERRIDE, settings::streams, "maximum number of open streams per session"),
    take1("H2WindowSize", SERVER, NO_OVERRIDE, settings::window, "window size on client DATA"),
    take1("H2MinWorkers", SERVER, NO_OVERRIDE, settings::positive, "minimum number of worker threads per child")
        .ignored(NO_WORKERS),
    take1("H2MaxWorkers", SERVER, NO_OVERRIDE, settings::positive, "maximum number of worker threads per child")
        .ignored(NO_WORKERS),
    take1(
        "H2MaxWorkerIdleSeconds",
        SERVER,
        NO_OVERRIDE,
        settings::idle_seconds,
        "maximum number of idle seconds before a worker shuts down",
    )
    .ignored(NO_WORKERS),
    take1(
        "H2StreamMaxMemSize",
        SERVER,
        NO_OVERRIDE,
        settings::buffer,
        "maximum number of bytes buffered in memory for a stream",
    ),
    take1(
        "H2SerializeHeaders",
        SERVER,
        NO_OVERRIDE,
        settings::serialize,
        "disabled, this directive has no longer an effect.",
    )
    .ignored("as in Apache, the feature is gone"),
    take1("H2ModernTLSOnly", SERVER, NO_OVERRIDE, settings::switch, "off to not impose RFC 7540 restrictions on TLS")
        .ignored("every protocol version and cipher that the TLS library has meets the restrictions"),
    take1("H2Upgrade", ANYWHERE, AUTH_CONFIG, settings::upgrade, "on to allow HTTP/1 Upgrades to h2/h2c"),
    take1("H2Direct", SERVER, NO_OVERRIDE, settings::direct, "on to enable direct HTTP/2 mode"),
    take1(
        "H2SessionExtraFiles",
        SERVER,
        NO_OVERRIDE,
        settings::extra_files,
        "number of extra file a session might keep open (obsolete)",
    )
    .ignored("as in Apache, it is obsolete"),
    take1(
        "H2TLSWarmUpSize",
        SERVER,
        NO_OVERRIDE,
        settings::any,
        "number of bytes on TLS connection before doing max writes",
    )
    .ignored("a TLS record is as long as what is written at once"),
    take1(
        "H2TLSCoolDownSecs",
        SERVER,
        NO_OVERRIDE,
        settings::any,
        "seconds of idle time on TLS before shrinking writes",
    )
    .ignored("a TLS record is as long as what is written at once"),
    take1("H2Push", ANYWHERE, AUTH_CONFIG, settings::push, "off to disable HTTP/2 server push"),
    take23(
        "H2PushPriority",
        SERVER,
        NO_OVERRIDE,
        settings::priority,
        "define priority of PUSHed resources per content type",
    )
    .ignored("streams are served in turn: RFC 9113 has no priorities any more"),
    take1("H2PushDiarySize", SERVER, NO_OVERRIDE, settings::diary, "size of push diary"),
    take1("H2CopyFiles", ANYWHERE, FILE_INFO, settings::switch, "on to perform copy of file data")
        .ignored("files stay open for as long as they are sent"),
    take123(
        "H2PushResource",
        ANYWHERE,
        AUTH_CONFIG.or(FILE_INFO),
        settings::push_resource,
        "add a resource to be pushed in this location/on this server.",
    ),
    take1("H2EarlyHints", SERVER, NO_OVERRIDE, settings::early_hints, "on to enable interim status 103 responses"),
    take1("H2Padding", SERVER, NO_OVERRIDE, settings::padding, "set payload padding")
        .ignored("the library pads no frames"),
    take1("H2OutputBuffering", SERVER, NO_OVERRIDE, settings::buffering, "set stream output buffer on/off"),
    take1("H2StreamTimeout", SERVER, NO_OVERRIDE, settings::stream_timeout, "set stream timeout"),
    take1(
        "H2MaxDataFrameLen",
        SERVER,
        NO_OVERRIDE,
        settings::data_frame,
        "maximum number of bytes in a single HTTP/2 DATA frame",
    ),
    take1(
        "H2MaxHeaderBlockLen",
        SERVER,
        NO_OVERRIDE,
        settings::fields,
        "maximum number of bytes in a response header block",
    ),
    take1(
        "H2MaxStreamErrors",
        SERVER,
        NO_OVERRIDE,
        settings::stream_errors,
        "maximum number of flow control errors tolerated",
    ),
    take2(
        "H2EarlyHint",
        ANYWHERE,
        AUTH_CONFIG.or(FILE_INFO),
        settings::early_hint,
        "add a a 'Link:' header for a 103 Early Hints response.",
    ),
    take1("H2ProxyRequests", ANYWHERE, FILE_INFO, settings::proxy, "Enables forward proxy requests via HTTP/2"),
    take1("H2WebSockets", SERVER, NO_OVERRIDE, settings::websockets, "off to disable WebSockets over HTTP/2"),
];

fn hooks(on: &mut Hooks) {
    on.fixups(LAST, fixup);
    on.providers.offer::<dyn Http2>("http2", &Told);
    on.providers.offer::<dyn SecuredProtocol>("h2", &Told);
}

/// The directives, told to the wire code.
struct Told;

impl SecuredProtocol for Told {
    fn proposes(&self, _: &Server, _: &Connection) -> bool {
        true
    }
}

impl Http2 for Told {
    fn session(&self, server: &Server) -> Http2Session {
        let own = server.settings.of::<H2Server>();
        let dir = server.defaults.of::<H2Dir>();
        Http2Session {
            streams: own.streams.unwrap_or(100),
            window: own.window.unwrap_or(65_535),
            buffer: own.buffer.unwrap_or(65_536),
            data_frame: own.data_frame.unwrap_or(0),
            fields: own.fields.unwrap_or(0),
            stream_errors: own.stream_errors.unwrap_or(8),
            buffering: own.buffering != Some(false),
            early_hints: own.early_hints == Some(true),
            push: dir.push != Some(false),
            diary: own.diary.unwrap_or(256),
            websockets: own.websockets == Some(true),
            proxy: dir.proxy == Some(true),
        }
    }
    fn direct(&self, server: &Server, secured: bool) -> bool {
        let wanted = server.settings.of::<H2Server>().direct.unwrap_or(!secured && speaks(server, H2C));
        wanted && speaks(server, if secured { H2 } else { H2C })
    }
    fn upgrades(&self, r: &Request) -> bool {
        let secured = r.connection.scheme == "https";
        let wanted = r.dir::<H2Dir>().upgrade.unwrap_or(!secured);
        let settings = r.headers_in.get("HTTP2-Settings").is_some_and(|value| !value.contains(&b','));
        // A body would have to be read before the connection changes.
        wanted && settings && r.body_in.is_empty()
    }
    fn pushes(&self, r: &Request) -> bool {
        r.dir::<H2Dir>().push != Some(false)
    }
    fn stream_timeout(&self, r: &Request) -> Option<Duration> {
        r.server::<H2Server>().stream_timeout
    }
}

/// fixups: variables, and hints that leave before the response.
fn fixup(r: &mut Request) -> Answer {
    let connection = r.connection.clone();
    let Some(stream) = &connection.stream_of else { return Answer::Declined };
    let push = if stream.push && r.dir::<H2Dir>().push != Some(false) { "on" } else { "off" };
    r.env.set("HTTP2", "on");
    r.env.set("H2PUSH", push);
    r.env.set("H2_PUSH", push);
    r.env.set("H2_PUSHED", if stream.pushed_on.is_some() { "PUSHED" } else { "" });
    let mut number = itoa::Buffer::new();
    r.env.set("H2_PUSHED_ON", stream.pushed_on.map_or("", |id| number.format(id)));
    let mut number = itoa::Buffer::new();
    let id = number.format(stream.id);
    r.env.set("H2_STREAM_ID", id);
    r.env.set("H2_STREAM_TAG", format!("{}-{}-{id}", std::process::id(), connection.id));
    let dir = r.dir.clone();
    let dir = dir.settings.of::<H2Dir>();
    if r.is_initial() && !r.expecting_continue && !(dir.resources.is_empty() && dir.hints.is_empty()) {
        let mut fields = Table::new();
        for resource in &dir.resources {
            let critical = if resource.critical { "; critical" } else { "" };
            fields.merge("Link", format!("<{}>; rel=preload{critical}", resource.path.as_bstr()));
        }
        for (name, value) in &dir.hints {
            fields.merge(name, value);
        }
        stream.reply.interim(r, 103, &fields);
    }
    Answer::Declined
}
