//! Which protocol a connection speaks: Protocols and ProtocolsHonorOrder (manual: mod/core.html) for requests that ask for another. What
//! a handshake of TLS chooses, mod_ssl decides.

use crate::config::{CoreServer, Server};
use crate::module::Answer;
use crate::request::{Request, Switch};
use bstr::BStr;
use std::sync::atomic::Ordering;

/// What a connection speaks unless it changes to another protocol.
const HTTP1: &[u8] = b"http/1.1";
/// HTTP/2 over TLS, and without.
pub const H2: &[u8] = b"h2";
pub const H2C: &[u8] = b"h2c";

fn listed(server: &Server) -> Option<&[bstr::BString]> {
    server.settings.of::<CoreServer>().protocols.as_deref().map(|list| list.as_slice()).filter(|list| !list.is_empty())
}

/// Whether a server speaks a protocol: without Protocols HTTP/1.1 alone.
pub fn speaks(server: &Server, protocol: &[u8]) -> bool {
    match listed(server) {
        Some(list) => list.iter().any(|one| one == protocol),
        None => protocol == HTTP1,
    }
}

/// The protocol to go on with, of those that a client offers and that are there (`known`): the first of the server's list,
/// or of the client's where ProtocolsHonorOrder is off. `None`: it offers none.
fn select<'a, T: AsRef<[u8]>>(server: &Server, offered: &'a [T], known: &[&[u8]]) -> Option<&'a [u8]> {
    let fits = |one: &[u8]| known.contains(&one) && (one == HTTP1 || speaks(server, one));
    let mut offers = offered.iter().map(AsRef::as_ref).filter(|one| fits(one));
    if server.settings.of::<CoreServer>().protocols_honor_order == Some(false) {
        return offers.next();
    }
    let list = listed(server).unwrap_or_default();
    let rank = |one: &&[u8]| list.iter().position(|other| other == one).unwrap_or(usize::MAX);
    offers.min_by_key(rank)
}

/// The handler before all others: a client that asks for another protocol gets it, one that comes for the first time is
/// told of those that it could have.
pub(super) fn upgrade(r: &mut Request) -> Answer {
    if r.main.is_some() || r.prev.is_some() || r.connection.stream_of.is_some() {
        return Answer::Declined;
    }
    match r.headers_in.get("Upgrade").filter(|value| !value.is_empty()) {
        Some(offers) => {
            let names = |value: &BStr, name: &[u8]| {
                value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(name))
            };
            if !r.headers_in.get("Connection").is_some_and(|value| names(value, b"upgrade")) {
                return Answer::Declined;
            }
            let offers: Vec<Vec<u8>> =
                offers.split(|byte| *byte == b',').map(|one| one.trim_ascii().to_vec()).collect();
            let protocol = if r.connection.scheme == "https" { H2 } else { H2C };
            let known: &[&[u8]] =
                if super::http2().is_some_and(|http2| http2.upgrades(r)) { &[HTTP1, protocol] } else { &[HTTP1] };
            if select(r.server, &offers, known) == Some(protocol) {
                r.extensions.put(Switch);
                return Answer::Done;
            }
        }
        None if r.connection.keepalives.load(Ordering::Relaxed) == 0 => announce(r),
        None => {}
    }
    Answer::Declined
}

/// Tells of the protocols that a server prefers to the one that is spoken.
fn announce(r: &mut Request) {
    let Some(list) = listed(r.server) else { return };
    let better = list.iter().take_while(|one| *one != HTTP1);
    let value = bstr::join(",", better);
    if !value.is_empty() {
        r.headers_out.set("Upgrade", value);
        r.headers_out.set("Connection", "Upgrade");
    }
}
