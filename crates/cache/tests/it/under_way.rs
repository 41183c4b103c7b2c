//! Invalidations while loads are under way: what a load brings is for those who called before, and for nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Cx, Pace, Redis};
use russet_testkit::Shared;
use tokio::sync::Notify;

use super::lease::{LONG, SOON, gated, lease_of, marked, processes, waits};
use super::until;

/// Whatever invalidates while a load runs, in whichever process: what the load brings is served to those who called before, to
/// nobody else, and not from Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_wins_over_every_load() {
    let [one, two] = processes(LONG).await;
    for (way, name) in ["tag", "clear", "scope", "remove", "matching"]
        .iter()
        .enumerate()
    {
        for by_two in [false, true] {
            let (one, by) = match *name {
                "scope" => (one.scope("s"), [&one, &two][usize::from(by_two)].scope("s")),
                _ => (one.clone(), [&one, &two][usize::from(by_two)].clone()),
            };
            let key = way as u64 * 2 + u64::from(by_two);
            let (gate, opened, begun) = (
                Arc::new(Notify::new()),
                Arc::new(Notify::new()),
                Arc::new(Notify::new()),
            );
            let loading = tokio::spawn({
                let (users, opened, begun) = (one.clone(), gate.clone(), begun.clone());
                async move {
                    let load = move |_: Cx<u64>| async move {
                        begun.notify_one();
                        opened.notified().await;
                        Ok::<_, ()>(1)
                    };
                    users.get_or_load(&key, load).tag("t").await
                }
            });
            drop(opened);
            begun.notified().await;
            match *name {
                "tag" => drop(by.invalidate_tag("t").await.unwrap()),
                "clear" | "scope" => drop(by.clear().await.unwrap()),
                "remove" => drop(by.remove(&key).await.unwrap()),
                _ => drop(by.remove_matching("*", Pace::default()).await.unwrap()),
            }
            // Who comes now, in the process that loads: it may wait for that load, and is not served by it.
            let loads = Arc::new(AtomicU32::new(0));
            let before = one.stats().misses.total();
            let late = waits(&one, key, &loads);
            let began = Instant::now();
            while one.stats().misses.total() == before {
                assert!(began.elapsed() < SOON);
                tokio::task::yield_now().await;
            }
            gate.notify_one();
            assert_eq!(*loading.await.unwrap().unwrap(), 1, "it was asked before");
            assert_eq!(late.await.unwrap(), 1_000, "{name} by two: {by_two}");
            assert_eq!(loads.load(Ordering::SeqCst), 1);
            for users in [&one, &by] {
                let read = users.get(&key).await.unwrap();
                assert_eq!(read.as_deref(), Some(&1_000), "{name} by two: {by_two}");
            }
        }
    }
}

/// The same for a load in the background, behind a stale value, and for one that a soft timeout has left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_wins_over_a_load_that_nobody_waits_for() {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.unwrap();
    let ns = redis.namespace(shared.namespace()).unwrap();
    for soft in [false, true] {
        let users = Cache::<u64, u64>::builder(&ns, "users").jitter(0.0);
        let users = users.ttl(Duration::from_millis(50)).stale_if_error(LONG);
        let users = match soft {
            true => users.soft_timeout(Duration::from_millis(1)),
            false => users.stale_while_revalidate(LONG),
        };
        let users = users.build().unwrap();
        for (key, way) in ["tag", "clear", "remove", "matching"].iter().enumerate() {
            let key = key as u64;
            users.insert(&key, 1).tag("t").await.unwrap();
            until("stale", async || users.get(&key).await.unwrap().is_none()).await;
            let (gate, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (opened, begins) = (gate.clone(), begun.clone());
            let load = move |_: Cx<u64>| async move {
                begins.notify_one();
                opened.notified().await;
                Ok::<_, ()>(2)
            };
            let stale = users.get_or_load(&key, load).tag("t").ttl(LONG).await;
            assert_eq!(*stale.unwrap(), 1);
            begun.notified().await;
            match *way {
                "tag" => drop(users.invalidate_tag("t").await.unwrap()),
                "clear" => drop(users.clear().await.unwrap()),
                "remove" => drop(users.remove(&key).await.unwrap()),
                _ => drop(users.remove_matching("*", Pace::default()).await.unwrap()),
            }
            let (loads, before) = (Arc::new(AtomicU32::new(0)), users.stats().loads);
            let late = waits(&users, key, &loads);
            gate.notify_one();
            assert_eq!(late.await.unwrap(), 1_000, "{way} soft: {soft}");
            until("the load in the background ends", async || {
                users.stats().loads >= before + 2
            })
            .await;
            assert_ne!(users.get(&key).await.unwrap().as_deref(), Some(&2), "{way}");
            assert_ne!(users.get(&key).await.unwrap().as_deref(), Some(&1), "{way}");
        }
    }
}

/// Who waits for a load is woken when a walk has ended its lease; and if that was not told, when the load ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_lease_that_was_ended_is_woken() {
    let [one, two, three] = processes(LONG).await;
    let stem = format!("{one:?}").replace("Cache(", "").replace(')', "");
    let shared = Shared::get();
    for (key, by_walk) in [(1, true), (2, false)] {
        let (place, lease) = (format!("{stem}:{key}"), lease_of(&one, key));
        // A walk finds what stands there, readable or not.
        tokio::task::block_in_place(|| shared.command(&["SET", &place, "garbage"]));
        let gate = gated(&one, key, Ok(77));
        gate.begun.await.unwrap();
        let loads = Arc::default();
        let waiting = waits(&two, key, &loads);
        marked(&lease).await;
        let began = Instant::now();
        if by_walk {
            three.remove_matching("1", Pace::default()).await.unwrap();
        } else {
            tokio::task::block_in_place(|| shared.command(&["DEL", &lease]));
            gate.open.notify_one();
        }
        assert_eq!(waiting.await.unwrap(), 1_000);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        gate.open.notify_one();
        gate.loading.await.unwrap().unwrap();
    }
}

/// The gate is asked for by the store; a load that was under way is known by its stamp.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_keeps_loads_of_keys_without_a_value_from_being_stored() {
    let [one, two] = processes(LONG).await;
    one.insert(&1, 1).await.unwrap();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    assert_eq!(two.remove_matching("7*", Pace::default()).await.unwrap(), 0);
    gate.open.notify_one();
    assert_eq!(*gate.loading.await.unwrap().unwrap(), 77);
    assert_eq!(two.get(&7).await.unwrap(), None);
    assert!(
        two.get(&1).await.unwrap().is_some(),
        "no other value is lost"
    );
}
