//! Idle connections: opened, each with one request answered, then left alone while the memory is read.

use crate::servers::Running;
use crate::tree;
use std::io::{Read, Write};
use std::net::TcpStream;
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
    Ok(tree::sum(server.pid, &tree::pss))
}
