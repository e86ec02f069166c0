//! The side-by-side benchmark: Apache event, nginx and Pinion on loopback, in alternating rounds.
//!
//! `cargo run --release -p pinion-bench [-- --rounds N --seconds N --only WORD]`. Needs Debian's apache2, nginx, wrk, nghttp2-client and openssl.
//! Prints medians with their spread, ratios, and which of the promises (DESIGN: "Promises of speed and size") hold.
//! Absolute numbers depend on the machine and its neighbours; the ratios are what counts.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod gateways;
mod handshakes;
mod idle;
mod load;
/// The crowd of the test of the same name.
#[allow(dead_code)]
#[path = "../../tests/processes/mixed.rs"]
mod mixed;
mod servers;
mod tree;

use clap::Parser;
use servers::{Extra, Flavour, Running};
use std::path::PathBuf;
use std::time::Duration;

/// Apache event, nginx and Pinion side by side on loopback, in alternating rounds; prints medians, ratios and promises.
#[derive(Parser)]
struct Wanted {
    /// Rounds of each row.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a server is loaded in a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only the rows whose name has this word.
    #[arg(long)]
    only: Option<String>,
}

/// One row's samples, by server.
struct Row {
    name: &'static str,
    unit: &'static str,
    samples: Vec<(Flavour, Vec<f64>)>,
    /// Microseconds of the server's processor time a request, where the row is a load.
    costs: Vec<(Flavour, Vec<f64>)>,
    promises: &'static [Promise],
}

/// Pinion's median against another's, at least or at most so many times.
struct Promise {
    against: Flavour,
    ratio: f64,
    at_least: bool,
}

const fn least(against: Flavour, ratio: f64) -> Promise {
    Promise { against, ratio, at_least: true }
}
const fn most(against: Flavour, ratio: f64) -> Promise {
    Promise { against, ratio, at_least: false }
}

fn main() {
    let wanted = Wanted::parse();
    let outcome = run(&wanted);
    gateways::end();
    if let Err(error) = outcome {
        eprintln!("bench: {error}");
        std::process::exit(1);
    }
}

/// A load on all servers in turn.
struct Load {
    name: &'static str,
    path: &'static str,
    keep_alive: bool,
    connections: u32,
    flavours: &'static [Flavour],
    promises: &'static [Promise],
}

/// The row whose load h2load makes.
pub(crate) const HTTP2: &str = "1 KB, HTTP/2 over TLS, 16 streams at a time";

const ALL: &[Flavour] = &[Flavour::Apache, Flavour::Nginx, Flavour::Pinion];

const LOADS: &[Load] = &[
    Load {
        name: "1 KB, keep-alive",
        path: "/1k.html",
        keep_alive: true,
        connections: 64,
        flavours: ALL,
        promises: &[least(Flavour::Nginx, 1.1), least(Flavour::Apache, 3.0)],
    },
    Load {
        name: "1 KB, a connection each",
        path: "/1k.html",
        keep_alive: false,
        connections: 64,
        flavours: ALL,
        promises: &[least(Flavour::Nginx, 1.0)],
    },
    Load {
        name: "100 KB",
        path: "/100k.bin",
        keep_alive: true,
        connections: 64,
        flavours: ALL,
        promises: &[least(Flavour::Nginx, 1.0)],
    },
    Load {
        name: "10 MB",
        path: "/10m.bin",
        keep_alive: true,
        connections: 16,
        flavours: ALL,
        promises: &[least(Flavour::Nginx, 1.0)],
    },
    Load {
        name: "1 KB, AllowOverride All, no file",
        path: "/1k.html",
        keep_alive: true,
        connections: 64,
        flavours: &[Flavour::ApacheOverride, Flavour::PinionOverride, Flavour::Pinion],
        promises: &[most(Flavour::PinionOverride, 1.03)],
    },
    Load {
        name: "1 KB, a .htaccess at each of five levels",
        path: "/deep/a/b/c/d/1k.html",
        keep_alive: true,
        connections: 64,
        flavours: &[Flavour::ApacheOverride, Flavour::PinionOverride, Flavour::Pinion],
        promises: &[most(Flavour::PinionOverride, 1.05)],
    },
    Load {
        name: "1 KB, a .htaccess of 200 rewrite lines",
        path: "/rules/1k.html",
        keep_alive: true,
        connections: 64,
        flavours: &[Flavour::ApacheRewrite, Flavour::PinionRewrite],
        promises: &[least(Flavour::ApacheRewrite, 3.0)],
    },
    Load {
        name: "1 KB, 7,000 rewrite conditions",
        path: "/1k.html",
        keep_alive: true,
        connections: 64,
        flavours: &[Flavour::ApacheConditions, Flavour::PinionConditions],
        promises: &[least(Flavour::ApacheConditions, 1.0)],
    },
];

fn run(wanted: &Wanted) -> Result<(), String> {
    let space = tempfile::Builder::new().prefix("bench").tempdir().map_err(|error| error.to_string())?;
    let root = servers::content(space.path())?;
    let pinion = pinion()?;
    let chosen = |name: &str| wanted.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let mut rows = Vec::new();
    for load in LOADS.iter().filter(|load| chosen(load.name)) {
        rows.push(throughput(load, wanted, space.path(), &root, &pinion, &Extra::default())?);
    }
    for (load, extra) in gateways::loads(space.path(), &root, &pinion, &chosen)? {
        rows.push(throughput(&load, wanted, space.path(), &root, &pinion, &extra)?);
    }
    for resumed in [false, true] {
        if chosen(handshakes::name(resumed)) {
            rows.push(handshakes::row(resumed, wanted, space.path(), &root, &pinion)?);
        }
    }
    if chosen("crowd") {
        gateways::crowd(space.path(), &root, &pinion)?;
    }
    if chosen("idle") {
        rows.push(memory(space.path(), &root, &pinion)?);
    }
    if chosen("start") {
        rows.push(start_up("start to first answer", 0, wanted, space.path(), &root, &pinion)?);
        rows.push(start_up(
            "10,000 virtual hosts, start to first answer",
            10_000,
            wanted,
            space.path(),
            &root,
            &pinion,
        )?);
    }
    report(&rows);
    Ok(())
}

/// The release binary beside this one.
fn pinion() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name("httpd");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: cargo build --release --bin httpd", path.display()))
    }
}

fn throughput(
    load: &Load,
    wanted: &Wanted,
    space: &std::path::Path,
    root: &std::path::Path,
    pinion: &std::path::Path,
    extra: &Extra,
) -> Result<Row, String> {
    let running: Vec<Running> = load
        .flavours
        .iter()
        .map(|flavour| Running::start_with(*flavour, space, root, pinion, 0, extra))
        .collect::<Result<_, _>>()?;
    let mut samples: Vec<(Flavour, Vec<f64>)> = load.flavours.iter().map(|flavour| (*flavour, Vec::new())).collect();
    let mut costs = samples.clone();
    let made = |server: &Running, span: Duration| match load.name {
        HTTP2 => load::h2load(server, load.path, load.connections, span),
        _ => load::wrk(server, load.path, load.keep_alive, load.connections, span),
    };
    for server in &running {
        made(server, Duration::from_secs(1))?;
    }
    for _ in 0..wanted.rounds {
        for (server, ((_, rates), (_, costs))) in running.iter().zip(samples.iter_mut().zip(&mut costs)) {
            let seconds = Duration::from_secs(wanted.seconds);
            let sample = made(server, seconds)?;
            rates.push(sample.rate);
            costs.push(sample.cost);
        }
    }
    Ok(Row { name: load.name, unit: "req/s", samples, costs, promises: load.promises })
}

/// Idle keep-alive connections, and what the whole process tree grows by.
const IDLE: usize = 8000;

fn memory(space: &std::path::Path, root: &std::path::Path, pinion: &std::path::Path) -> Result<Row, String> {
    let mut samples = Vec::new();
    for flavour in [Flavour::Nginx, Flavour::Pinion] {
        let server = Running::start(flavour, space, root, pinion, 0)?;
        samples.push((flavour, vec![idle::tree_megabytes_with(&server, IDLE)?]));
    }
    Ok(Row {
        name: "8,000 idle connections, process tree",
        unit: "MB (PSS)",
        samples,
        costs: Vec::new(),
        promises: const { &[most(Flavour::Nginx, 1.0)] },
    })
}

fn start_up(
    name: &'static str,
    hosts: usize,
    wanted: &Wanted,
    space: &std::path::Path,
    root: &std::path::Path,
    pinion: &std::path::Path,
) -> Result<Row, String> {
    let mut samples = vec![(Flavour::Apache, Vec::new()), (Flavour::Pinion, Vec::new())];
    for _ in 0..wanted.rounds {
        for (flavour, list) in &mut samples {
            let server = Running::start(*flavour, space, root, pinion, hosts)?;
            list.push(server.started_in.as_secs_f64() * 1000.0);
        }
    }
    Ok(Row { name, unit: "ms", samples, costs: Vec::new(), promises: const { &[most(Flavour::Apache, 1.0)] } })
}

fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of each round's pair: what slows the machine down for a while slows both.
fn ratio(own: &[f64], other: &[f64]) -> f64 {
    median(&own.iter().zip(other).map(|(own, other)| own / other).collect::<Vec<_>>())
}

fn report(rows: &[Row]) {
    for row in rows {
        println!("\n{} ({})", row.name, row.unit);
        for (flavour, list) in &row.samples {
            let low = list.iter().copied().fold(f64::INFINITY, f64::min);
            let high = list.iter().copied().fold(0.0, f64::max);
            println!("  {:<24} {:>10.1}   [{low:.1} .. {high:.1}]", flavour.name(), median(list));
        }
        let of = |wanted: Flavour, all: &[(Flavour, Vec<f64>)]| {
            all.iter().find(|(flavour, _)| *flavour == wanted).map_or_else(Vec::new, |(_, list)| list.clone())
        };
        // The last of a row is what the others are measured against.
        let Some((subject, own)) = row.samples.last() else { continue };
        for (flavour, list) in row.samples.iter().filter(|(flavour, _)| flavour != subject) {
            println!("  Pinion / {:<15} {:>10.2}", flavour.name(), ratio(own, list));
        }
        let cost = of(*subject, &row.costs);
        for (flavour, list) in row.costs.iter().filter(|(flavour, _)| flavour != subject) {
            let (own, other, times) = (median(&cost), median(list), ratio(&cost, list));
            println!("  processor time a request: {own:.1} us, {} {other:.1} us ({times:.2})", flavour.name());
        }
        for promise in row.promises {
            let ratio = ratio(own, &of(promise.against, &row.samples));
            let holds = if promise.at_least { ratio >= promise.ratio } else { ratio <= promise.ratio };
            let word = if promise.at_least { "at least" } else { "at most" };
            let verdict = if holds { "holds" } else { "MISSED" };
            println!("  promise: {word} {:.2} x {}: {verdict} ({ratio:.2})", promise.ratio, promise.against.name());
        }
        if row.name == "start to first answer" {
            println!("  promise: below 50 ms: {}", if median(own) < 50.0 { "holds" } else { "MISSED" });
        }
    }
}
