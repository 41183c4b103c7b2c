//! What core believes of fred, the library under its driver, and why the driver is as it is.
//!
//! When one of these fails, fred has changed (or another library has taken its place) and what the driver does about the
//! claim may go. Claims that show only through core are tested where core is: `HELLO` takes words out of credentials
//! (`credentials`), a router outlives its last handle (`lanes`).

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use fred::interfaces::{EventInterface as _, TrackingInterface as _};
use fred::prelude::{
    Builder, Client, ClientLike as _, Config, KeysInterface as _, LuaInterface as _,
    PubsubInterface as _, ReconnectPolicy, TcpConfig, Value,
};
use fred::types::config::Options;
use fred::types::{ConnectHandle, RespVersion};
use russet_testkit::proxy::{After, Fault, Match, Proxy};
use russet_testkit::{Cluster, Server};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

async fn client(url: &str) -> (Client, ConnectHandle) {
    try_client(url).await.unwrap()
}

async fn try_client(url: &str) -> Result<(Client, ConnectHandle), fred::error::Error> {
    let client = Builder::from_config(Config::from_url(url).unwrap())
        .with_config(|config| config.version = RespVersion::RESP3)
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_millis(300);
            connection.internal_command_timeout = Duration::from_millis(300);
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .set_policy(ReconnectPolicy::new_constant(0, 10))
        .build()
        .unwrap();
    let handle = client.init().await?;
    Ok((client, handle))
}

/// So a deadline around a call is not enough: fred must be told the deadline, and drops what it has not sent by then.
#[tokio::test]
async fn a_dropped_call_is_sent_all_the_same() {
    let server = Server::start();
    let (client, handle) = client(&server.url()).await;
    {
        let mut call = pin!(client.incr::<i64, _>("n"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
    }
    let n: i64 = client.get("n").await.unwrap();
    assert_eq!(n, 1);
    handle.abort();
}

/// So the driver allows one attempt, and core decides who is sent again.
#[tokio::test]
async fn a_lost_reply_has_the_command_sent_again() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let (client, handle) = client(&proxy.url()).await;
    proxy.inject(
        Match::command("INCR").times(1),
        Fault::DropReply(After::Close),
    );
    let n: i64 = client.incr("n").await.unwrap();
    assert_eq!(n, 2, "counted twice by one call");
    handle.abort();
}

/// So the driver sends scripts as custom commands, which keep their deadline.
#[tokio::test]
async fn scripts_forget_their_options() {
    let server = Server::start();
    let (client, handle) = client(&server.url()).await;
    let options = Options {
        timeout: Some(Duration::from_millis(20)),
        ..Options::default()
    };
    server.pause();
    let limited = client.with_options(&options);
    let get = limited.get::<Value, _>("k");
    let get = tokio::time::timeout(Duration::from_secs(2), get).await;
    assert!(get.is_ok_and(|reply| reply.is_err()), "its own timeout");
    let eval = limited.eval::<Value, _, _, _>("return 1", vec!["k"], Vec::<String>::new());
    let eval = tokio::time::timeout(Duration::from_millis(500), eval).await;
    assert!(eval.is_err(), "still waiting");
    server.resume();
    handle.abort();
}

/// So core asks its own state before each command.
#[tokio::test]
async fn a_client_whose_task_was_ended_says_that_it_is_connected() {
    let server = Server::start();
    let (client, handle) = client(&server.url()).await;
    handle.abort();
    let _ = handle.await;
    assert!(client.is_connected());
    assert!(client.get::<Value, _>("k").await.is_err());
}

/// So the driver takes the queue from a client that ended by itself.
#[tokio::test]
async fn a_client_that_ended_by_itself_takes_commands_and_says_nothing() {
    let server = Server::start();
    let client = Builder::from_config(Config::from_url(&server.url()).unwrap())
        .build()
        .unwrap();
    let handle = client.init().await.unwrap();
    server.kill();
    let _ = handle.await;
    let get = client.get::<Value, _>("k");
    let get = tokio::time::timeout(Duration::from_millis(300), get).await;
    assert!(get.is_err(), "neither a reply nor an error: {get:?}");
}

/// So subscriptions have a connection of their own on which nothing else waits for a reply.
#[tokio::test]
async fn a_refused_subscription_shifts_the_replies() {
    let server = Server::builder()
        .acl_user("app on >pw ~* resetchannels +@all")
        .start();
    let (client, handle) = client(&format!("redis://app:pw@{}", server.address())).await;
    client
        .set::<(), _, _>("k", "mine", None, None, false)
        .await
        .unwrap();
    // The answer to the subscription shall come while something else waits for one.
    server.pause();
    client
        .subscribe("secret")
        .await
        .expect("refused, and says it is not");
    let wrong = client.get::<Value, _>("k");
    let resumed = async {
        // By then the read has been written behind it.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        server.resume();
    };
    let (wrong, ()) = tokio::join!(wrong, resumed);
    let refused = |error: &fred::error::Error| error.details().contains("NOPERM");
    assert!(wrong.as_ref().is_err_and(refused), "{wrong:?}");
    handle.abort();
}

/// So the driver makes room for thousands.
#[tokio::test]
async fn a_receiver_may_be_32_messages_behind() {
    let server = Server::start();
    let (client, handle) = client(&server.url()).await;
    let mut messages = client.message_rx();
    client.subscribe("c").await.unwrap();
    client.ping::<Value>(None).await.unwrap();
    for _ in 0..33 {
        server.command(&["PUBLISH", "c", "x"]);
    }
    client.ping::<Value>(None).await.unwrap();
    let first = messages.recv().await;
    assert!(matches!(first, Err(RecvError::Lagged(_))), "{first:?}");
    handle.abort();
}

/// So a cluster's nodes are connections of their own, routed by a map of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_client_answers_with_another_command_s_reply_while_a_slot_moves() {
    let cluster = Cluster::builder(2).replicas(0).start();
    let (client, handle) =
        client(&format!("redis-cluster://{}", cluster.nodes()[0].address())).await;
    // A slot of the second node's moves to the first; what is not there any more is asked for here.
    let (from, to) = (cluster.primary_of(12_182), cluster.primary_of(5_061));
    from.command(&["SET", "foo", "foo"]);
    to.command(&["SET", "bar", "bar"]);
    let migration = cluster.begin_migration(12_182, to);
    migration.step(1);
    let mut tasks = JoinSet::new();
    for key in ["bar", "foo"].repeat(64) {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                let get = client.get::<Option<String>, _>(key);
                match tokio::time::timeout(Duration::from_millis(500), get).await {
                    Ok(Ok(Some(value))) if value == key => {}
                    Ok(Ok(other)) => return other,
                    // It errs and hangs as well.
                    _ => return None,
                }
            }
            None
        });
    }
    let foreign = tasks.join_all().await.into_iter().flatten().next();
    assert_eq!(foreign.as_deref(), Some("OK"), "ASKING's reply, for a GET");
    handle.abort();
}

/// So one task of ours asks for the map, whichever node answers first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_client_does_not_start_while_one_node_hangs() {
    let cluster = Cluster::builder(3).replicas(0).start();
    cluster.nodes()[2].pause();
    let url = format!("redis-cluster://{}", cluster.nodes()[0].address());
    let error = try_client(&url).await.map(|_| ()).unwrap_err();
    assert_eq!(error.details(), "Request timed out.");
    cluster.nodes()[2].resume();
}

/// So what caches by tracking must hear of flushes by another way.
#[tokio::test]
async fn nobody_is_told_that_all_keys_are_gone() {
    let server = Server::start();
    let (client, handle) = client(&server.url()).await;
    let mut invalidations = client.invalidation_rx();
    client
        .start_tracking(None, true, false, false, false)
        .await
        .unwrap();
    server.command(&["SET", "a", "1"]);
    server.command(&["FLUSHALL"]);
    server.command(&["SET", "b", "1"]);
    let mut told = Vec::new();
    while told.last().is_none_or(|key| key != "b") {
        let invalidation = tokio::time::timeout(Duration::from_secs(5), invalidations.recv());
        let invalidation = invalidation.await.expect("told of b").unwrap();
        told.extend(
            invalidation
                .keys
                .iter()
                .map(|key| key.as_str_lossy().into_owned()),
        );
    }
    assert_eq!(told, ["a", "b"], "and nothing between");
    handle.abort();
}

/// So nothing that holds a fred configuration is ever written to a log.
#[test]
fn a_configuration_shows_its_password() {
    let config = Config::from_url("redis://app:hunter2@localhost").unwrap();
    assert!(format!("{config:?}").contains("hunter2"));
}
