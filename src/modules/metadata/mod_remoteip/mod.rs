//! mod_remoteip: the client's address as trusted proxies tell it, in a header field or by the PROXY protocol.
//!
//! Hooks: post_read_request, first, so that everything behind it sees the client; open_logs, last, to tell where PROXY
//! headers are due. The connection's own address stays what it
//! is (`%{c}a`). The wire code asks for PROXY headers through the provider `proxy-protocol` before it reads a connection's
//! first request. Manual: mod/mod_remoteip.html.

mod proxy_protocol;

use crate::config::subnet::{self, Parsed, Subnet};
use crate::config::*;
use crate::log::{self, Level};
use crate::module::{Answer, FIRST, Hooks, LAST, Linked, Module, ProxyHeader};
use crate::request::Request;
use crate::{server, sys};
use bstr::{BStr, BString, ByteSlice, ByteVec};
use proxy_protocol::Told;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};

pub static MODULE: Module = Module {
    name: "mod_remoteip.c",
    ident: "remoteip_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<RemoteIp>(),
    dir: Config::none(),
    hooks,
};

const TRUSTED: usize = 0;
const INTERNAL: usize = 1;

const DIRECTIVES: &[Directive] = &[
    take1(
        "RemoteIPHeader",
        SERVER,
        NO_OVERRIDE,
        header,
        "Specifies a request header to trust as the client IP, e.g. X-Forwarded-For",
    ),
    take1(
        "RemoteIPProxiesHeader",
        SERVER,
        NO_OVERRIDE,
        proxies_header,
        "Specifies a request header to record proxy IP's, e.g. X-Forwarded-By; if not given then do not record",
    ),
    iterate(
        "RemoteIPTrustedProxy",
        SERVER,
        NO_OVERRIDE,
        proxy,
        "Specifies one or more proxies which are trusted to present IP headers",
    )
    .info(TRUSTED),
    iterate(
        "RemoteIPInternalProxy",
        SERVER,
        NO_OVERRIDE,
        proxy,
        "Specifies one or more internal (transparent) proxies which are trusted to present IP headers",
    )
    .info(INTERNAL),
    take1(
        "RemoteIPTrustedProxyList",
        SERVER,
        NO_OVERRIDE,
        list,
        "The filename to read the list of trusted proxies, see the RemoteIPTrustedProxy directive",
    )
    .info(TRUSTED),
    take1(
        "RemoteIPInternalProxyList",
        SERVER,
        NO_OVERRIDE,
        list,
        "The filename to read the list of internal proxies, see the RemoteIPInternalProxy directive",
    )
    .info(INTERNAL),
    flag("RemoteIPProxyProtocol", SERVER, NO_OVERRIDE, protocol, "Enable PROXY protocol handling ('on', 'off')"),
    take_argv(
        "RemoteIPProxyProtocolExceptions",
        SERVER,
        NO_OVERRIDE,
        exceptions,
        "Disable PROXY protocol handling for this list of networks in CIDR format",
    ),
];

/// Per-server settings.
#[derive(Clone, Default)]
pub struct RemoteIp {
    header: Option<BString>,
    proxies_header: Option<BString>,
    /// Networks that are believed, and whether they are internal.
    proxies: Vec<(Subnet, bool)>,
    protocol: Option<bool>,
    exceptions: Vec<Subnet>,
}

impl Settings for RemoteIp {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        RemoteIp {
            header: add.header.clone().or_else(|| base.header.clone()),
            proxies_header: add.proxies_header.clone().or_else(|| base.proxies_header.clone()),
            proxies: [&base.proxies[..], &add.proxies[..]].concat(),
            // Where a server listens decides, not what it inherits.
            protocol: add.protocol,
            exceptions: [&base.exceptions[..], &add.exceptions[..]].concat(),
        }
    }
}

fn header(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.server::<RemoteIp>().header = Some(name.into());
    Ok(())
}

fn proxies_header(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.server::<RemoteIp>().proxies_header = Some(name.into());
    Ok(())
}

/// The network that a word stands for; a host name stands for its addresses.
fn networks(word: &BStr, directive: &str) -> Result<Vec<Subnet>, String> {
    let refuse = |why: &str| format!("RemoteIP: Error parsing IP {word} ({why} error) for {directive}");
    let (address, mask) = word.split_once_str("/").map_or((word.as_bytes(), None), |(one, two)| (one, Some(two)));
    let parsed = match subnet::parse(word) {
        // A network is written in full where its length is given.
        Parsed::Subnet(_) if mask.is_some() && !address.contains(&b':') && address.split_str(".").count() != 4 => {
            Parsed::BadAddress
        }
        parsed => parsed,
    };
    match parsed {
        Parsed::Subnet(subnet) => Ok(vec![subnet]),
        Parsed::NotAddress => {
            if let Some(mask) = mask {
                let mask = mask.as_bstr();
                return Err(format!("RemoteIP: Error parsing IP {word} the subnet /{mask} is invalid for {directive}"));
            }
            let found = sys::resolve::addresses_of(word);
            if found.is_empty() {
                return Err(refuse("Name or service not known"));
            }
            let exact = |ip: &IpAddr| match subnet::parse(ip.to_canonical().to_string().as_bytes()) {
                Parsed::Subnet(subnet) => Some(subnet),
                _ => None,
            };
            Ok(found.iter().filter_map(exact).collect())
        }
        bad => Err(refuse(subnet::complaint(&bad))),
    }
}

fn proxy(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let internal = cx.directive.info == INTERNAL;
    let found = networks(word, cx.directive.name)?;
    cx.server::<RemoteIp>().proxies.extend(found.into_iter().map(|subnet| (subnet, internal)));
    Ok(())
}

fn list(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let (internal, name) = (cx.directive.info == INTERNAL, cx.directive.name);
    let path = cx.server_root_relative(path);
    let file = match server::open_plain(&path) {
        Ok(file) => file,
        Err(error) => {
            let why = log::errno_text(error.raw_os_error().unwrap_or(0));
            return Err(format!("{name}: Could not open file {}: {why}", path.display()).into());
        }
    };
    for (at, line) in std::io::BufReader::new(file).split(b'\n').enumerate() {
        let Ok(line) = line else { break };
        let plain = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        for word in plain.fields() {
            let found = networks(word.as_bstr(), name)
                .map_err(|error| format!("{error} at line {} of {}", at + 1, path.display()))?;
            cx.server::<RemoteIp>().proxies.extend(found.into_iter().map(|subnet| (subnet, internal)));
        }
    }
    Ok(())
}

fn protocol(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<RemoteIp>().protocol = Some(on);
    Ok(())
}

fn exceptions(cx: &mut Cx<'_>, words: &[&BStr]) -> Outcome {
    if words.is_empty() {
        return Err("RemoteIPProxyProtocolExceptions requires an argument".into());
    }
    for word in words {
        let address = word.split(|byte| *byte == b'/').next().unwrap_or_default().as_bstr();
        match subnet::parse(word) {
            Parsed::Subnet(subnet) => cx.server::<RemoteIp>().exceptions.push(subnet),
            Parsed::NotAddress => return Err(format!("ip address '{address}' appears to be invalid").into()),
            bad => {
                let why = subnet::complaint(&bad);
                return Err(format!("ip address '{address}' appears to be invalid: {why}").into());
            }
        }
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_read_request(FIRST, find_client);
    on.open_logs(LAST, tell);
    on.providers.offer::<dyn ProxyHeader>("proxy-protocol", &proxy_protocol::Protocol);
}

/// An address that an outside proxy cannot speak for: private, link-local or loopback.
fn private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        // Public addresses are those of 2000::/3.
        IpAddr::V6(ip) => ip.octets()[0] & 0xe0 != 0x20,
    }
}

/// A plain address as a header field writes it, IPv4 in any of the forms of inet_aton(3).
fn address(word: &[u8]) -> Option<IpAddr> {
    if let Ok(ip) = word.to_str().ok()?.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let number = |part: &[u8]| {
        let text = part.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let base = if text.len() > 1 && text.starts_with('0') { 8 } else { 10 };
        u32::from_str_radix(text, base).ok()
    };
    let parts = word.split(|byte| *byte == b'.').map(number).collect::<Option<Vec<_>>>()?;
    let (last, octets) = parts.split_last()?;
    // The last number fills what the others leave.
    let room = 4u32.checked_sub(octets.len() as u32).filter(|room| *room > 0)?;
    if octets.iter().any(|octet| *octet > 255) || u64::from(*last) >> (8 * room) != 0 {
        return None;
    }
    let high = octets.iter().fold(0u64, |value, octet| value << 8 | u64::from(*octet));
    Some(std::net::Ipv4Addr::from((high << (8 * room) | u64::from(*last)) as u32).into())
}

fn find_client(r: &mut Request) -> Answer {
    if r.prev.is_some() {
        return Answer::Declined;
    }
    let settings = r.server::<RemoteIp>();
    told_by_connection(r);
    let Some(name) = &settings.header else { return Answer::Declined };
    let Some(value) = r.headers_in.get(name).map(BString::from) else { return Answer::Declined };
    let mut rest = Some(value);
    let mut client = r.connection.client.ip();
    let mut proxies = BString::default();
    let mut changed = false;
    let mut internal = false;
    while let Some(value) = rest.clone() {
        if !settings.proxies.is_empty() {
            match settings.proxies.iter().find(|(subnet, _)| subnet.contains(client)) {
                Some((_, inside)) => internal = *inside,
                None => break,
            }
        }
        // The last address of the list is the one that the proxy saw.
        let (before, word) = match value.rfind_byte(b',') {
            Some(comma) => (Some(BString::from(&value[..comma])), &value[comma + 1..]),
            None => (None, &value[..]),
        };
        let word = word.trim();
        if word.is_empty() {
            break;
        }
        let Some(ip) = address(word) else {
            let text = format_args!(
                "AH01568: RemoteIP: Header {name} value of {} cannot be parsed as a client IP",
                word.as_bstr()
            );
            r.log_errno(Level::Debug, "remoteip", log::EAI_NONAME, text);
            break;
        };
        if !internal && private(ip) {
            let text = format_args!(
                "AH01569: RemoteIP: Header {name} value of {} appears to be a private IP or nonsensical.  Ignored",
                word.as_bstr()
            );
            r.log(Level::Debug, "remoteip", text);
            break;
        }
        if !internal {
            // Whoever is nearer to us stands first.
            if !proxies.is_empty() {
                proxies.push_str(", ");
            }
            proxies.push_str(client.to_string());
        }
        client = ip;
        changed = true;
        rest = before;
    }
    if !changed {
        return Answer::Ok;
    }
    believe(r, SocketAddr::new(client, r.connection.client.port()));
    match rest {
        Some(rest) => r.headers_in.set(name, rest),
        None => {
            r.headers_in.unset(name);
        }
    }
    if proxies.is_empty() {
        let text = format_args!("Using {} as client's IP by internal proxies", r.useragent_ip);
        r.log(Level::Trace1, "remoteip", text);
    } else {
        r.notes.set("remoteip-proxy-ip-list", &proxies);
        if let Some(field) = &settings.proxies_header {
            r.headers_in.set(field, &proxies);
        }
        let text = format_args!("Using {} as client's IP by proxies {proxies}", r.useragent_ip);
        r.log(Level::Trace1, "remoteip", text);
    }
    Answer::Ok
}

fn believe(r: &mut Request, client: SocketAddr) {
    r.useragent = client;
    r.useragent_ip = client.ip().to_string().into();
}

/// The client that the connection's PROXY header names.
fn told_by_connection(r: &mut Request) {
    let Some(Told(client)) = r.connection.whole().extensions.lock().of::<Told>().copied() else { return };
    believe(r, client);
    let text = format_args!("Using {} as client's IP from PROXY protocol", r.useragent_ip);
    r.log(Level::Trace1, "remoteip", text);
}

/// Says for which addresses a PROXY header is due, once for each of Apache's two readings.
fn tell(configuration: &mut Configuration) -> Result<(), log::LogsNotOpened> {
    for _ in 0..2 {
        for server in &configuration.servers {
            let Some(on) = server.settings.of::<RemoteIp>().protocol else { continue };
            let (tag, what) = if on { ("AH03492", "enabled") } else { ("AH03494", "disabled") };
            let say = |ip: IpAddr, port: u16| {
                let text = format_args!("{tag}: RemoteIPProxyProtocol: {what} on {ip}:{port}");
                log::process(Level::Notice, "remoteip", text);
            };
            if server.index == 0 {
                say(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
            }
            for address in &server.addresses {
                say(address.ip.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()), address.port);
            }
        }
    }
    Ok(())
}
