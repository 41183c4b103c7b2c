//! What may be run on the connection that all callers share.

use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind, Command, ErrorKind, Key, Policy, Redis};
use russet_testkit::Server;

use super::TEST;

#[tokio::test]
async fn what_would_harm_other_callers_is_not_sent() {
    let server = Server::start();
    let lane = Redis::connect(&server.url()).await.unwrap().on(TEST);
    let select = Command::new("select").arg(1);
    let pop = Command::new("BLPOP").key(&Key::raw("list")).arg(0);
    let eval = Command::new("EVAL")
        .arg("return {'message', 'a', 'b'}")
        .arg(0);
    let ping = Command::new("PING");
    let mixed = [select, ping.clone(), pop, eval];
    let [select, pong, pop, eval] = lane
        .pipeline(&mixed, Policy::AtMostOnce)
        .await
        .try_into()
        .unwrap();
    pong.unwrap();
    for (refused, instead) in [(select, "state"), (pop, "blocking()"), (eval, "`Script`")] {
        let error = refused.unwrap_err();
        assert!(!error.may_have_executed());
        assert!(error.to_string().contains(instead), "{error}");
        let source =
            std::error::Error::source(&error).and_then(|it| it.downcast_ref::<BuildError>());
        assert_eq!(source.unwrap().kind(), BuildErrorKind::Unsupported);
    }
    let waits = Policy::Blocking(Duration::from_secs(1));
    let error = lane.run::<()>(ping, waits).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let stats = server.command(&["INFO", "commandstats"]);
    for name in ["cmdstat_select", "cmdstat_blpop", "cmdstat_eval"] {
        assert!(!stats.as_str().unwrap().contains(name), "{name}");
    }
}

#[tokio::test]
async fn a_name_in_small_letters_is_the_same_command() {
    let server = Server::start();
    let lane = Redis::connect(&server.url()).await.unwrap().on(TEST);
    let key = Key::raw("list");
    let words = ["message", "a", "b"];
    let push = Command::new("rpush").key(&key).args(words);
    lane.run::<()>(push, Policy::AtMostOnce).await.unwrap();
    for _ in 0..3 {
        let range = Command::new("lrange").key(&key).arg(0).arg(-1);
        let list: Vec<String> = lane.run(range, Policy::Idempotent).await.unwrap();
        assert_eq!(list, words);
    }
    server.command(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=it\nredis.register_function('half', function(keys) \
         redis.call('SET', keys[1], 1) return redis.error_reply('WRONGTYPE of my own') end)",
    ]);
    let call = Command::new("fcall").arg("half").arg(1).key(&Key::raw("k"));
    let error = lane.run::<()>(call, Policy::AtMostOnce).await.unwrap_err();
    assert!(error.may_have_executed(), "it has written: {error}");
    let unknown = Command::new("NOPE").key(&Key::raw("user:7")).arg("secret");
    let error = lane
        .run::<()>(unknown, Policy::AtMostOnce)
        .await
        .unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("unknown command"), "{said}");
    assert!(
        !said.contains("secret") && !said.contains("user:7"),
        "{said}"
    );
}

#[tokio::test]
async fn a_deadline_without_end_is_a_long_one() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST).deadline(Duration::MAX);
    let set = Command::new("SET").key(&Key::raw("k")).arg("v");
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let got = lane.getter().get(Key::raw("k")).await.unwrap();
    assert_eq!(got.as_deref(), Some(&b"v"[..]));
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let pop = Command::new("BLPOP").key(&Key::raw("list")).arg(0);
    server.command(&["RPUSH", "list", "job"]);
    let popped: Vec<String> = blocking.run(&pop, Duration::MAX).await.unwrap();
    assert_eq!(popped, ["list", "job"]);
}

/// Those that wait for the connection are many, and wake in an order of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_sent_in_order_also_while_connecting() {
    let server = Server::start();
    for round in 0..5 {
        let redis = Redis::builder().url(&server.url()).lazy().unwrap();
        let list = format!("list:{round}");
        let pushes: Vec<_> = (0..200)
            .map(|n| Command::new("RPUSH").key(&Key::raw(list.clone())).arg(n))
            .collect();
        for pushed in redis.on(TEST).pipeline(&pushes, Policy::AtMostOnce).await {
            pushed.unwrap();
        }
        let range = Command::new("LRANGE").key(&Key::raw(list)).arg(0).arg(-1);
        let stored: Vec<u32> = redis.on(TEST).run(range, Policy::Idempotent).await.unwrap();
        assert!(stored.is_sorted() && stored.len() == 200, "{stored:?}");
    }
}
