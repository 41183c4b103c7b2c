//! Locks whose names are in slots of several servers.

use std::time::Duration;

use russet_locks::{Locks, Redis, Release};
use russet_testkit::Cluster;
use tokio::task::JoinSet;

use crate::{SECOND, patient, size, until};

async fn locks(cluster: &Cluster) -> Locks {
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    patient(&redis.namespace("shop").unwrap())
        .lease(SECOND)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_as_on_one_server() {
    let cluster = tokio::task::block_in_place(|| Cluster::builder(3).replicas(0).start());
    let (one, other) = (locks(&cluster).await, locks(&cluster).await);
    let names: Vec<String> = (0..30).map(|number| format!("lock {number}")).collect();
    // All at once, over all servers; renewed there.
    let held = one.multi(&names).lock().await.unwrap();
    assert!(other.multi(&names).try_lock().await.unwrap().is_none());
    let later = held.deadline().unwrap() + SECOND;
    until("all are renewed", async || held.deadline().unwrap() > later).await;
    // Who waits is woken, wherever its lock is.
    let mut waits = JoinSet::new();
    for name in &names {
        let mutex = other.mutex(name);
        waits.spawn(async move { mutex.lock().await.unwrap().release().await.unwrap() });
    }
    for name in &names {
        until("it waits", async || {
            one.mutex(name).inspect().await.unwrap().waiting == 1
        })
        .await;
    }
    assert_eq!(held.release().await.unwrap(), Release::Released);
    let released = waits.join_all().await;
    assert!(released.iter().all(|one| *one == Release::Released));
    // And what several may hold.
    for name in ["a", "b", "c", "d"] {
        let rw = (one.rw(name), other.rw(name));
        let reads = (rw.0.read().lock().await.unwrap(), rw.1.read().lock().await);
        assert!(rw.0.write().try_lock().await.unwrap().is_none());
        drop(reads);
        assert!(
            rw.1.write()
                .lock_within(10 * SECOND)
                .await
                .unwrap()
                .is_some()
        );
        let (few, many) = (one.semaphore(name, 2), other.semaphore(name, 2));
        let all = few.permits(2).lock().await.unwrap();
        assert!(many.permit().try_lock().await.unwrap().is_none());
        all.release().await.unwrap();
        assert!(many.permit().lock().await.unwrap().is_held());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_takes_no_polling_there() {
    let cluster = tokio::task::block_in_place(|| Cluster::builder(3).replicas(0).start());
    let (one, other) = (locks(&cluster).await, locks(&cluster).await);
    for round in 0..size(30, 6) {
        let name = format!("lock {round}");
        let held = one.mutex(&name).lock().await.unwrap();
        let waits = tokio::spawn({
            let mutex = other.mutex(&name);
            async move { mutex.lock().await.unwrap() }
        });
        until("it waits", async || {
            one.mutex(&name).inspect().await.unwrap().waiting == 1
        })
        .await;
        let began = std::time::Instant::now();
        held.release().await.unwrap();
        waits.await.unwrap().release().await.unwrap();
        // Its own asking would be up to a second later.
        if round > 0 {
            assert!(
                began.elapsed() < Duration::from_millis(700),
                "{:?}",
                began.elapsed()
            );
        }
    }
}
