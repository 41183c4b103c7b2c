//! What a batcher carries, and how.

use std::time::Instant;

use crate::error::Error;

/// One kind of call and the command that carries many of it.
pub trait Flight: Send + Sync + 'static {
    /// What one caller asks.
    type Request: Send + 'static;
    /// What one caller gets.
    type Response: Send + 'static;

    /// Which calls may share a flight: those with the same number, such as the cluster slot of their key. All, by default.
    fn group(&self, request: &Self::Request) -> u16 {
        let _ = request;
        0
    }

    /// How many bytes a call adds to the command.
    fn request_bytes(&self, request: &Self::Request) -> usize;

    /// How many bytes an answer came in.
    fn response_bytes(&self, response: &Self::Response) -> usize;

    /// Carries the calls; answers one result for each, in order.
    ///
    /// `deadline` is the last caller's.
    fn fly(
        &self,
        requests: Vec<Self::Request>,
        deadline: Instant,
    ) -> impl Future<Output = Vec<Result<Self::Response, Error>>> + Send;
}
