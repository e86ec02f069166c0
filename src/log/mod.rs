//! The error log: levels, AH tags, formats, targets, the tracing layer.

mod level;
mod target;

pub use level::*;
pub use target::*;
