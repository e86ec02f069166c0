//! Scripts under event: none holds a thread, and none is left behind.

use super::server::{Client, Server};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SCRIPTS: usize = 40;

#[test]
fn sleeping_scripts_hold_no_thread_and_end_with_their_clients() {
    let conf = "LoadModule alias_module modules/mod_alias.so\nLoadModule cgid_module modules/mod_cgid.so\n\
                ScriptAlias /cgi/ cgi/\nStartServers 1\nThreadsPerChild 64\nCGIDScriptTimeout 5\n";
    let server = Server::prepared("event", conf, |root, _| {
        fs::create_dir_all(root.join("cgi")).unwrap();
        fs::create_dir_all(root.join("pids")).unwrap();
        fs::set_permissions(root.join("pids"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(root.join("cgi/sleep"), "#!/bin/sh\n: > ../pids/$$\nprintf '\\n'\necho x\nexec sleep 600\n").unwrap();
        fs::set_permissions(root.join("cgi/sleep"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    let pids = || -> Vec<String> {
        let entries = fs::read_dir(server.path("pids")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let runs =
        |pid: &String| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.contains("sleep"));
    let mut waiting: Vec<Client> = (0..SCRIPTS).map(|_| server.connect().unwrap()).collect();
    for (id, client) in waiting.iter_mut().enumerate() {
        client.send("/cgi/sleep", id, "").unwrap();
    }
    server.until("running", |_| pids().len() == SCRIPTS && pids().iter().all(runs));
    for id in 0..20 {
        server.connect().unwrap().get("/a.txt", 100 + id).unwrap();
    }
    let path = format!("/proc/{0}/task/{0}/children", server.process.id());
    let children = fs::read_to_string(path).unwrap();
    for child in children.split_whitespace() {
        let threads = fs::read_dir(format!("/proc/{child}/task")).map_or(0, |entries| entries.count());
        // Some that helped to start them are still there; one for each would be forty.
        assert!(threads < SCRIPTS / 2, "{threads} threads while {SCRIPTS} scripts sleep");
    }
    // Their clients leave, and nobody sees it while they are silent: CGIDScriptTimeout ends them.
    drop(waiting);
    let deadline = std::time::Instant::now() + super::server::PATIENCE;
    while pids().iter().any(runs) {
        assert!(std::time::Instant::now() < deadline, "scripts are left");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
