//! Failovers that lose writes, flushes, evictions, clocks that jump: two may hold a lock then. For how long is measured and bounded, and fences rise
//! all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use russet_locks::{Locks, Redis};
use russet_testkit::{Sentinels, Server};
use tokio::task::JoinSet;

use crate::record::{LATE, Record, all_can_be_had};
use crate::{size, until};

const LEASE: Duration = Duration::from_millis(900);
const PROCESSES: usize = 3;
const TASKS: usize = 4;

/// How far ahead any server's clock has been, in seconds: whoever forgets must not be behind, or nothing makes fences rise.
#[derive(Default)]
struct Clocks(AtomicI64);

impl Clocks {
    /// Ahead of all that have been.
    fn ahead(&self, server: &Server) {
        let ahead = self.0.load(Ordering::SeqCst) + fastrand::i64(1..600);
        self.0.store(ahead, Ordering::SeqCst);
        server.set_clock(ahead);
    }

    /// Less than fences are remembered.
    fn back(&self, server: &Server) {
        server.set_clock(self.0.load(Ordering::SeqCst) - fastrand::i64(1..1_800));
    }
}

/// What may happen to the server that decides; each of them once before any comes again.
const KINDS: usize = 6;

fn upset(all: &Sentinels, clocks: &Clocks, kind: usize) {
    let primary = all.primary();
    match kind {
        // The replica's clock is ahead, by much or little.
        0 => {
            for server in all.servers() {
                if server.port() != primary.port() {
                    clocks.ahead(server);
                }
            }
            // What it has not been told is lost.
            let _ = all.fail_over();
        }
        1 => {
            for server in all.servers() {
                if server.port() != primary.port() {
                    clocks.ahead(server);
                }
            }
            let before = primary.port();
            primary.kill();
            all.await_another(before);
            primary.restart();
        }
        2 => {
            clocks.ahead(primary);
            primary.flush_all();
        }
        3 => {
            clocks.ahead(primary);
            let keys = primary.command(&["KEYS", "*"]);
            for key in keys.as_array().unwrap_or_default() {
                if fastrand::bool() {
                    primary.command(&["DEL", key.as_str().unwrap()]);
                }
            }
        }
        4 => clocks.back(primary),
        _ => clocks.ahead(primary),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_rise_whatever_redis_forgets() {
    let all = Arc::new(Sentinels::start_with(&Server::builder().own_clock(), 1, 3));
    let record = Arc::new(Record::default());
    let rounds = size(60, 6);
    let attempts = size(40_000, 3_000);
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let redis = Redis::connect(&all.url()).await.unwrap();
        let locks = Locks::builder(&redis.namespace("shop").unwrap())
            .lease(LEASE)
            .deadline(LEASE / 3)
            .build()
            .unwrap();
        processes.push(locks);
    }
    let (over, is_over) = tokio::sync::watch::channel(false);
    let mut tasks = JoinSet::new();
    for locks in &processes {
        for _ in 0..TASKS {
            let (locks, record, is_over) = (locks.clone(), record.clone(), is_over.clone());
            tasks.spawn(async move {
                while !*is_over.borrow() {
                    record.work(&locks, LEASE).await;
                }
            });
        }
    }
    let clocks = Arc::new(Clocks::default());
    for round in 0..rounds {
        let (all, clocks) = (all.clone(), clocks.clone());
        let kind = usize::try_from(round).unwrap() % KINDS;
        tokio::task::spawn_blocking(move || upset(&all, &clocks, kind))
            .await
            .unwrap();
        let before = record.holds();
        let more = attempts / rounds / 4;
        until("it goes on", async || record.holds() > before + more).await;
    }
    until("enough were made", async || record.is_over(attempts)).await;
    over.send_replace(true);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let (overlaps, longest) = record.overlaps();
    println!("{record:?}; {overlaps:?} held by two or more, {longest:?} at a time at most");
    record.check_fences();
    // Whoever was forgotten finds out with the next renewal, and gives up with the lease at the latest.
    assert!(longest < LEASE + LATE, "{longest:?}: {record:?}");
    assert!(record.told_late() < LATE, "{record:?}");
    all_can_be_had(&processes[0]).await;
}
