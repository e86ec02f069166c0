//! Where log lines go.

use std::sync::Arc;

/// A destination, shared by the servers that name the same one.
#[derive(Clone, Debug, Default)]
pub struct Target(pub Option<Arc<std::fs::File>>);

/// A compiled ErrorLogFormat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFormat {}
