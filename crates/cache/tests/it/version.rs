//! Values that say which version of their data they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use russet_cache::{Cache, Codec, Inserted, Loaded, Redis, Removed};
use russet_testkit::Server;
use tokio::task::JoinSet;

use super::lease::{LONG, gated, processes};
use super::{namespace, size, until};

#[tokio::test]
async fn a_newer_version_replaces_an_older_one_and_not_the_other_way() {
    let [one, two] = processes(LONG).await;
    assert_eq!(one.version(&1).await.unwrap(), None);
    for (version, expected) in [
        (5, Inserted::Stored),
        (4, Inserted::Stale),
        (5, Inserted::Stored),
        (6, Inserted::Stored),
        (5, Inserted::Stale),
    ] {
        let stored = one.insert(&1, version).version(version).await.unwrap();
        assert_eq!(stored, expected, "{version}");
    }
    assert_eq!(two.get(&1).await.unwrap().as_deref(), Some(&6));
    assert!(two.expire(&1, LONG / 2).await.unwrap());
    assert_eq!(
        two.version(&1).await.unwrap(),
        Some(6),
        "also when it lives longer"
    );
    assert_eq!(one.insert(&1, 5).version(5).await.unwrap(), Inserted::Stale);
    // One without a version is no version's business.
    two.insert(&1, 0).await.unwrap();
    assert_eq!(one.version(&1).await.unwrap(), None);
    assert_eq!(
        one.insert(&1, 1).version(1).await.unwrap(),
        Inserted::Stored
    );
}

#[tokio::test]
async fn what_is_busted_is_read_no_more_and_does_not_come_back() {
    let [one, two] = processes(LONG).await;
    one.insert(&1, 41).version(41).tag("t").await.unwrap();
    assert_eq!(
        two.bust(&1, 41).await.unwrap(),
        Removed::Absent,
        "it is as new"
    );
    assert_eq!(one.get(&1).await.unwrap().as_deref(), Some(&41));
    assert_eq!(two.bust(&1, 42).await.unwrap(), Removed::Removed);
    for process in [&one, &two] {
        assert_eq!(process.get(&1).await.unwrap(), None);
        assert!(!process.exists(&1).await.unwrap());
        assert_eq!(process.ttl(&1).await.unwrap(), None);
        assert_eq!(process.version(&1).await.unwrap(), None);
        assert!(!process.expire(&1, LONG).await.unwrap());
    }
    assert_eq!(
        one.insert(&1, 41).version(41).await.unwrap(),
        Inserted::Stale
    );
    // A replica that lags behind: who asks has it, and nobody else.
    for brings in [40, 41] {
        let lags = move |_| async move { Ok::<_, ()>(Loaded::value(brings).version(brings)) };
        assert_eq!(
            one.get_or_load(&1, lags).await.unwrap().as_deref(),
            Some(&brings)
        );
        assert_eq!(two.get(&1).await.unwrap(), None);
    }
    let is_new = |_| async { Ok::<_, ()>(Loaded::value(42).version(42)) };
    assert_eq!(
        two.get_or_load(&1, is_new).await.unwrap().as_deref(),
        Some(&42)
    );
    assert_eq!(one.get(&1).await.unwrap().as_deref(), Some(&42));
    assert_eq!(one.version(&1).await.unwrap(), Some(42));
    // Nothing was there, and is not to come.
    assert_eq!(one.bust(&2, 7).await.unwrap(), Removed::Absent);
    assert_eq!(one.insert(&2, 6).version(6).await.unwrap(), Inserted::Stale);
    // A removal forgets it.
    one.remove(&2).await.unwrap();
    assert_eq!(
        one.insert(&2, 6).version(6).await.unwrap(),
        Inserted::Stored
    );
}

/// A load that is under way when its version is busted.
#[tokio::test]
async fn a_load_that_is_under_way_is_busted_too() {
    let [one, two] = processes(LONG).await;
    let mut old = gated(&one, 1, Ok(10));
    (&mut old.begun).await.unwrap();
    two.bust(&1, 2).await.unwrap();
    old.open.notify_one();
    old.loading.await.unwrap().unwrap();
    for process in [&one, &two] {
        assert_eq!(process.get(&1).await.unwrap(), None);
    }
}

/// Those who keep it in their memory are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_tiers_are_told() {
    let ns = namespace().await;
    let build = || {
        Cache::<u64, u64>::builder(&ns, "users")
            .local(1 << 20)
            .build()
            .unwrap()
    };
    let (one, two) = (build(), build());
    one.insert(&1, 41).version(41).await.unwrap();
    until("kept", async || {
        two.get(&1).await.unwrap();
        two.stats().hits_local > 0
    })
    .await;
    one.bust(&1, 42).await.unwrap();
    assert_eq!(one.get(&1).await.unwrap(), None, "at once here");
    until("told", async || two.get(&1).await.unwrap().is_none()).await;
}

/// Writers, loads from a source that lags and bustings at once: what is read afterwards is never older than what was busted
/// before the read began, and never goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_what_was_busted_before() {
    let all = processes::<3>(LONG).await;
    let busted = Arc::new(AtomicU64::new(0));
    let source = Arc::new(AtomicU64::new(1));
    let mut tasks = JoinSet::new();
    for task in 0..9_u64 {
        let users = all[task as usize % 3].clone();
        let (busted, source) = (busted.clone(), source.clone());
        let mut random = fastrand::Rng::with_seed(task);
        tasks.spawn(async move {
            for _ in 0..size(2_000, 100) {
                match random.u8(..4) {
                    0 => {
                        let version = source.fetch_add(1, Ordering::SeqCst) + 1;
                        users.bust(&1, version).await.unwrap();
                        busted.fetch_max(version, Ordering::SeqCst);
                    }
                    1 => {
                        // A replica that is up to three behind.
                        let lags = source
                            .load(Ordering::SeqCst)
                            .saturating_sub(random.u64(..4));
                        users.insert(&1, lags).version(lags).await.unwrap();
                    }
                    2 => {
                        let lags = source
                            .load(Ordering::SeqCst)
                            .saturating_sub(random.u64(..4));
                        let load =
                            move |_| async move { Ok::<_, ()>(Loaded::value(lags).version(lags)) };
                        users.get_or_load(&1, load).await.unwrap();
                    }
                    _ => {
                        let least = busted.load(Ordering::SeqCst);
                        if let Some(read) = users.get(&1).await.unwrap() {
                            assert!(*read >= least, "{read}, and {least} was busted before");
                        }
                    }
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_a_version_is_said() {
    let users = super::cache().await;
    let refused = users.bust(&1, 1 << 53).await.unwrap_err();
    assert!(refused.to_string().contains("2^53"), "{refused}");
    let refused = users.insert(&1, "x".to_owned()).version(u64::MAX).await;
    assert!(refused.is_err());
    let load = |_| async { Ok::<_, ()>(Loaded::value("x".to_owned()).version(1 << 60)) };
    // The value is there; that it could not be kept is in the log.
    assert!(users.get_or_load(&1, load).await.unwrap().is_some());
    assert_eq!(users.get(&1).await.unwrap(), None);
    let bare =
        Cache::<u64, u64>::builder(&namespace().await, "bare").codec(Codec::default().plain_json());
    let bare = bare.build().unwrap();
    assert!(
        bare.bust(&1, 1)
            .await
            .unwrap_err()
            .to_string()
            .contains("plain JSON")
    );
    assert!(bare.insert(&1, 1).version(1).await.is_err());
    assert_eq!(bare.version(&1).await.unwrap(), None);
}

#[tokio::test]
async fn while_redis_is_away_it_is_queued_as_a_removal() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let users = Cache::<u64, u64>::builder(&redis.namespace("t").unwrap(), "users");
    let users = users.build().unwrap();
    server.kill();
    assert_eq!(users.bust(&1, 2).await.unwrap(), Removed::Queued);
    let skipped = users.insert(&1, 2).version(2).await.unwrap();
    assert_eq!(skipped, Inserted::Skipped);
    assert_eq!(users.version(&1).await.unwrap(), None);
}

/// What does not hold any more, and what is no entry, keeps no version out.
#[tokio::test]
async fn only_what_holds_has_a_version() {
    let users = super::cache().await;
    users
        .insert(&1, "new".to_owned())
        .version(50)
        .await
        .unwrap();
    users.clear().await.unwrap();
    let restored = users.insert(&1, "restored".to_owned()).version(3);
    assert_eq!(restored.await.unwrap(), Inserted::Stored);
    // What was busted is, all the same.
    users.bust(&2, 50).await.unwrap();
    users.clear().await.unwrap();
    let late = users
        .insert(&2, "late".to_owned())
        .version(49)
        .await
        .unwrap();
    assert_eq!(late, Inserted::Stale);
    users.bust(&1, 4).await.unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
    // Bytes of something else, with that bit where an entry's flags are.
    let key = format!("{users:?}:3")
        .replace("Cache(", "")
        .replace(')', "");
    let foreign = format!("{{\"name\":\"{}\"}}", "x".repeat(100));
    let shared = russet_testkit::Shared::get();
    tokio::task::spawn_blocking(move || shared.command(&["SET", &key, &foreign]))
        .await
        .unwrap();
    let stored = users
        .insert(&3, "ours".to_owned())
        .version(1)
        .await
        .unwrap();
    assert_eq!(stored, Inserted::Stored);
}
