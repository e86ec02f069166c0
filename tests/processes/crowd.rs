//! The claim of the event MPM: nothing that waits holds a thread.

use crate::mixed::{Crowd, backend, certificate, configuration, run};
use crate::server::{Server, free_port};
use std::fs;
use std::time::Duration;

#[test]
fn whatever_waits_holds_no_thread() {
    let thinks = Duration::from_secs(3);
    let (back, secured) = (backend(thinks).unwrap(), free_port());
    let mut conf = String::from("RequestReadTimeout header=60\n");
    for module in ["proxy", "proxy_http", "ssl", "reqtimeout"] {
        conf.insert_str(0, &format!("LoadModule {module}_module modules/mod_{module}.so\n"));
    }
    let dir =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    certificate(dir.path()).unwrap();
    conf.push_str(&configuration(dir.path(), 60, secured, back));
    let server = Server::start("event", &conf);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.process.id())).unwrap();
    let child: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    let crowd = Crowd { idle: 200, heads: 100, proxied: 50, tunnels: 50, thinks, pause: Duration::from_millis(50) };
    let outcome = run(crowd, server.port, secured, child, "/a.txt", Duration::from_secs(60)).unwrap();
    let shown = format!("{outcome:?}\n{}", server.log());
    assert_eq!((outcome.idle, outcome.heads, outcome.proxied, outcome.tunnels), (200, 100, 50, 50), "{shown}");
    assert!(outcome.requests > 50 && outcome.slowest < 1000, "{shown}");
    assert!(outcome.threads < 10, "{shown}");
    server.stop();
}
