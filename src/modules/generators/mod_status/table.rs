//! The page's tables: connections by process, requests by slot.

use super::{Totals, letter};
use crate::server::{SlotState, Snapshot, escape};
use bstr::ByteSlice;
use std::fmt::Write;

/// The legend of the letters.
pub(super) const KEY: &str = "<p>Scoreboard Key:<br />\n\
\"<b><code>_</code></b>\" Waiting for Connection, \n\
\"<b><code>S</code></b>\" Starting up, \n\
\"<b><code>R</code></b>\" Reading Request,<br />\n\
\"<b><code>W</code></b>\" Sending Reply, \n\
\"<b><code>K</code></b>\" Keepalive (read), \n\
\"<b><code>D</code></b>\" DNS Lookup,<br />\n\
\"<b><code>C</code></b>\" Closing connection, \n\
\"<b><code>L</code></b>\" Logging, \n\
\"<b><code>G</code></b>\" Gracefully finishing,<br /> \n\
\"<b><code>I</code></b>\" Idle cleanup of worker, \n\
\"<b><code>.</code></b>\" Open slot with no current process<br />\n\
</p>\n";

/// One row a process, for MPMs whose connections wait outside of slots.
pub(super) fn connections(out: &mut String, snapshot: &Snapshot, sums: &Totals) {
    out.push_str(
        "\n\n<table rules=\"all\" cellpadding=\"1%\">\n<tr><th rowspan=\"2\">Slot</th><th rowspan=\"2\">PID</th>\
         <th rowspan=\"2\">Stopping</th><th colspan=\"2\">Connections</th>\n<th colspan=\"3\">Threads</th>\
         <th colspan=\"4\">Async connections</th></tr>\n<tr><th>total</th><th>accepting</th><th>busy</th>\
         <th>graceful</th><th>idle</th><th>wait-io</th><th>writing</th><th>keep-alive</th><th>closing</th></tr>\n",
    );
    for (at, process) in snapshot.processes.iter().enumerate().filter(|(_, process)| process.pid != 0) {
        let count = |wanted: fn(SlotState) -> bool| process.slots.iter().filter(|slot| wanted(slot.state)).count();
        let busy = count(|state| {
            !matches!(
                state,
                SlotState::Ready | SlotState::Dead | SlotState::Starting | SlotState::IdleKill | SlotState::Graceful
            )
        });
        let old = process.generation != snapshot.generation;
        let _ = writeln!(
            out,
            "<tr><td>{at}</td><td>{}</td><td>{}{}</td><td>{}</td><td>{}</td><td>{busy}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            process.pid,
            if process.quiescing { "yes" } else { "no" },
            if old { " (old gen)" } else { "" },
            process.connections,
            if process.not_accepting { "no" } else { "yes" },
            count(|state| state == SlotState::Graceful),
            count(|state| state == SlotState::Ready),
            process.wait_io,
            process.write_completion,
            process.keep_alive,
            process.lingering_close
        );
    }
    let _ = write!(
        out,
        "<tr><td>Sum</td><td>{}</td><td>{}</td><td>{}</td><td>&nbsp;</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td><td>{}</td></tr>\n</table>",
        sums.processes,
        sums.stopping,
        sums.connections,
        sums.busy,
        sums.graceful,
        sums.idle,
        sums.wait_io,
        sums.writing,
        sums.keep_alive,
        sums.closing
    );
}

/// One row a slot that has served something.
pub(super) fn slots(out: &mut String, snapshot: &Snapshot, now: i64, no_table: bool) {
    if no_table {
        out.push_str("<hr /><h2>Server Details</h2>\n\n");
    } else {
        out.push_str(
            "\n\n<table border=\"0\"><tr><th>Srv</th><th>PID</th><th>Acc</th><th>M</th><th>CPU\n</th><th>SS</th>\
             <th>Req</th><th>Dur</th><th>Conn</th><th>Child</th><th>Slot</th><th>Client</th><th>Protocol</th>\
             <th>VHost</th><th>Request</th></tr>\n\n",
        );
    }
    for (at, process) in snapshot.processes.iter().enumerate() {
        for slot in &process.slots {
            if slot.access_count == 0 && matches!(slot.state, SlotState::Ready | SlotState::Dead) {
                continue;
            }
            let running = slot.start_time > slot.stop_time;
            let taken = if running { 0 } else { (slot.stop_time - slot.start_time).max(0) / 1000 };
            let idle = (now - slot.last_used).max(0) / 1_000_000;
            let cpu = slot.times.iter().sum::<u64>() as f64 / super::TICKS;
            let text = |text: &[u8]| escape::html(&escape::log_item(text)).to_string();
            let generation = slot.generation;
            let pid = if slot.state == SlotState::Dead { "-".to_owned() } else { slot.pid.to_string() };
            let (conn, child, all) = (slot.conn_count, slot.my_access_count, slot.access_count);
            let kilo = slot.conn_bytes as f64 / 1024.0;
            let child_mega = slot.my_bytes_served as f64 / 1_048_576.0;
            let slot_mega = slot.bytes_served as f64 / 1_048_576.0;
            let duration = slot.duration / 1000;
            let (client, protocol, vhost, request) = (
                text(&slot.client64),
                text(slot.protocol.to_lowercase().as_bytes()),
                text(&slot.vhost),
                text(&slot.request),
            );
            if no_table {
                let state = details(slot.state);
                let [user, system, child_user, child_system] =
                    slot.times.map(|ticks| super::g(ticks as f64 / super::TICKS, 6));
                let _ = write!(
                    out,
                    "<b>Server {at}-{generation}</b> ({pid}): {conn}|{child}|{all} [{state}] \
                     u{user} s{system} cu{child_user} cs{child_system}\n {idle} {taken} {duration}({}|{}|{})\n \
                     <i>{client} {{{request}}}</i> <i>({protocol})</i> <b>[{vhost}]</b><br />\n\n",
                    super::bytes(slot.conn_bytes as f64),
                    super::bytes(slot.my_bytes_served as f64),
                    super::bytes(slot.bytes_served as f64)
                );
                continue;
            }
            let mark = letter(slot.state);
            let bold =
                !matches!(slot.state, SlotState::Ready | SlotState::Dead | SlotState::Graceful | SlotState::IdleKill);
            let (open, close) = if bold { ("<b>", "</b>") } else { ("", "") };
            let _ = write!(
                out,
                "<tr><td><b>{at}-{generation}</b></td><td>{pid}</td><td>{conn}/{child}/{all}</td>\
                 <td>{open}{mark}{close}\n</td><td>{cpu:.2}</td><td>{idle}</td><td>{taken}</td><td>{duration}</td>\
                 <td>{kilo:.1}</td><td>{child_mega:.2}</td><td>{slot_mega:.2}\n</td><td>{client}</td><td>{protocol}</td>\
                 <td nowrap>{vhost}</td><td nowrap>{request}</td></tr>\n\n"
            );
        }
    }
    if !no_table {
        out.push_str(LEGEND);
    }
}

fn details(state: SlotState) -> &'static str {
    match state {
        SlotState::Ready => "Ready",
        SlotState::Starting => "Starting",
        SlotState::Reading => "<b>Read</b>",
        SlotState::Writing => "<b>Write</b>",
        SlotState::KeepAlive => "<b>Keepalive</b>",
        SlotState::Logging => "<b>Logging</b>",
        SlotState::Dns => "<b>DNS lookup</b>",
        SlotState::Closing => "<b>Closing</b>",
        SlotState::Dead => "Dead",
        SlotState::Graceful => "Graceful",
        SlotState::IdleKill => "Dying",
    }
}

const LEGEND: &str = "</table>\n <hr /> <table>\n <tr><th>Srv</th><td>Child Server number - generation</td></tr>\n \
<tr><th>PID</th><td>OS process ID</td></tr>\n \
<tr><th>Acc</th><td>Number of accesses this connection / this child / this slot</td></tr>\n \
<tr><th>M</th><td>Mode of operation</td></tr>\n\
<tr><th>CPU</th><td>CPU usage, number of seconds</td></tr>\n\
<tr><th>SS</th><td>Seconds since beginning of most recent request</td></tr>\n \
<tr><th>Req</th><td>Milliseconds required to process most recent request</td></tr>\n \
<tr><th>Dur</th><td>Sum of milliseconds required to process all requests</td></tr>\n \
<tr><th>Conn</th><td>Kilobytes transferred this connection</td></tr>\n \
<tr><th>Child</th><td>Megabytes transferred this child</td></tr>\n \
<tr><th>Slot</th><td>Total megabytes transferred this slot</td></tr>\n </table>\n";
