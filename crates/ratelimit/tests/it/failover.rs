//! A primary that dies: limits go on, and cost one limit more at most.

use std::time::Duration;

use russet_ratelimit::{Limiter, OnOutage, Policy, Redis, Source};
use russet_testkit::Sentinels;

use crate::{HOUR, SECOND, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_costs_one_limit_more_at_most() {
    let all = Sentinels::start(1, 3);
    let redis = Redis::connect(&all.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let limit = 50;
    let api = Limiter::builder(&ns, "api")
        .policy(Policy::sliding_window(limit, HOUR))
        .on_outage(OnOutage::Deny)
        .deadline(Duration::from_secs(1))
        .deny_cache(0)
        .build()
        .unwrap();
    let spend = async || {
        let mut charged = 0;
        for _ in 0..2 * limit {
            charged += api.check("u").await.unwrap().charged();
        }
        charged
    };
    assert_eq!(spend().await, limit);
    tokio::task::block_in_place(|| {
        let before = all.primary();
        let _ = all.fail_over();
        let is_replica = || before.role().is_some_and(|role| role == "slave");
        // Until then it decides as before, for whoever is connected to it.
        let began = std::time::Instant::now();
        while !is_replica() {
            assert!(began.elapsed() < 20 * SECOND, "it never becomes a replica");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    until("Redis decides again", async || {
        api.check("v").await.unwrap().source() == Source::Redis
    })
    .await;
    let more = spend().await;
    assert!(more <= limit, "{more} more than {limit}");
    // And then it holds again.
    assert_eq!(spend().await, 0);
    assert!(!api.check("u").await.unwrap().is_allowed());
}
