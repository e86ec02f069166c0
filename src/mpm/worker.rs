//! worker: one process, ThreadsPerChild threads, each serves one connection at a time (manual: mod/worker.html).
//!
//! No thread listens for the others: whoever is idle and first takes the gate's lock, waits there for one connection,
//! leaves the gate to the next idle thread and serves what it accepted itself.

use super::Line;
use super::child::{Child, EXIT_SICK};
use super::gate::{Arrival, Gate};
use super::prefork::begin;
use super::supervisor::Born;
use crate::engine;
use crate::log::Level;
use crate::server::Mpm;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Serves until the child is to end; the exit status.
pub fn run(born: Born<'_>) -> i32 {
    let Born { child, service, signals, listeners, lobby, program } = born;
    let sick = |error: std::io::Error, text: &str| {
        program.log(&Line { module: "mpm_worker", ..Line::core(Level::Emerg, &error, text.to_owned()) });
        EXIT_SICK
    };
    // Readable once the child is to end, and left so: every thread at the gate sees it.
    let made = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(std::io::Error::from);
    let gate = made.and_then(|(read, write)| Ok((Gate::new(listeners, lobby, &read)?, read, write)));
    let (gate, _read, end): (Gate, OwnedFd, OwnedFd) = match gate {
        Ok(made) => made,
        Err(error) => return sick(error, "AH03285: Couldn't create pollset in thread; check system or user limits"),
    };
    let gate = Arc::new(Mutex::new(gate));
    let end = Arc::new(end);
    let close = gate.clone();
    // Before the first thread may be busy.
    child.ready();
    let mut threads = Vec::new();
    for slot in 0..child.limits.threads {
        let (gate, service, end) = (gate.clone(), service.clone(), end.clone());
        let mut builder = std::thread::Builder::new();
        if child.limits.stack_size > 0 {
            builder = builder.stack_size(child.limits.stack_size);
        }
        let started = builder.spawn(move || {
            child.own(slot);
            while let Some(accepted) = wait(child, &gate) {
                if child.accepted() {
                    end_with(child, &end);
                }
                child.busy(accepted.keepalives.is_some());
                // A panic takes its own connection along, not the thread.
                let serve = std::panic::AssertUnwindSafe(|| {
                    if let Some(connection) = begin(&*service, accepted) {
                        engine::alone::run(child.tend(connection));
                    }
                });
                let _ = std::panic::catch_unwind(serve);
                child.idle();
            }
            child.dead();
        });
        match started {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                return sick(error, "AH03142: ap_thread_create: unable to create worker thread");
            }
        }
    }
    drop(service);
    // A thread of its own joins the others, so that this one hears signals to the end.
    let all = std::thread::spawn(move || threads.into_iter().for_each(|thread| drop(thread.join())));
    let done = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC);
    let Ok((finished, finish)) = done else { return EXIT_SICK };
    std::thread::spawn(move || {
        let _ = all.join();
        drop(finish);
    });
    loop {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let mut fds =
            [PollFd::new(signals.fd().as_fd(), PollFlags::POLLIN), PollFd::new(finished.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::NONE);
        if fds[1].revents().is_some_and(|events| !events.is_empty()) {
            return 0;
        }
        let caught = signals.take();
        if caught.has(Signal::SIGTERM) || caught.has(Signal::SIGINT) {
            child.exit();
        }
        if caught.has(Signal::SIGUSR1) {
            end_with(child, &end);
            // Whoever waits at the gate has left it by now or does so at once.
            close.lock().close();
        }
    }
}

fn end_with(child: &Child, end: &OwnedFd) {
    child.stop();
    let _ = nix::unistd::write(end, b"e");
}

/// The next connection for this thread; None when the child is to end.
fn wait(child: &Child, gate: &Mutex<Gate>) -> Option<super::gate::Accepted> {
    let gate = gate.lock();
    loop {
        if child.stopping() {
            return None;
        }
        match gate.next() {
            Ok(Arrival::Connection(accepted)) => return Some(accepted),
            // The pipe of the end: the check above follows.
            Ok(Arrival::Signal | Arrival::Nothing) => {}
            Ok(Arrival::Short) => std::thread::sleep(std::time::Duration::from_millis(50)),
            Err(_) => return None,
        }
    }
}
