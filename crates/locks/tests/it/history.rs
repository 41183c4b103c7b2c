//! Many processes, few locks, and everything that may go wrong on the way without Redis forgetting anything: nobody holds what somebody else does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_locks::{Locks, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};
use tokio::task::JoinSet;

use crate::record::{Record, What, all_can_be_had, late};
use crate::{SECOND, size, until};

const LEASE: Duration = Duration::from_millis(600);
const PROCESSES: usize = 4;
const TASKS: usize = 6;

/// Breaks what can break, and mends it when that has had its effect.
async fn break_things(
    server: &Server,
    processes: &[(Proxy, Locks)],
    record: &Record,
    attempts: u64,
) {
    let is_over = || record.is_over(attempts);
    // So many more attempts have ended, one way or the other.
    let pass = async |count: u64| {
        let before = record.ended();
        until("attempts end", async || {
            is_over() || record.ended() >= before + count
        })
        .await;
    };
    // That one is always among them.
    let mut kind = 5;
    while !is_over() {
        let (proxy, locks) = &processes[fastrand::usize(..processes.len())];
        match kind {
            0 => {
                server.pause();
                pass(fastrand::u64(1..8)).await;
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
                until("a reply is lost", async || is_over() || lost.hits() > 0).await;
                lost.remove();
            }
            4 => drop(server.command(&["SCRIPT", "FLUSH"])),
            // What is held there is lost.
            5 => {
                let (what, asked) = (What::any(), Instant::now());
                let taken = what.lock(locks).lock_within(5 * SECOND).await;
                if let Ok(Some(guard)) = taken {
                    proxy.black_hole(match fastrand::bool() {
                        true => Direction::ToServer,
                        false => Direction::ToClient,
                    });
                    record
                        .hold(what, &guard, asked, std::future::pending())
                        .await;
                    proxy.heal();
                }
            }
            _ => {
                let late = proxy.inject(
                    Match::command("EVALSHA").nth(1),
                    Fault::DelayCommand(LEASE + LEASE / 4),
                );
                until("one is late", async || is_over() || late.hits() > 0).await;
                late.remove();
            }
        }
        kind = fastrand::u8(..7);
        // And it goes on.
        pass(fastrand::u64(50..size(1_500, 400))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_what_somebody_else_does() {
    let server = Server::start();
    let record = Arc::new(Record::default());
    let attempts = size(160_000, 4_000);
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let proxy = Proxy::of(&server);
        let redis = Redis::connect(&proxy.url()).await.unwrap();
        let locks = Locks::builder(&redis.namespace("shop").unwrap())
            .lease(LEASE)
            .deadline(LEASE / 2)
            .build()
            .unwrap();
        processes.push((proxy, locks));
    }
    let mut tasks = JoinSet::new();
    for (_, locks) in &processes {
        for _ in 0..TASKS {
            let (locks, record) = (locks.clone(), record.clone());
            tasks.spawn(async move {
                while !record.is_over(attempts) {
                    record.work(&locks, LEASE).await;
                }
            });
        }
    }
    let working = async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    };
    tokio::join!(
        working,
        break_things(&server, &processes, &record, attempts)
    );
    println!("{record:?}");
    assert_eq!(record.overlaps().1, Duration::ZERO, "{record:?}");
    record.check_fences();
    assert!(record.holds() > attempts / 20, "{record:?}");
    assert!(record.losses() > 0, "{record:?}");
    assert!(record.told_late() < late(), "{record:?}");
    for (_, locks) in &processes {
        all_can_be_had(locks).await;
        assert!(locks.shutdown_within(10 * SECOND).await);
    }
    for key in server.command(&["KEYS", "*"]).as_array().unwrap() {
        let ttl = server.command(&["PTTL", key.as_str().unwrap()]);
        assert_ne!(ttl.as_int().unwrap(), -1, "{key:?}");
    }
}
