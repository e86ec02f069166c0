//! One check: a connection, perhaps a request, and what the result means for the member.

use super::super::mod_proxy::{self, ProxyServer, Worker, bits, clock, word};
use super::{HealthServer, METHODS, TCP};
use crate::config::{Configuration, CoreServer, Merged, Server};
use crate::engine::{self, Outbound, Semaphore, Stream};
use crate::log::{Level, raw};
use crate::module::{Outgoing, OutgoingTls};
use crate::request::{Connection, Request, Status, Table};
use crate::server;
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Octets of a response that are read at most.
const MOST: usize = 1 << 20;

/// Members that are being asked, by their place in memory: one check of each at a time.
static RUNNING: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn key(worker: &Arc<Worker>) -> usize {
    Arc::as_ptr(worker) as usize
}

/// Takes the member for a check; false: it is being asked already.
pub fn begins(worker: &Arc<Worker>) -> bool {
    let mut running = RUNNING.lock();
    let free = !running.contains(&key(worker));
    if free {
        running.push(key(worker));
    }
    free
}

/// How many checks are in progress at a time: the others stand in line.
fn places(at_once: i64) -> &'static Arc<Semaphore> {
    static PLACES: OnceLock<Arc<Semaphore>> = OnceLock::new();
    PLACES.get_or_init(|| Semaphore::new(usize::try_from(at_once.max(1)).unwrap_or(1)))
}

/// Asks the member and notes what that means.
pub async fn run(configuration: &'static Configuration, server: &'static Server, worker: Arc<Worker>, at_once: i64) {
    let _place = places(at_once).acquire().await;
    let settings = server.settings.of::<ProxyServer>();
    let core = || server.timeout.or(server.settings.of::<CoreServer>().timeout).unwrap_or(Duration::from_secs(60));
    let patience = worker.parameters.timeout.or(settings.timeout).unwrap_or_else(core);
    let well = ask(configuration, server, &worker, patience).await;
    let (state, words) = (worker.state(), &worker.state().0);
    let (how, name) = (if at_once > 0 { "Threaded " } else { "" }, worker.shown_name());
    if state.has(bits::HEALTH_FAILED | bits::IN_ERROR) {
        if well {
            words.add(word::PASSED, 1);
            if words.number(word::PASSED) >= words.number(word::PASSES) {
                state.mark(bits::HEALTH_FAILED | bits::IN_ERROR, false);
                words.set(word::PASSED, 0);
                server.log(Level::Info, "proxy_hcheck", format_args!("AH03302: {how}Health check ENABLING {name}"));
            }
        }
    } else if !well {
        words.set(word::ERROR_TIME, clock());
        words.add(word::FAILED, 1);
        if words.number(word::FAILED) >= words.number(word::FAILS) {
            state.mark(bits::HEALTH_FAILED, true);
            words.set(word::FAILED, 0);
            server.log(Level::Info, "proxy_hcheck", format_args!("AH03303: {how}Health check DISABLING {name}"));
        }
    }
    words.set(word::CHECKED, clock());
    RUNNING.lock().retain(|other| *other != key(&worker));
}

async fn ask(
    configuration: &'static Configuration,
    server: &'static Server,
    worker: &Arc<Worker>,
    patience: Duration,
) -> bool {
    let method = worker.state().0.number(word::METHOD);
    let scheme = if method == TCP { "HCTCP" } else { "HCOH" };
    let Some(stream) = connect(server, worker, patience, scheme).await else { return false };
    if method == TCP {
        return true;
    }
    let stream = match worker.scheme == "https" {
        true => match secure(configuration, server, worker, stream, patience).await {
            Some(secured) => secured,
            None => return false,
        },
        false => stream,
    };
    let Some(name) = usize::try_from(method).ok().and_then(|method| METHODS.get(method)) else { return false };
    let answer = engine::timeout(patience, exchange(&stream, worker, name)).await;
    let Ok(Ok(Some(answer))) = answer else { return false };
    judge(configuration, server, worker, answer)
}

async fn connect(server: &'static Server, worker: &Arc<Worker>, patience: Duration, scheme: &str) -> Option<Stream> {
    let limit = worker.parameters.connect.unwrap_or(patience);
    let failed = |address: String, error: io::Error| {
        let (host, port) = (&worker.host, worker.port);
        let text = format_args!("AH00957: {scheme}: attempt to connect to {address} ({host}:{port}) failed");
        server.log_errno(Level::Error, "proxy", error, text);
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    if let Some(path) = &worker.socket {
        let connected = engine::timeout(limit, Stream::connect_unix(&path.to_path_lossy())).await.map_err(late);
        return connected.and_then(|stream| stream).map_err(|error| failed(path.to_string(), error)).ok();
    }
    let addresses = mod_proxy::addresses(Some(worker), &worker.host).await;
    if addresses.is_empty() {
        let text = format_args!("AH03249: DNS lookup failure for: {}:{}", worker.host, worker.port);
        server.log(Level::Error, "proxy_hcheck", text);
    }
    for ip in addresses {
        let address = SocketAddr::new(ip, worker.port);
        let how = Outbound { source: server.settings.of::<ProxyServer>().source, receive_buffer: None };
        match engine::timeout(limit, Stream::connect_from(address, how)).await.map_err(late).and_then(|stream| stream) {
            Ok(stream) => return Some(stream),
            Err(error) => failed(address.to_string(), error),
        }
    }
    None
}

/// Secures a connection with what holds for backends of the server; None: that was not possible, which the log says.
async fn secure(
    configuration: &'static Configuration,
    server: &'static Server,
    worker: &Worker,
    stream: Stream,
    patience: Duration,
) -> Option<Stream> {
    let mut r = request(configuration, server);
    let tls = configuration.providers.find::<dyn OutgoingTls>(b"tls").filter(|tls| tls.settings(&r).is_some());
    let Some(tls) = tls else {
        server.log(Level::Warn, "proxy_hcheck", format_args!("AH03252: mod_ssl not configured?"));
        return None;
    };
    let how = Outgoing { host: worker.host.as_bstr(), protocols: &[], patience };
    tls.connect(&mut r, stream, how).await
}

/// A request of nobody's, for what asks for one.
fn request(configuration: &'static Configuration, server: &'static Server) -> Request {
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let connection = Arc::new(Connection::new(0, nobody, nobody, server));
    let dir = Arc::new(Merged::new(server.defaults.clone(), 0));
    let mut r = Request::new(connection, configuration, dir);
    r.server = server;
    r
}

/// What a member answered.
struct Answer {
    status: u16,
    fields: Table,
    body: BString,
}

/// Sends the request and reads the response, its body too where there is one; None: it is none.
async fn exchange(stream: &Stream, worker: &Worker, name: &str) -> io::Result<Option<Answer>> {
    let (method, version) = match name.strip_suffix("11") {
        Some(method) => (method, "HTTP/1.1"),
        None => (name, "HTTP/1.0"),
    };
    let uri = worker.state().0.text(word::URI);
    let path = mod_proxy::split_url(&worker.name).map(|(_, _, path)| path.to_owned()).unwrap_or_default();
    let target: BString = match method {
        "OPTIONS" => "*".into(),
        _ if path.is_empty() && uri.is_empty() => "/".into(),
        _ if path.is_empty() => uri,
        _ if uri.is_empty() => path,
        _ => [path.as_slice(), b"/", &uri].concat().into(),
    };
    let head = format!("{method} {target} {version}\r\nHost: {}:{}\r\n\r\n", worker.host, worker.port);
    stream.write_all(head.as_bytes()).await?;
    let mut read: Vec<u8> = Vec::new();
    let end = loop {
        if let Some(end) = read.find(b"\r\n\r\n") {
            break end;
        }
        if more(stream, &mut read).await? == 0 {
            return Ok(None);
        }
    };
    let Some(mut answer) = parse(read.get(..end).unwrap_or_default()) else { return Ok(None) };
    let mut body = read.split_off((end + 4).min(read.len()));
    if method == "GET" && !matches!(answer.status, 204 | 304) {
        let length = answer.fields.get("Content-Length").and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let chunked =
            answer.fields.get("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
        while body.len() < MOST {
            let whole =
                if chunked { joined(&body).is_some() } else { length.is_some_and(|length| body.len() >= length) };
            if whole || more(stream, &mut body).await? == 0 {
                break;
            }
        }
        if chunked {
            body = joined(&body).unwrap_or(body);
        }
        answer.body = body.into();
    }
    Ok(Some(answer))
}

async fn more(stream: &Stream, read: &mut Vec<u8>) -> io::Result<usize> {
    if read.len() > MOST {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let mut room = vec![0; 8192];
    let count = poll_fn(|cx| stream.poll_read(cx, &mut room)).await?;
    read.extend_from_slice(room.get(..count).unwrap_or_default());
    Ok(count)
}

/// Status and fields of a head.
fn parse(head: &[u8]) -> Option<Answer> {
    let mut lines = head.split_str("\r\n");
    let line = lines.next()?;
    let digits = line.strip_prefix(b"HTTP/")?.split(|byte| *byte == b' ').nth(1)?;
    let status = digits.to_str().ok()?.parse().ok()?;
    let mut fields = Table::new();
    for line in lines {
        if let Some((name, value)) = line.split_once_str(":") {
            fields.add(name, value.trim_ascii());
        }
    }
    Some(Answer { status, fields, body: BString::default() })
}

/// Chunks joined; None while the last is not there.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let (line, after) = rest.split_once_str("\r\n")?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = usize::from_str_radix(digits.to_str().ok()?, 16).ok().filter(|size| *size <= MOST)?;
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
}

/// Whether the response is one of a member that is well: by the member's expression, or by its status.
fn judge(configuration: &'static Configuration, server: &'static Server, worker: &Worker, answer: Answer) -> bool {
    let (words, member) = (&worker.state().0, worker.shown_name());
    let name = words.text(word::EXPRESSION);
    let expression = server.settings.of::<HealthServer>().expression(&name).filter(|_| !name.is_empty());
    let Some(expression) = expression else {
        let well = (200..400).contains(&answer.status);
        let what = if well { "passed" } else { "failed" };
        let text = format_args!("Response status {} for {member}: {what}", answer.status);
        server.log(Level::Debug, "proxy_hcheck", text);
        return well;
    };
    let mut r = request(configuration, server);
    r.status = Status(answer.status);
    r.headers_out = answer.fields;
    r.notes.set(server::expression::HEALTH_BODY, answer.body);
    match server::expression::holds(expression, &mut r) {
        Ok(well) => {
            let what = if well { "passed" } else { "failed" };
            server.log(Level::Debug, "proxy_hcheck", format_args!("Condition {name} for {member}: {what}"));
            well
        }
        Err(why) => {
            let text =
                format_args!("AH03301: Error on checking condition {name} for {member}: {}", raw(why.as_bytes()));
            server.log(Level::Error, "proxy_hcheck", text);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_chunks() {
        let answer = parse(b"HTTP/1.1 503 Busy\r\nA: b\r\nC:d").unwrap();
        assert_eq!((answer.status, answer.fields.get("c").unwrap().as_bytes()), (503, &b"d"[..]));
        assert!(parse(b"nothing").is_none() && parse(b"HTTP/1.1").is_none());
        assert_eq!(joined(b"3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n").unwrap(), b"abcd");
        assert!(joined(b"3\r\nab").is_none() && joined(b"ffffffffffffffff\r\n").is_none());
    }
}
