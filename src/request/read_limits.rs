//! Deadlines for reading heads and bodies.

use std::time::Duration;

/// The deadline of one part. A zero duration means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadLimit {
    /// Time until the part must be complete.
    pub first: Duration,
    /// The deadline moves on with data up to here; zero: as far as the data carries it.
    pub most: Duration,
    /// Octets that buy one more second; 0: none do.
    pub min_rate: u32,
}

/// What bounds the reading of a connection's requests: the wire code keeps to it and answers 408.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadLimits {
    /// Of a TLS handshake.
    pub handshake: ReadLimit,
    pub head: ReadLimit,
    pub body: ReadLimit,
}

impl ReadLimits {
    /// Whether anything is bounded.
    pub fn any(&self) -> bool {
        *self != ReadLimits::default()
    }
}
