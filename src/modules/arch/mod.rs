//! What belongs to the operating system (Apache's `modules/arch`).

pub mod mod_systemd;
pub mod mod_unixd;
