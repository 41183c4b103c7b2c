//! Many at once: exactly as many as the limit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use russet_ratelimit::{Limiter, Policy, Redis};
use russet_testkit::Shared;
use tokio::task::JoinSet;

use crate::{HOUR, MINUTE, size};

/// Says to a process that is started again what it is to do: `<url> <product> <policy> <tasks>`.
const ROLE: &str = "RUSSET_TEST_RUSH";
const LIMIT: u64 = 1_000;

fn policies() -> Vec<Policy> {
    vec![
        // So slow that nothing flows in while the test runs.
        Policy::token_bucket(1, HOUR).burst(LIMIT),
        Policy::sliding_window(LIMIT, HOUR),
        Policy::sliding_window(LIMIT, HOUR).interpolated(),
        Policy::fixed_window(LIMIT, HOUR),
        Policy::sliding_log(500, HOUR),
    ]
}

fn limiter(ns: &russet_ratelimit::Namespace, number: usize) -> Limiter {
    let mut builder = Limiter::builder(ns, &format!("rush-{number}")).deny_cache(0);
    if number == policies().len() {
        // All of them together.
        for (number, policy) in policies().into_iter().enumerate() {
            builder = builder.policy(policy.named(number.to_string()));
        }
    } else {
        builder = builder.policy(policies().remove(number));
    }
    // What is not told in time is told as allowed; here nothing may be.
    builder.deadline(MINUTE).build().unwrap()
}

/// One process of a rush, when it is started as such; as a test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_a_rush() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split(' ').collect();
    let [url, product, policy, tasks] = words[..] else {
        panic!("{role}")
    };
    let redis = Redis::connect(url).await.unwrap();
    let limiter = limiter(&redis.namespace(product).unwrap(), policy.parse().unwrap());
    let (tasks, allowed) = (tasks.parse::<u64>().unwrap(), Arc::new(AtomicU64::new(0)));
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    tokio::task::block_in_place(|| std::io::stdin().read_line(&mut line)).unwrap();
    let mut rush = JoinSet::new();
    for _ in 0..tasks {
        let (limiter, allowed) = (limiter.clone(), allowed.clone());
        rush.spawn(async move {
            for turn in 0..LIMIT / 32 {
                let decision = limiter.check_n("hot", 1 + turn % 3).await.unwrap();
                assert_eq!(decision.source(), russet_ratelimit::Source::Redis);
                allowed.fetch_add(decision.charged(), Ordering::SeqCst);
            }
        });
    }
    rush.join_all().await;
    println!("\nallowed {}", allowed.load(Ordering::SeqCst));
}

/// 64 tasks in each of 4 processes.
#[test]
fn processes_together_are_let_through_as_often_as_the_limit_says() {
    let tasks = size(64, 16);
    for number in 0..=policies().len() {
        let product = Shared::get().namespace();
        let role = format!("{} {product} {number} {tasks}", Shared::get().url());
        let mut processes: Vec<_> = (0..4)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "exact::one_of_a_rush", "--nocapture"])
                    .env(ROLE, &role)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut says: Vec<_> = processes
            .iter_mut()
            .map(|process| BufReader::new(process.stdout.take().unwrap()).lines())
            .collect();
        for says in &mut says {
            assert!(says.any(|line| line.unwrap() == "ready"));
        }
        for process in &mut processes {
            process.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        let mut allowed = 0;
        for says in &mut says {
            let told =
                says.find_map(|line| line.unwrap().strip_prefix("allowed ").map(str::to_owned));
            allowed += told.unwrap().parse::<u64>().unwrap();
        }
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        let limit = if number >= 4 { 500 } else { LIMIT };
        // The last ones may cost more than is left.
        assert!(
            (limit - 2..=limit).contains(&allowed),
            "policy {number}: {allowed}"
        );
    }
}
