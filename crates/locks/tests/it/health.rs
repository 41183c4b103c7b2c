//! What health says of the server that locks are kept on.

use std::time::Duration;

use russet_locks::{Finding, Locks, Probe, Redis};
use russet_testkit::Server;

use crate::{SECOND, on};

#[tokio::test]
async fn a_server_that_may_evict_locks_is_degraded() {
    let server = Server::start();
    let locks = Locks::builder(&on(&server).await).build().unwrap();
    assert_eq!(locks.subject(), "locks shop:lock");
    let find = async || locks.probe(5 * SECOND).await;
    assert!(matches!(find().await, Finding::Healthy(_)));
    // Without a limit nothing is evicted.
    server.config_set("maxmemory-policy", "volatile-lru");
    assert!(matches!(find().await, Finding::Healthy(_)));
    server.config_set("maxmemory", "100mb");
    let Finding::Degraded(why) = find().await else {
        panic!("it may evict locks")
    };
    assert!(
        why.contains("volatile-lru") && why.contains("noeviction"),
        "{why}"
    );
    server.config_set("maxmemory-policy", "noeviction");
    assert!(matches!(find().await, Finding::Healthy(_)));
    server.pause();
    let found = locks.probe(Duration::from_millis(50)).await;
    assert!(matches!(found, Finding::Failed(_)), "{found:?}");
    server.resume();
}

#[tokio::test]
async fn whoever_may_not_ask_does_not_know() {
    let server = Server::start();
    let rules = ["on", ">secret", "~*", "&*", "+@all", "-info"];
    let user = [&["ACL", "SETUSER", "quiet"], &rules[..]].concat();
    server.command(&user);
    let url = format!("redis://quiet:secret@{}", server.address());
    let redis = Redis::connect(&url).await.unwrap();
    let locks = Locks::builder(&redis.namespace("shop").unwrap())
        .build()
        .unwrap();
    let found = locks.probe(5 * SECOND).await;
    assert!(matches!(found, Finding::Unknown(_)), "{found:?}");
}
