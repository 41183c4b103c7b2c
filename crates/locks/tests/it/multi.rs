//! Several locks at once.

use russet_locks::{LostReason, Release};
use russet_testkit::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinSet;

use crate::{SECOND, namespace, on, patient, size, until};

#[tokio::test]
async fn all_are_taken_or_none() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let multi = locks.multi(["b", "a", "c", "a"]);
    let calls = || {
        let told = server.info("commandstats");
        let calls = told.get("cmdstat_evalsha").unwrap();
        let calls = calls.strip_prefix("calls=").unwrap();
        calls.split_once(',').unwrap().0.parse::<u64>().unwrap()
    };
    // Known to the server from here on.
    drop(multi.lock().await.unwrap());
    assert!(locks.shutdown_within(10 * SECOND).await);
    let before = calls();
    let held = multi.try_lock().await.unwrap().expect("all are free");
    assert_eq!(calls() - before, 1, "one round trip");
    let names: Vec<&str> = held.fences().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(held.is_held() && held.deadline().is_some());
    assert!(held.fence("b").is_some() && held.fence("d").is_none());
    for name in names {
        assert!(locks.mutex(name).try_lock().await.unwrap().is_none());
    }
    assert_eq!(held.release().await.unwrap(), Release::Released);

    let one = locks.mutex("b").lock().await.unwrap();
    assert!(multi.try_lock().await.unwrap().is_none());
    let told = multi.lock_within(SECOND).await.unwrap();
    assert!(told.is_none());
    assert!(locks.shutdown_within(10 * SECOND).await);
    for name in ["a", "c"] {
        assert!(
            locks.mutex(name).try_lock().await.unwrap().is_some(),
            "{name}"
        );
    }
    drop(one);
    let held = multi.lock().await.unwrap();
    let lost = held.lost();
    locks.mutex("c").force_release("why").await.unwrap();
    assert!(matches!(lost.await, LostReason::Forced | LostReason::Taken));
    assert!(!held.is_held());
    assert_eq!(held.release().await.unwrap(), Release::AlreadyLost);
}

#[tokio::test]
async fn how_many_is_checked() {
    let locks = patient(&namespace().await).build().unwrap();
    let none: [&str; 0] = [];
    assert!(locks.multi(none).try_lock().await.is_err());
    let names = |count| (0..count).map(|number| format!("n{number}"));
    assert!(locks.multi(names(65)).lock().await.is_err());
    assert!(locks.multi(names(64)).lock().await.is_ok());
    assert!(locks.multi(["a", ""]).try_lock().await.is_err());
    assert!(locks.shutdown_within(10 * SECOND).await);
    // What an error left nobody has.
    assert!(locks.mutex("a").try_lock().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_one_who_waits_for_them() {
    let server = Server::start();
    let all = [
        patient(&on(&server).await).build().unwrap(),
        patient(&on(&server).await).build().unwrap(),
    ];
    let names = ["a", "b", "c", "d"];
    let taken: Arc<[AtomicBool; 4]> = Arc::default();
    let done = Arc::new(AtomicU64::new(0));
    let rounds = size(400, 40);
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let (locks, taken, done) = (all[number % 2].clone(), taken.clone(), done.clone());
        tasks.spawn(async move {
            for _ in 0..rounds {
                let one = fastrand::usize(..4);
                let other = (one + fastrand::usize(1..4)) % 4;
                let held = locks.multi([names[one], names[other]]);
                let held = held.lock_within(20 * SECOND).await.unwrap();
                let held = held.expect("they do not wait for each other");
                for at in [one, other] {
                    assert!(!taken[at].swap(true, Ordering::SeqCst), "held by two");
                }
                // Held while others have their turns.
                for _ in 0..fastrand::u8(..20) {
                    tokio::task::yield_now().await;
                }
                for at in [one, other] {
                    taken[at].store(false, Ordering::SeqCst);
                }
                assert_eq!(held.release().await.unwrap(), Release::Released);
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(done.load(Ordering::SeqCst), 8 * rounds);
    until("nothing is left", async || locks_are_free(&all[0]).await).await;
}

async fn locks_are_free(locks: &russet_locks::Locks) -> bool {
    let held = locks.multi(["a", "b", "c", "d"]).try_lock().await.unwrap();
    held.is_some()
}
