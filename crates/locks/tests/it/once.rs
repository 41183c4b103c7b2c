//! What is done once in a period.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_locks::{LockError, LostReason};
use russet_testkit::Server;
use tokio::task::JoinSet;

use crate::{SECOND, namespace, on, patient, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_try_one_does_it_in_a_period() {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let server = Server::start();
    let period = 2 * SECOND;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..4 {
        let locks = patient(&on(&server).await).build().unwrap();
        tasks.spawn(async move {
            let report = locks.once_per("report", period);
            while began.elapsed() < period * 2 + period / 2 {
                let done = report
                    .run(|_| async { DONE.fetch_add(1, Ordering::SeqCst) })
                    .await;
                done.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(DONE.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn work_that_outlasts_its_period_and_its_lease_is_alone() {
    let server = Server::start();
    let lease = SECOND / 2;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    let report = locks.once_per("report", lease / 2);
    let began = Instant::now();
    let done = report.run(async |_| {
        while began.elapsed() < 3 * lease {
            let other = report.run(async |_| ()).await.unwrap();
            assert_eq!(other, None, "after {:?}", began.elapsed());
        }
    });
    assert!(done.await.unwrap().is_some());
    // Its period is over.
    assert!(report.run(async |_| ()).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_begun_counts_unless_it_may_fail() {
    let server = Server::start();
    let lease = SECOND / 2;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    let hour = Duration::from_hours(1);
    let key = |name| format!("shop:lock:{{{name}}}");
    // Dropped while it is done.
    let begun = locks.once_per("a", hour);
    let pending = begun.run(|_| std::future::pending::<()>());
    let told = tokio::time::timeout(SECOND, pending).await;
    assert!(told.is_err());
    // It is not given back, and neither does its lease end it.
    assert!(locks.shutdown_within(10 * SECOND).await);
    assert!(begun.run(async |_| ()).await.unwrap().is_none());
    let left = locks.mutex("a").inspect().await.unwrap().holders[0].left;
    assert!(left > hour - 10 * SECOND && left <= hour, "{left:?}");

    // What may fail: neither dropped nor failed it counts.
    let tried = locks.once_per("b", hour);
    let pending = tried.try_run(|_| std::future::pending::<Result<(), ()>>());
    let told = tokio::time::timeout(SECOND, pending).await;
    assert!(told.is_err());
    assert!(locks.shutdown_within(10 * SECOND).await);
    let failed = tried.try_run(async |_| Err::<(), _>("no")).await.unwrap();
    assert_eq!(failed, Some(Err("no")));
    let done = tried.try_run(async |_| Ok::<_, ()>(7)).await.unwrap();
    assert_eq!(done, Some(Ok(7)));
    let again = tried.try_run(async |_| Ok::<_, ()>(8)).await.unwrap();
    assert_eq!(again, None);
    let left = locks.mutex("b").inspect().await.unwrap().holders[0].left;
    assert!(left > hour - 10 * SECOND && left <= hour, "{left:?}");
    // Nothing renews it any more, nor is it there for ever.
    let ttl = server.command(&["PTTL", &key("b")]).as_int().unwrap();
    assert!(ttl > 3_590_000);
}

/// How often a lock was written whole: taken, or renewed.
fn writes(server: &Server) -> u64 {
    let stats = server.info("commandstats");
    let calls = stats["cmdstat_set"].strip_prefix("calls=").unwrap();
    calls.split_once(',').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn while_it_is_done_it_stays_taken_until_its_period_is_over() {
    let server = Server::start();
    let lease = SECOND / 2;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    let hour = Duration::from_hours(1);
    let left = async || locks.mutex("a").inspect().await.unwrap().holders[0].left;
    let report = locks.once_per("a", hour);
    let done = report.run(async |_| {
        let before = left().await;
        // Renewed twice, for no longer and no shorter than that.
        let writes = writes(&server);
        until("it is renewed", async || {
            self::writes(&server) >= writes + 2
        })
        .await;
        let after = left().await;
        assert!(after < before && after > hour - 10 * SECOND, "{after:?}");
    });
    assert!(done.await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_lost_is_told_and_the_work_is_dropped() {
    let server = Server::start();
    let lease = SECOND / 2;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    // Although its period is an hour, it is found out with the next renewal.
    let report = locks.once_per("report", Duration::from_hours(1));
    let began = Instant::now();
    let done = report.run(async |_| {
        server.flush_all();
        std::future::pending::<()>().await;
    });
    let told = done.await;
    assert!(
        matches!(told, Err(LockError::Lost(LostReason::Taken))),
        "{told:?}"
    );
    assert!(began.elapsed() < lease, "{:?}", began.elapsed());
    until("it may be done again", async || {
        report.run(async |_| ()).await.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn a_period_that_cannot_be_meant_is_an_error() {
    let locks = patient(&namespace().await).build().unwrap();
    for period in [Duration::ZERO, SECOND / 20, Duration::from_hours(800)] {
        let once = locks.once_per("a", period);
        assert!(once.run(async |_| ()).await.is_err(), "{period:?}");
        let done = once.try_run(async |_| Ok::<_, ()>(()));
        assert!(done.await.is_err(), "{period:?}");
    }
}
