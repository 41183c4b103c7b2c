//! Locks against real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod acks;
mod cluster;
mod dropped;
mod elector;
mod fences;
mod health;
mod history;
mod lost;
mod multi;
mod mutex;
mod once;
mod processes;
mod queue;
mod record;
mod shares;
mod upheaval;

use std::time::Duration;

use russet_locks::{Builder, Locks, Namespace, Redis};
use russet_testkit::{Server, Shared, size};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// A namespace of this test's own on the shared server.
async fn namespace() -> Namespace {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url())
        .await
        .expect("the shared server answers");
    redis
        .namespace(shared.namespace())
        .expect("testkit makes valid names")
}

/// A namespace on a server of the test's own.
async fn on(server: &Server) -> Namespace {
    let redis = Redis::connect(&server.url()).await.expect("it answers");
    redis.namespace("shop").expect("a valid name")
}

/// Locks whose commands have time, however busy this machine is.
fn patient(ns: &Namespace) -> Builder {
    Locks::builder(ns).deadline(10 * SECOND)
}

/// Until a condition holds; it is asked again and again, for a while.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < 20 * SECOND, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
