//! modules

pub mod http;
pub mod loggers;
pub mod mappers;
