//! Writing through: what is cached afterwards is what the source has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russet_cache::{Cache, Inserted, Redis, WriteError};
use russet_testkit::Server;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::lease::{LONG, Users, processes, waits};
use super::size;

#[tokio::test]
async fn what_is_written_is_stored_and_what_fails_is_not() {
    let [one, two] = processes(LONG).await;
    one.insert(&1, 10).await.unwrap();
    let source = AtomicU64::new(10);
    let stored = one.write_through(&1, 11, async |value| {
        // Nobody reads the old value by then, nor the new one yet.
        assert_eq!(two.get(&1).await.unwrap(), None);
        source.store(*value, Ordering::SeqCst);
        Ok::<_, ()>(())
    });
    assert_eq!(stored.await.unwrap(), Inserted::Stored);
    assert_eq!(source.load(Ordering::SeqCst), 11);
    assert_eq!(two.get(&1).await.unwrap().as_deref(), Some(&11));
    let failed = one
        .write_through(&1, 12, async |_| Err("no database"))
        .await;
    assert!(matches!(failed, Err(WriteError::Writer("no database"))));
    assert_eq!(two.get(&1).await.unwrap(), None, "nobody knows what it has");
    let loaded = two.get_or_load(&1, async |_| Ok::<_, ()>(11)).await;
    assert_eq!(*loaded.unwrap(), 11);
}

/// Whoever loads meanwhile, anywhere, waits for the writer and does not load what is about to be old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_wait_for_the_writer() {
    let [one, two] = processes(LONG).await;
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let writing = tokio::spawn({
        let (one, begun, gate) = (one.clone(), begun.clone(), gate.clone());
        async move {
            let write = async |_| {
                begun.notify_one();
                gate.notified().await;
                Ok::<_, ()>(())
            };
            one.write_through(&1, 11, write).await.unwrap()
        }
    });
    begun.notified().await;
    let loads = Arc::default();
    let waiting = waits(&two, 1, &loads);
    super::lease::marked(&super::lease::lease_of(&one, 1)).await;
    gate.notify_one();
    assert_eq!(writing.await.unwrap(), Inserted::Stored);
    assert_eq!(waiting.await.unwrap(), 11);
    assert_eq!(loads.load(Ordering::SeqCst), 0);
}

/// Many write the same key at once, with removals and loads between them: at the end nobody reads what the source does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_at_once_leaves_no_value_but_the_source_s() {
    let processes: [Users; 3] = processes(LONG).await;
    let (mut stored, mut left) = (0, 0);
    for round in 0..size(400, 25) {
        let source = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for task in 0..9_u64 {
            let (users, source) = (processes[task as usize % 3].clone(), source.clone());
            let mut random = fastrand::Rng::with_seed(round * 9 + task);
            tasks.spawn(async move {
                for turn in 0..3 {
                    let pauses = [random.u8(..4), random.u8(..4)];
                    let pause = async |times| {
                        for _ in 0..times {
                            tokio::task::yield_now().await;
                        }
                    };
                    if random.u8(..4) == 0 {
                        let source = source.clone();
                        let load = move |_| async move {
                            let value = source.load(Ordering::SeqCst);
                            pause(pauses[0]).await;
                            Ok::<_, ()>(value)
                        };
                        users.get_or_load(&round, load).await.unwrap();
                        continue;
                    }
                    let write = async |value: Arc<u64>| {
                        pause(pauses[0]).await;
                        source.store(*value, Ordering::SeqCst);
                        pause(pauses[1]).await;
                        Ok::<_, ()>(())
                    };
                    let value = 1 + task * 10 + turn;
                    users.write_through(&round, value, write).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        let truth = source.load(Ordering::SeqCst);
        for users in &processes {
            let read = users.get(&round).await.unwrap();
            assert!(read.is_none_or(|read| *read == truth), "in round {round}");
            stored += u64::from(users.exists(&round).await.unwrap());
            left += 1;
        }
    }
    assert!(stored > 0, "none of {left} had a value at the end");
}

#[tokio::test]
async fn while_redis_is_away_the_source_is_written_all_the_same() {
    let server = Server::builder().append_only().start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let users = Cache::<u64, u64>::builder(&ns, "users")
        .ttl(LONG)
        .build()
        .unwrap();
    let strict = Cache::<u64, u64>::builder(&ns, "users");
    let strict = strict
        .on_outage(russet_cache::OnOutage::Error)
        .build()
        .unwrap();
    users.insert(&1, 10).await.unwrap();
    server.kill();
    let source = AtomicU64::new(10);
    let write = async |value: Arc<u64>| {
        source.store(*value, Ordering::SeqCst);
        Ok::<_, ()>(())
    };
    assert_eq!(
        users.write_through(&1, 11, write).await.unwrap(),
        Inserted::Skipped
    );
    assert_eq!(source.load(Ordering::SeqCst), 11);
    let refused = strict.write_through(&1, 12, write).await;
    assert!(matches!(refused, Err(WriteError::Cache(_))));
    assert_eq!(source.load(Ordering::SeqCst), 11, "nothing was written");
    server.restart();
    let other = Redis::connect(&server.url()).await.unwrap();
    let other = other.namespace("t").unwrap();
    let other = Cache::<u64, u64>::builder(&other, "users").build().unwrap();
    let began = std::time::Instant::now();
    while other.get(&1).await.unwrap().is_some() {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "Redis is never told"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A writer that takes so long, or pauses, that its lease ends: what others have cached of before meanwhile goes when it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cached_behind_a_writer_s_back_goes() {
    let [one, two] = processes(LONG).await;
    for (key, fails) in [(1, false), (2, true)] {
        let lease = super::lease::lease_of(&one, key);
        let two_too = two.clone();
        let written = one.write_through(&key, 11, async |_| {
            // As if it had ended.
            tokio::task::block_in_place(|| russet_testkit::Shared::get().command(&["DEL", &lease]));
            let old = two_too.get_or_load(&key, async |_| Ok::<_, ()>(10)).await;
            assert_eq!(*old.unwrap(), 10);
            match fails {
                true => Err("who knows what it has done"),
                false => Ok(()),
            }
        });
        assert_eq!(written.await.is_err(), fails);
        for process in [&one, &two] {
            assert_eq!(process.get(&key).await.unwrap(), None);
        }
    }
}
