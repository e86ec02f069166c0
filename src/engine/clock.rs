//! The time, read once a turn of the loop.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The moment at which the current turn of the loop began; the present outside of one.
pub fn now() -> Instant {
    TURN.get().unwrap_or_else(Instant::now)
}

/// Begins a turn on this thread.
pub(super) fn begin_turn() -> Instant {
    let now = Instant::now();
    TURN.set(Some(now));
    now
}

/// Ends it: this thread may wait for long, or leads no more.
pub(super) fn end_turn() {
    TURN.set(None);
}
