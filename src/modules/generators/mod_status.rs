//! mod_status: the server's state as a page (`server-status`) and for machines (`?auto`).
//!
//! Hook: `handler`, middle. All numbers come from the MPM's snapshot of the scoreboard. Manual: mod/mod_status.html.

mod number;
mod table;

use crate::config::*;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, StatusPart};
use crate::request::{Body, MethodNumber, Piece, Request};
use crate::server::{self, SlotState, Snapshot};
use bstr::ByteSlice;
use number::{bytes, g, kilobytes};
use std::fmt::Write;

pub static MODULE: Module = Module {
    name: "mod_status.c",
    ident: "status_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.handler(MIDDLE, handle);
    on.post_config(MIDDLE, extend);
}

/// Where the module is loaded, ExtendedStatus is on unless the configuration says otherwise.
fn extend(configuration: &mut Configuration) -> Result<(), String> {
    configuration.process.extended_status.get_or_insert(true);
    Ok(())
}

/// What the query string asks for.
#[derive(Default)]
struct Wanted {
    auto: bool,
    no_table: bool,
}

/// Octets that Apache holds back until it knows whether there are more.
const BUFFERED: usize = 8192;

fn handle(r: &mut Request) -> Answer {
    if r.handler.as_ref().is_none_or(|handler| handler != "server-status" && handler != "application/x-httpd-status") {
        return Answer::Declined;
    }
    r.allowed = MethodNumber::GET.bit();
    if !r.method.is(MethodNumber::GET) {
        return Answer::Declined;
    }
    r.set_content_type("text/html; charset=ISO-8859-1");
    let wanted = options(r);
    let snapshot = server::mpm().map(server::Mpm::snapshot).unwrap_or_default();
    let page = if wanted.auto { auto(r, &snapshot) } else { html(r, &snapshot, wanted.no_table) };
    if page.len() > BUFFERED {
        // It goes out without its length being known first.
        r.body_out = Body::Pieces([Piece::Flush, Piece::Bytes(page.into_bytes().into())].into());
    } else {
        r.respond(page.into_bytes());
    }
    Answer::Ok
}

fn options(r: &mut Request) -> Wanted {
    let args = r.args.clone().unwrap_or_default();
    if let Some(at) = args.find("refresh") {
        let digits = args.get(at + 7..).unwrap_or_default().strip_prefix(b"=").unwrap_or_default();
        let digits = digits.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
        let seconds = digits.to_str().ok().and_then(|digits| digits.parse::<i64>().ok()).filter(|seconds| *seconds > 0);
        r.headers_out.set("Refresh", seconds.unwrap_or(10).to_string());
    }
    let wanted = Wanted { auto: args.contains_str("auto"), no_table: args.contains_str("notable") };
    if wanted.auto {
        r.set_content_type("text/plain; charset=ISO-8859-1");
    }
    wanted
}

/// Sums over all slots.
#[derive(Default)]
struct Totals {
    accesses: u64,
    bytes: u64,
    /// Microseconds.
    duration: u64,
    /// Seconds: user, system, of children user, system.
    cpu: [f64; 4],
    busy: u32,
    graceful: u32,
    idle: u32,
    processes: u32,
    stopping: u32,
    connections: u32,
    wait_io: u32,
    writing: u32,
    keep_alive: u32,
    closing: u32,
}

/// Scheduler ticks a second, as times(2) counts.
const TICKS: f64 = 100.0;

fn totals(snapshot: &Snapshot) -> Totals {
    let mut sums = Totals::default();
    for process in snapshot.processes.iter().filter(|process| process.pid != 0) {
        sums.processes += 1;
        sums.stopping += u32::from(process.quiescing);
        sums.connections += process.connections;
        sums.wait_io += process.wait_io;
        sums.writing += process.write_completion;
        sums.keep_alive += process.keep_alive;
        sums.closing += process.lingering_close;
    }
    for process in &snapshot.processes {
        for slot in &process.slots {
            match slot.state {
                SlotState::Ready if !process.quiescing && process.generation == snapshot.generation => sums.idle += 1,
                SlotState::Graceful => sums.graceful += 1,
                SlotState::Ready | SlotState::Dead | SlotState::Starting | SlotState::IdleKill => {}
                _ => sums.busy += 1,
            }
            sums.accesses += slot.access_count;
            sums.bytes += slot.bytes_served;
            sums.duration += slot.duration;
            for (sum, ticks) in sums.cpu.iter_mut().zip(slot.times) {
                *sum += ticks as f64 / TICKS;
            }
        }
    }
    // Whole kilobytes and milliseconds are what every figure is made of.
    sums.bytes -= sums.bytes % 1024;
    sums.duration -= sums.duration % 1000;
    sums
}

/// A slot's letter.
pub(super) fn letter(state: SlotState) -> char {
    match state {
        SlotState::Dead => '.',
        SlotState::Starting => 'S',
        SlotState::Ready => '_',
        SlotState::Reading => 'R',
        SlotState::Writing => 'W',
        SlotState::KeepAlive => 'K',
        SlotState::Logging => 'L',
        SlotState::Dns => 'D',
        SlotState::Closing => 'C',
        SlotState::Graceful => 'G',
        SlotState::IdleKill => 'I',
    }
}

fn letters(snapshot: &Snapshot) -> impl Iterator<Item = char> + '_ {
    let threads = snapshot.threads as usize;
    let all = snapshot.processes.iter().flat_map(move |process| (0..threads).map(move |at| process.slots.get(at)));
    all.map(|slot| slot.map_or('.', |slot| letter(slot.state)))
}

/// `Monday, 23-Nov-2026 04:20:52 UTC`.
fn date(micros: i64) -> String {
    let stamp = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%A, %d-%b-%Y %H:%M:%S %Z").to_string()
}

fn uptime(seconds: i64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut out = String::new();
    for (count, unit) in [(days, "day"), (rest / 3600, "hour"), (rest / 60 % 60, "minute"), (rest % 60, "second")] {
        if count > 0 {
            let _ = write!(out, " {count} {unit}{}", if count == 1 { "" } else { "s" });
        }
    }
    out
}

fn mpm_name() -> &'static str {
    match server::mpm().map(server::Mpm::kind) {
        Some(MpmKind::Prefork) => "prefork",
        Some(MpmKind::Worker) => "worker",
        _ => "event",
    }
}

fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(0.0));
    [(); 3].map(|()| words.next().unwrap_or(0.0))
}

fn auto(r: &Request, snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(2048);
    let sums = totals(snapshot);
    let up = ((r.time - snapshot.started) / 1_000_000).max(0);
    let [load1, load5, load15] = load();
    let _ = write!(
        out,
        "{}\nServerVersion: {}\nServerMPM: {}\nServer Built: {}\nCurrentTime: {}\nRestartTime: {}\n\
         ParentServerConfigGeneration: {}\nParentServerMPMGeneration: {}\nServerUptimeSeconds: {up}\n\
         ServerUptime:{}\nLoad1: {load1:.2}\nLoad5: {load5:.2}\nLoad15: {load15:.2}\n",
        server::server_name(r),
        identity::description(),
        mpm_name(),
        identity::built(),
        date(r.time),
        date(snapshot.restarted),
        snapshot.config_generation,
        snapshot.generation,
        uptime(up)
    );
    if snapshot.extended {
        let kilobytes = sums.bytes / 1024;
        let _ = write!(
            out,
            "Total Accesses: {}\nTotal kBytes: {kilobytes}\nTotal Duration: {}\n",
            sums.accesses,
            sums.duration / 1000
        );
        let names = ["CPUUser", "CPUSystem", "CPUChildrenUser", "CPUChildrenSystem"];
        for (name, seconds) in names.iter().zip(sums.cpu) {
            let _ = writeln!(out, "{name}: {}", g(seconds, 6));
        }
        let cpu: f64 = sums.cpu.iter().sum();
        if cpu > 0.0 && up > 0 {
            let _ = writeln!(out, "CPULoad: {}", g(cpu / up as f64 * 100.0, 6));
        }
        let _ = writeln!(out, "Uptime: {up}");
        if up > 0 {
            let (accesses, bytes) = (sums.accesses as f64 / up as f64, sums.bytes as f64 / up as f64);
            let _ = writeln!(out, "ReqPerSec: {}\nBytesPerSec: {}", g(accesses, 6), g(bytes, 6));
        }
        if sums.accesses > 0 {
            let each = sums.bytes as f64 / sums.accesses as f64;
            let duration = sums.duration as f64 / 1000.0 / sums.accesses as f64;
            let _ = writeln!(out, "BytesPerReq: {}\nDurationPerReq: {}", g(each, 6), g(duration, 6));
        }
    }
    let _ = writeln!(out, "BusyWorkers: {}\nGracefulWorkers: {}\nIdleWorkers: {}", sums.busy, sums.graceful, sums.idle);
    if snapshot.async_mpm {
        let _ = writeln!(
            out,
            "Processes: {}\nStopping: {}\nConnsTotal: {}\nConnsAsyncWaitIO: {}\nConnsAsyncWriting: {}\n\
             ConnsAsyncKeepAlive: {}\nConnsAsyncClosing: {}",
            sums.processes, sums.stopping, sums.connections, sums.wait_io, sums.writing, sums.keep_alive, sums.closing
        );
    }
    out.push_str("Scoreboard: ");
    out.extend(letters(snapshot));
    out.push('\n');
    parts(r, &mut out, true);
    out
}

/// What other modules show.
fn parts(r: &Request, out: &mut String, auto: bool) {
    let providers = &r.configuration.providers;
    for part in providers.names::<dyn StatusPart>().filter_map(|name| providers.find::<dyn StatusPart>(name.as_bytes()))
    {
        part.append(r, out, auto);
    }
}

fn html(r: &Request, snapshot: &Snapshot, no_table: bool) -> String {
    let mut out = String::with_capacity(8192);
    let sums = totals(snapshot);
    let up = ((r.time - snapshot.started) / 1_000_000).max(0);
    let name = server::escape::html(&server::server_name(r));
    let [load1, load5, load15] = load();
    let _ = write!(
        out,
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n\
         <title>Apache Status</title>\n</head><body>\n<h1>Apache Server Status for {name} (via {})</h1>\n\n\
         <dl><dt>Server Version: {}</dt>\n<dt>Server MPM: {}</dt>\n<dt>Server Built: {}\n</dt></dl><hr /><dl>\n\
         <dt>Current Time: {}</dt>\n<dt>Restart Time: {}</dt>\n<dt>Parent Server Config. Generation: {}</dt>\n\
         <dt>Parent Server MPM Generation: {}</dt>\n<dt>Server uptime: {}</dt>\n\
         <dt>Server load: {load1:.2} {load5:.2} {load15:.2}</dt>\n",
        r.connection.local_ip,
        identity::description(),
        mpm_name(),
        identity::built(),
        date(r.time),
        date(snapshot.restarted),
        snapshot.config_generation,
        snapshot.generation,
        uptime(up)
    );
    if snapshot.extended {
        summary(&mut out, &sums, up);
    }
    let _ = write!(
        out,
        "<dt>{} requests currently being processed, {} workers gracefully restarting, {} idle workers</dt>\n</dl>",
        sums.busy, sums.graceful, sums.idle
    );
    if snapshot.async_mpm {
        table::connections(&mut out, snapshot, &sums);
    }
    out.push_str("\n<pre>");
    for (at, letter) in letters(snapshot).enumerate() {
        if at > 0 && at % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out.push_str("</pre>\n");
    out.push_str(table::KEY);
    if snapshot.extended {
        table::slots(&mut out, snapshot, r.time, no_table);
    } else {
        pids(&mut out, snapshot);
        out.push_str(
            "<hr />To obtain a full report with current status information you need to use the \
             <code>ExtendedStatus On</code> directive.\n",
        );
    }
    parts(r, &mut out, false);
    out.push_str(&server::error_page::signature("<hr />\n", r).to_str_lossy());
    out.push_str("</body></html>\n");
    out
}

/// Which process each slot belongs to, three to a line.
fn pids(out: &mut String, snapshot: &Snapshot) {
    out.push_str("PID Key: <br />\n<pre>\n");
    let threads = snapshot.threads as usize;
    let running = snapshot.processes.iter().filter(|process| process.pid != 0);
    let slots =
        running.flat_map(|process| process.slots.iter().take(threads).map(move |slot| (process.pid, slot.state)));
    for (at, (pid, state)) in slots.filter(|(_, state)| *state != SlotState::Dead).enumerate() {
        let _ = write!(out, "   {pid} in state: {} {}", letter(state), if at % 3 == 2 { "\n" } else { "," });
    }
    out.push_str("\n</pre>\n");
}

fn summary(out: &mut String, sums: &Totals, up: i64) {
    let [user, system, child_user, child_system] = sums.cpu.map(|seconds| g(seconds, 6));
    let _ = write!(
        out,
        "<dt>Total accesses: {} - Total Traffic: {} - Total Duration: {}</dt>\n\
         <dt>CPU Usage: u{user} s{system} cu{child_user} cs{child_system}",
        sums.accesses,
        kilobytes(sums.bytes / 1024),
        sums.duration / 1000
    );
    let cpu: f64 = sums.cpu.iter().sum();
    if cpu > 0.0 && up > 0 {
        let _ = write!(out, " - {}% CPU load", g(cpu / up as f64 * 100.0, 3));
    }
    out.push_str("</dt>\n<dt>");
    if up > 0 {
        let rate = g(sums.accesses as f64 / up as f64, 3);
        let _ = write!(out, "{rate} requests/sec - {}/second", bytes(sums.bytes as f64 / up as f64));
        if sums.accesses > 0 {
            out.push_str(" - ");
        }
    }
    if sums.accesses > 0 {
        let each = bytes(sums.bytes as f64 / sums.accesses as f64);
        let duration = g(sums.duration as f64 / 1000.0 / sums.accesses as f64, 6);
        let _ = write!(out, "{each}/request - {duration} ms/request");
    }
    out.push_str("</dt>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_in_words() {
        assert_eq!(uptime(1), " 1 second");
        assert_eq!(uptime(90_061), " 1 day 1 hour 1 minute 1 second");
        assert_eq!(uptime(7200), " 2 hours");
        assert_eq!(uptime(0), "");
    }
}
