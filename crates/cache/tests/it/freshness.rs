//! What is fresh, what is stale, and what a stale value is good for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Builder, Cache, Cx, LoadError, Loaded};
use russet_testkit::Shared;
use tokio::sync::Notify;

use super::lease::{LONG, SOON, Users};
use super::{namespace, size, until};

/// So long that a busy machine does not let it pass between two lines.
const SHORT: Duration = Duration::from_millis(200);

async fn users(build: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>) -> Users {
    let users = Cache::builder(&namespace().await, "users").ttl(SHORT);
    build(users.jitter(0.0).read_deadline(SOON))
        .build()
        .unwrap()
}

/// How long an entry stands in Redis.
async fn lives(users: &Users, key: u64) -> Duration {
    let key = format!("{users:?}:{key}");
    let key = key.replace("Cache(", "").replace(')', "");
    let ttl = tokio::task::spawn_blocking(move || Shared::get().command(&["PTTL", &key]));
    Duration::from_millis(ttl.await.unwrap().as_int().unwrap().unsigned_abs())
}

async fn stale(users: &Users, key: u64) {
    until("stale", async || users.get(&key).await.unwrap().is_none()).await;
}

/// A loader that counts, and brings this.
fn brings(
    loads: &Arc<AtomicU32>,
    value: Result<u64, &'static str>,
) -> impl FnOnce(Cx<u64>) -> std::future::Ready<Result<u64, &'static str>> + Send + use<> {
    let loads = loads.clone();
    move |_| {
        loads.fetch_add(1, Ordering::SeqCst);
        std::future::ready(value)
    }
}

#[tokio::test]
async fn a_stale_value_is_served_while_one_load_brings_another() {
    let users = users(|users| users.stale_while_revalidate(LONG)).await;
    users.insert(&1, 10).await.unwrap();
    stale(&users, 1).await;
    let (loads, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    for _ in 0..20 {
        let (loads, gate) = (loads.clone(), gate.clone());
        let load = move |cx: Cx<u64>| async move {
            assert_eq!(cx.stale.as_deref(), Some(&10));
            loads.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            Ok::<_, ()>(11)
        };
        assert_eq!(*users.get_or_load(&1, load).await.unwrap(), 10, "at once");
    }
    until("a load", async || loads.load(Ordering::SeqCst) > 0).await;
    gate.notify_one();
    until("the new value", async || {
        users.get(&1).await.unwrap().as_deref() == Some(&11)
    })
    .await;
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    let stats = users.stats();
    assert_eq!((stats.stale_served, stats.refreshes), (20, 1), "{stats:?}");
    assert!(stats.misses.stale >= 20);
}

#[tokio::test]
async fn a_stale_value_stands_in_for_a_load_that_fails_and_is_then_left_alone() {
    let ns = namespace().await;
    let build = || {
        let users = Cache::<u64, u64>::builder(&ns, "users")
            .ttl(SHORT)
            .jitter(0.0);
        let users = users.stale_if_error(LONG).error_throttle(2 * SHORT);
        users.build().unwrap()
    };
    let [one, two] = [build(), build()];
    one.insert(&1, 10).await.unwrap();
    stale(&one, 1).await;
    let loads = Arc::new(AtomicU32::new(0));
    for users in [&one, &two, &one] {
        let value = users
            .get_or_load(&1, brings(&loads, Err("no database")))
            .await;
        assert_eq!(*value.unwrap(), 10);
    }
    assert_eq!(
        loads.load(Ordering::SeqCst),
        1,
        "asked once, in all processes"
    );
    assert_eq!(one.stats().stale_served + two.stats().stale_served, 3);
    assert_eq!(two.get(&1).await.unwrap().as_deref(), Some(&10), "in use");
    stale(&two, 1).await;
    let value = two.get_or_load(&1, brings(&loads, Ok(11))).await;
    assert_eq!(*value.unwrap(), 11);
    assert_eq!(loads.load(Ordering::SeqCst), 2, "asked again afterwards");
    // Nothing stands in where there is nothing.
    let failed = two
        .get_or_load(&2, brings(&loads, Err("no database")))
        .await;
    assert!(matches!(failed, Err(LoadError::Loader(error)) if *error == "no database"));
}

/// Whatever else is stale: what was invalidated stands in for nothing, neither when a load fails nor when it takes long.
#[tokio::test]
async fn what_was_invalidated_never_stands_in() {
    for way in 0..6 {
        let users = users(|users| {
            let users = users.stale_if_error(LONG).stale_while_revalidate(LONG);
            users.soft_timeout(SHORT)
        })
        .await;
        users.insert(&1, 10).tag("t").await.unwrap();
        stale(&users, 1).await;
        let invalidate = async |way| match way {
            0 => drop(users.remove(&1).await.unwrap()),
            1 => drop(users.invalidate_tag("t").await.unwrap()),
            _ => drop(users.clear().await.unwrap()),
        };
        if way < 3 {
            invalidate(way).await;
            let loads = Arc::default();
            let failed = users
                .get_or_load(&1, brings(&loads, Err("no database")))
                .await;
            assert!(matches!(failed, Err(LoadError::Loader(_))), "{failed:?}");
        } else {
            // Seen before, and invalidated while it is loaded: by the time the load fails it stands in no more.
            let swr = users.get_or_load_local(&1, async |_| {
                invalidate(way - 3).await;
                Err::<u64, _>("no database")
            });
            let failed = swr.await;
            assert!(matches!(failed, Err(LoadError::Loader(_))), "{failed:?}");
        }
    }
}

#[tokio::test]
async fn a_load_that_takes_long_goes_on_behind_a_stale_value() {
    let users = users(|users| users.stale_if_error(LONG).soft_timeout(SHORT)).await;
    users.insert(&1, 10).await.unwrap();
    stale(&users, 1).await;
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let began = Instant::now();
    let slow = users.get_or_load(&1, move |_| async move {
        opened.notified().await;
        Ok::<_, ()>(11)
    });
    assert_eq!(*slow.await.unwrap(), 10);
    assert!(began.elapsed() >= SHORT && began.elapsed() < SOON);
    gate.notify_one();
    until("the new value", async || {
        users.get(&1).await.unwrap().as_deref() == Some(&11)
    })
    .await;
    // Without a stale value it is waited for, up to the load timeout.
    let hangs = users.get_or_load(&2, |_| std::future::pending::<Result<u64, ()>>());
    let began = Instant::now();
    assert!(matches!(
        hangs.load_timeout(2 * SHORT).await,
        Err(LoadError::Timeout)
    ));
    assert!(began.elapsed() >= 2 * SHORT);
    // And one that is stopped has its stand-in as well.
    stale(&users, 1).await;
    let hangs = users.get_or_load(&1, |_| std::future::pending::<Result<u64, ()>>());
    let stopped = hangs.load_timeout(SHORT).soft_timeout(LONG).await;
    assert_eq!(*stopped.unwrap(), 11);
}

#[tokio::test]
async fn that_there_is_none_is_cached_for_its_own_time() {
    let users = users(|users| users.ttl(LONG).negative_ttl(SHORT)).await;
    let loads = Arc::new(AtomicU32::new(0));
    let nobody = |loads: &Arc<AtomicU32>| {
        let loads = loads.clone();
        move |_: Cx<u64>| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<Option<u64>, ()>(None)
        }
    };
    for _ in 0..3 {
        assert_eq!(users.get_or_load(&1, nobody(&loads)).await.unwrap(), None);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(users.get(&1).await.unwrap(), None);
    assert!(!users.exists(&1).await.unwrap());
    let stats = users.stats();
    assert_eq!((stats.hits, stats.hits_missing), (0, 3), "{stats:?}");
    let many = users.get_or_load_many(&[1], async |_| -> Result<[(u64, u64); 0], ()> {
        panic!("it is known");
    });
    assert_eq!(many.await.unwrap(), [None]);
    until("it is asked again", async || {
        users.get_or_load(&1, nobody(&loads)).await.unwrap();
        loads.load(Ordering::SeqCst) == 2
    })
    .await;
    // A loader that always brings a value is asked all the same, and what it brings replaces that there is none.
    let value = users.get_or_load(&1, async |_| Ok::<_, ()>(7)).await;
    assert_eq!(*value.unwrap(), 7);
    let value = users.get_or_load(&1, nobody(&loads)).await.unwrap();
    assert_eq!(value.as_deref(), Some(&7));
    // For as long as the load itself says.
    let missing = users.get_or_load(&2, async |_| {
        Ok::<Loaded<u64>, ()>(Loaded::missing().ttl(LONG))
    });
    assert_eq!(missing.await.unwrap(), None);
    let left = lives(&users, 2).await;
    assert!(left > LONG / 2, "{left:?}");
    users.get_or_load(&2, nobody(&loads)).await.unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_not_modified_is_fresh_again_with_its_tags() {
    let users = users(|users| users.stale_if_error(LONG)).await;
    users.insert(&1, 10).tag("t").await.unwrap();
    stale(&users, 1).await;
    let load = users.get_or_load(&1, |cx: Cx<u64>| async move {
        assert_eq!(cx.stale.as_deref(), Some(&10));
        Ok::<_, ()>(Loaded::not_modified())
    });
    let value = load.ttl(LONG).await.unwrap();
    assert_eq!(value.as_deref(), Some(&10));
    let left = users.ttl(&1).await.unwrap().unwrap();
    assert!(left > LONG / 2, "{left:?}");
    users.invalidate_tag("t").await.unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
    let nothing = users.get_or_load(&1, async |_| Ok::<Loaded<u64>, ()>(Loaded::not_modified()));
    let Err(LoadError::Cache(error)) = nothing.await else {
        panic!("there is nothing that was not modified");
    };
    assert!(error.to_string().contains("Cx::stale"), "{error}");
}

#[tokio::test]
async fn what_a_load_says_of_its_value_counts() {
    let users = users(|users| users.ttl(LONG)).await;
    let uncached = users.get_or_load(&1, async |_| Ok::<_, ()>(Loaded::uncached(10)));
    assert_eq!(uncached.await.unwrap().as_deref(), Some(&10));
    assert_eq!(users.get(&1).await.unwrap(), None);
    let loaded = users.get_or_load(&1, async |_| {
        Ok::<_, ()>(Loaded::value(11).ttl(LONG / 2).tag("of the value"))
    });
    loaded.ttl(LONG / 4).tag("of the call").await.unwrap();
    let left = users.ttl(&1).await.unwrap().unwrap();
    assert!(left <= LONG / 2 && left > LONG / 4, "{left:?}");
    for tag in ["of the value", "of the call"] {
        assert!(users.exists(&1).await.unwrap());
        users.invalidate_tag(tag).await.unwrap();
        assert!(!users.exists(&1).await.unwrap(), "{tag}");
        let again = users.get_or_load(&1, async |_| {
            Ok::<_, ()>(Loaded::value(11).tag("of the value"))
        });
        again.tags(["of the call", "x"]).await.unwrap();
    }
    for wrong in [Duration::ZERO, Duration::MAX] {
        let ready = || users.get_or_load(&2, async |_| Ok::<_, ()>(1));
        assert!(ready().ttl(wrong).await.is_err());
        assert!(ready().negative_ttl(wrong).await.is_err());
        assert!(ready().load_timeout(wrong).await.is_err());
        assert!(ready().soft_timeout(wrong).await.is_err());
    }
    let tags: Vec<String> = (0..100).map(|n| format!("{n:0>64}")).collect();
    assert!(users.insert(&2, 1).tags(tags).await.is_err());
}

#[tokio::test]
async fn what_is_stored_together_does_not_end_together() {
    let users = Cache::<u64, u64>::builder(&namespace().await, "users");
    let users = users.ttl(LONG).build().unwrap();
    let ids: Vec<u64> = (0..size(1_000, 100)).collect();
    users
        .insert_many(ids.iter().map(|id| (id, *id)))
        .await
        .unwrap();
    let mut ends = Vec::new();
    for id in &ids {
        ends.push(users.ttl(id).await.unwrap().unwrap());
    }
    let (least, most) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(
        *least >= LONG * 88 / 100 && *most <= LONG,
        "{least:?} {most:?}"
    );
    assert!(
        *least < LONG * 93 / 100 && *most > LONG * 97 / 100,
        "{least:?} {most:?}"
    );
}

#[tokio::test]
async fn a_value_that_is_read_lives_on_and_is_not_written_on_each_read() {
    let life = 5 * SHORT;
    let server = russet_testkit::Server::start();
    let redis = russet_cache::Redis::connect(&server.url()).await.unwrap();
    let users = Cache::<u64, u64>::builder(&redis.namespace("t").unwrap(), "users");
    let users = users.ttl(life).jitter(0.0).sliding().build().unwrap();
    users.insert(&1, 10).tag("t").await.unwrap();
    let began = Instant::now();
    let mut reads = 0;
    while began.elapsed() < 4 * life {
        assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&10));
        reads += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let written = server.info("commandstats")["cmdstat_setrange"].clone();
    let written = written.trim_start_matches("calls=").split(',').next();
    // Two a step, a step each half of its life.
    let written: u32 = written.unwrap().parse().unwrap();
    assert!(
        (6..=2 * 9).contains(&written),
        "{written} for {reads} reads"
    );
    users.invalidate_tag("t").await.unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None, "its tags live on too");
    users.insert(&2, 20).await.unwrap();
    let stored = Instant::now();
    // Asked in a way that is no read.
    let is_there = || server.command(&["EXISTS", "t:cache:users:2"]).as_int() == Some(1);
    until("nobody has read it", async || !is_there()).await;
    assert!(stored.elapsed() < 2 * life, "{:?}", stored.elapsed());
}

/// The load takes long, so that a reader near the end of the value loads it anew, and nobody ever waits for that.
#[tokio::test]
async fn what_is_costly_is_loaded_anew_before_it_ends() {
    let users = users(|users| users.ttl(5 * SHORT).early_refresh(10.0)).await;
    let load = |value| {
        move |_: Cx<u64>| async move {
            tokio::time::sleep(SHORT).await;
            Ok::<_, ()>(value)
        }
    };
    users.get_or_load(&1, load(1)).await.unwrap();
    let (mut last, began) = (1, Instant::now());
    while last < 4 {
        let asked = Instant::now();
        let value = *users.get_or_load(&1, load(last + 1)).await.unwrap();
        assert!(asked.elapsed() < SHORT, "it was waited for");
        assert!((last..=last + 1).contains(&value));
        last = value;
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stats = users.stats();
    assert!(stats.refreshes >= 3 && stats.misses.stale == 0, "{stats:?}");
}

#[tokio::test]
async fn what_the_head_is_needed_for_is_refused_where_there_is_none() {
    let ns = namespace().await;
    let build = |build: fn(Builder<u64, u64>) -> Builder<u64, u64>| {
        let codec = russet_cache::Codec::default().plain_json();
        let users = Cache::<u64, u64>::builder(&ns, "users").codec(codec);
        build(users).build()
    };
    for refused in [
        build(|users| users.stale_while_revalidate(SHORT)),
        build(|users| users.stale_if_error(SHORT)),
        build(|users| users.early_refresh(1.0)),
        build(|users| users.sliding()),
        build(|users| users.schema_version(1)),
        build(|users| users.jitter(1.0)),
        build(|users| users.jitter(f64::NAN)),
        build(|users| users.early_refresh(-1.0)),
        build(|users| users.error_throttle(Duration::ZERO)),
        build(|users| users.stale_if_error(Duration::MAX)),
    ] {
        refused.unwrap_err();
    }
    let users = build(|users| users.ttl(LONG)).unwrap();
    assert!(users.insert(&1, 1).tag("t").await.is_err());
    assert!(users.clear().await.is_err() && users.invalidate_tag("t").await.is_err());
    assert!(users.scope("a").insert(&1, 1).await.is_err());
    // What it can do without one, it does.
    let loads = Arc::default();
    assert_eq!(
        *users.get_or_load(&1, brings(&loads, Ok(7))).await.unwrap(),
        7
    );
    assert_eq!(
        *users.get_or_load(&1, brings(&loads, Ok(8))).await.unwrap(),
        7
    );
    assert!(users.exists(&1).await.unwrap());
    assert!(users.expire(&1, LONG / 2).await.unwrap());
    assert!(users.ttl(&1).await.unwrap().unwrap() <= LONG / 2);
    let key = format!("{users:?}:1")
        .replace("Cache(", "")
        .replace(')', "");
    let value = tokio::task::spawn_blocking(move || Shared::get().command(&["GET", &key]));
    assert_eq!(value.await.unwrap().as_str(), Some("7"), "the bare value");
}

/// A loader in its caller's task may borrow; where its caller goes away, another one loads.
#[tokio::test]
async fn a_loader_that_borrows_is_handed_on() {
    let users = users(|users| users.ttl(LONG)).await;
    let name = String::from("borrowed");
    let borrowed = &name;
    let value = users.get_or_load_local(&1, async |_| Ok::<_, ()>(borrowed.len() as u64));
    assert_eq!(*value.await.unwrap(), 8);
    let begun = Notify::new();
    let first = users.get_or_load_local(&2, async |_| {
        begun.notify_one();
        std::future::pending::<Result<u64, ()>>().await
    });
    let mut first = first.into_future();
    tokio::select! {
        _ = &mut first => panic!("it never ends"),
        () = begun.notified() => {}
    }
    let loads = Arc::default();
    let second = tokio::spawn({
        let (users, load) = (users.clone(), brings(&loads, Ok(20)));
        async move { users.get_or_load(&2, load).await }
    });
    until("the second has come", async || {
        users.stats().misses.absent == 3
    })
    .await;
    let dropped = Instant::now();
    drop(first);
    assert_eq!(*second.await.unwrap().unwrap(), 20);
    assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
}

/// A loader says how long it is known that there is none, over what the call and the cache say.
#[tokio::test]
async fn a_loader_says_how_long_there_is_none() {
    let users = users(|users| users.ttl(LONG).negative_ttl(LONG / 2)).await;
    let missing = |_| async { Ok::<_, ()>(Loaded::<u64>::missing().ttl(LONG * 3 / 4)) };
    assert_eq!(users.get_or_load(&1, missing).await.unwrap(), None);
    let left = lives(&users, 1).await;
    assert!(left > LONG / 2 && left <= LONG * 3 / 4, "{left:?}");
    let missing = |_| async { Ok::<_, ()>(None::<u64>) };
    let said = users.get_or_load(&2, missing).negative_ttl(LONG / 4);
    assert_eq!(said.await.unwrap(), None);
    assert!(lives(&users, 2).await <= LONG / 4);
}
