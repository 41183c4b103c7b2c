//! What processes fetch ahead: nobody is let through who should not be, by the time at which each was.

use std::time::{Duration, Instant};

use russet_ratelimit::{Limiter, Limits, Namespace, Policy, Redis, Source, Verdict};
use russet_testkit::Server;
use russet_testkit::proxy::{Command, Fault, Match, Proxy};
use tokio::task::JoinSet;

use crate::{HOUR, SECOND, namespace, on, size, until};

fn leased(ns: &Namespace, policy: Policy) -> Limiter {
    Limiter::builder(ns, "leased")
        .policy(policy)
        .leases(1_000)
        .deadline(10 * SECOND)
        .build()
        .unwrap()
}

/// As fast as they can, by two connections that know nothing of each other; when each was let through, and how many of them without
/// asking Redis.
async fn rush(server: &Server, policy: &Policy, lasts: Duration) -> (Vec<Instant>, usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let limiter = leased(&on(server).await, policy.clone());
        for _ in 0..8 {
            let limiter = limiter.clone();
            tasks.spawn(async move {
                let (began, mut times, mut local) = (Instant::now(), Vec::new(), 0);
                while began.elapsed() < lasts {
                    let mut decision = limiter.check("hot").await.unwrap();
                    if !decision.is_allowed() {
                        let left = lasts.saturating_sub(began.elapsed());
                        decision = limiter.until_ready("hot", left).await.unwrap();
                    }
                    if decision.is_allowed() {
                        times.push(Instant::now());
                        local += usize::from(decision.source() == Source::Local);
                    }
                }
                (times, local)
            });
        }
    }
    let all = tasks.join_all().await;
    let local = all.iter().map(|(_, local)| local).sum();
    let mut times: Vec<Instant> = all.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_unstable();
    (times, local)
}

/// The most that were let through within so long.
fn peak(times: &[Instant], window: Duration) -> usize {
    let (mut first, mut peak) = (0, 0);
    for (at, time) in times.iter().enumerate() {
        while *time - times[first] >= window {
            first += 1;
        }
        peak = peak.max(at + 1 - first);
    }
    peak
}

/// A task may be kept waiting between being let through and saying so.
const LATE: Duration = Duration::from_millis(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_holds_with_leases() {
    let server = Server::start();
    let (limit, window) = (40_000, 2 * SECOND);
    // Sub-windows of 200 ms: a lease that lived longer would be seen.
    let policy = Policy::sliding_window(limit as u64, window).resolution(10);
    let (times, local) = rush(&server, &policy, Duration::from_secs(size(20, 5))).await;
    let peak = peak(&times, window - LATE);
    assert!(peak <= limit, "{peak} of {limit}");
    assert!(times.len() >= limit * 3 / 2, "{}", times.len());
    assert!(local * 10 >= times.len() * 8, "{local} of {}", times.len());
}

/// How many times so many microseconds have passed, by the server's clock.
fn sub_window(server: &Server, width: u64) -> u64 {
    let time = server.command(&["TIME"]);
    let part = |at: usize| {
        time.as_array().unwrap()[at]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    (part(0) * 1_000_000 + part(1)) / width
}

#[tokio::test]
async fn a_lease_dies_with_the_sub_window_in_which_it_was_charged() {
    let server = Server::start();
    let ns = on(&server).await;
    let width = 200_000;
    let policy = Policy::sliding_window(1_000_000, 2 * SECOND).resolution(10);
    let limiter = leased(&ns, policy);
    for _ in 0..size(20, 4) {
        // Until something was fetched ahead that is not spent at once.
        let fetched = loop {
            let before = sub_window(&server, width);
            for _ in 0..50 {
                let decision = limiter.check("u").await.unwrap();
                assert!(decision.is_allowed());
            }
            let last = limiter.check("u").await.unwrap();
            if last.source() == Source::Local && sub_window(&server, width) == before {
                break before;
            }
        };
        until("the next sub-window begins", async || {
            sub_window(&server, width) != fetched
        })
        .await;
        let decision = limiter.check("u").await.unwrap();
        assert_eq!(
            decision.source(),
            Source::Redis,
            "what was fetched in the sub-window before is not spent in this one"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_holds_with_leases() {
    let server = Server::start();
    let (burst, rate) = (20_000, 10_000);
    let policy = Policy::token_bucket(rate, SECOND).burst(burst);
    let (times, local) = rush(&server, &policy, Duration::from_secs(size(20, 5))).await;
    for window in [1, 10, 50, 100, 300, 1_000, 3_000].map(Duration::from_millis) {
        let most = burst as f64 + rate as f64 * (window + LATE).as_secs_f64();
        let peak = peak(&times, window);
        assert!(peak as f64 <= most, "{peak} of {most} in {window:?}");
    }
    assert!(times.len() as u64 >= burst + rate * 2, "{}", times.len());
    assert!(local * 10 >= times.len(), "{local} of {}", times.len());
}

#[tokio::test]
async fn few_of_many_calls_ask_redis_and_what_is_not_spent_is_given_back() {
    let server = Server::start();
    let ns = on(&server).await;
    let limiter = leased(&ns, Policy::fixed_window(1_000_000, HOUR));
    let spend = async |calls: u64| {
        for _ in 0..calls {
            assert!(limiter.check("u").await.unwrap().is_allowed());
        }
    };
    // Warm: how much it spends has to be seen first.
    spend(2_000).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    spend(20_000).await;
    let stats = server.info("commandstats");
    let calls: u64 = stats["cmdstat_evalsha"]
        .split(['=', ','])
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(calls <= 20 * 20, "{calls} calls for 20,000 decisions");
    let counted = async || limiter.peek("u").await.unwrap().quotas[0].current;
    until("what was not spent is given back", async || {
        counted().await == 22_000
    })
    .await;
    spend(1_000).await;
    limiter.return_leases().await.unwrap();
    assert_eq!(counted().await, 23_000);
    // What holds from elsewhere ends a lease of this process at once.
    spend(1_000).await;
    limiter.block("u", HOUR).await.unwrap();
    assert!(!limiter.check("u").await.unwrap().is_allowed());
}

#[tokio::test]
async fn near_the_limit_nothing_is_fetched_ahead_and_the_limit_is_exact() {
    let ns = namespace().await;
    let limiters = [
        leased(&ns, Policy::sliding_window(1_000, HOUR)),
        leased(&ns, Policy::sliding_window(1_000, HOUR)),
    ];
    let mut allowed = 0;
    for turn in 0..3_000 {
        let decision = limiters[turn % 2]
            .check_n("u", 1 + turn as u64 % 2)
            .await
            .unwrap();
        allowed += decision.charged();
        assert!(decision.current() <= 1_000);
    }
    for limiter in &limiters {
        limiter.return_leases().await.unwrap();
    }
    // What the other process gave back may be denied here from memory, for a second.
    until("the rest is let through", async || {
        allowed += limiters[0].up_to("u", 1_000).await.unwrap().charged();
        assert!(allowed <= 1_000, "{allowed}");
        allowed == 1_000
    })
    .await;
    for wrong in [
        Policy::sliding_log(5, HOUR),
        Policy::cooldown(HOUR),
        Policy::token_bucket(1, HOUR),
    ] {
        assert!(
            Limiter::builder(&ns, "wrong")
                .policy(wrong)
                .leases(10)
                .build()
                .is_err()
        );
    }
}

/// Of a window whose sub-windows are so short that a lease is given back while the window lasts, on a way that takes longer than that.
#[tokio::test]
async fn what_is_given_back_late_is_not_taken_from_what_others_were_charged() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let policy = Policy::sliding_window(100_000, SECOND).resolution(10);
    let leases = leased(&redis.namespace("shop").unwrap(), policy.clone());
    let plain = crate::patient(&on(&server).await, "leased")
        .policy(policy)
        .build()
        .unwrap();
    let counted = async |subject: &str| plain.peek(subject).await.unwrap().quotas[0].current;
    // Until it was all done within the window of the call that is charged here.
    for turn in 0.. {
        let subject = format!("u{turn}");
        // Many at once: one after the other they may be too slow on a busy machine for anything to be fetched ahead in a tenth of a second.
        until("something is fetched ahead", async || {
            let all = (0..32).map(|_| leases.check(&subject));
            let all = futures_util::future::join_all(all).await;
            all.into_iter()
                .any(|one| one.unwrap().source() == Source::Local)
        })
        .await;
        let gives_back = Match::when(|command: &Command<'_>| {
            command.args().last().is_some_and(|arg| arg.contains(&b'@'))
        });
        let late = proxy.inject(gives_back, Fault::DelayCommand(2 * SECOND));
        let began = Instant::now();
        until("it is on its way back", async || {
            late.hits() > 0 || began.elapsed() > SECOND
        })
        .await;
        assert!(turn < 20, "this machine takes a second for each of them");
        if late.hits() == 0 {
            // It came back before that was looked for.
            continue;
        }
        let given_back = Instant::now() + 2 * SECOND;
        until("its window ends", async || counted(&subject).await == 0).await;
        // As late as the call still counts when it comes.
        tokio::time::sleep_until((given_back - SECOND / 4).into()).await;
        let began = Instant::now();
        assert_eq!(plain.check_n(&subject, 500).await.unwrap().charged(), 500);
        let is_in_time = Instant::now() < given_back;
        // Comes behind it.
        leases.refund("other", 1).await.unwrap();
        let counted = counted(&subject).await;
        drop(late);
        if is_in_time && began.elapsed() < 8 * SECOND / 10 {
            assert_eq!(counted, 500);
            break;
        }
    }
}

#[tokio::test]
async fn of_a_subject_with_a_limit_of_its_own_nothing_is_fetched_ahead() {
    let ns = namespace().await;
    let limiter = leased(&ns, Policy::sliding_window(100_000, HOUR));
    let its_own = Policy::sliding_window(100_000, SECOND);
    limiter.override_limit("u", &its_own, HOUR).await.unwrap();
    for _ in 0..200 {
        assert_eq!(limiter.check("u").await.unwrap().source(), Source::Redis);
    }
}

#[tokio::test]
async fn a_grant_of_less_than_a_call_costs_is_given_back() {
    let server = Server::start();
    let policy = Policy::fixed_window(10_000, HOUR);
    let leases = leased(&on(&server).await, policy.clone());
    let plain = Limiter::builder(&on(&server).await, "leased")
        .policy(policy)
        .deadline(10 * SECOND)
        .build()
        .unwrap();
    until("something is fetched ahead", async || {
        leases.check("u").await.unwrap().source() == Source::Local
    })
    .await;
    leases.return_leases().await.unwrap();
    let left = plain.peek("u").await.unwrap().quotas[0].remaining();
    assert_eq!(plain.up_to("u", left - 3).await.unwrap().remaining(), 3);
    // By what it knows there is enough for more than this.
    assert_eq!(
        leases.check_n("u", 5).await.unwrap().verdict(),
        Verdict::Denied
    );
    assert_eq!(plain.up_to("u", 100).await.unwrap().charged(), 3);
}

/// Processes that fetch and hardly spend, and then all at once.
#[tokio::test]
async fn what_leaked_from_a_bucket_is_not_given_back() {
    let server = Server::start();
    let (burst, rate) = (1_000, 100);
    let mut limiters = Vec::new();
    for _ in 0..8 {
        limiters.push(leased(
            &on(&server).await,
            Policy::token_bucket(rate, SECOND).burst(burst),
        ));
    }
    let began = Instant::now();
    let mut times = Vec::new();
    let spend = async |limiter: &Limiter, calls: u64, times: &mut Vec<Instant>| {
        for _ in 0..calls {
            if limiter.check("hot").await.unwrap().is_allowed() {
                times.push(Instant::now());
            }
        }
    };
    for limiter in limiters.iter().cycle() {
        if began.elapsed() >= Duration::from_secs(size(20, 5)) {
            break;
        }
        // So many at once that a hundred are fetched ahead for more of them, which do not come: while it is held, the bucket leaks.
        spend(limiter, 6, &mut times).await;
        let turn = sub_window(&server, 100_000);
        until("100 ms have passed", async || {
            sub_window(&server, 100_000) != turn
        })
        .await;
    }
    for limiter in &limiters {
        spend(limiter, 2_000, &mut times).await;
    }
    for window in [10, 100, 1_000, 5_000].map(Duration::from_millis) {
        let most = burst as f64 + rate as f64 * (window + LATE).as_secs_f64();
        let peak = peak(&times, window);
        assert!(peak as f64 <= most, "{peak} of {most} in {window:?}");
    }
}

#[tokio::test]
async fn what_operations_hold_is_returned_by_their_own_policies() {
    let ns = namespace().await;
    let limits = Limits::new()
        .with("GET /", Policy::token_bucket(1_000_000, HOUR))
        .with("PUT /", Policy::token_bucket(10, HOUR));
    let api = crate::patient(&ns, "api")
        .limits(limits)
        .leases(1_000)
        .build()
        .unwrap();
    let gets = api.operation("GET /");
    let counted = async || gets.peek("u").await.unwrap().quotas[0].current;
    assert_eq!(gets.up_to("u", 800_000).await.unwrap().charged(), 800_000);
    let mut spent = 800_000;
    until("something is fetched ahead", async || {
        spent += 1;
        gets.check("u").await.unwrap().source() == Source::Local
    })
    .await;
    assert!(counted().await > spent);
    // Of the limiter, which has no policies of its own, or of another operation, it is the same.
    api.operation("PUT /").return_leases().await.unwrap();
    let left = counted().await;
    // What may have leaked meanwhile, a second's at most, stays charged.
    assert!(
        (spent - 280..=spent + 280).contains(&left),
        "{left} of {spent}"
    );
    api.return_leases().await.unwrap();
}
