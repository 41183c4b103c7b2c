//! Each way of using a server has its own connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet_core::{
    BuildErrorKind, Command, ErrorKind, Key, Pace, Policy, Product, Redis, Stem, Target, Version,
};
use russet_testkit::Server;

use super::{TEST, until};

async fn world() -> (Server, Redis, Stem) {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    (server, redis, stem)
}

fn blpop(key: &Key, seconds: f64) -> Command {
    Command::new("BLPOP").key(key).arg(seconds)
}

#[tokio::test]
async fn a_blocking_command_waits_and_nobody_waits_behind_it() {
    let (server, redis, stem) = world().await;
    let list = stem.key("list");
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let lane = redis.on(TEST);
    let pop = tokio::spawn({
        let list = list.clone();
        async move {
            let command = blpop(&list, 5.0);
            let popped = blocking
                .run::<Option<(String, String)>>(&command, Duration::from_secs(5))
                .await;
            (popped, blocking)
        }
    });
    let started = Instant::now();
    for _ in 0..50 {
        lane.run::<()>(Command::new("PING"), Policy::Idempotent)
            .await
            .unwrap();
    }
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "the command lane waits"
    );
    server.command(&["RPUSH", "t:test:it:list", "job"]);
    let (popped, mut blocking) = pop.await.unwrap();
    assert_eq!(popped.unwrap().unwrap().1, "job");
    // Nothing came: a value, not an error.
    let nothing: Option<(String, String)> = blocking
        .run(&blpop(&list, 0.1), Duration::from_millis(100))
        .await
        .unwrap();
    assert_eq!(nothing, None);
}

#[tokio::test]
async fn a_dropped_blocking_call_takes_nothing_later() {
    let (server, redis, stem) = world().await;
    let list = stem.key("list");
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let command = blpop(&list, 30.0);
    let call = blocking.run::<Option<(String, String)>>(&command, Duration::from_secs(30));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), call)
            .await
            .is_err()
    );
    // The server must not hold the dropped call any more, or it would pop the element for nobody.
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.info("clients")["blocked_clients"] != "0" {
        assert!(Instant::now() < deadline, "still blocked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.command(&["RPUSH", "t:test:it:list", "job"]);
    let popped: Option<(String, String)> = blocking
        .run(&command, Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!(popped.unwrap().1, "job");
}

#[tokio::test]
async fn a_hung_server_costs_the_wait_and_the_deadline() {
    let server = Server::start();
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    let list = redis
        .namespace("t")
        .unwrap()
        .stem("test", "it")
        .unwrap()
        .key("list");
    let mut blocking = redis.server(TEST).blocking().unwrap();
    blocking
        .run::<Option<(String, String)>>(&blpop(&list, 0.01), Duration::from_millis(10))
        .await
        .unwrap();
    server.pause();
    let started = Instant::now();
    let call = blocking
        .run::<Option<(String, String)>>(&blpop(&list, 0.1), Duration::from_millis(100))
        .await;
    let took = started.elapsed();
    server.resume();
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Deadline);
    assert!(took < Duration::from_millis(300 + 50), "{took:?}");
}

/// User code that blocks every worker does not stop a heartbeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_go_on_while_every_worker_is_blocked() {
    let (_server, redis, _) = world().await;
    let beats = Arc::new(AtomicU32::new(0));
    let counted = beats.clone();
    redis
        .server(TEST)
        .spawn_heartbeat(TEST, |lane| async move {
            loop {
                if lane
                    .run::<()>(Command::new("PING"), Policy::Idempotent)
                    .await
                    .is_ok()
                {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .unwrap();
    let blocked: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async { std::thread::sleep(Duration::from_millis(300)) }))
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let while_blocked = beats.load(Ordering::SeqCst);
    assert!(while_blocked >= 10, "{while_blocked} beats in 300 ms");
    for task in blocked {
        task.await.unwrap();
    }
    drop(redis);
    // The thread ends with the handle.
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let before = beats.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if beats.load(Ordering::SeqCst) == before {
            break;
        }
        assert!(Instant::now() < deadline, "the heart beats on");
    }
}

#[tokio::test]
async fn a_walk_finds_every_key_and_only_those_that_match() {
    let (server, redis, stem) = world().await;
    let mut connection = server.connection();
    for n in 0..3000 {
        connection
            .command(&["SET", &format!("t:test:it:{n}"), "x"])
            .unwrap();
        connection
            .command(&["SET", &format!("other:{n}"), "x"])
            .unwrap();
    }
    let mut found = BTreeSet::new();
    let mut pages = 0;
    let mut scan = redis
        .server(TEST)
        .scan("t:test:it:*", Pace::default())
        .unwrap();
    while let Some(page) = scan.next_page().await.unwrap() {
        pages += 1;
        found.extend(page.into_iter().map(|key| key.as_bytes().to_vec()));
    }
    assert_eq!(found.len(), 3000);
    assert!(found.contains(stem.key(&7).as_bytes()));
    assert!(pages > 5, "{pages} pages for 6000 keys of 500 each");
    assert_eq!(
        scan.next_page().await.unwrap().map(|page| page.len()),
        None,
        "the end stays the end"
    );
}

#[tokio::test]
async fn lanes_are_made_when_used_and_bounded() {
    let server = Server::start();
    let redis = Redis::builder()
        .url(&server.url())
        .max_connections(3)
        .connect()
        .await
        .unwrap();
    assert_eq!(redis.connections(), BTreeMap::from([("command", 1)]));
    let key = redis
        .namespace("t")
        .unwrap()
        .stem("test", "it")
        .unwrap()
        .key("c");
    let _subscription = redis
        .server(TEST)
        .subscribe(Target::Channel(key.clone()))
        .await
        .unwrap();
    let blocking = redis.server(TEST).blocking().unwrap();
    assert_eq!(
        redis.connections(),
        BTreeMap::from([("blocking", 1), ("command", 1), ("push", 1)])
    );
    let error = redis.server(TEST).blocking().unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::Limit);
    assert!(redis.server(TEST).scan("*", Pace::default()).is_err());
    drop(blocking);
    assert!(
        redis.server(TEST).scan("*", Pace::default()).is_ok(),
        "a place that was given back is free"
    );
}

#[tokio::test]
async fn a_server_says_what_it_is_and_a_restricted_user_is_no_error() {
    let (server, redis, _) = world().await;
    let info = redis.server(TEST).info().await.unwrap();
    let version = server.version();
    assert_eq!(
        info.version,
        Some(Version::new(version.major, version.minor, version.patch))
    );
    assert!(matches!(
        info.product,
        Some(Product::Redis | Product::Valkey)
    ));
    assert_eq!(info.mode.as_deref(), Some("standalone"));
    assert_eq!(info.eviction_policy.as_deref(), Some("noeviction"));
    server.command(&[
        "ACL", "SETUSER", "app", "on", ">pw", "~*", "+get", "+set", "+ping",
    ]);
    let redis = Redis::connect(&format!("redis://app:pw@{}", server.address()))
        .await
        .unwrap();
    let restricted = redis.server(TEST).info().await.unwrap();
    assert_eq!(
        restricted.eviction_policy, None,
        "unknown is not a green check"
    );
    redis
        .on(TEST)
        .run::<()>(Command::new("PING"), Policy::Idempotent)
        .await
        .unwrap();
}

/// A peer that vanished without a word is found by the kernel too, on lanes that nobody asks for signs of life.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn idle_connections_are_kept_alive() {
    let (server, redis, _) = world().await;
    let _blocking = redis.server(TEST).blocking().unwrap();
    let peer = format!(":{:04X}", server.port());
    let mut timers = Vec::new();
    until(
        Duration::from_secs(5),
        "timers on both connections",
        async || {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let of_ours = |line: &str| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let established = fields.get(2)?.ends_with(&peer) && fields[3] == "01";
                // `tr:tm->when`: which timer runs, and for how many hundredths of a second.
                let (timer, when) = fields[5].split_once(':')?;
                (established && timer == "02").then(|| u64::from_str_radix(when, 16).unwrap())
            };
            timers = sockets.lines().filter_map(of_ours).collect();
            timers.len() >= 2
        },
    )
    .await;
    assert!(timers.iter().all(|when| *when <= 1500), "{timers:?}");
}
