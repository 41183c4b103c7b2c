//! Scripts.

use russet_core::{Command, ErrorKind, Policy, Script};
use russet_testkit::Server;

use super::{TEST, shared};

static ADD: Script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");

#[tokio::test]
async fn a_script_runs_with_its_keys_and_arguments() {
    let (lane, key) = shared().await;
    assert_eq!(
        lane.script::<i64>(&ADD, [&key], [5], Policy::AtMostOnce)
            .await
            .unwrap(),
        5
    );
    assert_eq!(
        lane.script::<i64>(&ADD, [&key], [2], Policy::AtMostOnce)
            .await
            .unwrap(),
        7
    );
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_loaded_again() {
    let server = Server::start();
    let redis = russet_core::Redis::connect(&server.url()).await.unwrap();
    let key = redis
        .namespace("t")
        .unwrap()
        .stem("test", "it")
        .unwrap()
        .key(&1);
    let lane = redis.on(TEST);
    assert_eq!(
        lane.script::<i64>(&ADD, [&key], [1], Policy::AtMostOnce)
            .await
            .unwrap(),
        1
    );
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(
        lane.script::<i64>(&ADD, [&key], [1], Policy::AtMostOnce)
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
async fn a_script_that_fails_after_a_write_may_have_executed() {
    static HALF: Script = Script::new(
        "redis.call('SET', KEYS[1], 'x', 'PX', 60000) return redis.call('LPUSH', KEYS[1], 'y')",
    );
    let (lane, key) = shared().await;
    let error = lane
        .script::<i64>(&HALF, [&key], [0; 0], Policy::AtMostOnce)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
    assert!(error.may_have_executed(), "{error}");
    let written: Option<String> = lane
        .run(Command::new("GET").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(written.as_deref(), Some("x"));
}
