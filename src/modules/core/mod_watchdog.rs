//! mod_watchdog: periodic work for other modules.
//!
//! Manual: mod/mod_watchdog.html.

use crate::config::*;
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "mod_watchdog.c",
    ident: "watchdog_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] =
    &[take1("WatchdogInterval", GLOBAL, NO_OVERRIDE, interval, "Watchdog interval in seconds")
        .ignored("no module of this build has periodic work")];

/// Shortest interval, in microseconds.
const MINIMUM: i64 = 100_000;

fn interval(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let Some(value) = crate::config::duration(word, b"s") else {
        return Err("Unparse-able WatchdogInterval setting".into());
    };
    if value < MINIMUM {
        return Err("Invalid WatchdogInterval: minimal value 100ms".into());
    }
    Ok(())
}
