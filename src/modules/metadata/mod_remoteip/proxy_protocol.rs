//! The PROXY protocol, versions 1 and 2: one header before the first request of a connection.
//! Specification: haproxy's doc/proxy-protocol.txt.

use super::RemoteIp;
use crate::log::Level;
use crate::module::{HeaderStep, ProxyHeader};
use crate::request::Connection;
use bstr::ByteSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The client that a connection's header names; the peer itself where the proxy speaks for nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told(pub(super) SocketAddr);

/// Longest line of version 1, line break included.
const LINE: usize = 108;
/// `PROXY UNKNOWN` and its line break.
const SHORTEST: usize = 15;
/// APR's number.
const END_OF_FILE: i32 = 70014;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of version 2 up to the length field, and the most behind it.
const FIXED: usize = 16;
const MOST: usize = 216;

pub(super) struct Protocol;

impl ProxyHeader for Protocol {
    fn expected(&self, connection: &Connection, configuration: &crate::config::Configuration) -> bool {
        let local = connection.local;
        let (mut on, mut off) = (false, false);
        for server in &configuration.servers {
            let Some(set) = server.settings.of::<RemoteIp>().protocol else { continue };
            // The main server stands for every address.
            let here = server.index == 0
                || server.addresses.iter().any(|address| {
                    address.ip.is_none_or(|ip| ip.to_canonical() == local.ip())
                        && (address.port == 0 || address.port == local.port())
                });
            on |= here && set;
            off |= here && !set;
        }
        let settings = connection.base.settings.of::<RemoteIp>();
        let due = on && !off && !settings.exceptions.iter().any(|subnet| subnet.contains(connection.client.ip()));
        if due {
            let text = format_args!(
                "AH03503: RemoteIPProxyProtocol: enabled on connection to {}:{}",
                local.ip(),
                local.port()
            );
            connection.log(Level::Debug, "remoteip", text);
        }
        due
    }
    fn take(&self, connection: &Connection, input: &[u8], ended: bool) -> HeaderStep {
        match parse(input) {
            Parsed::More if ended => {
                let text = "AH10634: RemoteIPProxyProtocol: connection closed before a complete header was received";
                connection.log_errno(Level::Info, "remoteip", END_OF_FILE, format_args!("{text}"));
                HeaderStep::Close
            }
            Parsed::More => HeaderStep::More,
            // Without the header that is due nobody is answered.
            Parsed::Absent => HeaderStep::Close,
            Parsed::Bad(text) => {
                connection.log(Level::Error, "remoteip", format_args!("{text}"));
                HeaderStep::Close
            }
            Parsed::Header(octets, named) => {
                let client = named.unwrap_or(connection.client);
                let text = format_args!(
                    "AH03511: RemoteIPProxyProtocol: received valid PROXY header: {}:{}",
                    client.ip(),
                    client.port()
                );
                connection.log(Level::Debug, "remoteip", text);
                connection.extensions.lock().put(Told(client));
                HeaderStep::Done(octets)
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    More,
    /// This is no PROXY header.
    Absent,
    Bad(String),
    /// Octets of the header, and what it says.
    Header(usize, Option<SocketAddr>),
}

fn parse(input: &[u8]) -> Parsed {
    let begins = |mark: &[u8]| input.iter().zip(mark).all(|(one, other)| one == other);
    if begins(b"PROXY ") {
        return if input.len() < 6 { Parsed::More } else { version_1(input) };
    }
    if begins(SIGNATURE) {
        return if input.len() < FIXED { Parsed::More } else { version_2(input) };
    }
    Parsed::Absent
}

fn version_1(input: &[u8]) -> Parsed {
    let Some(end) = input.get(..LINE.min(input.len())).unwrap_or_default().find(b"\r\n") else {
        return match input.len() {
            // The shortest header is read first; the complaint counts what follows it.
            LINE.. => Parsed::Bad(format!(
                "AH10185: RemoteIPProxyProtocol header too long, got {} expected {}",
                input.len() - SHORTEST,
                LINE - SHORTEST
            )),
            _ => Parsed::More,
        };
    };
    let line = input.get(..end).unwrap_or_default().as_bstr();
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    let missing =
        |what: &str| Parsed::Bad(format!("AH03497: RemoteIPProxyProtocol: no {what} found in header '{line}'"));
    let Some(family) = words.next().filter(|word| !word.is_empty()) else { return missing("family") };
    match family {
        b"UNKNOWN" => return Parsed::Header(end + 2, None),
        b"TCP4" | b"TCP6" => {}
        other => {
            let family = other.as_bstr();
            return Parsed::Bad(format!(
                "AH03499: RemoteIPProxyProtocol: unknown family '{family}' in header '{line}'"
            ));
        }
    }
    let Some(client) = words.next().filter(|word| !word.is_empty()) else { return missing("client-address") };
    let ip = client.to_str().ok().and_then(|text| match family {
        b"TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        _ => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    });
    let Some(ip) = ip else {
        let client = client.as_bstr();
        return Parsed::Bad(format!(
            "AH03500: RemoteIPProxyProtocol: invalid client-address '{client}' found in header '{line}'"
        ));
    };
    if words.next().is_none_or(|word| word.is_empty()) {
        return missing("destination-address");
    }
    let Some(port) = words.next().filter(|word| !word.is_empty()) else { return missing("client-port") };
    // Too large a number loses its high bits.
    let digits = port.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.clone().fold(0u16, |value, digit| value.wrapping_mul(10).wrapping_add(u16::from(digit - b'0')));
    let Some(port) = (digits.count() > 0).then_some(value) else {
        let port = port.as_bstr();
        return Parsed::Bad(format!("AH03501: RemoteIPProxyProtocol: error parsing port '{port}' in header '{line}'"));
    };
    Parsed::Header(end + 2, Some(SocketAddr::new(ip, port)))
}

fn version_2(input: &[u8]) -> Parsed {
    let Some(&[kind, family, high, low]) = input.get(12..FIXED) else { return Parsed::More };
    if kind >> 4 != 2 {
        return Parsed::Absent;
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST {
        return Parsed::Bad("AH10186: RemoteIPProxyProtocol protocol header length too long".into());
    }
    let Some(addresses) = input.get(FIXED..FIXED + length) else { return Parsed::More };
    let port = |at: usize| addresses.get(at..at + 2).and_then(|two| Some(u16::from_be_bytes(two.try_into().ok()?)));
    let short = |tag: &str, family: &str| {
        let text = format!("{tag}: RemoteIPProxyProtocol: address length {length} too short for {family}");
        Parsed::Bad(text)
    };
    let told = match (kind & 0x0f, family) {
        // LOCAL: the proxy speaks for itself.
        (0, _) => None,
        (1, 0x11) => match (addresses.first_chunk::<4>(), port(8)) {
            (Some(ip), Some(port)) if length >= 12 => Some(SocketAddr::new(Ipv4Addr::from(*ip).into(), port)),
            _ => return short("AH10597", "TCPv4"),
        },
        (1, 0x21) => match (addresses.first_chunk::<16>(), port(32)) {
            (Some(ip), Some(port)) if length >= 36 => Some(SocketAddr::new(Ipv6Addr::from(*ip).into(), port)),
            _ => return short("AH10598", "TCPv6"),
        },
        (1, other) => {
            return Parsed::Bad(format!("AH10183: RemoteIPProxyProtocol: unsupported protocol {other:02x}"));
        }
        _ => {
            return Parsed::Bad(format!("AH03507: RemoteIPProxyProtocol: unsupported command {kind:02x}"));
        }
    };
    Parsed::Header(FIXED + length, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_cut_anywhere_ask_for_more() {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n".to_vec();
        let mut v2 = [&SIGNATURE[..], &[0x21, 0x11, 0, 12]].concat();
        v2.extend([192, 0, 2, 1, 192, 0, 2, 2, 15, 160, 0, 80]);
        let client = Some("192.0.2.1:4000".parse().unwrap());
        for header in [v1, v2] {
            for cut in 0..header.len() {
                assert_eq!(parse(&header[..cut]), Parsed::More, "{cut}");
            }
            assert_eq!(parse(&[&header[..], b"GET /"].concat()), Parsed::Header(header.len(), client));
        }
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Parsed::Absent);
        assert_eq!(parse(b"PROXY UNKNOWN\r\nGET /"), Parsed::Header(15, None));
    }
}
