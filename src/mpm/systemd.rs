//! The service manager: what it is told (sd_notify(3)), and listening sockets that it hands over (sd_listen_fds(3)).
//!
//! It is told of whatever it asks about by NOTIFY_SOCKET, whether mod_systemd is loaded or not: a configuration that was
//! written for `Type=forking` then serves under `Type=notify` as it is.

use super::scoreboard::Scoreboard;
use crate::server::{SlotState, Snapshot};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::AcceptConn;
use nix::time::{ClockId, clock_gettime};
use socket2::Socket;
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Between two reports of what the server does.
const REPORT: Duration = Duration::from_secs(10);

/// See the module text. Without a service manager every call is nothing.
#[derive(Default)]
pub(super) struct Notifier {
    socket: Option<(UnixDatagram, UnixAddr)>,
    /// Twice as often the manager wants to hear of us (WatchdogSec=).
    watchdog: Option<Duration>,
    alive: Option<Instant>,
    reported: Option<Instant>,
}

impl Notifier {
    pub(super) fn from_environment() -> Notifier {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| open(&name));
        let own = |name: &str| std::env::var(name).ok();
        let pid = nix::unistd::getpid().to_string();
        let watchdog = own("WATCHDOG_USEC")
            .filter(|_| socket.is_some() && own("WATCHDOG_PID").is_none_or(|wanted| wanted == pid))
            .and_then(|micros| micros.parse().ok())
            .map(Duration::from_micros);
        Notifier { socket, watchdog, alive: None, reported: None }
    }
    fn send(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is busy or gone is no reason to do anything else.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
    /// It serves.
    pub(super) fn ready(&mut self) {
        self.reported = Some(Instant::now());
        self.send(&format!("READY=1\nSTATUS=Processing requests...\nMAINPID={}", nix::unistd::getpid()));
    }
    /// A restart begins.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading configuration...", now.as_micros()));
    }
    /// The restart came to nothing.
    pub(super) fn unchanged(&mut self) {
        self.reported = Some(Instant::now());
        self.send("READY=1\nSTATUS=Configuration refused, see the error log; the old one stays");
    }
    /// It ends.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Shutting down...");
    }
    /// Once a second: signs of life and, now and then, numbers.
    pub(super) fn tick(&mut self, board: &Scoreboard) {
        if self.socket.is_none() {
            return;
        }
        let now = Instant::now();
        let due = |last: Option<Instant>, every: Duration| last.is_none_or(|last| now.duration_since(last) >= every);
        if self.watchdog.is_some_and(|patience| due(self.alive, patience / 2)) {
            self.alive = Some(now);
            self.send("WATCHDOG=1");
        }
        if board.extended() && due(self.reported, REPORT) {
            self.reported = Some(now);
            self.send(&format!("READY=1\nSTATUS={}", numbers(&board.snapshot(), crate::log::clock::now())));
        }
    }
}

/// A socket to send from, and where to: a path, or a name in the abstract space behind `@`.
fn open(name: &OsStr) -> Option<(UnixDatagram, UnixAddr)> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => UnixAddr::from_abstract_name(rest),
        [b'/', ..] => UnixAddr::from_pathname(name),
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}

/// The line that `systemctl status` shows; times in microseconds.
fn numbers(snapshot: &Snapshot, now: i64) -> String {
    let (mut idle, mut busy, mut accesses, mut bytes) = (0usize, 0usize, 0, 0);
    for slot in snapshot.processes.iter().flat_map(|process| &process.slots) {
        match slot.state {
            SlotState::Dead => {}
            SlotState::Ready => idle += 1,
            _ => busy += 1,
        }
        accesses += slot.access_count;
        bytes += slot.bytes_served;
    }
    let all = (idle + busy).max(1);
    let seconds = (((now - snapshot.restarted) / 1_000_000).max(1)) as f64;
    let rate = (bytes as f64 / seconds) as u64;
    format!(
        "Total requests: {accesses}; Idle/Busy workers {}/{};Requests/sec: {:.3}; Bytes served/sec: {}B/sec",
        idle * 100 / all,
        busy * 100 / all,
        accesses as f64 / seconds,
        size(rate)
    )
}

/// Four places: a number and its unit.
fn size(bytes: u64) -> String {
    let mut rest = bytes as f64;
    for unit in [" ", "K", "M", "G", "T"] {
        if rest < 973.0 {
            return if unit == " " || rest >= 9.95 { format!("{rest:>3.0}{unit}") } else { format!("{rest:.1}{unit}") };
        }
        rest /= 1024.0;
    }
    format!("{rest:>3.0}P")
}

/// A listening socket of the service manager's (`ListenStream=` in a socket unit).
struct Handed {
    socket: TcpListener,
    local: SocketAddr,
}

/// The handed-over socket that stands for a `Listen`: on that very address, or on all addresses where `any` was asked.
/// The manager keeps it open, so it is to be had again after a restart that did without.
pub(super) fn handed_over(wanted: SocketAddr, any: bool) -> Option<(TcpListener, SocketAddr)> {
    static HANDED: OnceLock<Vec<Handed>> = OnceLock::new();
    let handed = HANDED.get_or_init(|| {
        let sockets = crate::sys::socket::handed_over().into_iter().map(Socket::from);
        let listening = sockets.filter(|socket| getsockopt(socket, AcceptConn).unwrap_or(false));
        listening
            .filter_map(|socket| {
                let local = socket.local_addr().ok()?.as_socket()?;
                Some(Handed { socket: socket.into(), local })
            })
            .collect()
    });
    let fits = |handed: &&Handed| {
        let (ip, local) = (wanted.ip().to_canonical(), handed.local.ip().to_canonical());
        handed.local.port() == wanted.port() && (local == ip || any && local.is_unspecified())
    };
    let found = handed.iter().find(fits)?;
    Some((found.socket.try_clone().ok()?, found.local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_four_places() {
        let shown = [0, 1, 972, 973, 10_240, 1_000_000, 123_456_789].map(size);
        assert_eq!(shown, ["  0 ", "  1 ", "972 ", "1.0K", " 10K", "1.0M", "118M"]);
    }

    #[test]
    fn a_report_counts_slots_and_requests() {
        let board = Scoreboard::new(1, 4).unwrap();
        board.process(0).begin(7, 0);
        for slot in 0..3 {
            board.slot(0, slot).begin(7, 0, SlotState::Ready);
        }
        board.slot(0, 3).begin(7, 0, SlotState::Writing);
        board.slot(0, 3).count(4096, 0, 10);
        let mut snapshot = board.snapshot();
        snapshot.restarted = 0;
        let text = numbers(&snapshot, 2_000_000);
        assert_eq!(text, "Total requests: 1; Idle/Busy workers 75/25;Requests/sec: 0.500; Bytes served/sec: 2.0KB/sec");
    }
}
