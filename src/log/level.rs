//! Log levels (LogLevel) for the server, for a module, for a directory.

/// A level; lower is graver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Level {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
    Trace1,
    Trace2,
    Trace3,
    Trace4,
    Trace5,
    Trace6,
    Trace7,
    Trace8,
}

const NAMES: [(&str, Level); 16] = [
    ("emerg", Level::Emerg),
    ("alert", Level::Alert),
    ("crit", Level::Crit),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("notice", Level::Notice),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace1", Level::Trace1),
    ("trace2", Level::Trace2),
    ("trace3", Level::Trace3),
    ("trace4", Level::Trace4),
    ("trace5", Level::Trace5),
    ("trace6", Level::Trace6),
    ("trace7", Level::Trace7),
    ("trace8", Level::Trace8),
];

impl Level {
    /// The level of a keyword, any case.
    pub fn parse(word: &[u8]) -> Option<Level> {
        NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, level)| *level)
    }
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// What LogLevel set: a level for all, and exceptions by module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// None inherits.
    pub all: Option<Level>,
    /// By the module's log name (`authz_core`).
    pub modules: Vec<(&'static str, Level)>,
}

impl Levels {
    /// The level for a module.
    pub fn of(&self, module: &str) -> Option<Level> {
        self.modules.iter().rfind(|(name, _)| *name == module).map(|(_, level)| *level).or(self.all)
    }
}
