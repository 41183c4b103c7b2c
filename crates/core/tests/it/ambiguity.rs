//! `may_have_executed`: never false for what ran, and false where it can be known.

use std::time::Duration;

use russet_core::{Command, Error, ErrorKind, Key, Lane, Policy, Redis, Script};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};

use super::TEST;

struct World {
    server: Server,
    proxy: Proxy,
    lane: Lane,
    key: Key,
}

impl World {
    async fn new() -> Self {
        let server = Server::start();
        let proxy = Proxy::of(&server);
        let redis = Redis::builder()
            .url(&proxy.url())
            .deadline(Duration::from_millis(300))
            .connect()
            .await
            .unwrap();
        let key = redis
            .namespace("t")
            .unwrap()
            .stem("test", "it")
            .unwrap()
            .key("counter");
        World {
            lane: redis.on(TEST),
            server,
            proxy,
            key,
        }
    }

    async fn increment(&self) -> Result<i64, Error> {
        self.lane
            .run(Command::new("INCR").key(&self.key), Policy::AtMostOnce)
            .await
    }

    fn counter(&self) -> i64 {
        self.server
            .command(&["GET", "t:test:it:counter"])
            .as_int()
            .unwrap_or_default()
    }
}

/// Faults at each point of a command's way, and whether it ran.
#[tokio::test]
async fn each_point_of_a_command_s_way() {
    let cut = ErrorKind::ConnectionLost;
    for (fault, kind, ran) in [
        (Fault::CutBefore, cut, false),
        (Fault::CutAfterWrite, cut, true),
        (Fault::DropReply(After::Close), cut, true),
        (Fault::DropReply(After::Silence), ErrorKind::Deadline, true),
        (Fault::TruncateReply(2), cut, true),
        (
            Fault::BlackHole(Direction::ToServer),
            ErrorKind::Deadline,
            false,
        ),
        (
            Fault::BlackHole(Direction::ToClient),
            ErrorKind::Deadline,
            true,
        ),
        (
            Fault::RejectReply("LOADING Redis is loading the dataset in memory".to_owned()),
            ErrorKind::Loading,
            false,
        ),
        (
            Fault::RejectReply("READONLY You can't write against a read only replica.".to_owned()),
            ErrorKind::ReadOnly,
            false,
        ),
        (
            Fault::RejectReply(
                "OOM command not allowed when used memory > 'maxmemory'.".to_owned(),
            ),
            ErrorKind::OutOfMemory,
            false,
        ),
    ] {
        let world = World::new().await;
        world
            .proxy
            .inject(Match::command("INCR").times(1), fault.clone());
        let error = world.increment().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        // Once handed to a connection that then fails, nobody here can know: it must not be promised.
        let answered = matches!(fault, Fault::RejectReply(_));
        assert_eq!(error.may_have_executed(), !answered, "{fault:?}: {error}");
        russet_testkit::eventually(Duration::from_secs(2), "the server to have run it", || {
            world.counter() == i64::from(ran)
        });
    }
}

#[tokio::test]
async fn a_command_that_only_may_run_once_is_sent_once() {
    let world = World::new().await;
    world.proxy.inject(
        Match::command("INCR").times(1),
        Fault::DropReply(After::Close),
    );
    assert!(world.increment().await.is_err());
    assert_eq!(
        world.increment().await.unwrap(),
        2,
        "the connection is back, and the first one ran once"
    );
    assert_eq!(world.proxy.seen("INCR"), 2);
}

/// Each call of a flight whose reply is lost may have run; those of one that never left did not.
#[tokio::test]
async fn a_flight_whose_reply_is_lost_leaves_every_call_in_doubt() {
    static INCREMENT: Script = Script::new(
        "local out = {} for i, key in ipairs(KEYS) do out[i] = redis.call('INCR', key) end return out",
    );
    let world = World::new().await;
    let calls = world
        .lane
        .script_calls(&INCREMENT, [""; 0], Policy::AtMostOnce);
    let stem = Key::raw("warm");
    calls.call(stem, [0; 0]).await.unwrap();
    let all = || (0..20).map(|n| calls.call(Key::raw(format!("flight:{n}")), [0; 0]));
    for (fault, doubt) in [
        (Fault::DropReply(After::Close), true),
        (
            Fault::RejectReply("LOADING Redis is loading the dataset in memory".to_owned()),
            false,
        ),
    ] {
        let sent = world.proxy.seen("EVALSHA");
        world.proxy.inject(Match::command("EVALSHA"), fault);
        for call in futures_util::future::join_all(all()).await {
            assert_eq!(call.unwrap_err().may_have_executed(), doubt);
        }
        assert!(
            world.proxy.seen("EVALSHA") - sent < 10,
            "they shared flights"
        );
        world.proxy.heal();
    }
    let first = world.server.command(&["GET", "flight:0"]);
    assert_eq!(first.as_int(), Some(1), "what was in doubt had run, once");
}

#[tokio::test]
async fn an_idempotent_command_is_sent_again() {
    let world = World::new().await;
    world.server.command(&["SET", "t:test:it:counter", "7"]);
    world.proxy.inject(
        Match::command("GET").times(1),
        Fault::DropReply(After::Close),
    );
    let value: i64 = world
        .lane
        .run(Command::new("GET").key(&world.key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(value, 7);
    assert_eq!(world.proxy.seen("GET"), 2);
}

/// The first try may have run and the second one was never sent: the answer is of both.
#[tokio::test]
async fn a_second_try_does_not_forget_the_first() {
    let world = World::new().await;
    world.proxy.inject(
        Match::command("INCR").times(1),
        Fault::DropReply(After::Close),
    );
    // Nobody gets in any more.
    world
        .proxy
        .inject(Match::command("HELLO"), Fault::CutBefore);
    let error = world
        .lane
        .run::<i64>(Command::new("INCR").key(&world.key), Policy::Idempotent)
        .await
        .unwrap_err();
    assert_eq!(world.counter(), 1);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.may_have_executed(), "{error:?}");
}

/// While the server is away, nothing is sent, and that is said.
#[tokio::test]
async fn a_closed_gate_is_certain() {
    let world = World::new().await;
    world.server.kill();
    // The loss is seen, the first new try fails, the breaker opens.
    while !world
        .increment()
        .await
        .is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    {}
    let seen = world.proxy.seen("INCR");
    for _ in 0..100 {
        let error = world.increment().await.unwrap_err();
        assert!(!error.may_have_executed(), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(world.proxy.seen("INCR"), seen);
}

#[tokio::test]
async fn too_many_in_flight_is_certain() {
    let server = Server::start();
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(Duration::from_millis(100))
        .max_in_flight(2)
        .connect()
        .await
        .unwrap();
    let lane = redis.on(TEST);
    server.pause();
    let ping = || lane.run::<()>(Command::new("PING"), Policy::AtMostOnce);
    let (a, b, c) = tokio::join!(ping(), ping(), ping());
    server.resume();
    assert_eq!(a.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(b.unwrap_err().kind(), ErrorKind::Deadline);
    let c = c.unwrap_err();
    assert_eq!(c.kind(), ErrorKind::Overloaded);
    assert!(!c.may_have_executed());
}

/// A script that fails after its first write has executed, whatever the error's code.
#[tokio::test]
async fn a_script_s_error_is_never_certain_after_a_write() {
    static HALF: Script =
        Script::new("redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])");
    let world = World::new().await;
    for code in [
        "READONLY x",
        "OOM x",
        "LOADING x",
        "NOPERM x",
        "NOSCRIPT x",
        "BUSY x",
        "TRYAGAIN x",
        "CLUSTERDOWN x",
        "MOVED 1 127.0.0.1:1",
        "ASK 1 127.0.0.1:1",
        "ERR x",
    ] {
        let before = world.counter();
        let call = world
            .lane
            .script::<i64>(&HALF, [&world.key], [code], Policy::AtMostOnce)
            .await;
        let error = call.unwrap_err();
        assert!(world.counter() > before);
        assert!(error.may_have_executed(), "{code}: {error:?}");
    }
}
