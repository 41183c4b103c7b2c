//! Wrong configuration: each fault its own error, in time, without a secret.

use std::time::{Duration, Instant};

use russet_core::{BuildErrorKind, Error, ErrorKind, Redis};
use russet_testkit::{Server, Shared};

fn build_kind(error: &Error) -> BuildErrorKind {
    let source = std::error::Error::source(error).expect("a configuration error has its source");
    source
        .downcast_ref::<russet_core::BuildError>()
        .expect("a BuildError")
        .kind()
}

#[tokio::test]
async fn a_url_that_cannot_be_meant() {
    for (url, kind) in [
        ("localhost", BuildErrorKind::Url),
        ("redis//localhost", BuildErrorKind::Url),
        ("redi://localhost", BuildErrorKind::Scheme),
        ("redis://localhost:70000", BuildErrorKind::Port),
        ("redis://localhost:x", BuildErrorKind::Port),
        ("redis://localhost/x", BuildErrorKind::Database),
        ("redis://", BuildErrorKind::Host),
        ("redis-cluster://localhost/1", BuildErrorKind::Database),
        #[cfg(not(feature = "tls"))]
        ("rediss://localhost", BuildErrorKind::Tls),
    ] {
        let error = Redis::connect(url).await.expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
        assert_eq!(build_kind(&error), kind, "{url}: {error}");
        assert!(!error.may_have_executed() && !error.is_retryable());
    }
}

#[tokio::test]
async fn a_refused_password() {
    let server = Server::builder().password("right").try_start().unwrap();
    let port = server.port();
    for (url, says) in [
        (
            format!("redis://:hunter2@127.0.0.1:{port}"),
            "refused the user name or password",
        ),
        (
            format!("redis://nobody:hunter2@127.0.0.1:{port}"),
            "refused the user name or password",
        ),
        (format!("redis://127.0.0.1:{port}"), "wants a password"),
    ] {
        let error = Redis::connect(&url).await.expect_err(&url);
        assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    Redis::connect(&format!("redis://:right@127.0.0.1:{port}"))
        .await
        .expect("the right one is let in");
}

#[tokio::test]
async fn a_password_for_a_server_that_has_none() {
    let server = Server::start();
    let error = Redis::connect(&format!(
        "redis://someone:hunter2@127.0.0.1:{}",
        server.port()
    ))
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_missing_database() {
    let server = Server::with_config([("databases", "4")]);
    let error = Redis::connect(&format!("redis://127.0.0.1:{}/9", server.port()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert_eq!(build_kind(&error), BuildErrorKind::Database);
    assert!(error.to_string().contains("no such database"), "{error}");
}

#[tokio::test]
async fn an_unreachable_host() {
    let limit = Duration::from_millis(500);
    // A closed port is refused at once; a server that takes connections and says nothing has to be waited for.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (url, says) in [
        (format!("redis://127.0.0.1:{closed}"), "cannot be reached"),
        (format!("redis://127.0.0.1:{silent_port}"), "did not answer"),
        (
            "redis://no-such-host.invalid".to_owned(),
            "cannot be reached",
        ),
        (
            "redis+unix:///nowhere/redis.sock".to_owned(),
            "cannot be reached",
        ),
    ] {
        let started = Instant::now();
        let error = Redis::builder()
            .url(&url)
            .connect_timeout(limit)
            .connect()
            .await
            .expect_err(&url);
        assert!(
            started.elapsed() < limit * 2,
            "{url}: {:?}",
            started.elapsed()
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{url}: {error:?}");
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(error.is_retryable() && !error.may_have_executed());
    }
}

#[tokio::test]
async fn a_wrong_name() {
    let redis = Redis::connect(Shared::get().url()).await.unwrap();
    for name in ["a:b", "a*", "", "a b"] {
        assert_eq!(
            redis.namespace(name).unwrap_err().kind(),
            BuildErrorKind::Name,
            "{name:?}"
        );
        let ns = redis.namespace("shop").unwrap().env(name);
        assert_eq!(
            ns.stem("test", "x").unwrap_err().kind(),
            BuildErrorKind::Name,
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn limits_outside_their_bounds() {
    let error = Redis::builder()
        .url("redis://localhost")
        .deadline(Duration::ZERO)
        .lazy()
        .unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::Limit);
    let error = Redis::builder()
        .url("redis://localhost")
        .max_in_flight(0)
        .lazy()
        .unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::Limit);
    let error = Redis::builder()
        .url("redis://localhost")
        .default_ttl(Duration::ZERO)
        .lazy()
        .unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::Limit);
}
