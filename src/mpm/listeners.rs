//! Listening sockets: bound by the parent, kept over restarts, inherited by the children (`Listen`, `ListenBacklog`,
//! `SendBufferSize`, `ReceiveBufferSize`, `AcceptFilter`).

use super::Line;
use crate::config::{Configuration, CoreServer, Listen};
use crate::log::Level;
use bstr::{BString, ByteSlice};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// A bound socket and the `Listen` that asked for it.
#[derive(Debug)]
pub struct Bound {
    pub listen: Listen,
    pub socket: TcpListener,
    /// The address really bound: the port where `Listen` said 0.
    pub local: SocketAddr,
}

/// The server's listening sockets in the order of the configuration.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Bound>);

/// What shapes the sockets.
struct Shape<'a> {
    backlog: i32,
    send_buffer: usize,
    receive_buffer: usize,
    filters: &'a [(BString, BString)],
    /// How long the kernel keeps a connection without data to itself.
    defer: Duration,
}

/// ListenTCPDeferAccept where it is not set, in seconds.
const DEFER: u32 = 30;

impl Listeners {
    /// Binds what `configuration` names; sockets of `before` on the same address are taken over as they are. On
    /// failure nothing changes, and the lines say why. Warnings go to `warn`.
    pub fn open(
        configuration: &Configuration,
        before: &Listeners,
        warn: &mut Vec<Line>,
    ) -> Result<Listeners, Vec<Line>> {
        let process = &configuration.process;
        let core = configuration.servers.first().map(|main| main.settings.of::<CoreServer>().clone());
        let core = core.unwrap_or_default();
        let shape = Shape {
            backlog: process.listen_backlog,
            send_buffer: process.send_buffer_size,
            receive_buffer: process.receive_buffer_size,
            filters: &core.accept_filters,
            defer: Duration::from_secs(process.defer_accept.unwrap_or(DEFER).into()),
        };
        let mut bound: Vec<Bound> = Vec::new();
        for listen in &process.listen {
            match adopt(listen, before, &bound, &shape) {
                Some(kept) => bound.push(kept),
                None => {
                    match handed_over(listen, &bound, &shape, warn).map_or_else(|| bind(listen, &shape, warn), Ok) {
                        Ok(fresh) => bound.push(fresh),
                        Err(mut lines) => {
                            lines.push(Line::bare(Level::Alert, "no listening sockets available, shutting down"));
                            return Err(lines);
                        }
                    }
                }
            }
        }
        if bound.is_empty() {
            return Err(vec![Line::bare(Level::Alert, "no listening sockets available, shutting down")]);
        }
        Ok(Listeners(bound))
    }
    pub fn iter(&self) -> std::slice::Iter<'_, Bound> {
        self.0.iter()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The listener that a connection with this local address came through.
    pub fn of(&self, local: SocketAddr) -> Option<usize> {
        let (ip, port) = (local.ip().to_canonical(), local.port());
        let exact = |bound: &Bound| bound.local.port() == port && bound.local.ip().to_canonical() == ip;
        let any = |bound: &Bound| bound.local.port() == port && bound.local.ip().is_unspecified();
        self.0.iter().position(exact).or_else(|| self.0.iter().position(any))
    }
}

/// The socket of `before` that serves `listen` already. One socket serves one `Listen` only.
fn adopt(listen: &Listen, before: &Listeners, taken: &[Bound], shape: &Shape<'_>) -> Option<Bound> {
    let same = |bound: &&Bound| (bound.listen.addr, bound.listen.any) == (listen.addr, listen.any);
    let old = before.0.iter().find(same)?;
    if taken.iter().any(|bound| same(&bound)) {
        return None;
    }
    let socket = old.socket.try_clone().ok()?;
    let again = Socket::from(socket);
    // The backlog may have changed; the queue itself stays.
    again.listen(shape.backlog).ok()?;
    Some(Bound { listen: listen.clone(), socket: again.into(), local: old.local })
}

/// The service manager's socket for `listen`, made as ours are.
fn handed_over(listen: &Listen, taken: &[Bound], shape: &Shape<'_>, warn: &mut Vec<Line>) -> Option<Bound> {
    let (socket, local) = super::systemd::handed_over(listen.addr, listen.any)?;
    if taken.iter().any(|bound| bound.local == local) {
        return None;
    }
    let socket = Socket::from(socket);
    socket.set_tcp_nodelay(true).ok()?;
    socket.listen(shape.backlog).ok()?;
    finish(listen, socket, local, shape, warn).ok()
}

fn bind(listen: &Listen, shape: &Shape<'_>, warn: &mut Vec<Line>) -> Result<Bound, Vec<Line>> {
    if !listen.any {
        return make(listen, listen.addr, shape, warn).map_err(|line| vec![line]);
    }
    let port = listen.addr.port();
    let six = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let four = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    match make(listen, six, shape, warn) {
        Ok(bound) => Ok(bound),
        Err(first) => make(listen, four, shape, warn).map_err(|second| match first.errno {
            // A system without IPv6 has nothing to say about it.
            libc::EAFNOSUPPORT => vec![second],
            _ => vec![first, second],
        }),
    }
}

fn make(listen: &Listen, address: SocketAddr, shape: &Shape<'_>, warn: &mut Vec<Line>) -> Result<Bound, Line> {
    let failed = |tag: &str, what: String| {
        let tag = tag.to_owned();
        move |error: io::Error| Line { module: "", ..Line::core(Level::Crit, &error, format!("{tag}: {what}")) }
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .map_err(failed("AH00078", format!("alloc_listener: failed to get a socket for {}", address.ip())))?;
    let option = |name: &str| format!("make_sock: for address {address}, apr_socket_opt_set: ({name})");
    socket.set_reuse_address(true).map_err(failed("AH00067", option("SO_REUSEADDR")))?;
    socket.set_keepalive(true).map_err(failed("AH00068", option("SO_KEEPALIVE")))?;
    if address.is_ipv6() {
        let only = !address.ip().is_unspecified();
        socket.set_only_v6(only).map_err(failed("AH00069", option("IPV6_V6ONLY")))?;
    }
    let sizes = [
        ("AH00070", "SendBufferSize", shape.send_buffer, true),
        ("AH00071", "ReceiveBufferSize", shape.receive_buffer, false),
    ];
    for (tag, name, size, sending) in sizes {
        let set = if sending { Socket::set_send_buffer_size } else { Socket::set_recv_buffer_size };
        if size != 0
            && let Err(error) = set(&socket, size)
        {
            let text = format!("{tag}: make_sock: failed to set {name} for address {address}, using default");
            warn.push(Line::core(Level::Warn, &error, text));
        }
    }
    // Accepted sockets inherit it.
    if let Err(error) = socket.set_tcp_nodelay(true) {
        warn.push(Line::core(Level::Warn, &error, "AH00542: apr_socket_opt_set: (TCP_NODELAY)".to_owned()));
    }
    socket
        .bind(&SockAddr::from(address))
        .map_err(failed("AH00072", format!("make_sock: could not bind to address {address}")))?;
    socket
        .listen(shape.backlog)
        .map_err(failed("AH00073", format!("make_sock: unable to listen for connections on address {address}")))?;
    finish(listen, socket, address, shape, warn)
}

/// What holds for a socket that listens already.
fn finish(
    listen: &Listen,
    socket: Socket,
    address: SocketAddr,
    shape: &Shape<'_>,
    warn: &mut Vec<Line>,
) -> Result<Bound, Line> {
    if filter(listen, shape.filters) != "none"
        && let Err(error) = crate::sys::tcp::defer_accept(&socket, shape.defer)
    {
        let text = "AH00076: Failed to enable APR_TCP_DEFER_ACCEPT".to_owned();
        warn.push(Line::core(Level::Warn, &error, text));
    }
    let socket = TcpListener::from(socket);
    socket.set_nonblocking(true).map_err(|error| {
        Line::core(Level::Crit, &error, "AH00079: unable to control socket non-blocking status".to_owned())
    })?;
    let local = socket.local_addr().unwrap_or(address);
    Ok(Bound { listen: listen.clone(), socket, local })
}

/// AcceptFilter of the listener's protocol; Linux knows only whether there is one.
fn filter(listen: &Listen, filters: &[(BString, BString)]) -> BString {
    let protocol = if listen.protocol.is_empty() { "http".into() } else { listen.protocol.clone() };
    let set = filters.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(&protocol));
    match set {
        Some((_, filter)) => filter.to_ascii_lowercase().into(),
        None if protocol.as_bstr() == "http" || protocol.as_bstr() == "https" => "data".into(),
        None => "none".into(),
    }
}
