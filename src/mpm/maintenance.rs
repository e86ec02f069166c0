//! Once a second the parent looks how many slots idle, and starts or ends children (MinSpare*, MaxSpare*,
//! MaxRequestWorkers). While there are too few, twice as many are started each second.

use super::limits::MAX_SPAWN_RATE;
use super::supervisor::Supervisor;
use crate::config::MpmKind;
use crate::log::Level;
use std::time::{Duration, Instant};

/// Seconds after a start during which the rate does not double.
const HOLD_OFF: u32 = 10;

/// How fast children are started, and what was said once.
#[derive(Debug)]
pub(super) struct Spawning {
    rate: u32,
    hold_off: u32,
    /// No start before that: forks failed or children were sick.
    not_before: Option<Instant>,
    /// Children replaced outside of the tick, in the second that began then.
    replaced: (Instant, u32),
    said_full: bool,
    said_near: bool,
    said_board: bool,
}

impl Default for Spawning {
    fn default() -> Spawning {
        Spawning {
            rate: 1,
            hold_off: 0,
            not_before: None,
            replaced: (Instant::now(), 0),
            said_full: false,
            said_near: false,
            said_board: false,
        }
    }
}

impl Spawning {
    /// A generation begins.
    pub(super) fn hold_off(&mut self) {
        self.hold_off = HOLD_OFF;
        self.rate = 1;
    }
    /// Something is wrong with the machine: wait.
    pub(super) fn back_off(&mut self) {
        self.rate = 1;
        self.not_before = Some(Instant::now() + Duration::from_secs(1));
    }
    /// Whether a dead child is replaced at once; at most MAX_SPAWN_RATE are in a second.
    pub(super) fn may_replace(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.replaced.0) >= Duration::from_secs(1) {
            self.replaced = (now, 0);
        }
        self.replaced.1 += 1;
        self.replaced.1 <= MAX_SPAWN_RATE && self.not_before.is_none_or(|until| now >= until)
    }
}

impl Supervisor<'_> {
    /// One tick.
    pub(super) fn maintain(&mut self) {
        let rows: Vec<(usize, u32)> = self
            .children
            .iter()
            .filter(|(_, record)| !record.quiescing && record.generation == self.generation)
            .map(|(row, _)| {
                let idle = u64::from(self.board.tally(*row).idle);
                let idle = idle.saturating_sub(self.board.process(*row).queued());
                (*row, u32::try_from(idle).unwrap_or(u32::MAX))
            })
            .collect();
        let idle: u32 = rows.iter().map(|(_, idle)| idle).sum();
        let active = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        if idle > self.limits.max_spare && active > 1 {
            self.spawning.rate = 1;
            self.shrink(&rows);
        } else if idle < self.limits.min_spare {
            self.grow(idle, active);
        } else {
            self.spawning.rate = 1;
        }
        self.spawning.hold_off = self.spawning.hold_off.saturating_sub(1);
    }

    /// Ends the child that idles most; one a second, so that a lull does not undo what a rush has built.
    fn shrink(&mut self, rows: &[(usize, u32)]) {
        let busy = |row: usize| self.board.process(row).connections();
        let least = rows.iter().max_by_key(|(row, idle)| (*idle, std::cmp::Reverse(busy(*row)), *row));
        if let Some((row, _)) = least.copied() {
            self.quiesce(row);
        }
    }

    fn grow(&mut self, idle: u32, active: u32) {
        let room = self.limits.max_children.saturating_sub(active);
        if room == 0 {
            self.full(idle);
            return;
        }
        let now = Instant::now();
        if self.spawning.not_before.is_some_and(|until| now < until) {
            return;
        }
        self.spawning.not_before = None;
        let free = self.board.rows().saturating_sub(self.children.len());
        if free == 0 {
            self.board_full();
            return;
        }
        let count = self.spawning.rate.min(room).min(u32::try_from(free).unwrap_or(u32::MAX));
        if self.spawning.rate >= 8 {
            self.busy(count, idle, active);
        }
        self.start_children(count);
        if self.spawning.hold_off == 0 && self.spawning.rate < MAX_SPAWN_RATE {
            self.spawning.rate *= 2;
        }
    }

    /// MaxRequestWorkers lets nobody be added; said once in the server's life.
    fn full(&mut self, idle: u32) {
        self.spawning.rate = 1;
        let raise = "consider raising the MaxRequestWorkers setting";
        if self.limits.kind == MpmKind::Prefork || idle == 0 {
            if !self.spawning.said_full {
                self.spawning.said_full = true;
                let tag = self.tag(161, 286, 484);
                self.say(Level::Error, format!("{tag}: server reached MaxRequestWorkers setting, {raise}"));
            }
        } else if !self.spawning.said_near {
            self.spawning.said_near = true;
            let tag = self.tag(0, 287, 10159);
            self.say(Level::Error, format!("{tag}: server is within MinSpareThreads of MaxRequestWorkers, {raise}"));
        }
    }
    /// Children that end hold every row.
    fn board_full(&mut self) {
        if std::mem::replace(&mut self.spawning.said_board, true) {
            return;
        }
        match self.limits.kind {
            MpmKind::Event => {
                self.say(Level::Error, "AH03490: scoreboard is full, not at MaxRequestWorkers.Increase ServerLimit.");
            }
            _ => self.say(Level::Error, "AH00288: scoreboard is full, not at MaxRequestWorkers"),
        }
    }
    fn busy(&self, count: u32, idle: u32, active: u32) {
        let total = self.children.len();
        let ending = total.saturating_sub(active as usize);
        let (tag, text) = match self.limits.kind {
            MpmKind::Prefork => (
                "AH00162",
                format!(
                    "StartServers, or Min/MaxSpareServers), spawning {count} children, there are {idle} idle, and {total} \
                     total children"
                ),
            ),
            MpmKind::Worker => (
                "AH00289",
                format!(
                    "StartServers, ThreadsPerChild or Min/MaxSpareThreads), spawning {count} children, there are around \
                     {idle} idle threads, and {total} total children"
                ),
            ),
            MpmKind::Event => (
                "AH00486",
                format!(
                    "StartServers, ThreadsPerChild or Min/MaxSpareThreads), spawning {count} children, there are around \
                     {idle} idle threads, {active} active children, and {ending} children that are shutting down"
                ),
            ),
        };
        self.say(Level::Info, format!("{tag}: server seems busy, (you may need to increase {text}"));
    }
}
