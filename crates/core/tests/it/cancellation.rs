//! Calls that write, dropped at each of their await points.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

use russet_core::{Command, Key, Lane, Policy, Redis, Script};
use russet_testkit::{Server, eventually};
use tokio::sync::Notify;

use super::TEST;

/// Polls a future so many times, each time when what it waits for has come, and drops it; says whether it had ended.
async fn dropped_after<F: Future>(polls: usize, future: F) -> bool {
    let (mut future, woken) = (pin!(future), Arc::new(Woken::default()));
    for _ in 0..polls {
        let waker = woken.clone().into();
        if future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            return true;
        }
        let woken = woken.0.notified();
        let limit = Duration::from_secs(5);
        tokio::time::timeout(limit, woken).await.expect("woken");
    }
    false
}

/// Tells that a future wants to be polled again.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Drops a call after one poll, two polls and so on until it ends by itself; after each the lane must serve others.
async fn at_each_await<F: Future>(lane: &Lane, call: impl Fn() -> F) -> usize {
    for polls in 0..100 {
        let ended = Box::pin(dropped_after(polls, call())).await;
        for turn in 0..3 {
            let key = Key::raw(format!("own{turn}"));
            let set = Command::new("SET").key(&key).arg(turn);
            lane.run::<()>(set, Policy::Idempotent).await.unwrap();
            let get = Command::new("GET").key(&key);
            let got: i32 = lane.run(get, Policy::Idempotent).await.unwrap();
            assert_eq!(
                got, turn,
                "nobody gets the reply of a call that was dropped"
            );
        }
        if ended {
            return polls;
        }
    }
    panic!("the call never ends");
}

async fn lane(server: &Server) -> Lane {
    // So few places that one that is not given back is missed at once.
    let redis = Redis::builder().url(&server.url()).max_in_flight(1);
    redis.connect().await.unwrap().on(TEST)
}

fn count(server: &Server, key: &str) -> usize {
    let count = server.command(&["GET", key]);
    count.as_str().map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_command() {
    let server = Server::start();
    let lane = lane(&server).await;
    let key = Key::raw("n");
    let polls = at_each_await(&lane, || {
        lane.run::<i64>(Command::new("INCR").key(&key), Policy::AtMostOnce)
    })
    .await;
    // Never twice, and not at all while it was not polled.
    assert!((1..=polls).contains(&count(&server, "n")));
}

#[tokio::test]
async fn a_script_with_its_load() {
    static INCREMENT: Script = Script::new("return redis.call('INCR', KEYS[1])");
    let server = Server::start();
    let lane = lane(&server).await;
    let key = Key::raw("n");
    let polls = at_each_await(&lane, || async {
        server.command(&["SCRIPT", "FLUSH"]);
        lane.script::<i64>(&INCREMENT, [&key], [""; 0], Policy::AtMostOnce)
            .await
    })
    .await;
    assert!(polls > 2, "the load is an await of its own");
    assert!((1..=polls).contains(&count(&server, "n")));
}

#[tokio::test]
async fn a_pipeline() {
    let server = Server::start();
    let lane = lane(&server).await;
    let both = ["a", "b"].map(|key| Command::new("INCR").key(&Key::raw(key)));
    let polls = at_each_await(&lane, || lane.pipeline(&both, Policy::AtMostOnce)).await;
    for key in ["a", "b"] {
        assert!((1..=polls).contains(&count(&server, key)));
    }
}

#[tokio::test]
async fn a_batched_script_call() {
    static INCREMENT: Script = Script::new(
        "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('INCR', k) end return r",
    );
    let server = Server::start();
    let lane = lane(&server).await;
    let calls = lane.script_calls(&INCREMENT, [""; 0], Policy::AtMostOnce);
    let polls = at_each_await(&lane, || calls.call(Key::raw("n"), [""; 0])).await;
    assert!((1..=polls).contains(&count(&server, "n")));
    // And a caller that waits behind one that was dropped is carried all the same.
    let first = dropped_after(1, calls.call(Key::raw("m"), [""; 0]));
    let second = calls.call(Key::raw("m"), [""; 0]);
    let (_, second) = tokio::join!(first, second);
    second.unwrap();
}

/// Not cancel-safe, and said so; but the connection and the handle are whole again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_command() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let wait = Duration::from_secs(1);
    let pop = Command::new("BLPOP").key(&Key::raw("list")).arg(1);
    for polls in 0..5 {
        dropped_after(polls, blocking.run::<Option<(String, String)>>(&pop, wait)).await;
    }
    // Until the server has seen the connection end it would give the element to a call that nobody waits for.
    eventually(Duration::from_secs(5), "no call to wait", || {
        let clients = server.command(&["INFO", "clients"]);
        clients.as_str().unwrap().contains("blocked_clients:0")
    });
    server.command(&["RPUSH", "list", "x"]);
    let popped = blocking.run::<Option<(String, String)>>(&pop, wait).await;
    assert_eq!(popped.unwrap(), Some(("list".to_owned(), "x".to_owned())));
}
