//! A cluster: routing, moved slots, failovers. Every value carries its key, and every reply is checked against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_core::{
    Command, ErrorKind, Event, FromReply as _, Key, Lane, Policy, Redis, Script, Stem,
};
use russet_testkit::Cluster;
use tokio::task::JoinSet;

use super::{TEST, size, until};

const SOON: Duration = Duration::from_secs(10);

/// Its calls have time, however busy this machine is: what they are told is not how fast it is.
async fn connect(cluster: &Cluster) -> (Redis, Lane, Stem) {
    let redis = Redis::builder()
        .url(&cluster.url())
        .deadline(SOON)
        .connect()
        .await
        .unwrap();
    let (lane, stem) = (
        redis.on(TEST),
        redis.namespace("t").unwrap().stem("test", "it").unwrap(),
    );
    (redis, lane, stem)
}

async fn set(lane: &Lane, key: &Key) -> Result<(), russet_core::Error> {
    let set = Command::new("SET").key(key).arg(key.as_bytes());
    lane.run(set, Policy::Idempotent).await
}

async fn get(lane: &Lane, key: &Key) -> Result<Option<russet_core::Bytes>, russet_core::Error> {
    lane.run(Command::new("GET").key(key), Policy::Idempotent)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_finds_its_node() {
    static ECHO: Script = Script::new("return {redis.call('GET', KEYS[1]), ARGV[1]}");
    let cluster = Cluster::start(3);
    let (redis, lane, stem) = connect(&cluster).await;
    let keys: Vec<Key> = (0..300).map(|number| stem.key(&number)).collect();
    for key in &keys {
        set(&lane, key).await.unwrap();
    }
    let getter = lane.getter();
    let mut tasks = JoinSet::new();
    for key in keys.clone() {
        let (lane, getter) = (lane.clone(), getter.clone());
        tasks.spawn(async move {
            assert_eq!(get(&lane, &key).await.unwrap().unwrap(), key.as_bytes());
            let value = getter.get(key.clone()).await.unwrap();
            assert_eq!(value.unwrap(), key.as_bytes());
            let (value, arg): (String, i64) = lane
                .script(&ECHO, [&key], [7], Policy::AtMostOnce)
                .await
                .unwrap();
            assert_eq!((value.as_bytes(), arg), (key.as_bytes(), 7));
        });
    }
    tasks.join_all().await;
    let gets: Vec<Command> = keys
        .iter()
        .map(|key| Command::new("GET").key(key))
        .collect();
    let values = lane.pipeline(&gets, Policy::Idempotent).await;
    for (key, value) in keys.iter().zip(values) {
        let expected =
            russet_core::Reply::Bytes(russet_core::Bytes::copy_from_slice(key.as_bytes()));
        assert_eq!(value.unwrap(), expected);
    }
    for node in &cluster.nodes()[..3] {
        assert!(node.command(&["DBSIZE"]).as_int().unwrap() > 0);
    }
    let infos = redis.server(TEST).infos().await.unwrap();
    assert_eq!(infos.len(), 3);
    for info in infos.into_values() {
        assert_eq!(info.unwrap().mode.as_deref(), Some("cluster"));
    }
}

#[tokio::test]
async fn keys_of_different_slots_are_refused_with_what_to_do() {
    static TWO: Script = Script::new("return redis.call('GET', KEYS[1])");
    let cluster = Cluster::builder(2).replicas(0).start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let keys = [stem.key(&1), stem.key(&2)];
    let error = lane
        .script::<()>(&TWO, &keys, [""; 0], Policy::AtMostOnce)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossSlot, "{error}");
    assert!(error.to_string().contains("hash tag"), "{error}");
    assert!(!error.may_have_executed(), "{error:?}");
}

/// What the readers of a test saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    replies: AtomicU64,
    errors: AtomicU64,
    slowest: AtomicU64,
}

/// Tasks that read, and by a script count, keys whose values tell them; every reply must be its key's own.
fn traffic(lane: &Lane, keys: &[Key], tasks: usize) -> (Arc<Seen>, JoinSet<()>) {
    static WHOSE: Script = Script::new("return {KEYS[1], redis.call('GET', KEYS[1])}");
    let seen = Arc::new(Seen::default());
    let mut all = JoinSet::new();
    let getter = lane.getter();
    for task in 0..tasks {
        let (lane, seen, getter) = (lane.clone(), seen.clone(), getter.clone());
        let keys: Vec<Key> = keys.to_vec();
        all.spawn(async move {
            let mut turn = task;
            while !seen.stop.load(Ordering::Relaxed) {
                turn += 1;
                let key = &keys[(turn * 7919 + task) % keys.len()];
                let begun = Instant::now();
                let value = match turn % 3 {
                    0 => get(&lane, key).await,
                    1 => getter.get(key.clone()).await,
                    _ => {
                        let reply = lane
                            .script::<(russet_core::Bytes, Option<russet_core::Bytes>)>(
                                &WHOSE,
                                [key],
                                [""; 0],
                                Policy::Idempotent,
                            );
                        reply.await.map(|(name, value)| {
                            assert_eq!(name, key.as_bytes(), "a foreign reply");
                            value
                        })
                    }
                };
                let took = u64::try_from(begun.elapsed().as_micros()).unwrap();
                seen.slowest.fetch_max(took, Ordering::Relaxed);
                match value {
                    Ok(value) => {
                        let value = value.expect("no key is ever away");
                        assert_eq!(value, key.as_bytes(), "a foreign reply");
                        seen.replies.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => {
                        seen.errors.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            }
        });
    }
    (seen, all)
}

async fn end(seen: &Seen, tasks: JoinSet<()>) {
    seen.stop.store(true, Ordering::Relaxed);
    tasks.join_all().await;
}

fn keys_of_eight_slots(stem: &Stem) -> Vec<Key> {
    let attributes = ["a", "b", "c", "d", "e", "f"];
    let keys =
        (0..8).flat_map(|slot| attributes.map(|attribute| stem.tagged(&slot, Some(attribute))));
    keys.collect()
}

/// Moves eight slots, each to another node, so many times.
fn migrate(cluster: &Cluster, stem: &Stem, rounds: usize) {
    tokio::task::block_in_place(|| {
        for round in 0..rounds {
            for slot in 0..8_usize {
                let slot = stem.tagged(&slot, None).slot();
                let to = &cluster.nodes()[(round + usize::from(slot)) % 3];
                let migration = cluster.begin_migration(slot, to);
                while migration.step(2) > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(2));
                migration.finish();
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_while_slots_move() {
    static COUNT: Script = Script::new(
        "local replies = {}
         for i, key in ipairs(KEYS) do replies[i] = redis.call('INCR', key) end
         return replies",
    );
    let cluster = Cluster::builder(3).replicas(0).start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let calls = lane.script_calls(&COUNT, [0; 0], Policy::AtMostOnce);
    // None exists at first: a key that is not there is asked for at the slot's next node, which may not know the script.
    let keys = keys_of_eight_slots(&stem);
    // Before anybody calls it: a script that is forgotten between its load and its call is an error, by what is documented.
    for node in cluster.nodes() {
        node.command(&["SCRIPT", "FLUSH"]);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (lane, calls, keys, stop) = (lane.clone(), calls.clone(), keys.clone(), stop.clone());
        tasks.spawn(async move {
            let (mut counted, mut turn) = (0, task);
            while !stop.load(Ordering::Relaxed) {
                turn += 1;
                let key = &keys[(turn * 7919 + task) % keys.len()];
                if turn % 2 == 0 {
                    let incr = Command::new("INCR").key(key);
                    lane.run::<i64>(incr, Policy::AtMostOnce).await.unwrap();
                } else {
                    calls.call(key.clone(), [0; 0]).await.unwrap();
                }
                counted += 1;
            }
            counted
        });
    }
    migrate(&cluster, &stem, usize::try_from(size(20, 2)).unwrap());
    // On a busy machine the callers may have slept through all of that.
    let asked =
        |node: &russet_testkit::Server| node.info("commandstats").contains_key("cmdstat_asking");
    until(SOON * 6, "some were sent on by ASK", async || {
        let is_seen = cluster.nodes().iter().any(asked);
        if !is_seen {
            migrate(&cluster, &stem, 1);
        }
        is_seen
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let counted: i64 = tasks.join_all().await.into_iter().sum();
    let mut found = 0;
    for key in &keys {
        let count = lane.run::<Option<i64>>(Command::new("GET").key(key), Policy::Idempotent);
        found += count.await.unwrap().unwrap_or(0);
    }
    println!("{counted} counted");
    assert_eq!(found, counted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_is_another_s_while_slots_move_under_load() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let (redis, lane, stem) = connect(&cluster).await;
    let mut events = redis.server(TEST).events();
    let keys = keys_of_eight_slots(&stem);
    for key in &keys {
        set(&lane, key).await.unwrap();
    }
    let (seen, tasks) = traffic(&lane, &keys, 256);
    let rounds = usize::try_from(size(40, 2)).unwrap();
    migrate(&cluster, &stem, rounds);
    until(SOON * 6, "enough replies", async || {
        let most = size(1_000_000, 20_000);
        seen.replies.load(Ordering::Relaxed) >= most
    })
    .await;
    end(&seen, tasks).await;
    let [replies, slowest] =
        [&seen.replies, &seen.slowest].map(|seen| seen.load(Ordering::Relaxed));
    println!("{replies} replies, the slowest after {slowest} µs");
    assert_eq!(seen.errors.load(Ordering::Relaxed), 0, "no caller notices");
    let told = async { while !matches!(events.next().await, Some(Event::TopologyChanged)) {} };
    tokio::time::timeout(SOON, told).await.expect("told");
}

/// Half of a slot's keys are on either side: no node can answer for both, and each for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_on_both_sides_of_a_moving_slot() {
    static BOTH: Script =
        Script::new("return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}");
    static EACH: Script = Script::new(
        "local values = {} for i, key in ipairs(KEYS) do values[i] = redis.call('GET', key) end return values",
    );
    let cluster = Cluster::builder(2).replicas(0).start();
    let (_redis, lane, stem) = connect(&cluster).await;
    let keys = ["a", "b"].map(|attribute| stem.tagged(&1, Some(attribute)));
    for key in &keys {
        set(&lane, key).await.unwrap();
    }
    let slot = keys[0].slot();
    let owner = cluster.primary_of(slot).port();
    let to = cluster
        .nodes()
        .iter()
        .find(|node| node.port() != owner)
        .unwrap();
    let migration = cluster.begin_migration(slot, to);
    assert_eq!(migration.step(1), 1, "one of the two");
    // Batches come apart.
    let (getter, calls) = (
        lane.getter(),
        lane.script_calls(&EACH, [0; 0], Policy::AtMostOnce),
    );
    for _ in 0..20 {
        let reads = keys
            .iter()
            .cycle()
            .take(8)
            .map(|key| getter.get(key.clone()));
        for (key, value) in keys
            .iter()
            .cycle()
            .zip(futures_util::future::join_all(reads).await)
        {
            assert_eq!(value.unwrap().unwrap(), key.as_bytes());
        }
        let reads = keys
            .iter()
            .cycle()
            .take(8)
            .map(|key| calls.call(key.clone(), [0; 0]));
        for (key, value) in keys
            .iter()
            .cycle()
            .zip(futures_util::future::join_all(reads).await)
        {
            let value = russet_core::Bytes::from_reply(value.unwrap()).unwrap();
            assert_eq!(value, key.as_bytes());
        }
    }
    let refused = |node: &russet_testkit::Server| {
        let stats = node.info("errorstats");
        stats.contains_key("errorstat_TRYAGAIN")
    };
    assert!(
        cluster.nodes().iter().any(refused),
        "they were refused together"
    );
    // What cannot come apart waits, within its deadline, until the slot has moved.
    let both = async |within| {
        let lane = lane.clone().deadline(within);
        let reply = lane.script::<(String, String)>(&BOTH, &keys, [""; 0], Policy::AtMostOnce);
        reply.await
    };
    until(SOON, "it says that it was refused", async || {
        let (begun, within) = (Instant::now(), Duration::from_millis(300));
        let error = both(within).await.unwrap_err();
        assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
        // On a busy machine the deadline may pass while it is asked once more.
        if error.kind() == ErrorKind::Deadline {
            return false;
        }
        assert_eq!(error.kind(), ErrorKind::TryAgain, "{error}");
        assert!(!error.may_have_executed() && error.is_retryable());
        true
    })
    .await;
    let refusals = || {
        let stats =
            |node: &russet_testkit::Server| node.info("errorstats").remove("errorstat_TRYAGAIN");
        let counts = cluster.nodes().iter().filter_map(stats);
        let counts = counts.filter_map(|stat| stat.strip_prefix("count=")?.parse::<u64>().ok());
        counts.sum::<u64>()
    };
    let waiting = async { both(SOON).await.unwrap() };
    let moved = async {
        let before = refusals();
        until(SOON, "it was refused, and waits", async || {
            refusals() > before
        })
        .await;
        tokio::task::block_in_place(|| {
            while migration.step(10) > 0 {}
            migration.finish();
        });
    };
    let (values, ()) = tokio::join!(waiting, moved);
    assert_eq!(values.0.as_bytes(), keys[0].as_bytes());
}
