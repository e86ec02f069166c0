//! What holds for any protocol: phases, walks, virtual-host choice, subrequests, redirects, error documents.

mod mpm;

pub use mpm::*;
