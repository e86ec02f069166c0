//! .htaccess on the way down.

use crate::request::{Request, Status};

/// Merges the .htaccess of the directory `filename[..len]`.
pub(super) fn apply_htaccess(_: &mut Request, _: usize) -> Result<(), Status> {
    Ok(())
}
