//! What a request is told that is not let through (RFC 9457).

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use russet_core::Bytes;
use serde_json::json;

use crate::decision::{Decision, Verdict};

/// The status: 429 if a limit denies it, 413 if its cost never can pass, 503 if nobody could say.
fn status(decision: &Decision) -> StatusCode {
    match decision.verdict() {
        Verdict::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Verdict::Impossible => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// A response of `application/problem+json`.
pub(super) fn response<B: From<Bytes>>(decision: &Decision) -> Response<B> {
    let status = status(decision);
    let (kind, title) = match status {
        StatusCode::TOO_MANY_REQUESTS => (
            "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "The quota of requests is exceeded",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
            "The service can answer fewer requests for a while",
        ),
        _ => (
            "about:blank",
            "The request costs more than its quota ever is",
        ),
    };
    let violated: Vec<&str> = decision.denied_by().into_iter().collect();
    let problem = json!({
        "type": kind,
        "title": title,
        "status": status.as_u16(),
        "violated-policies": violated,
    });
    let mut response = Response::new(B::from(Bytes::from(problem.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
