//! Following what others change: soon while connected, within a bound whatever is cut or silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_cache::{Cache, Pace, Redis};
use russet_testkit::proxy::{Direction, Fault, Match, Proxy};
use russet_testkit::{Cluster, Server};

use super::lease::{LONG, SOON, gated};
use super::local::{BOUND, follows, kept, on, process, process_with, processes};
use super::{calls, size};

/// As a cache has it unless told: what is silent is given up soon.
const QUICK: Duration = Duration::from_millis(250);

async fn quick(url: &str) -> super::lease::Users {
    process_with(url, "t", |users| users.read_deadline(QUICK)).await
}

/// Every kind of change, made in one process and noticed in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_is_followed() {
    let [one, two] = processes().await;
    let mut took = Vec::new();
    for round in 0..size(200, 12) {
        for way in 0..9 {
            let (one, two) = match way {
                6 => (one.scope("s"), two.scope("s")),
                _ => (one.clone(), two.clone()),
            };
            let value = 10 * round + way;
            two.insert(&7, value).tag("t").await.unwrap();
            kept(&two, 7, value).await;
            match way {
                0 => drop(one.insert(&7, value + 1).await.unwrap()),
                1 => drop(one.remove(&7).await.unwrap()),
                2 => drop(one.invalidate_tag("t").await.unwrap()),
                3 | 6 => drop(one.clear().await.unwrap()),
                4 => assert_eq!(one.remove_matching("7", Pace::default()).await.unwrap(), 1),
                5 => drop(one.insert_many([(&7, value + 1)]).await.unwrap()),
                7 => assert!(one.expire(&7, Duration::from_millis(1)).await.unwrap()),
                _ => {
                    // A load that replaces what stands there.
                    let changed = one.get_or_load(&7, async |_| Ok::<Option<u64>, ()>(None));
                    drop(changed.await.unwrap());
                    one.remove(&7).await.unwrap();
                    one.get_or_load(&7, async move |_| Ok::<_, ()>(value + 1))
                        .await
                        .unwrap();
                }
            }
            took.push(follows(&two, 7, value).await);
        }
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!("followed: median {:?}, p99 {p99:?}", took[took.len() / 2]);
    // How soon is measured at full size, on a machine that does nothing else.
    let soon = Duration::from_millis(size(100, 2_000));
    assert!(p99 < soon, "{took:?}");
}

/// A load replaces a value of another version of the type, say: who has the old one in memory is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_replaces_a_value_is_told_and_others_are_not() {
    let server = Server::start();
    let newer = process_with(&server.url(), "t", |users| users.schema_version(2)).await;
    let older = on(&server).await;
    older.insert(&1, 10).await.unwrap();
    kept(&older, 1, 10).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    newer
        .get_or_load(&1, async |_| Ok::<_, ()>(11))
        .await
        .unwrap();
    assert!(follows(&older, 1, 10).await < SOON);
    assert_eq!(calls(&server, "xadd"), 1);
    newer
        .get_or_load(&2, async |_| Ok::<_, ()>(20))
        .await
        .unwrap();
    assert_eq!(calls(&server, "xadd"), 1, "there was none");
}

#[tokio::test]
async fn nothing_is_told_where_nobody_follows() {
    let server = Server::start();
    let users = super::lease::process(&server.url(), "t", LONG).await;
    users.insert(&1, 10).tag("t").await.unwrap();
    users.insert(&1, 11).tag("t").await.unwrap();
    users.remove(&1).await.unwrap();
    users.invalidate_tag("t").await.unwrap();
    users.clear().await.unwrap();
    assert_eq!(calls(&server, "xadd") + calls(&server, "publish"), 0);
}

/// The connection that tells is gone, or silent: others are followed all the same, within the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_cut_or_hears_nothing_follows_within_the_bound() {
    let server = Server::start();
    let one = on(&server).await;
    let (proxy, faulty) = (Proxy::of(&server), Proxy::of(&server));
    let cut = quick(&proxy.url()).await;
    let deaf = quick(&faulty.url()).await;
    for (name, two) in [("cut", &cut), ("deaf", &deaf)] {
        for round in 0..3 {
            one.insert(&7, round).await.unwrap();
            kept(two, 7, round).await;
            if name == "cut" {
                server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            } else if round == 0 {
                // Whoever waits for a load subscribes on the connection on which it follows: from then on that is silent, and so
                // is whichever comes after it.
                let silent = Fault::BlackHole(Direction::ToClient);
                let silenced = faulty.inject(Match::command("SUBSCRIBE"), silent);
                let gate = gated(&one, 9, Ok(90));
                gate.begun.await.unwrap();
                let loads = Arc::default();
                let waiting = super::lease::waits(two, 9, &loads);
                super::lease::marked_on(&server, &super::lease::lease_of(&one, 9)).await;
                gate.open.notify_one();
                assert_eq!(waiting.await.unwrap(), 90);
                assert!(silenced.hits() > 0);
            }
            one.remove(&7).await.unwrap();
            let took = follows(two, 7, round).await;
            println!("{name}: {took:?}");
            assert!(took < BOUND, "{name}: {took:?}");
        }
    }
}

/// Every connection of a process is silent: soon it serves nothing from memory; what it may serve stale it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sign_of_life_the_local_tier_is_not_used() {
    let server = Server::start();
    let one = on(&server).await;
    let proxy = Proxy::of(&server);
    let two = quick(&proxy.url()).await;
    let stale = process_with(&proxy.url(), "t", |users| {
        users.read_deadline(QUICK).stale_if_error(LONG)
    })
    .await;
    one.insert(&7, 70).await.unwrap();
    kept(&two, 7, 70).await;
    kept(&stale, 7, 70).await;
    proxy.black_hole(Direction::ToClient);
    proxy.black_hole(Direction::ToServer);
    let began = Instant::now();
    one.remove(&7).await.unwrap();
    while two.get(&7).await.unwrap().is_some() {
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("unsure after {:?}", began.elapsed());
    assert_eq!(
        stale.get(&7).await.unwrap().as_deref(),
        Some(&70),
        "asked for"
    );
    assert!(stale.stats().stale_served > 0);
    proxy.heal();
    while stale.get(&7).await.unwrap().is_some() {
        assert!(began.elapsed() < 4 * BOUND, "Redis is back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one.insert(&8, 80).await.unwrap();
    let began = Instant::now();
    while two.get(&8).await.unwrap().is_none() {
        assert!(began.elapsed() < 2 * BOUND, "{:?}", two.stats());
    }
    kept(&two, 8, 80).await;
}

/// What the server forgets: the stream of changes, all keys, or more changes than the stream keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_are_lost_empty_the_local_tier() {
    let server = Server::start();
    let one = on(&server).await;
    let proxy = Proxy::of(&server);
    let silent = Fault::BlackHole(Direction::ToClient);
    proxy.inject(Match::command("SUBSCRIBE"), silent);
    let deaf = quick(&proxy.url()).await;
    for way in ["stream", "flush", "many"] {
        one.insert(&7, 70).await.unwrap();
        kept(&deaf, 7, 70).await;
        kept(&one, 7, 70).await;
        match way {
            "stream" => {
                server.command(&["DEL", "t:cache:users:%changes:{users}"]);
                // Nobody is told.
                one.remove(&7).await.unwrap();
            }
            "flush" => drop(server.command(&["FLUSHALL"])),
            _ => {
                for id in 0..1_200 {
                    one.remove(&(100 + id)).await.unwrap();
                }
                one.remove(&7).await.unwrap();
            }
        }
        for users in [&deaf, &one] {
            let took = follows(users, 7, 70).await;
            assert!(took < BOUND, "{way}: {took:?}");
        }
    }
}

/// Who may not subscribe asks instead.
#[tokio::test]
async fn who_may_not_subscribe_follows_by_asking() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "+@all",
        "-subscribe",
        "~*",
        "&*",
    ]);
    let one = on(&server).await;
    let two = process(&format!("redis://app:pw@{}", server.address()), "t").await;
    one.insert(&7, 70).await.unwrap();
    kept(&two, 7, 70).await;
    one.remove(&7).await.unwrap();
    let took = follows(&two, 7, 70).await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_ends_with_the_cache() {
    let server = Server::start();
    let users = on(&server).await;
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let kept_on = Cache::<u64, u64>::builder(&ns, "users")
        .local(1 << 20)
        .build()
        .unwrap();
    users.insert(&7, 70).await.unwrap();
    kept(&users, 7, 70).await;
    kept(&kept_on, 7, 70).await;
    let followers = || {
        let number = server.command(&["PUBSUB", "NUMSUB", "t:cache:users:%changed"]);
        number.as_array().unwrap()[1].as_int().unwrap()
    };
    assert_eq!(followers(), 2);
    drop(users);
    drop(kept_on);
    let began = Instant::now();
    while followers() > 0 {
        assert!(began.elapsed() < SOON, "somebody follows still");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(redis);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_each_shard_is_followed() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let mut processes = Vec::new();
    for _ in 0..2 {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        let ns = redis.namespace("shop").unwrap();
        let scattered = Cache::<u64, u64>::builder(&ns, "users")
            .local(1 << 20)
            .build();
        assert!(scattered.unwrap_err().to_string().contains("shards"));
        let ns = ns.shards(12).await.unwrap();
        let users = Cache::<u64, u64>::builder(&ns, "users").ttl(LONG);
        processes.push(users.local(1 << 20).build().unwrap());
    }
    let [one, two] = &processes[..] else {
        unreachable!()
    };
    for id in 0..40 {
        one.insert(&id, id).tag("t").await.unwrap();
        kept(two, id, id).await;
    }
    for id in 0..10 {
        one.remove(&id).await.unwrap();
        assert!(follows(two, id, id).await < BOUND);
    }
    one.invalidate_tag("t").await.unwrap();
    for id in 10..20 {
        assert!(follows(two, id, id).await < BOUND);
    }
    one.insert(&30, 31).await.unwrap();
    kept(two, 30, 31).await;
    one.clear().await.unwrap();
    assert!(follows(two, 30, 31).await < BOUND);
}
