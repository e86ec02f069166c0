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
    /// The level of a number: 0 is emerg, 15 trace8.
    pub fn numbered(number: usize) -> Option<Level> {
        NAMES.get(number).map(|(_, level)| *level)
    }
    /// The level's keyword.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// What LogLevel set: a level for all, and exceptions by module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// None inherits.
    pub all: Option<Level>,
    /// By the module's log name (`authz_core`).
    pub modules: Vec<(&'static str, Level)>,
}

impl Levels {
    /// The level for a module.
    #[inline]
    pub fn of(&self, module: &str) -> Option<Level> {
        if self.modules.is_empty() {
            return self.all;
        }
        self.modules.iter().rfind(|(name, _)| *name == module).map(|(_, level)| *level).or(self.all)
    }
    /// `LogLevel level`: a level for all modules, forgetting what was set for single ones.
    pub fn set_all(&mut self, level: Level) {
        self.all = Some(level);
        self.modules.clear();
    }
    /// `LogLevel module:level`.
    pub fn set_module(&mut self, module: &'static str, level: Level) {
        self.modules.retain(|(name, _)| *name != module);
        self.modules.push((module, level));
    }
    /// What holds where `add` (a directory, a virtual host) stands on top of `base`: a level for all modules hides
    /// everything below it.
    pub fn merged(base: &Levels, add: &Levels) -> Levels {
        let mut out = if add.all.is_some() { Levels::default() } else { base.clone() };
        out.all = add.all.or(base.all);
        for (module, level) in &add.modules {
            out.set_module(module, *level);
        }
        out
    }
}

/// LogLevel where nothing is configured.
pub const DEFAULT_LEVEL: Level = Level::Warn;

/// The level that holds for a module, looked up in the levels of the directory, then in the server's.
#[inline]
pub fn allowed(level: Level, module: &str, directory: Option<&Levels>, server: Option<&Levels>) -> bool {
    let of = |levels: Option<&Levels>| levels.and_then(|levels| levels.of(module));
    level <= of(directory).or_else(|| of(server)).unwrap_or(DEFAULT_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_for_all_forgets_those_of_modules() {
        let mut levels = Levels::default();
        levels.set_module("ssl", Level::Debug);
        assert_eq!((levels.of("ssl"), levels.of("core")), (Some(Level::Debug), None));
        let add = Levels { all: Some(Level::Error), modules: Vec::new() };
        assert_eq!(Levels::merged(&levels, &add), add);
        let merged = Levels::merged(&add, &levels);
        assert_eq!((merged.of("ssl"), merged.of("core")), (Some(Level::Debug), Some(Level::Error)));
    }

    #[test]
    fn the_directory_decides_first_and_warn_is_the_default() {
        let directory = Levels { all: None, modules: vec![("ssl", Level::Trace1)] };
        let server = Levels { all: Some(Level::Info), modules: Vec::new() };
        assert!(allowed(Level::Trace1, "ssl", Some(&directory), Some(&server)));
        assert!(allowed(Level::Info, "core", Some(&directory), Some(&server)));
        assert!(!allowed(Level::Debug, "core", Some(&directory), Some(&server)));
        assert!(allowed(Level::Warn, "core", None, None) && !allowed(Level::Notice, "core", None, None));
    }
}
