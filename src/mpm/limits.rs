//! The numbers of an MPM: defaults, clipping, and the warnings that go with it (manual: mod/mpm_common.html).

use crate::config::{MpmKind, MpmNumbers, Warning};
use crate::log::Level;
use bstr::BString;

/// ServerLimit and ThreadLimit: fixed from the first start until a stop, because the scoreboard is made of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fixed {
    pub server_limit: u32,
    pub thread_limit: u32,
}

/// What a generation of children runs under.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub kind: MpmKind,
    pub fixed: Fixed,
    /// Slots of one child; 1 under prefork.
    pub threads: u32,
    pub max_workers: u32,
    /// Children of the running generation that MaxRequestWorkers allows.
    pub max_children: u32,
    pub start_servers: u32,
    /// Idle slots (prefork: idle children) to keep at least.
    pub min_spare: u32,
    pub max_spare: u32,
    /// Connections that a child serves before it ends; 0 is without limit.
    pub max_connections: u64,
    pub async_factor: f64,
    /// Stack of a worker's thread in bytes; 0 is the system's default.
    pub stack_size: usize,
}

/// Most children spawned in one second.
pub const MAX_SPAWN_RATE: u32 = 32;

/// The module name that log lines of an MPM carry.
pub fn module(kind: MpmKind) -> &'static str {
    match kind {
        MpmKind::Prefork => "mpm_prefork",
        MpmKind::Worker => "mpm_worker",
        MpmKind::Event => "mpm_event",
    }
}

/// Collects warnings in the wording of a first start or of a restart.
struct Clipping {
    kind: MpmKind,
    restart: bool,
    warnings: Vec<Warning>,
}

impl Clipping {
    fn say(&mut self, tags: [u16; 3], first: String, restart: String) {
        // Each check has one tag per MPM for its first wording, and the next number for the wording at a restart.
        let [prefork, worker, event] = tags;
        let tag = match self.kind {
            MpmKind::Prefork => prefork,
            MpmKind::Worker => worker,
            MpmKind::Event => event,
        };
        let text = match self.restart {
            false => format!("AH{tag:05}: WARNING: {first}."),
            true => format!("AH{:05}: {restart}", tag + 1),
        };
        // At a first start they go to the terminal, bare.
        let module = if self.restart { module(self.kind) } else { "" };
        self.warnings.push(Warning { hidden: false, module, level: Level::Warn, text: BString::from(text) });
    }
    /// `have` clipped to `1..=most`, for limits with a bound of the build.
    fn bounded(&mut self, name: &str, unit: &str, have: i64, most: i64, above: [u16; 3], below: [u16; 3]) -> i64 {
        if have > most {
            self.say(
                above,
                format!("{name} of {have} exceeds compile-time limit of {most} {unit}, decreasing to {most}"),
                format!("{name} of {have} exceeds compile-time limit of {most}, decreasing to match"),
            );
            return most;
        }
        self.positive(name, have, below, "")
    }
    /// `have`, or 1 with a warning.
    fn positive(&mut self, name: &str, have: i64, tags: [u16; 3], more: &str) -> i64 {
        if have >= 1 {
            return have;
        }
        let text = format!("{name} of {have} not allowed, increasing to 1");
        self.say(tags, format!("{text}{more}"), text);
        1
    }
    /// A limit that a restart cannot change.
    fn unchanged(&mut self, name: &str, want: i64, was: u32, tags: [u16; 3]) -> i64 {
        if want != i64::from(was) {
            let text = format!("changing {name} to {want} from original value of {was} not allowed during restart");
            self.say(tags.map(|tag| tag.wrapping_sub(1)), String::new(), text);
        }
        i64::from(was)
    }
}

/// Applies defaults and clips. `fixed` is None at the first start; its wording then is for the terminal, else for the log.
pub fn settle(kind: MpmKind, numbers: &MpmNumbers, fixed: Option<Fixed>) -> (Limits, Vec<Warning>) {
    let mut clip = Clipping { kind, restart: fixed.is_some(), warnings: Vec::new() };
    let limits = match kind {
        MpmKind::Prefork => processes(numbers, fixed, &mut clip),
        MpmKind::Worker | MpmKind::Event => threads(kind, numbers, fixed, &mut clip),
    };
    (limits, clip.warnings)
}

fn processes(numbers: &MpmNumbers, fixed: Option<Fixed>, clip: &mut Clipping) -> Limits {
    let mut server_limit =
        clip.bounded("ServerLimit", "servers", numbers.server_limit.unwrap_or(256), 200_000, [175, 0, 0], [177, 0, 0]);
    if let Some(fixed) = fixed {
        server_limit = clip.unchanged("ServerLimit", server_limit, fixed.server_limit, [179, 0, 0]);
    }
    let mut workers = numbers.max_request_workers.unwrap_or(256);
    if workers > server_limit {
        clip.say(
            [180, 0, 0],
            format!(
                "MaxRequestWorkers of {workers} exceeds ServerLimit value of {server_limit} servers, decreasing \
                 MaxRequestWorkers to {server_limit}. To increase, please see the ServerLimit directive"
            ),
            format!("MaxRequestWorkers of {workers} exceeds ServerLimit value of {server_limit}, decreasing to match"),
        );
        workers = server_limit;
    }
    workers = clip.positive("MaxRequestWorkers", workers, [182, 0, 0], "");
    let start = clip.positive("StartServers", numbers.start_servers.unwrap_or(5), [184, 0, 0], "");
    let more = " to avoid almost certain server failure. Please read the documentation";
    let min_spare = clip.positive("MinSpareServers", numbers.min_spare_servers.unwrap_or(5), [186, 0, 0], more);
    let max_spare = numbers.max_spare_servers.unwrap_or(10).max(min_spare + 1);
    Limits {
        kind: MpmKind::Prefork,
        fixed: Fixed { server_limit: count(server_limit), thread_limit: 1 },
        threads: 1,
        max_workers: count(workers),
        max_children: count(workers),
        start_servers: count(start.min(workers)),
        min_spare: count(min_spare),
        max_spare: count(max_spare),
        max_connections: connections(numbers),
        async_factor: 0.0,
        stack_size: 0,
    }
}

fn threads(kind: MpmKind, numbers: &MpmNumbers, fixed: Option<Fixed>, clip: &mut Clipping) -> Limits {
    let mut server_limit = clip.bounded(
        "ServerLimit",
        "servers",
        numbers.server_limit.unwrap_or(16),
        20_000,
        [0, 300, 497],
        [0, 302, 499],
    );
    if let Some(fixed) = fixed {
        server_limit = clip.unchanged("ServerLimit", server_limit, fixed.server_limit, [0, 304, 501]);
    }
    let most = if kind == MpmKind::Event { 100_000 } else { 20_000 };
    let mut thread_limit =
        clip.bounded("ThreadLimit", "threads", numbers.thread_limit.unwrap_or(64), most, [0, 305, 502], [0, 307, 504]);
    if let Some(fixed) = fixed {
        thread_limit = clip.unchanged("ThreadLimit", thread_limit, fixed.thread_limit, [0, 309, 506]);
    }
    let mut threads = numbers.threads_per_child.unwrap_or(25);
    if threads > thread_limit {
        clip.say(
            [0, 310, 507],
            format!(
                "ThreadsPerChild of {threads} exceeds ThreadLimit of {thread_limit} threads, decreasing to \
                 {thread_limit}. To increase, please see the ThreadLimit directive"
            ),
            format!("ThreadsPerChild of {threads} exceeds ThreadLimit of {thread_limit}, decreasing to match"),
        );
        threads = thread_limit;
    }
    threads = clip.positive("ThreadsPerChild", threads, [0, 312, 509], "");
    let mut workers = numbers.max_request_workers.unwrap_or(16 * 25);
    if workers < threads {
        clip.say(
            [0, 314, 511],
            format!(
                "MaxRequestWorkers of {workers} is less than ThreadsPerChild of {threads}, increasing to {threads}. \
                 MaxRequestWorkers must be at least as large as the number of threads in a single server"
            ),
            format!("MaxRequestWorkers of {workers} is less than ThreadsPerChild of {threads}, increasing to match"),
        );
        workers = threads;
    }
    if workers % threads != 0 {
        let (children, nearest) = (workers / threads, workers / threads * threads);
        let text = format!(
            "MaxRequestWorkers of {workers} is not an integer multiple of ThreadsPerChild of {threads}, decreasing to \
             nearest multiple {nearest}"
        );
        clip.say([0, 316, 513], format!("{text}, for a maximum of {children} servers"), text);
        workers = nearest;
    }
    if workers / threads > server_limit {
        let (children, fit) = (workers / threads, server_limit * threads);
        let text = format!("MaxRequestWorkers of {workers} would require {children} servers and");
        clip.say(
            [0, 318, 515],
            format!(
                "{text} would exceed ServerLimit of {server_limit}, decreasing to {fit}. To increase, please see the \
                 ServerLimit directive"
            ),
            format!("{text} exceed ServerLimit of {server_limit}, decreasing to {fit}"),
        );
        workers = fit;
    }
    let start = clip.positive("StartServers", numbers.start_servers.unwrap_or(3), [0, 320, 517], "");
    let more = " to avoid almost certain server failure. Please read the documentation";
    let min_spare = clip.positive("MinSpareThreads", numbers.min_spare_threads.unwrap_or(75), [0, 322, 519], more);
    let max_spare = numbers.max_spare_threads.unwrap_or(250).max(min_spare + threads);
    let children = workers / threads;
    Limits {
        kind,
        fixed: Fixed { server_limit: count(server_limit), thread_limit: count(thread_limit) },
        threads: count(threads),
        max_workers: count(workers),
        max_children: count(children),
        start_servers: count(start.min(children)),
        min_spare: count(min_spare),
        max_spare: count(max_spare),
        max_connections: connections(numbers),
        async_factor: numbers.async_factor.unwrap_or(2.0),
        stack_size: usize::try_from(numbers.thread_stack_size.unwrap_or(0)).unwrap_or(0),
    }
}

fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}

fn connections(numbers: &MpmNumbers) -> u64 {
    u64::try_from(numbers.max_connections_per_child.unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(kind: MpmKind, numbers: &MpmNumbers, fixed: Option<Fixed>) -> Vec<String> {
        settle(kind, numbers, fixed).1.iter().map(|warning| warning.text.to_string()).collect()
    }

    #[test]
    fn defaults_of_each_mpm_are_silent() {
        for kind in [MpmKind::Prefork, MpmKind::Worker, MpmKind::Event] {
            assert!(texts(kind, &MpmNumbers::default(), None).is_empty());
        }
        let event = settle(MpmKind::Event, &MpmNumbers::default(), None).0;
        assert_eq!((event.max_workers, event.max_children, event.start_servers), (400, 16, 3));
        assert_eq!((event.min_spare, event.max_spare), (75, 250));
    }

    #[test]
    fn zero_everywhere_becomes_one_with_a_warning_each() {
        let zero = MpmNumbers {
            server_limit: Some(0),
            thread_limit: Some(0),
            threads_per_child: Some(0),
            max_request_workers: Some(0),
            start_servers: Some(0),
            min_spare_threads: Some(0),
            ..MpmNumbers::default()
        };
        assert_eq!(
            texts(MpmKind::Event, &zero, None),
            [
                "AH00499: WARNING: ServerLimit of 0 not allowed, increasing to 1.",
                "AH00504: WARNING: ThreadLimit of 0 not allowed, increasing to 1.",
                "AH00509: WARNING: ThreadsPerChild of 0 not allowed, increasing to 1.",
                "AH00511: WARNING: MaxRequestWorkers of 0 is less than ThreadsPerChild of 1, increasing to 1. MaxRequestWorkers must be at least as large as the number of threads in a single server.",
                "AH00517: WARNING: StartServers of 0 not allowed, increasing to 1.",
                "AH00519: WARNING: MinSpareThreads of 0 not allowed, increasing to 1 to avoid almost certain server failure. Please read the documentation.",
            ]
        );
    }

    #[test]
    fn a_restart_keeps_the_fixed_limits() {
        let numbers = MpmNumbers {
            server_limit: Some(20),
            thread_limit: Some(300),
            threads_per_child: Some(500),
            max_request_workers: Some(110),
            ..MpmNumbers::default()
        };
        let fixed = Fixed { server_limit: 16, thread_limit: 64 };
        assert_eq!(
            texts(MpmKind::Event, &numbers, Some(fixed)),
            [
                "AH00501: changing ServerLimit to 20 from original value of 16 not allowed during restart",
                "AH00506: changing ThreadLimit to 300 from original value of 64 not allowed during restart",
                "AH00508: ThreadsPerChild of 500 exceeds ThreadLimit of 64, decreasing to match",
                "AH00514: MaxRequestWorkers of 110 is not an integer multiple of ThreadsPerChild of 64, decreasing to nearest multiple 64",
            ]
        );
        assert_eq!(settle(MpmKind::Event, &numbers, Some(fixed)).0.fixed, fixed);
    }

    #[test]
    fn worker_and_prefork_say_where_the_server_limit_bites() {
        let numbers = MpmNumbers { max_request_workers: Some(510), ..MpmNumbers::default() };
        assert_eq!(
            texts(MpmKind::Worker, &numbers, None),
            [
                "AH00316: WARNING: MaxRequestWorkers of 510 is not an integer multiple of ThreadsPerChild of 25, decreasing to nearest multiple 500, for a maximum of 20 servers.",
                "AH00318: WARNING: MaxRequestWorkers of 500 would require 20 servers and would exceed ServerLimit of 16, decreasing to 400. To increase, please see the ServerLimit directive.",
            ]
        );
        let small = MpmNumbers { server_limit: Some(10), ..MpmNumbers::default() };
        assert_eq!(
            texts(MpmKind::Prefork, &small, None),
            [
                "AH00180: WARNING: MaxRequestWorkers of 256 exceeds ServerLimit value of 10 servers, decreasing MaxRequestWorkers to 10. To increase, please see the ServerLimit directive."
            ]
        );
    }
}
