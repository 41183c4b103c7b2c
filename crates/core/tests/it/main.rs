//! Core against real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod alone_faults;
mod ambiguity;
mod bad_input;
mod batch;
mod cancellation;
mod cluster;
mod cluster_faults;
mod cluster_lanes;
mod command;
mod credentials;
mod fred_claims;
mod gate;
mod lanes;
mod push;
mod recovery;
mod refusals;
mod replies;
mod script;
mod sentinel;
mod shutdown;
mod steps;
mod telemetry;
#[cfg(feature = "tls")]
mod tls;
mod topology;

use std::time::{Duration, Instant};

use russet_core::{Concern, Key, Lane, Redis};
use russet_testkit::{Server, Shared, size};

const TEST: Concern = Concern::new("test", "TEST_REDIS_URL");

/// A lane on the shared server, and a key of this test's own.
async fn shared() -> (Lane, Key) {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url())
        .await
        .expect("the shared server answers");
    let key = redis
        .namespace(shared.namespace())
        .unwrap()
        .stem("test", "it")
        .unwrap()
        .key("key");
    (redis.on(TEST), key)
}

/// What scheduling may add to a time: no more than this at full size, where nothing else runs. On a busy machine a few milliseconds prove nothing.
fn slack(millis: u64) -> Duration {
    Duration::from_millis(size(millis, 2_000 + 3 * millis))
}

/// Looks again and again until it is so, while this runtime's other tasks go on; `testkit::eventually` would stop them.
async fn until(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How many clients the server has, the one that asks among them.
fn connections(server: &Server) -> usize {
    let list = server.command(&["CLIENT", "LIST"]);
    list.as_str().expect("a text").matches(" addr=").count()
}

/// How many tasks live on this runtime.
fn alive() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}
