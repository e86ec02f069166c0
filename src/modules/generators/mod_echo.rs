//! mod_echo: connections that get back what they send, a line at a time: ProtocolEcho.
//!
//! No hooks: the wire code asks the provider `echo` whether a connection is its own. Manual: mod/mod_echo.html.

use crate::config::*;
use crate::engine::{self, BoxFuture, Stream};
use crate::log::Level;
use crate::module::{ConnectionProtocol, Hooks, Linked, Module};
use crate::request::Connection;
use bstr::ByteSlice;
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_echo.c",
    ident: "echo_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<EchoServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[flag("ProtocolEcho", SERVER, NO_OVERRIDE, protocol_echo, "Run an echo server on this host")];

/// The module's settings of a server. A host with any of its own inherits none.
#[derive(Clone, Default)]
pub struct EchoServer {
    on: bool,
}

impl Settings for EchoServer {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn protocol_echo(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<EchoServer>().on = on;
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ConnectionProtocol>("echo", &Echo);
}

/// Octets that go back at the latest, whether their line has ended or not.
const LONGEST_LINE: usize = 8000;

struct Echo;

impl ConnectionProtocol for Echo {
    fn takes(&self, server: &Server) -> bool {
        server.settings.of::<EchoServer>().on
    }
    fn serve<'a>(&'a self, stream: &'a Stream, connection: &'a Connection, patience: Duration) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut held: Vec<u8> = Vec::new();
            let mut whole_line = true;
            let mut room = [0; 4096];
            while let Ok(Ok(count)) = engine::timeout(patience, stream.read(&mut room)).await {
                held.extend_from_slice(room.get(..count).unwrap_or_default());
                let whole = match held.rfind_byte(b'\n') {
                    _ if count == 0 || held.len() >= LONGEST_LINE => held.len(),
                    last => last.map_or(0, |at| at + 1),
                };
                let line: Vec<u8> = held.drain(..whole).collect();
                let sent = engine::timeout(patience, stream.write_all(&line)).await;
                let peer = &connection.client_ip;
                if !matches!(sent, Ok(Ok(()))) {
                    let text = format_args!("AH01613: ProtocolEcho: Failure writing to {peer}");
                    connection.base.log(Level::Info, "echo", text);
                    return;
                }
                whole_line = line.last().map_or(whole_line, |last| *last == b'\n');
                // Who stops in the middle of a line is not told of.
                if count == 0 && !whole_line {
                    return;
                }
                if count == 0 {
                    let text = format_args!("AH01612: ProtocolEcho: Error - read empty brigade from {peer}!");
                    connection.base.log(Level::Info, "echo", text);
                    return;
                }
            }
        })
    }
}
