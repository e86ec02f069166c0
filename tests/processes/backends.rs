//! Backends at fault, thousands of times: afterwards no thread or descriptor is lost, the memory is what it was, and the
//! next request is served.

use crate::server::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SCHEMES: [&str; 4] = ["http", "fcgi", "scgi", "uwsgi"];
/// Each is done by every scheme's backend, as often as [`ROUNDS`] says.
const FAULTS: [&str; 11] =
    ["gone", "reset", "garbage", "midhead", "midbody", "short", "chunks", "endless", "split", "nul", "large"];
const ROUNDS: usize = 60;

/// Octets in the frames of the scheme's protocol.
fn framed(scheme: &str, bytes: &[u8]) -> Vec<u8> {
    if scheme != "fcgi" {
        return bytes.to_vec();
    }
    let mut out = Vec::new();
    for part in bytes.chunks(8000) {
        out.extend_from_slice(&[1, 6, 0, 1, (part.len() >> 8) as u8, part.len() as u8, 0, 0]);
        out.extend_from_slice(part);
    }
    out
}

/// One connection from the server: the fault stands in the request as `fault-NAME.`, whatever the protocol.
fn misbehave(mut stream: TcpStream, scheme: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut asked, mut room) = (Vec::new(), [0; 16384]);
    let fault = loop {
        let text = String::from_utf8_lossy(&asked).into_owned();
        let name = text.split_once("fault-").and_then(|(_, rest)| rest.split_once('.'));
        if let Some((name, _)) = name {
            break name.to_owned();
        }
        match stream.read(&mut room)? {
            0 => return Ok(()),
            count => asked.extend_from_slice(&room[..count]),
        }
    };
    let first = if matches!(scheme, "http" | "uwsgi") { "HTTP/1.1 200 OK\r\n" } else { "Status: 200 OK\r\n" };
    let mut say = |text: &str| stream.write_all(&framed(scheme, text.as_bytes()));
    let line = format!("{first}Content-Type: text/plain\r\n");
    match fault.as_str() {
        "fine" => {
            say(&format!("{line}Content-Length: 4\r\n\r\nfine"))?;
            if scheme == "fcgi" {
                stream.write_all(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
            }
            // The server may send another request; this backend answers one.
            stream.shutdown(Shutdown::Write)?;
            return Ok(());
        }
        "gone" => {}
        "reset" => {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger)?;
        }
        "garbage" => stream.write_all(&[0, 255, 10, 13, 7, 1, 2, 3, 10, 10])?,
        "midhead" => say(first)?,
        "midbody" => say(&format!("{line}Content-Length: 10\r\n\r\nabc"))?,
        "short" => say(&format!("{line}Content-Length: 1\r\n\r\nmuch more than that"))?,
        "chunks" => say(&format!("{line}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n"))?,
        "nul" => say(&format!("{line}X: a\0b\r\n\r\nabc"))?,
        "large" => say(&format!("{line}Content-Length: 300000\r\n\r\n{}", "x".repeat(300_000)))?,
        "endless" => {
            say(first)?;
            for number in 0..100_000 {
                say(&format!("X-{number}: {}\r\n", "v".repeat(900)))?;
            }
        }
        "split" => {
            for byte in framed(scheme, format!("{line}Content-Length: 3\r\n\r\nabc").as_bytes()) {
                stream.write_all(&[byte])?;
            }
        }
        "slow" => {
            say(&format!("{line}\r\n"))?;
            for _ in 0..200 {
                say("x")?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        "hang" => while stream.read(&mut room)? > 0 {},
        other => panic!("no fault is called {other}"),
    }
    Ok(())
}

/// The status of one answer, which is read to its end.
fn ask(port: u16, scheme: &str, fault: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = format!("GET /{scheme}/fault-{fault}. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(ended.is_ok() || !text.is_empty(), "{scheme} {fault}: {ended:?}");
    text.split(' ').nth(1).unwrap_or("none").to_owned()
}

/// What a child holds: descriptors, threads, kilobytes.
fn held(pid: &str) -> (usize, usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (count("fd"), count("task"), kilobytes)
}

#[test]
fn faults_of_backends_and_clients_leave_nothing_behind() {
    let mut conf = "StartServers 1\nServerLimit 1\nThreadsPerChild 64\nMaxRequestWorkers 64\nMinSpareThreads 1\n\
                    MaxSpareThreads 64\nProxyTimeout 2\nLoadModule proxy_module modules/mod_proxy.so\n"
        .to_owned();
    for scheme in SCHEMES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let reuse = if scheme == "fcgi" { " enablereuse=on" } else { "" };
        conf.push_str(&format!(
            "LoadModule proxy_{scheme}_module modules/mod_proxy_{scheme}.so\nProxyPass /{scheme}/ {scheme}://127.0.0.1:{port}/{reuse}\n"
        ));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || misbehave(stream, scheme));
            }
        });
    }
    // ProxyPass wants its module loaded before.
    let (rows, lines): (Vec<&str>, Vec<&str>) = conf.lines().partition(|line| line.starts_with("LoadModule"));
    let conf = format!("{}\n{}\n", rows.join("\n"), lines.join("\n"));
    let server = Server::start("event", &conf);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.process.id())).unwrap();
    let child = children.split_whitespace().next().unwrap();
    let all = |fault: &str, rounds: usize, asking: &(dyn Fn(&str) + Sync)| {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= rounds * SCHEMES.len() {
                            return;
                        }
                        asking(SCHEMES[number % SCHEMES.len()]);
                    }
                });
            }
        });
        assert!(fs::metadata(format!("/proc/{child}")).is_ok(), "the child died of {fault}: {}", server.log());
    };
    let faults = |rounds: usize| {
        for fault in FAULTS {
            all(fault, rounds, &|scheme| {
                let status = ask(server.port, scheme, fault);
                assert!(["200", "500", "502", "503", "504"].contains(&status.as_str()), "{scheme} {fault}: {status}");
            });
        }
    };
    // What is made once is made before anything is counted.
    faults(2);
    all("fine", 4, &|scheme| assert_eq!(ask(server.port, scheme, "fine"), "200", "{scheme}"));
    let before = held(child);
    faults(ROUNDS);
    all("hang", 2, &|scheme| assert!(["502", "504", "500"].contains(&ask(server.port, scheme, "hang").as_str())));
    // Clients that leave in the middle of an answer, and in the middle of their own body.
    all("slow", 15, &|scheme| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(format!("GET /{scheme}/fault-slow. HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        stream.read_exact(&mut [0; 20]).unwrap();
    });
    all("leaving", 15, &|scheme| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let text = format!(
            "POST /{scheme}/fault-hang. HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{}",
            "y".repeat(20_000)
        );
        stream.write_all(text.as_bytes()).unwrap();
    });
    // The pools keep a connection at most for each of the eight clients that asked at once.
    let most = before.0 + 8 * SCHEMES.len();
    server.until("as before", |_| held(child).0 <= most);
    let after = held(child);
    assert!(after.1 <= before.1 + 2, "threads: {} became {}", before.1, after.1);
    assert!(after.2 <= before.2 + 20_000, "kilobytes: {} became {}", before.2, after.2);
    all("fine", 25, &|scheme| assert_eq!(ask(server.port, scheme, "fine"), "200", "{scheme}: {}", server.log()));
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("exit signal"), "{log}");
    server.stop();
}
