//! Tags, epochs, scopes: what was invalidated is never read again, whatever is in flight and whatever the server forgets.

use std::time::{Duration, Instant};

use russet_cache::{Invalidated, Pace};
use russet_testkit::Server;
use russet_testkit::proxy::{Fault, Match, Proxy};

use super::lease::{LONG, SOON, Users, gated, process, processes};
use super::{calls, size};

pub(super) async fn on(server: &Server) -> Users {
    process(&server.url(), "t", LONG).await
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
