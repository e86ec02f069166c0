//! Connections to backends: made without blocking the loop, kept per child and worker for later requests.

use super::secure::Secrecy;
use super::settings::ProxyServer;
use super::state::Busy;
use super::worker::Worker;
use crate::engine::{self, Permit, Semaphore, Stream};
use crate::request::{Remote, Request};
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Idle connections that a worker keeps at most, where nothing is said.
const KEEP: usize = 64;

/// What one child keeps of one worker.
pub struct Pool {
    idle: Mutex<Vec<Idle>>,
    addresses: Mutex<Option<(Instant, Vec<IpAddr>)>>,
    places: OnceLock<Arc<Semaphore>>,
}

/// A connection that waits for its next request.
struct Idle {
    stream: Stream,
    since: Instant,
    secrecy: Option<Secrecy>,
}

impl Pool {
    pub fn new() -> Arc<Pool> {
        Arc::new(Pool { idle: Mutex::default(), addresses: Mutex::default(), places: OnceLock::new() })
    }
}

/// Where a backend is.
#[derive(Clone, Debug)]
pub enum Address {
    Socket(BString),
    Host(BString, u16),
}

/// A connection to a backend, in use by one request.
pub struct Backend {
    pub stream: Stream,
    /// It has served a request before.
    pub reused: bool,
    /// How it is secured, or is to be.
    pub secrecy: Option<Secrecy>,
    /// What log lines say of it, once it is secured.
    pub remote: Option<Remote>,
    /// Whether the backend hears that it is kept.
    told: bool,
    worker: Option<Arc<Worker>>,
    permit: Option<Permit>,
    /// What counts the request at a balancer's member.
    pub busy: Option<Arc<Busy>>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum NoBackend {
    /// Nobody knows the name.
    Name,
    /// All connections that the worker may have are in use.
    Busy,
    /// No address answered; the last with its reason.
    Refused(Option<SocketAddr>, io::Error),
}

/// How long a backend may be silent: the worker's, ProxyTimeout, Timeout.
pub fn patience(r: &Request, worker: Option<&Worker>) -> Duration {
    let own = worker.and_then(|worker| worker.parameters.timeout);
    let all = own.or(r.server::<ProxyServer>().timeout);
    let server = || r.server.timeout.or(r.server::<crate::config::CoreServer>().timeout);
    all.or_else(server).unwrap_or(Duration::from_secs(60))
}

/// Takes a kept connection or makes one.
pub async fn connect(
    r: &mut Request,
    worker: Option<&Arc<Worker>>,
    to: &Address,
    secrecy: Option<Secrecy>,
) -> Result<Backend, NoBackend> {
    let permit = match worker {
        Some(worker) => place(worker).await?,
        None => None,
    };
    let reusable = worker.filter(|worker| worker.reuses());
    let told = reusable.is_some() && !r.env.contains("proxy-nokeepalive");
    let initial = r.env.contains("proxy-initial-not-pooled")
        && r.connection.keepalives.load(std::sync::atomic::Ordering::Relaxed) == 0;
    // One that is for this request alone takes a kept one's place.
    let over = r.keep_alive == Some(false) || r.env.contains("force-proxy-request-1.0");
    let http =
        worker.is_some_and(|worker| ["http", "https", "ws", "wss"].iter().any(|scheme| worker.scheme == *scheme));
    let alone = !told || initial || http && over;
    if let Some(worker) = reusable
        && let Some(stream) = kept(worker, secrecy.as_ref())
        && !alone
    {
        let remote = secrecy.as_ref().map(|_| Remote { server: r.server, remote: stream.peer_addr().ok() });
        return Ok(Backend {
            stream,
            reused: true,
            secrecy,
            remote,
            told,
            worker: Some(worker.clone()),
            permit,
            busy: None,
        });
    }
    let reusable = reusable.filter(|_| !alone);
    let limit = worker
        .and_then(|worker| worker.parameters.connect)
        .unwrap_or_else(|| patience(r, worker.map(|worker| &**worker)));
    let stream = open(r, worker, to, limit).await?;
    Ok(Backend { stream, reused: false, secrecy, remote: None, told, worker: reusable.cloned(), permit, busy: None })
}

/// A place among the connections that `max` allows.
async fn place(worker: &Worker) -> Result<Option<Permit>, NoBackend> {
    let Some(most) = worker.parameters.max.and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0) else {
        return Ok(None);
    };
    let places = worker.pool.places.get_or_init(|| Semaphore::new(most));
    if let Some(permit) = places.try_acquire() {
        return Ok(Some(permit));
    }
    match worker.parameters.acquire {
        None => Ok(Some(places.acquire().await)),
        Some(limit) => engine::timeout(limit, places.acquire()).await.map(Some).map_err(|_| NoBackend::Busy),
    }
}

/// The connection that was used last, is secured in the same way and still good.
fn kept(worker: &Worker, secrecy: Option<&Secrecy>) -> Option<Stream> {
    let ttl = worker.parameters.ttl;
    let now = engine::now();
    loop {
        let Idle { stream, since, .. } = {
            let mut idle = worker.pool.idle.lock();
            let at = idle.iter().rposition(|one| one.secrecy.as_ref() == secrecy)?;
            idle.remove(at)
        };
        let old = ttl.is_some_and(|ttl| now.saturating_duration_since(since) > ttl);
        // What was sent unasked, the end included, makes the next response somebody else's.
        if !old && stream.is_quiet() {
            return Some(stream);
        }
    }
}

impl Backend {
    /// Gives a connection back on which the response was read to its end.
    pub fn release(self) {
        let Backend { stream, secrecy, worker: Some(worker), permit, .. } = self else { return };
        let number = |value: Option<i64>| value.and_then(|value| usize::try_from(value).ok());
        let most = number(worker.parameters.max).filter(|max| *max > 0).unwrap_or(KEEP);
        let soft = number(worker.parameters.smax).unwrap_or(most);
        let now = engine::now();
        let mut idle = worker.pool.idle.lock();
        idle.push(Idle { stream, since: now, secrecy });
        let gone: Vec<Idle> = match worker.parameters.ttl {
            Some(ttl) if idle.len() > soft => {
                let over = idle.len() - soft;
                let old = idle.iter().take(over).take_while(|one| now.saturating_duration_since(one.since) > ttl);
                let old = old.count();
                idle.drain(..old).collect()
            }
            _ => Vec::new(),
        };
        let over = idle.len().saturating_sub(most);
        let more: Vec<Idle> = idle.drain(..over).collect();
        drop(idle);
        // Closing comes after the lock.
        drop((gone, more, permit));
    }
    /// Whether the backend hears that the connection is kept.
    pub fn announced_reuse(&self) -> bool {
        self.told
    }
    /// The connection ends with this request.
    pub fn spend(&mut self) {
        self.worker = None;
    }
}

/// The addresses of a host; names are asked for off the loop, and remembered with the worker that keeps connections.
pub async fn addresses(worker: Option<&Arc<Worker>>, host: &[u8]) -> Vec<IpAddr> {
    let text = host.to_str_lossy();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return vec![ip];
    }
    let keeper = worker.filter(|worker| worker.reuses() && worker.host == host);
    if let Some(worker) = keeper {
        let known = worker.pool.addresses.lock().clone();
        let ttl = worker.parameters.address_ttl;
        if let Some((since, addresses)) = known
            && ttl.is_none_or(|ttl| engine::now().saturating_duration_since(since) < ttl)
        {
            return addresses;
        }
    }
    let found = engine::block(|| crate::sys::resolve::addresses_of(host));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in found {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    if let Some(worker) = keeper.filter(|_| !addresses.is_empty()) {
        *worker.pool.addresses.lock() = Some((engine::now(), addresses.clone()));
    }
    addresses
}

async fn open(
    r: &mut Request,
    worker: Option<&Arc<Worker>>,
    to: &Address,
    limit: Duration,
) -> Result<Stream, NoBackend> {
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let (host, port) = match to {
        Address::Socket(path) => {
            let path = path.to_path_lossy().into_owned();
            let connected = engine::timeout(limit, Stream::connect_unix(&path)).await.map_err(timed_out);
            return connected.and_then(|stream| stream).map_err(|error| NoBackend::Refused(None, error));
        }
        Address::Host(host, port) => (host, *port),
    };
    let addresses = addresses(worker, host).await;
    let source = r.server::<ProxyServer>().source;
    let receive =
        worker.and_then(|worker| worker.parameters.receive_buffer).or(r.server::<ProxyServer>().receive_buffer);
    let mut last = NoBackend::Name;
    for ip in addresses {
        let address = SocketAddr::new(ip, port);
        let how = engine::Outbound { source, receive_buffer: receive.filter(|size| *size > 0) };
        let connected = engine::timeout(limit, Stream::connect_from(address, how)).await.map_err(timed_out);
        match connected.and_then(|stream| stream) {
            Ok(stream) => {
                stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = NoBackend::Refused(Some(address), error),
        }
    }
    Err(last)
}
