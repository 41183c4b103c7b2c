//! What a user calls.

use std::time::{Duration, Instant};

use russet_ratelimit::{Escalation, Period, Policy, Reserved, Source, Verdict};

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
async fn what_is_given_back_is_free_again_and_no_more() {
    let ns = namespace().await;
    for policy in [
        Policy::token_bucket(5, HOUR),
        Policy::sliding_window(5, HOUR),
        Policy::sliding_window(5, HOUR)
            .interpolated()
            .named("smooth"),
        Policy::fixed_window(5, HOUR),
        Policy::sliding_log(5, HOUR),
        Policy::calendar(5, Period::Month, "Europe/Berlin"),
    ] {
        let told = policy.to_string();
        let api = patient(&ns, "api").policy(policy).build().unwrap();
        assert_eq!(api.up_to(&told, 9).await.unwrap().charged(), 5, "{told}");
        assert!(!api.check(&told).await.unwrap().is_allowed(), "{told}");
        api.refund(&told, 2).await.unwrap();
        assert!(api.check_n(&told, 2).await.unwrap().is_allowed(), "{told}");
        assert!(!api.check(&told).await.unwrap().is_allowed(), "{told}");
        api.refund(&told, 100).await.unwrap();
        assert_eq!(api.up_to(&told, 100).await.unwrap().charged(), 5, "{told}");
        // Nothing is given back to who was charged nothing.
        api.refund("stranger", 3).await.unwrap();
        assert_eq!(api.peek("stranger").await.unwrap().remaining(), 5, "{told}");
    }
}

#[tokio::test]
async fn what_happened_counts_above_the_limit_up_to_one_more() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(10, HOUR))
        .build()
        .unwrap();
    let recorded = api.record("u", 7).await.unwrap();
    assert_eq!(
        (recorded.counted, recorded.excess, recorded.remaining),
        (7, 0, 3)
    );
    let recorded = api.record("u", 20).await.unwrap();
    assert_eq!(
        (recorded.counted, recorded.excess, recorded.remaining),
        (13, 7, 0)
    );
    assert_eq!(api.peek("u").await.unwrap().quotas[0].current, 20);
    let huge = api.record("other", u64::MAX).await.unwrap();
    assert_eq!(huge.counted, 20);
}

#[tokio::test]
async fn a_reservation_is_settled_by_what_it_has_cost() {
    let ns = namespace().await;
    let tokens = patient(&ns, "tokens")
        .policy(Policy::fixed_window(1_000, HOUR))
        .build()
        .unwrap();
    let current = async || tokens.peek("ws").await.unwrap().quotas[0].current;
    let Reserved::Granted(less) = tokens.reserve("ws", 600).await.unwrap() else {
        panic!()
    };
    assert!(matches!(
        tokens.reserve("ws", 600).await.unwrap(),
        Reserved::Refused(_)
    ));
    tokens.record("ws", 40).await.unwrap();
    assert_eq!(less.commit(150).await.unwrap().remaining, 810);
    assert_eq!(current().await, 190);
    let Reserved::Granted(more) = tokens.reserve("ws", 100).await.unwrap() else {
        panic!()
    };
    let settled = more.commit(2_500).await.unwrap();
    assert_eq!(
        (settled.counted, settled.excess, current().await),
        (1_810, 690, 2_000)
    );
    tokens.reset("ws").await.unwrap();
    let Reserved::Granted(cancelled) = tokens.reserve("ws", 100).await.unwrap() else {
        panic!()
    };
    cancelled.cancel().await.unwrap();
    assert_eq!(current().await, 0);
    drop(tokens.reserve("ws", 100).await.unwrap());
    assert_eq!(current().await, 100, "dropped, it stays charged");
}

#[tokio::test]
async fn a_block_holds_whatever_is_counted_and_ends() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(100, HOUR))
        .deny_cache(0)
        .build()
        .unwrap();
    assert!(api.check("u").await.unwrap().is_allowed());
    for subject in ["u", "new"] {
        api.block(subject, MINUTE).await.unwrap();
        let decision = api.check(subject).await.unwrap();
        assert_eq!(
            (decision.verdict(), decision.denied_by()),
            (Verdict::Blocked, None)
        );
        assert!(decision.retry_after().unwrap() > Duration::from_secs(50));
        assert!(api.peek(subject).await.unwrap().blocked_for.is_some());
        let counted = async || api.peek(subject).await.unwrap().quotas[0].current;
        let before = counted().await;
        assert_eq!(
            api.up_to(subject, 5).await.unwrap().verdict(),
            Verdict::Blocked
        );
        assert_eq!(counted().await, before, "a blocked call is not charged");
        assert!(api.unblock(subject).await.unwrap());
        assert!(!api.unblock(subject).await.unwrap());
        assert!(api.check(subject).await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn who_goes_on_is_blocked_for_longer_each_time() {
    let ns = namespace().await;
    let blocks = Escalation::after(3, MINUTE)
        .lasts(10 * SECOND)
        .factor(3.0)
        .at_most(MINUTE);
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(1, HOUR))
        .block_after(blocks)
        .build()
        .unwrap();
    assert!(api.check("u").await.unwrap().is_allowed());
    for expected in [10, 30, 60, 60] {
        for _ in 0..3 {
            assert_eq!(api.check("u").await.unwrap().verdict(), Verdict::Denied);
        }
        let decision = api.check("u").await.unwrap();
        assert_eq!(decision.verdict(), Verdict::Blocked);
        let left = decision.retry_after().unwrap().as_secs_f64();
        assert!(
            (left - f64::from(expected)).abs() < 2.0,
            "{left} of {expected}"
        );
        // As if it had passed; what is remembered of it stays.
        end_block(&ns, "api", "u").await;
    }
    // A punishment counts as a denial too.
    for _ in 0..3 {
        api.penalize("v", 1).await.unwrap();
    }
    assert_eq!(api.check("v").await.unwrap().verdict(), Verdict::Blocked);
}

/// Ends a block by setting its end to now, as time would.
async fn end_block(ns: &russet_ratelimit::Namespace, limiter: &str, subject: &str) {
    use russet_core::{Bytes, Command, Policy as Sending};
    let key = ns.stem("ratelimit", limiter).unwrap().tagged(subject, None);
    let lane = meddle().await;
    let get = Command::new("HGET").key(&key).arg("!block");
    let field: Bytes = lane.run(get, Sending::Idempotent).await.unwrap();
    let mut field = field.to_vec();
    field[1..9].copy_from_slice(&0_f64.to_le_bytes());
    let set = Command::new("HSET").key(&key).arg("!block").arg(field);
    let () = lane.run(set, Sending::Idempotent).await.unwrap();
}

/// A lane for what no limiter does to its keys, and a test does.
async fn meddle() -> russet_core::Lane {
    let shared = russet_testkit::Shared::get();
    let redis = russet_core::Redis::connect(shared.unrestricted_url())
        .await
        .unwrap();
    redis.on(russet_ratelimit::CONCERN)
}

#[tokio::test]
async fn a_subject_may_have_a_limit_of_its_own_for_a_while() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::sliding_window(2, HOUR))
        .build()
        .unwrap();
    assert_eq!(api.up_to("vip", 9).await.unwrap().charged(), 2);
    api.override_limit("vip", &Policy::sliding_window(10, HOUR), MINUTE)
        .await
        .unwrap();
    let more = api.up_to("vip", 100).await.unwrap();
    assert_eq!(
        (more.charged(), more.limit(), more.current()),
        (8, 10, 10),
        "what was counted stays"
    );
    api.end_override("vip", "sliding_window").await.unwrap();
    assert_eq!(api.check("vip").await.unwrap().limit(), 2);
    // Also for one that nothing is counted of yet, and for a while only.
    api.override_limit(
        "new",
        &Policy::sliding_window(7, HOUR),
        Duration::from_millis(1),
    )
    .await
    .unwrap();
    crate::until("the override ends", async || {
        api.peek("new").await.unwrap().quotas[0].limit == 2
    })
    .await;
    for wrong in [
        Policy::sliding_window(0, HOUR),
        Policy::token_bucket(1, HOUR),
        Policy::fixed_window(1, HOUR).named("sliding_window"),
    ] {
        assert!(
            api.override_limit("vip", &wrong, MINUTE).await.is_err(),
            "{wrong}"
        );
    }
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
    let ttl: i64 = meddle()
        .await
        .run(ttl, russet_core::Policy::Idempotent)
        .await
        .unwrap();
    assert!(ttl > 3_500_000, "{ttl}");
    assert_eq!(long.peek("u").await.unwrap().quotas[0].current, 1);
}

#[tokio::test]
async fn a_limit_of_its_own_holds_for_what_costs_more_than_the_usual_one() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(10, HOUR))
        .build()
        .unwrap();
    api.override_limit("vip", &Policy::fixed_window(100, HOUR), HOUR)
        .await
        .unwrap();
    assert_eq!(api.check_n("vip", 50).await.unwrap().charged(), 50);
    assert_eq!(
        api.check_n("u", 50).await.unwrap().verdict(),
        Verdict::Impossible
    );
    assert_eq!(
        api.check_n("vip", 101).await.unwrap().verdict(),
        Verdict::Impossible
    );
    // It is not forgotten by one who decides by other policies.
    let both = patient(&ns, "both")
        .policy(Policy::sliding_window(10, HOUR))
        .policy(Policy::fixed_window(10, HOUR))
        .build()
        .unwrap();
    both.override_limit("vip", &Policy::fixed_window(1, HOUR), HOUR)
        .await
        .unwrap();
    for _ in 0..2 {
        assert!(both.is_allowed("vip", 100).await.unwrap().0);
    }
    assert_eq!(both.check_n("vip", 1).await.unwrap().limit(), 1);
}

#[tokio::test]
async fn a_block_is_never_shortened() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(10, HOUR))
        .block_after(Escalation::after(1, MINUTE))
        .build()
        .unwrap();
    let left = async || api.peek("u").await.unwrap().blocked_for.unwrap();
    api.block("u", 10 * HOUR).await.unwrap();
    api.block("u", MINUTE).await.unwrap();
    api.penalize("u", 1).await.unwrap();
    assert!(left().await > 9 * HOUR, "{:?}", left().await);
    api.unblock("u").await.unwrap();
    api.block("u", MINUTE).await.unwrap();
    assert!(left().await <= MINUTE);
}

#[tokio::test]
async fn what_is_given_back_does_not_end_a_cooldown() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::cooldown(HOUR))
        .policy(Policy::fixed_window(1_000, HOUR))
        .build()
        .unwrap();
    let Reserved::Granted(reservation) = api.reserve("u", 600).await.unwrap() else {
        panic!()
    };
    reservation.commit(599).await.unwrap();
    assert_eq!(api.check("u").await.unwrap().denied_by(), Some("cooldown"));
    api.reset("u").await.unwrap();
    assert!(api.check("u").await.unwrap().is_allowed());
}

#[tokio::test]
async fn what_is_settled_after_a_window_is_not_taken_from_the_next() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(1_000, SECOND).named("second"))
        .policy(Policy::fixed_window(1_000, HOUR).named("hour"))
        .build()
        .unwrap();
    // Until all that follows its first window falls into one more.
    for turn in 0.. {
        let subject = format!("u{turn}");
        let counted = async || {
            let quotas = api.peek(&subject).await.unwrap().quotas;
            [quotas[0].current, quotas[1].current]
        };
        let Reserved::Granted(reservation) = api.reserve(&subject, 600).await.unwrap() else {
            panic!()
        };
        crate::until("its window ends", async || counted().await[0] == 0).await;
        let began = Instant::now();
        assert!(api.check_n(&subject, 300).await.unwrap().is_allowed());
        reservation.commit(150).await.unwrap();
        let counted = counted().await;
        if began.elapsed() < SECOND {
            assert_eq!(counted, [300, 450]);
            break;
        }
        assert!(turn < 20, "this machine takes a second for each of them");
    }
}

#[tokio::test]
async fn a_cooldown_does_not_mind_how_much_is_granted() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::cooldown(HOUR))
        .policy(Policy::fixed_window(100, HOUR))
        .build()
        .unwrap();
    assert_eq!(api.up_to("u", 70).await.unwrap().charged(), 70);
    let denied = api.up_to("u", 70).await.unwrap();
    assert_eq!(
        (denied.charged(), denied.denied_by()),
        (0, Some("cooldown"))
    );
}

#[tokio::test]
async fn denials_by_a_policy_of_the_call_lead_to_blocks_too() {
    let ns = namespace().await;
    let api = patient(&ns, "api")
        .policy(Policy::fixed_window(10, HOUR))
        .block_after(Escalation::after(2, MINUTE))
        .build()
        .unwrap();
    let mine = Policy::fixed_window(1, HOUR).named("mine");
    let mut verdicts = Vec::new();
    for _ in 0..4 {
        verdicts.push(api.check_with("u", &mine).await.unwrap().verdict());
    }
    assert_eq!(
        verdicts,
        [
            Verdict::Allowed,
            Verdict::Denied,
            Verdict::Denied,
            Verdict::Blocked
        ]
    );
    assert_eq!(api.check("u").await.unwrap().verdict(), Verdict::Blocked);
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
