//! What a user calls.

use std::time::Duration;

use russet_ratelimit::{Policy, Source, Verdict};

use crate::{HOUR, MINUTE, SECOND, namespace, patient};

#[tokio::test]
async fn a_bucket_lets_a_burst_through_and_says_what_is_left() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::token_bucket(1, MINUTE).burst(3))
        .build()
        .unwrap();
    for used in 1..=3 {
        let decision = api.check("user:42").await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!(
            (decision.limit(), decision.current(), decision.remaining()),
            (3, used, 3 - used)
        );
        assert_eq!(
            (decision.policy(), decision.denied_by()),
            (Some("token_bucket"), None)
        );
        assert_eq!((decision.charged(), decision.source()), (1, Source::Redis));
        assert_eq!(decision.retry_after(), None);
    }
    let decision = api.check("user:42").await.unwrap();
    assert_eq!(
        (decision.verdict(), decision.denied_by()),
        (Verdict::Denied, Some("token_bucket"))
    );
    let wait = decision.retry_after().unwrap();
    assert!(
        (Duration::from_secs(59)..=MINUTE).contains(&wait),
        "{wait:?}"
    );
    let reset = decision.reset_after();
    assert!(
        (Duration::from_secs(179)..=3 * MINUTE).contains(&reset),
        "{reset:?}"
    );
    // From this process's memory, with less to wait.
    let again = api.check("user:42").await.unwrap();
    assert_eq!(
        (again.verdict(), again.source()),
        (Verdict::Denied, Source::Local)
    );
    assert!(again.retry_after().unwrap() <= wait);
    assert!(
        api.check("user:43").await.unwrap().is_allowed(),
        "others are others"
    );
    assert_eq!(api.stats().allowed, 4);
    assert_eq!((api.stats().denied, api.stats().local), (2, 1));
}

#[tokio::test]
async fn policies_decide_together_and_a_denial_charges_none() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::sliding_window(5, HOUR))
        .policy(Policy::token_bucket(2, MINUTE))
        .policy(Policy::sliding_log(4, HOUR).named("log"))
        .deny_cache(0)
        .build()
        .unwrap();
    assert!(api.check_n("u", 2).await.unwrap().is_allowed());
    let denied = api.check("u").await.unwrap();
    assert_eq!(denied.denied_by(), Some("token_bucket"));
    let peek = api.peek("u").await.unwrap();
    let counted: Vec<_> = peek
        .quotas
        .iter()
        .map(|quota| (&*quota.policy, quota.current, quota.limit))
        .collect();
    assert_eq!(
        counted,
        [
            ("sliding_window", 2, 5),
            ("token_bucket", 2, 2),
            ("log", 2, 4)
        ]
    );
    assert_eq!(peek.remaining(), 0);
    assert!(api.reset("u").await.unwrap());
    assert!(!api.reset("u").await.unwrap());
    assert_eq!(api.peek("u").await.unwrap().remaining(), 2);
    assert_eq!(
        api.check_n("u", 3).await.unwrap().verdict(),
        Verdict::Impossible
    );
}

#[tokio::test]
async fn one_that_watches_denies_nobody() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(2, HOUR).named("new").shadow())
        .policy(Policy::fixed_window(4, HOUR))
        .build()
        .unwrap();
    let mut told = Vec::new();
    for _ in 0..5 {
        let decision = api.check("u").await.unwrap();
        told.push((
            decision.is_allowed(),
            decision.would_deny().map(ToOwned::to_owned),
        ));
    }
    let new = || Some("new".to_owned());
    assert_eq!(
        told,
        [
            (true, None),
            (true, None),
            (true, new()),
            (true, new()),
            (false, new())
        ]
    );
    assert_eq!(api.stats().would_deny, 3);
}

#[tokio::test]
async fn a_limit_of_the_call_s_own() {
    let ns = namespace().await;
    let api = patient(&ns, "api").build().unwrap();
    assert_eq!(api.is_allowed("u", 3).await.unwrap(), (true, 1, 2));
    assert_eq!(api.is_allowed("u", 3).await.unwrap(), (true, 2, 1));
    assert_eq!(api.is_allowed("u", 2).await.unwrap(), (false, 2, 0));
    assert_eq!(
        api.is_allowed("u", 5).await.unwrap(),
        (true, 3, 2),
        "counts stay, whatever the limit"
    );
    let policy = Policy::cooldown(HOUR);
    assert!(api.check_with("u", &policy).await.unwrap().is_allowed());
    assert_eq!(
        api.check_with("u", &policy).await.unwrap().denied_by(),
        Some("cooldown")
    );
}

#[tokio::test]
async fn denied_calls_are_charged_where_that_is_wanted() {
    let ns = namespace().await;
    let build = |name, policy| {
        patient(&ns, name)
            .policy(policy)
            .charge_denied()
            .build()
            .unwrap()
    };
    let api = build("api", Policy::token_bucket(1, MINUTE).burst(2));
    assert!(api.check_n("u", 2).await.unwrap().is_allowed());
    let waits: Vec<u64> = {
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(
                api.check("u")
                    .await
                    .unwrap()
                    .retry_after()
                    .unwrap()
                    .as_secs_f64()
                    .round() as u64,
            );
        }
        waits
    };
    assert_eq!(waits, [120, 180, 180, 180], "by one limit more at most");
}

#[tokio::test]
async fn whoever_waits_comes_in_order() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::token_bucket(50, SECOND).burst(1))
        .build()
        .unwrap();
    assert!(api.check("u").await.unwrap().is_allowed());
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (api, order) = (api.clone(), order.clone());
        waiting.spawn(async move {
            let decision = api.until_ready("u", 20 * SECOND).await.unwrap();
            assert!(decision.is_allowed());
            order.lock().unwrap().push(number);
        });
        // Each asks before the next one.
        tokio::task::yield_now().await;
    }
    waiting.join_all().await;
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    let slow = patient(&ns, "slow")
        .policy(Policy::fixed_window(1, HOUR))
        .build()
        .unwrap();
    assert!(slow.until_ready("u", SECOND).await.unwrap().is_allowed());
    let began = std::time::Instant::now();
    assert!(
        !slow
            .until_ready("u", 10 * SECOND)
            .await
            .unwrap()
            .is_allowed()
    );
    assert!(began.elapsed() < 5 * SECOND, "it does not wait in vain");
}

#[tokio::test]
async fn a_denial_that_is_remembered_is_of_its_cost_and_above() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(5, HOUR))
        .build()
        .unwrap();
    assert!(api.check_n("u", 3).await.unwrap().is_allowed());
    assert_eq!(api.check_n("u", 3).await.unwrap().source(), Source::Redis);
    for cost in [3, 4, 5] {
        let decision = api.check_n("u", cost).await.unwrap();
        assert_eq!(
            (decision.verdict(), decision.source()),
            (Verdict::Denied, Source::Local)
        );
    }
    assert!(
        api.check_n("u", 2).await.unwrap().is_allowed(),
        "less may pass"
    );
}

#[tokio::test]
async fn processes_with_other_policies_do_not_end_each_other_s_counts() {
    let ns = namespace().await;
    let build = |policy| patient(&ns, "api").policy(policy).build().unwrap();
    let long = build(Policy::fixed_window(5, HOUR).named("long"));
    let short = build(Policy::fixed_window(5, SECOND).named("short"));
    assert!(long.check("u").await.unwrap().is_allowed());
    assert!(short.check("u").await.unwrap().is_allowed());
    let key = ns.stem("ratelimit", "api").unwrap().tagged("u", None);
    let ttl = russet_core::Command::new("PTTL").key(&key);
    let ttl: i64 = crate::blocks::meddle()
        .await
        .run(ttl, russet_core::Policy::Idempotent)
        .await
        .unwrap();
    assert!(ttl > 3_500_000, "{ttl}");
    assert_eq!(long.peek("u").await.unwrap().quotas[0].current, 1);
}

#[tokio::test]
async fn is_allowed_does_not_touch_the_limiter_s_own_window() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::sliding_window(100, HOUR))
        .build()
        .unwrap();
    assert_eq!(api.up_to("u", 50).await.unwrap().charged(), 50);
    assert_eq!(api.is_allowed("u", 1_000).await.unwrap(), (true, 1, 999));
    assert_eq!(api.is_allowed("u", 1_000).await.unwrap(), (true, 2, 998));
    assert_eq!(api.peek("u").await.unwrap().quotas[0].current, 50);
}

#[tokio::test]
async fn a_cost_that_can_never_pass_is_told_so_also_of_who_was_denied() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(5, HOUR))
        .build()
        .unwrap();
    let verdict = async |cost| api.check_n("u", cost).await.unwrap().verdict();
    assert_eq!(verdict(3).await, Verdict::Allowed);
    assert_eq!(verdict(3).await, Verdict::Denied);
    assert_eq!(verdict(5).await, Verdict::Denied);
    assert_eq!(verdict(6).await, Verdict::Impossible);
    assert_eq!(verdict(2).await, Verdict::Allowed);
}
