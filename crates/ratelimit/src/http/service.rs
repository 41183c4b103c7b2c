//! The service that the layer makes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, request};
use russet_core::Bytes;
use tower_service::Service;

use super::layer::Settings;
use super::{headers, problem};
use crate::decision::{Decision, Source, Verdict};
use crate::limiter::Limiter;
use crate::outage::OnOutage;
use crate::reservation::{Reservation, Reserved};

/// A service whose requests are limited.
#[derive(Clone)]
pub struct RateLimitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// What was decided about a request.
struct Decided {
    decision: Decision,
    reservation: Option<Reservation>,
    is_allowed: bool,
    policies: Option<HeaderValue>,
}

impl<S> RateLimitService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        RateLimitService { inner, settings }
    }
}

impl Settings {
    /// Decides about a request, and charges it.
    async fn decide(&self, parts: &request::Parts) -> Decided {
        let limiter: Limiter = match &self.operation {
            Some(operation) => self.limiter.operation(&operation(parts)),
            None => self.limiter.clone(),
        };
        let subject = self.subject.of(parts);
        if subject.is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "russet::ratelimit", ?limiter,
                "a request has no subject; all such requests are counted together. Is the peer's address among the extensions?"
            );
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(parts));
        let policies = headers::policies(limiter.policies());
        let reserved = match &subject {
            Some(subject) => limiter.reserve(subject, cost).await,
            // Those without a subject share one, which no other can be called: it has two parts.
            None => limiter.reserve(&("without", "subject"), cost).await,
        };
        let (decision, reservation) = match reserved {
            Ok(Reserved::Granted(reservation)) => {
                (reservation.decision().clone(), Some(reservation))
            }
            Ok(Reserved::Refused(decision)) => (decision, None),
            Err(error) => {
                tracing::error!(target: "russet::ratelimit", %error, "a request could not be decided about");
                let is_allowed = limiter.inner.on_outage != OnOutage::Deny;
                let verdict = if is_allowed {
                    Verdict::Allowed
                } else {
                    Verdict::Unavailable
                };
                return Decided {
                    decision: Decision::unknown(
                        limiter.plan.rules.clone(),
                        verdict,
                        Source::Degraded,
                    ),
                    reservation: None,
                    is_allowed,
                    policies: None,
                };
            }
        };
        Decided {
            is_allowed: decision.is_allowed(),
            decision,
            reservation,
            policies,
        }
    }
}

impl<S, Req, Res> Service<Request<Req>> for RateLimitService<S>
where
    S: Service<Request<Req>, Response = Response<Res>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    Req: Send + 'static,
    Res: From<Bytes> + Send + 'static,
{
    type Response = Response<Res>;
    type Error = S::Error;
    type Future = ResponseFuture<Res, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        // The one that is ready is called, its clone is the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let settings = self.settings.clone();
        ResponseFuture(Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let decided = settings.decide(&parts).await;
            let mut response = if decided.is_allowed {
                parts.extensions.insert(decided.decision.clone());
                inner.call(Request::from_parts(parts, body)).await?
            } else {
                problem::response(&decided.decision)
            };
            let policies = decided.policies.as_ref();
            headers::tell(
                response.headers_mut(),
                &decided.decision,
                policies,
                settings.fields,
            );
            let (Some(actual), Some(reservation)) = (&settings.actual, decided.reservation) else {
                return Ok(response);
            };
            let (parts, body) = response.into_parts();
            if let Some(actual) = actual(&parts).filter(|actual| *actual != reservation.charged()) {
                tokio::spawn(async move {
                    if let Err(error) = reservation.commit(actual).await {
                        tracing::warn!(target: "russet::ratelimit", %error, "what a request has cost could not be settled");
                    }
                });
            }
            Ok(Response::from_parts(parts, body))
        }))
    }
}

impl<S> fmt::Debug for RateLimitService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RateLimitService({:?})", self.settings.limiter)
    }
}

/// The future of [`RateLimitService`].
#[must_use = "a response does not come until it is awaited"]
pub struct ResponseFuture<B, E>(Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>);

impl<B, E> Future for ResponseFuture<B, E> {
    type Output = Result<Response<B>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B, E> fmt::Debug for ResponseFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
