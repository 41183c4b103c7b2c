//! What has happened, what is given back, and what turned out to cost something else.

use std::time::Instant;

use russet_ratelimit::{Period, Policy, Reserved};

use crate::{HOUR, SECOND, namespace, patient};

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
