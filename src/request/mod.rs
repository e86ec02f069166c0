//! The vocabulary of a request: what the wire code fills, the phases read and change, and the modules work on.
//! No behaviour beyond keeping the data consistent.

mod body;
mod connection;
mod logging;
mod message;
mod method;
mod read_limits;
mod status;
mod table;
#[cfg(test)]
pub mod testing;

pub use body::*;
pub use connection::*;
pub use logging::Remote;
pub use message::*;
pub use method::*;
pub use read_limits::*;
pub use status::*;
pub use table::*;
