//! event: one process, one loop, thousands of connections (manual: mod/event.html).
//!
//! A connection costs a task. A request takes one of ThreadsPerChild slots; when all are taken it stands in line, and
//! when AsyncRequestWorkerFactor's measure is full the child accepts no more until slots come free.

use super::Line;
use super::child::{Child, EXIT_SICK};
use super::gate::{is_short, take_over};
use super::prefork::begin;
use super::supervisor::Born;
use super::{Listeners, Service};
use crate::engine::{self, Listener};
use crate::log::Level;
use crate::sys::signal::Signals;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// The listeners of this child, to be switched off and on; none are left when it is to end.
static LISTENERS: Mutex<Vec<Arc<Listener>>> = Mutex::new(Vec::new());

/// Switches accepting off and on.
pub fn admission(open: bool) {
    LISTENERS.lock().iter().for_each(|listener| if open { listener.enable() } else { listener.disable() });
}

/// Serves until the child is to end; the exit status.
pub fn run(born: Born<'_>) -> i32 {
    let Born { child, service, signals, listeners, lobby, program } = born;
    raise_descriptor_limit();
    let options = engine::event::Options {
        max_threads: child.limits.threads as usize,
        stack_size: child.limits.stack_size,
        ..Default::default()
    };
    let (report, outcome) = std::sync::mpsc::channel();
    let ran = engine::event::run(options, async move {
        let made = listeners.iter().map(|bound| Listener::new(OwnedFd::from(bound.socket.try_clone()?)).map(Arc::new));
        match made.collect::<std::io::Result<Vec<_>>>() {
            Ok(made) => {
                LISTENERS.lock().clone_from(&made);
                child.ready();
                accept_until_stop(child, service, signals, listeners, lobby, made).await;
            }
            Err(error) => {
                let _ = report.send(error);
            }
        }
    });
    if let Some(error) = ran.err().or_else(|| outcome.try_recv().ok()) {
        let text = "AH03103: apr_pollset_create with Thread Safety failed.".to_owned();
        program.log(&Line { module: "mpm_event", ..Line::core(Level::Error, &error, text) });
        return EXIT_SICK;
    }
    0
}

async fn accept_until_stop(
    child: &'static Child,
    service: Arc<dyn Service>,
    signals: Signals,
    listeners: Arc<Listeners>,
    lobby: OwnedFd,
    accepting: Vec<Arc<Listener>>,
) {
    for (index, listener) in accepting.into_iter().enumerate() {
        engine::spawn(until_stop(child, accept(child, service.clone(), listener, index)));
    }
    engine::spawn(until_stop(child, receive(child, service, listeners, lobby)));
    // The signals are heard to the last connection's end, by a task of their own. Nothing else is worth waiting for, such as
    // a cache that looks after itself now and then.
    engine::spawn(async move {
        until(child.ended(), listen(child, signals)).await;
        child.ended().await;
        if let Some(handle) = engine::event::handle() {
            handle.stop();
        }
    });
    until_stop(child, std::future::pending()).await;
    // With the tasks that accept, the last that holds them: a client that comes now is refused at once when no other child has them.
    LISTENERS.lock().clear();
}

/// Accepts on one listener.
async fn accept(child: &'static Child, service: Arc<dyn Service>, listener: Arc<Listener>, index: usize) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(peer) = peer else { continue };
                let last = child.accepted();
                engine::spawn(child.tend(service.connection(stream, peer, index)));
                if last {
                    child.stop();
                }
                child.publish_queue();
            }
            Err(error) if is_short(&error) => {
                // Idle connections are the least worth keeping.
                child.shed();
                engine::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => {}
        }
    }
}

/// Takes over idle connections of children that end.
async fn receive(child: &'static Child, service: Arc<dyn Service>, listeners: Arc<Listeners>, lobby: OwnedFd) {
    while engine::readable_fd(&lobby).await.is_ok() {
        while let Some(accepted) = take_over(&lobby, &listeners) {
            if let Some(connection) = begin(&*service, accepted) {
                engine::spawn(child.tend(connection));
            }
            engine::yield_now().await;
        }
    }
}

/// Acts on signals.
async fn listen(child: &'static Child, signals: Signals) {
    while engine::readable_fd(signals.fd()).await.is_ok() {
        let caught = signals.take();
        if caught.has(Signal::SIGTERM) || caught.has(Signal::SIGINT) {
            child.exit();
        }
        if caught.has(Signal::SIGUSR1) {
            child.stop();
        }
    }
}

/// Runs `task` until the child is to end.
async fn until_stop(child: &'static Child, task: impl Future<Output = ()>) {
    until(child.ending(), task).await;
}

/// Runs `task` until `end` is ready, or itself to its end.
async fn until(end: impl Future<Output = ()>, task: impl Future<Output = ()>) {
    let mut watch = pin!(end);
    let mut task = pin!(task);
    std::future::poll_fn(|cx| {
        if watch.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        task.as_mut().poll(cx)
    })
    .await;
}

/// A child of thousands of connections wants all the descriptors that it may have.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
