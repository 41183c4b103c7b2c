//! Replicas, sentinels and clusters.

use std::time::{Duration, Instant};

use russet_testkit::{Cluster, Sentinels, Server, eventually};

const SOON: Duration = Duration::from_secs(10);

/// A key of slot 12182, and one of slot 5061.
const KEYS: [(&str, u16); 2] = [("foo", 12_182), ("bar", 5_061)];

#[test]
fn a_replica_has_what_its_primary_has() {
    let primary = Server::builder().password("pw").start();
    primary.command(&["SET", "k", "v"]);
    let replica = primary.replica();
    assert_eq!(replica.command(&["GET", "k"]).as_str(), Some("v"));
    let refused = replica.command(&["SET", "k", "w"]);
    assert!(refused.as_error().unwrap().starts_with("READONLY"));
}

#[test]
fn a_cluster_serves_every_slot_within_ten_seconds() {
    let begun = Instant::now();
    let cluster = Cluster::start(3);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(cluster.nodes().len(), 6);
    let owners: Vec<u16> = [0, 6_000, 16_383]
        .map(|slot| cluster.primary_of(slot).port())
        .into();
    let first: Vec<u16> = cluster.nodes()[..3].iter().map(Server::port).collect();
    assert_eq!(owners, first);
    for (key, slot) in KEYS {
        let primary = cluster.primary_of(slot);
        assert_eq!(primary.command(&["SET", key, "v"]).as_str(), Some("OK"));
        let other = cluster.nodes()[..3]
            .iter()
            .find(|node| node.port() != primary.port());
        let moved = other.unwrap().command(&["GET", key]);
        let expected = format!("MOVED {slot} {}", primary.address());
        assert_eq!(moved.as_error(), Some(&*expected));
        assert!(cluster.replica_of(primary).follows());
    }
}

#[test]
fn a_slot_moves_with_its_keys() {
    let cluster = Cluster::builder(2).replicas(0).password("pw").start();
    let (key, slot) = KEYS[0];
    let from = cluster.primary_of(slot);
    let to = cluster
        .nodes()
        .iter()
        .find(|node| node.port() != from.port())
        .unwrap();
    for number in 0..250 {
        from.command(&["SET", &format!("{{{key}}}{number}"), "v"]);
    }
    let migration = cluster.begin_migration(slot, to);
    assert_eq!(migration.step(100), 100);
    let missing = from.command(&["GET", &format!("{{{key}}}missing")]);
    let ask = format!("ASK {slot} {}", to.address());
    assert_eq!(missing.as_error(), Some(&*ask), "half way");
    while migration.step(100) > 0 {}
    migration.finish();
    cluster.settle();
    assert_eq!(cluster.primary_of(slot).port(), to.port());
    let count = to.command(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]);
    assert_eq!(count.as_int(), Some(250));
    cluster.migrate(slot, from);
    cluster.settle();
    assert_eq!(cluster.primary_of(slot).port(), from.port());
}

#[test]
fn a_replica_takes_over_by_command_and_by_death() {
    let cluster = Cluster::start(3);
    let (key, slot) = KEYS[0];
    let first = cluster.primary_of(slot);
    first.command(&["SET", key, "v"]);
    let second = cluster.fail_over(first);
    cluster.settle();
    assert_eq!(cluster.primary_of(slot).port(), second.port());
    eventually(SOON, "the old primary follows", || first.follows());
    second.kill();
    eventually(SOON, "the first one is the primary again", || {
        first.role().is_some_and(|role| role == "master")
    });
    assert_eq!(first.command(&["GET", key]).as_str(), Some("v"));
    second.restart();
    cluster.settle();
    assert_eq!(cluster.replica_of(first).port(), second.port());
}

#[test]
fn sentinels_name_another_primary_by_command_and_by_death() {
    let begun = Instant::now();
    let all = Sentinels::start(2, 3);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let first = all.primary();
    first.command(&["SET", "k", "v"]);
    // A failover by command does not wait for replicas to have it.
    eventually(SOON, "the replicas have it", || {
        let servers = all.servers().iter();
        servers
            .map(|server| server.command(&["GET", "k"]))
            .all(|value| value.as_str() == Some("v"))
    });
    let second = all.fail_over();
    assert_ne!(first.port(), second.port());
    // All of them, or one without the value may be the next.
    eventually(SOON, "the others follow", || {
        let others = all.servers().iter();
        others
            .filter(|server| server.port() != second.port())
            .all(|server| server.follows())
    });
    second.kill();
    all.await_another(second.port());
    let third = all.primary();
    assert_eq!(third.command(&["GET", "k"]).as_str(), Some("v"));
}
