//! What the server forgets, or cannot do: misses, and nothing that was invalidated comes back.

use std::time::{Duration, Instant};

use russet_cache::{Inserted, Invalidated};
use russet_testkit::Server;
use tokio::task::JoinSet;

use super::invalidation::on;
use super::size;

/// The control state and its tags.
fn control() -> [&'static str; 2] {
    [
        "t:cache:users:%control:{users}",
        "t:cache:users:%tags:{users}",
    ]
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

/// Where others keep what cannot be lost, the cache yields first: it stores nothing more, and loads and removes as before.
#[tokio::test]
async fn on_a_server_that_evicts_nothing_the_cache_yields_first() {
    let server = Server::start();
    let users = on(&server).await;
    for id in [1, 8, 9] {
        users.insert(&id, id).await.unwrap();
    }
    // So much that connections and their buffers do not matter.
    server.command(&["SETRANGE", "ballast", "50000000", "x"]);
    let used: u64 = server.info("memory")["used_memory"].parse().unwrap();
    // Full by nine parts of ten. What evicts does so.
    for (policy, expected) in [
        ("allkeys-lru", Inserted::Stored),
        ("noeviction", Inserted::Skipped),
    ] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let most = (used * 10 / 9).to_string();
        server.command(&["CONFIG", "SET", "maxmemory", &most]);
        // A handle of its own asks at once.
        let users = on(&server).await;
        let began = Instant::now();
        while users.insert(&2, 2).await.unwrap() != expected {
            assert!(began.elapsed() < Duration::from_secs(5), "{policy}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if expected == Inserted::Stored {
            // It has asked by then: that takes a round trip or two.
            while began.elapsed() < Duration::from_millis(300) {
                assert_eq!(users.insert(&2, 2).await.unwrap(), expected, "{policy}");
            }
            continue;
        }
        assert_eq!(
            users.get(&2).await.unwrap(),
            None,
            "what was there is older"
        );
        let load = |_| async { Ok::<_, ()>(3) };
        assert_eq!(*users.get_or_load(&3, load).await.unwrap(), 3);
        assert_eq!(users.get(&3).await.unwrap(), None);
        let skipped = users.write_through(&3, 3, async |_| Ok::<_, ()>(())).await;
        assert_eq!(skipped.unwrap(), Inserted::Skipped);
        let versioned = users.insert(&3, 3).version(1).await.unwrap();
        assert_eq!(versioned, Inserted::Skipped);
        // What was there is older than what cannot be stored, and goes.
        assert_eq!(
            users.insert(&9, 10).version(2).await.unwrap(),
            Inserted::Skipped
        );
        assert_eq!(users.get(&9).await.unwrap(), None);
        let refreshed = users.refresh_with(&8, |_| async { Ok::<_, ()>(9) });
        assert_eq!(*refreshed.await.unwrap(), 9);
        assert_eq!(users.get(&8).await.unwrap(), None);
        assert!(users.stats().skipped >= 4, "{:?}", users.stats());
        assert!(users.get(&1).await.unwrap().is_some(), "it reads");
        users.remove(&1).await.unwrap();
        let more = (used * 2).to_string();
        server.command(&["CONFIG", "SET", "maxmemory", &more]);
        let began = Instant::now();
        while users.insert(&2, 2).await.unwrap() != Inserted::Stored {
            assert!(began.elapsed() < Duration::from_secs(10), "never again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
