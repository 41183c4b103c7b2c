//! Scripts.

use russet_core::{Command, ErrorKind, FromReply, Policy, Script};
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

/// Adds to many counters; where one refuses, only that one's caller is told.
static ADD_MANY: Script = Script::new(
    "local replies = {}
     for i, key in ipairs(KEYS) do
       replies[i] = redis.pcall('INCRBY', key, ARGV[1] * ARGV[1 + i])
     end
     return replies",
)
.at_most_keys(32);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_many_callers_share_flights_and_none_is_lost_or_doubled() {
    let server = Server::start();
    let redis = russet_core::Redis::connect(&server.url()).await.unwrap();
    let stem = redis.namespace("t").unwrap().stem("test", "it").unwrap();
    server.command(&["LPUSH", "t:test:it:broken", "x"]);
    // A hundred times each caller's own argument.
    let calls = redis
        .on(TEST)
        .script_calls(&ADD_MANY, [100], Policy::AtMostOnce);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..256_i64 {
        let (calls, stem) = (calls.clone(), stem.clone());
        tasks.spawn(async move {
            for _ in 0..20 {
                let sum = calls.call(stem.key(&(task % 50)), [task]).await;
                i64::from_reply(sum.unwrap()).unwrap();
                let refused = calls.call(stem.key("broken"), [1]).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::WrongType, "{refused}");
                assert!(refused.may_have_executed(), "its script ran");
            }
        });
    }
    tasks.join_all().await;
    for counter in 0..50_i64 {
        let expected: i64 = (0..256)
            .filter(|task| task % 50 == counter)
            .map(|task| task * 100 * 20)
            .sum();
        assert_eq!(
            server
                .command(&["GET", &format!("t:test:it:{counter}")])
                .as_int(),
            Some(expected)
        );
    }
    let evals = server.info("commandstats")["cmdstat_evalsha"]
        .split([',', '='])
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap();
    let calls = 256 * 40;
    assert!(
        (calls / 32..calls / 10).contains(&evals),
        "{evals} for {calls} calls"
    );
}

/// A script that was once loaded is there before the first call on a new connection.
#[tokio::test]
async fn a_known_script_is_loaded_on_connect() {
    let server = Server::start();
    let redis = russet_core::Redis::connect(&server.url()).await.unwrap();
    let key = redis
        .namespace("t")
        .unwrap()
        .stem("test", "it")
        .unwrap()
        .key(&1);
    let lane = redis.on(TEST);
    lane.script::<i64>(&ADD, [&key], [1], Policy::AtMostOnce)
        .await
        .unwrap();
    server.kill();
    server.restart();
    let started = std::time::Instant::now();
    while lane
        .run::<()>(Command::new("PING"), Policy::Idempotent)
        .await
        .is_err()
    {
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    lane.script::<i64>(&ADD, [&key], [1], Policy::AtMostOnce)
        .await
        .unwrap();
    let stats = server.info("commandstats");
    assert!(
        stats["cmdstat_evalsha"].starts_with("calls=1,"),
        "{stats:?}"
    );
}

#[tokio::test]
async fn a_pipeline_has_a_result_for_each_command_in_order() {
    let (lane, key) = shared().await;
    let get = || Command::new("GET").key(&key);
    let set = |value: &str| {
        Command::new("SET")
            .key(&key)
            .arg(value)
            .arg("PX")
            .arg(60_000)
    };
    let commands = [
        set("a"),
        get(),
        Command::new("LPUSH").key(&key).arg("x"),
        set("b"),
        get(),
    ];
    let results = lane.pipeline(&commands, Policy::AtMostOnce).await;
    let text = |at: usize| String::from_reply(results[at].clone().unwrap()).unwrap();
    assert_eq!((text(1), text(4)), ("a".to_owned(), "b".to_owned()));
    assert_eq!(
        results[2].as_ref().unwrap_err().kind(),
        ErrorKind::WrongType
    );
    assert!(lane.pipeline(&[], Policy::AtMostOnce).await.is_empty());
}
