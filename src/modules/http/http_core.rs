//! http_core: the directives of persistent connections. The wire itself is `crate::http`.
//!
//! Manual: mod/core.html (KeepAlive, KeepAliveTimeout, MaxKeepAliveRequests).

use crate::config::*;
use crate::config::{atoi, duration};
use crate::module::{Linked, Module};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "http_core.c",
    ident: "http_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[
    take1("KeepAliveTimeout", SERVER, NO_OVERRIDE, keep_alive_timeout, "Keep-Alive timeout duration (sec)"),
    take1(
        "MaxKeepAliveRequests",
        SERVER,
        NO_OVERRIDE,
        max_requests,
        "Maximum number of Keep-Alive requests per connection, or 0 for infinite",
    ),
    flag("KeepAlive", SERVER, NO_OVERRIDE, keep_alive, "Whether persistent connections should be On or Off"),
];

fn keep_alive_timeout(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let Some(value) = duration(word, b"s") else { return Err("KeepAliveTimeout has wrong format".into()) };
    cx.server.keep_alive_timeout = Some(Duration::from_micros(value.unsigned_abs()));
    Ok(())
}

fn max_requests(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.max_keep_alive_requests = Some(u32::try_from(atoi(word)).unwrap_or_default());
    Ok(())
}

fn keep_alive(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server.keep_alive = Some(on);
    Ok(())
}
