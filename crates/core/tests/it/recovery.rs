//! A server that goes away and comes back.

use std::time::{Duration, Instant};

use russet_core::{Command, ErrorKind, Lane, Policy, Redis};
use russet_testkit::Server;

use super::{TEST, alive, connections, until};

const SOON: Duration = Duration::from_secs(2);

async fn ping(lane: &Lane) -> Result<String, russet_core::Error> {
    lane.run(Command::new("PING"), Policy::Idempotent).await
}

async fn back(lane: &Lane) -> Duration {
    let started = Instant::now();
    while ping(lane).await.is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the connection did not come back"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

#[tokio::test]
async fn a_killed_server_is_told_at_once_and_a_restarted_one_is_found() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    ping(&lane).await.unwrap();
    for _ in 0..3 {
        server.kill();
        let started = Instant::now();
        let error = ping(&lane).await.unwrap_err();
        assert!(
            started.elapsed() < Duration::from_millis(1100),
            "{:?}",
            started.elapsed()
        );
        assert!(error.is_retryable(), "{error:?}");
        // The first new try has failed by now, or the next call waits for it: from then on nobody waits.
        let _ = ping(&lane).await;
        let started = Instant::now();
        let error = ping(&lane).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(!error.may_have_executed());
        assert!(
            started.elapsed() < super::slack(50),
            "{:?}",
            started.elapsed()
        );
        server.restart();
        let took = back(&lane).await;
        assert!(took < Duration::from_secs(2), "back after {took:?}");
    }
}

#[tokio::test]
async fn a_paused_server_costs_the_deadline_and_no_more() {
    let server = Server::start();
    let limit = Duration::from_millis(200);
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(limit)
        .connect()
        .await
        .unwrap();
    let lane = redis.on(TEST);
    server.pause();
    let started = Instant::now();
    let error = ping(&lane).await.unwrap_err();
    let took = started.elapsed();
    server.resume();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.may_have_executed(), "the command was written");
    assert!(
        took >= limit && took < limit + Duration::from_millis(100),
        "{took:?}"
    );
    assert!(back(&lane).await < Duration::from_secs(2));
}

#[tokio::test]
async fn a_lazy_handle_starts_without_a_server_and_finds_it_later() {
    let server = Server::start();
    server.kill();
    let redis = Redis::builder().url(&server.url()).lazy().unwrap();
    let lane = redis.on(TEST);
    assert_eq!(
        ping(&lane).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    server.restart();
    assert!(back(&lane).await < Duration::from_secs(2));
}

#[tokio::test]
async fn after_shutdown_nothing_is_sent_and_no_connection_is_left() {
    let server = Server::start();
    let clients = || connections(&server);
    let before = clients();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    ping(&lane).await.unwrap();
    assert_eq!(clients(), before + 1);
    redis.shutdown_within(Duration::from_secs(1)).await;
    let error = ping(&lane).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shutdown);
    assert!(!error.may_have_executed());
    until(SOON, "no connection", async || clients() == before).await;
}

/// A server that takes connections and hangs up at once is met with pauses, not with a storm.
#[tokio::test]
async fn connections_that_die_young_are_not_made_at_once_again() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let made = || {
        let stats = server.command(&["INFO", "stats"]);
        let text = stats.as_str().unwrap().to_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().parse::<u32>().unwrap()
    };
    let (before, started) = (made(), Instant::now());
    let mut killer = server.connection();
    while started.elapsed() < Duration::from_millis(1500) {
        killer
            .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .unwrap();
        // Not for anything to happen: how fast this server hangs up.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (many, ours) = (made() - before, 3);
    assert!(many < 30 + ours, "{many} connections in 1.5 s");
    assert!(back(&redis.on(TEST)).await < Duration::from_secs(2));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_connection() {
    let server = Server::start();
    let clients = || connections(&server);
    let before = clients();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    ping(&lane).await.unwrap();
    drop(redis);
    ping(&lane).await.expect("a lane holds the connection");
    drop(lane);
    until(SOON, "no connection", async || clients() == before).await;
    until(SOON, "no task", async || alive() == 0).await;
}

/// Calls that fail at once leave the runtime's one thread to the task that connects again.
#[tokio::test]
async fn callers_in_a_loop_do_not_keep_it_from_coming_back() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    server.kill();
    let ping = || lane.run::<String>(Command::new("PING"), Policy::Idempotent);
    while ping().await.is_ok() {}
    server.restart();
    let restarted = Instant::now();
    while ping().await.is_err() {
        assert!(restarted.elapsed() < Duration::from_secs(5), "not back");
    }
}
