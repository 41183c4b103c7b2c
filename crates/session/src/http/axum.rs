//! Sessions, in axum's handlers.

use std::fmt;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::current::Current;
use crate::data::Data;
use crate::error::SessionError;

/// Why a handler got no session.
#[derive(Debug)]
#[non_exhaustive]
pub enum NoSession {
    /// No [`SessionLayer`](super::SessionLayer) of this type is around its route: a 500.
    NoLayer,
    /// Nobody is logged in: a 401.
    NotSignedIn,
    /// It could not be read: a 503 if it may be later, else a 500. The cookie stays.
    Unknown(SessionError),
}

impl IntoResponse for NoSession {
    fn into_response(self) -> Response {
        match self {
            NoSession::NoLayer => {
                tracing::error!(target: "russet::session", "a handler wants a session; put a SessionLayer of the same type around its route");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            NoSession::NotSignedIn => {
                let by = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
                (StatusCode::UNAUTHORIZED, by).into_response()
            }
            NoSession::Unknown(error) => error.into_response(),
        }
    }
}

/// A 503 if it may be better later, else a 500. What went wrong is in the log, and not in the answer: an outage as one warning when it begins.
impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        if self.is_retryable() {
            // An outage is told when it begins, and not by each request.
            tracing::debug!(target: "russet::session", error = %self, "a session cannot be read or written now");
            let later = [(RETRY_AFTER, HeaderValue::from_static("1"))];
            return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
        }
        tracing::error!(target: "russet::session", error = %self, "a session could not be read or written");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Sync, T: Send + Sync + 'static> FromRequestParts<S> for Current<T> {
    type Rejection = NoSession;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoSession> {
        let current = parts.extensions.get::<Current<T>>().cloned();
        current.ok_or(NoSession::NoLayer)
    }
}

/// The session of who is logged in; a request of nobody's does not come to the handler.
pub struct SignedIn<T> {
    user: String,
    current: Current<T>,
}

impl<T> SignedIn<T> {
    /// Who it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Their session: [`load`](Current::load) asks nothing of Redis any more.
    pub fn current(&self) -> &Current<T> {
        &self.current
    }
}

impl<S, T> FromRequestParts<S> for SignedIn<T>
where
    S: Sync,
    T: Data,
{
    type Rejection = NoSession;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NoSession> {
        let current = Current::<T>::from_request_parts(parts, state).await?;
        let held = current.load().await.map_err(NoSession::Unknown)?;
        let user = held.as_ref().and_then(|held| held.user());
        let user = user.ok_or(NoSession::NotSignedIn)?.to_owned();
        drop(held);
        Ok(SignedIn { user, current })
    }
}

impl<T> fmt::Debug for SignedIn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedIn(…)")
    }
}
