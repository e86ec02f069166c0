//! Processes, slots and signals, as seen from outside: counts of children, answers, log lines.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use compat_tests::wire::Connection;
use compat_tests::{Group, Mpm, Running, group, under_each_mpm};
use nix::sys::signal::Signal;

const STATUS: &str = "<Location /server-status>\nSetHandler server-status\n</Location>\n";

fn small(name: &str, mpm: Mpm, more: &str) -> Group {
    group(name)
        .mpm(mpm)
        .conf(STATUS)
        .conf(more)
        .file("htdocs/a.txt", "0123456789\n")
        .file("htdocs/big.bin", vec![b'x'; 30_000_000])
}

fn head(answer: Option<compat_tests::wire::Answer>) -> String {
    answer.map_or_else(
        || "no answer".to_owned(),
        |a| String::from_utf8_lossy(a.head.get(..15).unwrap_or_default()).into_owned(),
    )
}

/// Waits until the number of children has a value and says which.
fn children(server: &Running, wanted: usize) -> String {
    let reached = server.wait(|s| s.children().len() == wanted);
    format!("{wanted} children: {reached}\n")
}

fn resumed(server: &Running, times: usize) -> bool {
    server.wait(|s| s.logged("resuming normal operations") == times)
}

#[test]
fn after_start_event_and_worker() {
    for mpm in [Mpm::Event, Mpm::Worker] {
        for (conf, count) in [
            ("StartServers 3\nThreadsPerChild 5\nMinSpareThreads 5\nMaxSpareThreads 50\nMaxRequestWorkers 25\n", 3),
            ("StartServers 1\nThreadsPerChild 25\nMinSpareThreads 1\nMaxSpareThreads 100\nMaxRequestWorkers 50\n", 1),
        ] {
            small("after start", mpm, conf).facts_only(|server| {
                let mut facts = children(server, count);
                let busy = server.wait(|s| s.status().contains_key("IdleWorkers"));
                let status = server.status();
                facts.push_str(&format!("status {busy} slots {:?}\n", status.get("Scoreboard").map(String::len)));
                facts
            });
        }
    }
}

#[test]
fn after_start_prefork() {
    small(
        "after start",
        Mpm::Prefork,
        "StartServers 3\nMinSpareServers 2\nMaxSpareServers 5\nMaxRequestWorkers 10\nServerLimit 12\n",
    )
    .facts_only(|server| {
        let mut facts = children(server, 3);
        facts.push_str(&format!("slots {:?}\n", server.status().get("Scoreboard").map(String::len)));
        facts
    });
}

under_each_mpm! {
    fn spare_maintenance_shrinks(mpm) {
        let conf = match mpm {
            Mpm::Prefork => "StartServers 6\nMinSpareServers 1\nMaxSpareServers 2\nMaxRequestWorkers 10\n",
            _ => "StartServers 4\nThreadsPerChild 4\nMinSpareThreads 4\nMaxSpareThreads 8\nMaxRequestWorkers 16\n",
        };
        small("too many spares", mpm, conf).facts_only(|server| children(server, 2));
    }
}

#[test]
fn spare_maintenance_grows_prefork() {
    small(
        "too few spares",
        Mpm::Prefork,
        "StartServers 1\nMinSpareServers 3\nMaxSpareServers 6\nMaxRequestWorkers 10\n",
    )
    .facts_only(|server| format!("grown {}\n", server.wait(|s| s.children().len() >= 3)));
}

#[test]
fn load_adds_children() {
    for (mpm, conf, count) in [
        (Mpm::Prefork, "StartServers 1\nMinSpareServers 1\nMaxSpareServers 8\nMaxRequestWorkers 5\n", 5),
        (
            Mpm::Worker,
            "StartServers 1\nThreadsPerChild 2\nMinSpareThreads 1\nMaxSpareThreads 20\nMaxRequestWorkers 6\n",
            3,
        ),
    ] {
        small("load", mpm, conf).conf("KeepAliveTimeout 20\n").facts_only(|server| {
            // Each idle keep-alive connection holds a process or thread here.
            let mut held = Vec::new();
            for _ in 0..count * if mpm == Mpm::Worker { 2 } else { 1 } {
                let mut connection = server.connect();
                connection.send(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
                connection.answer(false);
                held.push(connection);
            }
            children(server, count)
        });
    }
}

#[test]
fn keep_alive_holds_a_thread_but_not_in_event() {
    for mpm in [Mpm::Prefork, Mpm::Worker, Mpm::Event] {
        let conf = match mpm {
            Mpm::Prefork => "StartServers 2\nMinSpareServers 1\nMaxRequestWorkers 2\n",
            _ => "StartServers 1\nServerLimit 1\nThreadsPerChild 2\nMinSpareThreads 1\nMaxRequestWorkers 2\n",
        };
        small("keep-alive", mpm, conf).conf("KeepAliveTimeout 60\n").facts_only(|server| {
            let mut held = Vec::new();
            for _ in 0..2 {
                let mut connection = server.connect();
                connection.send(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
                connection.answer(false);
                held.push(connection);
            }
            let mut third = server.connect();
            third.send(b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let waits = third.silent_for(Duration::from_millis(700));
            drop(held);
            let answered = third.answer(false);
            format!("a third client waits: {waits}, is answered in the end: {answered}\n")
        });
    }
}

under_each_mpm! {
    fn limit_reached_is_logged(mpm) {
        let conf = match mpm {
            Mpm::Prefork => "StartServers 1\nMinSpareServers 1\nMaxRequestWorkers 2\n",
            _ => "StartServers 1\nThreadsPerChild 2\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 2\n",
        };
        small("MaxRequestWorkers", mpm, conf).conf("RequestReadTimeout header=0 body=0\nTimeout 30\n").facts_only(|server| {
            // Requests that stay open: their bodies never come.
            let mut open: Vec<Connection> = Vec::new();
            for _ in 0..4 {
                let mut connection = server.connect();
                connection.send(b"POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
                open.push(connection);
            }
            let logged = server.wait(|s| s.logged("AH00484") + s.logged("AH00161") + s.logged("AH00286") > 0);
            let line = server.error_log().lines().find(|l| l.contains("MaxRequestWorkers")).and_then(|l| l.split("] ").last()).unwrap_or_default().to_owned();
            format!("logged {logged}: {line}\n")
        });
    }
}

under_each_mpm! {
    fn terminate(mpm) {
        small("SIGTERM", mpm, "").facts(|server| {
            server.get("/a.txt");
            server.signal(Signal::SIGTERM);
            format!("ends {}, pid file gone {}\n", server.wait_for_end(), server.pid_file().is_none())
        });
    }
}

under_each_mpm! {
    fn hang_up(mpm) {
        small("SIGHUP", mpm, "").facts_only(|server| {
            let before = server.children();
            server.signal(Signal::SIGHUP);
            let back = resumed(server, 2);
            let answer = head(server.get("/a.txt"));
            let replaced = server.wait(|s| s.children().iter().all(|pid| !before.contains(pid)));
            let tags: Vec<String> = tags(server);
            format!("back {back} {answer} replaced {replaced} {tags:?}\n")
        });
    }
}

under_each_mpm! {
    fn graceful(mpm) {
        small("SIGUSR1", mpm, "").facts_only(|server| {
            let before = server.children();
            // A request that is under way: half of its head was answered with a body that the client has not read yet.
            let mut open = server.connect();
            open.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let started = !open.silent_for(Duration::from_secs(5));
            server.signal(Signal::SIGUSR1);
            let back = resumed(server, 2);
            let answer = head(server.get("/a.txt"));
            open.rest();
            let whole = open.seen.len() > 30_000_000;
            let replaced = server.wait(|s| s.children().iter().all(|pid| !before.contains(pid)));
            let generation = server.status().get("ParentServerConfigGeneration").cloned();
            format!("started {started} back {back} {answer} whole {whole} replaced {replaced} generation {generation:?} {:?}\n", tags(server))
        });
    }
}

under_each_mpm! {
    fn graceful_stop(mpm) {
        small("SIGWINCH", mpm, "").facts_only(|server| {
            let mut open = server.connect();
            open.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let started = !open.silent_for(Duration::from_secs(5));
            server.signal(Signal::SIGWINCH);
            let refused = server.wait(|s| std::net::TcpStream::connect(("127.0.0.1", s.port())).is_err());
            open.rest();
            let whole = open.seen.len() > 30_000_000;
            let ended = server.wait_for_end();
            format!("started {started} refused {refused} whole {whole} ended {ended} pid file {} {:?}\n", server.pid_file().is_some(), tags(server))
        });
    }
}

/// Apache's event alone: its other two wait for KeepAliveTimeout (DIFFERENCES.md).
#[test]
fn graceful_stop_and_idle_connections() {
    small("SIGWINCH and keep-alive", Mpm::Event, "KeepAliveTimeout 15\n").facts_only(|server| {
        let mut idle = server.connect();
        idle.send(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
        let answered = idle.answer(false);
        // The time after the answer that a server needs to wait for the next request.
        let kept = idle.silent_for(Duration::from_millis(300));
        let begun = Instant::now();
        server.signal(Signal::SIGWINCH);
        idle.rest();
        let closed = begun.elapsed() < Duration::from_secs(8);
        let ended = server.wait_for_end();
        format!(
            "answered {answered} kept {kept} closed at once {closed} ended {ended} at once {}\n",
            begun.elapsed() < Duration::from_secs(8)
        )
    });
}

under_each_mpm! {
    fn graceful_shutdown_timeout(mpm) {
        small("GracefulShutdownTimeout", mpm, "GracefulShutdownTimeout 1\n").facts_only(|server| {
            let mut open = server.connect();
            open.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let started = !open.silent_for(Duration::from_secs(5));
            server.signal(Signal::SIGWINCH);
            let ended = server.wait_for_end();
            open.rest();
            format!("started {started} ended {ended} whole {}\n", open.seen.len() > 30_000_000)
        });
    }
}

under_each_mpm! {
    fn bad_config_on_restart(mpm) {
        // Apache ends on a config error at SIGHUP or SIGUSR1; what is compared is what anyone can see of it.
        for signal in [Signal::SIGHUP, Signal::SIGUSR1] {
            small("bad config", mpm, "").facts_only(|server| {
                server.get("/a.txt");
                server.write("conf/case.conf", "FooBar\n");
                server.signal(signal);
                let noticed = server.wait(|s| s.error_log().contains("FooBar"));
                let log = server.error_log();
                let lines: Vec<&str> = log.lines().filter(|line| line.contains("FooBar") || line.contains("case.conf")).collect();
                format!("logged {noticed}: {}\n", lines.join("\n"))
            });
        }
    }
}

under_each_mpm! {
    fn killed_child_is_replaced(mpm) {
        small("kill -9", mpm, "").facts_only(|server| {
            server.get("/a.txt");
            let victim = *server.children().last().expect("a child");
            server.signal_to(victim, Signal::SIGKILL);
            let replaced = server.wait(|s| {
                let now = s.children();
                !now.contains(&victim) && !now.is_empty()
            });
            let answer = head(server.get("/a.txt"));
            // A restart is logged after whatever the death of the child would have been.
            server.signal(Signal::SIGUSR1);
            format!("replaced {replaced} {answer} resumed {} {:?}\n", resumed(server, 2), tags(server))
        });
    }
}

under_each_mpm! {
    fn segfault_of_a_child(mpm) {
        small("kill -SEGV", mpm, "").facts_only(|server| {
            server.get("/a.txt");
            let victim = *server.children().last().expect("a child");
            server.signal_to(victim, Signal::SIGSEGV);
            let logged = server.wait(|s| s.logged("AH00051") + s.logged("AH00052") == 1);
            let text = server.error_log().lines().find(|l| l.contains("AH0005")).map(|l| l.split("] ").skip(3).collect::<String>()).unwrap_or_default();
            format!("logged {logged} {text} {}\n", head(server.get("/a.txt")))
        });
    }
}

under_each_mpm! {
    fn connections_per_child(mpm) {
        let conf = match mpm {
            Mpm::Prefork => "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxConnectionsPerChild 3\n",
            _ => "StartServers 1\nThreadsPerChild 2\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\nMaxConnectionsPerChild 3\n",
        };
        small("MaxConnectionsPerChild", mpm, conf).facts_only(|server| {
            let first = *server.children().first().expect("a child");
            let mut good = 0;
            for _ in 0..12 {
                good += usize::from(server.get("/a.txt").is_some());
            }
            let replaced = server.wait(|s| {
                // Left alone, Apache's event child was once still there after twenty seconds.
                s.get("/a.txt");
                !s.children().contains(&first)
            });
            // Apache's event may drop a connection that comes while a child ends: how many answers is no fact to compare.
            format!("most answered {}, first child replaced {replaced}\n", good >= 9)
        });
    }
}

under_each_mpm! {
    fn graceful_restarts_under_load(mpm) {
        small("restarts under load", mpm, "").facts_only(|server| {
            let (stop, good, bad) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
            let port = server.port();
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !stop.load(Ordering::Relaxed) && bad.load(Ordering::Relaxed) < 100 {
                            let Ok(mut connection) = Connection::open(port) else {
                                bad.fetch_add(1, Ordering::Relaxed);
                                continue;
                            };
                            connection.send(b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                            connection.rest();
                            let whole = connection.seen.ends_with(b"0123456789\n");
                            if whole { &good } else { &bad }.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                for round in 0..4 {
                    server.signal(Signal::SIGUSR1);
                    resumed(server, 2 + round);
                    let seen = good.load(Ordering::Relaxed);
                    server.wait(|_| good.load(Ordering::Relaxed) > seen + 20 || bad.load(Ordering::Relaxed) >= 100);
                }
                stop.store(true, Ordering::Relaxed);
            });
            format!("failed {} of more than eighty: {}\n", bad.load(Ordering::Relaxed), good.load(Ordering::Relaxed) > 80)
        });
    }
}

under_each_mpm! {
    fn restart_reads_the_configuration_anew(mpm) {
        small("restart", mpm, "ErrorDocument 404 old\n").facts_only(|server| {
            let body = |s: &Running| s.get("/nope").map(|a| String::from_utf8_lossy(&a.body).into_owned()).unwrap_or_default();
            let mut facts = body(server);
            server.write("conf/case.conf", "ErrorDocument 404 new\n");
            facts.push_str(&body(server));
            server.signal(Signal::SIGUSR1);
            facts.push_str(&format!(" resumed {} ", resumed(server, 2)));
            let changed = server.wait(|s| body(s) == "new");
            facts.push_str(&format!("changed {changed}\n"));
            facts
        });
    }
}

under_each_mpm! {
    fn logs_are_reopened(mpm) {
        small("log rotation", mpm, "").facts_only(|server| {
            server.get("/a.txt");
            for log in ["access.log", "error.log"] {
                std::fs::rename(server.path(&format!("logs/{log}")), server.path(&format!("logs/{log}.1"))).expect("a rename");
            }
            server.signal(Signal::SIGUSR1);
            let resumed = server.wait(|s| s.logged("resuming normal operations") == 1);
            // A child of the old generation may still take a request or two, and log them to the old file.
            let new = server.wait(|s| {
                s.get("/a.txt?after");
                std::fs::read_to_string(s.path("logs/access.log")).unwrap_or_default().contains("after")
            });
            format!("resumed {resumed} new log {new}\n")
        });
    }
}

/// The AH numbers and levels of the error log, without those of chance.
fn tags(server: &Running) -> Vec<String> {
    server
        .error_log()
        .lines()
        .filter_map(|line| {
            Some(format!("{} {}", line.split('[').nth(2)?.split(']').next()?, line.split("AH").nth(1)?.get(..5)?))
        })
        .filter(|tag| !tag.contains("03092"))
        .collect()
}

under_each_mpm! {
    fn slow_clients_hold_nobody_up(mpm) {
        small("slow clients", mpm, "RequestReadTimeout header=0 body=0\n").log_format("%r %>s").facts_only(|server| {
            let request = b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            // Some that send octet by octet, some that send half a head, some that do not read what they asked for.
            let mut slow: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
            let mut half = server.connect();
            half.send(b"GET /a.txt HTTP/1.1\r\nHo");
            let mut deaf = server.connect();
            deaf.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let mut served = 0;
            for (at, octet) in request.iter().enumerate() {
                for client in &mut slow {
                    client.send(&[*octet]);
                }
                if at % 20 == 0 {
                    served += usize::from(head(server.get("/a.txt")) == "HTTP/1.1 200 OK");
                }
            }
            let answers: Vec<String> = slow
                .into_iter()
                .map(|mut client| {
                    client.rest();
                    String::from_utf8_lossy(client.seen.get(..22).unwrap_or_default()).into_owned()
                })
                .collect();
            half.send(b"st: x\r\nConnection: close\r\n\r\n");
            half.rest();
            deaf.rest();
            format!("others {served} slow {answers:?} half {} deaf {}\n", half.seen.ends_with(b"0123456789\n"), deaf.seen.len() > 30_000_000)
        });
    }
}

under_each_mpm! {
    fn clients_that_go_away(mpm) {
        small("clients that go", mpm, "").log_format("%r %>s").facts(|server| {
            for bytes in [
                &b"POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"[..],
                b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                b"GET /a.txt HTTP/1.1\r\nHost",
                b"GET /a.txt",
                b"\r\n",
                b"",
            ] {
                let mut client = server.connect();
                client.send(bytes);
                client.finish();
            }
            // Whoever is gone before the answer has been read.
            for _ in 0..3 {
                let mut client = server.connect();
                client.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n");
                client.silent_for(Duration::from_secs(5));
                drop(client);
                server.wait(|s| std::fs::read_to_string(s.path("logs/access.log")).unwrap_or_default().contains("big"));
            }
            let all = server.wait(|s| std::fs::read_to_string(s.path("logs/access.log")).unwrap_or_default().matches("big").count() == 3);
            format!("logged {all} {}\n", head(server.get("/a.txt")))
        });
    }
}
