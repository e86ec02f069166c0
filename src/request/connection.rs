//! Facts of a connection, shared by its requests.

use super::Table;
use crate::config::Server;
use crate::engine::Stream;
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, OnceLock};

/// Typed values that modules keep on a request or connection.
#[derive(Default)]
pub struct Extensions(Vec<(TypeId, Box<dyn Any + Send>)>);

impl Extensions {
    pub fn of<T: Send + 'static>(&self) -> Option<&T> {
        self.0.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?.1.downcast_ref()
    }
    pub fn of_mut<T: Send + 'static>(&mut self) -> Option<&mut T> {
        self.0.iter_mut().find(|(kind, _)| *kind == TypeId::of::<T>())?.1.downcast_mut()
    }
    /// Puts `value` in the place of any other of its type.
    pub fn put<T: Send + 'static>(&mut self, value: T) {
        self.take::<T>();
        self.0.push((TypeId::of::<T>(), Box::new(value)));
    }
    pub fn take<T: Send + 'static>(&mut self) -> Option<T> {
        let at = self.0.iter().position(|(kind, _)| *kind == TypeId::of::<T>())?;
        self.0.swap_remove(at).1.downcast().ok().map(|value| *value)
    }
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// One client connection.
pub struct Connection {
    /// Unique among the connections of all children while it lives (Apache's `c->id`).
    pub id: u64,
    pub client: SocketAddr,
    pub local: SocketAddr,
    /// The client's address as text: IPv4-mapped addresses as IPv4.
    pub client_ip: BString,
    pub local_ip: BString,
    /// The server that holds before a request names one: the best match of the local address.
    pub base: &'static Server,
    /// Where the hosts stand that share the local address with `base`, if any are configured for it.
    pub hosts: Option<usize>,
    /// `https` for a TLS connection, else `http`.
    pub scheme: &'static str,
    /// What the handshake chose to be spoken (ALPN); none: HTTP/1.1.
    pub protocol: OnceLock<&'static str>,
    /// Requests served before the current one.
    pub keepalives: AtomicU32,
    /// The peer is gone or framing is lost.
    pub aborted: AtomicBool,
    /// A deadline for reading has passed: its end is not waited for long.
    pub overdue: AtomicBool,
    /// Scoreboard slot of the request in progress.
    pub slot: AtomicU32,
    /// Log id (`%{c}L`), made by the first line in the error log.
    pub log_id: OnceLock<crate::log::LogId>,
    pub notes: Mutex<Table>,
    /// Result of the reverse look-up, with whether it was confirmed both ways.
    pub remote_host: OnceLock<Option<BString>>,
    pub extensions: Mutex<Extensions>,
    /// The socket while the connection is served, for interim responses.
    pub stream: Mutex<Option<Stream>>,
    /// What came behind the head of a request that asks for another protocol.
    pub early: Mutex<Vec<u8>>,
    /// A stream of HTTP/2 is a connection of its own to its request.
    pub stream_of: Option<StreamOf>,
}

/// What a stream of HTTP/2 belongs to.
pub struct StreamOf {
    /// The client's connection.
    pub connection: Arc<Connection>,
    pub id: u32,
    /// The client takes pushed responses.
    pub push: bool,
    /// The stream whose response this one was pushed along with.
    pub pushed_on: Option<u32>,
    pub reply: Arc<dyn Reply>,
}

/// What can be said on a stream before its response.
pub trait Reply: Send + Sync {
    /// Sends an interim response.
    fn interim(&self, r: &super::Request, status: u16, fields: &Table);
}

/// Left with a request that changes its connection to HTTP/2: it is answered there.
pub struct Switch;

/// Work that a handler leaves behind for the connection, in a request's extensions: a tunnel. Nothing but the connection
/// is held while it goes on.
pub struct Afterwards(pub crate::engine::BoxFuture<'static, ()>);

impl Connection {
    pub fn new(id: u64, client: SocketAddr, local: SocketAddr, base: &'static Server) -> Connection {
        let text = |addr: SocketAddr| BString::from(addr.ip().to_canonical().to_string());
        Connection {
            id,
            client: SocketAddr::new(client.ip().to_canonical(), client.port()),
            local: SocketAddr::new(local.ip().to_canonical(), local.port()),
            client_ip: text(client),
            local_ip: text(local),
            base,
            hosts: None,
            scheme: "http",
            protocol: OnceLock::new(),
            keepalives: AtomicU32::new(0),
            aborted: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            slot: AtomicU32::new(u32::MAX),
            log_id: OnceLock::new(),
            notes: Mutex::default(),
            remote_host: OnceLock::new(),
            extensions: Mutex::default(),
            stream: Mutex::default(),
            early: Mutex::default(),
            stream_of: None,
        }
    }
    /// A stream of `connection`, as its request sees it: no longer fresh, and with what is known of the client.
    pub fn stream(base: &Connection, stream_of: StreamOf) -> Connection {
        Connection {
            id: base.id,
            client: base.client,
            local: base.local,
            client_ip: base.client_ip.clone(),
            local_ip: base.local_ip.clone(),
            base: base.base,
            hosts: base.hosts,
            scheme: base.scheme,
            keepalives: AtomicU32::new(1),
            aborted: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            slot: AtomicU32::new(u32::MAX),
            log_id: OnceLock::new(),
            notes: Mutex::default(),
            remote_host: base.remote_host.clone(),
            extensions: Mutex::default(),
            stream: Mutex::default(),
            early: Mutex::default(),
            protocol: base.protocol.clone(),
            stream_of: Some(stream_of),
        }
    }
    /// The client's connection: itself, unless it is a stream.
    pub fn whole(&self) -> &Connection {
        self.stream_of.as_ref().map_or(self, |stream| &stream.connection)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} from {})", self.id, self.client_ip.as_bstr())
    }
}
