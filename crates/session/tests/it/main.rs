//! Sessions against real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod acks;
mod cleanup;
mod clocks;
mod data;
mod events;
mod faults;
#[cfg(feature = "axum")]
mod http;
mod ids;
mod life;
mod logins;
mod processes;
mod races;
mod refresh;
mod remembered;
mod seen;
#[cfg(feature = "tower-sessions")]
mod tower_store;
mod users;

use std::time::Duration;

use russet_session::{Builder, Namespace, Redis, Secrets, Sessions};
use russet_testkit::{Server, Shared};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

/// What a service keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Profile {
    user: String,
    role: String,
    visits: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    theme: Option<String>,
}

fn profile(user: &str) -> Profile {
    Profile {
        user: user.to_owned(),
        role: "reader".to_owned(),
        ..Profile::default()
    }
}

fn secrets() -> Secrets {
    Secrets::new([7; 32])
}

/// A namespace of this test's own on the shared server.
async fn namespace() -> Namespace {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.expect("it answers");
    redis
        .namespace(shared.namespace())
        .expect("testkit makes valid names")
}

/// A namespace on a server of the test's own.
async fn on(server: &Server) -> Namespace {
    let redis = Redis::connect(&server.url()).await.expect("it answers");
    redis.namespace("shop").expect("a valid name")
}

/// Sessions whose commands have time, however busy this machine is.
fn patient(ns: &Namespace) -> Builder<Profile> {
    Sessions::builder(ns, "web", &secrets()).deadline(10 * SECOND)
}

/// Sessions of this test's own.
async fn sessions() -> Sessions<Profile> {
    patient(&namespace().await).build().unwrap()
}

/// Until a condition holds; it is asked again and again, for a while.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < 20 * SECOND, "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// What has ended leaves its user's indexes, for an hour at most; and clean-up removes them.
async fn only_indexes_are_left(server: &Server, sessions: &Sessions<Profile>) {
    until("no session is left", async || {
        keys(server).iter().all(|key| {
            let lasts = server.command(&["TTL", key]).as_int().unwrap();
            server.command(&["TYPE", key]).as_str() == Some("zset") && (0..=3_600).contains(&lasts)
        })
    })
    .await;
    sessions.cleanup().await.unwrap();
    assert_eq!(keys(server), [""; 0]);
}

/// As a server does that has no room: sessions are gone, and their indexes are not.
fn evict_sessions(server: &Server) {
    for key in keys(server) {
        let is_hash = server.command(&["TYPE", &key]).as_str() == Some("hash");
        // Without it nobody remembers them.
        if is_hash || key.ends_with("%etag") {
            server.command(&["DEL", &key]);
        }
    }
}

fn keys(server: &Server) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]);
    let keys = keys.as_array().unwrap().iter();
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}
