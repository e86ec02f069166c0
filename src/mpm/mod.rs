//! Multi-processing: the parent with its children, the scoreboard, listeners, signals, and the three ways to run
//! connections: prefork, worker, event.

mod limits;
mod line;
mod listeners;
pub mod pidfile;
mod privileges;
mod scoreboard;
mod slots;

pub use limits::{Fixed, Limits, settle};
pub use line::Line;
pub use listeners::{Bound, Listeners};
pub use privileges::{group_id, user_id};
