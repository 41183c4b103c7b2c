//! What a server refuses, and what is known of the command then.

use std::time::{Duration, Instant};

use russet_core::{
    Command, Error, ErrorKind, Finding, Key, Lane, Policy, Probe as _, Redis, Script,
};
use russet_testkit::{Server, eventually};

use super::TEST;

async fn lane(server: &Server) -> Lane {
    Redis::connect(&server.url()).await.unwrap().on(TEST)
}

async fn set(lane: &Lane) -> Result<(), Error> {
    let set = Command::new("SET").key(&Key::raw("k")).arg("v");
    lane.run(set, Policy::AtMostOnce).await
}

fn refused(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(!error.may_have_executed(), "{error:?}");
}

#[tokio::test]
async fn a_user_without_permission_for_one_command() {
    let server = Server::builder()
        .acl_user("app on >pw ~* &* +@all -set")
        .start();
    let url = format!("redis://app:pw@{}", server.address());
    let lane = Redis::connect(&url).await.unwrap().on(TEST);
    let error = set(&lane).await.unwrap_err();
    refused(&error, ErrorKind::Permission);
    assert!(
        !error.is_retryable() && error.to_string().contains("set"),
        "{error}"
    );
    let incr = Command::new("INCR").key(&Key::raw("n"));
    let n: i64 = lane.run(incr, Policy::AtMostOnce).await.unwrap();
    assert_eq!(n, 1, "the other commands go on");
}

/// Hosted services and careful operators give a service what it needs and no more.
#[tokio::test]
async fn a_user_who_may_only_read_and_write() {
    let server = Server::builder()
        .acl_user("app on >pw ~k +get +set")
        .start();
    let url = format!("redis://app:pw@{}", server.address());
    let redis = Redis::connect(&url).await.unwrap();
    let lane = redis.on(TEST);
    set(&lane).await.unwrap();
    let info = redis.server(TEST).info().await.unwrap();
    assert_eq!(info.eviction_policy, None, "unknown is no policy: {info:?}");
    // Neither good nor bad is known by a PING that is refused.
    let found = redis.server(TEST).probe(Duration::from_secs(1)).await;
    assert!(matches!(found, Finding::Unknown(_)), "{found:?}");
    let mut events = redis.server(TEST).events();
    let quiet = tokio::time::timeout(Duration::from_secs(3), events.next()).await;
    assert!(
        quiet.is_err(),
        "the refused PINGs of the watch are signs of life: {quiet:?}"
    );
    set(&lane).await.unwrap();
}

/// Forty keys of 50 ms each: two seconds in which the server says that it is loading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading() {
    let server = Server::builder()
        .config("key-load-delay", "50000")
        .config("loading-process-events-interval-bytes", "1024")
        .start();
    for turn in 0..40 {
        server.command(&["SET", &format!("k{turn}"), &"x".repeat(4096)]);
    }
    server.command(&["CONFIG", "SET", "rdbcompression", "no"]);
    server.command(&["SAVE"]);
    let lane = lane(&server).await;
    let restart = tokio::task::spawn_blocking(move || {
        server.kill();
        // Returns once it has loaded.
        server.restart();
        server
    });
    let mut seen = 0;
    loop {
        match set(&lane).await {
            Err(error) if error.kind() == ErrorKind::Loading => {
                refused(&error, ErrorKind::Loading);
                assert!(error.is_retryable());
                seen += 1;
            }
            Ok(()) if seen > 0 => break,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let server = restart.await.unwrap();
    assert_eq!(server.command(&["DBSIZE"]).as_int(), Some(41));
}

/// The primary becomes a replica under a live connection, as after a failover, and a primary again.
#[tokio::test]
async fn a_primary_that_became_a_replica() {
    static WRITE: Script = Script::new("return redis.call('INCR', KEYS[1])");
    let (server, other) = (Server::start(), Server::start());
    let lane = lane(&server).await;
    set(&lane).await.unwrap();
    let key = Key::raw("n");
    let script = async || {
        lane.script::<i64>(&WRITE, [&key], [""; 0], Policy::AtMostOnce)
            .await
    };
    assert_eq!(script().await.unwrap(), 1);
    server.command(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let error = set(&lane).await.unwrap_err();
    refused(&error, ErrorKind::ReadOnly);
    assert!(error.is_retryable());
    assert_eq!(script().await.unwrap_err().kind(), ErrorKind::ReadOnly);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    set(&lane).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_full() {
    static WRITE: Script = Script::new("return redis.call('INCR', KEYS[1])");
    let server = Server::start();
    let lane = lane(&server).await;
    set(&lane).await.unwrap();
    server.config_set("maxmemory", "1");
    refused(&set(&lane).await.unwrap_err(), ErrorKind::OutOfMemory);
    let key = Key::raw("n");
    let error = lane
        .script::<i64>(&WRITE, [&key], [""; 0], Policy::AtMostOnce)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    let get = Command::new("GET").key(&Key::raw("k"));
    let value: String = lane.run(get, Policy::Idempotent).await.unwrap();
    assert_eq!(value, "v", "reads go on");
    server.config_set("maxmemory", "0");
    set(&lane).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_does_not_end_and_is_killed() {
    static FOREVER: Script = Script::new("while true do end");
    let server = Server::builder()
        .config("busy-reply-threshold", "50")
        .start();
    let redis = Redis::builder()
        .url(&server.url())
        .deadline(Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let lane = redis.on(TEST);
    // Connected before the server is busy: a busy server refuses even the handshake.
    let other = Redis::connect(&server.url()).await.unwrap().on(TEST);
    let spinning = lane.clone();
    let spinning = tokio::spawn(async move {
        spinning
            .script::<()>(&FOREVER, [], [""; 0], Policy::AtMostOnce)
            .await
    });
    // A command that came before the threshold is simply answered late, with BUSY too or not at all.
    let until = Instant::now() + Duration::from_secs(5);
    let busy = loop {
        assert!(!spinning.is_finished(), "the script spins");
        assert!(Instant::now() < until, "the server was never busy");
        match set(&other).await {
            Err(error) if error.kind() == ErrorKind::Busy => break error,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    refused(&busy, ErrorKind::Busy);
    eventually(Duration::from_secs(5), "the script to be killed", || {
        server.command(&["SCRIPT", "KILL"]).as_str() == Some("OK")
    });
    let error = spinning.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    assert!(error.may_have_executed(), "{error:?}");
    assert!(error.to_string().contains("killed"), "{error}");
    set(&lane).await.unwrap();
    set(&other).await.unwrap();
}
