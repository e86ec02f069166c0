//! prefork: one process, one connection at a time (manual: mod/prefork.html).

use super::child::Child;
use super::gate::{Accepted, Arrival, Gate};
use super::supervisor::Born;
use super::{Line, Service};
use crate::engine::{self, BoxFuture, Stream};
use crate::log::Level;
use crate::server::Mpm;
use crate::sys::signal::Signals;
use nix::sys::signal::Signal;
use std::future::Future;
use std::pin::pin;

/// Serves until the child is to end; the exit status.
pub fn run(born: Born<'_>) -> i32 {
    let Born { child, service, signals, listeners, lobby, program } = born;
    let mut gate = match Gate::new(listeners, lobby, signals.fd()) {
        Ok(gate) => gate,
        Err(error) => {
            let text = "AH00156: Couldn't create pollset in child; check system or user limits".to_owned();
            program.log(&Line { module: "mpm_prefork", ..Line::core(Level::Emerg, &error, text) });
            return super::child::EXIT_SICK;
        }
    };
    child.ready();
    while !child.stopping() {
        match gate.next() {
            Ok(Arrival::Connection(accepted)) => {
                let last = child.accepted();
                child.busy(accepted.keepalives.is_some());
                // A panic takes its own connection along, nothing else; the hook has logged it.
                let serve = std::panic::AssertUnwindSafe(|| serve(child, &*service, &signals, accepted, &mut gate));
                let _ = std::panic::catch_unwind(serve);
                child.idle();
                if last {
                    child.stop();
                }
            }
            Ok(Arrival::Signal) => look(child, &signals),
            Ok(Arrival::Nothing) => {}
            Ok(Arrival::Short) => std::thread::sleep(std::time::Duration::from_millis(50)),
            Err(error) => {
                let text = "AH00158: apr_pollset_poll: (listen)".to_owned();
                program.log(&Line { module: "mpm_prefork", ..Line::core(Level::Error, &error, text) });
                return 1;
            }
        }
    }
    child.dead();
    0
}

/// Acts on signals: an end at once, or after the connection in progress.
fn look(child: &Child, signals: &Signals) {
    let caught = signals.take();
    if caught.has(Signal::SIGTERM) || caught.has(Signal::SIGINT) {
        child.dead();
        child.exit();
    }
    if caught.has(Signal::SIGUSR1) {
        child.stop();
    }
}

/// Runs one connection to its end, with an eye on the signals.
fn serve(child: &'static Child, service: &dyn Service, signals: &Signals, accepted: Accepted, gate: &mut Gate) {
    let Some(connection) = begin(service, accepted) else { return };
    engine::alone::run(async {
        let mut connection = pin!(child.tend(connection));
        let mut watch = pin!(async {
            loop {
                if engine::readable_fd(signals.fd()).await.is_err() {
                    return;
                }
                look(child, signals);
                if child.stopping() {
                    gate.close();
                }
            }
        });
        let mut watching = true;
        std::future::poll_fn(|cx| {
            // The watch first: when it stops the child, the connection sees it in the same turn.
            if watching && watch.as_mut().poll(cx).is_ready() {
                watching = false;
            }
            connection.as_mut().poll(cx)
        })
        .await
    });
}

/// The connection's function, applied.
pub fn begin(service: &dyn Service, accepted: Accepted) -> Option<BoxFuture<'static, ()>> {
    let Accepted { stream, peer, listener, keepalives } = accepted;
    Some(match keepalives {
        None => service.connection(Stream::from_tcp(stream).ok()?, peer, listener),
        Some(keepalives) => service.resume(Stream::from_resting_tcp(stream).ok()?, peer, listener, keepalives),
    })
}
