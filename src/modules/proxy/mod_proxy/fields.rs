//! The fields of a request to a backend: what is dropped on the way, what is added (RFC 9110 section 7.6).

use super::settings::{ProxyDir, ProxyServer, Via};
use crate::log::{Level, raw};
use crate::request::{Request, Table};
use crate::server;
use bstr::{BStr, BString};

/// Fields that are for one connection.
const HOP_BY_HOP: [&str; 6] = ["Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Connection"];

/// Takes out of `fields` what is for one connection: what RFC 9110 names, and what Connection names. True: it says `close`.
pub fn hop_by_hop(fields: &mut Table) -> bool {
    let named: Vec<BString> = fields
        .all("Connection")
        .flat_map(|value| value.split(|byte| b", \t".contains(byte)))
        .filter(|name| !name.is_empty())
        .map(BString::from)
        .collect();
    for name in &named {
        fields.unset(name);
    }
    for name in HOP_BY_HOP {
        fields.unset(name);
    }
    named.iter().any(|name| name.eq_ignore_ascii_case(b"close"))
}

/// What we put into Via; None where ProxyVia is off or blocks it.
pub fn via_value(r: &Request, version: u32) -> Option<BString> {
    let via = r.server::<ProxyServer>().via.unwrap_or(Via::Off);
    if !matches!(via, Via::On | Via::Full) {
        return None;
    }
    let mut name = match &r.server.name {
        Some(name) => name.clone(),
        None => server::server_name(r),
    };
    let port = server::server_port(r);
    if port != server::default_port(r) {
        name.extend_from_slice(format!(":{port}").as_bytes());
    }
    let comment = if via == Via::Full { format!(" ({})", crate::config::identity::BASE) } else { String::new() };
    Some(format!("{}.{} {name}{comment}", version / 1000, version % 1000).into())
}

/// Fields of the client's request as they go to the backend at `host`, whose Host field is written first, into `out`.
/// Framing and Connection are the caller's.
pub fn prepare(r: &mut Request, host: &BStr, keeps_expect: bool, out: &mut Vec<u8>) {
    let dir = r.dir.clone();
    let dir = dir.settings.of::<ProxyDir>();
    let asked = r.headers_in.get("Host").map(BString::from);
    let mut value = host.to_owned();
    if dir.preserve_host == Some(true) {
        match &asked {
            Some(name) => value = name.clone(),
            None => {
                value = r.server.name.clone().unwrap_or_else(|| server::server_name(r));
                let text = "no HTTP 0.9 request (with no host line) on incoming request and preserve host set forcing \
                            hostname to be";
                r.log(Level::Warn, "proxy", format_args!("AH01092: {text} {value} for uri {}", raw(&r.uri)));
            }
        }
    }
    field(out, b"Host", &value);
    let mut fields = r.headers_in.clone();
    hop_by_hop(&mut fields);
    match r.server::<ProxyServer>().via.unwrap_or(Via::Off) {
        Via::Block => {
            fields.unset("Via");
        }
        _ => {
            if let Some(via) = via_value(r, r.version.0) {
                fields.merge("Via", via);
            }
        }
    }
    if dir.add_headers != Some(false) && !r.forward_proxy {
        fields.merge("X-Forwarded-For", &r.useragent_ip);
        if let Some(name) = &asked {
            fields.merge("X-Forwarded-Host", name);
        }
        let own = r.server.name.clone().unwrap_or_else(|| server::server_name(r));
        fields.merge("X-Forwarded-Server", own);
    }
    let chained = r.env.contains("Proxy-Chain-Auth");
    let conditional = ["If-Match", "If-Modified-Since", "If-Range", "If-Unmodified-Since", "If-None-Match"];
    for (name, value) in fields.iter() {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let dropped = is("Host")
            || is("Content-Length")
            || is("Transfer-Encoding")
            || is("Expect") && !keeps_expect
            || is("Proxy-Authorization") && r.user.is_some() && !chained
            || r.is_sub() && conditional.iter().any(|other| is(other));
        if !dropped {
            field(out, name, value);
        }
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_connection() {
        let mut fields = Table::from_iter([
            ("Connection", "close, X-A,x-b"),
            ("X-A", "1"),
            ("X-B", "2"),
            ("X-C", "3"),
            ("TE", "trailers"),
            ("Upgrade", "x"),
        ]);
        assert!(hop_by_hop(&mut fields));
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("X-C".into(), "3".into())]);
    }
}
