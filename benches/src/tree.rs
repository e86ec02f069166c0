//! Process trees: where they run, and what they take of memory and processor time.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Who runs where: the load generator has the last core to itself, so that no server wins by being in its way less.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    Servers,
    Load,
}

/// A command that will run on its share of the cores; anywhere, where there is one core or no taskset.
pub(crate) fn on_cores(whose: Cores, program: impl AsRef<OsStr>) -> Command {
    let last = std::thread::available_parallelism().map_or(0, |count| count.get() - 1);
    let taskset = Path::new("/usr/bin/taskset");
    if last == 0 || !taskset.exists() {
        return Command::new(program);
    }
    let list = if whose == Cores::Load { last.to_string() } else { format!("0-{}", last - 1) };
    let mut command = Command::new(taskset);
    command.args(["-c", &list]).arg(program);
    command
}

/// Adds up `what` over a process tree.
pub(crate) fn sum(pid: i32, what: &dyn Fn(i32) -> f64) -> f64 {
    what(pid) + children(pid).into_iter().map(|child| sum(child, what)).sum::<f64>()
}

/// Megabytes of memory, shared pages by halves (proportional set size).
pub(crate) fn pss(pid: i32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Seconds of processor time so far, in user and system mode.
pub(crate) fn processor(pid: i32) -> f64 {
    let Ok(Some(ticks)) = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK) else { return f64::NAN };
    let time = |field| stat(pid, field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (time(USER) + time(SYSTEM)) / ticks as f64
}

/// Fields of /proc/PID/stat, counted behind the name.
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;

fn stat(pid: i32, field: usize) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(field).map(str::to_owned)
}

fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if stat(child, PARENT).is_some_and(|parent| parent == pid.to_string()) {
            found.push(child);
        }
    }
    found
}
