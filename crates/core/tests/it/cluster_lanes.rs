//! Every way of using a cluster: subscriptions, walks, blocking commands, heartbeats, scripts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_core::{
    Command, Delivery, ErrorKind, Finding, Key, Lane, Pace, Policy, Probe as _, Redis, Script,
    Stem, Subscription, Target,
};
use russet_testkit::{Cluster, Server, eventually};

use super::{TEST, until};

const SOON: Duration = Duration::from_secs(10);

async fn connect(cluster: &Cluster) -> (Redis, Lane, Stem) {
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    let (lane, stem) = (
        redis.on(TEST),
        redis.namespace("t").unwrap().stem("test", "it").unwrap(),
    );
    (redis, lane, stem)
}

/// One that is not a slot's primary.
fn another(cluster: &Cluster, slot: u16) -> &Server {
    let owner = cluster.primary_of(slot).port();
    let mut primaries = cluster.nodes().iter().take(3);
    primaries.find(|node| node.port() != owner).unwrap()
}

fn publish(target: &Target, text: &str) -> Command {
    match target {
        Target::Sharded(channel) => Command::new("SPUBLISH").key(channel).arg(text),
        Target::Channel(channel) => Command::new("PUBLISH").arg(channel.as_bytes()).arg(text),
        _ => unreachable!(),
    }
}

/// Publishes until it is heard; says whether a gap was told before it.
async fn heard(lane: &Lane, target: &Target, subscription: &mut Subscription) -> bool {
    let (deadline, mut gap) = (Instant::now() + SOON, false);
    let mut number = 0;
    loop {
        assert!(Instant::now() < deadline, "{target:?} hears nothing");
        number += 1;
        let text = format!("m{number}");
        let _ = lane
            .run::<i64>(publish(target, &text), Policy::AtMostOnce)
            .await;
        let until = Instant::now() + Duration::from_millis(30);
        while let Ok(delivery) = tokio::time::timeout_at(until.into(), subscription.next()).await {
            match delivery.expect("it lives") {
                Delivery::Gap(_) => gap = true,
                Delivery::Message { payload, .. } if payload == text.as_bytes() => return gap,
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_survive_moved_slots_and_lost_nodes() {
    let cluster = Cluster::start(3);
    let (redis, lane, stem) = connect(&cluster).await;
    let on = redis.server(TEST);
    let sharded: Vec<Target> = (0..6).map(|id| Target::Sharded(stem.key(&id))).collect();
    let everywhere = Target::Channel(stem.key("everywhere"));
    let mut subscriptions = Vec::new();
    for target in sharded.iter().chain([&everywhere]) {
        let subscription = on.subscribe(target.clone()).await.unwrap();
        subscriptions.push((target.clone(), subscription));
    }
    for (target, subscription) in &mut subscriptions {
        assert!(
            !heard(&lane, target, subscription).await,
            "no gap at the start"
        );
    }
    // What a second receiver of the same channel hears, it hears once.
    let Target::Sharded(moving) = &sharded[0] else {
        unreachable!()
    };
    let slot = moving.slot();
    tokio::task::block_in_place(|| cluster.migrate(slot, another(&cluster, slot)));
    let moved = &mut subscriptions[0].1;
    assert!(heard(&lane, &sharded[0], moved).await, "a gap is told");
    let more = async { while let Some(Delivery::Gap(_)) = moved.next().await {} };
    let more = tokio::time::timeout(Duration::from_millis(100), more).await;
    assert!(more.is_err(), "nothing comes twice");
    // Nobody publishes or asks: it is found all the same.
    tokio::task::block_in_place(|| cluster.migrate(slot, another(&cluster, slot)));
    let gap = tokio::time::timeout(SOON, moved.next()).await.unwrap();
    assert!(matches!(gap, Some(Delivery::Gap(_))), "{gap:?}");
    heard(&lane, &sharded[0], moved).await;
    let lost = &cluster.nodes()[0];
    let replica = cluster.replica_of(lost);
    lost.kill();
    tokio::task::block_in_place(|| {
        eventually(SOON, "the replica is promoted", || {
            replica.role().is_some_and(|role| role == "master")
        });
    });
    for (target, subscription) in &mut subscriptions {
        heard(&lane, target, subscription).await;
    }
    drop(subscriptions);
    let held = |node: &&Server| {
        let list = node.command(&["CLIENT", "LIST"]);
        let clients = list.as_str().unwrap().lines();
        clients
            .filter(|line| !line.contains(" ssub=0") || !line.contains(" sub=0"))
            .count()
            > 0
    };
    let alive = &cluster.nodes()[1..];
    until(SOON, "no server holds a subscription", async || {
        !alive.iter().any(|node| held(&node))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_visits_every_primary_and_those_that_got_slots_meanwhile() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let (redis, lane, stem) = connect(&cluster).await;
    let keys: Vec<Key> = (0..600).map(|id| stem.key(&id)).collect();
    for key in &keys {
        let set = Command::new("SET").key(key).arg("v");
        lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    }
    let pace = Pace::default();
    let mut walk = redis.server(TEST).scan("t:test:it:*", pace).unwrap();
    let mut found = BTreeSet::new();
    let mut pages = 0;
    while let Some(page) = walk.next_page().await.unwrap() {
        found.extend(page.iter().map(|key| key.as_bytes().to_vec()));
        pages += 1;
        if pages == 2 {
            // The last node's keys go where the walk has been; it would not find them there again.
            let last = &cluster.nodes()[2];
            let theirs: Vec<u16> = keys
                .iter()
                .map(Key::slot)
                .filter(|slot| cluster.primary_of(*slot).port() == last.port())
                .take(5)
                .collect();
            tokio::task::block_in_place(|| {
                for slot in theirs {
                    cluster.migrate(slot, &cluster.nodes()[0]);
                }
            });
        }
    }
    assert_eq!(found.len(), keys.len());
    assert!(walk.next_page().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_command_follows_its_slot() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let (redis, lane, stem) = connect(&cluster).await;
    let list = stem.key("list");
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let pop = Command::new("BLPOP").key(&list).arg(5);
    let waiting = {
        let pop = pop.clone();
        tokio::spawn(async move {
            let popped = blocking.run::<Option<(String, String)>>(&pop, Duration::from_secs(5));
            let popped = popped.await;
            (blocking, popped)
        })
    };
    let owner = cluster.primary_of(list.slot());
    until(SOON, "it waits", async || {
        owner.info("clients")["blocked_clients"] == "1"
    })
    .await;
    tokio::task::block_in_place(|| cluster.migrate(list.slot(), another(&cluster, list.slot())));
    let push = Command::new("LPUSH").key(&list).arg("x");
    lane.run::<i64>(push, Policy::AtMostOnce).await.unwrap();
    let (mut blocking, popped) = waiting.await.unwrap();
    assert_eq!(popped.unwrap().unwrap().1, "x");
    let short = Command::new("BLPOP").key(&stem.key("other")).arg(0.01);
    let nothing = blocking.run::<Option<(String, String)>>(&short, Duration::from_millis(10));
    assert_eq!(nothing.await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_loaded_where_they_run_also_on_nodes_that_come() {
    static WHERE: Script = Script::new("return redis.call('INCR', KEYS[1])");
    let cluster = Cluster::start(3);
    let (_redis, lane, stem) = connect(&cluster).await;
    let run = async |key: &Key| {
        let reply = lane.script::<i64>(&WHERE, [key], [""; 0], Policy::AtMostOnce);
        reply.await
    };
    let keys: Vec<Key> = (0..60).map(|id| stem.key(&id)).collect();
    for key in &keys {
        assert_eq!(run(key).await.unwrap(), 1);
    }
    for node in &cluster.nodes()[..3] {
        node.command(&["SCRIPT", "FLUSH"]);
    }
    for key in &keys {
        assert_eq!(run(key).await.unwrap(), 2);
    }
    // The replica never saw it.
    tokio::task::block_in_place(|| {
        let second = cluster.fail_over(&cluster.nodes()[0]);
        second.command(&["SCRIPT", "FLUSH"]);
        cluster.settle();
    });
    for key in &keys {
        assert_eq!(run(key).await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_follow_a_failover_while_every_worker_is_blocked() {
    let cluster = Cluster::start(3);
    let (redis, _lane, stem) = connect(&cluster).await;
    let key = stem.key(&1);
    let beats = Arc::new(AtomicU32::new(0));
    let task = |lane: Lane| {
        let (key, beats) = (key.clone(), beats.clone());
        async move {
            loop {
                let set = Command::new("SET")
                    .key(&key)
                    .arg("held")
                    .arg("PX")
                    .arg(60_000);
                if lane.run::<()>(set, Policy::Idempotent).await.is_ok() {
                    beats.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    redis.server(TEST).spawn_heartbeat(TEST, task).unwrap();
    until(SOON, "it beats", async || beats.load(Ordering::Relaxed) > 3).await;
    // Neither worker runs anything of ours from here on.
    let [begin, end] = [3, 3].map(|all| Arc::new(std::sync::Barrier::new(all)));
    let blockers = [(); 2].map(|()| {
        let (begin, end) = (begin.clone(), end.clone());
        tokio::spawn(async move {
            begin.wait();
            end.wait();
        })
    });
    begin.wait();
    let owner = cluster.primary_of(key.slot());
    let replica = cluster.replica_of(owner);
    owner.kill();
    eventually(SOON, "the replica is promoted", || {
        replica.role().is_some_and(|role| role == "master")
    });
    let then = beats.load(Ordering::Relaxed);
    eventually(Duration::from_secs(1), "it beats again", || {
        beats.load(Ordering::Relaxed) > then + 3
    });
    end.wait();
    for blocker in blockers {
        blocker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_tells_which_primary_is_away() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let (redis, _lane, _) = connect(&cluster).await;
    let server = redis.server(TEST);
    let probe = async || server.probe(Duration::from_millis(200)).await;
    assert!(matches!(probe().await, Finding::Healthy(_)));
    cluster.nodes()[1].pause();
    let Finding::Degraded(text) = probe().await else {
        panic!("one of three is away")
    };
    assert!(
        text.contains(&cluster.nodes()[1].address().to_string()),
        "{text}"
    );
    for node in cluster.nodes() {
        node.kill();
    }
    assert!(matches!(probe().await, Finding::Failed(_)));
}

#[tokio::test]
async fn a_cluster_and_one_server_are_not_taken_for_each_other() {
    let begun = Instant::now();
    let server = Server::start();
    let url = format!("redis-cluster://{}", server.address());
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("write redis://"), "{error}");
    let cluster = Cluster::builder(1).replicas(0).start();
    let url = format!("redis://{}", cluster.nodes()[0].address());
    let started = begun.elapsed();
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("redis-cluster://"), "{error}");
    let error = Redis::connect(&format!("{}/1", cluster.url()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no databases"), "{error}");
    assert!(begun.elapsed() - started < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_wants_a_password_and_a_user_who_may_not_ask() {
    let cluster = Cluster::builder(2).replicas(0).password("pw").start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let set = |key: &Key| Command::new("SET").key(key).arg("v");
    for id in 0..20 {
        lane.run::<()>(set(&stem.key(&id)), Policy::Idempotent)
            .await
            .unwrap();
    }
    let begun = Instant::now();
    let wrong = cluster.url().replacen("pw", "wrong", 1);
    let error = Redis::connect(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(
        !format!("{error} {error:?}").contains("wrong@"),
        "{error:?}"
    );
    for node in cluster.nodes() {
        let user = [
            "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-cluster",
        ];
        node.command(&user);
    }
    let app = cluster.url().replacen(":pw", "app:pw", 1);
    let error = Redis::connect(&app).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("+cluster|slots"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // With that it works, without being told the epoch.
    for node in cluster.nodes() {
        node.command(&["ACL", "SETUSER", "app", "+cluster|slots"]);
    }
    let lane = Redis::connect(&app).await.unwrap().on(TEST);
    for id in 0..20 {
        lane.run::<()>(set(&stem.key(&id)), Policy::Idempotent)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_named_as_one_is_told_so() {
    let cluster = Cluster::builder(2).replicas(0).start();
    let (_redis, lane, _) = connect(&cluster).await;
    // Commands without a key take turns, among the nodes that are up.
    let mut told = None;
    until(SOON, "it goes to the wrong node", async || {
        let get = Command::new("GET").arg("foo");
        let reply = lane.run::<Option<String>>(get, Policy::Idempotent).await;
        told = reply.err();
        told.is_some()
    })
    .await;
    let error = told.unwrap();
    assert_eq!(error.kind(), ErrorKind::CrossSlot, "{error}");
    assert!(error.to_string().contains("Command::key"), "{error}");
    assert!(!error.may_have_executed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_leaves_no_connection_to_any_node() {
    let cluster = Cluster::start(3);
    let (redis, lane, stem) = connect(&cluster).await;
    let on = redis.server(TEST);
    let _subscription = on.subscribe(Target::Sharded(stem.key(&1))).await.unwrap();
    let _blocking = on.blocking().unwrap();
    on.spawn_heartbeat(TEST, |_| std::future::pending())
        .unwrap();
    let _ = on
        .scan("*", Pace::default())
        .unwrap()
        .next_page()
        .await
        .unwrap();
    redis.shutdown_within(Duration::from_secs(1)).await;
    let error = lane
        .run::<()>(Command::new("GET").key(&stem.key(&1)), Policy::Idempotent)
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Shutdown);
    let clients = |node: &Server| {
        let all = ["normal", "pubsub"].map(|kind| {
            let list = node.command(&["CLIENT", "LIST", "TYPE", kind]);
            list.as_str().unwrap().to_owned()
        });
        let all = all.concat();
        // Those that ask are among them.
        let others = all
            .lines()
            .filter(|line| !line.is_empty() && !line.contains("cmd=client"));
        others.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut left = Vec::new();
    for _ in 0..1000 {
        left = cluster.nodes().iter().flat_map(clients).collect();
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("left: {left:#?}");
}
