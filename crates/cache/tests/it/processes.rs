//! Real processes: this test program, started again, each with a runtime and connections of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Counters, Redis};
use russet_testkit::{Process, Shared};
use tokio::task::JoinSet;

use super::size;

/// Says to a process that is started again what it is to do: `<url> <product> <callers>`.
const ROLE: &str = "RUSSET_TEST_HERD";
const LEASE: Duration = Duration::from_secs(1);

/// One process of a herd, when it is started as such; as a test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_a_herd() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let mut words = role.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap();
    let (url, product, callers) = (word(), word(), word().parse::<u64>().unwrap());
    let redis = Redis::connect(&url).await.unwrap();
    let ns = redis.namespace(product).unwrap();
    let users = Cache::<u64, u64>::builder(&ns, "users").lease(LEASE);
    let users = users.local(1 << 20).build().unwrap();
    let loads = Counters::<u64>::builder(&ns, "loads").build().unwrap();
    users.get(&0).await.unwrap();
    let say = |what: &str| {
        println!("\n{what}");
        std::io::stdout().flush().unwrap();
    };
    say("ready");
    // `<key> <milliseconds that a load takes>`, until there is no more.
    let mut lines = BufReader::new(std::io::stdin()).lines();
    while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
        let line = line.unwrap();
        let (key, takes) = line.split_once(' ').unwrap();
        let (key, takes) = (key.parse::<u64>().unwrap(), takes.parse().unwrap());
        let mut herd = JoinSet::new();
        let wrong = Arc::new(AtomicU64::new(0));
        for _ in 0..callers {
            let (users, loads, wrong) = (users.clone(), loads.clone(), wrong.clone());
            herd.spawn(async move {
                let load = move |_| async move {
                    let number = loads.increment(&key, 1).await.unwrap().unwrap();
                    println!("\nloading");
                    std::io::stdout().flush().unwrap();
                    tokio::time::sleep(Duration::from_millis(takes)).await;
                    Ok::<_, ()>(key * 1_000 + number.unsigned_abs())
                };
                let value = *users.get_or_load(&key, load).await.unwrap();
                wrong.fetch_add(u64::from(value / 1_000 != key), Ordering::SeqCst);
            });
        }
        herd.join_all().await;
        assert_eq!(wrong.load(Ordering::SeqCst), 0);
        say("served");
    }
}

fn start(product: &str, callers: u64) -> Process {
    let role = format!("{} {product} {callers}", Shared::get().url());
    Process::start("processes::one_of_a_herd", ROLE, &role)
}

fn loads(product: &str, key: u64) -> i64 {
    let counter = format!("{product}:cache:loads:{key}");
    let loads = Shared::get().command(&["GET", &counter]);
    loads.as_str().map_or(0, |loads| loads.parse().unwrap())
}

#[test]
fn ten_processes_of_a_thousand_callers_load_once() {
    let product = Shared::get().namespace();
    let callers = size(1_000, 100);
    let mut herd: Vec<Process> = (0..10).map(|_| start(&product, callers)).collect();
    herd.iter_mut().for_each(|process| process.says("ready"));
    for key in 1..=size(10, 3) {
        herd.iter_mut()
            .for_each(|process| process.tell(&format!("{key} 300")));
        herd.iter_mut().for_each(|process| process.says("served"));
        assert_eq!(loads(&product, key), 1, "of key {key}");
    }
}

/// The process that loads is killed at once, as the kernel does it: its lease ends, and one of the others loads.
#[test]
fn a_killed_process_costs_one_more_load() {
    let product = Shared::get().namespace();
    let mut one = start(&product, 1);
    let mut others: Vec<Process> = (0..3).map(|_| start(&product, 50)).collect();
    one.says("ready");
    others.iter_mut().for_each(|process| process.says("ready"));
    for key in 1..=size(5, 1) {
        // It would take far longer than this test.
        one.tell(&format!("{key} 600000"));
        one.says("loading");
        others
            .iter_mut()
            .for_each(|process| process.tell(&format!("{key} 20")));
        one.signal("KILL");
        let killed = Instant::now();
        others.iter_mut().for_each(|process| process.says("served"));
        let took = killed.elapsed();
        assert!(took < LEASE + Duration::from_secs(1), "{took:?}");
        assert_eq!(loads(&product, key), 2, "of key {key}");
        one = start(&product, 1);
        one.says("ready");
    }
}
