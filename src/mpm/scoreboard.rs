//! The scoreboard: what each child and each of its slots is doing, in memory that parent and children share.
//!
//! Words of 64 bits, each an atomic, in three tables: one global record, one row per process, one row per slot. Nothing
//! is locked. Text of a slot (client, request line, virtual host) is guarded by a version that is odd while the owner
//! writes; a reader that meets a change tries again.
//!
//! Children may write here, so the parent never acts on a process id or an index found here: it keeps its own table.
//!
//! There are twice as many process rows as ServerLimit says: children of older generations that still finish their
//! requests must not keep a row from the running generation.

use super::limits::Limits;
use crate::config::MpmKind;
use crate::request::Request;
use crate::server::{ProcessRow, SlotRow, SlotState, Snapshot, Waiting};
use crate::sys::shared;
use bstr::{BStr, BString};
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, fence};

/// Words of the three kinds of record.
const GLOBAL: usize = 16;
const PROCESS: usize = 16;
const SLOT: usize = 48;

mod global {
    pub(super) const GENERATION: usize = 0;
    pub(super) const STARTED: usize = 1;
    pub(super) const RESTARTED: usize = 2;
    pub(super) const CONFIG_GENERATION: usize = 3;
    pub(super) const EXTENDED: usize = 4;
    pub(super) const THREADS: usize = 5;
    pub(super) const ASYNC: usize = 6;
    pub(super) const STOPPING: usize = 7;
    pub(super) const MAX_CHILDREN: usize = 8;
    pub(super) const TAILS: usize = 9;
}

mod process {
    pub(super) const PID: usize = 0;
    pub(super) const GENERATION: usize = 1;
    pub(super) const QUIESCING: usize = 2;
    pub(super) const NOT_ACCEPTING: usize = 3;
    pub(super) const CONNECTIONS: usize = 4;
    pub(super) const WRITING: usize = 5;
    pub(super) const WAIT_IO: usize = 6;
    pub(super) const CLOSING: usize = 7;
    pub(super) const KEEP_ALIVE: usize = 8;
    pub(super) const QUEUED: usize = 9;
    pub(super) const TIMES: usize = 10;
}

mod slot {
    use std::ops::Range;
    pub(super) const STATE: usize = 0;
    pub(super) const PID: usize = 1;
    pub(super) const GENERATION: usize = 2;
    pub(super) const ACCESS: usize = 3;
    pub(super) const BYTES: usize = 4;
    pub(super) const MY_ACCESS: usize = 5;
    pub(super) const MY_BYTES: usize = 6;
    pub(super) const CONN_BYTES: usize = 7;
    pub(super) const CONN_COUNT: usize = 8;
    pub(super) const START: usize = 9;
    pub(super) const STOP: usize = 10;
    pub(super) const LAST_USED: usize = 11;
    pub(super) const DURATION: usize = 12;
    pub(super) const VERSION: usize = 13;
    pub(super) const CLIENT: Range<usize> = 14..18;
    pub(super) const CLIENT64: Range<usize> = 18..26;
    pub(super) const REQUEST: Range<usize> = 26..34;
    pub(super) const VHOST: Range<usize> = 34..38;
    pub(super) const PROTOCOL: Range<usize> = 38..40;
}

/// See the module text.
#[derive(Clone, Copy)]
pub struct Scoreboard {
    global: &'static [AtomicU64; GLOBAL],
    processes: &'static [[AtomicU64; PROCESS]],
    slots: &'static [[AtomicU64; SLOT]],
    /// Slots of a process row.
    per_process: usize,
}

impl Scoreboard {
    /// Room for twice `server_limit` processes of `thread_limit` slots.
    pub fn new(server_limit: u32, thread_limit: u32) -> io::Result<Scoreboard> {
        let too_large = || io::Error::from_raw_os_error(libc::ENOMEM);
        let rows = (server_limit as usize).checked_mul(2).ok_or_else(too_large)?;
        let slots = rows.checked_mul(thread_limit as usize).ok_or_else(too_large)?;
        let words = slots
            .checked_mul(SLOT)
            .and_then(|words| words.checked_add(rows * PROCESS + GLOBAL))
            .ok_or_else(too_large)?;
        let words = shared::words(words)?;
        let (global, rest) = words.split_first_chunk::<GLOBAL>().ok_or_else(too_large)?;
        let (processes, rest) = rest.split_at_checked(rows * PROCESS).ok_or_else(too_large)?;
        let board = Scoreboard {
            global,
            processes: processes.as_chunks().0,
            slots: rest.as_chunks().0,
            per_process: thread_limit as usize,
        };
        board.global[global::STARTED].store(crate::log::clock::now() as u64, Relaxed);
        Ok(board)
    }

    /// Process rows there are.
    pub fn rows(&self) -> usize {
        self.processes.len()
    }

    /// Says what holds for the generation that starts now.
    pub fn begin_generation(&self, generation: u32, limits: &Limits, extended: bool, tails: bool) {
        let (threads, is_async) = (limits.threads, limits.kind == MpmKind::Event);
        self.global[global::GENERATION].store(generation.into(), Relaxed);
        self.global[global::TAILS].store(tails.into(), Relaxed);
        self.global[global::MAX_CHILDREN].store(limits.max_children.into(), Relaxed);
        self.global[global::CONFIG_GENERATION].fetch_add(1, Relaxed);
        self.global[global::THREADS].store(threads.into(), Relaxed);
        self.global[global::EXTENDED].store(extended.into(), Relaxed);
        self.global[global::ASYNC].store(is_async.into(), Relaxed);
        self.global[global::RESTARTED].store(crate::log::clock::now() as u64, Relaxed);
    }

    /// Forgets all counts: a restart that is not graceful starts from zero.
    pub fn forget(&self) {
        for word in self.slots.as_flattened().iter().chain(self.processes.as_flattened()) {
            // Reading first keeps untouched pages untouched.
            if word.load(Relaxed) != 0 {
                word.store(0, Relaxed);
            }
        }
    }

    /// The whole server ends: nobody takes connections over any more.
    pub fn stop(&self) {
        self.global[global::STOPPING].store(1, SeqCst);
    }
    pub fn stopping(&self) -> bool {
        self.global[global::STOPPING].load(Relaxed) != 0
    }

    /// SeeRequestTail.
    pub fn tails(&self) -> bool {
        self.global[global::TAILS].load(Relaxed) != 0
    }

    pub fn extended(&self) -> bool {
        self.global[global::EXTENDED].load(Relaxed) != 0
    }

    /// The row of a process; the row must exist.
    pub fn process(&self, row: usize) -> ProcessShare {
        ProcessShare(&self.processes[row])
    }

    /// A slot of a process.
    pub fn slot(&self, row: usize, slot: usize) -> SlotShare {
        SlotShare(&self.slots[row * self.per_process + slot.min(self.per_process - 1)])
    }

    fn slots_of(&self, row: usize) -> &'static [[AtomicU64; SLOT]] {
        self.slots.get(row * self.per_process..(row + 1) * self.per_process).unwrap_or_default()
    }

    /// Marks a row as dead, with all its slots. Counts stay for the next owner.
    pub fn clear_process(&self, row: usize) {
        if let Some(words) = self.processes.get(row) {
            words.iter().for_each(|word| word.store(0, Relaxed));
        }
        for words in self.slots_of(row) {
            if words[slot::STATE].load(Relaxed) != SlotState::Dead as u64 {
                words[slot::STATE].store(SlotState::Dead as u64, Relaxed);
            }
        }
    }

    /// Idle, busy slots of a row, by what they show.
    pub fn tally(&self, row: usize) -> Tally {
        let mut tally = Tally::default();
        for words in self.slots_of(row) {
            match state_of(words[slot::STATE].load(Relaxed)) {
                SlotState::Dead => {}
                SlotState::Ready | SlotState::Starting => tally.idle += 1,
                _ => tally.busy += 1,
            }
        }
        tally
    }

    /// The picture in plain data.
    pub fn snapshot(&self) -> Snapshot {
        let read = |word: usize| self.global[word].load(Relaxed);
        let used = |row: &usize| self.processes[*row][process::PID].load(Relaxed) != 0;
        let shown = (0..self.rows()).rev().find(used).map_or(0, |last| last + 1);
        let shown = shown.max(read(global::MAX_CHILDREN) as usize).min(self.rows());
        Snapshot {
            extended: self.extended(),
            generation: read(global::GENERATION) as u32,
            config_generation: read(global::CONFIG_GENERATION) as u32,
            started: read(global::STARTED) as i64,
            restarted: read(global::RESTARTED) as i64,
            threads: read(global::THREADS) as u32,
            async_mpm: read(global::ASYNC) != 0,
            processes: (0..shown).map(|row| self.process_row(row)).collect(),
        }
    }

    fn process_row(&self, row: usize) -> ProcessRow {
        let read = |word: usize| self.processes[row][word].load(Relaxed);
        let times =
            [read(process::TIMES), read(process::TIMES + 1), read(process::TIMES + 2), read(process::TIMES + 3)];
        ProcessRow {
            pid: read(process::PID) as i32,
            generation: read(process::GENERATION) as u32,
            quiescing: read(process::QUIESCING) != 0,
            not_accepting: read(process::NOT_ACCEPTING) != 0,
            connections: read(process::CONNECTIONS) as u32,
            write_completion: read(process::WRITING) as u32,
            wait_io: read(process::WAIT_IO) as u32,
            lingering_close: read(process::CLOSING) as u32,
            keep_alive: read(process::KEEP_ALIVE) as u32,
            suspended: 0,
            slots: self.slots_of(row).iter().map(|words| SlotShare(words).row(times)).collect(),
        }
    }
}

/// Slots of a process by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub idle: u32,
    pub busy: u32,
}

/// The shared record of one process.
#[derive(Clone, Copy)]
pub struct ProcessShare(&'static [AtomicU64; PROCESS]);

impl ProcessShare {
    pub fn begin(&self, pid: i32, generation: u32) {
        self.0[process::GENERATION].store(generation.into(), Relaxed);
        self.0[process::PID].store(pid as u64, Release);
    }
    pub fn quiesce(&self) {
        self.0[process::QUIESCING].store(1, Relaxed);
    }
    pub fn not_accepting(&self, on: bool) {
        self.0[process::NOT_ACCEPTING].store(on.into(), Relaxed);
    }
    pub fn connections(&self) -> u64 {
        self.0[process::CONNECTIONS].load(Relaxed)
    }
    pub fn connected(&self) {
        self.0[process::CONNECTIONS].fetch_add(1, Relaxed);
    }
    pub fn disconnected(&self) {
        self.0[process::CONNECTIONS].fetch_sub(1, Relaxed);
    }
    /// Work that waits for the loop or for a slot; the parent counts it as busy.
    pub fn queued(&self) -> u64 {
        self.0[process::QUEUED].load(Relaxed)
    }
    pub fn set_queued(&self, tasks: u64) {
        // A store only when it changes: the line is shared with the parent.
        if self.queued() != tasks {
            self.0[process::QUEUED].store(tasks, Relaxed);
        }
    }
    /// CPU ticks of the process: user, system, its children's user and system.
    pub fn times(&self, ticks: [u64; 4]) {
        for (word, ticks) in self.0[process::TIMES..].iter().zip(ticks) {
            word.store(ticks, Relaxed);
        }
    }
    pub fn waiting(&self, from: Waiting, to: Waiting) {
        let word = |waiting| match waiting {
            Waiting::None => None,
            Waiting::KeepAlive => Some(process::KEEP_ALIVE),
            Waiting::Writing => Some(process::WRITING),
            Waiting::WaitIo => Some(process::WAIT_IO),
            Waiting::Closing => Some(process::CLOSING),
        };
        if let Some(word) = word(from) {
            self.0[word].fetch_sub(1, Relaxed);
        }
        if let Some(word) = word(to) {
            self.0[word].fetch_add(1, Relaxed);
        }
    }
}

/// The shared record of one slot. Only the slot's owner writes.
#[derive(Clone, Copy)]
pub struct SlotShare(&'static [AtomicU64; SLOT]);

fn state_of(word: u64) -> SlotState {
    const STATES: [SlotState; 11] = [
        SlotState::Dead,
        SlotState::Starting,
        SlotState::Ready,
        SlotState::Reading,
        SlotState::Writing,
        SlotState::KeepAlive,
        SlotState::Logging,
        SlotState::Dns,
        SlotState::Closing,
        SlotState::Graceful,
        SlotState::IdleKill,
    ];
    usize::try_from(word).ok().and_then(|index| STATES.get(index).copied()).unwrap_or_default()
}

impl SlotShare {
    /// A new child takes the slot over.
    pub fn begin(&self, pid: i32, generation: u32, state: SlotState) {
        for word in [slot::MY_ACCESS, slot::MY_BYTES, slot::CONN_BYTES, slot::CONN_COUNT] {
            self.0[word].store(0, Relaxed);
        }
        self.0[slot::PID].store(pid as u64, Relaxed);
        self.0[slot::GENERATION].store(generation.into(), Relaxed);
        self.state(state);
    }
    pub fn state(&self, state: SlotState) {
        self.0[slot::STATE].store(state as u64, Relaxed);
    }
    /// A connection's first request in this slot: its counts start from zero.
    pub fn new_connection(&self) {
        self.0[slot::CONN_BYTES].store(0, Relaxed);
        self.0[slot::CONN_COUNT].store(0, Relaxed);
    }
    /// Copies the facts of the request that mod_status shows; of a long request line the end if `tail`.
    pub fn describe(&self, r: &Request, tail: bool) {
        let version = self.0[slot::VERSION].load(Relaxed);
        self.0[slot::VERSION].store(version.wrapping_add(1), Relaxed);
        fence(Release);
        self.text(slot::CLIENT, &r.useragent_ip);
        self.text(slot::CLIENT64, &r.useragent_ip);
        let line = r.the_request.as_slice();
        let cut = if tail { line.len().saturating_sub(slot::REQUEST.len() * 8 - 1) } else { 0 };
        self.text(slot::REQUEST, line.get(cut..).unwrap_or_default());
        match r.protocol.as_slice() {
            b"HTTP/1.1" => self.text(slot::PROTOCOL, b"http/1.1"),
            other => self.text(slot::PROTOCOL, &other.to_ascii_lowercase()),
        }
        self.vhost(r);
        self.0[slot::START].store(r.time as u64, Relaxed);
        self.0[slot::VERSION].store(version.wrapping_add(2), Release);
    }
    fn vhost(&self, r: &Request) {
        let mut buffer = [0u8; 32];
        let mut length = 0;
        let mut push = |bytes: &[u8]| {
            for (place, byte) in buffer.iter_mut().skip(length).zip(bytes) {
                *place = *byte;
                length += 1;
            }
        };
        push(r.server.name.as_ref().map_or(b"".as_slice(), |name| name.as_slice()));
        push(b":");
        let port = if r.server.port != 0 { r.server.port } else { r.connection.local.port() };
        push(itoa::Buffer::new().format(port).as_bytes());
        self.text(slot::VHOST, buffer.get(..length).unwrap_or_default());
    }
    /// Stores text cut to the field's room, keeping a zero at its end.
    fn text(&self, field: Range<usize>, text: &[u8]) {
        let words = &self.0[field];
        let room = words.len() * 8 - 1;
        let text = text.get(..room).unwrap_or(text);
        let (chunks, rest) = text.as_chunks::<8>();
        let mut last = [0u8; 8];
        last[..rest.len()].copy_from_slice(rest);
        let values = chunks.iter().copied().chain([last]);
        for (word, value) in words.iter().zip(values) {
            word.store(u64::from_ne_bytes(value), Relaxed);
        }
    }
    /// Counts a finished request: octets sent and microseconds taken.
    pub fn count(&self, bytes: u64, started: i64, now: i64) {
        // One writer: a plain read and write is enough.
        let add = |word: usize, by: u64| self.0[word].store(self.0[word].load(Relaxed).wrapping_add(by), Relaxed);
        for word in [slot::ACCESS, slot::MY_ACCESS, slot::CONN_COUNT] {
            add(word, 1);
        }
        for word in [slot::BYTES, slot::MY_BYTES, slot::CONN_BYTES] {
            add(word, bytes);
        }
        self.0[slot::STOP].store(now as u64, Relaxed);
        self.0[slot::LAST_USED].store(now as u64, Relaxed);
        add(slot::DURATION, u64::try_from(now - started).unwrap_or(0));
    }
    fn row(&self, times: [u64; 4]) -> SlotRow {
        let read = |word: usize| self.0[word].load(Relaxed);
        let mut row = SlotRow {
            state: state_of(read(slot::STATE)),
            pid: read(slot::PID) as i32,
            generation: read(slot::GENERATION) as u32,
            access_count: read(slot::ACCESS),
            bytes_served: read(slot::BYTES),
            my_access_count: read(slot::MY_ACCESS),
            my_bytes_served: read(slot::MY_BYTES),
            conn_bytes: read(slot::CONN_BYTES),
            conn_count: read(slot::CONN_COUNT) as u32,
            start_time: read(slot::START) as i64,
            stop_time: read(slot::STOP) as i64,
            last_used: read(slot::LAST_USED) as i64,
            duration: read(slot::DURATION),
            times,
            ..SlotRow::default()
        };
        if read(slot::VERSION) == 0 {
            return row;
        }
        // Texts may change under our eyes; a slot that never holds still shows what was read last.
        for _ in 0..64 {
            let before = self.0[slot::VERSION].load(Acquire);
            row.client = self.read_text(slot::CLIENT);
            row.client64 = self.read_text(slot::CLIENT64);
            row.request = self.read_text(slot::REQUEST);
            row.vhost = self.read_text(slot::VHOST);
            row.protocol = self.read_text(slot::PROTOCOL);
            fence(Acquire);
            if before.is_multiple_of(2) && self.0[slot::VERSION].load(SeqCst) == before {
                break;
            }
            std::hint::spin_loop();
        }
        row
    }
    fn read_text(&self, field: Range<usize>) -> BString {
        let bytes: Vec<u8> = self.0[field].iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        BStr::new(&bytes[..end]).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MpmNumbers;

    #[test]
    fn rows_are_counted_and_cleared_and_counts_survive() {
        let board = Scoreboard::new(2, 3).unwrap();
        assert_eq!(board.rows(), 4);
        board.process(1).begin(77, 5);
        for slot in 0..3 {
            board.slot(1, slot).begin(77, 5, SlotState::Ready);
        }
        board.slot(1, 2).state(SlotState::Writing);
        board.slot(1, 2).count(10, 100, 150);
        assert_eq!(board.tally(1), Tally { idle: 2, busy: 1 });
        assert_eq!(board.tally(0), Tally::default());
        board.clear_process(1);
        assert_eq!(board.tally(1), Tally::default());
        let picture = board.snapshot();
        assert_eq!(picture.processes.len(), 0);
        let numbers = MpmNumbers { max_request_workers: Some(6), threads_per_child: Some(3), ..MpmNumbers::default() };
        let (limits, _) = super::super::settle(MpmKind::Event, &numbers, None);
        board.begin_generation(0, &limits, true, false);
        let picture = board.snapshot();
        assert_eq!(picture.processes.len(), 2);
        let slot = &picture.processes[1].slots[2];
        assert_eq!((slot.access_count, slot.bytes_served, slot.duration), (1, 10, 50));
        board.forget();
        assert_eq!(board.snapshot().processes[1].slots[2].access_count, 0);
    }

    #[test]
    fn text_is_cut_and_shorter_text_leaves_no_rest() {
        let board = Scoreboard::new(1, 1).unwrap();
        let slot = board.slot(0, 0);
        slot.text(slot::REQUEST, &[b'x'; 100]);
        assert_eq!(slot.read_text(slot::REQUEST), vec![b'x'; 63]);
        slot.text(slot::REQUEST, b"GET /1234");
        assert_eq!(slot.read_text(slot::REQUEST), "GET /1234");
        slot.text(slot::REQUEST, b"12345678");
        assert_eq!(slot.read_text(slot::REQUEST), "12345678");
    }

    #[test]
    fn waiting_moves_between_columns() {
        let board = Scoreboard::new(1, 1).unwrap();
        let process = board.process(0);
        process.begin(1, 1);
        process.waiting(Waiting::None, Waiting::KeepAlive);
        process.waiting(Waiting::KeepAlive, Waiting::Closing);
        let row = &board.snapshot().processes[0];
        assert_eq!((row.keep_alive, row.lingering_close), (0, 1));
    }
}
