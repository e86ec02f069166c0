//! Idle connections: opened, each with one request answered, then left alone while the memory is read.

use crate::servers::Running;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Megabytes (proportional set size) of the server's process tree while `count` keep-alive connections are idle.
pub(crate) fn tree_megabytes_with(server: &Running, count: usize) -> Result<f64, String> {
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream =
            TcpStream::connect(("127.0.0.1", server.port)).map_err(|error| format!("connection {number}: {error}"))?;
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        stream.write_all(b"GET /1k.html HTTP/1.1\r\nHost: localhost\r\n\r\n").map_err(|error| error.to_string())?;
        let mut buffer = [0; 4096];
        let mut got = 0;
        while got < 1024 {
            match stream.read(&mut buffer) {
                Ok(read) if read > 0 => got += read,
                _ => return Err(format!("connection {number} was not answered")),
            }
        }
        idle.push(stream);
    }
    Ok(tree(server.pid))
}

fn tree(pid: i32) -> f64 {
    let own = pss(pid);
    own + children(pid).into_iter().map(tree).sum::<f64>()
}

fn pss(pid: i32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = std::fs::read_to_string(Path::new("/proc").join(child.to_string()).join("stat")).unwrap_or_default();
        // The name in parentheses may hold anything; the parent's pid is the second field behind it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        if parent == Some(pid) {
            found.push(child);
        }
    }
    found
}
