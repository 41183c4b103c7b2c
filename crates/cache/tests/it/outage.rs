//! Redis away: a miss and then the loader.

use std::time::{Duration, Instant};

use russet_cache::{Cache, Counters, Inserted, LoadError, OnOutage, Pace, Redis, Removed};
use russet_testkit::Server;
use russet_testkit::proxy::{Direction, Proxy};

use super::lease::{LONG, process, refreshing};
use super::until;

async fn caches(server: &Server) -> (Cache<u64, String>, Cache<u64, String>) {
    let ns = Redis::connect(&server.url())
        .await
        .unwrap()
        .namespace("t")
        .unwrap();
    let lenient = Cache::builder(&ns, "users").build().unwrap();
    let strict = Cache::builder(&ns, "users")
        .on_outage(OnOutage::Error)
        .build()
        .unwrap();
    (lenient, strict)
}

async fn load(users: &Cache<u64, String>) -> Result<String, LoadError<()>> {
    users
        .get_or_load(&1, |_| async { Ok("loaded".to_owned()) })
        .await
        .map(|value| (*value).clone())
}

#[tokio::test]
async fn a_killed_server_is_a_miss_and_its_return_is_noticed() {
    let server = Server::start();
    let (users, strict) = caches(&server).await;
    users.insert(&1, "stored".to_owned()).await.unwrap();
    server.kill();
    assert_eq!(users.get(&1).await.unwrap(), None);
    assert_eq!(load(&users).await.unwrap(), "loaded");
    assert_eq!(
        users.insert(&1, "x".to_owned()).await.unwrap(),
        Inserted::Skipped
    );
    assert_eq!(users.remove(&2).await.unwrap(), Removed::Queued);
    assert!(
        strict.remove(&2).await.unwrap_err().is_retryable(),
        "a removal that did not happen is told"
    );
    assert!(strict.get(&1).await.unwrap_err().is_retryable());
    assert!(matches!(
        load(&strict).await.unwrap_err(),
        LoadError::Cache(_)
    ));

    server.restart();
    let started = Instant::now();
    while users.insert(&1, "back".to_owned()).await.unwrap() != Inserted::Stored {
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "not back within 2 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(users.get(&1).await.unwrap().unwrap().as_str(), "back");
}

#[tokio::test]
async fn a_hung_server_costs_a_read_deadline() {
    let server = Server::start();
    let (users, _) = caches(&server).await;
    server.pause();
    let started = Instant::now();
    assert_eq!(users.get(&1).await.unwrap(), None);
    let took = started.elapsed();
    server.resume();
    assert!(took < Duration::from_millis(250 + 100), "{took:?}");
}

/// Every call of a service goes on while its Redis is killed and started again under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_sees_an_error_through_kills_and_restarts() {
    let server = Server::start();
    let (users, _) = caches(&server).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (users, stop) = (users.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0_u32;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    load(&users).await.expect("no error");
                    users.get(&1).await.expect("no error");
                    calls += 1;
                    tokio::task::yield_now().await;
                }
                calls
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::task::block_in_place(|| {
            server.kill();
            server.restart();
        });
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}

/// What was removed while Redis was away is never read again here, and is gone there soon after it is back.
#[tokio::test]
async fn a_removal_outlives_an_outage() {
    let server = Server::builder().append_only().start();
    let (users, strict) = caches(&server).await;
    for id in 0..300 {
        users.insert(&id, "old".to_owned()).await.unwrap();
    }
    server.kill();
    for id in 0..299 {
        assert_eq!(users.remove(&id).await.unwrap(), Removed::Queued);
    }
    assert!(strict.remove(&299).await.is_err());
    server.restart();
    let started = Instant::now();
    // The last one was not removed: it says when reads work again.
    while users.get(&299).await.unwrap().is_none() {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "not back: {:?}",
            users.stats()
        );
        for id in 0..299 {
            assert_eq!(users.get(&id).await.unwrap(), None, "{id} is back");
        }
    }
    // Another process sees them go.
    let (others, _) = caches(&server).await;
    let mut left: Vec<u64> = (0..299).collect();
    while !left.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "{left:?}");
        let values = others.get_many(&left).await.unwrap();
        let is_there = values.iter().map(Option::is_some);
        left = left
            .iter()
            .zip(is_there)
            .filter_map(|(&id, is_there)| is_there.then_some(id))
            .collect();
        for id in 0..299 {
            assert_eq!(users.get(&id).await.unwrap(), None, "{id} is back");
        }
    }
    let stats = users.stats();
    assert_eq!(stats.queued, 299);
    assert!(stats.misses.invalidated > 0, "{stats:?}");
    // What is stored from now on stays.
    users.insert(&7, "new".to_owned()).await.unwrap();
    assert!(users.get(&7).await.unwrap().is_some());
}

#[tokio::test]
async fn every_other_operation_has_an_answer_while_redis_is_away() {
    let server = Server::start();
    let (users, strict) = caches(&server).await;
    let ns = Redis::connect(&server.url()).await.unwrap();
    let ns = ns.namespace("t").unwrap();
    let hits = Counters::<u64>::builder(&ns, "hits").build().unwrap();
    server.kill();
    let minute = Duration::from_mins(1);
    assert!(!users.exists(&1).await.unwrap());
    assert!(!users.expire(&1, minute).await.unwrap());
    assert_eq!(users.ttl(&1).await.unwrap(), None);
    assert_eq!(users.get_many(&[1, 2]).await.unwrap(), [None, None]);
    let values = [(&1, "a".to_owned()), (&2, "b".to_owned())];
    let skipped = users.insert_many(values.clone()).await.unwrap();
    assert_eq!(skipped, [Inserted::Skipped; 2]);
    let mut keys = users.keys("*", Pace::default()).unwrap();
    assert_eq!(keys.next_page().await.unwrap(), None);
    assert!(users.remove_matching("*", Pace::default()).await.is_err());
    assert_eq!(hits.increment(&1, 1).await.unwrap(), None);
    assert_eq!(hits.get(&1).await.unwrap(), None);
    assert!(!hits.set(&1, 1).await.unwrap());
    let loaded = users
        .get_or_load_many(&[1, 2], |missing| async move {
            Ok::<_, ()>(missing.into_iter().map(|id| (id, id.to_string())))
        })
        .await
        .unwrap();
    assert_eq!(loaded[1].as_ref().unwrap().as_str(), "2");
    assert!(strict.exists(&1).await.is_err());
    assert!(strict.expire(&1, minute).await.is_err());
    assert!(strict.ttl(&1).await.is_err());
    assert!(strict.get_many(&[1]).await.is_err());
    assert!(strict.insert_many(values).await.is_err());
    let mut keys = strict.keys("*", Pace::default()).unwrap();
    assert!(keys.next_page().await.is_err());
    let stats = users.stats();
    assert_eq!(
        stats.skipped, 2,
        "what is loaded during an outage is not stored: {stats:?}"
    );
    assert!(stats.misses.outage >= 2 && stats.hits == 0, "{stats:?}");
    assert_eq!(stats.hit_rate(), Some(0.0));
    assert_eq!(stats.loads, 1);
    assert!(strict.stats().errors >= 5, "{:?}", strict.stats());
}

/// A removal that is queued while a refresh runs is newer than what that brings, however soon Redis is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_removal_outlives_a_refresh_that_began_before() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let one = process(&proxy.url(), "t", LONG).await;
    let two = process(&server.url(), "t", LONG).await;
    two.insert(&1, 10).await.unwrap();
    let mut refreshing = refreshing(&one, 1, 11);
    (&mut refreshing.begun).await.unwrap();
    proxy.black_hole(Direction::ToClient);
    proxy.black_hole(Direction::ToServer);
    assert_eq!(one.remove(&1).await.unwrap(), Removed::Queued);
    proxy.heal();
    // It is back before the removal is tried again, which is less and less often.
    until("back", async || {
        one.insert(&2, 2).await.unwrap() == Inserted::Stored
    })
    .await;
    refreshing.open.notify_one();
    assert_eq!(*refreshing.loading.await.unwrap().unwrap(), 11);
    for process in [&two, &one] {
        until("removed", async || process.get(&1).await.unwrap().is_none()).await;
    }
}
