//! Single flight in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, LoadError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::{cache, namespace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_on_a_cold_key_loads_once() {
    let users = cache().await;
    let loads = Arc::new(AtomicU32::new(0));
    let mut herd = JoinSet::new();
    for _ in 0..1000 {
        let (users, loads) = (users.clone(), loads.clone());
        herd.spawn(async move {
            let load = move |_| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, ()>("Bob".to_owned())
            };
            users.get_or_load(&8, load).await.unwrap()
        });
    }
    let values = herd.join_all().await;
    assert_eq!(values.len(), 1000);
    assert!(values.iter().all(|value| value.as_str() == "Bob"));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(
        users.get(&8).await.unwrap().unwrap().as_str(),
        "Bob",
        "and it was stored"
    );
}

#[tokio::test]
async fn a_dropped_leader_harms_nobody() {
    let users = cache().await;
    let (started, running) = oneshot::channel();
    let gate = Arc::new(Notify::new());
    let leader = {
        let (users, gate) = (users.clone(), gate.clone());
        tokio::spawn(async move {
            let load = move |_| async move {
                let _ = started.send(());
                gate.notified().await;
                Ok::<_, ()>("from the leader".to_owned())
            };
            users.get_or_load(&1, load).await
        })
    };
    running.await.unwrap();
    let passenger = tokio::spawn({
        let users = users.clone();
        async move {
            users
                .get_or_load(&1, |_| async { Err::<String, _>(()) })
                .await
        }
    });
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.notify_one();
    assert_eq!(
        passenger.await.unwrap().unwrap().as_str(),
        "from the leader"
    );
}

#[tokio::test]
async fn a_failed_load_is_everybody_s_and_the_next_caller_starts_anew() {
    let users = cache().await;
    let load = |_| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Err::<String, _>("no database")
    };
    let (a, b) = tokio::join!(users.get_or_load(&1, load), users.get_or_load(&1, load));
    let (LoadError::Loader(a), LoadError::Loader(b)) = (a.unwrap_err(), b.unwrap_err()) else {
        panic!("not the loader")
    };
    assert!(Arc::ptr_eq(&a, &b), "one load, one error");
    let value = users
        .get_or_load(&1, |_| async { Ok::<_, &str>("there".to_owned()) })
        .await
        .unwrap();
    assert_eq!(value.as_str(), "there");
}

#[tokio::test]
async fn a_panic_and_a_timeout_end_the_flight() {
    let ns = namespace().await;
    let users = Cache::<u64, String>::builder(&ns, "users")
        .load_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let panics = |_| async {
        if true {
            panic!("a loader's own bug")
        } else {
            Ok::<String, ()>(String::new())
        }
    };
    assert!(matches!(
        users.get_or_load(&1, panics).await,
        Err(LoadError::Panicked)
    ));
    let started = Instant::now();
    let hangs = |_| std::future::pending::<Result<String, ()>>();
    assert!(matches!(
        users.get_or_load(&1, hangs).await,
        Err(LoadError::Timeout)
    ));
    assert!(started.elapsed() < Duration::from_millis(500));
    assert!(
        users
            .get_or_load(&1, |_| async { Ok::<_, ()>("fine".to_owned()) })
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn call_sites_may_differ_in_their_error() {
    let users = cache().await;
    let (begun, begins) = oneshot::channel();
    let gate = Arc::new(Notify::new());
    let first = tokio::spawn({
        let (users, gate) = (users.clone(), gate.clone());
        async move {
            let load = move |_| async move {
                let _ = begun.send(());
                gate.notified().await;
                Err::<String, u8>(7)
            };
            users.get_or_load(&1, load).await
        }
    });
    begins.await.unwrap();
    let other = |_| async { Ok::<_, String>("of another kind".to_owned()) };
    let second = users.get_or_load(&1, other).into_future();
    let open = async {
        tokio::task::yield_now().await;
        gate.notify_one();
    };
    let (second, ()) = tokio::join!(second, open);
    let first = first.await.unwrap();
    assert!(matches!(first, Err(LoadError::Loader(error)) if *error == 7));
    assert_eq!(second.unwrap().as_str(), "of another kind");
}

/// A change while a load is under way: nobody who comes after it gets what the load brings, nor is that stored.
#[tokio::test]
async fn a_change_wins_over_a_load() {
    for change in ["insert", "remove"] {
        let users = cache().await;
        let (started, running) = oneshot::channel();
        let gate = Arc::new(Notify::new());
        let old = tokio::spawn({
            let (users, gate) = (users.clone(), gate.clone());
            async move {
                let load = move |_| async move {
                    let _ = started.send(());
                    gate.notified().await;
                    Ok::<_, ()>("old".to_owned())
                };
                users.get_or_load(&1, load).await.unwrap()
            }
        });
        running.await.unwrap();
        if change == "insert" {
            users.insert(&1, "new".to_owned()).await.unwrap();
        } else {
            users.remove(&1).await.unwrap();
        }
        let new = users
            .get_or_load(&1, |_| async { Ok::<_, ()>("new".to_owned()) })
            .await
            .unwrap();
        assert_eq!(new.as_str(), "new", "{change}: a caller after the change");
        gate.notify_one();
        assert_eq!(
            old.await.unwrap().as_str(),
            "old",
            "{change}: a caller from before it"
        );
        assert_eq!(
            users.get(&1).await.unwrap().unwrap().as_str(),
            "new",
            "{change}: what is stored"
        );
    }
}
