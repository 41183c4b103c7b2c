//! Several subjects in one decision.

use russet_ratelimit::{Joint, Limiter, Policy, Verdict};
use russet_testkit::{Cluster, Server};

use crate::{HOUR, namespace, on, patient};

fn limiter(ns: &russet_ratelimit::Namespace, name: &str, limit: u64) -> Limiter {
    patient(ns, name)
        .policy(Policy::sliding_window(limit, HOUR))
        .deny_cache(0)
        .build()
        .unwrap()
}

async fn counted(limiter: &Limiter, subject: &str) -> u64 {
    limiter.peek(subject).await.unwrap().quotas[0].current
}

#[tokio::test]
async fn subjects_are_charged_together_or_not_at_all() {
    let ns = namespace().await;
    let (users, hosts) = (limiter(&ns, "users", 2), limiter(&ns, "hosts", 3));
    let ask = async |user: &str, host: &str| {
        let joint = Joint::of(&users, user).and(&hosts, host);
        joint.check().await.unwrap()
    };
    assert!(ask("a", "h").await.is_allowed());
    assert!(ask("a", "h").await.is_allowed());
    let denied = ask("a", "h").await;
    assert!(!denied.is_allowed());
    let verdicts: Vec<_> = denied.decisions().iter().map(|one| one.verdict()).collect();
    assert_eq!(verdicts, [Verdict::Denied, Verdict::HeldBack]);
    assert_eq!(denied.decision().unwrap().limit(), 2);
    assert_eq!(
        (counted(&users, "a").await, counted(&hosts, "h").await),
        (2, 2)
    );
    assert!(ask("b", "h").await.is_allowed());
    let denied = ask("b", "h").await;
    assert_eq!(denied.decision().unwrap().limit(), 3, "the host's limit");
    assert_eq!(
        (counted(&users, "b").await, counted(&hosts, "h").await),
        (1, 3)
    );
    // A cost that one of them can never bear is told at once.
    let joint = Joint::of(&users, "new")
        .and(&hosts, "other")
        .cost(3)
        .check()
        .await
        .unwrap();
    assert_eq!(joint.decision().unwrap().verdict(), Verdict::Impossible);
    assert_eq!(counted(&hosts, "other").await, 0);
    assert!(
        Joint::of(&users, "a")
            .and(&users, "a")
            .check()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn on_one_server_it_is_one_script() {
    let server = Server::start();
    let ns = on(&server).await;
    let (users, hosts) = (limiter(&ns, "users", 2), limiter(&ns, "hosts", 3));
    assert!(
        Joint::of(&users, "a")
            .and(&hosts, "h")
            .check()
            .await
            .unwrap()
            .is_allowed()
    );
    let calls = || server.info("commandstats").get("cmdstat_evalsha").cloned();
    let before = calls();
    server.command(&["CONFIG", "RESETSTAT"]);
    assert!(
        Joint::of(&users, "a")
            .and(&hosts, "h")
            .check()
            .await
            .unwrap()
            .is_allowed()
    );
    assert!(
        calls().unwrap().starts_with("calls=1,"),
        "{before:?} {:?}",
        calls()
    );
}

#[tokio::test]
async fn across_slots_what_was_charged_is_given_back() {
    let cluster = Cluster::start(3);
    let redis = russet_ratelimit::Redis::connect(&cluster.url())
        .await
        .unwrap();
    let ns = redis.namespace("shop").unwrap();
    let (users, hosts) = (limiter(&ns, "users", 10), limiter(&ns, "hosts", 3));
    for number in 0..6 {
        let user = format!("user {number}");
        let joint = Joint::of(&users, &*user)
            .and(&hosts, "h")
            .check()
            .await
            .unwrap();
        assert_eq!(joint.is_allowed(), number < 3, "{joint:?}");
        assert_eq!(counted(&users, &user).await, u64::from(number < 3));
    }
    assert_eq!(counted(&hosts, "h").await, 3);
    let stats = users.stats();
    assert_eq!((stats.allowed, stats.held_back), (3, 3), "{stats:?}");
    // Subjects of all slots at once, by the long way and the short one.
    let both = patient(&ns, "both")
        .policy(Policy::token_bucket(2, HOUR))
        .policy(Policy::sliding_log(2, HOUR))
        .build()
        .unwrap();
    let subjects: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for limiter in [&both, &limiter(&ns, "short", 2)] {
        for turn in 0..3 {
            let decisions = limiter
                .check_many(subjects.iter().map(|subject| (&**subject, 1)))
                .await;
            for decision in decisions {
                assert_eq!(decision.unwrap().is_allowed(), turn < 2);
            }
        }
    }
}
