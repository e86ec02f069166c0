//! Everything at once on one child: idle secured connections, clients that send their head an octet at a time, slow
//! backends, tunnels, and static requests in between.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// How many of each, and how fast.
#[derive(Clone, Copy)]
pub struct Crowd {
    pub idle: usize,
    pub heads: usize,
    pub proxied: usize,
    pub tunnels: usize,
    /// How long a backend thinks.
    pub thinks: Duration,
    /// Between two octets of a head.
    pub pause: Duration,
}

/// What became of them.
#[derive(Default, Debug)]
pub struct Outcome {
    pub idle: usize,
    pub heads: usize,
    pub proxied: usize,
    pub tunnels: usize,
    /// Static requests while all of it went on: how many, and the slowest in milliseconds.
    pub requests: usize,
    pub slowest: u128,
    /// Threads and megabytes (PSS) of the child while all of it went on.
    pub threads: usize,
    pub megabytes: f64,
}

/// A backend that thinks before it answers, and takes upgrades.
pub fn backend(thinks: Duration) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let answer = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut asked = Vec::new();
        while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut room = [0; 4096];
            let count = stream.read(&mut room)?;
            if count == 0 {
                return Ok(());
            }
            asked.extend_from_slice(room.get(..count).unwrap_or_default());
        }
        if asked.windows(8).any(|window| window.eq_ignore_ascii_case(b"upgrade:")) {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
            let mut room = [0; 64];
            loop {
                let count = stream.read(&mut room)?;
                if count == 0 {
                    return Ok(());
                }
                stream.write_all(room.get(..count).unwrap_or_default())?;
            }
        }
        std::thread::sleep(thinks);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow")
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Small stacks: there is one for each request and tunnel.
            let _ = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || answer(stream));
        }
    });
    Ok(port)
}

/// A key and a certificate in `dir`, by the `openssl` command.
pub fn certificate(dir: &Path) -> Result<(), String> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-keyout", "server.key", "-out", "server.crt", "-days", "30", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match made {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("openssl: {other:?}")),
    }
}

/// What the server must be told, besides its modules: one child with `slots`, a secured port, slow places and tunnels.
pub fn configuration(dir: &Path, slots: usize, secured: u16, backend: u16) -> String {
    let dir = dir.display();
    format!(
        "StartServers 1\nServerLimit 1\nThreadLimit {slots}\nThreadsPerChild {slots}\nMaxRequestWorkers {slots}\nMinSpareThreads 1\nMaxSpareThreads {slots}\n\
         AsyncRequestWorkerFactor 8\nKeepAliveTimeout 300\nListen 127.0.0.1:{secured}\n\
         <VirtualHost 127.0.0.1:{secured}>\nSSLEngine on\nSSLCertificateFile \"{dir}/server.crt\"\nSSLCertificateKeyFile \"{dir}/server.key\"\n</VirtualHost>\n\
         ProxyPass /slow http://127.0.0.1:{backend}/slow disablereuse=on\nProxyPass /tunnel http://127.0.0.1:{backend}/tunnel upgrade=websocket disablereuse=on\n"
    )
}

/// Lets the crowd loose on the child `pid` that serves `plain` and `secured`. Nobody waits longer than `patience`.
pub fn run(
    crowd: Crowd,
    plain: u16,
    secured: u16,
    pid: i32,
    path: &str,
    patience: Duration,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let text = |error: std::io::Error| error.to_string();
    let over = Instant::now() + patience;
    let connect = |port: u16| -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(5))?;
        stream.set_read_timeout(Some(over.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    // Slow heads first: the others come into a server that is already busy with nothing.
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Pad: {}\r\n\r\n", "p".repeat(16));
    let (ends, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let heads: Vec<TcpStream> = (0..crowd.heads).map(|_| connect(plain)).collect::<Result<_, _>>().map_err(text)?;
    std::thread::scope(|scope| {
        let drip = scope.spawn(|| {
            // All but the last octet, one at a time, until told to end.
            let last = request.len() - 1;
            for at in 0..last {
                let piece = request.as_bytes().get(at..=at).unwrap_or_default();
                heads.iter().for_each(|mut head| drop(head.write(piece)));
                sent.store(at + 1, Ordering::Relaxed);
                if !ends.load(Ordering::Relaxed) {
                    std::thread::sleep(crowd.pause);
                }
            }
            let piece = request.as_bytes().get(last..).unwrap_or_default();
            heads.iter().for_each(|mut head| drop(head.write(piece)));
        });
        let config = Arc::new(client(false));
        let mut idle = Vec::with_capacity(crowd.idle);
        while idle.len() < crowd.idle && Instant::now() < over {
            match connect(secured).map_err(text).and_then(|stream| secured_request(&config, stream, path)) {
                Ok(kept) => idle.push(kept),
                Err(_) => break,
            }
        }
        let mut tunnels = Vec::new();
        for _ in 0..crowd.tunnels {
            let Ok(mut stream) = connect(plain) else { break };
            let text = "GET /tunnel HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            if stream.write_all(text.as_bytes()).is_err() || !head_of(&mut stream).starts_with("HTTP/1.1 101") {
                break;
            }
            tunnels.push(stream);
        }
        let begun = Instant::now();
        let mut proxied: Vec<TcpStream> = (0..crowd.proxied).filter_map(|_| connect(plain).ok()).collect();
        for stream in &mut proxied {
            let _ = stream.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        }
        // Now everything is under way. Static requests while it is.
        let until = (begun + crowd.thinks).min(over);
        while Instant::now() + Duration::from_millis(200) < until {
            let asked = Instant::now();
            let Ok(mut stream) = connect(plain) else { break };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answered =
                stream.write_all(text.as_bytes()).is_ok() && head_of(&mut stream).starts_with("HTTP/1.1 200");
            outcome.slowest = outcome.slowest.max(asked.elapsed().as_millis());
            if answered {
                outcome.requests += 1;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        outcome.threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        outcome.megabytes = pss(pid);
        outcome.proxied = proxied.iter_mut().filter_map(|stream| whole(stream).ends_with("slow").then_some(())).count();
        outcome.tunnels = tunnels
            .iter_mut()
            .filter(|stream| {
                let mut room = [0; 4];
                let mut wire: &TcpStream = stream;
                wire.write_all(b"ping").is_ok() && wire.read_exact(&mut room).is_ok() && &room == b"ping"
            })
            .count();
        ends.store(true, Ordering::Relaxed);
        let _ = drip.join();
        outcome.heads = heads
            .iter()
            .filter(|stream| {
                let mut wire: &TcpStream = stream;
                head_of(&mut wire).starts_with("HTTP/1.1 200")
            })
            .count();
        // The idle ones are as good as new.
        outcome.idle = idle.iter_mut().filter_map(|kept| again(kept, path).ok()).count();
    });
    Ok(outcome)
}

fn pss(pid: i32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn head_of(stream: &mut impl Read) -> String {
    let mut read = Vec::new();
    let mut octet = [0];
    while !read.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut octet), Ok(1)) {
        read.extend_from_slice(&octet);
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn whole(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    String::from_utf8_lossy(&read).into_owned()
}

pub type Kept = rustls::StreamOwned<ClientConnection, TcpStream>;

/// A client that believes everyone; with or without sessions that it remembers.
pub fn client(resumes: bool) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = match builder {
        Ok(builder) => builder,
        Err(error) => unreachable!("the default versions: {error}"),
    };
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth();
    if !resumes {
        config.resumption = rustls::client::Resumption::disabled();
    }
    config
}

/// A secured connection with one request answered.
pub fn secured_request(config: &Arc<ClientConfig>, stream: TcpStream, path: &str) -> Result<Kept, String> {
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let session = ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut kept = rustls::StreamOwned::new(session, stream);
    again(&mut kept, path)?;
    Ok(kept)
}

/// One more request on a connection that is kept.
fn again(kept: &mut Kept, path: &str) -> Result<(), String> {
    let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    kept.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let head = head_of(kept);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.ok_or_else(|| format!("no length in {head:?}"))?];
    kept.read_exact(&mut body).map_err(|error| error.to_string())
}

/// Whoever answers is the server that was started here.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
