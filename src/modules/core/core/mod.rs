//! core: what the server does whatever modules are loaded. Its hooks stand in `crate::server`; here are its directives.
//!
//! Manual: mod/core.html, mod/mpm_common.html (PidFile and the other process-wide ones that belong to core.c).

mod directory;
mod global;
mod limits;
mod options;
mod reading;
mod sections;
mod server;

use crate::config::{Config, Cx, Outcome, Word};
use crate::module::{Linked, Module};

pub static MODULE: Module = Module {
    name: "core.c",
    ident: "core_module",
    linked: Linked::Static,
    directives: &[
        sections::DIRECTIVES,
        reading::DIRECTIVES,
        options::DIRECTIVES,
        directory::DIRECTIVES,
        server::DIRECTIVES,
        limits::DIRECTIVES,
        global::DIRECTIVES,
    ],
    server: Config::of::<crate::config::CoreServer>(),
    dir: Config::of::<crate::config::CoreDir>(),
    hooks: crate::server::core_hooks,
};

/// The number that digits at the front of `word` make, as C's `atoi` reads it.
pub(crate) fn atoi(word: &[u8]) -> i64 {
    let word = word.trim_ascii_start();
    let (negative, digits) = match word.first() {
        Some(b'-') => (true, word.get(1..).unwrap_or_default()),
        Some(b'+') => (false, word.get(1..).unwrap_or_default()),
        _ => (false, word),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |value, byte| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    if negative { -value } else { value }
}

/// The number that is all of `word`.
pub(crate) fn whole_number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.trim_ascii_start().parse().ok()
}

/// A duration with an optional unit (`ms`, `s`, `mi`, `h`, `us`), seconds without one, as
/// `ap_timeout_parameter_parse` reads it; microseconds.
pub(crate) fn duration(word: &[u8], default_unit: &[u8]) -> Option<i64> {
    let digits = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    // A unit without a number is none of it.
    let value = atoi(word.get(..digits)?);
    let unit = word.get(digits..).filter(|unit| !unit.is_empty()).unwrap_or(default_unit);
    let factor = match unit.to_ascii_lowercase().as_slice() {
        [b's', ..] => 1_000_000,
        [b'h', ..] => 3_600_000_000,
        [b'm', b's', ..] => 1_000,
        [b'm', b'i', ..] => 60_000_000,
        [b'u', b's', ..] => 1,
        _ => return None,
    };
    value.checked_mul(factor)
}

/// For rows that only exist to refuse or to do nothing.
pub(crate) fn accept(_: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    Ok(())
}
