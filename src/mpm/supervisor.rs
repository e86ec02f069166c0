//! The parent: starts children, replaces those that die, grows and shrinks their number, answers signals. It runs no
//! request code, holds no threads, and trusts nothing that a child can write.

use super::child::{Child, EXIT_FATAL, EXIT_SICK};
use super::limits::{Limits, settle};
use super::maintenance::Spawning;
use super::scoreboard::Scoreboard;
use super::systemd::Notifier;
use super::{Line, Listeners, Program, RunOptions, Service, event, pidfile, prefork, privileges, worker};
use crate::config::{Configuration, MpmKind};
use crate::log::{self, Level};
use crate::server::SlotState;
use crate::sys::fork::{Fork, exit_now, fork};
use crate::sys::signal::{self, Caught, Signals};
use bstr::ByteSlice;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the parent knows of a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) pid: i32,
    pub(super) generation: u32,
    /// It was told to end.
    pub(super) quiescing: bool,
}

/// What a child starts with.
pub struct Born<'a> {
    pub child: &'static Child,
    pub service: Arc<dyn Service>,
    pub signals: Signals,
    pub listeners: Arc<Listeners>,
    pub lobby: OwnedFd,
    pub program: &'a dyn Program,
}

/// How the main loop goes on.
enum Next {
    Go,
    Exit(ExitCode),
}

/// See the module text.
pub(super) struct Supervisor<'a> {
    pub(super) program: &'a dyn Program,
    options: RunOptions,
    configuration: Arc<Configuration>,
    pub(super) limits: Limits,
    pub(super) board: Scoreboard,
    listeners: Arc<Listeners>,
    /// By scoreboard row.
    pub(super) children: BTreeMap<usize, Record>,
    pub(super) generation: u32,
    signals: Signals,
    /// Signals that came while children were waited for.
    late: Caught,
    /// Idle connections of children that end: written there, read by children that go on.
    lobby: (OwnedFd, OwnedFd),
    pub(super) spawning: Spawning,
    pid_file: Option<PathBuf>,
    notifier: Notifier,
}

const CAUGHT: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGWINCH, Signal::SIGCHLD];
const TICK: Duration = Duration::from_secs(1);

/// See [`super::run`].
pub(super) fn run(
    program: &dyn Program,
    configuration: Arc<Configuration>,
    listeners: Listeners,
    options: RunOptions,
) -> ExitCode {
    let kind = configuration.process.mpm.unwrap_or(MpmKind::Event);
    let (limits, _) = settle(kind, &configuration.process.numbers, None);
    if options.detach
        && !options.one_process
        && let Err(error) = detach()
    {
        program.log(&Line::core(Level::Crit, &error, "AH00496: apr_proc_detach failed".to_owned()));
        return ExitCode::FAILURE;
    }
    let failed = || {
        program.log(&Line::bare(Level::Emerg, "AH02818: MPM run failed, exiting"));
        ExitCode::FAILURE
    };
    let board = match Scoreboard::new(limits.fixed.server_limit, limits.fixed.thread_limit) {
        Ok(board) => board,
        Err(error) => {
            let text = "AH00004: Unable to create or access scoreboard (anonymous shared memory failure)".to_owned();
            program.log(&Line::core(Level::Crit, &error, text));
            return failed();
        }
    };
    let signals = Signals::catch(&CAUGHT).and_then(|signals| {
        // A file at its greatest size fails the write, not the process.
        signal::ignore(&[Signal::SIGPIPE, Signal::SIGXFSZ])?;
        // The language's runtime catches these two to tell of an overrun stack, and swallows one that was sent.
        signal::default(&[Signal::SIGSEGV, Signal::SIGBUS])?;
        Ok(signals)
    });
    let (signals, lobby) = match signals.and_then(|signals| Ok((signals, lobby()?))) {
        Ok(made) => made,
        Err(error) => {
            program.log(&Line::core(Level::Crit, &error, "cannot set up signals".to_owned()));
            return failed();
        }
    };
    let mut supervisor = Supervisor {
        program,
        options,
        configuration,
        limits,
        board,
        listeners: Arc::new(listeners),
        children: BTreeMap::new(),
        generation: 0,
        signals,
        late: Caught::default(),
        lobby,
        spawning: Spawning::default(),
        pid_file: None,
        notifier: Notifier::from_environment(),
    };
    if let Err(line) = supervisor.record_pid() {
        program.log(&line);
        let path = supervisor.wanted_pid_file().unwrap_or_default();
        let text = format!("AH00100: {}: could not log pid to file {}", supervisor.options.argv0, path.display());
        program.log(&Line::plain(Level::Error, text));
        return ExitCode::FAILURE;
    }
    supervisor.begin_generation();
    if supervisor.options.one_process {
        // -X: no children; this process serves, and signals end it.
        let status = supervisor.be_child(0, true);
        supervisor.forget_pid();
        return ExitCode::from(u8::try_from(status).unwrap_or(1));
    }
    supervisor.start_children(supervisor.limits.start_servers);
    supervisor.announce();
    supervisor.notifier.ready();
    supervisor.serve()
}

/// A pair of sockets that keeps messages apart and carries descriptors.
fn lobby() -> io::Result<(OwnedFd, OwnedFd)> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// Goes into the background: a new session, the root directory, no terminal. Standard error stays where the log put it.
fn detach() -> io::Result<()> {
    nix::unistd::chdir("/")?;
    if let Fork::Parent(_) = fork()? {
        exit_now(0);
    }
    nix::unistd::setsid()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}

impl Supervisor<'_> {
    pub(super) fn say(&self, level: Level, text: impl Into<bstr::BString>) {
        self.program.log(&Line::of(self.limits.kind, level, text));
    }
    /// The AH number of an event that each MPM tags with its own.
    pub(super) fn tag(&self, prefork: u16, worker: u16, event: u16) -> String {
        let number = match self.limits.kind {
            MpmKind::Prefork => prefork,
            MpmKind::Worker => worker,
            MpmKind::Event => event,
        };
        format!("AH{number:05}")
    }

    fn wanted_pid_file(&self) -> Option<PathBuf> {
        let process = &self.configuration.process;
        let path = process.pid_file.as_ref()?.to_path_lossy().into_owned();
        Some(process.server_root.join(path))
    }
    fn record_pid(&mut self) -> Result<(), Line> {
        let Some(path) = self.wanted_pid_file() else { return Ok(()) };
        if self.pid_file.as_ref() == Some(&path) {
            return Ok(());
        }
        let (warning, written) = pidfile::write(&path, nix::unistd::getpid().as_raw());
        if let Some(warning) = warning {
            self.program.log(&warning);
        }
        written?;
        if let Some(old) = self.pid_file.replace(path) {
            let _ = std::fs::remove_file(old);
        }
        Ok(())
    }
    fn forget_pid(&mut self) {
        let Some(path) = self.pid_file.take() else { return };
        let line = match std::fs::remove_file(&path) {
            Ok(()) => {
                let pid = nix::unistd::getpid();
                Line::plain(Level::Info, format!("AH00096: removed PID file {} (pid={pid})", path.display()))
            }
            Err(error) => {
                Line::core(Level::Error, &error, format!("AH00095: failed to remove PID file {}", path.display()))
            }
        };
        self.program.log(&line);
    }

    fn begin_generation(&mut self) {
        let process = &self.configuration.process;
        let extended = process.extended_status.unwrap_or(false);
        self.board.begin_generation(self.generation, &self.limits, extended, process.see_request_tail);
        self.spawning.hold_off();
    }
    /// The lines that say: here we are.
    fn announce(&self) {
        let version = &self.options.server_version;
        self.say(
            Level::Notice,
            format!("{}: {version} configured -- resuming normal operations", self.tag(163, 292, 489)),
        );
        self.say(Level::Info, format!("{}: Server built: {}", self.tag(164, 293, 490), self.options.server_built));
        let text = format!("AH00094: Command line: '{}'", self.options.command_line);
        self.program.log(&Line::plain(Level::Notice, text));
    }

    /// Children of the running generation that serve.
    pub(super) fn active(&self) -> u32 {
        let running = |record: &&Record| !record.quiescing && record.generation == self.generation;
        u32::try_from(self.children.values().filter(running).count()).unwrap_or(u32::MAX)
    }
    /// Starts children in the lowest free rows.
    pub(super) fn start_children(&mut self, count: u32) {
        for _ in 0..count {
            let Some(row) = (0..self.board.rows()).find(|row| !self.children.contains_key(row)) else { return };
            if !self.start_child(row) {
                return;
            }
        }
    }
    fn start_child(&mut self, row: usize) -> bool {
        self.board.clear_process(row);
        // It counts as idle from now on, or the next tick would start another in its place.
        for slot in 0..self.limits.threads {
            self.board.slot(row, slot as usize).state(SlotState::Starting);
        }
        // A signal that comes before the child has handlers of its own must wait for them.
        let blocked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
        let forked = fork();
        if !matches!(forked, Ok(Fork::Child)) {
            let _ = blocked.map(|mask| mask.thread_set_mask());
        }
        match forked {
            Ok(Fork::Parent(pid)) => {
                self.board.process(row).begin(pid, self.generation);
                self.children.insert(row, Record { pid, generation: self.generation, quiescing: false });
                true
            }
            Ok(Fork::Child) => {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.be_child(row, false)));
                exit_now(outcome.unwrap_or(1))
            }
            Err(error) => {
                self.board.clear_process(row);
                let text = format!("{}: fork: Unable to fork new process", self.tag(159, 283, 481));
                self.program.log(&Line {
                    errno: error.raw_os_error().unwrap_or(0),
                    ..Line::of(self.limits.kind, Level::Error, text)
                });
                self.spawning.back_off();
                false
            }
        }
    }
    /// The child's side: drops privileges and serves; the exit status.
    fn be_child(&mut self, row: usize, alone: bool) -> i32 {
        let prepared = signal::default(&[Signal::SIGHUP, Signal::SIGCHLD])
            .and_then(|()| match alone {
                true => signal::default(&[Signal::SIGUSR1]),
                false => signal::ignore(&[Signal::SIGHUP]),
            })
            .and_then(|()| signal::ignore(&[Signal::SIGWINCH]))
            .and_then(|()| Signals::catch(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1]))
            .and_then(|signals| {
                SigSet::empty().thread_set_mask()?;
                Ok(signals)
            });
        let signals = match prepared {
            Ok(signals) => signals,
            Err(_) => return EXIT_SICK,
        };
        if let Err(line) = privileges::drop_all(&self.configuration.process) {
            self.program.log(&line);
            return EXIT_FATAL;
        }
        if let Some(directory) = &self.configuration.process.core_dump_directory {
            // The kernel writes a core file into the working directory; nothing else depends on it.
            let _ = nix::unistd::chdir(directory);
        }
        let (Ok(inbound), Ok(outbound)) = (self.lobby.1.try_clone(), self.lobby.0.try_clone()) else {
            return EXIT_SICK;
        };
        crate::sys::regex::settle_default_flags(self.configuration.process.regex_flags);
        // Both live as long as the child.
        let configuration: &'static Arc<Configuration> = Box::leak(Box::new(self.configuration.clone()));
        let mut child = Child::new(self.board, row, self.generation, self.limits.clone(), outbound);
        child.on_admission(event::admission);
        if configuration.process.has_module("logio_module") {
            child.count_wire();
        }
        let child: &'static Child = Box::leak(Box::new(child));
        crate::server::install_mpm(child);
        let service = self.program.child(configuration);
        let ending = service.clone();
        child.serves(service.clone());
        // The only ones that this process holds: they are closed when the child is to end.
        let listeners = std::mem::take(&mut self.listeners);
        let born = Born { child, service, signals, listeners, lobby: inbound, program: self.program };
        let status = match self.limits.kind {
            MpmKind::Prefork => prefork::run(born),
            MpmKind::Worker => worker::run(born),
            MpmKind::Event => event::run(born),
        };
        ending.end();
        status
    }

    /// The main loop.
    fn serve(&mut self) -> ExitCode {
        let mut tick = Instant::now() + TICK;
        loop {
            let mut caught = std::mem::take(&mut self.late);
            if caught.is_empty() {
                caught = self.wait(tick.saturating_duration_since(Instant::now()));
            }
            if let Next::Exit(code) = self.reap() {
                return code;
            }
            if caught.has(Signal::SIGTERM) || caught.has(Signal::SIGINT) {
                return self.stop_now();
            }
            if caught.has(Signal::SIGWINCH) {
                return self.stop_gracefully();
            }
            if caught.has(Signal::SIGHUP) {
                self.restart(false);
            } else if caught.has(Signal::SIGUSR1) {
                self.restart(true);
            }
            let now = Instant::now();
            if now >= tick {
                tick = now + TICK;
                log::tend_loggers();
                self.maintain();
                self.notifier.tick(&self.board);
            }
        }
    }
    /// Waits for a signal, at most `time`.
    fn wait(&self, time: Duration) -> Caught {
        // Rounded up, so that a wait is not cut short into a busy loop.
        let millis = i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(self.signals.fd().as_fd(), PollFlags::POLLIN)], timeout);
        self.signals.take()
    }

    /// Takes note of children that ended.
    fn reap(&mut self) -> Next {
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        loop {
            let (pid, status) = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => (pid.as_raw(), status),
                Ok(WaitStatus::Signaled(pid, signal, dumped)) => {
                    self.crashed(pid.as_raw(), signal, dumped);
                    (pid.as_raw(), 0)
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return Next::Go,
                Ok(_) => continue,
            };
            let Some(row) = self.children.iter().find(|(_, record)| record.pid == pid).map(|(row, _)| *row) else {
                self.program.child_of_other(pid, status);
                continue;
            };
            self.board.clear_process(row);
            let Some(record) = self.children.remove(&row) else { continue };
            let current = record.generation == self.generation;
            match status {
                EXIT_FATAL if !current => {
                    let text = format!("Ignoring fatal error in child of previous generation (pid {pid}).");
                    self.say(Level::Warn, format!("{}: {text}", self.tag(166, 290, 487)));
                }
                EXIT_FATAL => {
                    let text = format!("AH00050: Child {pid} returned a Fatal error... Apache is exiting!");
                    self.program.log(&Line::plain(Level::Alert, text));
                    self.end_children(Signal::SIGTERM);
                    self.forget_pid();
                    return Next::Exit(ExitCode::FAILURE);
                }
                EXIT_SICK => self.spawning.back_off(),
                // It served its number of connections, or was killed: the next takes its place at once, unless
                // deaths come so fast that a pause does good.
                _ if current && !record.quiescing && self.spawning.may_replace() => self.start_children(1),
                _ => {}
            }
        }
    }
    fn crashed(&self, pid: i32, signal: Signal, dumped: bool) {
        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP | Signal::SIGUSR1 | Signal::SIGKILL) {
            return;
        }
        let number = signal as i32;
        let name = signal_name(signal);
        let text = match (dumped, &self.configuration.process.core_dump_directory) {
            (true, directory) => {
                let directory = directory.as_ref().unwrap_or(&self.configuration.process.server_root).display();
                format!("AH00051: child pid {pid} exit signal {name} ({number}), possible coredump in {directory}")
            }
            (false, _) => format!("AH00052: child pid {pid} exit signal {name} ({number})"),
        };
        self.program.log(&Line::plain(Level::Notice, text));
    }

    pub(super) fn send(&self, pid: i32, signal: Signal) {
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// HUP, and USR1 with `graceful`. Whatever is wrong with the new configuration, the old one serves on.
    fn restart(&mut self, graceful: bool) {
        let text = match (graceful, self.limits.kind) {
            (true, MpmKind::Prefork) => "AH00171: Graceful restart requested, doing restart".to_owned(),
            (true, _) => format!("{}: SIGUSR1 received.  Doing graceful restart", self.tag(0, 297, 493)),
            (false, _) => format!("{}: SIGHUP received.  Attempting to restart", self.tag(173, 298, 494)),
        };
        self.say(Level::Notice, text);
        log::retire_loggers();
        self.notifier.reloading();
        match self.reload(graceful) {
            Some(()) => self.notifier.ready(),
            None => {
                log::restore_loggers();
                self.notifier.unchanged();
            }
        }
    }
    /// The part of a restart that may fail: None, and nothing has changed.
    fn reload(&mut self, graceful: bool) -> Option<()> {
        let configuration = self.program.load(self.generation + 1).ok()?;
        if configuration.process.mpm.is_some_and(|kind| kind != self.limits.kind) {
            let text = "Configuration error: The MPM cannot be changed during restart.";
            self.program.log(&Line::bare(Level::Error, format!("AH00534: {}: {text}", self.options.argv0)));
            return None;
        }
        let mut warnings = Vec::new();
        let opened = Listeners::open(&configuration, &self.listeners, &mut warnings);
        warnings.iter().for_each(|line| self.program.log(line));
        match opened {
            Ok(listeners) => self.listeners = Arc::new(listeners),
            Err(lines) => {
                lines.iter().for_each(|line| self.program.log(line));
                return None;
            }
        }
        let (limits, warnings) = settle(self.limits.kind, &configuration.process.numbers, Some(self.limits.fixed));
        warnings.into_iter().for_each(|warning| self.program.log(&warning.into()));
        let before = self.active();
        self.configuration = configuration;
        self.limits = limits;
        if !graceful {
            self.end_children(Signal::SIGTERM);
            self.board.forget();
        }
        self.generation += 1;
        self.begin_generation();
        if let Err(line) = self.record_pid() {
            self.program.log(&line);
        }
        let old: Vec<usize> = self.children.keys().copied().collect();
        let start = if graceful { before.max(self.limits.start_servers) } else { self.limits.start_servers };
        // The new ones first: they take over what the old ones hand on.
        self.start_children(start.min(self.limits.max_children));
        for row in old {
            self.quiesce(row);
        }
        log::end_retired_loggers(!graceful);
        self.announce();
        Some(())
    }
    /// Tells a child to end after what it has begun.
    pub(super) fn quiesce(&mut self, row: usize) {
        if let Some(record) = self.children.get_mut(&row) {
            record.quiescing = true;
            let pid = record.pid;
            self.send(pid, Signal::SIGUSR1);
        }
    }

    fn stop_now(&mut self) -> ExitCode {
        self.notifier.stopping();
        self.board.stop();
        self.end_children(Signal::SIGTERM);
        self.forget_pid();
        self.say(Level::Notice, format!("{}: caught SIGTERM, shutting down", self.tag(169, 295, 491)));
        log::stop_loggers();
        ExitCode::SUCCESS
    }
    fn stop_gracefully(&mut self) -> ExitCode {
        self.notifier.stopping();
        self.board.stop();
        self.listeners = Arc::default();
        let rows: Vec<usize> = self.children.keys().copied().collect();
        rows.into_iter().for_each(|row| self.quiesce(row));
        self.forget_pid();
        self.say(Level::Notice, format!("{}: caught SIGWINCH, shutting down gracefully", self.tag(170, 296, 492)));
        let patience = self.configuration.process.graceful_shutdown_timeout;
        let until = (!patience.is_zero()).then(|| Instant::now() + patience);
        while !self.children.is_empty() {
            let left = until.map_or(TICK, |until| until.saturating_duration_since(Instant::now()));
            let caught = self.wait(left.min(TICK));
            if let Next::Exit(code) = self.reap() {
                return code;
            }
            let late = until.is_some_and(|until| Instant::now() >= until);
            if late || caught.has(Signal::SIGTERM) || caught.has(Signal::SIGINT) {
                break;
            }
        }
        self.end_children(Signal::SIGTERM);
        log::stop_loggers();
        ExitCode::SUCCESS
    }
    /// Ends all children: asks, asks again after 3, 5 and 7 seconds, kills after 9, gives up after 10.
    fn end_children(&mut self, signal: Signal) {
        // Nobody is replaced from here on.
        for record in self.children.values_mut() {
            record.quiescing = true;
        }
        self.children.values().for_each(|record| self.send(record.pid, signal));
        let begun = Instant::now();
        for (seconds, then) in [(3, Some(false)), (5, Some(false)), (7, Some(false)), (9, Some(true)), (10, None)] {
            let until = begun + Duration::from_secs(seconds);
            while !self.children.is_empty() && Instant::now() < until {
                let mut caught = self.wait(until.saturating_duration_since(Instant::now()));
                caught.clear(Signal::SIGCHLD);
                self.late.add(caught);
                self.reap_quietly();
            }
            for record in self.children.values() {
                let pid = record.pid;
                let (level, text) = match then {
                    Some(false) => {
                        (Level::Warn, format!("AH00045: child process {pid} still did not exit, sending a SIGTERM"))
                    }
                    Some(true) => {
                        (Level::Error, format!("AH00046: child process {pid} still did not exit, sending a SIGKILL"))
                    }
                    None => (
                        Level::Error,
                        format!("AH00047: could not make child process {pid} exit, attempting to continue anyway"),
                    ),
                };
                self.program.log(&Line::plain(level, text));
                match then {
                    Some(false) => self.send(pid, Signal::SIGTERM),
                    Some(true) => self.send(pid, Signal::SIGKILL),
                    None => {}
                }
            }
        }
        self.children.clear();
    }
    /// As [`reap`](Self::reap) while all children end.
    fn reap_quietly(&mut self) {
        use nix::sys::wait::{WaitPidFlag, waitpid};
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid().map(Pid::as_raw) else { return };
            if let Some(row) = self.children.iter().find(|(_, record)| record.pid == pid).map(|(row, _)| *row) {
                self.children.remove(&row);
                self.board.clear_process(row);
            } else {
                self.program.child_of_other(pid, 0);
            }
        }
    }
}

/// The names that Apache's library gives to signals.
fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::SIGINT => "Interrupt",
        Signal::SIGQUIT => "Quit",
        Signal::SIGILL => "Illegal instruction",
        Signal::SIGTRAP => "Trace/BPT trap",
        Signal::SIGABRT => "Abort",
        Signal::SIGBUS => "Bus error",
        Signal::SIGFPE => "Arithmetic exception",
        Signal::SIGSEGV => "Segmentation fault",
        Signal::SIGSYS => "Bad system call",
        Signal::SIGPIPE => "Broken pipe",
        Signal::SIGALRM => "Alarm clock",
        Signal::SIGXCPU => "Exceeded CPU time limit",
        Signal::SIGXFSZ => "Exceeded file size limit",
        Signal::SIGVTALRM => "Virtual timer expired",
        Signal::SIGPROF => "Profiling timer expired",
        Signal::SIGIO => "Possible I/O",
        Signal::SIGPWR => "Power fail/restart",
        Signal::SIGUSR2 => "User defined signal 2",
        _ => "unknown signal",
    }
}
