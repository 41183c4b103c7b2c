//! Values that are loaded before anybody asks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_cache::{Builder, Cache, Redis, Warmed};
use russet_testkit::{Server, Shared};
use tokio::sync::{Barrier, Notify};

use super::lease::SOON;
use super::read_through::Database;
use super::{calls, namespace, until};

fn users(ns: &russet_cache::Namespace) -> Builder<u64, String> {
    Cache::builder(ns, "users")
        .ttl(Duration::from_mins(1))
        .jitter(0.0)
}

fn counted(warmed: Warmed) -> [usize; 6] {
    let Warmed {
        keys,
        cached,
        loaded,
        missing,
        failed,
        skipped,
        ..
    } = warmed;
    [keys, cached, loaded, missing, failed, skipped]
}

#[tokio::test]
async fn what_is_missing_is_loaded_and_progress_is_told() {
    let database = Database::of(0..300);
    let users = database.loads(users(&namespace().await)).build().unwrap();
    users.insert(&7, "cached".to_owned()).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let warm = users.warm(0..310).progress({
        let told = told.clone();
        move |warmed| told.lock().unwrap().push((warmed.done(), warmed.keys))
    });
    assert_eq!(counted(warm.await.unwrap()), [310, 1, 299, 10, 0, 0]);
    assert_eq!(*told.lock().unwrap(), [(128, 310), (256, 310), (310, 310)]);
    assert_eq!(users.get(&299).await.unwrap().unwrap().as_str(), "user 299");
    assert_eq!(users.get(&7).await.unwrap().unwrap().as_str(), "cached");
    assert_eq!(users.stats().hits, 2, "its own reads do not count");
    let again = users.warm(0..310).await.unwrap();
    assert_eq!(counted(again), [310, 310, 0, 0, 0, 0]);
    database.breaks(true);
    assert_eq!(
        counted(users.warm(305..315).await.unwrap()),
        [10, 5, 0, 0, 5, 0]
    );
}

#[tokio::test]
async fn a_loader_of_many_is_called_for_128_at_a_time() {
    let database = Database::of(0..300);
    let users = database
        .loads_many(users(&namespace().await))
        .build()
        .unwrap();
    assert_eq!(
        counted(users.warm(0..310).await.unwrap()),
        [310, 0, 300, 10, 0, 0]
    );
    assert_eq!(database.reads_of_many(), 3);
    assert_eq!(users.get(&299).await.unwrap().unwrap().as_str(), "user 299");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_loads_run_at_once_than_are_asked_for() {
    for at_once in [1, 3] {
        let [running, most] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        // So many do run at once: none ends before they all have begun.
        let all = Arc::new(Barrier::new(at_once as usize));
        let (now, seen) = (running.clone(), most.clone());
        let users = users(&namespace().await).loader(move |id, _| {
            let (now, seen, all) = (now.clone(), seen.clone(), all.clone());
            async move {
                seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all.wait().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(format!("user {id}"))
            }
        });
        let users = users.build().unwrap();
        users
            .warm(0..21)
            .concurrency(at_once as usize)
            .await
            .unwrap();
        assert_eq!(most.load(Ordering::SeqCst), at_once);
    }
}

/// A loader that panics is a failed load, and no more than that.
#[tokio::test]
async fn a_loader_that_panics_harms_its_own_key_alone() {
    let users = users(&namespace().await).loader(|id: u64, _| async move {
        assert_ne!(id, 3, "of this test");
        Ok::<_, std::io::Error>(format!("user {id}"))
    });
    let users = users.build().unwrap();
    assert_eq!(counted(users.warm(0..5).await.unwrap()), [5, 0, 4, 0, 1, 0]);
}

/// Who asks for a key that is yet to be warmed waits for its own load, not for the others; and no longer than that if the warming
/// is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_meanwhile_waits_for_its_own_load() {
    let users = users(&namespace().await).loader(|id: u64, _| async move {
        if id == 0 {
            std::future::pending::<()>().await;
        }
        Ok::<_, std::io::Error>(format!("user {id}"))
    });
    let users = users.build().unwrap();
    let warming = tokio::spawn(users.warm(0..100).concurrency(1).into_future());
    let began = Instant::now();
    until("begun", async || users.stats().load_errors > 0).await;
    assert_eq!(users.load(&99).await.unwrap().unwrap().as_str(), "user 99");
    warming.abort();
    assert_eq!(users.load(&98).await.unwrap().unwrap().as_str(), "user 98");
    assert!(began.elapsed() < SOON);
}

/// What one process is loading, many at once, others leave to it and do not wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_the_loads_of_many() {
    let shared = Shared::get();
    let product = shared.namespace();
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let build = async || {
        let redis = Redis::connect(shared.url()).await.unwrap();
        let (begun, gate) = (begun.clone(), gate.clone());
        let users = users(&redis.namespace(&product).unwrap()).bulk_loader(move |ids, _| {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                begun.notify_one();
                gate.notified().await;
                Ok::<_, std::io::Error>(ids.into_iter().map(|id| (id, format!("user {id}"))))
            }
        });
        users.build().unwrap()
    };
    let first = tokio::spawn(build().await.warm(0..100).into_future());
    begun.notified().await;
    for _ in 0..3 {
        let warmed = build().await.warm(0..100).await.unwrap();
        assert_eq!(counted(warmed), [100, 100, 0, 0, 0, 0]);
    }
    gate.notify_one();
    let warmed = first.await.unwrap().unwrap();
    assert_eq!(counted(warmed), [100, 0, 100, 0, 0, 0]);
}

/// Several processes that warm the same keys load each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_the_loads() {
    let shared = Shared::get();
    let product = shared.namespace();
    let database = Database::of(0..100);
    let mut warming = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let redis = Redis::connect(shared.url()).await.unwrap();
        let users = users(&redis.namespace(&product).unwrap());
        let users = database.loads(users).build().unwrap();
        warming.spawn(async move { users.warm(0..100).await.unwrap() });
    }
    while let Some(warmed) = warming.join_next().await {
        let warmed = warmed.unwrap();
        assert_eq!((warmed.done(), warmed.failed), (100, 0), "{warmed:?}");
    }
    assert_eq!(database.reads(), 100);
}

/// Repeated, it loads anew what would end before the next time; one of several processes does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_interval_nothing_ends_in_between() {
    let shared = Shared::get();
    let product = shared.namespace();
    let database = Database::of(0..10);
    let mut warming = Vec::new();
    let mut all = Vec::new();
    for _ in 0..3 {
        let redis = Redis::connect(shared.url()).await.unwrap();
        let users = users(&redis.namespace(&product).unwrap()).ttl(Duration::from_millis(700));
        let users = database.loads(users).build().unwrap();
        warming.push(users.warm(0..10).every(Duration::from_millis(250)).unwrap());
        all.push(users);
    }
    let began = Instant::now();
    until("warm", async || all[0].get(&9).await.unwrap().is_some()).await;
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_secs(2) {
        assert!(
            all[1].get(&9).await.unwrap().is_some(),
            "after {:?}",
            warm.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A value of 700 ms is due when less than 250 are left: hardly more often than each 450 ms.
    let rounds = began.elapsed().as_millis() / 450 + 2;
    assert!(
        u128::from(database.reads()) <= 10 * rounds,
        "{} in {rounds}",
        database.reads()
    );
    drop(warming);
    until("over", async || all[0].get(&9).await.unwrap().is_none()).await;
}

/// What a process has read most is what the next one begins with.
#[tokio::test]
async fn hot_keys_are_saved_and_loaded_by_the_next_process() {
    let server = Server::start();
    let database = Database::of(0..1_000);
    let build = async || {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let users = users(&redis.namespace("t").unwrap())
            .hot_keys(10)
            .local(1 << 20);
        database.loads(users).build().unwrap()
    };
    let one = build().await;
    assert_eq!(one.save_hot_keys().await.unwrap(), 0, "nobody has read");
    assert_eq!(counted(one.warm_hot_keys().await.unwrap()), [0; 6]);
    for id in 0..1_000 {
        one.load(&id).await.unwrap();
    }
    let tenant = one.scope("tenant");
    for _ in 0..400 {
        for id in 100..105 {
            one.get(&id).await.unwrap();
        }
        tenant.load(&777).await.unwrap();
    }
    assert_eq!(one.save_hot_keys().await.unwrap(), 6);
    drop(one);
    server.command(&["CONFIG", "RESETSTAT"]);
    let two = build().await;
    two.clear().await.unwrap();
    let before = database.reads();
    let warmed = two.warm_hot_keys().await.unwrap();
    assert_eq!((warmed.keys, warmed.loaded), (5, 5), "one is the tenant's");
    assert_eq!(u64::from(database.reads() - before), 5);
    for id in 100..105 {
        assert!(two.get(&id).await.unwrap().is_some(), "{id} is hot");
    }
    let tenant = two.scope("tenant");
    assert_eq!(
        counted(tenant.warm_hot_keys().await.unwrap()),
        [1, 0, 1, 0, 0, 0]
    );
    assert!(tenant.get(&777).await.unwrap().is_some());
    assert!(calls(&server, "get") >= 2);
    let ttl = server
        .command(&["PTTL", "t:cache:users:%hot"])
        .as_int()
        .unwrap();
    assert!(ttl > 600_000_000, "{ttl}");
    // A snapshot of another version, or of somebody else, is none.
    for foreign in ["2\n1\n2", "", "\u{fffd}"] {
        server.command(&["SET", "t:cache:users:%hot", foreign]);
        assert_eq!(counted(two.warm_hot_keys().await.unwrap()), [0; 6]);
    }
    // It is no key of the cache.
    let mut keys = two.keys("*", russet_cache::Pace::default()).unwrap();
    while let Some(page) = keys.next_page().await.unwrap() {
        assert!(page.iter().all(|key| *key < 1_000));
    }
    two.remove_matching("*", russet_cache::Pace::default())
        .await
        .unwrap();
    assert_eq!(
        server.command(&["EXISTS", "t:cache:users:%hot"]).as_int(),
        Some(1)
    );
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_loaded() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let database = Database::of(0..10);
    let users = users(&redis.namespace("t").unwrap()).hot_keys(10);
    let users = database.loads(users).build().unwrap();
    for _ in 0..100 {
        users.load(&1).await.unwrap();
    }
    let before = database.reads();
    server.kill();
    assert_eq!(
        counted(users.warm(0..10).await.unwrap()),
        [10, 0, 0, 0, 0, 10]
    );
    assert_eq!(counted(users.warm_hot_keys().await.unwrap()), [0; 6]);
    assert_eq!(users.save_hot_keys().await.unwrap(), 0);
    let warming = users.warm(0..10).every(Duration::from_millis(10)).unwrap();
    assert_eq!(database.reads(), before);
    server.restart();
    until("loaded", async || database.reads() >= before + 10).await;
    drop(warming);
}
