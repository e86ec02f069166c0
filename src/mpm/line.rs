//! Log lines of the process machinery, on their way to whoever writes the log.

use crate::config::{MpmKind, Warning};
use crate::log::Level;
use bstr::BString;
use std::io;

/// One line for the error log, or for the terminal before there is a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    /// The module's log name; empty for a bare line.
    pub module: &'static str,
    /// An `errno` whose text stands before the line, `(98)Address already in use: `; 0 is none.
    pub errno: i32,
    pub text: BString,
}

impl Line {
    /// A line of the core with a system error.
    pub fn core(level: Level, error: &io::Error, text: String) -> Line {
        Line { level, module: "core", errno: error.raw_os_error().unwrap_or(0), text: text.into() }
    }
    /// A line of the core.
    pub fn plain(level: Level, text: impl Into<BString>) -> Line {
        Line { level, module: "core", errno: 0, text: text.into() }
    }
    /// A line without a module.
    pub fn bare(level: Level, text: impl Into<BString>) -> Line {
        Line { level, module: "", errno: 0, text: text.into() }
    }
    /// A line of the MPM itself.
    pub fn of(kind: MpmKind, level: Level, text: impl Into<BString>) -> Line {
        Line { level, module: super::limits::module(kind), errno: 0, text: text.into() }
    }
}

impl From<Warning> for Line {
    fn from(warning: Warning) -> Line {
        Line { level: warning.level, module: warning.module, errno: 0, text: warning.text }
    }
}
