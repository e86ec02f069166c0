//! Handshakes a second, full and resumed: a client that does nothing else, on the load's core.

use crate::gateways::secured_extra;
use crate::mixed;
use crate::servers::{Flavour, Running};
use crate::{ALL, Row, Wanted, least};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 8;

pub(crate) fn name(resumed: bool) -> &'static str {
    if resumed { "TLS 1.3 handshakes, resumed" } else { "TLS 1.3 handshakes, full" }
}

pub(crate) fn row(resumed: bool, wanted: &Wanted, space: &Path, root: &Path, pinion: &Path) -> Result<Row, String> {
    let extra = secured_extra(space)?;
    let running: Vec<Running> = ALL
        .iter()
        .map(|flavour| Running::start_with(*flavour, space, root, pinion, 0, &extra))
        .collect::<Result<_, _>>()?;
    let mut samples: Vec<(Flavour, Vec<f64>)> = ALL.iter().map(|flavour| (*flavour, Vec::new())).collect();
    for _ in 0..wanted.rounds {
        for (server, (_, rates)) in running.iter().zip(&mut samples) {
            rates.push(rate(server.port, resumed, Duration::from_secs(wanted.seconds))?);
        }
    }
    let promises = const { &[least(Flavour::Nginx, 1.0)] };
    Ok(Row { name: name(resumed), unit: "handshakes/s", samples, costs: Vec::new(), promises })
}

fn rate(port: u16, resumed: bool, span: Duration) -> Result<f64, String> {
    let begun = Instant::now();
    let counts: Vec<Result<u64, String>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(move || client(port, resumed, begun + span))).collect();
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| Err("a client died".into()))).collect()
    });
    let total = counts.into_iter().sum::<Result<u64, String>>()?;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// Handshakes until `until`, each with one small request, so that tickets arrive.
fn client(port: u16, resumed: bool, until: Instant) -> Result<u64, String> {
    // The load's core, as wrk has it.
    let mut cores = nix::sched::CpuSet::new();
    let last = std::thread::available_parallelism().map_or(0, |count| count.get() - 1);
    let _ = cores.set(last).and_then(|()| nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cores));
    let kept = Arc::new(mixed::client(resumed));
    let mut count = 0;
    while Instant::now() < until {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let secured = mixed::secured_request(&kept, stream, "/1k.html")?;
        let found = secured.conn.handshake_kind();
        if resumed && count > 0 && found != Some(rustls::HandshakeKind::Resumed) {
            return Err(format!("not resumed: {found:?}"));
        }
        count += 1;
    }
    Ok(count)
}
