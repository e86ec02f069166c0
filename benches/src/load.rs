//! The load generator: wrk, one thread, so that the servers keep a core.

use std::process::Command;
use std::time::Duration;

/// Requests a second on `path`.
pub(crate) fn wrk(port: u16, path: &str, keep_alive: bool, connections: u32, span: Duration) -> Result<f64, String> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{}s", span.as_secs())]);
    if !keep_alive {
        command.args(["-H", "Connection: close"]);
    }
    let output =
        command.arg(format!("http://127.0.0.1:{port}{path}")).output().map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") {
        return Err(format!("wrk met errors on {path}: {text}"));
    }
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).ok_or_else(|| format!("wrk said: {text}"))
}
