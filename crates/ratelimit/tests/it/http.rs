//! The layer around an axum service.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::get;
use russet_ratelimit::http::{Fields, RateLimitLayer, Subject, TrustedProxies};
use russet_ratelimit::{Decision, Limiter, Limits, OnOutage, Policy};
use russet_testkit::Server;
use tower::ServiceExt as _;

use crate::{HOUR, MINUTE, namespace, on, patient, until};

fn app(layer: RateLimitLayer) -> Router {
    let tells = |decision: Decision| async move { format!("{} left", decision.remaining()) };
    Router::new()
        .route("/", get(tells))
        .route("/free", get(|| async { "free" }))
        .route(
            "/tokens",
            get(|| async {
                Response::builder()
                    .header("x-tokens", "7")
                    .body(Body::from("x"))
                    .unwrap()
            }),
        )
        .layer(layer)
}

async fn ask(
    app: &Router,
    path: &str,
    from: &str,
    forwarded: Option<&str>,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().uri(path);
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request
        .extensions_mut()
        .insert(SocketAddr::new(from.parse().unwrap(), 4711));
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_response_says_what_is_left_and_a_denial_until_when() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(2, 10 * MINUTE))
        .build()
        .unwrap();
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let app = app(RateLimitLayer::new(api, Subject::ip(proxies)));
    let (status, headers, body) = ask(&app, "/", "192.0.2.1", None).await;
    assert_eq!((status, &*body), (StatusCode::OK, "1 left"));
    assert_eq!(
        text(&headers, "ratelimit"),
        Some("\"fixed_window\";r=1;t=600")
    );
    assert_eq!(
        text(&headers, "ratelimit-policy"),
        Some("\"fixed_window\";q=2;w=600")
    );
    assert_eq!(text(&headers, "retry-after"), None);
    assert_eq!(text(&headers, "x-ratelimit-limit"), None);
    assert_eq!(
        ask(&app, "/", "192.0.2.1", Some("198.51.100.9")).await.0,
        StatusCode::OK
    );
    // An address that it made up is not believed.
    let (status, headers, body) = ask(&app, "/", "192.0.2.1", Some("198.51.100.10")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        text(&headers, "content-type"),
        Some("application/problem+json")
    );
    let told: u64 = text(&headers, "retry-after").unwrap().parse().unwrap();
    let limit = text(&headers, "ratelimit").unwrap();
    let t: u64 = limit.rsplit('=').next().unwrap().parse().unwrap();
    assert!(
        (590..=600).contains(&t) && (t..=t + 60).contains(&told),
        "{limit}, {told}"
    );
    assert!(
        body.contains("\"violated-policies\":[\"fixed_window\"]")
            && body.contains("quota-exceeded"),
        "{body}"
    );
    // Behind a proxy of ours it is somebody else.
    assert_eq!(
        ask(&app, "/", "10.0.0.1", Some("192.0.2.1, 192.0.2.2"))
            .await
            .0,
        StatusCode::OK
    );
    assert_eq!(
        ask(&app, "/", "10.0.0.1", Some("192.0.2.2, 192.0.2.1"))
            .await
            .0,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn fields_as_they_were_before_where_that_is_wanted() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(2, HOUR))
        .build()
        .unwrap();
    let layer = RateLimitLayer::new(api.clone(), Subject::route());
    let (_, headers, _) = ask(
        &app(layer.clone().fields(Fields::Legacy)),
        "/free",
        "192.0.2.1",
        None,
    )
    .await;
    assert_eq!(text(&headers, "x-ratelimit-limit"), Some("2"));
    assert_eq!(text(&headers, "x-ratelimit-remaining"), Some("1"));
    assert_eq!(text(&headers, "x-ratelimit-reset"), Some("3600"));
    let (_, headers, _) = ask(&app(layer.fields(Fields::Few)), "/", "192.0.2.1", None).await;
    assert_eq!(text(&headers, "ratelimit"), None);
    assert_eq!(api.peek("GET /free").await.unwrap().quotas[0].current, 1);
}

#[tokio::test]
async fn a_cost_is_settled_by_the_response() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(100, HOUR))
        .build()
        .unwrap();
    let layer = RateLimitLayer::new(api.clone(), Subject::route().or(Subject::route()))
        .cost(|_| 50)
        .settle(|parts| parts.headers.get("x-tokens")?.to_str().ok()?.parse().ok());
    let app = app(layer);
    let current =
        async |path: &str| api.peek(&*format!("GET {path}")).await.unwrap().quotas[0].current;
    assert_eq!(
        ask(&app, "/tokens", "192.0.2.1", None).await.0,
        StatusCode::OK
    );
    until("what was reserved too much is given back", async || {
        current("/tokens").await == 7
    })
    .await;
    assert_eq!(
        ask(&app, "/free", "192.0.2.1", None).await.0,
        StatusCode::OK
    );
    assert_eq!(current("/free").await, 50);
    assert_eq!(
        ask(&app, "/free", "192.0.2.1", None).await.0,
        StatusCode::OK
    );
    assert_eq!(
        ask(&app, "/free", "192.0.2.1", None).await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn two_subjects_together_are_not_two_others() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(1, HOUR))
        .build()
        .unwrap();
    let header = |name: &'static str| Subject::header(name.parse().unwrap());
    let app = app(RateLimitLayer::new(api, header("a").and(header("b"))));
    for (a, b) in [("x b:y", "z"), ("x", "y b:z"), ("x%20b:y", "z")] {
        let request = Request::builder()
            .uri("/free")
            .header("a", a)
            .header("b", b);
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{a:?} {b:?}");
    }
}

#[tokio::test]
async fn operations_have_limits_of_their_own() {
    let ns = namespace().await;
    let limits = Limits::new()
        .with("GET /", Policy::fixed_window(1, HOUR))
        .by_default(Policy::fixed_window(3, HOUR));
    let api = patient(&ns, "api").limits(limits).build().unwrap();
    let layer = RateLimitLayer::new(api, Subject::header("x-forwarded-for".parse().unwrap()))
        .operation(|parts| format!("{} {}", parts.method, parts.uri.path()));
    let app = app(layer);
    for (path, times) in [("/", 1), ("/free", 3)] {
        for turn in 0..=times {
            let (status, headers, _) = ask(&app, path, "192.0.2.1", Some("key")).await;
            assert_eq!(status == StatusCode::OK, turn < times, "{path} {turn}");
            assert_eq!(
                text(&headers, "ratelimit-policy"),
                Some(&*format!("\"fixed_window\";q={times};w=3600"))
            );
        }
    }
    // Those without a key are one.
    assert_eq!(ask(&app, "/", "192.0.2.1", None).await.0, StatusCode::OK);
    assert_eq!(
        ask(&app, "/", "192.0.2.2", None).await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn an_outage_is_no_429() {
    let server = Server::start();
    let ns = on(&server).await;
    let build = |on_outage| {
        let api = Limiter::builder(&ns, "api")
            .policy(Policy::fixed_window(2, HOUR))
            .on_outage(on_outage);
        app(RateLimitLayer::new(api.build().unwrap(), Subject::route()))
    };
    let (allows, denies) = (build(OnOutage::Allow), build(OnOutage::Deny));
    server.kill();
    let (status, headers, _) = ask(&allows, "/free", "192.0.2.1", None).await;
    assert_eq!(
        (status, text(&headers, "ratelimit")),
        (StatusCode::OK, None)
    );
    let (status, headers, body) = ask(&denies, "/free", "192.0.2.1", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&headers, "retry-after"), Some("1"));
    assert!(body.contains("temporary-reduced-capacity"), "{body}");
}

#[tokio::test]
async fn a_handler_without_the_layer_is_told_so() {
    let app = Router::new().route("/", get(|_: Decision| async { "never" }));
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let response = tokio::time::timeout(Duration::from_secs(5), app.oneshot(request))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
