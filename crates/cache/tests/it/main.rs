//! The cache against real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod allocations;
#[cfg(feature = "macros")]
mod cached;
mod cluster;
mod counters;
mod dropped;
mod flight;
mod follow;
mod freshness;
mod history;
mod invalidation;
mod keys;
mod lease;
mod local;
mod lost;
mod many;
mod outage;
mod processes;
mod profile;
mod read_through;
mod strategies;
mod under_way;
mod values;
mod version;
mod warm;
mod write_through;

use std::time::{Duration, Instant};

use russet_cache::{Cache, Namespace, Redis};
use russet_core::Lane;
use russet_testkit::{Server, Shared, size};

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

/// A cache whose keys are gone soon after the test.
async fn cache() -> Cache<u64, String> {
    Cache::builder(&namespace().await, "users")
        .ttl(Duration::from_mins(1))
        .read_deadline(lease::SOON)
        .build()
        .unwrap()
}

/// A lane for what no cache does to its keys, and a test does.
async fn meddle(url: &str) -> Lane {
    let redis = Redis::connect(url).await.expect("the server answers");
    redis.on(russet_cache::CONCERN)
}

/// How often a command has run on a server since its statistics were reset.
fn calls(server: &Server, command: &str) -> u32 {
    let stats = server.info("commandstats");
    let calls = stats.get(&format!("cmdstat_{command}"));
    let calls = calls.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

/// Until a condition holds; it is asked again and again, for a while.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < lease::SOON, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
