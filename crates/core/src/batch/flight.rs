//! What a batcher carries, and how.

use std::time::Instant;

use crate::error::Error;

/// One kind of call and the command that carries many of it.
pub trait Flight: Send + Sync + 'static {
    /// What one caller asks.
    type Request: Send + 'static;
    /// What one caller gets.
    type Response: Send + 'static;

    /// Carries the calls; answers one result for each, in order.
    ///
    /// `deadline` is the last caller's.
    fn fly(
        &self,
        requests: Vec<Self::Request>,
        deadline: Instant,
    ) -> impl Future<Output = Vec<Result<Self::Response, Error>>> + Send;
}
