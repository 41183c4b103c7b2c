//! Who was let through and who was not.

use std::collections::BTreeMap;
use std::time::Duration;

use russet_ratelimit::{Limiter, Limits, Policy};
use russet_testkit::Server;

use crate::{HOUR, MINUTE, SECOND, on};

#[tokio::test]
async fn processes_report_together() {
    let server = Server::start();
    let ns = on(&server).await;
    let build = || {
        Limiter::builder(&ns, "api")
            .deadline(2 * SECOND)
            .policy(Policy::fixed_window(100, HOUR))
            .policy(Policy::sliding_window(1_000, HOUR))
            .policy(Policy::fixed_window(20, HOUR).named("planned").shadow())
            .limits(Limits::new().with("GET /", Policy::fixed_window(1, HOUR).named("root")))
            .analytics(HOUR)
            .build()
            .unwrap()
    };
    let processes = [build(), build()];
    for turn in 0..1_000 {
        let api = &processes[turn % 2];
        let _ = api
            .check(if turn % 4 == 0 { "a:b" } else { "c" })
            .await
            .unwrap();
        if turn < 200 {
            let _ = api.operation("GET /").check("c").await.unwrap();
        }
    }
    processes[0].block("d", MINUTE).await.unwrap();
    for _ in 0..1_000 {
        let _ = processes[0].check("d").await.unwrap();
    }
    for process in &processes {
        process.tell_analytics().await.unwrap();
        process.tell_analytics().await.unwrap();
    }
    // A minute may end meanwhile.
    let report = processes[1].report(2, 2).await.unwrap();
    let sum = |count: &dyn Fn(&russet_ratelimit::Minute) -> u64| {
        report.minutes.iter().map(count).sum::<u64>()
    };
    assert_eq!(sum(&|minute| minute.allowed), 201);
    assert_eq!(sum(&|minute| minute.blocked), 1_000);
    let denied = sum(&|minute| minute.denied.values().sum());
    assert!(
        (995..=999).contains(&denied),
        "but for what is lost by rounding: {report:?}"
    );
    let of = |counts: &BTreeMap<String, u64>, policy: &str| *counts.get(policy).unwrap_or(&0);
    // Of 998 denials by chance a few more or less than the 199 that there were.
    let root = sum(&|minute| of(&minute.denied, "root"));
    assert!((20..600).contains(&root), "{report:?}");
    // Each of the two subjects may do twenty by the policy that only watches.
    assert_eq!(sum(&|minute| of(&minute.would_deny, "planned")), 960);
    let by = |policy: &str| sum(&|minute| of(&minute.allowed_by, policy));
    let (window, root) = (by("fixed_window"), by("root"));
    assert_eq!(
        by("sliding_window"),
        window,
        "they let the same calls through"
    );
    assert!((199..=201).contains(&(window + root)), "{report:?}");
    assert!(by("planned") < window, "{report:?}");
    let names: Vec<&str> = report
        .most_denied
        .iter()
        .map(|(subject, _)| &**subject)
        .collect();
    assert_eq!(names.len(), 2, "{report:?}");
    // By chance a few more or less than the 1,000 that there were; of the others one has some 650.
    let of_d = report.most_denied.iter().find(|(name, _)| name == "d");
    assert!(
        of_d.is_some_and(|(_, count)| (300..3_000).contains(count)),
        "{report:?}"
    );
    for key in server.command(&["KEYS", "*%*"]).as_array().unwrap() {
        assert!(
            server
                .command(&["PTTL", key.as_str().unwrap()])
                .as_int()
                .unwrap()
                > 0
        );
    }
    // What cannot be told is told the next time.
    let _ = processes[0].check("e").await.unwrap();
    server.pause();
    assert!(processes[0].tell_analytics().await.is_err());
    server.resume();
    crate::until("it is told the next time", async || {
        processes[0].tell_analytics().await.is_ok()
    })
    .await;
    // The other process' connection stood still as well, and may be being replaced.
    let mut report = None;
    crate::until("it is read again", async || {
        report = processes[1].report(2, 2).await.ok();
        report.is_some()
    })
    .await;
    let report = report.unwrap();
    // Whether what was sent while it was paused was told too nobody can know; it is not told twice.
    let allowed: u64 = report.minutes.iter().map(|minute| minute.allowed).sum();
    assert!((201..=202).contains(&allowed), "{report:?}");
    assert!(
        Limiter::builder(&ns, "x")
            .analytics(Duration::from_secs(1))
            .build()
            .is_err()
    );
}

#[tokio::test]
async fn what_was_certainly_not_told_is_told_later() {
    let server = Server::start();
    let ns = on(&server).await;
    let api = Limiter::builder(&ns, "api")
        .policy(Policy::fixed_window(100, HOUR))
        .analytics(HOUR)
        .build()
        .unwrap();
    for _ in 0..5 {
        let _ = api.check("u").await.unwrap();
    }
    server.kill();
    let refused = || async { api.tell_analytics().await.unwrap_err() };
    // What was sent on the connection as it was lost may have been told, as far as anybody knows.
    crate::until("it is known to be away", async || {
        api.peek("u")
            .await
            .is_err_and(|error| !error.may_have_executed())
    })
    .await;
    assert!(!refused().await.may_have_executed());
    server.restart();
    crate::until("it is told", async || api.tell_analytics().await.is_ok()).await;
    let report = api.report(2, 0).await.unwrap();
    let sum = |count: &dyn Fn(&russet_ratelimit::Minute) -> u64| {
        report.minutes.iter().map(count).sum::<u64>()
    };
    assert_eq!(sum(&|minute| minute.allowed), 5);
    assert_eq!(sum(&|minute| minute.allowed_by["fixed_window"]), 5);
}
