//! Coalesced reads.

use std::time::{Duration, Instant};

use russet_core::{Command, ErrorKind, Key, Lane, Policy, Redis};
use russet_testkit::Server;
use tokio::task::JoinSet;

use super::{TEST, shared};

async fn keys(lane: &Lane, stem: &russet_core::Stem, count: u32) -> Vec<Key> {
    let keys: Vec<_> = (0..count).map(|id| stem.key(&id)).collect();
    for (id, key) in keys.iter().enumerate() {
        let set = Command::new("SET").key(key).arg(id).arg("PX").arg(60_000);
        lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_gets_its_own_value() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    let keys = keys(&lane, &stem, 100).await;
    let missing = stem.key("missing");
    server.command(&["CONFIG", "RESETSTAT"]);
    let getter = lane.getter();
    let mut tasks = JoinSet::new();
    for task in 0..256_usize {
        let (getter, keys, missing) = (getter.clone(), keys.clone(), missing.clone());
        tasks.spawn(async move {
            for round in 0..40 {
                let at = (task * 7 + round * 13) % keys.len();
                let value = getter
                    .get(keys[at].clone())
                    .await
                    .unwrap()
                    .expect("it is there");
                assert_eq!(value, at.to_string().as_bytes());
                assert_eq!(getter.get(missing.clone()).await.unwrap(), None);
            }
        });
    }
    tasks.join_all().await;
    let stats = server.info("commandstats");
    let calls = |command: &str| -> u64 {
        let stats = stats.get(command).map_or("calls=0", String::as_str);
        stats.split([',', '=']).nth(1).unwrap().parse().unwrap()
    };
    let flights = calls("cmdstat_mget") + calls("cmdstat_get");
    assert!(
        flights < 256 * 80 / 10,
        "{flights} commands for {} reads",
        256 * 80
    );
}

#[tokio::test]
async fn a_wrong_type_among_them_is_a_miss() {
    let (lane, key) = shared().await;
    lane.run::<()>(Command::new("LPUSH").key(&key).arg("x"), Policy::AtMostOnce)
        .await
        .unwrap();
    let getter = lane.getter();
    assert_eq!(getter.get(key.clone()).await.unwrap(), None, "alone");
    let (a, b, c) = tokio::join!(
        getter.get(key.clone()),
        getter.get(key.clone()),
        getter.get(key.clone())
    );
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (None, None, None));
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_key_does_not_refuse_its_neighbours() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "+@all",
        "~t:test:it:open*",
    ]);
    let redis = Redis::connect(&format!("redis://app:pw@{}", server.address()))
        .await
        .unwrap();
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    server.command(&["SET", "t:test:it:open", "1"]);
    let getter = redis.on(TEST).getter();
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (getter, key) = (
            getter.clone(),
            stem.key(if task % 8 == 0 { "closed" } else { "open" }),
        );
        tasks.spawn(async move { (task % 8 == 0, getter.get(key).await) });
    }
    for (closed, answer) in tasks.join_all().await {
        match answer {
            Ok(value) => assert!(!closed && value.as_deref() == Some(b"1")),
            Err(error) => assert!(closed && error.kind() == ErrorKind::Permission, "{error:?}"),
        }
    }
}

/// Big values travel in small flights, or one reply would stall the connection for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_values_share_fewer_flights() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    server.command(&["SET", "big", &"x".repeat(64 * 1024)]);
    let getter = redis.on(TEST).getter();
    let (tasks, rounds) = (64, 20);
    // The first flight teaches how big they are.
    getter.get(Key::raw("big")).await.unwrap();
    server.command(&["CONFIG", "RESETSTAT"]);
    let mut readers = JoinSet::new();
    for _ in 0..tasks {
        let getter = getter.clone();
        readers.spawn(async move {
            for _ in 0..rounds {
                let value = getter.get(Key::raw("big")).await.unwrap();
                assert_eq!(value.map(|value| value.len()), Some(64 * 1024));
            }
        });
    }
    readers.join_all().await;
    let commands = server.info("stats")["total_commands_processed"].clone();
    let commands: u64 = commands.parse().unwrap();
    // Equal keys in a flight are asked once, so it is the flights that are counted: at most four reads each.
    assert!(commands >= tasks * rounds / 4, "{commands} commands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_caller_cancels_nobody_else() {
    let (lane, key) = shared().await;
    lane.run::<()>(
        Command::new("SET").key(&key).arg("v").arg("PX").arg(60_000),
        Policy::Idempotent,
    )
    .await
    .unwrap();
    let getter = lane.getter();
    let mut tasks = JoinSet::new();
    for task in 0..512 {
        let (getter, key) = (getter.clone(), key.clone());
        tasks.spawn(async move {
            let get = getter.get(key);
            if task % 2 == 0 {
                // Dropped while it waits or flies.
                tokio::select! { biased; _ = get => {}, () = tokio::task::yield_now() => {} }
            } else {
                assert_eq!(get.await.unwrap().as_deref(), Some(&b"v"[..]));
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_costs_each_caller_its_deadline() {
    let server = Server::start();
    let limit = Duration::from_millis(300);
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(limit)
        .connect()
        .await
        .unwrap();
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    let getter = redis.on(TEST).getter();
    server.pause();
    let mut tasks = JoinSet::new();
    for id in 0..2000 {
        let (getter, key) = (getter.clone(), stem.key(&id));
        tasks.spawn(async move {
            let started = Instant::now();
            (getter.get(key).await.unwrap_err(), started.elapsed())
        });
    }
    let answers = tasks.join_all().await;
    server.resume();
    for (error, took) in answers {
        assert!(took < limit + super::slack(50), "{took:?}");
        match error.kind() {
            ErrorKind::Deadline => assert!(error.may_have_executed()),
            ErrorKind::Overloaded => assert!(!error.may_have_executed()),
            other => panic!("{other:?}: {error}"),
        }
    }
}
