//! Rate limits: a rush, several policies at once, a denial's own word on when to come back, an outage.

use std::time::{Duration, Instant};

use russet::Namespace;
use russet::Redis;
use russet::ratelimit::{Concurrency, Joint, Limiter, Policy, Source};
use russet_testkit::Server;

use crate::guide::{Guide, Outcome, timed};

const HOUR: Duration = Duration::from_hours(1);

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace, url: &str, product: &str) -> Outcome {
    guide.chapter("Rate limits");
    // A second process, as far as Redis can tell.
    let elsewhere = Redis::connect(url).await?.namespace(product)?.env("tour");
    let build = |ns: &Namespace| {
        Limiter::builder(ns, "api")
            .policy(Policy::sliding_window(1_000, HOUR))
            .policy(Policy::token_bucket(1_000, Duration::from_millis(200)).named("burst"))
            .deny_cache(0)
            .build()
    };
    let processes = [build(ns)?, build(&elsewhere)?];
    let mut rush = tokio::task::JoinSet::new();
    let began = Instant::now();
    for task in 0..64 {
        let api = processes[task % 2].clone();
        rush.spawn(async move {
            let mut allowed = 0;
            for _ in 0..50 {
                allowed += api
                    .check("user:42")
                    .await
                    .map_or(0, |decision| decision.charged());
            }
            allowed
        });
    }
    let allowed: u64 = rush.join_all().await.into_iter().sum();
    guide.step("3,200 calls of one user, by two processes", began.elapsed());
    guide.promise(
        allowed == 1_000,
        format!("exactly 1,000 are let through, {allowed} were"),
    );

    let slow = Limiter::builder(ns, "slow")
        .policy(Policy::token_bucket(20, Duration::from_secs(1)).burst(1))
        .build()?;
    slow.record("user:42", 1).await?;
    let denied = slow.check("user:42").await?;
    let wait = denied.retry_after().unwrap_or_default();
    let (ready, took) = timed(slow.until_ready("user:42", Duration::from_secs(5))).await;
    guide.step(format!("denied for {wait:?}, waited"), took);
    guide.promise(
        ready?.is_allowed() && took >= wait,
        "and let through then, no earlier",
    );

    let hosts = Limiter::builder(ns, "hosts")
        .policy(Policy::fixed_window(1, HOUR))
        .build()?;
    let joint = async |user: &str| {
        Joint::of(&slow, user)
            .and(&hosts, "192.0.2.1")
            .check()
            .await
    };
    let (first, second) = (joint("a").await?, joint("b").await?);
    let untouched = slow
        .peek("b")
        .await?
        .quotas
        .iter()
        .all(|quota| quota.current == 0);
    guide.promise(
        first.is_allowed() && !second.is_allowed() && untouched,
        "of a user and an address both are charged, or none",
    );

    let exports = Concurrency::builder(ns, "exports").limit(2).build()?;
    let held = (
        exports.acquire("ws-1").await?,
        exports.acquire("ws-1").await?,
    );
    let third = exports.acquire("ws-1").await?;
    guide.promise(
        held.0.is_some() && held.1.is_some() && third.is_none(),
        "two of two permits are given, and no third",
    );

    let server = Server::start();
    let away = Redis::connect(&server.url()).await?.namespace("tour")?;
    let away = Limiter::builder(&away, "api")
        .policy(Policy::fixed_window(1, HOUR))
        .build()?;
    server.pause();
    let (decision, took) = timed(away.check("user:42")).await;
    let decision = decision?;
    guide.step("a decision while Redis hangs", took);
    guide.promise(
        decision.is_allowed() && decision.source() == Source::Degraded,
        "an outage is told as one, and never as a denial",
    );
    server.resume();
    Ok(())
}
