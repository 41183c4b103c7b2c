//! Calls that are dropped at each of their await points: nobody waits for who is not there, and no more is charged than was asked for.

use russet_ratelimit::{Concurrency, Escalation, Joint, Limiter, Policy, Reserved};
use russet_testkit::dropped_after;
use std::pin::Pin;

use crate::{HOUR, MINUTE, SECOND, namespace, until};

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What may be called, and how much it charges at most.
fn calls(api: &Limiter, subject: &str) -> Vec<(&'static str, u64, Call)> {
    macro_rules! call {
        ($name:literal, $most:expr, |$api:ident, $subject:ident| $call:expr) => {{
            let ($api, $subject) = (api.clone(), subject.to_owned());
            let call: Call = Box::pin(async move {
                let _ = $call.await;
            });
            ($name, $most, call)
        }};
    }
    vec![
        call!("check", 1, |api, subject| api.check(&subject)),
        call!("check_n", 3, |api, subject| api.check_n(&subject, 3)),
        call!("up_to", 5, |api, subject| api.up_to(&subject, 5)),
        call!("record", 2, |api, subject| api.record(&subject, 2)),
        call!("penalize", 2, |api, subject| api.penalize(&subject, 2)),
        call!("refund", 0, |api, subject| api.refund(&subject, 1)),
        call!("reset", 0, |api, subject| api.reset(&subject)),
        call!("unblock", 0, |api, subject| api.unblock(&subject)),
        call!("until_ready", 1, |api, subject| api
            .until_ready(&subject, SECOND)),
        call!("check_many", 2, |api, subject| api
            .check_many([(&subject, 1), (&subject, 1)])),
        call!("joint", 1, |api, subject| async {
            Joint::of(&api, &subject).and(&api, "other").check().await
        }),
        call!("end_override", 0, |api, subject| api
            .end_override(&subject, "fixed_window")),
        call!("override_limit", 0, |api, subject| async {
            let policy = Policy::fixed_window(1_000, HOUR);
            api.override_limit(&subject, &policy, MINUTE).await
        }),
        call!("reserve and commit", 4, |api, subject| async {
            if let Ok(Reserved::Granted(reservation)) = api.reserve(&subject, 4).await {
                let _ = reservation.commit(2).await;
            }
        }),
        call!("tell_analytics", 0, |api, _subject| api.tell_analytics()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_charged_than_was_asked_for_and_nobody_is_kept_waiting() {
    let ns = namespace().await;
    let build = |name: &str| {
        Limiter::builder(&ns, name)
            .policy(Policy::fixed_window(1_000, HOUR))
            .deadline(10 * SECOND)
    };
    let blocks = Escalation::after(1_000, MINUTE);
    for api in [
        build("plain").analytics(HOUR).build().unwrap(),
        build("leased").leases(50).build().unwrap(),
        build("blocks").block_after(blocks).build().unwrap(),
    ] {
        for polls in 0..4 {
            let subject = format!("u{polls}");
            let mut most = 0;
            for (name, charges, call) in calls(&api, &subject) {
                let _ = dropped_after(polls, call).await;
                most += charges;
                // What was dropped may be on its way; this one comes behind it.
                let decision = tokio::time::timeout(5 * SECOND, api.check(&subject)).await;
                assert!(
                    decision
                        .unwrap_or_else(|_| panic!("{name} after {polls}"))
                        .unwrap()
                        .is_allowed()
                );
                most += 1;
            }
            api.return_leases().await.unwrap();
            let counted = async || api.peek(&subject).await.unwrap().quotas[0].current;
            until(
                &format!(
                    "{api:?} after {polls}: no more than {most}, {}",
                    counted().await
                ),
                async || counted().await <= most,
            )
            .await;
            let ready = tokio::time::timeout(5 * SECOND, api.until_ready(&subject, SECOND)).await;
            assert!(ready.expect("nobody is before it").unwrap().is_allowed());
        }
    }
}

#[tokio::test]
async fn what_was_counted_is_told_also_by_who_goes_away() {
    let ns = namespace().await;
    let api = crate::patient(&ns, "api")
        .policy(Policy::fixed_window(1_000, HOUR))
        .analytics(HOUR)
        .build()
        .unwrap();
    for polls in 0..4 {
        let _ = api.check("u").await.unwrap();
        let one = api.clone();
        let call: Call = Box::pin(async move {
            let _ = one.tell_analytics().await;
        });
        let _ = dropped_after(polls, call).await;
        until("all is told, once", async || {
            let report = api.report(2, 0).await.unwrap();
            let told: u64 = report.minutes.iter().map(|minute| minute.allowed).sum();
            told == polls as u64 + 1
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_acquire_is_free_again_when_its_lease_ends() {
    let ns = namespace().await;
    let exports = Concurrency::builder(&ns, "exports")
        .deadline(10 * SECOND)
        .lease(SECOND)
        .build()
        .unwrap();
    for polls in 0..5 {
        let one = exports.clone();
        let call: Call = Box::pin(async move {
            let _ = one.acquire("ws").await;
        });
        let _ = dropped_after(polls, call).await;
        let permit = exports.acquire_within("ws", 10 * SECOND).await.unwrap();
        assert!(permit.expect("it is free again").release().await.unwrap());
    }
}
