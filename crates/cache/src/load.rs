//! What a loader is told.

use std::time::Instant;

/// The context of one load.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cx {
    /// When the load will be stopped.
    pub deadline: Instant,
}
