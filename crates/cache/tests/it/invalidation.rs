//! Tags, epochs, scopes: what was invalidated is never read again, whatever is in flight and whatever the server forgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Cx, Invalidated, Pace, Redis};
use russet_testkit::proxy::{Fault, Match, Proxy};
use russet_testkit::{Server, Shared};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::lease::{LONG, SOON, Users, gated, lease_of, marked, process, processes, waits};
use super::size;

async fn on(server: &Server) -> Users {
    process(&server.url(), "t", LONG).await
}

/// The control state and its tags.
fn control() -> [&'static str; 2] {
    [
        "t:cache:users:%control:{users}",
        "t:cache:users:%tags:{users}",
    ]
}

fn calls(server: &Server, command: &str) -> u32 {
    let stats = server.info("commandstats");
    let calls = stats.get(&format!("cmdstat_{command}"));
    let calls = calls.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn a_tag_invalidates_what_has_it_in_every_process() {
    let [one, two] = processes(LONG).await;
    for id in 0..10 {
        let org = id % 2;
        one.insert(&id, id)
            .tag(&("org", org))
            .tag("all")
            .await
            .unwrap();
    }
    let left = async |users: &Users| {
        let ids: Vec<u64> = (0..10).collect();
        let read = users.get_many(&ids).await.unwrap();
        read.iter().flatten().map(|id| **id).collect::<Vec<_>>()
    };
    assert_eq!(left(&two).await.len(), 10);
    assert_eq!(
        one.invalidate_tag("org:1").await.unwrap(),
        Invalidated::Done
    );
    assert_eq!(
        left(&two).await.len(),
        10,
        "another tag, though it looks like it"
    );
    assert_eq!(
        one.invalidate_tag(&("org", 1_u64)).await.unwrap(),
        Invalidated::Done
    );
    assert_eq!(left(&one).await, [0, 2, 4, 6, 8]);
    assert_eq!(left(&two).await, [0, 2, 4, 6, 8]);
    assert_eq!(two.stats().misses.invalidated, 5);
    // What is stored since holds.
    two.insert(&1, 1)
        .tag(&("org", 1_u64))
        .tag("all")
        .await
        .unwrap();
    assert_eq!(left(&one).await, [0, 1, 2, 4, 6, 8]);
    two.invalidate_tags(["x", "all"]).await.unwrap();
    assert_eq!(left(&one).await, [0; 0]);
    assert_eq!(two.stats().invalidations, 1);
}

#[tokio::test]
async fn clearing_takes_one_command_and_leaves_nothing_to_be_read() {
    let server = Server::start();
    let users = on(&server).await;
    let ids: Vec<u64> = (0..size(10_000, 500)).collect();
    users
        .insert_many(ids.iter().map(|id| (id, *id)))
        .await
        .unwrap();
    users.clear().await.unwrap();
    server.command(&["CONFIG", "RESETSTAT"]);
    assert_eq!(users.clear().await.unwrap(), Invalidated::Done);
    assert_eq!(calls(&server, "evalsha"), 1);
    assert_eq!(calls(&server, "scan") + calls(&server, "del"), 0);
    assert!(
        users
            .get_many(&ids)
            .await
            .unwrap()
            .iter()
            .all(Option::is_none)
    );
    assert!(!users.exists(&1).await.unwrap());
    assert_eq!(users.ttl(&1).await.unwrap(), None);
    assert!(
        !users.expire(&1, LONG).await.unwrap(),
        "it does not come back"
    );
    assert!(!users.exists(&1).await.unwrap());
    users.insert(&1, 11).await.unwrap();
    assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&11));
}

#[tokio::test]
async fn reads_are_one_round_trip_with_known_tags_and_two_without() {
    let server = Server::start();
    let users = on(&server).await;
    for id in 0..200 {
        users
            .insert(&id, id)
            .tag("all")
            .tag(&("org", id % 4))
            .await
            .unwrap();
    }
    let read = async |id: u64| {
        server.command(&["CONFIG", "RESETSTAT"]);
        assert_eq!(users.get(&id).await.unwrap().as_deref(), Some(&id));
        (calls(&server, "mget"), calls(&server, "evalsha"))
    };
    // The script that asks for tags is loaded.
    read(0).await;
    assert_eq!(read(1).await, (1, 1), "one of its tags is not known");
    assert_eq!(read(1).await, (1, 0), "they are");
    assert_eq!(read(2).await, (1, 1), "one is not");
    users.invalidate_tag("elsewhere").await.unwrap();
    assert_eq!(read(1).await, (1, 1), "the clock went on");
    assert_eq!(read(2).await, (1, 0), "what was known is known up to then");
    server.command(&["CONFIG", "RESETSTAT"]);
    let herd = (0..200).map(async |id| users.get(&id).await.unwrap().unwrap());
    futures_util::future::join_all(herd).await;
    let (mget, evalsha) = (calls(&server, "mget"), calls(&server, "evalsha"));
    assert!(mget <= 200 / 8 && evalsha <= 2, "{mget} {evalsha}");
}

/// Whatever invalidates while a load runs, in whichever process: what the load brings is served to those who called before, to
/// nobody else, and not from Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_wins_over_every_load() {
    let [one, two] = processes(LONG).await;
    for (way, name) in ["tag", "clear", "scope", "remove", "matching"]
        .iter()
        .enumerate()
    {
        for by_two in [false, true] {
            let (one, by) = match *name {
                "scope" => (one.scope("s"), [&one, &two][usize::from(by_two)].scope("s")),
                _ => (one.clone(), [&one, &two][usize::from(by_two)].clone()),
            };
            let key = way as u64 * 2 + u64::from(by_two);
            let (gate, opened, begun) = (
                Arc::new(Notify::new()),
                Arc::new(Notify::new()),
                Arc::new(Notify::new()),
            );
            let loading = tokio::spawn({
                let (users, opened, begun) = (one.clone(), gate.clone(), begun.clone());
                async move {
                    let load = move |_: Cx<u64>| async move {
                        begun.notify_one();
                        opened.notified().await;
                        Ok::<_, ()>(1)
                    };
                    users.get_or_load(&key, load).tag("t").await
                }
            });
            drop(opened);
            begun.notified().await;
            match *name {
                "tag" => drop(by.invalidate_tag("t").await.unwrap()),
                "clear" | "scope" => drop(by.clear().await.unwrap()),
                "remove" => drop(by.remove(&key).await.unwrap()),
                _ => drop(by.remove_matching("*", Pace::default()).await.unwrap()),
            }
            // Who comes now, in the process that loads: it may wait for that load, and is not served by it.
            let loads = Arc::new(AtomicU32::new(0));
            let before = one.stats().misses.total();
            let late = waits(&one, key, &loads);
            let began = Instant::now();
            while one.stats().misses.total() == before {
                assert!(began.elapsed() < SOON);
                tokio::task::yield_now().await;
            }
            gate.notify_one();
            assert_eq!(*loading.await.unwrap().unwrap(), 1, "it was asked before");
            assert_eq!(late.await.unwrap(), 1_000, "{name} by two: {by_two}");
            assert_eq!(loads.load(Ordering::SeqCst), 1);
            for users in [&one, &by] {
                let read = users.get(&key).await.unwrap();
                assert_eq!(read.as_deref(), Some(&1_000), "{name} by two: {by_two}");
            }
        }
    }
}

/// The same for a load in the background, behind a stale value, and for one that a soft timeout has left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_wins_over_a_load_that_nobody_waits_for() {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.unwrap();
    let ns = redis.namespace(shared.namespace()).unwrap();
    for soft in [false, true] {
        let users = Cache::<u64, u64>::builder(&ns, "users").jitter(0.0);
        let users = users.ttl(Duration::from_millis(50)).stale_if_error(LONG);
        let users = match soft {
            true => users.soft_timeout(Duration::from_millis(1)),
            false => users.stale_while_revalidate(LONG),
        };
        let users = users.build().unwrap();
        for (key, way) in ["tag", "clear", "remove", "matching"].iter().enumerate() {
            let key = key as u64;
            users.insert(&key, 1).tag("t").await.unwrap();
            while users.get(&key).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let (gate, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (opened, begins) = (gate.clone(), begun.clone());
            let load = move |_: Cx<u64>| async move {
                begins.notify_one();
                opened.notified().await;
                Ok::<_, ()>(2)
            };
            let stale = users.get_or_load(&key, load).tag("t").ttl(LONG).await;
            assert_eq!(*stale.unwrap(), 1);
            begun.notified().await;
            match *way {
                "tag" => drop(users.invalidate_tag("t").await.unwrap()),
                "clear" => drop(users.clear().await.unwrap()),
                "remove" => drop(users.remove(&key).await.unwrap()),
                _ => drop(users.remove_matching("*", Pace::default()).await.unwrap()),
            }
            let (loads, before) = (Arc::new(AtomicU32::new(0)), users.stats().loads);
            let late = waits(&users, key, &loads);
            gate.notify_one();
            assert_eq!(late.await.unwrap(), 1_000, "{way} soft: {soft}");
            let began = Instant::now();
            while users.stats().loads < before + 2 {
                assert!(
                    began.elapsed() < SOON,
                    "the load in the background never ends"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_ne!(users.get(&key).await.unwrap().as_deref(), Some(&2), "{way}");
            assert_ne!(users.get(&key).await.unwrap().as_deref(), Some(&1), "{way}");
        }
    }
}

/// What the server forgets makes misses, and nothing that was invalidated comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_evicted_or_flushed_makes_misses_only() {
    let server = Server::start();
    let [one, two] = [on(&server).await, on(&server).await];
    let [state, tags] = control();
    let fill = async || {
        for id in 0..4 {
            one.insert(&id, id).tag(&("org", id % 2)).await.unwrap();
        }
        one.insert(&9, 9).await.unwrap();
        two.invalidate_tag(&("org", 1_u64)).await.unwrap();
        for users in [&one, &two] {
            assert_eq!(users.get(&1).await.unwrap(), None);
            assert!(users.get(&0).await.unwrap().is_some());
            assert!(users.get(&9).await.unwrap().is_some());
        }
    };
    let none = async |ids: &[u64]| {
        for users in [&one, &two] {
            for id in ids {
                assert_eq!(users.get(id).await.unwrap(), None, "{id}");
            }
        }
    };
    for lost in [&[state][..], &[tags], &[state, tags]] {
        fill().await;
        server.command(&[&["DEL"], lost].concat());
        if lost == [tags] {
            // Told by whoever asks for tags, or invalidates some.
            two.invalidate_tag("other").await.unwrap();
        }
        none(&[0, 1, 2, 3]).await;
        // An invalidation must not make an epoch in which older entries hold.
        two.invalidate_tag("other").await.unwrap();
        none(&[0, 1, 2, 3]).await;
        one.insert(&1, 11).tag(&("org", 1_u64)).await.unwrap();
        assert_eq!(two.get(&1).await.unwrap().as_deref(), Some(&11));
        two.invalidate_tag(&("org", 1_u64)).await.unwrap();
        none(&[1]).await;
    }
    fill().await;
    server.command(&["DEL", tags]);
    // Known tags are known; who does not know one finds out.
    one.insert(&5, 5).tag("never asked for").await.unwrap();
    assert_eq!(two.get(&5).await.unwrap(), None);
    none(&[0, 1, 2, 3, 9]).await;
    fill().await;
    server.command(&["FLUSHALL"]);
    none(&[0, 1, 2, 3, 9]).await;
    fill().await;
    // Of another version, or somebody else's: nobody knows what it says.
    server.command(&["SET", state, "2 of the future"]);
    none(&[0, 1, 2, 3, 9]).await;
    fill().await;
}

/// A cache's tags are many, not endless: the oldest are forgotten, and what is as old as they holds no more.
#[tokio::test]
async fn tags_that_are_forgotten_take_what_is_as_old_with_them() {
    let server = Server::start();
    let users = on(&server).await;
    let script = [
        include_str!("../../src/scripts/control.lua"),
        include_str!("../../src/scripts/invalidate.lua"),
    ]
    .concat();
    let [state, tags] = control();
    let invalidate = |tag: &str| {
        // Three are kept.
        let told = ["channel", "{users}", "me", "9"];
        let eval = ["EVAL", &script, "2", state, tags, "1", "600000"];
        server.command(&[&eval, &told[..], &[tag, "3", tag]].concat());
    };
    users.insert(&0, 0).tag("z").await.unwrap();
    for tag in ["a", "b", "c"] {
        invalidate(tag);
    }
    assert!(users.get(&0).await.unwrap().is_some());
    users.insert(&1, 1).tag("z").await.unwrap();
    invalidate("d");
    assert_eq!(
        users.get(&0).await.unwrap(),
        None,
        "older than what is forgotten"
    );
    assert!(users.get(&1).await.unwrap().is_some());
    for tag in ["e", "f", "g", "h"] {
        invalidate(tag);
    }
    assert_eq!(users.get(&1).await.unwrap(), None);
    assert_eq!(
        server.command(&["ZCARD", tags]).as_int(),
        Some(4),
        "and the epoch"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tags_at_once() {
    let server = Server::start();
    let [one, two] = [on(&server).await, on(&server).await];
    let most = size(100_000, 2_000);
    let checked: Vec<u64> = (0..most).step_by(97).collect();
    for id in &checked {
        one.insert(id, *id).tag(id).await.unwrap();
    }
    let read = two.get_many(&checked).await.unwrap();
    assert!(read.iter().all(Option::is_some));
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let users = one.clone();
        tasks.spawn(async move {
            for id in (task..most).step_by(64) {
                users.invalidate_tag(&id).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for users in [&one, &two] {
        let read = users.get_many(&checked).await.unwrap();
        assert!(read.iter().all(Option::is_none), "an invalidation was lost");
    }
    let kept = server.command(&["ZCARD", control()[1]]).as_int().unwrap();
    assert!(kept <= 65_537, "{kept}");
    two.insert(&0, 1).tag(&0_u64).await.unwrap();
    assert_eq!(one.get(&0).await.unwrap().as_deref(), Some(&1));
}

/// A server's clock that is set an hour ahead, and back, at any point: neither does an entry come back nor does one go.
#[tokio::test]
async fn a_clock_that_is_set_ahead_and_back_has_no_effect() {
    let server = Server::start();
    let users = on(&server).await;
    let source = |file: &str| {
        let control = include_str!("../../src/scripts/control.lua");
        [control, file].concat()
    };
    let [state, tags] = control();
    // The same script on a server whose clock is this far ahead.
    let invalidate = |ahead: i64, tag: &str| {
        let script = source(include_str!("../../src/scripts/invalidate.lua"));
        let clock = "return time[1] * 1000000 + time[2]";
        assert!(script.contains(clock));
        let script = script.replace(
            clock,
            &format!("return (time[1] + {ahead}) * 1000000 + time[2]"),
        );
        let told = ["channel", "{users}", "me", "9"];
        let eval = ["EVAL", &script, "2", state, tags, "1", "600000"];
        server.command(&[&eval, &told[..], &[tag, "99", tag]].concat());
    };
    for steps in [
        [0, 3_600, 0],
        [3_600, 0, 0],
        [0, -3_600, 0],
        [3_600, -3_600, 3_600],
    ] {
        users.insert(&1, 1).tag("t").tag("u").await.unwrap();
        for ahead in steps {
            invalidate(ahead, "elsewhere");
            assert!(users.get(&1).await.unwrap().is_some(), "{steps:?}");
            users.insert(&2, 2).tag("t").await.unwrap();
            assert!(users.get(&2).await.unwrap().is_some(), "{steps:?}");
            invalidate(ahead, "t");
            assert_eq!(users.get(&2).await.unwrap(), None, "{steps:?}");
            assert_eq!(users.get(&1).await.unwrap(), None, "{steps:?}");
            users.insert(&1, 1).tag("t").tag("u").await.unwrap();
        }
        users.invalidate_tag("u").await.unwrap();
        assert_eq!(users.get(&1).await.unwrap(), None, "{steps:?}");
    }
    // A new epoch whose clock is behind that of the old one: what was known of tags is of the old one.
    users.insert(&1, 1).tag("t").await.unwrap();
    invalidate(3_600, "elsewhere");
    assert!(users.get(&1).await.unwrap().is_some());
    server.command(&["DEL", state, tags]);
    users.insert(&1, 1).tag("t").await.unwrap();
    assert!(users.get(&1).await.unwrap().is_some());
    invalidate(0, "t");
    assert_eq!(users.get(&1).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_server_still_invalidates() {
    let server = Server::start();
    let users = on(&server).await;
    for id in 0..3 {
        users.insert(&id, id).tag("t").await.unwrap();
        users.get(&id).await.unwrap();
    }
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        users.remove(&0).await.unwrap(),
        russet_cache::Removed::Removed
    );
    assert_eq!(users.get(&0).await.unwrap(), None);
    assert_eq!(users.invalidate_tag("t").await.unwrap(), Invalidated::Done);
    assert_eq!(users.get(&1).await.unwrap(), None);
    assert_eq!(users.clear().await.unwrap(), Invalidated::Done);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(users.get(&2).await.unwrap(), None);
}

#[tokio::test]
async fn a_scope_has_keys_of_its_own_and_is_cleared_alone() {
    let [users, other] = processes(LONG).await;
    let (a, b, inner) = (
        users.scope("a"),
        users.scope("b"),
        users.scope("a").scope("x"),
    );
    for (at, of) in [&users, &a, &b, &inner].into_iter().enumerate() {
        of.insert(&7, at as u64).await.unwrap();
    }
    let all = async |users: &Users| {
        let mut read = Vec::new();
        for of in [
            users,
            &users.scope("a"),
            &users.scope("b"),
            &users.scope("a").scope("x"),
        ] {
            read.push(of.get(&7).await.unwrap().map(|value| *value));
        }
        read
    };
    assert_eq!(all(&other).await, [Some(0), Some(1), Some(2), Some(3)]);
    inner.clear().await.unwrap();
    assert_eq!(all(&other).await, [Some(0), Some(1), Some(2), None]);
    inner.insert(&7, 3).await.unwrap();
    other.scope("a").clear().await.unwrap();
    assert_eq!(all(&users).await, [Some(0), None, Some(2), None]);
    let load = async |_: Vec<u64>| Ok::<_, ()>([(7, 77)]);
    a.get_or_load_many(&[7], load).await.unwrap();
    b.get_or_load(&8, async |_| Ok::<_, ()>(8)).await.unwrap();
    assert_eq!(all(&users).await, [Some(0), Some(77), Some(2), None]);
    let mut keys = b.keys("*", Pace::default()).unwrap();
    let mut found = Vec::new();
    while let Some(page) = keys.next_page().await.unwrap() {
        found.extend(page);
    }
    found.sort_unstable();
    assert_eq!(found, [7, 8]);
    assert_eq!(b.remove_matching("*", Pace::default()).await.unwrap(), 2);
    assert_eq!(all(&users).await, [Some(0), Some(77), None, None]);
    a.clear().await.unwrap();
    assert_eq!(all(&users).await, [Some(0), None, None, None]);
    users.scope("a").insert_many([(&7, 1)]).await.unwrap();
    users.clear().await.unwrap();
    assert_eq!(all(&users).await, [None; 4]);
}

/// What is invalidated while Redis is away is not read here from then on, and Redis is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_outlives_an_outage() {
    for way in ["tag", "clear"] {
        let server = Server::start();
        let [one, two] = [on(&server).await, on(&server).await];
        for id in 0..3 {
            one.insert(&id, id).tag(&("org", id)).await.unwrap();
            two.get(&id).await.unwrap();
        }
        server.pause();
        let invalidated = match way {
            "tag" => one.invalidate_tag(&("org", 1_u64)).await,
            _ => one.clear().await,
        };
        assert_eq!(invalidated.unwrap(), Invalidated::Queued);
        assert_eq!(one.stats().queued, 1);
        server.resume();
        let began = Instant::now();
        while two.get(&1).await.unwrap().is_some()
            || one.get(&2).await.unwrap().is_none() != (way == "clear")
        {
            assert_eq!(one.get(&1).await.unwrap(), None, "in this process at once");
            assert!(began.elapsed() < SOON, "{way}: Redis is never told");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(two.get(&2).await.unwrap().is_none(), way == "clear");
    }
}

/// Redis can be read, and not yet told: what was invalidated is not read here all the same.
#[tokio::test]
async fn what_redis_does_not_know_yet_is_not_read_here() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let users = process(&proxy.url(), "t", LONG).await;
    for id in 0..4 {
        users.insert(&id, id).tag(&("org", id)).await.unwrap();
    }
    let read = async || {
        let read = users.get_many(&[0, 1, 2, 3]).await.unwrap();
        read.iter()
            .map(|value| value.as_deref().copied())
            .collect::<Vec<_>>()
    };
    assert_eq!(read().await.iter().flatten().count(), 4);
    let busy = Fault::RejectReply("BUSY a script is running".to_owned());
    // Whatever invalidates.
    let told = proxy.inject(Match::command("EVALSHA"), busy.clone());
    let deleted = proxy.inject(Match::command("DEL"), busy);
    let queued = users.invalidate_tag(&("org", 1_u64)).await.unwrap();
    assert_eq!(queued, Invalidated::Queued);
    assert_eq!(read().await, [Some(0), None, Some(2), Some(3)]);
    users.remove(&2).await.unwrap();
    assert_eq!(read().await, [Some(0), None, None, Some(3)]);
    // Nor does anybody join a load that began before.
    let gate = gated(&users, 3, Ok(33));
    users.remove(&3).await.unwrap();
    let first = gated(&users, 3, Ok(34));
    first.begun.await.unwrap();
    users.clear().await.unwrap();
    let second = users.get_or_load(&3, |_| async { Ok::<_, ()>(35) });
    assert_eq!(*second.await.unwrap(), 35);
    first.open.notify_one();
    assert_eq!(*first.loading.await.unwrap().unwrap(), 34);
    gate.open.notify_one();
    gate.loading.await.unwrap().unwrap();
    assert_eq!(read().await, [None; 4]);
    assert_eq!(users.stats().queued, 4);
    told.remove();
    deleted.remove();
    let began = Instant::now();
    // What is stored once it is told holds.
    while users.insert(&0, 10).await.is_err() || users.get(&0).await.unwrap().is_none() {
        assert!(began.elapsed() < SOON, "Redis is never told");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(read().await, [Some(10), None, None, None]);
}

/// Who waits for a load is woken when a walk has ended its lease; and if that was not told, when the load ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_lease_that_was_ended_is_woken() {
    let [one, two, three] = processes(LONG).await;
    let stem = format!("{one:?}").replace("Cache(", "").replace(')', "");
    let shared = Shared::get();
    for (key, by_walk) in [(1, true), (2, false)] {
        let (place, lease) = (format!("{stem}:{key}"), lease_of(&one, key));
        // A walk finds what stands there, readable or not.
        tokio::task::block_in_place(|| shared.command(&["SET", &place, "garbage"]));
        let gate = gated(&one, key, Ok(77));
        gate.begun.await.unwrap();
        let loads = Arc::default();
        let waiting = waits(&two, key, &loads);
        marked(&lease).await;
        let began = Instant::now();
        if by_walk {
            three.remove_matching("1", Pace::default()).await.unwrap();
        } else {
            tokio::task::block_in_place(|| shared.command(&["DEL", &lease]));
            gate.open.notify_one();
        }
        assert_eq!(waiting.await.unwrap(), 1_000);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        gate.open.notify_one();
        gate.loading.await.unwrap().unwrap();
    }
}

/// An older build's struct, and a newer one's, under the same key: misses that are counted, and no errors.
#[tokio::test]
async fn a_changed_type_is_a_miss() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Old {
        name: String,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct New {
        name: String,
        #[serde(default)]
        age: u8,
    }
    let ns = super::namespace().await;
    let old = Cache::<u64, Old>::builder(&ns, "users").build().unwrap();
    let new = Cache::<u64, New>::builder(&ns, "users").build().unwrap();
    let newer = Cache::<u64, New>::builder(&ns, "users")
        .schema_version(2)
        .build()
        .unwrap();
    old.insert(
        &1,
        Old {
            name: "a".to_owned(),
        },
    )
    .await
    .unwrap();
    assert!(
        new.get(&1).await.unwrap().is_none(),
        "though it could be read"
    );
    let loaded = new.get_or_load(&1, async |_| {
        Ok::<_, ()>(New {
            name: "b".to_owned(),
            age: 7,
        })
    });
    assert_eq!(loaded.await.unwrap().age, 7);
    assert!(old.get(&1).await.unwrap().is_none());
    assert!(newer.get(&1).await.unwrap().is_none());
    assert_eq!(new.get(&1).await.unwrap().unwrap().name, "b");
    let undecodable = [
        old.stats().misses.undecodable,
        new.stats().misses.undecodable,
        newer.stats().misses.undecodable,
    ];
    assert_eq!(undecodable, [1, 2, 1]);
    assert_eq!(old.stats().errors + new.stats().errors, 0);
}

/// Three processes that invalidate, load and read at random; for every read, what it must not be older than was noted before it
/// began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_an_invalidation_that_was_over() {
    const KEYS: usize = 6;
    let turns = size(3_000, 150);
    let processes = processes::<3>(LONG).await;
    // What the source holds of each key; and what each key was at least when its last invalidation was over.
    let source: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(1)).collect());
    let least: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(0)).collect());
    let mut tasks = JoinSet::new();
    for (number, users) in processes.iter().enumerate() {
        for task in 0..4 {
            let (users, source, least) = (users.clone(), source.clone(), least.clone());
            let mut random = fastrand::Rng::with_seed((number * 4 + task) as u64);
            tasks.spawn(async move {
                let mut checked = 0;
                for _ in 0..turns {
                    let at = random.usize(..KEYS);
                    let key = at as u64;
                    let began = Instant::now();
                    match random.u8(..20) {
                        0..=2 => {
                            // The keys of a tag, all of them, or one.
                            let way = random.u8(..4);
                            let of: Vec<usize> = match way {
                                0 => (0..KEYS).filter(|other| other % 2 == at % 2).collect(),
                                1 | 2 => (0..KEYS).collect(),
                                _ => vec![at],
                            };
                            let versions: Vec<u64> = of
                                .iter()
                                .map(|&at| source[at].fetch_add(1, Ordering::SeqCst) + 1)
                                .collect();
                            match way {
                                0 => drop(users.invalidate_tag(&(key % 2)).await.unwrap()),
                                1 => drop(users.clear().await.unwrap()),
                                2 => {
                                    let all = users.remove_matching("*", Pace::default());
                                    all.await.unwrap();
                                }
                                _ => drop(users.remove(&key).await.unwrap()),
                            }
                            for (&at, version) in of.iter().zip(versions) {
                                least[at].fetch_max(version, Ordering::SeqCst);
                            }
                        }
                        3..=9 => {
                            let bound = least[at].load(Ordering::SeqCst);
                            let source = source.clone();
                            let load = move |_: Cx<u64>| async move {
                                let version = source[at].load(Ordering::SeqCst);
                                tokio::task::yield_now().await;
                                Ok::<_, ()>(version)
                            };
                            let loaded = users.get_or_load(&key, load).tag(&(key % 2)).await;
                            let version = *loaded.unwrap();
                            assert!(version >= bound, "loaded {version}, invalidated {bound}");
                            checked += 1;
                        }
                        _ => {
                            let bound = least[at].load(Ordering::SeqCst);
                            if let Some(version) = users.get(&key).await.unwrap() {
                                assert!(*version >= bound, "read {version}, invalidated {bound}");
                                checked += 1;
                            }
                        }
                    }
                    assert!(began.elapsed() < SOON, "somebody was not woken");
                }
                checked
            });
        }
    }
    let checked: u64 = tasks.join_all().await.into_iter().sum();
    assert!(checked > turns * 3, "{checked} reads were checked");
}

/// The gate is asked for by the store; a load that was under way is known by its stamp.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_keeps_loads_of_keys_without_a_value_from_being_stored() {
    let [one, two] = processes(LONG).await;
    one.insert(&1, 1).await.unwrap();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    assert_eq!(two.remove_matching("7*", Pace::default()).await.unwrap(), 0);
    gate.open.notify_one();
    assert_eq!(*gate.loading.await.unwrap().unwrap(), 77);
    assert_eq!(two.get(&7).await.unwrap(), None);
    assert!(
        two.get(&1).await.unwrap().is_some(),
        "no other value is lost"
    );
}
