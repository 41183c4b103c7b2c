//! What holds of a subject besides its counts: blocks, limits of its own.

use std::time::Duration;

use russet_ratelimit::{Escalation, Policy, Verdict};

use crate::{HOUR, MINUTE, SECOND, namespace, patient};

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
pub(crate) async fn meddle() -> russet_core::Lane {
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
