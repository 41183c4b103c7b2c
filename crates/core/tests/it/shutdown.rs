//! After a shutdown nothing is left, whatever was in use.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::poll_immediate;
use russet_core::{Command, ErrorKind, Event, Key, Pace, Policy, Redis, Target};
use russet_testkit::Server;

use super::{TEST, alive, connections, until};

const SOON: Duration = Duration::from_secs(2);

fn channel(redis: &Redis) -> Target {
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    Target::Channel(stem.key("c"))
}

#[tokio::test]
async fn nothing_is_left_of_any_lane_though_all_are_held() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let idle = alive();
    let (on, lane) = (redis.server(TEST), redis.on(TEST));
    let mut events = on.events();
    let mut subscription = on.subscribe(channel(&redis)).await.unwrap();
    let fill = "for i = 1, 5000 do redis.call('SET', i, i) end";
    server.command(&["EVAL", fill, "0"]);
    let mut scan = on.scan("*", Pace::default()).unwrap();
    scan.next_page().await.unwrap();
    let (beats, mut beaten) = tokio::sync::mpsc::unbounded_channel();
    on.spawn_heartbeat(TEST, |lane| async move {
        loop {
            let beat = lane
                .run::<()>(Command::new("PING"), Policy::Idempotent)
                .await;
            if beats.send(beat.is_ok()).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .unwrap();
    assert_eq!(beaten.recv().await, Some(true));
    let mut blocking = on.blocking().unwrap();
    let pop = Command::new("BLPOP").key(&Key::raw("list")).arg(0);
    let popping = tokio::spawn(async move {
        let popped = blocking
            .run::<Vec<String>>(&pop, Duration::from_mins(1))
            .await;
        (popped, blocking)
    });
    until(SOON, "all lanes are up and one pops", async || {
        let clients = server.command(&["CLIENT", "LIST"]);
        redis.connections().len() == 5 && clients.as_str().unwrap().contains("cmd=blpop")
    })
    .await;

    let started = Instant::now();
    redis.shutdown_within(Duration::from_secs(1)).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "nothing was under way but the pop"
    );
    until(SOON, "only who asks is connected", async || {
        connections(&server) == 1
    })
    .await;

    let (popped, mut blocking) = popping.await.unwrap();
    let error = popped.unwrap_err();
    assert!(
        error.may_have_executed(),
        "an element may have been on its way: {error}"
    );
    let pop = Command::new("BLPOP").key(&Key::raw("list")).arg(0);
    let again = blocking
        .run::<Vec<String>>(&pop, Duration::from_secs(1))
        .await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Shutdown);
    let ping = lane
        .run::<()>(Command::new("PING"), Policy::Idempotent)
        .await;
    assert_eq!(ping.unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(
        scan.next_page().await.unwrap_err().kind(),
        ErrorKind::Shutdown
    );
    assert_eq!(subscription.next().await, None);
    while beaten.recv().await.is_some() {}

    let refused = on.subscribe(channel(&redis)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Shutdown);
    on.blocking().unwrap_err();
    on.scan("*", Pace::default()).unwrap_err();
    on.spawn_heartbeat(TEST, |_| async {}).unwrap_err();
    while let Some(event) = events.next().await {
        assert!(!matches!(event, Event::Gap), "{event:?}");
    }
    assert!(
        on.events().next().await.is_none(),
        "also for who listens later"
    );
    assert_eq!(connections(&server), 1);

    until(SOON, "fewer tasks than when only connected", async || {
        alive() < idle
    })
    .await;
}

#[tokio::test]
async fn commands_under_way_are_waited_for_and_later_ones_refused() {
    let server = Server::start();
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let lane = redis.on(TEST);
    server.pause();
    // Polled once, it is on its way.
    let mut under_way = pin!(lane.run::<()>(Command::new("PING"), Policy::Idempotent));
    assert!(poll_immediate(&mut under_way).await.is_none());
    let mut ending = pin!(redis.shutdown_within(Duration::from_secs(2)));
    assert!(poll_immediate(&mut ending).await.is_none(), "it waits");
    server.resume();
    let (answer, ()) = tokio::join!(under_way, ending);
    answer.unwrap();
    let ping = lane
        .run::<()>(Command::new("PING"), Policy::Idempotent)
        .await;
    assert_eq!(ping.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test]
async fn who_waits_for_a_place_is_told_of_the_end() {
    let server = Server::start();
    let builder = Redis::builder().url(&server.url()).max_in_flight(1);
    let redis = builder.connect().await.unwrap();
    let lane = redis.on(TEST);
    server.pause();
    let ping = || lane.run::<()>(Command::new("PING"), Policy::Idempotent);
    let (mut under_way, mut waits) = (pin!(ping()), pin!(ping()));
    assert!(poll_immediate(&mut under_way).await.is_none());
    assert!(poll_immediate(&mut waits).await.is_none());
    let limit = Duration::from_millis(50);
    let (_, waited, ()) = tokio::join!(under_way, waits, redis.shutdown_within(limit));
    let error = waited.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shutdown);
    assert!(!error.may_have_executed());
}
