//! One at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_locks::{LockError, Locks, Release, State};
use russet_testkit::Server;
use tokio::task::JoinSet;

use crate::{HOUR, SECOND, namespace, on, patient, until};

#[tokio::test]
async fn one_at_a_time_holds_it() {
    let ns = namespace().await;
    let (one, other) = (patient(&ns).build().unwrap(), patient(&ns).build().unwrap());
    let held = one.mutex("posting").try_lock().await.unwrap().unwrap();
    assert!(held.is_held() && held.state().get() == State::Held);
    assert_eq!(held.name(), "posting");
    assert_eq!(one.held(), [("posting".to_owned(), held.fence())]);
    for locks in [&one, &other] {
        assert!(locks.mutex("posting").try_lock().await.unwrap().is_none());
        let began = Instant::now();
        let within = SECOND / 2;
        assert!(
            locks
                .mutex("posting")
                .lock_within(within)
                .await
                .unwrap()
                .is_none()
        );
        assert!(began.elapsed() >= within);
    }
    assert!(other.mutex("sync").try_lock().await.unwrap().is_some());
    let first = held.fence();
    assert_eq!(held.release().await.unwrap(), Release::Released);
    assert!(one.held().is_empty());
    let held = other.mutex("posting").try_lock().await.unwrap().unwrap();
    assert!(held.fence() > first);
}

#[tokio::test]
async fn a_dropped_guard_is_released() {
    let ns = namespace().await;
    let locks = patient(&ns).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let lost = held.lost();
    tokio::spawn(async move { drop(held) }).await.unwrap();
    lost.await;
    assert!(locks.shutdown_within(10 * SECOND).await);
    assert!(locks.mutex("a").try_lock().await.unwrap().is_some());
}

#[tokio::test]
async fn a_detached_lock_stays_taken_for_its_lease() {
    let ns = namespace().await;
    let locks = patient(&ns).build().unwrap();
    let short = locks.mutex("a").lease(Duration::from_millis(600));
    let asked = Instant::now();
    let (fence, deadline) = short.lock().await.unwrap().detach();
    assert!(deadline <= Instant::now() + Duration::from_millis(600));
    assert!(short.try_lock().await.unwrap().is_none());
    // Nobody tells that it has ended.
    let held = short.lock_within(10 * SECOND).await.unwrap().unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(590));
    assert!(held.fence() > fence);
}

#[tokio::test]
async fn work_is_done_under_it() {
    let ns = namespace().await;
    let locks = patient(&ns).build().unwrap();
    let mutex = locks.mutex("a");
    let done = mutex.run(|cx| async move { (cx.fence(), cx.is_held()) });
    let (fence, was_held) = done.await.unwrap();
    assert!(was_held);
    let held = locks.mutex("a").try_lock().await.unwrap().unwrap();
    assert!(held.fence() > fence);
}

#[tokio::test]
async fn what_cannot_be_meant_is_said_so() {
    let ns = namespace().await;
    assert!(Locks::builder(&ns).lease(Duration::ZERO).build().is_err());
    assert!(
        Locks::builder(&ns)
            .deadline(Duration::ZERO)
            .build()
            .is_err()
    );
    assert!(Locks::builder(&ns).remember(SECOND).build().is_err());
    assert!(Locks::builder(&ns).owner("x".repeat(257)).build().is_err());
    let locks = patient(&ns).build().unwrap();
    let long = "x".repeat(257);
    for (wrong, told) in [
        (locks.mutex(""), "0 bytes"),
        (locks.mutex(&long), "257 bytes"),
        (
            locks.mutex("a").lease(Duration::from_millis(99)),
            "a lease of 99ms",
        ),
        (locks.mutex("a").lease(25 * HOUR), "a lease of"),
    ] {
        let error = wrong.try_lock().await.unwrap_err();
        assert!(matches!(error, LockError::Redis(_)) && !error.is_retryable());
        assert!(error.to_string().contains(told), "{error}");
    }
    // A name may hold what it likes.
    let odd = locks.mutex("order:{42}*\n").try_lock().await.unwrap();
    assert_eq!(odd.unwrap().name(), "order:{42}*\n");
    let held = locks.mutex("a").lock().await.unwrap();
    let waits = locks.mutex("a").lock_until(Instant::now()).await.unwrap();
    assert!(waits.is_none());
    drop(held);
}

#[tokio::test]
async fn an_acquire_timeout_is_an_error() {
    let ns = namespace().await;
    let held = patient(&ns).build().unwrap().mutex("a").lock().await;
    // A busy machine does not let all of it pass before anything is sent: that would be an error of another kind.
    let locks = patient(&ns).acquire_timeout(Duration::from_secs(1));
    let locks = locks.build().unwrap();
    let error = locks.mutex("a").lock().await.unwrap_err();
    assert!(
        matches!(error, LockError::Timeout(_)) && error.is_retryable(),
        "{error}"
    );
    drop(held.unwrap());
}

/// Whoever's time passes while the machine runs something else has waited in vain, wherever that was: nobody is told that Redis is overloaded.
#[tokio::test]
async fn time_that_passes_before_anything_is_sent_is_waiting_in_vain() {
    let ns = namespace().await;
    let locks = patient(&ns).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    for passes in 0..40 {
        let waits = locks.mutex("a");
        let stalls = async {
            for _ in 0..passes {
                tokio::task::yield_now().await;
            }
            std::thread::sleep(SECOND / 20);
        };
        let (told, ()) = tokio::join!(waits.lock_within(SECOND / 50), stalls);
        assert!(matches!(told, Ok(None)), "after {passes}: {told:?}");
    }
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_counted_twice_by_many() {
    let server = Server::start();
    let mut tasks = JoinSet::new();
    let inside = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(0));
    for _ in 0..4 {
        let locks = patient(&on(&server).await).build().unwrap();
        for _ in 0..8 {
            let (locks, inside, last) = (locks.clone(), inside.clone(), last.clone());
            tasks.spawn(async move {
                for _ in 0..25 {
                    let held = locks.mutex("hot").lock().await.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                    let before = last.swap(held.fence().0, Ordering::SeqCst);
                    assert!(before < held.fence().0, "fences rise");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(held.release().await.unwrap(), Release::Released);
                }
            });
        }
    }
    tasks.join_all().await;
    // Nothing is left without a TTL, and of who waited nothing at all.
    until("the queue is gone", async || {
        server
            .command(&["EXISTS", "shop:lock:{hot}:%queue"])
            .as_int()
            == Some(0)
    })
    .await;
    for key in server.command(&["KEYS", "*"]).as_array().unwrap() {
        let ttl = server.command(&["PTTL", key.as_str().unwrap()]);
        assert_ne!(ttl.as_int().unwrap(), -1, "{key:?}");
    }
}

#[tokio::test]
async fn a_full_server_still_releases_and_renews() {
    let server = Server::with_config([("maxmemory-policy", "noeviction")]);
    let ns = on(&server).await;
    let locks = patient(&ns).lease(SECOND).build().unwrap();
    let (kept, given) = (
        locks.mutex("kept").lock().await.unwrap(),
        locks.mutex("given").lock().await.unwrap(),
    );
    server.config_set("maxmemory", "1");
    assert_eq!(given.release().await.unwrap(), Release::Released);
    let error = locks.mutex("new").try_lock().await.unwrap_err();
    assert_eq!(error.kind(), Some(russet_locks::ErrorKind::OutOfMemory));
    let later = kept.deadline() + SECOND;
    until("it is renewed for more than a lease", async || {
        assert!(kept.is_held());
        kept.deadline() > later
    })
    .await;
    assert_eq!(kept.release().await.unwrap(), Release::Released);
}

/// How many scripts clients have called.
fn scripts(server: &Server) -> u64 {
    let stats = server.info("commandstats");
    let calls = stats.get("cmdstat_evalsha").unwrap();
    let calls = calls.strip_prefix("calls=").unwrap();
    calls.split_once(',').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn held_locks_are_renewed_five_hundred_at_a_time() {
    let server = Server::start();
    let lease = 3 * SECOND;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    let mut held = Vec::new();
    for number in 0..1_200 {
        let name = format!("lock {number}");
        held.push(locks.mutex(&name).try_lock().await.unwrap().unwrap());
    }
    // Each of them once, so that all are renewed at the same time from here on.
    let first: Vec<_> = held.iter().map(russet_locks::Guard::deadline).collect();
    let all_later = |than: &[std::time::Instant]| {
        let mut all = held.iter().zip(than);
        all.all(|(guard, than)| guard.deadline() > *than + lease / 10)
    };
    until("all are renewed", async || all_later(&first)).await;
    let (before, since) = (scripts(&server), std::time::Instant::now());
    for _ in 0..3 {
        let than: Vec<_> = held.iter().map(russet_locks::Guard::deadline).collect();
        until("all are renewed", async || all_later(&than)).await;
    }
    let thirds = since.elapsed().as_secs_f64() / (lease / 3).as_secs_f64();
    let calls = scripts(&server) - before;
    let most = (thirds.ceil() + 1.0) * 3.0;
    assert!(
        (6.0..=most).contains(&(calls as f64)),
        "{calls} in {thirds}"
    );
}
