//! A server with a root of its own, and clients of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const KINDS: [&str; 3] = ["prefork", "worker", "event"];
pub const PAGE: &str = "0123456789\n";

/// Room for a handful of clients under each MPM, two children at least.
fn limits(kind: &str) -> &'static str {
    match kind {
        "prefork" => "StartServers 8\nMinSpareServers 4\nMaxSpareServers 40\nMaxRequestWorkers 40\n",
        _ => "StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\nMaxSpareThreads 64\nMaxRequestWorkers 64\n",
    }
}

/// A port that is free, from below those that the kernel gives to outgoing connections: another test's client cannot take
/// it before the server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (std::process::id().wrapping_mul(331).wrapping_add(next) % 22_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Server {
    pub process: Child,
    pub port: u16,
    pub root: tempfile::TempDir,
    pub conf: String,
}

impl Server {
    pub fn start(kind: &str, more: &str) -> Server {
        Server::prepared(kind, more, |_, _| {})
    }
    /// `prepare` sees the server's root before the start, and the command that starts it.
    pub fn prepared(kind: &str, more: &str, prepare: impl FnOnce(&std::path::Path, &mut Command)) -> Server {
        let root = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .unwrap();
        for dir in ["htdocs", "logs"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        fs::write(root.path().join("htdocs/a.txt"), PAGE).unwrap();
        fs::write(root.path().join("htdocs/big.bin"), vec![b'x'; 20_000_000]).unwrap();
        let port = free_port();
        let conf = format!(
            "ServerRoot \"{}\"\nListen 127.0.0.1:{port}\nServerName test\nLoadModule mpm_{kind}_module modules/mod_mpm_{kind}.so\n\
             LoadModule authz_core_module modules/mod_authz_core.so\nUser nobody\nGroup #65534\nPidFile logs/pid\n\
             DocumentRoot htdocs\nErrorLog logs/error.log\nCustomLog logs/access.log \"%P %{{X-Id}}i %>s %r\"\n{}{more}",
            root.path().display(),
            limits(kind)
        );
        fs::write(root.path().join("httpd.conf"), &conf).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpd"));
        command.arg("-f").arg(root.path().join("httpd.conf")).arg("-DFOREGROUND").stdin(Stdio::null()).process_group(0);
        prepare(root.path(), &mut command);
        let process = command.spawn().unwrap();
        let server = Server { process, port, root, conf };
        server.resumed(1);
        server
    }
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("logs/error.log")).unwrap_or_default()).into_owned()
    }
    pub fn resumed(&self, times: usize) {
        self.until("resumed", |server| server.log().matches("resuming normal operations").count() == times);
    }
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }
    pub fn connect(&self) -> std::io::Result<Client> {
        Client::new(self.port)
    }
    pub fn until(&self, what: &str, so: impl Fn(&Server) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < deadline, "not {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    pub fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ended(), Some(0), "{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.process.id() as i32);
        let _ = nix::sys::signal::killpg(group, Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    pub read: Vec<u8>,
}

impl Client {
    pub fn new(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream, read: Vec::new() })
    }
    pub fn send(&mut self, path: &str, id: usize, more: &str) -> std::io::Result<()> {
        let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Id: {id}\r\n{more}\r\n");
        self.stream.write_all(text.as_bytes())
    }
    /// One answer: its head, whether it was whole.
    pub fn answer(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let length: usize = length.and_then(|length| length.parse().ok()).ok_or("no length")?;
                if self.read.len() >= end + 4 + length {
                    self.read.drain(..end + 4 + length);
                    return Ok(head);
                }
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(format!("closed after {} octets", self.read.len())),
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    pub fn get(&mut self, path: &str, id: usize) -> Result<String, String> {
        self.send(path, id, "").map_err(|error| error.to_string())?;
        self.answer()
    }
    /// Nothing comes and the connection stays for that long.
    pub fn stays(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let result = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}
