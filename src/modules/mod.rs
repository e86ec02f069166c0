//! modules

pub mod http;
pub mod mappers;
