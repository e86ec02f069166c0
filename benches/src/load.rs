//! The load generators: wrk, and h2load for HTTP/2; one thread, on a core of its own where there is more than one.

use crate::servers::Running;
use crate::tree;
use std::time::Duration;

/// What a server did under load.
pub(crate) struct Sample {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds of processor time that the server spent on each.
    pub(crate) cost: f64,
}

/// Loads `server` with requests for `path`.
pub(crate) fn wrk(
    server: &Running,
    path: &str,
    keep_alive: bool,
    connections: u32,
    span: Duration,
) -> Result<Sample, String> {
    let port = server.port;
    let before = tree::sum(server.pid, &tree::processor);
    let mut command = tree::on_cores(tree::Cores::Load, "wrk");
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{}s", span.as_secs())]);
    if !keep_alive {
        command.args(["-H", "Connection: close"]);
    }
    let output = command
        .arg(format!("http{}://127.0.0.1:{port}{path}", if server.secured { "s" } else { "" }))
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") {
        return Err(format!("wrk met errors on {path}: {text}"));
    }
    let spent = tree::sum(server.pid, &tree::processor) - before;
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
    let count = text.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
    match (rate, count) {
        (Some(rate), Some(count)) => Ok(Sample { rate, cost: spent * 1e6 / count }),
        _ => Err(format!("wrk said: {text}")),
    }
}

/// Loads `server` with requests for `path` over HTTP/2 and TLS, sixteen at a time on each connection.
pub(crate) fn h2load(server: &Running, path: &str, connections: u32, span: Duration) -> Result<Sample, String> {
    let port = server.port;
    let before = tree::sum(server.pid, &tree::processor);
    let mut command = tree::on_cores(tree::Cores::Load, "h2load");
    command.args(["-t1", "-m16", &format!("-c{connections}"), &format!("-D{}", span.as_secs())]);
    let output =
        command.arg(format!("https://127.0.0.1:{port}{path}")).output().map_err(|error| format!("h2load: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let spent = tree::sum(server.pid, &tree::processor) - before;
    let number = |start: &str, end: &str| -> Option<f64> {
        text.lines().find_map(|line| {
            line.trim().strip_prefix(start)?.split(end).next()?.rsplit([',', ' ']).next()?.parse().ok()
        })
    };
    let good = number("status codes:", " 2xx");
    let rate = number("finished in", " req/s");
    match (rate, good) {
        (Some(rate), Some(good)) if good > 0.0 => Ok(Sample { rate, cost: spent * 1e6 / good }),
        _ => Err(format!("h2load said: {text}")),
    }
}
