//! Calls that are dropped at each of their await points: nobody waits for who is not there, and nothing old comes back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Counters, Cx, Loaded, Pace, Redis};
use russet_testkit::{Shared, dropped_after};

use super::lease::{LONG, SOON, Users};

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Two processes with local tiers and leases that nobody would wait out.
async fn processes() -> [Users; 2] {
    let shared = Shared::get();
    let product = shared.namespace();
    let build = async || {
        let redis = Redis::connect(shared.url()).await.unwrap();
        let users = Cache::<u64, u64>::builder(&redis.namespace(&product).unwrap(), "users");
        let users = users.ttl(LONG).lease(LONG).local(1 << 20).hot_keys(10);
        let users = users.read_deadline(SOON);
        let users = users.loader(|id: u64, _| async move { Ok::<_, std::io::Error>(id) });
        let users = users.writer(|_: u64, _: Arc<u64>, _| async { Ok::<_, std::io::Error>(()) });
        users
            .pattern(russet_cache::Pattern::WriteThrough)
            .build()
            .unwrap()
    };
    [build().await, build().await]
}

/// Whatever was dropped, and wherever: both processes load and write that key at once, and read what was written last.
async fn is_whole(what: &str, [one, two]: &[Users; 2], key: u64) {
    let began = Instant::now();
    // What was dropped may be on its way yet: behind these, which take the same ways, it has arrived.
    one.insert(&u64::MAX, 0).await.unwrap();
    one.remove(&u64::MAX).await.unwrap();
    let load = |_| async { Ok::<_, ()>(7) };
    for process in [two, one] {
        process.get_or_load(&key, load).await.unwrap();
        assert!(began.elapsed() < SOON, "{what}: nobody loads");
    }
    for (value, by, reader) in [(100, two, one), (101, one, two)] {
        by.insert(&key, value).await.unwrap();
        assert_eq!(
            by.get(&key).await.unwrap().as_deref(),
            Some(&value),
            "{what}"
        );
        while reader.get(&key).await.unwrap().as_deref() != Some(&value) {
            // A refresh goes on, and may have asked its source behind the insert.
            if what.starts_with("refresh") {
                by.insert(&key, value).await.unwrap();
            }
            assert!(began.elapsed() < SOON, "{what}: an old value is read");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn calls(users: &Users, key: u64) -> Vec<(&'static str, Call)> {
    let load = |_| async { Ok::<_, ()>(8) };
    macro_rules! call {
        ($users:ident => $call:expr) => {{
            let $users = users.clone();
            Box::pin(async move { drop($call.await) }) as Call
        }};
    }
    vec![
        ("insert", call!(users => users.insert(&key, 1).tag("t"))),
        (
            "insert of a version",
            call!(users => users.insert(&key, 1).version(5)),
        ),
        (
            "insert_many",
            call!(users => users.insert_many([(&key, 1), (&(key + 1_000_000), 2)])),
        ),
        (
            "write_through",
            call!(users => users.write_through(&key, 1, async |_| {
                tokio::task::yield_now().await;
                Ok::<_, ()>(())
            })),
        ),
        ("write", call!(users => users.write(&key, 1))),
        ("remove", call!(users => users.remove(&key))),
        ("bust", call!(users => users.bust(&key, 3))),
        ("expire", call!(users => users.expire(&key, LONG / 2))),
        ("invalidate_tag", call!(users => users.invalidate_tag("t"))),
        (
            "invalidate_tags",
            call!(users => users.invalidate_tags(["t", "u"])),
        ),
        ("clear", call!(users => users.clear())),
        (
            "remove_matching",
            call!(users => users.remove_matching("*", Pace::default())),
        ),
        ("get_or_load", call!(users => users.get_or_load(&key, load))),
        (
            "get_or_load_local",
            call!(users => users.get_or_load_local(&key, async |_| {
                tokio::task::yield_now().await;
                Ok::<_, ()>(8)
            })),
        ),
        (
            "get_or_load_local of a version",
            call!(users => users.get_or_load_local(&key, async |_| {
                Ok::<_, ()>(Loaded::value(8).version(9))
            })),
        ),
        (
            "get_or_load_many",
            call!(users => users.get_or_load_many(&[key], |keys| async {
                Ok::<_, ()>(keys.into_iter().map(|key| (key, 8)))
            })),
        ),
        ("load", call!(users => users.load(&key))),
        ("load_many", call!(users => users.load_many(&[key]))),
        ("refresh", call!(users => users.refresh(&key))),
        (
            "refresh_with",
            call!(users => users.refresh_with(&key, load)),
        ),
        ("warm", call!(users => users.warm([key]))),
        ("save_hot_keys", call!(users => users.save_hot_keys())),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_anywhere_leaves_nothing_behind() {
    let all = processes().await;
    let count = calls(&all[0], 0).len();
    let mut key = 0;
    for which in 0..count {
        for is_there in [false, true] {
            // At most so many polls; each call has a few await points.
            for polls in 0..50 {
                key += 1;
                if is_there {
                    all[1].insert(&key, 99).tag("t").await.unwrap();
                    all[0].get(&key).await.unwrap();
                }
                let (what, call) = calls(&all[0], key).swap_remove(which);
                let is_done = dropped_after(polls, call).await;
                is_whole(
                    &format!("{what} after {polls}, there: {is_there}"),
                    &all,
                    key,
                )
                .await;
                if is_done {
                    break;
                }
                assert!(polls < 49, "{what} never ends");
            }
        }
    }
}

/// Whoever loads is dropped at each of its await points: what was loading is loaded once more at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_is_dropped_anywhere_costs_one_more_load() {
    let [one, two] = processes().await;
    for polls in 0..50 {
        let key = polls as u64;
        let loads = Arc::new(AtomicU32::new(0));
        let counted = |loads: &Arc<AtomicU32>| {
            let loads = loads.clone();
            move |_: Cx<u64>| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok::<_, ()>(8)
            }
        };
        let (users, load) = (one.clone(), counted(&loads));
        let call: Call = Box::pin(async move { drop(users.get_or_load_local(&key, load).await) });
        let (users, load) = (two.clone(), counted(&loads));
        let other = tokio::spawn(async move { *users.get_or_load(&key, load).await.unwrap() });
        let is_done = dropped_after(polls, call).await;
        let began = Instant::now();
        assert_eq!(other.await.unwrap(), 8);
        let after = one.get_or_load(&key, counted(&loads)).await.unwrap();
        assert_eq!(*after, 8);
        assert!(
            began.elapsed() < SOON,
            "somebody waits for who is not there"
        );
        let loads = loads.load(Ordering::SeqCst);
        assert!(
            (1..=2).contains(&loads),
            "{loads} loads, dropped after {polls}"
        );
        if is_done {
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn a_counter_counts_on() {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.unwrap();
    let ns = redis.namespace(shared.namespace()).unwrap();
    let counters = Counters::<u64>::builder(&ns, "counters").build().unwrap();
    for polls in 0..50 {
        let by = counters.clone();
        let call: Call = Box::pin(async move { drop(by.increment(&1, 1).await) });
        let is_done = dropped_after(polls, call).await;
        let before = counters.get(&1).await.unwrap().unwrap_or(0);
        assert!((0..=1).contains(&before), "{before}");
        assert_eq!(counters.increment(&1, 1).await.unwrap(), Some(before + 1));
        let by = counters.clone();
        let call: Call = Box::pin(async move { drop(by.set(&1, 7).await) });
        dropped_after(polls, call).await;
        let by = counters.clone();
        let call: Call = Box::pin(async move { drop(by.remove(&1).await) });
        dropped_after(polls, call).await;
        counters.remove(&1).await.unwrap();
        if is_done {
            return;
        }
    }
    panic!("it never ends");
}
