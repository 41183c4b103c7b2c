//! The same on a cluster, with shards and without.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Counters, Cx, Inserted, Namespace, Pace, Redis, Removed};
use russet_testkit::Cluster;

async fn namespace(cluster: &Cluster, shards: Option<u16>) -> Namespace {
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    match shards {
        None => redis.namespace("plain").unwrap(),
        Some(shards) => {
            let ns = redis.namespace("sharded").unwrap();
            ns.shards(shards).await.unwrap()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_works_on_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    for shards in [None, Some(12)] {
        let ns = namespace(&cluster, shards).await;
        let users = Cache::<u64, u64>::builder(&ns, "users").build().unwrap();
        let ids: Vec<u64> = (0..200).collect();
        let stored = users.insert_many(ids.iter().map(|id| (id, *id))).await;
        assert_eq!(stored.unwrap(), [Inserted::Stored; 200]);
        let read = users.get_many(&ids).await.unwrap();
        let read: Vec<u64> = read.into_iter().flatten().map(|value| *value).collect();
        assert_eq!(read, ids);
        for id in 0..20 {
            assert_eq!(users.remove(&id).await.unwrap(), Removed::Removed);
            assert_eq!(users.get(&id).await.unwrap(), None);
            assert!(!users.exists(&id).await.unwrap());
            let load = move |_| async move { Ok::<_, ()>(id + 1_000) };
            assert_eq!(*users.get_or_load(&id, load).await.unwrap(), id + 1_000);
            assert_eq!(
                users.get(&id).await.unwrap().as_deref(),
                Some(&(id + 1_000))
            );
            assert!(users.expire(&id, Duration::from_mins(5)).await.unwrap());
            let ttl = users.ttl(&id).await.unwrap().unwrap();
            assert!(ttl <= Duration::from_mins(5), "{ttl:?}");
        }
        let load = |missing: Vec<u64>| async move {
            assert_eq!(missing.len(), 100);
            Ok::<_, ()>(missing.into_iter().map(|id| (id, id)))
        };
        let many: Vec<u64> = (100..300).collect();
        let loaded = users.get_or_load_many(&many, load).await.unwrap();
        assert!(loaded.iter().all(Option::is_some));
        let mut found = BTreeSet::new();
        let mut keys = users.keys("*", Pace::default()).unwrap();
        while let Some(page) = keys.next_page().await.unwrap() {
            found.extend(page);
        }
        assert_eq!(found.len(), 300);
        assert_eq!(
            users.remove_matching("*", Pace::default()).await.unwrap(),
            300
        );
        let hits = Counters::<u64>::builder(&ns, "hits").build().unwrap();
        for id in 0..20 {
            assert_eq!(hits.increment(&id, 2).await.unwrap(), Some(2));
        }
    }
}

/// Two processes, each with connections of its own to every node: one load a key, and the other is woken wherever it listens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_load_for_all_processes_of_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    for shards in [None, Some(12)] {
        let mut processes = Vec::new();
        for _ in 0..3 {
            let ns = namespace(&cluster, shards).await;
            let users = Cache::<u64, u64>::builder(&ns, "herd");
            processes.push(users.lease(Duration::from_secs(60)).build().unwrap());
        }
        let [loads, begun] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let began = Instant::now();
        let mut herd = tokio::task::JoinSet::new();
        for users in &processes {
            for id in 0..30 {
                let (users, loads, begun) = (users.clone(), loads.clone(), begun.clone());
                herd.spawn(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let load = move |cx: Cx<u64>| async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        // All of them have come before any ends.
                        while begun.load(Ordering::SeqCst) < 3 * 30 {
                            assert!(Instant::now() < cx.deadline, "not all have come");
                            tokio::task::yield_now().await;
                        }
                        Ok::<_, ()>(id)
                    };
                    assert_eq!(*users.get_or_load(&id, load).await.unwrap(), id);
                });
            }
        }
        herd.join_all().await;
        assert_eq!(loads.load(Ordering::SeqCst), 30);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    }
}
