//! The process machinery with real processes: start, growth, signals, crashes, restarts under load.
//!
//! The binary is its own server: started with MPM_SERVER it runs `server::main`, else the tests, each with a server of
//! its own on a port of the kernel's choice. Waiting is always for a line or an answer, with a deadline.

// Without libtest's harness this file is no test to the lints that spare tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// Only read by a server of root.
const USER: &str = "user nobody\ngroup #65534\n";
const KINDS: [&str; 3] = ["prefork", "worker", "event"];

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("starts_as_configured_and_stops", starts_as_configured_and_stops),
    ("grows_under_load_and_shrinks_again", grows_under_load_and_shrinks_again),
    ("says_once_that_workers_are_used_up", says_once_that_workers_are_used_up),
    ("a_killed_child_is_replaced", a_killed_child_is_replaced),
    ("a_crash_is_logged", a_crash_is_logged),
    ("restarts_lose_no_request", restarts_lose_no_request),
    ("idle_connections_outlive_a_restart", idle_connections_outlive_a_restart),
    ("a_restart_now_replaces_all_children", a_restart_now_replaces_all_children),
    ("a_broken_configuration_changes_nothing", a_broken_configuration_changes_nothing),
    ("a_graceful_restart_lets_a_request_finish", a_graceful_restart_lets_a_request_finish),
    ("a_graceful_stop_waits_and_loses_patience", a_graceful_stop_waits_and_loses_patience),
    ("a_child_ends_after_its_connections", a_child_ends_after_its_connections),
    ("a_port_in_use_is_an_error", a_port_in_use_is_an_error),
    ("a_restart_clips_against_the_first_limits", a_restart_clips_against_the_first_limits),
    ("an_unknown_user_id_never_serves", an_unknown_user_id_never_serves),
];

fn main() -> ExitCode {
    if let Some(path) = std::env::var_os("MPM_SERVER") {
        return server::main(&PathBuf::from(path));
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = TESTS.iter().filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word)));
    let mut failed = 0;
    for (name, test) in chosen {
        let started = Instant::now();
        let result = std::panic::catch_unwind(test);
        println!("test {name} ... {} ({:.1?})", if result.is_ok() { "ok" } else { "FAILED" }, started.elapsed());
        failed += u8::from(result.is_err());
    }
    ExitCode::from(failed)
}

/// A running server with its log.
struct Server {
    process: Child,
    port: u16,
    lines: Receiver<String>,
    seen: Vec<String>,
    directory: tempfile::TempDir,
}

impl Server {
    fn spawn(settings: &str) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("conf");

        std::fs::write(&path, format!("{USER}{settings}")).unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env("MPM_SERVER", &path)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = process.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Server { process, port: 0, lines, seen: Vec::new(), directory }
    }
    /// Starts and waits until the parent says that it serves.
    fn start(settings: &str) -> Server {
        let mut server = Server::spawn(&format!("listen 127.0.0.1:0\n{settings}"));
        let port = server.line("port ");
        server.port = port.trim_start_matches("port ").parse().unwrap();
        server.line("resuming normal operations");
        server
    }
    /// The next line that contains `text`.
    fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line {text:?} ({error}) but {:#?}", self.seen),
            }
        }
    }
    /// Lines so far, without waiting.
    fn drain(&mut self) -> &[String] {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        &self.seen
    }
    fn configure(&self, settings: &str) {
        let text = format!("{USER}listen 127.0.0.1:0\n{settings}");
        std::fs::write(self.directory.path().join("conf"), text).unwrap();
    }
    fn signal(&self, signal: i32) {
        kill(self.process.id() as i32, signal);
    }
    fn connect(&self) -> Client {
        Client::new(self.port)
    }
    fn pid_file(&self) -> PathBuf {
        self.directory.path().join("httpd.pid")
    }
    /// Asks for the scoreboard until it is as wanted.
    fn until(&self, what: &str, so: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.connect().ask("status").map(|text| rows(&text)).unwrap_or_default();
            if so(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "not {what}: {rows:?} {:#?}", self.seen);
            std::thread::yield_now();
        }
    }
    /// Waits for the end of the parent.
    fn ended(&mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.process.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("does not end: {:#?}", self.seen),
            }
        }
    }
    fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.ended();
        assert!(status.success(), "{status:?} {:#?}", self.seen);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(libc::SIGTERM);
            let _ = self.process.wait();
        }
    }
}

fn kill(pid: i32, signal: i32) {
    let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// One line of a status.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    pid: i32,
    generation: u32,
    quiescing: bool,
    idle: u32,
    busy: u32,
}

fn rows(text: &str) -> Vec<Row> {
    let number = |word: Option<&str>| word.unwrap().parse::<i64>().unwrap();
    let row = |word: &str| {
        let mut parts = word.split(':');
        let pid = number(parts.next()) as i32;
        let generation = number(parts.next()) as u32;
        let quiescing = number(parts.next()) != 0;
        Row { pid, generation, quiescing, idle: number(parts.next()) as u32, busy: number(parts.next()) as u32 }
    };
    text.split_whitespace().map(row).collect()
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }
    fn send(&mut self, request: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes())
    }
    fn answer(&mut self) -> Option<String> {
        let mut answer = String::new();
        match self.0.read_line(&mut answer) {
            Ok(length) if length > 0 => Some(answer.trim_end().to_owned()),
            _ => None,
        }
    }
    fn ask(&mut self, request: &str) -> Option<String> {
        self.send(request).ok()?;
        self.answer()
    }
    /// The process that answers.
    fn pid(&mut self) -> i32 {
        self.ask("hello").unwrap().split(' ').next().unwrap().parse().unwrap()
    }
}

fn starts_as_configured_and_stops() {
    for kind in KINDS {
        let mut server = Server::start(&format!("mpm {kind}\nstart 4\nthreads 5\nmin 1\nmax 100\n"));
        let rows = server.until("four children", |rows| rows.len() == 4 && rows.iter().all(|row| row.generation == 0));
        let slots = if kind == "prefork" { 1 } else { 5 };
        assert!(rows.iter().all(|row| row.idle + row.busy == slots), "{kind} {rows:?}");
        let parent = server.process.id();
        assert_eq!(std::fs::read_to_string(server.pid_file()).unwrap(), format!("{parent}\n"));
        assert!(rows.iter().all(|row| row.pid != parent as i32));
        server.signal(libc::SIGTERM);
        assert!(server.ended().success());
        assert!(!server.pid_file().exists());
        let number = match kind {
            "prefork" => [163, 169],
            "worker" => [292, 295],
            _ => [489, 491],
        };
        let wanted = [
            format!(
                "[mpm_{kind}:notice] (0) AH00{}: Apache/2.4.71 (Pinion) configured -- resuming normal operations",
                number[0]
            ),
            "[core:notice] (0) AH00094: Command line: 'echo'".to_owned(),
            format!("[mpm_{kind}:notice] (0) AH00{}: caught SIGTERM, shutting down", number[1]),
        ];
        assert!(wanted.iter().all(|line| server.seen.contains(line)), "{:#?}", server.seen);
    }
}

fn grows_under_load_and_shrinks_again() {
    let threads = KINDS.map(|kind| std::thread::spawn(move || grow_and_shrink(kind)));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn grow_and_shrink(kind: &str) {
    let server = Server::start(&format!("mpm {kind}\nstart 1\nthreads 2\nworkers 16\nmin 2\nmax 4\n"));
    let mut held = Vec::new();
    while held.len() < 6 {
        let mut client = server.connect();
        assert_eq!(client.ask("hold").as_deref(), Some("held"), "{kind}");
        held.push(client);
    }
    let busy = |rows: &[Row]| rows.iter().map(|row| row.busy).sum::<u32>();
    let grown = server.until("grown", |rows| busy(rows) >= 6 && rows.iter().map(|row| row.idle).sum::<u32>() >= 2);
    for client in &mut held {
        assert_eq!(client.ask("go").as_deref(), Some("released"));
    }
    drop(held);
    let most = if kind == "prefork" { 5 } else { 3 };
    assert!(grown.len() > most, "{kind} {grown:?}");
    server.until("shrunk", |rows| rows.len() <= most);
    server.stop();
}

fn says_once_that_workers_are_used_up() {
    for (kind, tag) in [("prefork", "AH00161"), ("worker", "AH00286"), ("event", "AH00484")] {
        let mut server = Server::start(&format!("mpm {kind}\nstart 1\nthreads 2\nworkers 2\nmin 1\nmax 4\n"));
        let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
        for client in &mut held {
            assert_eq!(client.ask("hold").as_deref(), Some("held"));
        }
        let line = server.line(tag);
        let text = "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting";
        assert_eq!(line, format!("[mpm_{kind}:error] (0) {tag}: {text}"));
        // A request beyond them waits in line, and is served as soon as one is free.
        let mut late = server.connect();
        late.send("hello").unwrap();
        drop(held.pop());
        assert!(late.answer().is_some());
        assert_eq!(server.drain().iter().filter(|line| line.contains(tag)).count(), 1);
        drop((held, late));
        server.stop();
    }
}

fn a_killed_child_is_replaced() {
    for kind in KINDS {
        let server = Server::start(&format!("mpm {kind}\nstart 2\nthreads 3\nmin 1\nmax 100\n"));
        let mut victim = server.connect();
        let pid = victim.pid();
        let mut other = server.connect();
        while other.pid() == pid {
            other = server.connect();
        }
        let begun = Instant::now();
        kill(pid, libc::SIGKILL);
        server.until("replaced", |rows| rows.len() == 2 && rows.iter().all(|row| row.pid != pid));
        assert!(begun.elapsed() < Duration::from_secs(2), "{kind}");
        assert_eq!(victim.answer(), None);
        assert!(other.ask("hello").is_some());
        drop(other);
        server.stop();
    }
}

fn a_crash_is_logged() {
    for kind in KINDS {
        let mut server = Server::start(&format!("mpm {kind}\nstart 2\nthreads 3\nmin 1\nmax 100\n"));
        let mut client = server.connect();
        let pid = client.pid();
        assert_eq!(client.ask("crash"), None);
        let line = server.line("AH0005");
        let dumped = format!("[core:notice] (0) AH00051: child pid {pid} exit signal Abort (6), possible coredump in ");
        let plain = format!("[core:notice] (0) AH00052: child pid {pid} exit signal Abort (6)");
        assert!(line == plain || line.starts_with(&dumped), "{line}");
        server.stop();
    }
}

/// Clients that keep their connections and clients with one for each request, through graceful restarts.
fn restarts_lose_no_request() {
    for kind in KINDS {
        let mut server = Server::start(&format!("mpm {kind}\nstart 4\nthreads 4\nworkers 16\nmin 1\nmax 100\n"));
        let port = server.port;
        let stop = Arc::new(AtomicBool::new(false));
        let (failed, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let clients: Vec<_> = (0..6)
            .map(|index| {
                let (stop, failed, done) = (stop.clone(), failed.clone(), done.clone());
                std::thread::spawn(move || {
                    let mut client = Client::new(port);
                    while !stop.load(Ordering::Relaxed) {
                        if index % 2 == 0 {
                            client = Client::new(port);
                        }
                        match client.ask("hello") {
                            Some(_) => done.fetch_add(1, Ordering::Relaxed),
                            None => {
                                failed.lock().unwrap().push(index);
                                return;
                            }
                        };
                    }
                })
            })
            .collect();
        for generation in 1..=10 {
            let before = done.load(Ordering::Relaxed);
            server.signal(libc::SIGUSR1);
            server.line("resuming normal operations");
            server.until("new generation only", |rows| rows.iter().all(|row| row.generation == generation));
            while done.load(Ordering::Relaxed) < before + 50 && failed.lock().unwrap().is_empty() {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(*failed.lock().unwrap(), [0; 0], "{kind}: clients that failed");
        server.stop();
    }
}

/// More idle connections than the way to the new generation holds at once.
fn idle_connections_outlive_a_restart() {
    let mut server = Server::start("mpm event\nstart 2\nthreads 4\nmin 1\nmax 100\n");
    let mut clients: Vec<Client> = (0..400).map(|_| server.connect()).collect();
    let before: Vec<i32> = clients.iter_mut().map(Client::pid).collect();
    server.signal(libc::SIGUSR1);
    server.line("resuming normal operations");
    for (client, before) in clients.iter_mut().zip(before) {
        let answer = client.ask("hello").unwrap();
        assert!(answer.ends_with(" 2 keep") || answer.starts_with(&before.to_string()), "{answer}");
    }
    drop(clients);
    server.until("old children gone", |rows| rows.iter().all(|row| row.generation == 1));
    server.stop();
}

fn a_restart_now_replaces_all_children() {
    for kind in KINDS {
        let mut server = Server::start(&format!("mpm {kind}\nstart 3\nthreads 2\nmin 1\nmax 100\n"));
        let mut held = server.connect();
        assert_eq!(held.ask("hold").as_deref(), Some("held"));
        server.configure(&format!("mpm {kind}\nstart 2\nthreads 2\nmin 1\nmax 100\n"));
        server.signal(libc::SIGHUP);
        let tag = [("prefork", 173), ("worker", 298), ("event", 494)].iter().find(|(name, _)| *name == kind).unwrap().1;
        let line = server.line("SIGHUP");
        assert_eq!(line, format!("[mpm_{kind}:notice] (0) AH00{tag}: SIGHUP received.  Attempting to restart"));
        server.line("resuming normal operations");
        assert_eq!(held.answer(), None, "a restart ends requests in progress");
        server.until("two children", |rows| rows.len() == 2 && rows.iter().all(|row| row.generation == 1));
        server.stop();
    }
}

fn a_broken_configuration_changes_nothing() {
    for (kind, signal) in [("prefork", libc::SIGHUP), ("worker", libc::SIGUSR1), ("event", libc::SIGHUP)] {
        let mut server = Server::start(&format!("mpm {kind}\nstart 2\nthreads 2\nmin 1\nmax 100\n"));
        let mut client = server.connect();
        let pid = client.pid();
        server.configure("Foo 1\n");
        server.signal(signal);
        server.line("Invalid command 'Foo'");
        assert_eq!(client.pid(), pid);
        // A port that cannot be bound is as bad.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        server.configure(&format!("mpm {kind}\nlisten 127.0.0.1:{port}\n"));
        server.signal(signal);
        let text = format!("AH00072: make_sock: could not bind to address 127.0.0.1:{port}");
        assert_eq!(server.line("AH00072"), format!("[:crit] (98) {text}"));
        server.line("no listening sockets available, shutting down");
        assert_eq!(client.pid(), pid);
        drop(client);
        server.stop();
    }
}

fn a_graceful_restart_lets_a_request_finish() {
    for kind in KINDS {
        let mut server = Server::start(&format!("mpm {kind}\nstart 2\nthreads 2\nworkers 4\nmin 1\nmax 100\n"));
        let mut held = server.connect();
        let old = held.pid();
        assert_eq!(held.ask("hold").as_deref(), Some("held"));
        server.signal(libc::SIGUSR1);
        server.line("resuming normal operations");
        // Full strength of the new generation beside the old request.
        let current = |rows: &[Row]| rows.iter().filter(|row| row.generation == 1 && !row.quiescing).count();
        let ends = |row: &Row| row.pid == old && row.quiescing && row.generation == 0;
        server.until("both generations", |rows| current(rows) == 2 && rows.iter().any(ends));
        assert_eq!(held.ask("go").as_deref(), Some("released"));
        // The connection goes on with the new generation.
        assert_ne!(held.pid(), old);
        server.until("old one gone", |rows| rows.iter().all(|row| row.generation == 1));
        drop(held);
        server.stop();
    }
}

fn a_graceful_stop_waits_and_loses_patience() {
    for kind in KINDS {
        for patience in [0, 1] {
            let settings = format!("mpm {kind}\nstart 2\nthreads 2\nmin 1\nmax 100\npatience {patience}\n");
            let mut server = Server::start(&settings);
            let mut held = server.connect();
            assert_eq!(held.ask("hold").as_deref(), Some("held"));
            server.signal(libc::SIGWINCH);
            server.line("caught SIGWINCH, shutting down gracefully");
            assert!(!server.pid_file().exists());
            if patience == 0 {
                assert_eq!(held.ask("go").as_deref(), Some("released"));
                drop(held);
            } else {
                assert_eq!(held.answer(), None);
            }
            assert!(server.ended().success());
            assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
        }
    }
}

fn a_child_ends_after_its_connections() {
    for kind in KINDS {
        let settings = format!("mpm {kind}\nstart 1\nthreads 1\nworkers 1\nmin 1\nmax 100\nconnections 3\n");
        let server = Server::start(&settings);
        let pids: Vec<i32> = (0..9).map(|_| server.connect().pid()).collect();
        let mut distinct = pids.clone();
        distinct.dedup();
        assert!(distinct.len() >= 3, "{kind} {pids:?}");
        assert!(pids.chunk_by(|a, b| a == b).all(|same| same.len() <= 3), "{kind} {pids:?}");
        server.stop();
    }
}

fn a_port_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut server = Server::spawn(&format!("listen 127.0.0.1:{port}\n"));
    assert_eq!(server.ended().code(), Some(1));
    assert_eq!(
        server.seen,
        [
            format!("[:crit] (98) AH00072: make_sock: could not bind to address 127.0.0.1:{port}"),
            "[:alert] (0) no listening sockets available, shutting down".to_owned(),
        ]
    );
}

fn a_restart_clips_against_the_first_limits() {
    let mut server = Server::start("mpm event\nlimit 3\nthreads 2\nworkers 6\nmin 1\nmax 100\n");
    server.configure("mpm event\nlimit 9\nthreads 2\nworkers 18\nmin 1\nmax 100\n");
    server.signal(libc::SIGUSR1);
    server.line("AH00501: changing ServerLimit to 9 from original value of 3 not allowed during restart");
    server
        .line("AH00516: MaxRequestWorkers of 18 would require 9 servers and exceed ServerLimit of 3, decreasing to 6");
    server.line("resuming normal operations");
    server.stop();
}

fn an_unknown_user_id_never_serves() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("skipped: needs root");
        return;
    }
    let mut server = Server::start("mpm event\nstart 1\nuser #99999\ngroup #99999\n");
    server.line("AH02155: getpwuid: couldn't determine user name from uid 99999");
    server.line("AH00050: Child ");
    assert_eq!(server.ended().code(), Some(1));
    let mut rest = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.port)) {
        let _ = stream.read_to_end(&mut rest);
    }
    assert_eq!(rest, b"");
}
