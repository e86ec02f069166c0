//! The rows of mod_proxy's directives, and the setters of the simple ones.

use super::pass::{self, MATCH};
use super::settings::*;
use crate::config::*;
use crate::sys::regex::{Flags, Regex};
use crate::sys::resolve;
use bstr::{BString, ByteSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const BOTH: Contexts = SERVER.and(DIRECTORY);

pub const DIRECTIVES: &[Directive] = &[
    section(
        "<Proxy",
        SERVER,
        NO_OVERRIDE,
        pass::section,
        "Container for directives affecting resources located in the proxied location",
    ),
    section(
        "<ProxyMatch",
        SERVER,
        NO_OVERRIDE,
        pass::section,
        "Container for directives affecting resources located in the proxied location, in regular expression syntax",
    )
    .info(MATCH),
    flag(
        "ProxyRequests",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.server::<ProxyServer>().requests, on),
        "on if the true proxy requests should be accepted",
    ),
    take23("ProxyRemote", SERVER, NO_OVERRIDE, remote, "a scheme, partial URL or '*' and a proxy server"),
    take23("ProxyRemoteMatch", SERVER, NO_OVERRIDE, remote, "a regex pattern and a proxy server").info(MATCH),
    flag(
        "ProxyPassInterpolateEnv",
        BOTH,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.dir::<ProxyDir>().interpolate, on),
        "Interpolate Env Vars in reverse Proxy",
    ),
    raw_args("ProxyPass", BOTH, NO_OVERRIDE, pass::pass, "a virtual path and a URL"),
    raw_args("ProxyPassMatch", BOTH, NO_OVERRIDE, pass::pass, "a virtual path and a URL").info(MATCH),
    take123(
        "ProxyPassReverse",
        BOTH,
        NO_OVERRIDE,
        pass::reverse,
        "a virtual path and a URL for reverse proxy behaviour",
    ),
    take23(
        "ProxyPassReverseCookiePath",
        BOTH,
        NO_OVERRIDE,
        pass::cookie_path,
        "Path rewrite rule for proxying cookies",
    ),
    take23(
        "ProxyPassReverseCookieDomain",
        BOTH,
        NO_OVERRIDE,
        pass::cookie_domain,
        "Domain rewrite rule for proxying cookies",
    ),
    iterate(
        "ProxyBlock",
        SERVER,
        NO_OVERRIDE,
        block,
        "A list of names, hosts or domains to which the proxy will not connect",
    ),
    take1(
        "ProxyReceiveBufferSize",
        SERVER,
        NO_OVERRIDE,
        buffer_size,
        "Receive buffer size for outgoing HTTP and FTP connections in bytes",
    )
    .info(RECEIVE),
    take1(
        "ProxyIOBufferSize",
        SERVER,
        NO_OVERRIDE,
        buffer_size,
        "IO buffer size for outgoing HTTP and FTP connections in bytes",
    ),
    take1(
        "ProxyMaxForwards",
        SERVER,
        NO_OVERRIDE,
        |cx, word| put(&mut cx.server::<ProxyServer>().max_forwards, atoi(word)),
        "The maximum number of proxies a request may be forwarded through.",
    ),
    iterate(
        "NoProxy",
        SERVER,
        NO_OVERRIDE,
        no_proxy,
        "A list of domains, hosts, or subnets to which the proxy will connect directly",
    ),
    take1(
        "ProxyDomain",
        SERVER,
        NO_OVERRIDE,
        domain,
        "The default intranet domain name (in absence of a domain in the URL)",
    ),
    take1(
        "ProxyVia",
        SERVER,
        NO_OVERRIDE,
        via,
        "Configure Via: proxy header header to one of: on | off | block | full",
    ),
    iterate(
        "ProxyErrorOverride",
        BOTH,
        NO_OVERRIDE,
        error_override,
        "use our error handling pages instead of the servers' we are proxying",
    ),
    flag(
        "ProxyPreserveHost",
        BOTH,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.dir::<ProxyDir>().preserve_host, on),
        "on if we should preserve host header while proxying",
    ),
    take1(
        "ProxyTimeout",
        SERVER,
        NO_OVERRIDE,
        timeout,
        "Set the timeout (in seconds) for a proxied connection. This overrides the server timeout",
    ),
    take1(
        "ProxyBadHeader",
        SERVER,
        NO_OVERRIDE,
        bad_header,
        "How to handle bad header line in response: IsError | Ignore | StartBody",
    ),
    raw_args(
        "BalancerMember",
        BOTH,
        NO_OVERRIDE,
        pass::balancer_member,
        "A balancer name and scheme with list of params",
    ),
    take1(
        "BalancerGrowth",
        SERVER,
        NO_OVERRIDE,
        growth,
        "Number of additional Balancers that can be added post-config",
    )
    .ignored("Apache's own manager cannot add balancers either: it only makes room for them"),
    flag(
        "BalancerPersist",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.server::<ProxyServer>().persist, on),
        "on if the balancer should persist changes on reboot/restart made via the Balancer Manager",
    ),
    flag(
        "BalancerInherit",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.server::<ProxyServer>().inherit_workers, on),
        "on if this server should inherit Balancers and Workers defined in the main server (Setting to off recommended if using the Balancer Manager)",
    ),
    flag(
        "ProxyPassInherit",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.server::<ProxyServer>().inherit_passes, on),
        "on if this server should inherit all ProxyPass directives defined in the main server (Setting to off recommended if using the Balancer Manager)",
    )
    .ignored("hosts inherit in any case, as they do in Apache 2.4.71"),
    take1("ProxyStatus", SERVER, NO_OVERRIDE, status, "Configure Status: proxy status to one of: on | off | full"),
    raw_args("ProxySet", BOTH, NO_OVERRIDE, pass::proxy_set, "A balancer or worker name with list of params"),
    take1("ProxySourceAddress", SERVER, NO_OVERRIDE, source, "Configure local source IP used for request forward"),
    flag(
        "ProxyAddHeaders",
        BOTH,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.dir::<ProxyDir>().add_headers, on),
        "on if X-Forwarded-* headers should be added or completed",
    ),
    flag(
        "Proxy100Continue",
        BOTH,
        NO_OVERRIDE,
        |cx, on| put(&mut cx.dir::<ProxyDir>().forward_continue, on),
        "on if 100-Continue should be forwarded to the origin server, off if the proxy should handle it by itself",
    ),
];

/// `info` of ProxyReceiveBufferSize.
const RECEIVE: usize = 1;

fn put<T>(place: &mut Option<T>, value: T) -> Outcome {
    *place = Some(value);
    Ok(())
}

fn remote(cx: &mut Cx<'_>, of: Word<'_>, url: Word<'_>, credentials: Option<Word<'_>>) -> Outcome {
    let name = cx.directive.name;
    let bad = || format!("{name}: Bad syntax for a remote proxy server");
    let Some((scheme, rest)) = url.split_once_str("://").filter(|(_, rest)| !rest.is_empty()) else {
        return Err(bad().into());
    };
    let scheme = BString::from(scheme.to_ascii_lowercase());
    // What begins with a number is a port, and the first colon is the one before it: there are no IPv6 addresses.
    let (host, port) = match rest.split_once_str(":") {
        Some((host, port)) => {
            let digits = port.trim_ascii_start();
            let digits = digits.strip_prefix(b"-").or_else(|| digits.strip_prefix(b"+")).unwrap_or(digits);
            let number =
                Some(atoi(port)).filter(|port| digits.first().is_some_and(u8::is_ascii_digit) && *port <= 65_535);
            (host, number.ok_or_else(|| format!("{} (bad port number)", bad()))?)
        }
        None => (rest, -1),
    };
    let port = if port == -1 { super::worker::default_port(&scheme) } else { port as u16 };
    let of = if cx.directive.info == MATCH {
        let compiled = Regex::new(of, Flags::default());
        RemoteFor::Regex(Arc::new(
            compiled.map_err(|_| "Regular expression for ProxyRemoteMatch could not be compiled.")?,
        ))
    } else {
        let slashless = of.strip_suffix(b"/").filter(|_| of.find_byte(b':').is_some());
        RemoteFor::Text(slashless.unwrap_or(of).into())
    };
    let host = host.to_ascii_lowercase().into();
    let credentials = credentials.map(BString::from);
    cx.server::<ProxyServer>().remotes.push(Remote { of, scheme, host, port, credentials });
    Ok(())
}

fn block(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if cx.server::<ProxyServer>().blocks.iter().any(|block| block.word == word) {
        return Ok(());
    }
    let addresses = if word == "*" { Vec::new() } else { resolve::addresses_of(word) };
    cx.server::<ProxyServer>().blocks.push(Block { word: word.into(), addresses });
    Ok(())
}

fn buffer_size(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let receive = cx.directive.info == RECEIVE;
    let number = if receive { atoi(word) } else { strtol(word) };
    if number < 512 && number != 0 {
        return Err(format!("{} must be >= 512 bytes, or 0 for system default.", cx.directive.name).into());
    }
    let size = usize::try_from(number).unwrap_or(0);
    let server = cx.server::<ProxyServer>();
    if receive {
        server.receive_buffer = Some(size);
    } else {
        server.io_buffer = Some(if size == 0 { 8192 } else { size });
    }
    Ok(())
}

fn no_proxy(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let direct = match network(cx, word) {
        Some((ip, bits)) => Direct::Net(ip, bits),
        None if word.starts_with(b".") => Direct::Domain(word.strip_suffix(b".").unwrap_or(word).into()),
        None => Direct::Host(word.strip_suffix(b".").unwrap_or(word).into()),
    };
    cx.server::<ProxyServer>().direct.push(direct);
    Ok(())
}

/// `192.168`, `192.168.112.0/21`: what is not written is zero; without bits, zeros at the end are no part of the net.
fn network(cx: &mut Cx<'_>, word: &[u8]) -> Option<(IpAddr, u8)> {
    let (address, bits) = match word.split_once_str("/") {
        Some((address, bits)) => (address, Some(u8::try_from(whole_number(bits)?).ok().filter(|bits| *bits <= 32)?)),
        None => (word, None),
    };
    let mut parts = [0u8; 4];
    let mut written = 0;
    // Nothing between dots is a name; nothing behind the last is zero.
    for part in address.strip_suffix(b".").unwrap_or(address).split_str(".") {
        *parts.get_mut(written)? = part.to_str().ok()?.parse().ok()?;
        written += 1;
    }
    if written == 0 {
        return None;
    }
    let ip = Ipv4Addr::from(parts);
    let guessed = parts.iter().rposition(|part| *part != 0).map_or(0, |at| (at as u8 + 1) * 8);
    let bits = bits.unwrap_or(guessed);
    if bits == guessed && !word.contains(&b'/') && (1..32).contains(&bits) {
        let text = format!("AH00900: Warning: NetMask not supplied with IP-Addr; guessing: {ip}/{bits}");
        cx.tell(text);
    }
    let masked = Ipv4Addr::from(u32::from(ip) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0));
    if masked != ip && bits > 0 {
        let text = format!("AH00901: Warning: NetMask and IP-Addr disagree in {ip}/{bits}");
        cx.tell(text);
        cx.tell(format!("AH00902:          Set to {masked}/{bits}"));
    }
    Some((IpAddr::V4(masked), bits))
}

fn domain(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if !word.starts_with(b".") {
        return Err("ProxyDomain: domain name must start with a dot.".into());
    }
    put(&mut cx.server::<ProxyServer>().domain, word.into())
}

fn via(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let via = match word.to_ascii_lowercase().as_slice() {
        b"off" => Via::Off,
        b"on" => Via::On,
        b"block" => Via::Block,
        b"full" => Via::Full,
        _ => return Err("ProxyVia must be one of: off | on | full | block".into()),
    };
    put(&mut cx.server::<ProxyServer>().via, via)
}

fn error_override(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let begins = word.first().is_some_and(u8::is_ascii_digit);
    let dir = cx.dir::<ProxyDir>();
    if word.eq_ignore_ascii_case(b"on") {
        return put(&mut dir.error_override, true);
    }
    if word.eq_ignore_ascii_case(b"off") {
        return put(&mut dir.error_override, false);
    }
    if !begins {
        let text = match dir.error_override {
            Some(true) => "ProxyErrorOverride: status codes to intercept must be numeric",
            _ => "ProxyErrorOverride first parameter must be one of: off | on",
        };
        return Err(text.into());
    }
    match dir.error_override {
        Some(true) => {}
        Some(false) => return Err("ProxyErrorOverride: status codes must follow a value of 'on'".into()),
        None => return Err("ProxyErrorOverride first parameter must be one of: off | on".into()),
    }
    let code = atoi(word);
    if !(400..600).contains(&code) {
        let text = "ProxyErrorOverride: status codes to intercept must be valid HTTP Status Codes >=400 && <600";
        return Err(text.into());
    }
    let mut codes = dir.overridden.as_ref().map(|codes| codes.to_vec()).unwrap_or_default();
    codes.push(u16::try_from(code).unwrap_or(0));
    put(&mut dir.overridden, Arc::new(codes))
}

fn timeout(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let seconds = atoi(word);
    if seconds < 1 {
        return Err("Proxy Timeout must be at least 1 second.".into());
    }
    put(&mut cx.server::<ProxyServer>().timeout, Duration::from_secs(seconds.unsigned_abs()))
}

fn bad_header(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let kind = match word.to_ascii_lowercase().as_slice() {
        b"iserror" => BadHeader::IsError,
        b"ignore" => BadHeader::Ignore,
        b"startbody" => BadHeader::StartBody,
        _ => return Err("ProxyBadHeader must be one of: IsError | Ignore | StartBody".into()),
    };
    put(&mut cx.server::<ProxyServer>().bad_header, kind)
}

fn growth(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match (0..=1000).contains(&atoi(word)) {
        true => Ok(()),
        false => Err("BalancerGrowth must be between 0 and 1000".into()),
    }
}

fn status(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let show = match word.to_ascii_lowercase().as_slice() {
        b"off" => ShowStatus::Off,
        b"on" => ShowStatus::On,
        b"full" => ShowStatus::Full,
        _ => return Err("ProxyStatus must be one of: off | on | full".into()),
    };
    put(&mut cx.server::<ProxyServer>().status, show)
}

fn source(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let literal = word.to_str().ok().and_then(|text| text.parse().ok());
    match literal.or_else(|| resolve::addresses_of(word).first().copied()) {
        Some(ip) => put(&mut cx.server::<ProxyServer>().source, ip),
        None => Err("ProxySourceAddress invalid value".into()),
    }
}
