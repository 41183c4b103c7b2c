//! Many processes, few locks, and everything that goes wrong on the way: what each holder believed, checked afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_locks::{Locks, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};
use tokio::task::JoinSet;

use crate::{SECOND, size, until};

const LEASE: Duration = Duration::from_millis(600);
const NAMES: [&str; 3] = ["posting", "sync", "order:42"];
const PROCESSES: usize = 4;
const TASKS: usize = 4;
/// How late a task may hear what it waits for, on a machine that is busy.
const LATE: Duration = Duration::from_millis(250);

/// One hold, as who held it believed.
#[derive(Clone, Copy, Debug)]
struct Held {
    name: &'static str,
    fence: u64,
    /// The first and the last time at which it was sure to be held.
    from: Instant,
    till: Instant,
}

/// What has happened.
#[derive(Default)]
struct History {
    held: Mutex<Vec<Held>>,
    /// How long after its deadline a holder was told at most, in microseconds.
    told_late: AtomicU64,
    lost: AtomicU64,
    /// Attempts, granted or not.
    attempts: AtomicU64,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} attempts, {} holds, {} lost, told {} µs after the deadline at most",
            self.attempts.load(Ordering::Relaxed),
            self.held.lock().unwrap().len(),
            self.lost.load(Ordering::Relaxed),
            self.told_late.load(Ordering::Relaxed)
        )
    }
}

impl History {
    /// Nobody holds what somebody else does, and fences rise in the order of holding.
    fn check(&self) {
        let mut by_name: BTreeMap<&str, Vec<Held>> = BTreeMap::new();
        for held in self.held.lock().unwrap().iter() {
            by_name.entry(held.name).or_default().push(*held);
        }
        for (name, mut holds) in by_name {
            holds.sort_unstable_by_key(|held| held.from);
            for pair in holds.windows(2) {
                let [one, next] = pair else { unreachable!() };
                assert!(
                    next.from >= one.till,
                    "{name}: held by two for {:?}: {pair:?}",
                    one.till - next.from
                );
                assert!(next.fence > one.fence, "{name}: {pair:?}");
            }
        }
    }
}

/// Takes, holds and gives back, until there were enough attempts.
async fn work(locks: Locks, history: Arc<History>, attempts: u64) {
    while history.attempts.fetch_add(1, Ordering::Relaxed) < attempts {
        let name = NAMES[fastrand::usize(..NAMES.len())];
        let mutex = locks.mutex(name);
        let taken = match fastrand::u8(..10) {
            0..3 => mutex.try_lock().await,
            // Gone before it knows.
            3 => {
                let soon = Duration::from_micros(fastrand::u64(..5_000));
                match tokio::time::timeout(soon, mutex.lock_within(SECOND)).await {
                    Ok(taken) => taken,
                    Err(_) => continue,
                }
            }
            _ => mutex.lock_within(SECOND).await,
        };
        let Ok(Some(guard)) = taken else {
            // Redis is away, perhaps; not as fast as it can.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..3))).await;
            continue;
        };
        let from = Instant::now();
        if !guard.is_held() {
            continue;
        }
        let mut held = Held {
            name,
            fence: guard.fence().0,
            from,
            till: from,
        };
        // Mostly short, and now and then until it is lost.
        let holds = match fastrand::u16(..2_000) {
            0 => 2 * LEASE,
            _ => Duration::from_micros(fastrand::u64(..1_000)),
        };
        let lost = guard.lost();
        tokio::pin!(lost);
        let mut is_lost = false;
        while !is_lost && from.elapsed() < holds {
            tokio::select! {
                _ = &mut lost => {
                    is_lost = true;
                    let late = Instant::now().saturating_duration_since(guard.deadline());
                    history.lost.fetch_add(1, Ordering::Relaxed);
                    history.told_late.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
                }
                () = tokio::time::sleep(Duration::from_micros(200)) => {}
            }
            let now = Instant::now();
            if guard.is_held() {
                held.till = now;
            }
        }
        let now = Instant::now();
        if guard.is_held() {
            held.till = now;
        }
        history.held.lock().unwrap().push(held);
        match fastrand::bool() {
            true => drop(guard),
            false => drop(guard.release().await),
        }
    }
}

/// Breaks what can break, and mends it.
async fn break_things(server: Arc<Server>, proxies: Arc<Vec<Proxy>>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let proxy = &proxies[fastrand::usize(..proxies.len())];
        let a_while = Duration::from_millis(fastrand::u64(10..300));
        match fastrand::u8(..8) {
            0 => {
                server.pause();
                tokio::time::sleep(a_while).await;
                server.resume();
            }
            1 => proxy.cut_all(),
            2 | 3 => {
                let after = if fastrand::bool() {
                    After::Close
                } else {
                    After::Silence
                };
                let lost = proxy.inject(Match::command("EVALSHA").nth(1), Fault::DropReply(after));
                tokio::time::sleep(a_while).await;
                lost.remove();
            }
            4 => drop(server.command(&["SCRIPT", "FLUSH"])),
            // Longer than a lease: what was held there is lost.
            5 => {
                let direction = if fastrand::bool() {
                    Direction::ToServer
                } else {
                    Direction::ToClient
                };
                proxy.black_hole(direction);
                tokio::time::sleep(LEASE + a_while).await;
                proxy.heal();
            }
            6 => {
                let late = proxy.inject(
                    Match::command("EVALSHA").nth(1),
                    Fault::DelayCommand(LEASE + a_while),
                );
                tokio::time::sleep(a_while).await;
                late.remove();
            }
            _ => {}
        }
        tokio::time::sleep(3 * a_while).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_what_somebody_else_does() {
    let server = Arc::new(Server::start());
    let proxies: Arc<Vec<Proxy>> = Arc::new((0..PROCESSES).map(|_| Proxy::of(&server)).collect());
    let history = Arc::new(History::default());
    let attempts = size(60_000, 4_000);
    let mut tasks = JoinSet::new();
    let mut all = Vec::new();
    for proxy in proxies.iter() {
        let redis = Redis::connect(&proxy.url()).await.unwrap();
        let locks = Locks::builder(&redis.namespace("shop").unwrap())
            .lease(LEASE)
            .deadline(LEASE / 2)
            .build()
            .unwrap();
        for _ in 0..TASKS {
            tasks.spawn(work(locks.clone(), history.clone(), attempts));
        }
        all.push(locks);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let breaking = tokio::spawn(break_things(
        server.clone(),
        proxies.clone(),
        is_over.clone(),
    ));
    tasks.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    breaking.await.unwrap();
    println!("{history:?}");
    history.check();
    let holds = history.held.lock().unwrap().len() as u64;
    assert!(holds > attempts / 20, "{history:?}");
    let lost = history.lost.load(Ordering::Relaxed);
    assert!(lost > 0 || attempts < 60_000, "{history:?}");
    let late = Duration::from_micros(history.told_late.load(Ordering::Relaxed));
    assert!(late < LATE, "{history:?}");
    // What was healed serves everybody who waits, soon.
    // A connection may still be silent, until that is found.
    for locks in &all {
        for name in NAMES {
            until("it can be had again", async || {
                let held = locks.mutex(name).lock_within(5 * SECOND).await;
                matches!(held, Ok(Some(_)))
            })
            .await;
        }
    }
    for locks in &all {
        assert!(locks.shutdown_within(10 * SECOND).await);
    }
    for key in server.command(&["KEYS", "*"]).as_array().unwrap() {
        let ttl = server.command(&["PTTL", key.as_str().unwrap()]);
        assert_ne!(ttl.as_int().unwrap(), -1, "{key:?}");
    }
}
