//! What a cluster's faults cost, and whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Command, Error, ErrorKind, Event, Events, Key, Lane, Policy, Redis, Stem};
use russet_testkit::{Cluster, Server, eventually};

use super::{TEST, size, slack, until};

const SOON: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_millis(300);

async fn connect(cluster: &Cluster) -> (Redis, Lane, Stem) {
    let builder = Redis::builder().url(&cluster.url()).deadline(DEADLINE);
    let redis = builder.connect().await.unwrap();
    let (lane, stem) = (
        redis.on(TEST),
        redis.namespace("t").unwrap().stem("test", "it").unwrap(),
    );
    (redis, lane, stem)
}

/// One key for each of the first primaries.
fn keys(cluster: &Cluster, stem: &Stem) -> [Key; 3] {
    let of = |node: &Server| {
        let is_there = |key: &Key| cluster.primary_of(key.slot()).port() == node.port();
        (0..100).map(|id| stem.key(&id)).find(is_there).unwrap()
    };
    [0, 1, 2].map(|at| of(&cluster.nodes()[at]))
}

async fn set(lane: &Lane, key: &Key) -> Result<(), Error> {
    let begun = Instant::now();
    let set = Command::new("SET").key(key).arg("v");
    let reply = lane.run(set, Policy::Idempotent).await;
    assert!(
        begun.elapsed() < DEADLINE + slack(50),
        "{:?}: {reply:?}",
        begun.elapsed()
    );
    reply
}

/// Waits until a key can be written again; how long after `since`.
async fn back(lane: &Lane, key: &Key, since: Instant) -> Duration {
    while let Err(error) = set(lane, key).await {
        assert!(since.elapsed() < SOON, "{error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    since.elapsed()
}

/// Waits until a server is the primary; when that was. What goes on meanwhile must be another task.
fn promoted(server: &Server) -> Instant {
    tokio::task::block_in_place(|| {
        eventually(SOON, "the replica is promoted", || {
            server.role().is_some_and(|role| role == "master")
        });
    });
    Instant::now()
}

async fn told(events: &mut Events, what: impl Fn(&Event) -> bool) {
    let told = async {
        loop {
            if what(&events.next().await.expect("the handle lives")) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, told).await.expect("told of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_is_killed() {
    let cluster = Cluster::start(3);
    let (redis, lane, stem) = connect(&cluster).await;
    let mut events = redis.server(TEST).events();
    let [lost, others @ ..] = keys(&cluster, &stem);
    for key in [&lost, &others[0], &others[1]] {
        set(&lane, key).await.unwrap();
    }
    let primary = &cluster.nodes()[0];
    let replica = cluster.replica_of(primary);
    let name = primary.address().to_string();
    let killed = Instant::now();
    primary.kill();
    let traffic = {
        let (lane, lost, other) = (lane.clone(), lost.clone(), others[0].clone());
        tokio::spawn(async move {
            let mut failures = 0;
            loop {
                // By `cluster-require-full-coverage` the others stop as well, until the election.
                if let Err(error) = set(&lane, &other).await {
                    let kinds = [ErrorKind::ClusterDown, ErrorKind::Deadline];
                    assert!(kinds.contains(&error.kind()), "{error:?}");
                }
                match set(&lane, &lost).await {
                    Ok(()) => return (failures, Instant::now()),
                    Err(error) => {
                        failures += 1;
                        let kinds = [
                            ErrorKind::Unavailable,
                            ErrorKind::ConnectionLost,
                            ErrorKind::ClusterDown,
                            ErrorKind::Deadline,
                        ];
                        assert!(kinds.contains(&error.kind()), "{error:?}");
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let elected = promoted(replica);
    let (failures, first) = traffic.await.unwrap();
    let after = first.saturating_duration_since(elected);
    println!(
        "{failures} failures in {:?}; first success {after:?} after the election",
        first - killed
    );
    assert!(after < slack(1_000), "{after:?}");
    told(
        &mut events,
        |event| matches!(event, Event::Down(node, _) if **node == *name),
    )
    .await;
    told(&mut events, |event| matches!(event, Event::TopologyChanged)).await;
    // It comes back as a replica, and nobody minds.
    primary.restart();
    tokio::task::block_in_place(|| cluster.settle());
    for key in [&lost, &others[0], &others[1]] {
        back(&lane, key, Instant::now()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_is_paused_for_ten_seconds() {
    let cluster = Cluster::start(3);
    let (_redis, lane, stem) = connect(&cluster).await;
    let [lost, other, _] = keys(&cluster, &stem);
    set(&lane, &lost).await.unwrap();
    let primary = &cluster.nodes()[0];
    let replica = cluster.replica_of(primary);
    let paused = Instant::now();
    primary.pause();
    let traffic = {
        let (lane, lost) = (lane.clone(), lost.clone());
        // Nothing says that it is away: each call costs its deadline, and no more.
        tokio::spawn(async move {
            back(&lane, &lost, paused).await;
            Instant::now()
        })
    };
    let elected = promoted(replica);
    let first = traffic.await.unwrap();
    let after = first.saturating_duration_since(elected);
    println!(
        "first success {after:?} after the election, {:?} after the pause",
        first - paused
    );
    assert!(after < slack(1_000), "{after:?}");
    set(&lane, &other).await.unwrap();
    tokio::time::sleep_until((paused + Duration::from_secs(size(10, 4))).into()).await;
    primary.resume();
    // What it takes for a primary until it hears better must not be heard by anybody.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        set(&lane, &lost).await.unwrap();
        let value = lane.run::<Option<String>>(Command::new("GET").key(&lost), Policy::Idempotent);
        assert_eq!(value.await.unwrap().as_deref(), Some("v"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_command_costs_nobody_an_error() {
    let cluster = Cluster::start(3);
    // A primary answers nothing while it hands over.
    let builder = Redis::builder().url(&cluster.url());
    let redis = builder.deadline(SOON).connect().await.unwrap();
    let lane = redis.on(TEST);
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    let mut events = redis.server(TEST).events();
    let [key, ..] = keys(&cluster, &stem);
    let first = &cluster.nodes()[0];
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = {
        let (lane, key, stop) = (lane.clone(), key.clone(), stop.clone());
        tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let set = Command::new("SET").key(&key).arg("v");
                lane.run::<()>(set, Policy::AtMostOnce)
                    .await
                    .expect("no error");
                slowest = slowest.max(begun.elapsed());
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            slowest
        })
    };
    tokio::task::block_in_place(|| {
        let second = cluster.fail_over(first);
        eventually(SOON, "the old primary follows", || first.follows());
        // And back again: the old one is a replica now, and becomes the primary.
        cluster.settle();
        cluster.fail_over(second);
        cluster.settle();
    });
    stop.store(true, Ordering::Relaxed);
    let slowest = traffic.await.unwrap();
    println!("slowest write {slowest:?}");
    told(&mut events, |event| matches!(event, Event::TopologyChanged)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_hangs_at_the_start_and_later() {
    let cluster = Cluster::builder(3)
        .replicas(0)
        .config("cluster-require-full-coverage", "no")
        .start();
    let stem = russet_core::Prefix::new("t")
        .unwrap()
        .stem("test", "it")
        .unwrap();
    let [lost, first, second] = keys(&cluster, &stem);
    let hung = &cluster.nodes()[0];
    hung.pause();
    let begun = Instant::now();
    let (_redis, lane, _) = connect(&cluster).await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    let getter = lane.getter();
    for _ in 0..100 {
        // Callers of the lost node wait in numbers, and take nobody else's room.
        for _ in 0..20 {
            let (getter, lost) = (getter.clone(), lost.clone());
            tokio::spawn(async move { getter.get(lost).await });
        }
        let begun = Instant::now();
        set(&lane, &first).await.unwrap();
        assert!(getter.get(second.clone()).await.unwrap().is_none());
        assert!(begun.elapsed() < slack(100), "{:?}", begun.elapsed());
    }
    set(&lane, &lost).await.unwrap_err();
    hung.resume();
    back(&lane, &lost, Instant::now()).await;
    hung.kill();
    for _ in 0..20 {
        set(&lane, &first).await.unwrap();
        set(&lane, &second).await.unwrap();
        set(&lane, &lost).await.unwrap_err();
    }
    hung.restart();
    let took = back(&lane, &lost, Instant::now()).await;
    println!("back {took:?} after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_primaries_are_restarted() {
    let cluster = Cluster::builder(3)
        .replicas(0)
        .config("appendonly", "yes")
        .start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let keys = keys(&cluster, &stem);
    for key in &keys {
        set(&lane, key).await.unwrap();
    }
    for node in cluster.nodes() {
        node.kill();
    }
    set(&lane, &keys[0]).await.unwrap_err();
    tokio::task::block_in_place(|| {
        for node in cluster.nodes() {
            node.restart();
        }
        cluster.settle();
    });
    let whole = Instant::now();
    for key in &keys {
        let took = back(&lane, key, whole).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_starts_while_the_cluster_is_down() {
    let cluster = Cluster::builder(3).replicas(0).start();
    for node in cluster.nodes() {
        node.kill();
    }
    let begun = Instant::now();
    let error = Redis::connect(&cluster.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let builder = Redis::builder().url(&cluster.url()).deadline(DEADLINE);
    let lane = builder.lazy().unwrap().on(TEST);
    let key = Key::raw("k");
    set(&lane, &key).await.unwrap_err();
    tokio::task::block_in_place(|| {
        for node in cluster.nodes() {
            node.restart();
        }
        cluster.settle();
    });
    let took = back(&lane, &key, Instant::now()).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_replica_is_nobody_s_business() {
    let cluster = Cluster::start(3);
    let (redis, lane, stem) = connect(&cluster).await;
    let mut events = redis.server(TEST).events();
    let keys = keys(&cluster, &stem);
    cluster.nodes()[3].kill();
    cluster.nodes()[4].pause();
    for _ in 0..100 {
        for key in &keys {
            set(&lane, key).await.unwrap();
        }
    }
    let quiet = tokio::time::timeout(Duration::from_millis(100), async {
        while matches!(events.next().await, Some(Event::Up(_))) {}
    });
    assert!(quiet.await.is_err(), "nothing is told of replicas");
    cluster.nodes()[4].resume();
}

/// A slot that nobody serves, and a node that is loading, are told as what they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_nobody_serves() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let [key, other, _] = keys(&cluster, &stem);
    let slot = key.slot().to_string();
    cluster.nodes()[0].command(&["CLUSTER", "DELSLOTS", &slot]);
    let mut error = None;
    until(SOON, "the slot is not served", async || {
        error = set(&lane, &key).await.err();
        error.is_some()
    })
    .await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ClusterDown, "{error}");
    assert!(error.is_retryable());
    cluster.nodes()[0].command(&["CLUSTER", "ADDSLOTS", &slot]);
    tokio::task::block_in_place(|| cluster.settle());
    back(&lane, &key, Instant::now()).await;
    back(&lane, &other, Instant::now()).await;
}

/// One unserved slot has the client library end the connection and call every command on it unserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unserved_slot_does_not_make_its_neighbours_lie() {
    let cluster = Cluster::builder(3)
        .replicas(0)
        .config("cluster-require-full-coverage", "no")
        .start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let [served, ..] = keys(&cluster, &stem);
    let node = &cluster.nodes()[0];
    let is_neighbour = |key: &Key| cluster.primary_of(key.slot()).port() == node.port();
    let mut ids = (100..200).map(|id| stem.key(&id));
    let unserved = ids.find(is_neighbour).unwrap();
    let slot = unserved.slot().to_string();
    let incr = async || {
        let incr = Command::new("INCR").key(&served);
        lane.run::<i64>(incr, Policy::AtMostOnce).await
    };
    let (mut done, mut unknown, mut refused) = (0, 0, 0);
    for _ in 0..size(50, 10) {
        back(&lane, &unserved, Instant::now()).await;
        lane.run::<()>(Command::new("DEL").key(&unserved), Policy::Idempotent)
            .await
            .unwrap();
        node.command(&["CLUSTER", "DELSLOTS", &slot]);
        let get =
            lane.run::<Option<String>>(Command::new("GET").key(&unserved), Policy::AtMostOnce);
        let all = (0..50).map(|_| incr());
        let all = futures_util::future::join_all(all);
        let more = futures_util::future::join_all((0..50).map(|_| incr()));
        let (all, get, more) = tokio::join!(all, get, more);
        assert_eq!(get.unwrap_err().kind(), ErrorKind::ClusterDown);
        for answer in all.into_iter().chain(more) {
            match answer {
                Ok(_) => done += 1,
                Err(error) if error.may_have_executed() => unknown += 1,
                Err(_) => refused += 1,
            }
        }
        node.command(&["CLUSTER", "ADDSLOTS", &slot]);
    }
    back(&lane, &unserved, Instant::now()).await;
    let count = lane.run::<i64>(Command::new("GET").key(&served), Policy::Idempotent);
    let count = count.await.unwrap();
    println!("{done} done, {unknown} unknown, {refused} refused; {count} counted");
    assert!((done..=done + unknown).contains(&count), "{count}");
}

/// Forty keys of 50 ms each: two seconds in which one node says that it is loading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_is_loading() {
    let cluster = Cluster::builder(3)
        .replicas(0)
        .config("cluster-require-full-coverage", "no")
        .config("key-load-delay", "50000")
        .config("loading-process-events-interval-bytes", "1024")
        .config("rdbcompression", "no")
        .start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let [loading, other, _] = keys(&cluster, &stem);
    let node = &cluster.nodes()[0];
    let tag = std::str::from_utf8(loading.as_bytes()).unwrap().to_owned();
    for turn in 0..40 {
        node.command(&["SET", &format!("{{{tag}}}{turn}"), &"x".repeat(4096)]);
    }
    node.command(&["SAVE"]);
    node.kill();
    let traffic = {
        let (lane, loading, other) = (lane.clone(), loading.clone(), other.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            let mut told = 0;
            loop {
                assert!(begun.elapsed() < SOON, "it never came back");
                set(&lane, &other).await.expect("the others go on");
                match set(&lane, &loading).await {
                    Err(error) if error.kind() == ErrorKind::Loading => {
                        assert!(!error.may_have_executed(), "{error:?}");
                        told += 1;
                    }
                    Ok(()) if told > 0 => return told,
                    _ => {}
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    tokio::task::block_in_place(|| node.restart());
    assert!(traffic.await.unwrap() > 0);
}
