//! Redis away: a miss and then the loader.

use std::time::{Duration, Instant};

use russet_cache::{Cache, Inserted, LoadError, OnOutage, Redis};
use russet_testkit::Server;

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
    assert!(
        users.remove(&1).await.is_err(),
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
