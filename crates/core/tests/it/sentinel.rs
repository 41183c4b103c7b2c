//! A primary that sentinels name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Command, Delivery, ErrorKind, Event, Key, Lane, Policy, Redis, Target};
use russet_testkit::{Sentinels, Server, eventually};

use super::{TEST, size, slack, until};

const SOON: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_millis(300);

async fn connect(url: &str) -> (Redis, Lane) {
    let builder = Redis::builder().url(url).deadline(DEADLINE);
    let redis = builder.connect().await.unwrap();
    let lane = redis.on(TEST);
    (redis, lane)
}

async fn set(lane: &Lane) -> Result<(), russet_core::Error> {
    let begun = Instant::now();
    let set = Command::new("SET").key(&Key::raw("k")).arg("v");
    let reply = lane.run(set, Policy::Idempotent).await;
    assert!(
        begun.elapsed() < DEADLINE + slack(50),
        "{:?}: {reply:?}",
        begun.elapsed()
    );
    reply
}

async fn back(lane: &Lane) -> Instant {
    let since = Instant::now();
    while let Err(error) = set(lane).await {
        assert!(since.elapsed() < SOON, "{error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Instant::now()
}

/// Writes, as a task of its own, until writes have failed and go through again; when they did.
fn traffic(lane: &Lane) -> tokio::task::JoinHandle<Instant> {
    let lane = lane.clone();
    tokio::spawn(async move {
        let begun = Instant::now();
        while set(&lane).await.is_ok() {
            assert!(begun.elapsed() < SOON, "no write ever failed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        back(&lane).await
    })
}

/// Waits until a sentinel names another primary; when that was.
fn elected(all: &Sentinels, before: u16) -> Instant {
    tokio::task::block_in_place(|| {
        eventually(SOON, "a sentinel names another primary", || {
            let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::SERVICE];
            all.sentinels().iter().any(|sentinel| {
                let address = sentinel.command(&ask);
                let port = address.as_array().and_then(|address| address[1].as_str());
                port.is_some_and(|port| port != before.to_string())
            })
        });
    });
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_killed() {
    let all = Sentinels::start(2, 3);
    let (redis, lane) = connect(&all.url()).await;
    let mut events = redis.server(TEST).events();
    set(&lane).await.unwrap();
    let first = all.primary();
    first.kill();
    let traffic = traffic(&lane);
    let elected = elected(&all, first.port());
    let after = traffic.await.unwrap().saturating_duration_since(elected);
    println!("first success {after:?} after the election");
    assert!(after < slack(1_000), "{after:?}");
    let told = async { while !matches!(events.next().await, Some(Event::TopologyChanged)) {} };
    tokio::time::timeout(SOON, told).await.expect("told");
    first.restart();
    tokio::task::block_in_place(|| {
        eventually(SOON, "the old primary follows", || first.follows());
    });
    // On a busy machine the sentinels may be in the middle of another election.
    back(&lane).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_paused_for_ten_seconds() {
    let all = Sentinels::start(2, 3);
    let (_redis, lane) = connect(&all.url()).await;
    set(&lane).await.unwrap();
    let first = all.primary();
    let paused = Instant::now();
    first.pause();
    let traffic = traffic(&lane);
    let elected = elected(&all, first.port());
    let after = traffic.await.unwrap().saturating_duration_since(elected);
    println!("first success {after:?} after the election");
    assert!(after < slack(1_000), "{after:?}");
    tokio::time::sleep_until((paused + Duration::from_secs(size(10, 4))).into()).await;
    first.resume();
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        set(&lane).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_command() {
    let all = Sentinels::start(2, 3);
    let (_redis, lane) = connect(&all.url()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = {
        let (lane, stop) = (lane.clone(), stop.clone());
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                if let Err(error) = set(&lane).await {
                    let expected = [
                        ErrorKind::ReadOnly,
                        ErrorKind::ConnectionLost,
                        ErrorKind::Unavailable,
                        ErrorKind::Deadline,
                    ];
                    assert!(expected.contains(&error.kind()), "{error:?}");
                    back(&lane).await;
                    longest = longest.max(begun.elapsed());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            longest
        })
    };
    tokio::task::block_in_place(|| {
        let first = all.primary();
        let second = all.fail_over();
        assert_ne!(first.port(), second.port());
        eventually(SOON, "the old primary follows", || first.follows());
    });
    stop.store(true, Ordering::Relaxed);
    let asked = || {
        let connections = all.sentinels().iter().map(|sentinel| {
            let stats = sentinel.info("stats");
            stats["total_connections_received"].parse::<u64>().unwrap()
        });
        connections.sum::<u64>()
    };
    let looks = u64::try_from(all.sentinels().len()).unwrap();
    until(SOON, "nobody goes on asking once it is over", async || {
        let before = asked();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Each look at the statistics is a connection too.
        asked() - before == looks
    })
    .await;
    let longest = traffic.await.unwrap();
    println!("longest stall {longest:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

/// The connection stays, and its server is no longer the primary: nothing but its refusals says so, and the sentinels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_demoted_in_silence() {
    let all = Sentinels::start(1, 1);
    let (redis, lane) = connect(&all.url()).await;
    let mut events = redis.server(TEST).events();
    set(&lane).await.unwrap();
    let (first, second) = (&all.servers()[0], &all.servers()[1]);
    tokio::task::block_in_place(|| {
        second.command(&["REPLICAOF", "NO", "ONE"]);
        first.command(&["REPLICAOF", "127.0.0.1", &second.port().to_string()]);
    });
    let error = set(&lane).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    assert!(!error.may_have_executed());
    // As an operator does who moved it by hand.
    let sentinel = &all.sentinels()[0];
    let port = second.port().to_string();
    tokio::task::block_in_place(|| {
        sentinel.command(&["SENTINEL", "REMOVE", Sentinels::SERVICE]);
        sentinel.command(&[
            "SENTINEL",
            "MONITOR",
            Sentinels::SERVICE,
            "127.0.0.1",
            &port,
            "1",
        ]);
    });
    back(&lane).await;
    let told = async { while !matches!(events.next().await, Some(Event::Replaced(_))) {} };
    tokio::time::timeout(SOON, told).await.expect("told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_sentinels_are_gone() {
    let all = Sentinels::start(1, 3);
    let (_redis, lane) = connect(&all.url()).await;
    for sentinel in &all.sentinels()[..2] {
        sentinel.kill();
    }
    // They are asked, and not needed: the primary is where it was.
    for _ in 0..100 {
        set(&lane).await.unwrap();
    }
    connect(&all.url()).await;
    all.servers()[0].kill();
    // One sentinel of three elects nobody.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let error = set(&lane).await.unwrap_err();
        let expected = [ErrorKind::Unavailable, ErrorKind::ConnectionLost];
        assert!(expected.contains(&error.kind()), "{error:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::task::block_in_place(|| {
        for sentinel in &all.sentinels()[..2] {
            sentinel.restart();
        }
    });
    let elected = elected(&all, all.servers()[0].port());
    let after = back(&lane).await.saturating_duration_since(elected);
    assert!(after < slack(1_000), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_and_blocking_commands_follow_the_primary() {
    let all = Sentinels::start_with(&Server::builder().password("pw"), 1, 1);
    let (redis, lane) = connect(&all.url()).await;
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    let (channel, list) = (stem.key("channel"), stem.key("list"));
    let on = redis.server(TEST);
    let mut subscription = on
        .subscribe(Target::Channel(channel.clone()))
        .await
        .unwrap();
    let mut blocking = on.blocking().unwrap();
    let first = all.primary();
    first.kill();
    elected(&all, first.port());
    back(&lane).await;
    let publish = Command::new("PUBLISH").arg(channel.as_bytes()).arg("hello");
    let deadline = Instant::now() + SOON;
    loop {
        assert!(Instant::now() < deadline, "it hears nothing");
        let _ = lane.run::<i64>(publish.clone(), Policy::AtMostOnce).await;
        let soon = Duration::from_millis(50);
        match tokio::time::timeout(soon, subscription.next()).await {
            Ok(Some(Delivery::Message { .. })) => break,
            Ok(None) => panic!("it has ended"),
            _ => {}
        }
    }
    let push = Command::new("LPUSH").key(&list).arg("x");
    lane.run::<i64>(push, Policy::AtMostOnce).await.unwrap();
    let pop = Command::new("BLPOP").key(&list).arg(1);
    loop {
        assert!(Instant::now() < deadline, "it pops nothing");
        let popped = blocking.run::<Option<(String, String)>>(&pop, Duration::from_secs(1));
        match popped.await {
            Ok(Some((_, popped))) => {
                assert_eq!(popped, "x");
                break;
            }
            Ok(None) => panic!("it was pushed"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_service_and_no_sentinel() {
    let all = Sentinels::start(0, 1);
    let begun = Instant::now();
    let error = Redis::connect(&all.url_of("mian")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("\"mian\"") && text.contains("it knows main"),
        "{text}"
    );
    let server = Server::start();
    let url = format!("redis-sentinel://{}/main", server.address());
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("no sentinel"), "{error}");
    let url = format!("redis://{}", all.sentinels()[0].address());
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("redis-sentinel://"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}
