//! The server's processes under load, seen by clients that speak HTTP: restarts, killed children, graceful stops, broken
//! configurations, a log device that is full. Each test has a server of its own on a port of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backends;
mod crowd;
mod mixed;
mod scripts;
mod server;
mod systemd;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use server::{Client, KINDS, PATIENCE, Server};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Clients that ask until they are stopped: the even ones on a connection that they keep as long as the server lets them,
/// the odd ones on a new connection each time.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<(usize, String)>>>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn new(port: u16, count: usize) -> Load {
        let (stop, done, failed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let clients = (0..count).map(|id| {
            let (stop, done, failed): (_, _, Arc<Mutex<Vec<_>>>) =
                (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&failed));
            std::thread::spawn(move || {
                let mut kept: Option<Client> = None;
                while !stop.load(Ordering::Relaxed) {
                    let keeps = id % 2 == 0;
                    let ask = || -> Result<Option<Client>, String> {
                        let mut client = match kept.take() {
                            Some(client) => client,
                            None => Client::new(port).map_err(|error| error.to_string())?,
                        };
                        let more = if keeps { "" } else { "Connection: close\r\n" };
                        client.send("/a.txt", id, more).map_err(|error| error.to_string())?;
                        let head = client.answer()?;
                        if !head.starts_with("HTTP/1.1 200 ") {
                            return Err(head);
                        }
                        Ok((keeps && !head.contains("Connection: close")).then_some(client))
                    };
                    let mut ask = ask;
                    match ask() {
                        Ok(client) => {
                            kept = client;
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(why) => failed.lock().unwrap().push((id, why)),
                    }
                }
            })
        });
        let clients = clients.collect();
        Load { stop, done, failed, clients }
    }
    /// Waits until so many requests more are answered.
    fn more(&self, count: u64) {
        let (wanted, deadline) = (self.done.load(Ordering::Relaxed) + count, Instant::now() + PATIENCE);
        while self.done.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < deadline, "no answers: {:?}", self.failed.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    fn end(self) -> Vec<(usize, String)> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        std::mem::take(&mut *self.failed.lock().unwrap())
    }
}

#[test]
fn ten_graceful_restarts_under_load_fail_no_request() {
    for kind in KINDS {
        let server = Server::start(kind, "KeepAliveTimeout 60\nMaxKeepAliveRequests 0\n");
        let load = Load::new(server.port, 6);
        load.more(50);
        for round in 0..10 {
            server.signal(Signal::SIGUSR1);
            server.resumed(2 + round);
            load.more(60);
        }
        assert_eq!(load.end(), [], "{kind}: {}", server.log());
        server.stop();
    }
}

#[test]
fn an_idle_connection_goes_on_after_a_graceful_restart() {
    for kind in KINDS {
        let server = Server::start(kind, "KeepAliveTimeout 60\n");
        let mut client = server.connect().unwrap();
        assert!(client.get("/a.txt", 1).is_ok());
        for round in 0..3 {
            assert!(client.stays(Duration::from_millis(100)), "{kind}");
            server.signal(Signal::SIGUSR1);
            server.resumed(2 + round);
        }
        // A request that comes before the last child has heard of its end would be that child's, and the connection's last.
        assert!(client.stays(Duration::from_millis(300)), "{kind}");
        let head = client.get("/a.txt", 2).unwrap();
        assert!(!head.contains("Connection: close"), "{kind}: {head}");
        server
            .until("logged", |server| fs::read_to_string(server.path("logs/access.log")).unwrap().lines().count() >= 2);
        let log = fs::read_to_string(server.path("logs/access.log")).unwrap();
        let pids: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_ne!(pids.first(), pids.last(), "{kind}: {log}");
        drop(client);
        server.stop();
    }
}

#[test]
fn an_old_child_ends_with_its_last_request() {
    for kind in KINDS {
        let server = Server::start(kind, "");
        let children = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.process.id())).unwrap();
        let old: Vec<String> = children().split_whitespace().map(str::to_owned).collect();
        assert!(old.len() >= 2, "{kind}: {old:?}");
        for id in 0..20 {
            server.connect().unwrap().get("/a.txt", id).unwrap();
        }
        let begun = Instant::now();
        server.signal(Signal::SIGUSR1);
        server.until("replaced", |_| !children().split_whitespace().any(|pid| old.iter().any(|old| old == pid)));
        assert!(begun.elapsed() < Duration::from_millis(1500), "{kind}: {:?}", begun.elapsed());
        server.stop();
    }
}

#[test]
fn a_killed_child_takes_only_its_own_connections_along() {
    for kind in KINDS {
        let server = Server::start(kind, "KeepAliveTimeout 60\nMaxKeepAliveRequests 0\n");
        // Kept connections that rest: whose child dies is known.
        let mut resting = BTreeMap::new();
        for id in 100..106 {
            let mut client = server.connect().unwrap();
            client.get("/a.txt", id).unwrap();
            resting.insert(id, client);
        }
        let owners = || -> BTreeMap<usize, i32> {
            let log = fs::read_to_string(server.path("logs/access.log")).unwrap_or_default();
            let rows = log.lines().filter_map(|line| {
                let mut words = line.split(' ');
                let pid = words.next()?.parse().ok()?;
                Some((words.next()?.parse().ok()?, pid))
            });
            rows.collect()
        };
        server.until("logged", |_| owners().len() >= 6);
        let load = Load::new(server.port, 6);
        load.more(100);
        let victim = owners()[&100];
        kill(Pid::from_raw(victim), Signal::SIGKILL).unwrap();
        load.more(200);
        let failed = load.end();
        // At most the one request that each client of the load had under way.
        let mut clients: Vec<usize> = failed.iter().map(|(id, _)| *id).collect();
        clients.dedup();
        assert!(failed.len() <= 6 && clients.len() == failed.len(), "{kind}: {failed:?}");
        let before = owners();
        for (id, mut client) in resting {
            assert_eq!(client.get("/a.txt", id).is_ok(), before[&id] != victim, "{kind}: connection {id}");
        }
        let mut fresh = server.connect().unwrap();
        assert!(fresh.get("/a.txt", 200).is_ok());
        server.stop();
    }
}

#[test]
fn a_graceful_stop_closes_idle_connections_and_finishes_requests() {
    for kind in KINDS {
        let mut server = Server::start(kind, "KeepAliveTimeout 60\n");
        let (mut idle, mut busy) = (server.connect().unwrap(), server.connect().unwrap());
        idle.get("/a.txt", 1).unwrap();
        assert!(idle.stays(Duration::from_millis(200)), "{kind}");
        busy.send("/big.bin", 2, "").unwrap();
        busy.stream.read_exact(&mut [0; 1]).unwrap();
        busy.read.push(b'H');
        let begun = Instant::now();
        server.signal(Signal::SIGWINCH);
        assert_eq!(idle.answer(), Err("closed after 0 octets".to_owned()), "{kind}");
        server.until("refused", |server| server.connect().is_err());
        assert!(busy.answer().is_ok(), "{kind}");
        assert_eq!(server.ended(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(30), "{kind}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_broken_configuration_changes_nothing() {
    for kind in KINDS {
        for (round, signal) in [Signal::SIGHUP, Signal::SIGUSR1].into_iter().enumerate() {
            let server = Server::start(kind, "KeepAliveTimeout 60\n");
            let mut client = server.connect().unwrap();
            client.get("/a.txt", 1).unwrap();
            fs::write(server.path("httpd.conf"), format!("{}FooBar\n", server.conf)).unwrap();
            server.signal(signal);
            server.until("refused", |server| server.log().contains("Invalid command 'FooBar', perhaps misspelled"));
            assert!(client.get("/a.txt", 2).is_ok(), "{kind} {round}");
            assert!(server.connect().unwrap().get("/a.txt", 3).is_ok(), "{kind} {round}");
            // A log that cannot be opened is as bad.
            fs::write(server.path("httpd.conf"), format!("{}CustomLog /nonexistent/x common\n", server.conf)).unwrap();
            server.signal(signal);
            server.until("refused", |server| server.log().contains("could not open transfer log file /nonexistent/x"));
            assert!(client.get("/a.txt", 4).is_ok(), "{kind} {round}");
            fs::write(server.path("httpd.conf"), &server.conf).unwrap();
            server.signal(signal);
            server.resumed(2);
            assert!(server.connect().unwrap().get("/a.txt", 5).is_ok(), "{kind} {round}");
            server.stop();
        }
    }
}

/// Logs that cannot grow: answers come all the same. The limit stands for a disk that is full; a signal that goes with
/// it must end nobody.
#[test]
fn a_full_disk_stops_the_logs_alone() {
    for kind in KINDS {
        let server = Server::prepared(kind, "", |root, command| {
            fs::write(root.join("logs/access.log"), vec![b'.'; 60_000]).unwrap();
            let most = 60_416;
            // The shell's limit counts blocks of 512 octets.
            let program = command.get_program().to_owned();
            let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -f {} && exec \"$@\"", most / 512)).arg("sh").arg(program).args(args);
            shell.stdin(Stdio::null()).process_group(0);
            *command = shell;
        });
        let pids = |server: &Server| fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.process.id()));
        let before = pids(&server).unwrap_or_default();
        for id in 0..30 {
            assert!(server.connect().unwrap().get("/a.txt", id).is_ok(), "{kind}");
        }
        assert_eq!(pids(&server).unwrap_or_default(), before, "{kind}: children died");
        assert_eq!(fs::metadata(server.path("logs/access.log")).unwrap().len(), 60_416, "{kind}");
        server.stop();
    }
}
