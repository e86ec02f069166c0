//! What the service manager hears, and sockets that it hands over.

use super::server::{Client, PATIENCE, Server};
use nix::sys::signal::Signal;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The next message, leaving out those of the watchdog.
fn hear(manager: &UnixDatagram) -> String {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if text != "WATCHDOG=1" {
            return text;
        }
    }
}

#[test]
fn the_service_manager_hears_of_start_restart_and_stop() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut server = Server::prepared("event", "", |_, command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let pid = server.process.id();
    let ready = format!("READY=1\nSTATUS=Processing requests...\nMAINPID={pid}");
    assert_eq!(hear(&manager), ready);
    server.signal(Signal::SIGUSR1);
    let reloading = hear(&manager);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(reloading.ends_with("\nSTATUS=Reading configuration..."), "{reloading}");
    assert_eq!(hear(&manager), ready);
    fs::write(server.path("httpd.conf"), "FooBar\n").unwrap();
    server.signal(Signal::SIGHUP);
    assert!(hear(&manager).starts_with("RELOADING=1\n"));
    assert_eq!(hear(&manager), "READY=1\nSTATUS=Configuration refused, see the error log; the old one stays");
    server.signal(Signal::SIGTERM);
    assert_eq!(hear(&manager), "STOPPING=1\nSTATUS=Shutting down...");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn with_the_module_it_hears_numbers_and_signs_of_life() {
    let name = format!("pinion-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let server = Server::prepared("prefork", "LoadModule systemd_module modules/mod_systemd.so\n", |_, command| {
        command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "2000000");
    });
    server.connect().unwrap().get("/a.txt", 1).unwrap();
    assert!(hear(&manager).starts_with("READY=1\nSTATUS=Processing requests..."));
    // Ten seconds later, with signs of life in between.
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut alive = 0;
    loop {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        if &buffer[..length] == b"WATCHDOG=1" {
            alive += 1;
            continue;
        }
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(
            text.starts_with("READY=1\nSTATUS=Total requests: 1; Idle/Busy workers 100/0;Requests/sec: 0."),
            "{text}"
        );
        break;
    }
    assert!(alive >= 5, "{alive} signs of life");
    server.stop();
}

/// Starts by way of a shell that puts `listener` where a service manager would.
fn activated(listener: TcpListener, pid: &str, more: &str) -> (u16, Server) {
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID={pid} exec \"$@\"");
    let server = Server::prepared("event", more, |_, command| {
        let (program, args) = (command.get_program().to_owned(), command.get_args().map(ToOwned::to_owned));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg("sh").arg(program).args(args.collect::<Vec<_>>());
        shell.stdin(Stdio::from(OwnedFd::from(listener))).process_group(0);
        *command = shell;
    });
    (port, server)
}

#[test]
fn a_socket_of_the_service_manager_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The manager's own, open as long as it lives; whoever connects before the start waits.
    let manager = listener.try_clone().unwrap();
    let mut early = Client::new(port).unwrap();
    early.send("/a.txt", 1, "").unwrap();
    let listen = format!("Listen 127.0.0.1:{port}\n");
    let (_, server) = activated(listener, "$$", &listen);
    assert!(early.answer().is_ok());
    assert!(server.connect().unwrap().get("/a.txt", 2).is_ok(), "the port that it binds itself");
    // A restart without that Listen, and one that has it again: the socket is still the manager's.
    fs::write(server.path("httpd.conf"), server.conf.replace(&listen, "")).unwrap();
    server.signal(Signal::SIGUSR1);
    server.resumed(2);
    fs::write(server.path("httpd.conf"), &server.conf).unwrap();
    server.signal(Signal::SIGUSR1);
    server.resumed(3);
    assert!(Client::new(port).unwrap().get("/a.txt", 3).is_ok());
    server.stop();
    // Stopped, and nobody is refused: the next start answers.
    let mut late = Client::new(port).unwrap();
    late.send("/a.txt", 4, "").unwrap();
    let (_, server) = activated(manager, "$$", &listen);
    assert!(late.answer().is_ok());
    server.stop();
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, server) = activated(listener, "1", "");
    assert!(server.connect().unwrap().get("/a.txt", 1).is_ok());
    // It was inherited like any open file, and nobody accepts.
    let mut client = Client::new(port).unwrap();
    client.send("/a.txt", 2, "").unwrap();
    assert!(client.stays(std::time::Duration::from_millis(300)));
    server.stop();
}
