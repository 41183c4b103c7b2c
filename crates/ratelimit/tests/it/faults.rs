//! Redis that is away, slow, flushed, full, replaced; keys that are none of ours.

use std::time::{Duration, Instant};

use russet_ratelimit::{
    Concurrency, ErrorKind, Escalation, Limiter, OnOutage, Policy, Source, Verdict,
};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Fault, Match, Proxy};

use crate::{HOUR, MINUTE, SECOND, namespace, on, patient, until};

fn bucket(ns: &russet_ratelimit::Namespace, on_outage: OnOutage) -> Limiter {
    bucket_within(ns, on_outage, 2 * SECOND)
}

fn bucket_within(
    ns: &russet_ratelimit::Namespace,
    on_outage: OnOutage,
    deadline: Duration,
) -> Limiter {
    Limiter::builder(ns, "api")
        .policy(Policy::token_bucket(4, HOUR))
        .on_outage(on_outage)
        .deadline(deadline)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_outage_is_never_told_as_a_denial() {
    let server = Server::start();
    let ns = on(&server).await;
    let bucket = |on_outage| bucket_within(&ns, on_outage, Duration::from_millis(100));
    let (allows, denies) = (bucket(OnOutage::Allow), bucket(OnOutage::Deny));
    let shares = bucket(OnOutage::Local { share: 0.5 });
    assert!(allows.check("u").await.unwrap().is_allowed());
    server.pause();
    let began = Instant::now();
    let decision = allows.check("u").await.unwrap();
    assert!(
        began.elapsed() < SECOND,
        "a decision has 100 ms: {:?}",
        began.elapsed()
    );
    assert_eq!(
        (decision.verdict(), decision.source()),
        (Verdict::Allowed, Source::Degraded)
    );
    assert_eq!(
        (decision.charged(), decision.limit(), decision.policy()),
        (0, 4, None)
    );
    let decision = denies.check("u").await.unwrap();
    assert_eq!(
        (decision.verdict(), decision.source()),
        (Verdict::Unavailable, Source::Degraded)
    );
    assert_eq!(
        (
            decision.is_allowed(),
            decision.denied_by(),
            decision.retry_after()
        ),
        (false, None, None)
    );
    let mut allowed = 0;
    for _ in 0..5 {
        let decision = shares.check("u").await.unwrap();
        assert_eq!(decision.source(), Source::Degraded);
        allowed += u64::from(decision.is_allowed());
    }
    assert_eq!(allowed, 2, "half of four");
    let above = shares.check_n("v", 3).await.unwrap();
    assert_eq!(
        above.verdict(),
        Verdict::Unavailable,
        "above the share, not above the limit"
    );
    assert!(
        shares.check("v").await.unwrap().is_allowed(),
        "each subject has its own"
    );
    let failed = allows.record("u", 1).await.unwrap_err();
    assert!(failed.is_retryable());
    server.resume();
    until("Redis decides again", async || {
        shares.check("w").await.unwrap().source() == Source::Redis
    })
    .await;
    // What was asked while it was paused may have been charged; what was not asked was not.
    let mut untouched = 0;
    until("Redis answers in time, and has 3 left", async || {
        untouched += 1;
        let decision = allows.check(&untouched).await.unwrap();
        decision.source() == Source::Redis && decision.remaining() == 3
    })
    .await;
    assert!(shares.stats().degraded >= 6 && shares.stats().errors == 0);
}

#[tokio::test]
async fn a_lost_reply_is_charged_once_and_told_as_an_outage() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = russet_ratelimit::Redis::connect(&proxy.url())
        .await
        .unwrap();
    let ns = redis.namespace("shop").unwrap();
    let api = bucket(&ns, OnOutage::Allow);
    assert!(api.check("u").await.unwrap().is_allowed());
    let lost = proxy.inject(
        Match::command("EVALSHA").nth(1),
        Fault::DropReply(After::Close),
    );
    let decision = api.check("u").await.unwrap();
    assert_eq!(
        (decision.is_allowed(), decision.source()),
        (true, Source::Degraded)
    );
    drop(lost);
    until("it is connected again", async || {
        api.peek("u").await.is_ok()
    })
    .await;
    assert_eq!(
        api.peek("u").await.unwrap().quotas[0].current,
        2,
        "it ran, and was not sent again"
    );
}

#[tokio::test]
async fn a_server_that_forgot_scripts_or_everything_goes_on() {
    let server = Server::start();
    let ns = on(&server).await;
    let api = bucket(&ns, OnOutage::Deny);
    assert!(api.check("u").await.unwrap().is_allowed());
    server.command(&["SCRIPT", "FLUSH"]);
    let decision = api.check("u").await.unwrap();
    assert_eq!((decision.current(), decision.source()), (2, Source::Redis));
    assert_eq!(api.up_to("u", 9).await.unwrap().charged(), 2);
    server.flush_all();
    assert_eq!(api.peek("u").await.unwrap().remaining(), 4);
    server.kill();
    assert_eq!(
        api.check("v").await.unwrap().verdict(),
        Verdict::Unavailable
    );
    server.restart();
    until("Redis decides again", async || {
        api.check("v").await.unwrap().source() == Source::Redis
    })
    .await;
}

#[tokio::test]
async fn a_full_server_is_an_outage_and_peeks_and_resets_work_on_it() {
    let server = Server::with_config([("maxmemory-policy", "noeviction")]);
    let ns = on(&server).await;
    let api = bucket(&ns, OnOutage::Allow);
    assert!(api.check("u").await.unwrap().is_allowed());
    server.config_set("maxmemory", "1");
    for subject in ["u", "new"] {
        let decision = api.check(subject).await.unwrap();
        assert_eq!(
            (decision.is_allowed(), decision.source()),
            (true, Source::Degraded)
        );
    }
    assert_eq!(api.peek("u").await.unwrap().quotas[0].current, 1);
    assert!(api.reset("u").await.unwrap());
    server.config_set("maxmemory", "0");
    assert_eq!(api.check("u").await.unwrap().current(), 1);
}

#[tokio::test]
async fn what_is_none_of_ours_is_that_subject_s_error_alone() {
    let server = Server::start();
    let ns = on(&server).await;
    let short = bucket(&ns, OnOutage::Allow);
    let long = patient(&ns, "long")
        .policy(Policy::token_bucket(4, HOUR))
        .policy(Policy::sliding_log(4, HOUR))
        .build()
        .unwrap();
    server.command(&["SET", "shop:ratelimit:api:{bad}", "x"]);
    server.command(&["SET", "shop:ratelimit:long:{bad}", "x"]);
    server.command(&["SET", "shop:ratelimit:long:{worse}:%log:sliding_log", "x"]);
    for limiter in [&short, &long] {
        let subjects = ["good", "bad", "fine"];
        let decisions = limiter
            .check_many(subjects.map(|subject| (subject, 1)))
            .await;
        let ok: Vec<bool> = decisions.iter().map(Result::is_ok).collect();
        assert_eq!(ok, [true, false, true]);
        let error = decisions[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert!(!error.to_string().contains("bad"), "{error}");
        assert_eq!(limiter.stats().errors, 1);
    }
    assert_eq!(
        long.check("worse").await.unwrap_err().kind(),
        ErrorKind::WrongType
    );
}

#[tokio::test]
async fn subjects_of_any_content_and_length_stay_apart() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(1, HOUR))
        .build()
        .unwrap();
    let long = "x".repeat(10_000);
    let longer = format!("{long}y");
    for subject in [
        "", " ", "a:b", "a{b}", "{", "}", "*", "\n\0", "ü", "!block", &long, &longer,
    ] {
        assert!(
            api.check(subject).await.unwrap().is_allowed(),
            "{subject:?}"
        );
        assert!(
            !api.check(subject).await.unwrap().is_allowed(),
            "{subject:?}"
        );
    }
    assert!(
        api.check(&("a", "b")).await.unwrap().is_allowed(),
        "a tuple is no text with a colon"
    );
}

#[tokio::test]
async fn nothing_stays_without_an_end() {
    let server = Server::start();
    let ns = on(&server).await;
    let mut limiters = Vec::new();
    for policy in [
        Policy::token_bucket(5, MINUTE),
        Policy::sliding_window(5, MINUTE),
        Policy::sliding_window(5, SECOND)
            .interpolated()
            .named("smooth"),
        Policy::fixed_window(5, MINUTE),
        Policy::calendar(5, russet_ratelimit::Period::Month, "UTC"),
        Policy::sliding_log(5, MINUTE),
        Policy::cooldown(MINUTE),
    ] {
        let name = policy.to_string().split(':').next().unwrap().to_owned();
        limiters.push(patient(&ns, &name).policy(policy.clone()).build().unwrap());
        let blocks = Escalation::after(2, MINUTE);
        let both = patient(&ns, &format!("{name}-and"))
            .policy(policy)
            .policy(Policy::token_bucket(3, SECOND).named("other"))
            .block_after(blocks);
        limiters.push(both.build().unwrap());
    }
    for limiter in &limiters {
        let policy = limiter.policies().next().unwrap().clone();
        for subject in 0..6_u64 {
            if subject % 2 == 1 {
                limiter.block(&subject, SECOND).await.unwrap();
            }
            // One with periods cannot be another one for a subject.
            let _ = limiter.override_limit(&subject, &policy, SECOND).await;
            for _ in 0..8 {
                let _ = limiter.check(&subject).await.unwrap();
            }
            limiter.record(&subject, 3).await.unwrap();
            limiter.refund(&subject, 2).await.unwrap();
            limiter.penalize(&subject, 100).await.unwrap();
            let _ = limiter.up_to(&subject, 2).await.unwrap();
            limiter
                .end_override(&subject, limiter.policies().next().unwrap().name())
                .await
                .unwrap();
            limiter.unblock(&subject).await.unwrap();
            limiter.refund(&subject, 1_000).await.unwrap();
            if subject == 5 {
                limiter.reset(&subject).await.unwrap();
                limiter.block(&subject, SECOND).await.unwrap();
            }
            limiter
                .peek(&format!("{subject} was never there"))
                .await
                .unwrap();
            limiter
                .reset(&format!("{subject} was never there"))
                .await
                .unwrap();
            limiter
                .refund(&format!("{subject} was never there"), 5)
                .await
                .unwrap();
        }
    }
    let permit = Concurrency::builder(&ns, "exports")
        .limit(2)
        .build()
        .unwrap()
        .acquire("ws")
        .await
        .unwrap();
    let keys = server.command(&["KEYS", "*"]);
    let keys = keys.as_array().unwrap();
    // Those of a second may have ended where this machine is busy.
    assert!(keys.len() > 40, "{}", keys.len());
    for key in keys {
        let key = key.as_str().unwrap();
        assert!(!key.contains("never"), "{key}");
        let ttl = server.command(&["PTTL", key]).as_int().unwrap();
        // Some have ended already, by the time that somebody asks.
        assert_ne!(ttl, -1, "{key}");
    }
    drop(permit);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_when_it_is_built() {
    let ns = namespace().await;
    let build = |policy: Policy| Limiter::builder(&ns, "api").policy(policy).build();
    assert!(build(Policy::token_bucket(0, MINUTE)).is_err());
    assert!(build(Policy::fixed_window(1, Duration::ZERO)).is_err());
    assert!(build(Policy::fixed_window(1, MINUTE).named("!block")).is_err());
    assert!(
        Limiter::builder(&ns, "a:b")
            .policy(Policy::fixed_window(1, MINUTE))
            .build()
            .is_err()
    );
    let twice = Limiter::builder(&ns, "api")
        .policy(Policy::fixed_window(1, MINUTE))
        .policy(Policy::fixed_window(1, HOUR));
    assert!(twice.build().unwrap_err().to_string().contains("named"));
    let api = Limiter::builder(&ns, "api").policy(Policy::fixed_window(5, MINUTE));
    assert!(
        Limiter::builder(&ns, "api")
            .on_outage(OnOutage::Local { share: 0.0 })
            .build()
            .is_err()
    );
    assert!(
        Limiter::builder(&ns, "api")
            .deadline(Duration::ZERO)
            .build()
            .is_err()
    );
    let blocks = Escalation::after(0, MINUTE);
    assert!(
        Limiter::builder(&ns, "api")
            .policy(Policy::fixed_window(1, MINUTE))
            .block_after(blocks)
            .build()
            .is_err()
    );
    let api = api.build().unwrap();
    for cost in [6, u64::MAX] {
        let decision = api.check_n("u", cost).await.unwrap();
        assert_eq!(
            (decision.verdict(), decision.denied_by()),
            (Verdict::Impossible, Some("fixed_window"))
        );
        assert_eq!(
            (decision.source(), decision.retry_after()),
            (
                if cost == 6 {
                    Source::Redis
                } else {
                    Source::Local
                },
                None
            )
        );
    }
    assert!(
        api.check_n("u", 0).await.unwrap().is_allowed(),
        "what costs nothing passes"
    );
    assert_eq!(api.peek("u").await.unwrap().quotas[0].current, 0);
    assert!(api.block("u", Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn what_was_decided_without_redis_is_not_given_back_by_it() {
    let server = Server::start();
    let ns = on(&server).await;
    let tokens = Limiter::builder(&ns, "tokens")
        .policy(Policy::fixed_window(1_000, HOUR))
        .on_outage(OnOutage::Local { share: 1.0 })
        .build()
        .unwrap();
    tokens.record("ws", 500).await.unwrap();
    server.pause();
    let mut reserved = Vec::new();
    for _ in 0..3 {
        let russet_ratelimit::Reserved::Granted(reservation) =
            tokens.reserve("ws", 300).await.unwrap()
        else {
            panic!("the share has room for it");
        };
        assert_eq!(
            (reservation.charged(), reservation.decision().source()),
            (0, Source::Degraded)
        );
        reserved.push(reservation);
    }
    server.resume();
    until("Redis decides again", async || {
        tokens.check("other").await.unwrap().source() == Source::Redis
    })
    .await;
    // What was sent while it was paused may have been charged; what is told of it now is counted whole.
    let before = tokens.peek("ws").await.unwrap().quotas[0].current;
    let [one, two, three] = reserved.try_into().unwrap();
    one.cancel().await.unwrap();
    two.commit(0).await.unwrap();
    three.commit(20).await.unwrap();
    let after = tokens.peek("ws").await.unwrap().quotas[0].current;
    assert_eq!(after, before + 20);
}

#[tokio::test]
async fn a_window_that_becomes_longer_keeps_what_was_counted() {
    let server = Server::start();
    let ns = on(&server).await;
    let build = |name: &str, policy| {
        patient(&ns, name)
            .policy(policy)
            .deny_cache(0)
            .build()
            .unwrap()
    };
    for (name, short, long) in [
        (
            "window",
            Policy::sliding_window(2, 5 * SECOND),
            Policy::sliding_window(2, HOUR),
        ),
        (
            "bucket",
            Policy::token_bucket(2, 5 * SECOND),
            Policy::token_bucket(2, HOUR),
        ),
        (
            "log",
            Policy::sliding_log(2, 5 * SECOND),
            Policy::sliding_log(2, HOUR),
        ),
    ] {
        assert_eq!(
            build(name, short.clone())
                .up_to("u", 2)
                .await
                .unwrap()
                .charged(),
            2
        );
        let ttl = || {
            server
                .command(&["PTTL", &format!("shop:ratelimit:{name}:{{u}}")])
                .as_int()
                .unwrap()
        };
        assert!(ttl() < 20_000);
        assert!(
            !build(name, long.clone())
                .check("u")
                .await
                .unwrap()
                .is_allowed()
        );
        assert!(
            ttl() > 1_000_000,
            "{name}: a denial is all that comes, and it would be forgotten: {}",
            ttl()
        );
        // The long way too.
        let both = |policy| {
            patient(&ns, &format!("{name}-both"))
                .policy(policy)
                .policy(Policy::cooldown(SECOND / 1_000))
                .deny_cache(0)
                .build()
                .unwrap()
        };
        assert_eq!(both(short).record("u", 2).await.unwrap().counted, 2);
        assert!(!both(long).check("u").await.unwrap().is_allowed());
        let ttl = server
            .command(&["PTTL", &format!("shop:ratelimit:{name}-both:{{u}}")])
            .as_int()
            .unwrap();
        assert!(ttl > 1_000_000, "{name}: {ttl}");
        for key in server.command(&["KEYS", "*%log*"]).as_array().unwrap() {
            let ttl = server.command(&["PTTL", key.as_str().unwrap()]);
            assert!(ttl.as_int().unwrap() > 1_000_000, "{key:?}: {ttl:?}");
        }
    }
}

#[tokio::test]
async fn without_a_policy_nothing_is_decided() {
    let ns = namespace().await;
    let none = patient(&ns, "none").build().unwrap();
    assert!(
        none.check("u")
            .await
            .unwrap_err()
            .to_string()
            .contains("no policy")
    );
    assert!(none.peek("u").await.is_err());
    let limits = russet_ratelimit::Limits::new().with("a", Policy::fixed_window(1, HOUR));
    let some = patient(&ns, "some").limits(limits).build().unwrap();
    assert!(some.operation("a").check("u").await.unwrap().is_allowed());
    assert!(some.operation("b").check("u").await.is_err());
    let operation = some.operation("a");
    let waits = operation.until_ready("u", Duration::MAX);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), waits)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_server_that_cannot_save_is_an_outage() {
    let server = Server::with_config([("save", "3600 1000000"), ("dbfilename", "taken.rdb")]);
    let ns = on(&server).await;
    let api = bucket(&ns, OnOutage::Deny);
    assert!(api.check("u").await.unwrap().is_allowed());
    // The file that it saves to is a directory with something in it.
    let taken = std::path::Path::new(&server.config_get("dir")).join("taken.rdb");
    std::fs::create_dir_all(taken.join("x")).unwrap();
    server.command(&["BGSAVE"]);
    until("it has failed to save", async || {
        server
            .info("persistence")
            .get("rdb_last_bgsave_status")
            .is_some_and(|status| status == "err")
    })
    .await;
    let decision = api.check("u").await.unwrap();
    assert_eq!(
        (decision.verdict(), decision.source()),
        (Verdict::Unavailable, Source::Degraded)
    );
    assert_eq!(api.peek("u").await.unwrap().quotas[0].current, 1);
}
