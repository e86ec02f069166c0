//! Lines that belong to no server: of the parent, of start-up, of a child as a whole.

use super::{Cause, ErrorFormat, Level, Levels, Line, ProcessScope, Target, allowed, emit, emit_bare};
use arc_swap::ArcSwapOption;
use bstr::{BString, ByteSlice};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The main server's error log, for lines of the process.
#[derive(Default)]
pub struct MainLog {
    /// Unset until the logs are open: lines go to standard error.
    pub target: Target,
    pub levels: Option<Levels>,
    pub format: Option<Arc<ErrorFormat>>,
    /// What `%v` stands for.
    pub server_name: BString,
}

static MAIN: ArcSwapOption<MainLog> = ArcSwapOption::const_empty();

/// Says where lines of the process go from now on.
pub fn install(main: MainLog) {
    MAIN.store(Some(Arc::new(main)));
}

/// Whether a line of that level would be written: for callers that prepare much.
pub fn process_allows(level: Level, module: &str) -> bool {
    let main = MAIN.load();
    let main = main.as_deref();
    let levels = main.and_then(|main| main.levels.as_ref());
    // In a file, notices are never suppressed: they tell of start and stop.
    let notice = level == Level::Notice && main.is_none_or(|main| !main.target.is_syslog());
    notice || allowed(level, module, None, levels)
}

/// A line of the process. An empty module makes it a bare one.
#[track_caller]
pub fn process(level: Level, module: &str, message: fmt::Arguments<'_>) {
    process_errno(level, module, 0, message);
}

/// As [`process`], with an errno (or APR status) whose text stands before the message.
#[track_caller]
pub fn process_errno(level: Level, module: &str, error: impl Cause, message: fmt::Arguments<'_>) {
    if module.is_empty() {
        return startup_errno(level, error, message);
    }
    if !process_allows(level, module) {
        return;
    }
    let line = Line { level, module, errno: error.errno(), source: Some(Location::caller()), message };
    with_main(|main| emit(&main.target, main.format.as_deref(), &ProcessScope(main.server_name.as_bstr()), &line));
}

/// A line of the process whatever the levels: the caller has looked at others.
#[track_caller]
pub fn process_always(level: Level, module: &str, message: fmt::Arguments<'_>) {
    let line = Line { level, module, errno: 0, source: Some(Location::caller()), message };
    with_main(|main| emit(&main.target, main.format.as_deref(), &ProcessScope(main.server_name.as_bstr()), &line));
}

/// A bare line, as start-up complaints are (`AH00558: apache2: Could not reliably ...`): to the terminal before the
/// logs are open, to the main error log afterwards.
pub fn startup(level: Level, message: fmt::Arguments<'_>) {
    startup_errno(level, 0, message);
}

/// As [`startup`], with an errno's text before the message.
pub fn startup_errno(level: Level, error: impl Cause, message: fmt::Arguments<'_>) {
    let line = Line { level, module: "", errno: error.errno(), source: None, message };
    with_main(|main| emit_bare(&main.target, &line));
}

fn with_main(use_it: impl FnOnce(&MainLog)) {
    match &*MAIN.load() {
        Some(main) => use_it(main),
        None => use_it(&MainLog::default()),
    }
}
