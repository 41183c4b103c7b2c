//! How many are under way.

use std::time::Duration;

use russet_ratelimit::{Concurrency, OnOutage, Permit, Source};
use russet_testkit::Server;

use crate::{SECOND, namespace, on, until};

const LEASE: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn as_many_as_the_limit_says_and_a_dropped_permit_is_free_again() {
    let ns = namespace().await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .limit(2)
        .build()
        .unwrap();
    let first = exports.acquire("ws").await.unwrap().unwrap();
    let second = exports.acquire("ws").await.unwrap().unwrap();
    assert!(exports.acquire("ws").await.unwrap().is_none());
    assert!(exports.acquire("other").await.unwrap().is_some());
    assert_eq!(exports.in_use("ws").await.unwrap(), 2);
    assert!(first.release().await.unwrap());
    let third = exports.acquire("ws").await.unwrap().unwrap();
    drop(second);
    let fourth = exports.acquire_within("ws", 10 * SECOND).await.unwrap();
    assert!(fourth.is_some());
    assert!(!third.is_lost() && third.source() == Source::Redis);
    assert!(
        exports
            .acquire_within("ws", Duration::from_millis(20))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_permit_lasts_as_long_as_it_is_held() {
    let server = Server::start();
    let ns = on(&server).await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .lease(LEASE)
        .build()
        .unwrap();
    let held = exports.acquire("ws").await.unwrap().unwrap();
    let key = "shop:concurrency:exports:{ws}";
    let ends = || {
        let range = server.command(&["ZRANGE", key, "0", "0", "WITHSCORES"]);
        range.as_array().unwrap()[1]
            .as_str()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let first = ends();
    until("it was renewed past its first end", async || {
        ends() > first + LEASE.as_secs_f64() * 1e6
    })
    .await;
    assert!(exports.acquire("ws").await.unwrap().is_none());
    // Somebody deletes it.
    server.command(&["DEL", key]);
    tokio::time::timeout(10 * SECOND, held.lost())
        .await
        .expect("it learns that it is lost");
    assert!(held.is_lost());
    let other = exports.acquire("ws").await.unwrap().unwrap();
    assert!(
        !held.release().await.unwrap(),
        "it gives back nobody else's"
    );
    assert_eq!(exports.in_use("ws").await.unwrap(), 1);
    drop(other);
}

#[tokio::test]
async fn a_permit_is_lost_before_its_lease_ends_where_it_cannot_be_renewed() {
    let server = Server::start();
    let ns = on(&server).await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .lease(LEASE)
        .build()
        .unwrap();
    let held = exports.acquire("ws").await.unwrap().unwrap();
    server.pause();
    let began = std::time::Instant::now();
    tokio::time::timeout(10 * SECOND, held.lost())
        .await
        .expect("it is lost");
    assert!(
        began.elapsed() <= LEASE + LEASE / 6,
        "{:?}",
        began.elapsed()
    );
    server.resume();
}

#[tokio::test]
async fn a_dead_holder_s_place_is_free_when_its_lease_ends() {
    let server = Server::start();
    let ns = on(&server).await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .lease(LEASE)
        .build()
        .unwrap();
    // Of a process that is no more.
    let key = "shop:concurrency:exports:{ws}";
    let time = server.command(&["TIME"]);
    let now: u64 = time.as_array().unwrap()[0]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    // Far ahead, as if the clock had been set back since.
    server.command(&[
        "ZADD",
        key,
        &format!("{}", (now + 3_600) * 1_000_000),
        "dead",
    ]);
    assert!(exports.acquire("ws").await.unwrap().is_none());
    let permit = exports.acquire_within("ws", 10 * SECOND).await.unwrap();
    assert!(permit.is_some(), "no later than a lease from then on");
}

#[tokio::test]
async fn without_redis_it_is_as_the_builder_says() {
    let server = Server::start();
    let ns = on(&server).await;
    let allows = Concurrency::builder(&ns, "exports").build().unwrap();
    let denies = Concurrency::builder(&ns, "exports")
        .on_outage(OnOutage::Deny)
        .build()
        .unwrap();
    server.kill();
    let permit: Permit = allows.acquire("ws").await.unwrap().unwrap();
    assert_eq!(permit.source(), Source::Degraded);
    assert!(!permit.release().await.unwrap());
    assert!(
        denies.acquire("ws").await.unwrap_err().is_retryable(),
        "it is no word on whether a place is free"
    );
    assert!(Concurrency::builder(&ns, "x").limit(0).build().is_err());
}

#[tokio::test]
async fn a_permit_whose_handle_was_shut_down_is_lost() {
    let ns = namespace().await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .build()
        .unwrap();
    let held = exports.acquire("ws").await.unwrap().unwrap();
    ns.redis().shutdown_within(SECOND).await;
    tokio::time::timeout(10 * SECOND, held.lost())
        .await
        .expect("nobody renews it any more");
    assert!(held.is_lost());
}

#[tokio::test]
async fn a_place_that_was_taken_in_vain_is_given_back() {
    let server = Server::start();
    let proxy = russet_testkit::proxy::Proxy::of(&server);
    let redis = russet_ratelimit::Redis::connect(&proxy.url())
        .await
        .unwrap();
    let ns = redis.namespace("shop").unwrap();
    let exports = Concurrency::builder(&ns, "exports")
        .limit(1)
        .build()
        .unwrap();
    // Connected, and the script is known.
    assert_eq!(exports.in_use("ws").await.unwrap(), 0);
    drop(exports.acquire("other").await.unwrap());
    let reply = russet_testkit::proxy::Fault::DropReply(russet_testkit::proxy::After::Close);
    let _lost = proxy.inject(
        russet_testkit::proxy::Match::command("EVALSHA").nth(1),
        reply,
    );
    let permit = exports.acquire("ws").await.unwrap().unwrap();
    assert_eq!(permit.source(), Source::Degraded);
    until("nobody has the place", async || {
        exports.in_use("ws").await.is_ok_and(|taken| taken == 0)
    })
    .await;
}
