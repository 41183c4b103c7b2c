//! Many values at once, and by a glob.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use russet_cache::{Cache, Inserted, LoadError, Pace, Redis};
use russet_testkit::Server;
use tokio::sync::oneshot;

use super::{cache, calls, namespace};

#[tokio::test]
async fn a_hundred_are_one_round_trip() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let users = Cache::<u64, String>::builder(&ns, "users").build().unwrap();
    let ids: Vec<u64> = (0..100).collect();
    let values = ids.iter().map(|id| (id, format!("user {id}")));
    let stored = users.insert_many(values).await.unwrap();
    assert_eq!(stored, [Inserted::Stored; 100]);
    server.command(&["CONFIG", "RESETSTAT"]);
    let asked: Vec<u64> = (50..150).collect();
    let read = users.get_many(&asked).await.unwrap();
    assert_eq!(calls(&server, "mget"), 1);
    assert_eq!(calls(&server, "get"), 0);
    for (id, value) in asked.iter().zip(read) {
        let expected = (*id < 100).then(|| format!("user {id}"));
        assert_eq!(value.map(|value| value.to_string()), expected);
    }
    let stats = users.stats();
    assert_eq!(
        (stats.hits, stats.misses.absent, stats.inserted),
        (50, 50, 100)
    );
    assert_eq!(stats.hit_rate(), Some(0.5));
    assert_eq!(users.get_many(&[] as &[u64]).await.unwrap(), []);
    assert_eq!(
        users.get_many(&vec![7; 300]).await.unwrap().len(),
        300,
        "more than one command carries, and equal ones"
    );
}

/// Reads that wait at the same moment share a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_of_readers_sends_few_commands() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let users = Cache::<u64, u64>::builder(&ns, "users").build().unwrap();
    for id in 0..100 {
        users.insert(&id, id).await.unwrap();
    }
    server.command(&["CONFIG", "RESETSTAT"]);
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..256_u64 {
        let users = users.clone();
        readers.spawn(async move {
            for turn in 0..20 {
                let id = (reader * 7 + turn) % 100;
                assert_eq!(users.get(&id).await.unwrap().as_deref(), Some(&id));
            }
        });
    }
    readers.join_all().await;
    let sent: u32 = ["get", "mget"]
        .iter()
        .map(|command| calls(&server, command))
        .sum();
    assert!(
        sent <= 256 * 20 / 8,
        "{sent} commands for {} reads",
        256 * 20
    );
}

#[tokio::test]
async fn what_is_missing_is_loaded_once_together() {
    let users = cache().await;
    users.insert(&2, "stored".to_owned()).await.unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    let load = |loads: Arc<AtomicU32>| {
        move |missing: Vec<u64>| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            assert_eq!(missing, [1, 3, 4]);
            // One is not there, one was not asked for.
            Ok::<_, ()>([
                (1, "one".to_owned()),
                (3, "three".to_owned()),
                (9, "nine".to_owned()),
            ])
        }
    };
    let read = users
        .get_or_load_many(&[1, 2, 3, 4, 1], load(loads.clone()))
        .await
        .unwrap();
    let read: Vec<Option<&str>> = read
        .iter()
        .map(|value| value.as_deref().map(String::as_str))
        .collect();
    assert_eq!(
        read,
        [
            Some("one"),
            Some("stored"),
            Some("three"),
            None,
            Some("one")
        ]
    );
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(users.get(&3).await.unwrap().unwrap().as_str(), "three");
    assert_eq!(users.get(&9).await.unwrap(), None);
    let all = users
        .get_or_load_many(&[1, 2, 3], |_| async {
            panic!("nothing is missing");
            #[allow(unreachable_code)]
            Ok::<Vec<(u64, String)>, ()>(Vec::new())
        })
        .await
        .unwrap();
    assert!(all.iter().all(Option::is_some));
}

/// A key of many is waited for by who asks for it alone. The reverse not, where its load has begun: it may be of before.
#[tokio::test]
async fn loads_of_one_and_of_many_share_flights() {
    let users = cache().await;
    let (begun, begins) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let one = tokio::spawn({
        let users = users.clone();
        async move {
            let load = move |_| async move {
                let _ = begun.send(());
                let _ = released.await;
                Ok::<_, ()>("alone".to_owned())
            };
            users.get_or_load(&1, load).await
        }
    });
    begins.await.unwrap();
    let (many_begun, many_begins) = oneshot::channel();
    let (many_release, many_released) = oneshot::channel::<()>();
    let many = tokio::spawn({
        let users = users.clone();
        async move {
            let load = |missing: Vec<u64>| async move {
                assert_eq!(missing, [1, 2]);
                let _ = many_begun.send(());
                let _ = many_released.await;
                Ok::<_, ()>([1, 2].map(|id| (id, "of many".to_owned())))
            };
            users.get_or_load_many(&[1, 2], load).await
        }
    });
    many_begins.await.unwrap();
    let second = tokio::spawn({
        let users = users.clone();
        async move {
            let load = |_| async { Ok::<_, ()>("alone".to_owned()) };
            users.get_or_load(&2, load).await
        }
    });
    // It has seen that there is none, and waits.
    while users.stats().misses.absent < 4 {
        tokio::task::yield_now().await;
    }
    let _ = release.send(());
    assert_eq!(one.await.unwrap().unwrap().as_str(), "alone");
    let _ = many_release.send(());
    let many = many.await.unwrap().unwrap();
    assert_eq!(many[0].as_ref().unwrap().as_str(), "of many");
    assert_eq!(second.await.unwrap().unwrap().as_str(), "of many");
    assert_eq!(many[1].as_ref().unwrap().as_str(), "of many");
    // Whoever had the lease has stored it.
    assert_eq!(users.get(&1).await.unwrap().unwrap().as_str(), "alone");
}

#[tokio::test]
async fn a_failed_load_of_many_is_told_and_leaves_nobody_waiting() {
    let users = cache().await;
    let failed = users
        .get_or_load_many(&[1, 2], |_| async {
            Err::<Vec<(u64, String)>, _>("no database")
        })
        .await
        .unwrap_err();
    assert!(matches!(failed, LoadError::Loader(error) if *error == "no database"));
    let lost = users
        .get_or_load_many(&[1, 2], |_| async {
            panic!("crashed");
            #[allow(unreachable_code)]
            Ok::<Vec<(u64, String)>, ()>(Vec::new())
        })
        .await
        .unwrap_err();
    assert!(matches!(lost, LoadError::Panicked));
    assert_eq!(users.stats().load_errors, 2);
    let loaded = users
        .get_or_load(&1, |_| async { Ok::<_, ()>("there".to_owned()) })
        .await
        .unwrap();
    assert_eq!(loaded.as_str(), "there");
    assert_eq!((users.stats().loads, users.stats().load_errors), (1, 2));
}

/// One that a load of many does not bring has no value for that call, and is loaded by who asks for it alone.
#[tokio::test]
async fn what_a_load_of_many_did_not_bring_is_loaded_by_whoever_waits_for_it() {
    let users = cache().await;
    let (begun, begins) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let many = tokio::spawn({
        let users = users.clone();
        async move {
            let load = move |_| async move {
                let _ = begun.send(());
                let _ = released.await;
                Ok::<Vec<(u64, String)>, ()>(Vec::new())
            };
            users.get_or_load_many(&[5], load).await
        }
    });
    begins.await.unwrap();
    let alone = tokio::spawn({
        let users = users.clone();
        async move {
            let load = |_| async { Ok::<_, ()>("alone".to_owned()) };
            users.get_or_load(&5, load).await
        }
    });
    tokio::task::yield_now().await;
    let _ = release.send(());
    assert_eq!(many.await.unwrap().unwrap(), [None]);
    assert_eq!(alone.await.unwrap().unwrap().as_str(), "alone");
}

async fn found(users: &Cache<String, u8>, glob: &str) -> BTreeSet<String> {
    let mut keys = users.keys(glob, Pace::default()).unwrap();
    let mut found = BTreeSet::new();
    while let Some(page) = keys.next_page().await.unwrap() {
        found.extend(page);
    }
    found
}

#[tokio::test]
async fn keys_are_found_and_removed_by_a_glob() {
    for shards in [None, Some(12)] {
        let mut ns = namespace().await;
        if let Some(shards) = shards {
            ns = ns.env("sharded").shards(shards).await.unwrap();
        }
        let build = |name: &str| Cache::<String, u8>::builder(&ns, name).build().unwrap();
        let (users, others) = (build("users"), build("users2"));
        for id in ["ann", "anna", "bob", "a:b", "a*", "na\u{ef}ve"] {
            users.insert(id, 1).await.unwrap();
            others.insert(id, 1).await.unwrap();
        }
        let set = |keys: &[&str]| {
            keys.iter()
                .map(|&key| key.to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            found(&users, "*").await,
            set(&["ann", "anna", "bob", "a:b", "a*", "na\u{ef}ve"])
        );
        assert_eq!(found(&users, "ann*").await, set(&["ann", "anna"]));
        assert_eq!(
            users
                .remove_matching("ann*", Pace::default())
                .await
                .unwrap(),
            2
        );
        assert_eq!(found(&users, "ann*").await, set(&[]));
        assert!(users.exists("bob").await.unwrap());
        assert_eq!(
            users.remove_matching("*", Pace::default()).await.unwrap(),
            4
        );
        assert_eq!(found(&others, "*").await.len(), 6, "another cache's stay");
        assert_eq!(users.stats().removed, 6);
    }
}

/// A load that began before a removal by glob does not bring its value back.
#[tokio::test]
async fn a_removal_by_glob_wins_over_a_load() {
    let users = cache().await;
    users.insert(&1, "old".to_owned()).await.unwrap();
    // It is under way when the removal comes.
    users.remove(&1).await.unwrap();
    let (begun, begins) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let loading = tokio::spawn({
        let users = users.clone();
        async move {
            let load = move |_| async move {
                let _ = begun.send(());
                let _ = released.await;
                Ok::<_, ()>("old".to_owned())
            };
            users.get_or_load(&1, load).await
        }
    });
    begins.await.unwrap();
    // Another process has stored it meanwhile.
    let elsewhere = users.insert(&1, "old".to_owned());
    elsewhere.await.unwrap();
    users.remove_matching("*", Pace::default()).await.unwrap();
    let _ = release.send(());
    loading.await.unwrap().unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
}

#[tokio::test]
async fn ttls_by_call() {
    let users = cache().await;
    let [short, long] = [500, 3_600_000].map(Duration::from_millis);
    users.insert(&1, "a".to_owned()).ttl(long).await.unwrap();
    let ttl = users.ttl(&1).await.unwrap().unwrap();
    assert!(ttl >= Duration::from_mins(53) && ttl <= long, "{ttl:?}");
    assert!(users.expire(&1, short).await.unwrap());
    let ttl = users.ttl(&1).await.unwrap().unwrap();
    assert!(ttl <= short, "{ttl:?}");
    assert!(!users.expire(&2, short).await.unwrap());
    assert_eq!(users.ttl(&2).await.unwrap(), None);
    assert!(users.exists(&1).await.unwrap() && !users.exists(&2).await.unwrap());
    for wrong in [Duration::ZERO, Duration::MAX] {
        assert!(users.expire(&1, wrong).await.is_err());
        assert!(users.insert(&1, "a".to_owned()).ttl(wrong).await.is_err());
    }
    assert!(users.server_info().await.unwrap().version.is_some());
}

#[tokio::test]
async fn a_value_that_is_too_long_is_told_and_not_sent() {
    let ns = namespace().await;
    let users = Cache::<u64, String>::builder(&ns, "users")
        .max_value(100)
        .build()
        .unwrap();
    let error = users.insert(&1, "x".repeat(200)).await.unwrap_err();
    assert!(error.to_string().contains("takes 100"), "{error}");
    assert!(!error.may_have_executed());
    assert_eq!(users.get(&1).await.unwrap(), None);
    // Whoever loads has the value all the same.
    let loaded = users
        .get_or_load(&1, |_| async { Ok::<_, ()>("x".repeat(200)) })
        .await
        .unwrap();
    assert_eq!(loaded.len(), 200);
}

/// A key that is asked for twice is loaded once and answered twice, also while somebody loads it already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_asked_for_twice_is_answered_twice() {
    let users = cache().await;
    let (begins, begun) = oneshot::channel();
    let (ends, end) = oneshot::channel::<()>();
    let loading = tokio::spawn({
        let users = users.clone();
        async move {
            let load = |_| async move {
                let _ = begins.send(());
                let _ = end.await;
                Err::<String, _>("of another type")
            };
            users.get_or_load(&7, load).await.unwrap_err()
        }
    });
    begun.await.unwrap();
    let load = |ids: Vec<u64>| async move {
        assert_eq!(ids, [7, 8], "each once");
        Ok::<_, ()>(ids.into_iter().map(|id| (id, format!("user {id}"))))
    };
    let asked = users.get_or_load_many(&[7, 8, 7], load).await.unwrap();
    let asked: Vec<_> = asked
        .iter()
        .map(|user| user.as_deref().map(String::as_str))
        .collect();
    assert_eq!(asked, [Some("user 7"), Some("user 8"), Some("user 7")]);
    ends.send(()).unwrap();
    loading.await.unwrap();
}
