//! The records of the three MPMs: which directives each understands. What they do is `crate::mpm`.

mod common;
pub mod event;
pub mod prefork;
pub mod worker;
