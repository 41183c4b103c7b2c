//! After a shutdown nothing is left, whatever was in use.

use std::time::{Duration, Instant};

use russet_core::{Command, ErrorKind, Event, Key, Pace, Policy, Redis, Target};
use russet_testkit::Server;

use super::TEST;

fn channel(redis: &Redis) -> Target {
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    Target::Channel(stem.key("c"))
}

async fn all_gone(server: &Server, before: usize) {
    let connections = || {
        let list = server.command(&["CLIENT", "LIST"]);
        list.as_str().expect("a text").matches(" addr=").count()
    };
    let deadline = Instant::now() + Duration::from_secs(2);
    while connections() != before {
        assert!(Instant::now() < deadline, "a connection is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_any_lane_though_all_are_held() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let idle = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
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
    while redis.connections().len() < 5
        || !server
            .command(&["CLIENT", "LIST"])
            .as_str()
            .unwrap()
            .contains("cmd=blpop")
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let started = Instant::now();
    redis.shutdown_within(Duration::from_secs(1)).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "nothing was under way but the pop"
    );
    // The one that asks.
    all_gone(&server, 1).await;

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
    all_gone(&server, 1).await;

    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        if tasks < idle {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{tasks} tasks live, {idle} did when only connected"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
    let under_way = tokio::spawn({
        let lane = lane.clone();
        async move {
            lane.run::<()>(Command::new("PING"), Policy::Idempotent)
                .await
        }
    });
    tokio::task::yield_now().await;
    let ending = tokio::spawn({
        let redis = redis.clone();
        async move { redis.shutdown_within(Duration::from_secs(2)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!ending.is_finished());
    server.resume();
    under_way.await.unwrap().unwrap();
    ending.await.unwrap();
    let ping = lane
        .run::<()>(Command::new("PING"), Policy::Idempotent)
        .await;
    assert_eq!(ping.unwrap_err().kind(), ErrorKind::Shutdown);
}
