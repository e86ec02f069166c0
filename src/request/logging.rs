//! Error log lines about a request.

use super::Request;
use crate::log::Level;
use std::fmt::Arguments;

impl Request {
    /// Writes a line if LogLevel asks for it.
    pub fn log(&self, level: Level, module: &'static str, message: Arguments<'_>) {
        let levels = self.dir.core().levels.as_ref().or(self.server.levels.as_ref());
        if levels.and_then(|levels| levels.of(module)).unwrap_or(Level::Warn) < level {
            return;
        }
        tracing::event!(tracing::Level::ERROR, module, %message);
    }
    /// As [`Request::log`], with a system error in front.
    pub fn log_errno(&self, level: Level, module: &'static str, error: &std::io::Error, message: Arguments<'_>) {
        self.log(level, module, format_args!("{error}: {message}"));
    }
}
