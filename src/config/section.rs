//! Directory-like sections: what they match and the settings they hold.

use super::SettingsVec;
use crate::sys::regex::Regex;
use bstr::BString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a section's argument matches.
#[derive(Clone)]
pub enum Pattern {
    /// A path without wildcards.
    Literal(BString),
    /// fnmatch wildcards.
    Wildcard(BString),
    /// `~ regex` or the `...Match` form. Its named groups become environment variables `MATCH_NAME`.
    Regex(Arc<Regex>),
    /// `<If>`, `<ElseIf>`.
    Condition(Arc<super::Expression>),
    /// `<Else>`.
    Otherwise,
}

/// A compiled section.
pub struct Section {
    /// Unique in the process: memoised merges are keyed by the ids that matched.
    pub id: u32,
    pub pattern: Pattern,
    /// Path components of a `<Directory>` pattern: shorter ones are merged first.
    pub components: usize,
    pub settings: SettingsVec,
    /// Whether the section is `<If>` (false), or continues one (`ElseIf`, `Else`).
    pub continues: bool,
    /// Names of the regex's named groups with their numbers.
    pub names: Vec<(BString, usize)>,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Section {
    /// A fresh id.
    pub fn next_id() -> u32 {
        NEXT_ID.fetch_add(1, Ordering::Relaxed)
    }
}
