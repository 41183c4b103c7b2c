//! The decision, in axum's handlers.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::decision::Decision;

/// A handler wants a decision, and no [`RateLimitLayer`](super::RateLimitLayer) has made one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoDecision;

impl IntoResponse for NoDecision {
    fn into_response(self) -> Response {
        tracing::error!(target: "russet::ratelimit", "a handler wants a decision; put a RateLimitLayer around its route");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Decision {
    type Rejection = NoDecision;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoDecision> {
        parts
            .extensions
            .get::<Decision>()
            .cloned()
            .ok_or(NoDecision)
    }
}
