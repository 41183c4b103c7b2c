//! Russet's locks and rslock under the same faults: who works while somebody else does.
//!
//! Sixteen tasks want three locks with a lease of 600 ms. They work for up to a millisecond, one time in 200 for twice the lease, and as long as
//! nobody tells them to stop. Every two seconds something breaks, in turn: the server stands still for a lease and a half, every connection is cut, a
//! reply is lost, a command is late by more than a lease, the server forgets its scripts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_locks::{Locks, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Fault, Match, Proxy};
use tokio::task::JoinSet;

const LEASE: Duration = Duration::from_millis(600);
const NAMES: [&str; 3] = ["posting", "sync", "order:42"];
const TIME: Duration = Duration::from_secs(60);
/// How often something breaks, and for how long the server stands still.
const EVERY: Duration = Duration::from_secs(2);
const STILL: Duration = Duration::from_millis(900);

/// From when until when somebody worked.
type Worked = Arc<Mutex<HashMap<&'static str, Vec<(Instant, Instant)>>>>;

#[derive(Clone)]
enum System {
    Russet(Locks),
    Rslock(rslock::LockManager),
}

impl System {
    /// Works under a lock for so long; from when until when, or nothing if it was not had.
    async fn work(&self, name: &'static str, lasts: Duration) -> Option<(Instant, Instant)> {
        match self {
            System::Russet(locks) => {
                let held = locks.mutex(name).lock_within(Duration::from_secs(5)).await;
                let held = held.ok().flatten()?;
                let from = Instant::now();
                // What is lost is worked on no longer.
                let _ = tokio::time::timeout(lasts, held.lost()).await;
                let till = Instant::now().min(held.deadline().max(from));
                drop(held.release().await);
                Some((from, till))
            }
            System::Rslock(manager) => {
                let held = manager.lock(name, LEASE).await.ok()?;
                let from = Instant::now();
                // Its work, which nobody tells that its lease is over.
                tokio::time::sleep_until(tokio::time::Instant::now() + lasts).await;
                let till = Instant::now();
                manager.unlock(&held).await;
                Some((from, till))
            }
        }
    }
}

/// One of the faults; what is done to a command is done to the next that there is.
async fn break_something(turn: usize, server: &Server, proxy: &Proxy) {
    let next = Match::when(|one| one.is("EVALSHA") || one.is("SET")).nth(1);
    match turn % 5 {
        0 => {
            server.pause();
            // For how long is the fault.
            tokio::time::sleep_until(tokio::time::Instant::now() + STILL).await;
            server.resume();
        }
        1 => proxy.cut_all(),
        2 => drop(proxy.inject(next, Fault::DropReply(After::Close))),
        3 => drop(proxy.inject(next, Fault::DelayCommand(LEASE + LEASE / 4))),
        _ => drop(server.command(&["SCRIPT", "FLUSH"])),
    }
}

#[tokio::main]
async fn main() {
    for name in ["russet", "rslock"] {
        let server = Server::start();
        let proxy = Proxy::of(&server);
        let system = match name {
            "russet" => {
                let redis = Redis::connect(&proxy.url()).await.expect("it answers");
                let ns = redis.namespace("bench").expect("a name");
                let locks = Locks::builder(&ns).lease(LEASE).deadline(LEASE / 2);
                System::Russet(locks.build().expect("locks"))
            }
            _ => System::Rslock(rslock::LockManager::new(vec![proxy.url()])),
        };
        let (worked, mut tasks, began) = (Worked::default(), JoinSet::new(), Instant::now());
        for task in 0..16_usize {
            let (system, worked) = (system.clone(), worked.clone());
            tasks.spawn(async move {
                let (mut holds, mut failed) = (0_u64, 0_u64);
                let mut turn = task;
                while began.elapsed() < TIME {
                    turn = turn
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let random = turn >> 33;
                    let lasts = match random % 200 {
                        0 => 2 * LEASE,
                        _ => Duration::from_micros((random % 1_000) as u64),
                    };
                    let name = NAMES[random % NAMES.len()];
                    match system.work(name, lasts).await {
                        Some(hold) => {
                            worked
                                .lock()
                                .expect("no panic")
                                .entry(name)
                                .or_default()
                                .push(hold);
                            holds += 1;
                        }
                        None => failed += 1,
                    }
                }
                (holds, failed)
            });
        }
        let mut faults = tokio::time::interval(EVERY);
        faults.tick().await;
        let mut turn = 0;
        while began.elapsed() < TIME {
            faults.tick().await;
            break_something(turn, &server, &proxy).await;
            turn += 1;
        }
        proxy.clear();
        let done = tasks.join_all().await;
        let (mut overlaps, mut longest) = (0, Duration::ZERO);
        for holds in worked.lock().expect("no panic").values_mut() {
            holds.sort_unstable();
            let mut till = holds.first().map(|hold| hold.0);
            for (from, to) in holds.iter() {
                if let Some(before) = till.filter(|till| till > from) {
                    overlaps += 1;
                    longest = longest.max((*to).min(before) - *from);
                }
                till = till.max(Some(*to));
            }
        }
        let holds: u64 = done.iter().map(|done| done.0).sum();
        let failed: u64 = done.iter().map(|done| done.1).sum();
        println!(
            "{name}: {holds} holds, {failed} calls that failed, {overlaps} times two at once, {longest:?} at most"
        );
    }
}
