//! What is done once for all tasks of a round: after them, before the loop looks for events again.

use parking_lot::RwLock;

static ACTS: RwLock<Vec<fn()>> = RwLock::new(Vec::new());

/// From now on `act` is called at the end of every round of a loop, and before its leader blocks. It must be quick where it
/// has nothing to do.
pub fn at_round_end(act: fn()) {
    let mut acts = ACTS.write();
    if !acts.iter().any(|known| std::ptr::fn_addr_eq(*known, act)) {
        acts.push(act);
    }
}

pub(super) fn end() {
    for act in ACTS.read().iter() {
        act();
    }
}
