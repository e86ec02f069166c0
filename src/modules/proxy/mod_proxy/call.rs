//! The handler: from a request whose file name is a backend's URL to the module that speaks its protocol.

use super::balancer::{Balancer, Balancing, live};
use super::pool::{self, Address, Backend, NoBackend};
use super::secure;
use super::settings::{Direct, ProxyServer, Remote, RemoteFor};
use super::state::{Busy, clock, word};
use super::translate::{proxy_error, proxy_error_errno};
use super::worker::{self, Worker};
use crate::config::{Configuration, CoreServer, Trace, whole_number};
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, declined};
use crate::request::{MethodNumber, Request, Status};
use crate::server;
use crate::sys::resolve;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

/// APR's number for a time that is over.
pub const TIMED_OUT: i32 = 70_007;

/// The note with the status of a request whose URL no member may get.
const REFUSED: &str = "balancer-refused";

/// What a protocol's module is to do.
pub struct Call {
    /// The URL, without a socket's path.
    pub url: BString,
    pub worker: Option<Arc<Worker>>,
    /// The Unix socket of the backend.
    pub socket: Option<BString>,
    /// The proxy that is to be asked in the backend's place.
    pub remote: Option<Remote>,
    /// Of a balancer's member: what counts the request there.
    pub busy: Option<Arc<Busy>>,
}

impl Call {
    /// The scheme as log lines name it: `*` for the worker of backends that nobody configured.
    pub fn shown_scheme(&self) -> BString {
        let scheme = self.url.split(|byte| *byte == b':').next().unwrap_or_default();
        if ["fcgi", "scgi", "ajp"].iter().any(|name| scheme.eq_ignore_ascii_case(name.as_bytes())) {
            return scheme.to_ascii_uppercase().into();
        }
        self.worker.as_ref().map_or("*".into(), |worker| worker.scheme.clone())
    }
}

/// A protocol to backends; offered under its module's name by each module that speaks one.
pub trait ProxyScheme: Sync {
    /// Brings a URL of its schemes into one form, in `r.filename`; declines others.
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer;
    /// Has the backend answer; declines schemes of others.
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer>;
}

fn schemes(configuration: &'static Configuration) -> impl Iterator<Item = &'static dyn ProxyScheme> {
    let providers = &configuration.providers;
    let names = || providers.names::<dyn ProxyScheme>();
    // One that takes URLs of another's schemes comes first.
    let first = names().filter(|name| *name == "wstunnel");
    first
        .chain(names().filter(|name| *name != "wstunnel"))
        .filter_map(|name| providers.find::<dyn ProxyScheme>(name.as_bytes()))
}

/// The URL of the request in one form.
pub fn fixup(r: &mut Request) -> Answer {
    if !r.proxy_request || !r.filename.starts_with(b"proxy:") {
        return Answer::Declined;
    }
    canonical(r)
}

fn canonical(r: &mut Request) -> Answer {
    let mut url = BString::from(r.filename.get(6..).unwrap_or_default());
    // A socket's path is none of the URL; it stands beside it. Clients name no sockets.
    if !r.forward_proxy
        && let Ok((Some(socket), target)) = worker::split_socket(&url)
    {
        r.notes.set("uds_path", socket);
        r.filename = [b"proxy:", target.as_slice()].concat().into();
        url = target;
    }
    if url.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"balancer:")) {
        return canonical_balancer(r, &url);
    }
    for scheme in schemes(r.configuration) {
        match scheme.canonical(r, url.as_bstr()) {
            Answer::Declined => {}
            answer => return answer,
        }
    }
    match url.find_byte(b':') {
        None | Some(0) => Answer::Status(Status::BAD_REQUEST),
        Some(_) => Answer::Ok,
    }
}

/// A balancer's URL is brought into the form that its members' protocol has; a port means nothing there.
fn canonical_balancer(r: &mut Request, url: &BString) -> Answer {
    let rest = url.get(9..).unwrap_or_default();
    let balancer = r.server::<ProxyServer>().balancer(url);
    let known = r.configuration.providers.find::<dyn Balancing>(b"balancer").is_some();
    let Some(member) = balancer.and_then(|balancer| balancer.members.first()).filter(|_| known) else {
        return Answer::Ok;
    };
    let own = BString::from([member.scheme.as_slice(), b":", rest].concat());
    let answer = schemes(r.configuration)
        .map(|scheme| scheme.canonical(r, own.as_bstr()))
        .find(|answer| *answer != Answer::Declined)
        .unwrap_or(Answer::Declined);
    if answer == Answer::Ok
        && let Some((_, authority, rest)) = worker::split_url(r.filename.get(6..).unwrap_or_default())
        && let Some((host, _)) = worker::split_authority(authority)
    {
        r.filename = [b"proxy:balancer://", host.as_slice(), rest].concat().into();
    }
    // Who is refused is so once a member is elected, as in Apache.
    if let Answer::Status(status) = answer {
        r.notes.set(REFUSED, status.0.to_string());
    }
    Answer::Ok
}

pub fn handler(r: &mut Request) -> BoxFuture<'_, Answer> {
    let by_name = !r.proxy_request && r.handler.as_ref().is_some_and(|name| name.starts_with(b"proxy:"));
    let ours = r.proxy_request && r.filename.starts_with(b"proxy:");
    if !ours && (!by_name || r.filename.starts_with(b"proxy:")) {
        return declined();
    }
    Box::pin(run(r, by_name))
}

async fn run(r: &mut Request, by_name: bool) -> Answer {
    if by_name {
        let name = r.handler.clone().unwrap_or_default();
        r.proxy_request = true;
        r.notes.set("proxy-sethandler", "1");
        r.filename = [name.as_slice(), &r.filename].concat().into();
        let answer = canonical(r);
        if answer != Answer::Ok {
            return answer;
        }
    }
    if let Some(answer) = count_forwards(r).await {
        return answer;
    }
    if let Some(answer) = traced(r) {
        return answer;
    }
    let url = BString::from(r.filename.get(6..).unwrap_or_default());
    let Some(colon) = url.find_byte(b':') else {
        let text = format_args!("AH01141: proxy_handler no URL in {}", raw(&r.filename));
        r.log(Level::Error, "proxy", text);
        return Answer::Status(Status::BAD_REQUEST);
    };
    let scheme = BString::from(url.get(..colon).unwrap_or_default());
    if let Some(answer) = without_domain(r, &url) {
        return answer;
    }
    let server = r.server::<ProxyServer>();
    if let Some(balancer) = server.balancer(&url)
        && let Some(balancing) = r.configuration.providers.find::<dyn Balancing>(b"balancer")
    {
        return balanced(r, balancer, balancing, &url, &scheme).await;
    }
    let worker = worker::find(&server.workers, &url).cloned();
    if worker.is_none() {
        // Connections that belong to no worker are for one request.
        r.env.set("proxy-nokeepalive", "1");
    }
    attempt(r, &scheme, url, worker, None).await
}

/// Asks one member of a balancer after the other, until one serves the request.
async fn balanced(
    r: &mut Request,
    balancer: &Arc<Balancer>,
    balancing: &dyn Balancing,
    url: &BString,
    scheme: &BString,
) -> Answer {
    let mut attempts = 0;
    loop {
        let elected = match balancing.elect(r, balancer, url.as_bstr()).await {
            Ok(elected) => elected,
            Err(answer) => return answer,
        };
        let worker = elected.worker;
        if let Some(status) = r.notes.get(REFUSED).and_then(|status| status.to_str().ok()?.parse().ok()) {
            balancing.done(r, balancer, &worker);
            return Answer::Status(Status(status));
        }
        let busy = Busy::begin(&worker);
        let answer = attempt(r, scheme, elected.url, Some(worker.clone()), Some(busy)).await;
        if matches!(answer, Answer::Status(Status::INTERNAL_SERVER_ERROR | Status::SERVICE_UNAVAILABLE)) {
            worker.state().fail(clock());
        }
        let failed = answer == Answer::Status(Status::SERVICE_UNAVAILABLE) && !worker.state().usable();
        if !failed || attempts >= balancer.words().number(live::ATTEMPTS) {
            balancing.done(r, balancer, &worker);
            return answer;
        }
        attempts += 1;
    }
}

/// Has the backend of a URL answer, or a proxy in its place.
async fn attempt(
    r: &mut Request,
    scheme: &BString,
    url: BString,
    worker: Option<Arc<Worker>>,
    busy: Option<Arc<Busy>>,
) -> Answer {
    let server = r.server::<ProxyServer>();
    let named = r.notes.get("uds_path").map(BString::from);
    let socket = worker.as_ref().and_then(|worker| worker.socket.clone()).or(named);
    let mut call = Call { url, worker, socket, remote: None, busy };
    if !directly(server, &call.url) {
        for remote in server.remotes.iter().filter(|remote| is_for(remote, scheme, &call.url)) {
            call.remote = Some(remote.clone());
            match dispatch(r, &call).await {
                Answer::Declined => {}
                answer => return answer,
            }
        }
        call.remote = None;
    }
    match dispatch(r, &call).await {
        Answer::Declined => {
            let text = format_args!(
                "AH01144: No protocol handler was valid for the URL {} (scheme '{}'). If you are using a DSO version of \
                 mod_proxy, make sure the proxy submodules are included in the configuration using LoadModule.",
                raw(&r.uri),
                raw(scheme)
            );
            r.log(Level::Warn, "proxy", text);
            Answer::Status(Status::INTERNAL_SERVER_ERROR)
        }
        answer => answer,
    }
}

async fn dispatch(r: &mut Request, call: &Call) -> Answer {
    for scheme in schemes(r.configuration) {
        match scheme.serve(r, call).await {
            Answer::Declined => {}
            answer => return answer,
        }
    }
    Answer::Declined
}

/// Max-Forwards: one less for the next; at the end we are the one who answers.
async fn count_forwards(r: &mut Request) -> Option<Answer> {
    let left = match r.headers_in.get("Max-Forwards").map(BString::from) {
        None => r.server::<ProxyServer>().max_forwards.unwrap_or(-1),
        Some(text) => match whole_number(&text).filter(|number| (0..i64::MAX).contains(number)) {
            None => {
                r.log(Level::Warn, "proxy", format_args!("AH10188: Max-Forwards value '{text}' could not be parsed"));
                let why = "Max-Forwards request header could not be parsed";
                return Some(proxy_error(r, Status::BAD_REQUEST, why));
            }
            Some(0) => {
                let answers = match r.method.number {
                    MethodNumber::TRACE => {
                        r.proxy_request = false;
                        server::send_trace(r).await
                    }
                    MethodNumber::OPTIONS => {
                        r.proxy_request = false;
                        server::options(r)
                    }
                    _ => {
                        let why = "Max-Forwards has reached zero - proxy loop?";
                        proxy_error(r, Status::BAD_REQUEST, why)
                    }
                };
                return Some(answers);
            }
            Some(number) => number - 1,
        },
    };
    if left >= 0 {
        r.headers_in.set("Max-Forwards", itoa::Buffer::new().format(left));
    }
    None
}

/// TRACE, where TraceEnable does not let it through.
fn traced(r: &mut Request) -> Option<Answer> {
    if !r.method.is(MethodNumber::TRACE) {
        return None;
    }
    let trace = r.server::<CoreServer>().trace.unwrap_or(Trace::On);
    let has_body = r.headers_in.contains("Transfer-Encoding")
        || r.headers_in.get("Content-Length").is_some_and(|length| length != "0");
    let (text, tag, status) = match trace {
        Trace::Off => ("TRACE forbidden by server configuration", "01139", Status::METHOD_NOT_ALLOWED),
        Trace::On if has_body => ("TRACE with request body is not allowed", "01140", Status::REQUEST_ENTITY_TOO_LARGE),
        _ => return None,
    };
    r.notes.set("error-notes", text);
    r.log(Level::Error, "proxy", format_args!("AH{tag}: {text}"));
    Some(Answer::Status(status))
}

/// ProxyDomain: a host without a domain is sent to the one with it.
fn without_domain(r: &mut Request, url: &[u8]) -> Option<Answer> {
    let domain = r.server::<ProxyServer>().domain.clone()?;
    let (scheme, authority, rest) = worker::split_url(url)?;
    let (host, port) = worker::split_authority(authority)?;
    let refers = r.forward_proxy && !host.contains(&b'.') && !host.contains(&b':') && host != "localhost";
    if !refers {
        return None;
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let target = format!("{scheme}://{host}{domain}{port}{rest}");
    let from = r.headers_in.get("Referer").map(|from| format!(" from {from}")).unwrap_or_default();
    r.log(Level::Info, "proxy", format_args!("AH01138: Domain missing: {} sent to {target}{from}", raw(&r.uri)));
    r.headers_out.set("Location", target);
    Some(Answer::Status(Status::MOVED_PERMANENTLY))
}

/// Whether NoProxy names the host.
fn directly(server: &ProxyServer, url: &[u8]) -> bool {
    let Some((_, authority, _)) = worker::split_url(url) else { return false };
    let Some((host, _)) = worker::split_authority(authority) else { return false };
    let host = host.strip_suffix(b".").unwrap_or(&host);
    let ip = host.to_str().ok().and_then(|text| text.parse::<std::net::IpAddr>().ok());
    server.direct.iter().any(|direct| match (direct, ip) {
        (Direct::Domain(domain), None) => {
            let end = host.len().checked_sub(domain.len()).and_then(|at| host.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(domain))
        }
        (Direct::Host(name), _) => name.eq_ignore_ascii_case(host),
        (Direct::Net(std::net::IpAddr::V4(net), bits), Some(std::net::IpAddr::V4(ip))) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
            u32::from(*net) & mask == u32::from(ip) & mask
        }
        _ => false,
    })
}

fn is_for(remote: &Remote, scheme: &[u8], url: &[u8]) -> bool {
    match &remote.of {
        RemoteFor::Regex(regex) => regex.is_match(url),
        RemoteFor::Text(text) if text == "*" => true,
        RemoteFor::Text(text) if text.find_byte(b':').is_none() => text.eq_ignore_ascii_case(scheme),
        RemoteFor::Text(text) => url.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text)),
    }
}

/// Whether ProxyBlock names anything.
pub fn blocks(r: &Request) -> bool {
    !r.server::<ProxyServer>().blocks.is_empty()
}

/// Whether ProxyBlock names the host; says so.
pub fn blocked(r: &mut Request, host: &[u8]) -> Option<Answer> {
    let literal = host.to_str().ok().and_then(|text| text.parse::<std::net::IpAddr>().ok());
    let blocks = &r.server::<ProxyServer>().blocks;
    // A name that leads to a blocked address is blocked as well.
    let addresses = match literal {
        Some(ip) => vec![ip],
        None if blocks.iter().any(|block| !block.addresses.is_empty()) => engine::block(|| resolve::addresses_of(host)),
        None => Vec::new(),
    };
    let found = blocks.iter().find_map(|block| {
        if block.word == "*" || host.find(block.word.as_slice()).is_some() {
            return Some(format!(
                "AH00916: connect to remote machine {} blocked: name {} matched",
                host.as_bstr(),
                block.word
            ));
        }
        let ip = block.addresses.iter().find(|ip| addresses.contains(ip))?;
        Some(format!("AH00917: connect to remote machine {} blocked: IP {ip} matched", host.as_bstr()))
    })?;
    r.log(Level::Warn, "proxy", format_args!("{found}"));
    Some(proxy_error(r, Status::FORBIDDEN, "Connect to remote machine blocked"))
}

/// A connection for the call, to `host` unless the call says otherwise. The lines that say why there is none are written;
/// `failed` is the protocol's own last word.
pub async fn backend(
    r: &mut Request,
    call: &Call,
    host: &BStr,
    port: u16,
    failed: impl FnOnce(&Request),
) -> Result<Backend, Answer> {
    let secrecy = secure::secrecy(r, call, host, &[]);
    let to = match (&call.socket, &call.remote) {
        (Some(path), _) => Address::Socket(socket_path(r, path)),
        (None, Some(remote)) => Address::Host(remote.host.clone(), remote.port),
        (None, None) => Address::Host(host.to_owned(), port),
    };
    let who = call.shown_scheme();
    let tell = |text: String| r.server.log(Level::Debug, "proxy", format_args!("{text}"));
    if call.worker.as_ref().is_some_and(|worker| !worker.retry_as(who.as_bstr(), tell)) {
        let text = format_args!("AH00940: {}: disabled connection for ({host}:{port})", call.shown_scheme());
        r.server.log_errno(Level::Error, "proxy", 0, text);
        return Err(Answer::Status(Status::SERVICE_UNAVAILABLE));
    }
    let refused = match pool::connect(r, call.worker.as_ref().filter(|_| call.remote.is_none()), &to, secrecy).await {
        Ok(mut backend) => {
            backend.busy = call.busy.clone();
            if let Some(worker) = call.worker.as_ref().filter(|_| !backend.reused) {
                worker.state().0.set(word::ERROR_TIME, 0);
                worker.state().0.set(word::RETRIES, 0);
            }
            return Ok(backend);
        }
        Err(refused) => refused,
    };
    let mut scheme = call.shown_scheme();
    if scheme == "*" && r.forward_proxy {
        scheme = call.url.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase().into();
    }
    match refused {
        NoBackend::Name => {
            let name = match &to {
                Address::Host(name, _) => name.clone(),
                Address::Socket(_) => host.to_owned(),
            };
            let why = format!("DNS lookup failure for: {name}");
            return Err(proxy_error_errno(r, Status::INTERNAL_SERVER_ERROR, crate::log::EAI_NONAME, &why));
        }
        NoBackend::Busy => {
            let text = format_args!("AH00941: {scheme}: failed to acquire connection for ({host}:{port})");
            r.server.log_errno(Level::Error, "proxy", TIMED_OUT, text);
            return Err(Answer::Status(Status::SERVICE_UNAVAILABLE));
        }
        NoBackend::Refused(address, error) => {
            let errno = match error.kind() {
                std::io::ErrorKind::TimedOut => TIMED_OUT,
                _ => error.raw_os_error().unwrap_or(0),
            };
            let nobody = || if r.forward_proxy { (host.to_owned(), port) } else { ("*".into(), 80) };
            let shown = call.worker.as_ref().map_or_else(nobody, |worker| (worker.host.clone(), worker.port));
            let (name, own) = match &call.remote {
                Some(remote) => (remote.host.clone(), remote.port),
                None => shown,
            };
            match (&to, address) {
                (Address::Socket(path), _) => {
                    let text = format_args!(
                        "AH02454: {scheme}: attempt to connect to Unix domain socket {path} ({name}:{own}) failed"
                    );
                    r.server.log_errno(Level::Error, "proxy", errno, text);
                }
                (Address::Host(..), address) => {
                    let address = address.map(|address| address.to_string()).unwrap_or_default();
                    let text = format_args!("AH00957: {scheme}: attempt to connect to {address} ({name}:{own}) failed");
                    r.server.log_errno(Level::Error, "proxy", errno, text);
                }
            }
            if let Some(worker) = call.worker.as_ref().filter(|worker| worker.state().usable()) {
                worker.state().fail(clock());
                if !worker.state().usable() {
                    let seconds = worker.parameters.retry.map_or(60, |retry| retry.as_secs());
                    let text = format_args!(
                        "AH00959: ap_proxy_connect_backend disabling worker for ({name}:{own}) for {seconds}s"
                    );
                    r.server.log_errno(Level::Error, "proxy", 0, text);
                }
            }
        }
    }
    failed(r);
    Err(Answer::Status(Status::SERVICE_UNAVAILABLE))
}

/// A connection that belongs to no worker; why there is none is logged.
pub async fn reach(r: &mut Request, host: &BStr, port: u16) -> Option<Backend> {
    let to = Address::Host(host.to_owned(), port);
    match pool::connect(r, None, &to, None).await {
        Ok(backend) => Some(backend),
        Err(NoBackend::Refused(address, error)) => {
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            let text = format_args!("AH00939: CONNECT: attempt to connect to {address} ({host}) failed");
            let errno = if error.kind() == std::io::ErrorKind::TimedOut {
                TIMED_OUT
            } else {
                error.raw_os_error().unwrap_or(0)
            };
            r.log_errno(Level::Error, "proxy", errno, text);
            None
        }
        Err(_) => None,
    }
}

/// Host and port of the call's URL.
pub fn target_of(call: &Call) -> Option<(BString, u16)> {
    let (scheme, authority, _) = worker::split_url(&call.url)?;
    let (host, port) = worker::split_authority(authority)?;
    Some((host, port.unwrap_or_else(|| worker::default_port(scheme))))
}

/// The path of a backend's socket: a relative one is below the runtime directory.
fn socket_path(r: &Request, path: &BString) -> BString {
    let process = &r.configuration.process;
    let base = process.runtime_dir.as_ref().unwrap_or(&process.server_root);
    base.join(path.to_path_lossy()).into_os_string().into_encoded_bytes().into()
}
