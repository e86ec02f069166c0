//! Rules, conditions and their settings, compiled.

use super::expand::Template;
use super::map::Map;
use crate::config::*;
use crate::request::Status;
use crate::sys::regex::Regex;
use bstr::BString;
use std::sync::Arc;

/// Bits of RewriteOptions.
pub mod option {
    pub const INHERIT: u32 = 1;
    pub const INHERIT_BEFORE: u32 = 2;
    pub const NO_SLASH: u32 = 4;
    pub const ANY_URI: u32 = 8;
    pub const MERGE_BASE: u32 = 16;
    pub const INHERIT_DOWN: u32 = 32;
    pub const INHERIT_DOWN_BEFORE: u32 = 64;
    pub const IGNORE_INHERIT: u32 = 128;
    pub const IGNORE_CONTEXT: u32 = 256;
    pub const LEGACY_DOCROOT: u32 = 512;
    pub const UNSAFE_PREFIX_STAT: u32 = 1024;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

/// What a condition asks of its text.
#[derive(Clone)]
pub enum Test {
    Regex(Arc<Regex>),
    Text(Order, Template),
    Number(Order, Template),
    File,
    Directory,
    NotEmpty,
    Link,
    Executable,
    Url,
    Accessible,
    Expression(Arc<Expression>),
}

#[derive(Clone)]
pub struct Cond {
    pub input: Template,
    /// As written, for the log.
    pub pattern: BString,
    pub test: Test,
    pub negated: bool,
    pub or_next: bool,
    pub no_case: bool,
    pub no_vary: bool,
}

/// Flags of a rule that are on or off.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RuleFlags {
    pub escape_backrefs: bool,
    pub no_plus: bool,
    pub controls_only: bool,
    pub chain: bool,
    pub discard_path_info: bool,
    pub end: bool,
    pub last: bool,
    pub next: bool,
    pub no_case: bool,
    pub no_escape: bool,
    pub not_in_subrequests: bool,
    pub proxy: bool,
    pub pass_through: bool,
    pub append_query: bool,
    pub discard_query: bool,
    pub last_question_mark: bool,
    pub redirect: bool,
    /// A status that is no redirect: F, G, R=404.
    pub status: bool,
    pub unsafe_allow_3f: bool,
    pub unsafe_prefix_stat: bool,
    pub unc: bool,
}

#[derive(Clone)]
pub struct Rule {
    pub pattern: BString,
    pub regex: Arc<Regex>,
    pub negated: bool,
    /// `-`: nothing is replaced.
    pub keeps: bool,
    /// The request's query goes, and none is looked for in the result: the substitution ended with a question mark, which
    /// is no part of it any more, or QSD says so and it has none.
    pub no_query: bool,
    pub output: Template,
    pub output_text: BString,
    pub conds: Vec<Cond>,
    pub flags: RuleFlags,
    pub status: Status,
    pub skip: usize,
    pub rounds: u32,
    pub kind: Option<Template>,
    pub handler: Option<Template>,
    pub env: Vec<Template>,
    pub cookies: Vec<Template>,
    /// B=...: only these are escaped.
    pub escape: BString,
    /// BNE=...: these are not.
    pub spare: BString,
}

/// The rules of one place.
#[derive(Clone, Default)]
pub struct RuleSet {
    pub engine: Switch,
    pub options: u32,
    pub options_set: bool,
    pub rules: Vec<Arc<Rule>>,
    /// Conditions whose rule is still to come.
    pub pending: Vec<Cond>,
    pub maps: Vec<(BString, Arc<Map>)>,
    pub base: Option<BString>,
    /// The directory with its slash; None in servers.
    pub directory: Option<BString>,
}

impl RuleSet {
    fn merged(base: &RuleSet, add: &RuleSet) -> RuleSet {
        use option::*;
        let options = if add.options_set { add.options } else { base.options };
        let down = options & IGNORE_INHERIT == 0;
        let before = options & INHERIT_BEFORE != 0 || down && base.options & INHERIT_DOWN_BEFORE != 0;
        let after = options & INHERIT != 0 || down && base.options & INHERIT_DOWN != 0;
        let mut maps = add.maps.clone();
        if before || after {
            maps.extend(base.maps.iter().filter(|(name, _)| !add.maps.iter().any(|(own, _)| own == name)).cloned());
        }
        let rules = match (after, before) {
            (true, _) => [&add.rules[..], &base.rules[..]].concat(),
            (_, true) => [&base.rules[..], &add.rules[..]].concat(),
            _ => add.rules.clone(),
        };
        RuleSet {
            engine: add.engine.or(base.engine),
            options,
            options_set: add.options_set || base.options_set,
            rules,
            pending: add.pending.clone(),
            maps,
            base: match &add.base {
                None if options & MERGE_BASE != 0 => base.base.clone(),
                own => own.clone(),
            },
            directory: add.directory.clone(),
        }
    }
}

#[derive(Clone, Default)]
pub struct ServerRules(pub RuleSet);

impl Settings for ServerRules {
    crate::slot!();
    // The rules of the main server are its own.
    const SILENT_HOSTS_SHARE: bool = false;
    fn merge(base: &Self, add: &Self) -> Self {
        ServerRules(RuleSet::merged(&base.0, &add.0))
    }
}

#[derive(Clone, Default)]
pub struct DirRules(pub RuleSet);

impl Settings for DirRules {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DirRules(RuleSet::merged(&base.0, &add.0))
    }
}
