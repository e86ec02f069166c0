//! modules

pub mod generators;
pub mod http;
pub mod loggers;
pub mod mappers;
