//! Directives that the MPMs share. Numbers are kept as written; `crate::mpm` clips them with Apache's warnings.
//!
//! Manual: mod/mpm_common.html.

use crate::config::*;
use crate::config::{atoi, whole_number};
use crate::log::Level;
use bstr::{BString, ByteSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// What all three have.
pub(super) const LISTENING: &[Directive] = &[
    take1(
        "ListenBacklog",
        GLOBAL,
        NO_OVERRIDE,
        backlog,
        "Maximum length of the queue of pending connections, as used by listen(2)",
    ),
    take1(
        "ListenCoresBucketsRatio",
        GLOBAL,
        NO_OVERRIDE,
        buckets,
        "Ratio between the number of CPU cores (online) and the number of listeners buckets",
    )
    .ignored("accepts are spread over the children without separate sockets"),
    take_argv(
        "Listen",
        GLOBAL,
        NO_OVERRIDE,
        listen,
        "A port number or a numeric IP address and a port number, and an optional protocol",
    ),
    take1("SendBufferSize", GLOBAL, NO_OVERRIDE, send_buffer, "Send buffer size in bytes"),
    take1("ReceiveBufferSize", GLOBAL, NO_OVERRIDE, receive_buffer, "Receive buffer size in bytes"),
    take1(
        "ListenTCPDeferAccept",
        GLOBAL,
        NO_OVERRIDE,
        defer_accept,
        "Value set for the socket option TCP_DEFER_ACCEPT if it is set",
    ),
    take1(
        "GracefulShutdownTimeout",
        GLOBAL,
        NO_OVERRIDE,
        graceful_timeout,
        "Maximum time in seconds to wait for child processes to complete transactions during shutdown",
    ),
];

/// What the MPMs with threads have.
pub(super) const THREADED: &[Directive] = &[
    take1("StartServers", GLOBAL, NO_OVERRIDE, start_servers, "Number of child processes launched at server startup"),
    take1("ServerLimit", GLOBAL, NO_OVERRIDE, server_limit, "Maximum number of child processes for this run of Apache"),
    take1(
        "MinSpareThreads",
        GLOBAL,
        NO_OVERRIDE,
        min_spare_threads,
        "Minimum number of idle threads, to handle request spikes",
    ),
    take1("MaxSpareThreads", GLOBAL, NO_OVERRIDE, max_spare_threads, "Maximum number of idle threads"),
    take1("MaxClients", GLOBAL, NO_OVERRIDE, max_request_workers, "Deprecated name of MaxRequestWorkers"),
    take1(
        "MaxRequestWorkers",
        GLOBAL,
        NO_OVERRIDE,
        max_request_workers,
        "Maximum number of threads alive at the same time",
    ),
    take1("ThreadsPerChild", GLOBAL, NO_OVERRIDE, threads_per_child, "Number of threads each child creates"),
    take1(
        "ThreadLimit",
        GLOBAL,
        NO_OVERRIDE,
        thread_limit,
        "Maximum number of worker threads per child process for this run of Apache - Upper limit for ThreadsPerChild",
    ),
];

macro_rules! numbers {
    ($($name:ident $field:ident;)*) => {$(
        pub(super) fn $name(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
            cx.process.numbers.$field = Some(atoi(word));
            Ok(())
        }
    )*};
}

numbers! {
    start_servers start_servers;
    server_limit server_limit;
    min_spare_threads min_spare_threads;
    max_spare_threads max_spare_threads;
    max_request_workers max_request_workers;
    threads_per_child threads_per_child;
    thread_limit thread_limit;
    min_spare_servers min_spare_servers;
    max_spare_servers max_spare_servers;
}

fn backlog(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match i32::try_from(atoi(word)) {
        Ok(value) if value > 0 => cx.process.listen_backlog = value,
        _ => return Err("ListenBacklog must be > 0".into()),
    }
    Ok(())
}

fn buckets(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if atoi(word) <= 0 {
        return Err("ListenCoresBucketsRatio must be > 0".into());
    }
    Ok(())
}

fn buffer(word: &[u8], name: &str) -> Result<usize, Complaint> {
    match usize::try_from(atoi(word)) {
        Ok(value) if value == 0 || value >= 512 => Ok(value),
        _ => Err(format!("{name} must be >= 512 bytes, or 0 for system default.").into()),
    }
}

fn send_buffer(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.process.send_buffer_size = buffer(word, "SendBufferSize")?;
    Ok(())
}

fn receive_buffer(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.process.receive_buffer_size = buffer(word, "ReceiveBufferSize")?;
    Ok(())
}

fn defer_accept(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match u32::try_from(atoi(word)) {
        Ok(value) if value > 0 => cx.process.defer_accept = Some(value),
        _ => return Err("ListenTCPDeferAccept must be > 0".into()),
    }
    Ok(())
}

fn graceful_timeout(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let seconds = u64::try_from(atoi(word)).unwrap_or_default();
    cx.process.graceful_shutdown_timeout = Duration::from_secs(seconds);
    Ok(())
}

/// A `Listen` address: the host, if any, and the port.
fn address(word: &[u8]) -> Result<(Option<&[u8]>, u16), Complaint> {
    let missing = || Complaint::from("Port must be specified");
    let invalid = || Complaint::from("Invalid address or port");
    let port = |digits: &[u8]| {
        whole_number(digits).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).ok_or_else(invalid)
    };
    if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
        return Ok((None, port(word)?));
    }
    if let Some(rest) = word.strip_prefix(b"[") {
        let end = rest.find_byte(b']').ok_or_else(invalid)?;
        let (host, tail) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        return match tail.strip_prefix(b":") {
            Some(digits) => Ok((Some(host), port(digits)?)),
            None if tail.is_empty() => Err(missing()),
            None => Err(invalid()),
        };
    }
    if word.is_empty() {
        return Err(invalid());
    }
    let at = word.rfind_byte(b':').ok_or_else(missing)?;
    let (host, digits) = (&word[..at], &word[at + 1..]);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(missing());
    }
    if host.is_empty() {
        return Err(invalid());
    }
    // `::1` without brackets is a port behind an empty host part.
    let host = if host.ends_with(b":") { &b":"[..] } else { host };
    Ok((Some(host), port(digits)?))
}

fn listen(cx: &mut Cx<'_>, words: &[Word<'_>]) -> Outcome {
    let (Some(word), true) = (words.first(), words.len() <= 2) else {
        return Err("Listen requires 1 or 2 arguments.".into());
    };
    let (host, port) = address(word)?;
    let protocol: BString = match words.get(1) {
        Some(name) => name.to_ascii_lowercase().into(),
        None if port == 443 => "https".into(),
        None => "http".into(),
    };
    let host = host.filter(|host| *host != b"*");
    let (addrs, any) = match host {
        None => (vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)], true),
        Some(host) => {
            let name = host.to_str_lossy();
            let found: Vec<SocketAddr> = match name.parse::<IpAddr>() {
                Ok(ip) => vec![SocketAddr::new(ip, port)],
                Err(_) if name == ":" => Vec::new(),
                Err(_) => (name.as_ref(), port).to_socket_addrs().into_iter().flatten().collect(),
            };
            if found.is_empty() {
                let text = format!(
                    "(EAI 2)Name or service not known: AH00077: alloc_listener: failed to set up sockaddr for {name}"
                );
                cx.warnings.push(Warning { hidden: false, module: "core", level: Level::Crit, text: text.into() });
                return Err("Listen setup failed".into());
            }
            (found, false)
        }
    };
    for addr in addrs {
        let listen = Listen { addr, protocol: protocol.clone(), text: (*word).into(), any };
        if cx.process.listen.iter().any(|other| other.addr == listen.addr) {
            return Err("Cannot define multiple Listeners on the same IP:port".into());
        }
        cx.process.listen.push(listen);
    }
    Ok(())
}

/// AsyncRequestWorkerFactor, event's own.
pub(super) fn async_factor(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value: f64 = word.to_str_lossy().parse().map_err(|_| Complaint::from("error parsing value"))?;
    if value <= 0.0 || value.is_nan() {
        return Err("AsyncRequestWorkerFactor argument must be a positive number".into());
    }
    cx.process.numbers.async_factor = Some(value);
    Ok(())
}
