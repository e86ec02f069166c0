//! mod_watchdog: periodic work for other modules.
//!
//! Hooks: `post_config`, last, looks whether any module has such work ([`Periodic`]); `child_init`, last, starts a thread for it
//! in each child. One of them at a time does the work: who holds a lock in shared memory, which passes on when its holder ends.
//!
//! Differences: the thread is there only where there is work. Manual: mod/mod_watchdog.html.

use crate::config::*;
use crate::engine;
use crate::log::{self, Level};
use crate::module::{Hooks, LAST, Linked, Module, Periodic};
use crate::server;
use crate::sys::shared::Region;
use crate::sys::shared_lock;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_watchdog.c",
    ident: "watchdog_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::of::<WatchdogServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[take1("WatchdogInterval", GLOBAL, NO_OVERRIDE, interval, "Watchdog interval in seconds")];

/// Shortest interval, in microseconds.
const MINIMUM: i64 = 100_000;

#[derive(Clone, Default)]
pub struct WatchdogServer {
    interval: Option<Duration>,
}

impl Settings for WatchdogServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        WatchdogServer { interval: add.interval.or(base.interval) }
    }
}

fn interval(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let Some(value) = crate::config::duration(word, b"s") else {
        return Err("Unparse-able WatchdogInterval setting".into());
    };
    if value < MINIMUM {
        return Err("Invalid WatchdogInterval: minimal value 100ms".into());
    }
    cx.server::<WatchdogServer>().interval = Some(Duration::from_micros(value.unsigned_abs()));
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(LAST, prepare);
    on.child_init(LAST, start);
}

/// Says who does the work; each generation has its own.
static TURN: Mutex<Option<Arc<Region>>> = Mutex::new(None);

fn work(configuration: &Configuration) -> impl Iterator<Item = &'static dyn Periodic> + '_ {
    let providers = &configuration.providers;
    let all = providers.names::<dyn Periodic>().filter_map(|name| providers.find::<dyn Periodic>(name.as_bytes()));
    all.filter(|work| work.wanted(configuration))
}

fn prepare(configuration: &mut Configuration) -> Result<(), String> {
    let turn = match work(configuration).next() {
        None => None,
        Some(_) => {
            Some(Arc::new(Region::new(1).map_err(|error| format!("AH02094: Failed to create watchdog: {error}"))?))
        }
    };
    *TURN.lock() = turn;
    Ok(())
}

fn start(configuration: &'static Configuration) {
    let Some(turn) = TURN.lock().clone() else { return };
    let started = std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(move || engine::alone::run(watch(configuration, &turn)));
    if let Err(error) = started {
        log::process_errno(Level::Error, "watchdog", error, format_args!("the watchdog's thread could not be started"));
    }
}

/// Waits for the turn, then does the work until the child ends.
async fn watch(configuration: &'static Configuration, turn: &Region) {
    let interval = configuration.main().settings.of::<WatchdogServer>().interval.unwrap_or(Duration::from_secs(1));
    let works: Vec<_> = work(configuration).collect();
    let Some(word) = turn.first() else { return };
    let mut held = None;
    loop {
        engine::sleep(interval).await;
        if server::mpm().is_some_and(server::Mpm::stopping) {
            return;
        }
        if held.is_none() {
            held = shared_lock::try_lock(word);
        }
        if held.is_some() {
            works.iter().for_each(|work| work.tick(configuration));
        }
    }
}
