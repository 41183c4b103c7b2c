//! Subscriptions.

use std::time::{Duration, Instant};

use super::{TEST, until};
use russet_core::{Delivery, ErrorKind, GapCause, Key, Redis, Stem, Subscription, Target};
use russet_testkit::Server;
use russet_testkit::proxy::{Direction, Proxy};

const SOON: Duration = Duration::from_secs(5);

struct World {
    server: Server,
    redis: Redis,
    stem: Stem,
}

impl World {
    async fn new() -> Self {
        let server = Server::start();
        let redis = Redis::connect(&server.url()).await.unwrap();
        let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
        World {
            server,
            redis,
            stem,
        }
    }

    async fn subscribe(&self, name: &str) -> Subscription {
        self.redis
            .server(TEST)
            .subscribe(Target::Channel(self.stem.key(name)))
            .await
            .unwrap()
    }

    /// Publishes; how many receivers the server knows.
    fn publish(&self, name: &str, payload: &str) -> i64 {
        self.server
            .command(&["PUBLISH", &format!("t:channel:it:{name}"), payload])
            .as_int()
            .unwrap()
    }
}

async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(SOON, subscription.next())
        .await
        .expect("a delivery in time")
        .expect("not closed")
}

async fn payload(subscription: &mut Subscription) -> String {
    match next(subscription).await {
        Delivery::Message { payload, .. } => String::from_utf8(payload.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_published_once_subscribe_has_returned_arrives() {
    let world = World::new().await;
    for round in 0..20 {
        let name = format!("c{round}");
        let mut subscription = world.subscribe(&name).await;
        assert_eq!(world.publish(&name, "hello"), 1);
        assert_eq!(payload(&mut subscription).await, "hello");
    }
}

/// The subscription travels slowly: a `subscribe` that did not wait for the server would return long before.
#[tokio::test]
async fn subscribe_waits_for_the_server() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    drop(
        redis
            .server(TEST)
            .subscribe(Target::Channel(stem.key("first")))
            .await
            .unwrap(),
    );
    proxy.set_delay(Duration::from_millis(50));
    for name in ["a", "b"] {
        let _subscription = redis
            .server(TEST)
            .subscribe(Target::Channel(stem.key(name)))
            .await
            .unwrap();
        let known = server
            .command(&["PUBLISH", &format!("t:channel:it:{name}"), "x"])
            .as_int();
        assert_eq!(known, Some(1));
    }
    let _pattern = redis
        .server(TEST)
        .subscribe(Target::Pattern(Key::raw("t:p*")))
        .await
        .unwrap();
    assert_eq!(server.command(&["PUBSUB", "NUMPAT"]).as_int(), Some(1));
}

/// The last receiver goes and another one comes before the server was told: it is served all the same.
#[tokio::test]
async fn a_target_wanted_again_at_once_is_confirmed() {
    let world = World::new().await;
    let mut subscription = world.subscribe("c").await;
    for round in 0..50 {
        drop(subscription);
        subscription = world.subscribe("c").await;
        world.publish("c", &round.to_string());
        assert_eq!(payload(&mut subscription).await, round.to_string());
    }
}

#[tokio::test]
async fn one_server_subscription_serves_all_receivers_and_ends_with_the_last() {
    let world = World::new().await;
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(world.subscribe("c").await);
    }
    assert_eq!(world.publish("c", "hello"), 1, "one for all");
    for subscription in &mut all {
        assert_eq!(payload(subscription).await, "hello");
    }
    let last = all.pop().unwrap();
    drop(all);
    assert_eq!(world.publish("c", "x"), 1);
    drop(last);
    let deadline = Instant::now() + SOON;
    while world.publish("c", "x") != 0 {
        assert!(Instant::now() < deadline, "still subscribed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut again = world.subscribe("c").await;
    assert_eq!(world.publish("c", "again"), 1);
    assert_eq!(payload(&mut again).await, "again");
}

#[tokio::test]
async fn patterns_and_sharded_channels() {
    let world = World::new().await;
    let pattern = |text: &str| Target::Pattern(Key::raw(text.to_owned()));
    let mut wide = world
        .redis
        .server(TEST)
        .subscribe(pattern("t:channel:it:*"))
        .await
        .unwrap();
    let mut narrow = world
        .redis
        .server(TEST)
        .subscribe(pattern("t:channel:it:a*"))
        .await
        .unwrap();
    let mut exact = world.subscribe("ab").await;
    for text in ["1", "1", "2"] {
        world.publish("ab", text);
    }
    world.publish("b", "3");
    for subscription in [&mut wide, &mut narrow, &mut exact] {
        for text in ["1", "1", "2"] {
            assert_eq!(payload(subscription).await, text);
        }
    }
    assert_eq!(payload(&mut wide).await, "3");

    let mut sharded = world
        .redis
        .server(TEST)
        .subscribe(Target::Sharded(world.stem.key("s")))
        .await
        .unwrap();
    world
        .server
        .command(&["SPUBLISH", "t:channel:it:s", "hello"]);
    assert_eq!(payload(&mut sharded).await, "hello");
}

#[tokio::test]
async fn a_lost_connection_is_a_gap_and_then_messages_again() {
    let world = World::new().await;
    let (mut a, mut b) = (world.subscribe("a").await, world.subscribe("b").await);
    for way in ["kill the connection", "kill the server"] {
        if way == "kill the server" {
            world.server.kill();
            world.server.restart();
        } else {
            world.server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        for subscription in [&mut a, &mut b] {
            assert_eq!(
                next(subscription).await,
                Delivery::Gap(GapCause::Reconnected),
                "{way}"
            );
        }
        assert_eq!(
            (world.publish("a", "1"), world.publish("b", "2")),
            (1, 1),
            "{way}"
        );
        assert_eq!(payload(&mut a).await, "1");
        assert_eq!(payload(&mut b).await, "2");
    }
}

#[tokio::test]
async fn a_connection_that_died_in_silence_is_found() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let server = Server::start();
        let proxy = Proxy::of(&server);
        let redis = Redis::connect(&proxy.url()).await.unwrap();
        let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
        let mut subscription = redis
            .server(TEST)
            .subscribe(Target::Channel(stem.key("c")))
            .await
            .unwrap();
        proxy.black_hole(direction);
        // Long enough for the probe to fail on the silent connection; new ones are as silent until it heals.
        let healed = Instant::now() + Duration::from_secs(4);
        let mut receivers = Vec::new();
        while Instant::now() < healed {
            // More receivers of what is subscribed already: they ask nothing of the server, and must not keep the
            // probe from its turn.
            let channel = Target::Channel(stem.key("c"));
            receivers.push(redis.server(TEST).subscribe(channel).await);
            let soon = Duration::from_millis(300);
            assert!(
                tokio::time::timeout(soon, subscription.next())
                    .await
                    .is_err(),
                "no gap before it stands again"
            );
        }
        proxy.heal();
        assert_eq!(
            next(&mut subscription).await,
            Delivery::Gap(GapCause::Reconnected),
            "{direction:?}"
        );
        server.command(&["PUBLISH", "t:channel:it:c", "hello"]);
        assert_eq!(payload(&mut subscription).await, "hello");
    }
}

#[tokio::test]
async fn a_user_who_may_not_ping_subscribes() {
    let server = Server::builder()
        .acl_user("app on >pw ~* &* +@all -ping")
        .start();
    let url = format!("redis://app:pw@{}", server.address());
    let redis = Redis::connect(&url).await.unwrap();
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    let on = redis.server(TEST);
    let mut subscription = on.subscribe(Target::Channel(stem.key("c"))).await.unwrap();
    server.command(&["PUBLISH", "t:channel:it:c", "hello"]);
    assert_eq!(payload(&mut subscription).await, "hello");
    drop(subscription);
    let other = on.subscribe(Target::Channel(stem.key("d"))).await.unwrap();
    let count = || server.command(&["PUBSUB", "NUMSUB", "t:channel:it:c"]);
    until(SOON, "no subscription", async || {
        count().as_array().unwrap()[1].as_int() == Some(0)
    })
    .await;
    drop(other);
}

#[tokio::test]
async fn a_server_that_is_busy_refuses_for_now_only() {
    let server = Server::builder()
        .config("busy-reply-threshold", "50")
        .start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    let on = redis.server(TEST);
    let mut first = on
        .subscribe(Target::Channel(stem.key("first")))
        .await
        .unwrap();
    let mut script = server.connection();
    let endless =
        std::thread::spawn(move || script.command(&["EVAL", "while true do end", "0"]).is_ok());
    until(SOON, "the server is busy", async || {
        server.command(&["PING"]).as_error().is_some()
    })
    .await;
    let error = on
        .subscribe(Target::Channel(stem.key("second")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    server.command(&["SCRIPT", "KILL"]);
    endless.join().unwrap();
    let mut second = on
        .subscribe(Target::Channel(stem.key("second")))
        .await
        .unwrap();
    for (name, subscription) in [("first", &mut first), ("second", &mut second)] {
        let deadline = Instant::now() + SOON;
        // Publishes until it is heard: the first one's new connection may not stand yet.
        loop {
            assert!(Instant::now() < deadline, "{name} hears nothing");
            server.command(&["PUBLISH", &format!("t:channel:it:{name}"), "hello"]);
            let soon = Duration::from_millis(50);
            match tokio::time::timeout(soon, subscription.next()).await {
                Ok(Some(Delivery::Message { .. })) => break,
                Ok(None) => panic!("{name} has ended"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_refused_channel_is_told_and_harms_no_other() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "+@all",
        "~*",
        "resetchannels",
        "&t:channel:it:open*",
    ]);
    let redis = Redis::connect(&format!("redis://app:pw@{}", server.address()))
        .await
        .unwrap();
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    let channel = |name: &str| Target::Channel(stem.key(name));
    let mut open = redis.server(TEST).subscribe(channel("open")).await.unwrap();
    for _ in 0..10 {
        let error = redis
            .server(TEST)
            .subscribe(channel("closed"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        assert_eq!(error.key(), Some("t:channel:it:…"));
    }
    let held = redis.server(TEST);
    let (closed, second) = tokio::join!(
        held.subscribe(channel("closed2")),
        held.subscribe(channel("open2"))
    );
    assert!(closed.is_err());
    let mut second = second.unwrap();
    server.command(&["PUBLISH", "t:channel:it:open", "1"]);
    server.command(&["PUBLISH", "t:channel:it:open2", "2"]);
    assert_eq!(
        payload(&mut open).await,
        "1",
        "no gap: the connection was kept"
    );
    assert_eq!(payload(&mut second).await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_is_told_where_it_lost_something() {
    let world = World::new().await;
    let mut slow = world.subscribe("c").await;
    let mut end = world.subscribe("end").await;
    let mut connection = world.server.connection();
    for n in 0..6000 {
        connection
            .command(&["PUBLISH", "t:channel:it:c", &n.to_string()])
            .unwrap();
    }
    // One connection carries both: when this came, all before it did, and they are more than a receiver may lag.
    connection
        .command(&["PUBLISH", "t:channel:it:end", ""])
        .unwrap();
    next(&mut end).await;
    // What comes is in order, and wherever something is missing there is a gap.
    let (mut expected, mut gaps) = (0, 0);
    while expected <= 6000 {
        match next(&mut slow).await {
            Delivery::Message { payload, .. } => {
                let n: u32 = std::str::from_utf8(&payload).unwrap().parse().unwrap();
                assert!(
                    n == expected || (n > expected && gaps > 0),
                    "{n} where {expected} was expected"
                );
                (expected, gaps) = (n + 1, 0);
            }
            Delivery::Gap(cause) => {
                assert_eq!(cause, GapCause::TooSlow);
                gaps += 1;
                connection
                    .command(&["PUBLISH", "t:channel:it:c", "6000"])
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn while_the_server_is_away_a_subscription_waits_its_deadline() {
    let server = Server::start();
    let limit = Duration::from_millis(200);
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(limit)
        .connect()
        .await
        .unwrap();
    let stem = redis.namespace("t").unwrap().stem("channel", "it").unwrap();
    server.kill();
    let started = Instant::now();
    let error = redis
        .server(TEST)
        .subscribe(Target::Channel(stem.key("c")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        started.elapsed() < limit + super::slack(100),
        "{:?}",
        started.elapsed()
    );
}
