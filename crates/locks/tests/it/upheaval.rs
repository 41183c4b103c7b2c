//! Failovers that lose writes, flushes, evictions, clocks that jump: two may hold a lock then. For how long is measured and bounded, and fences rise
//! all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russet_locks::{Locks, Redis};
use russet_testkit::{Sentinels, Server, eventually};
use tokio::task::JoinSet;

use crate::record::{Record, all_can_be_had, late};
use crate::{SECOND, size, until};

const LEASE: Duration = Duration::from_millis(900);
const PROCESSES: usize = 3;
const TASKS: usize = 4;

/// How far ahead each server's clock is, in seconds, and how far any has been: whoever forgets must not be behind, or nothing makes fences rise.
#[derive(Default)]
struct Clocks(Mutex<(HashMap<u16, i64>, i64)>);

impl Clocks {
    /// Ahead of all that have been.
    fn ahead(&self, server: &Server) {
        let most = self.0.lock().unwrap().1;
        self.set(server, most + fastrand::i64(1..600));
    }

    /// Less than fences are remembered.
    fn back(&self, server: &Server) {
        let most = self.0.lock().unwrap().1;
        self.set(server, most - fastrand::i64(1..1_800));
    }

    fn set(&self, server: &Server, ahead: i64) {
        let mut clocks = self.0.lock().unwrap();
        let before = clocks.0.insert(server.port(), ahead).unwrap_or_default();
        clocks.1 = clocks.1.max(ahead);
        let up = uptime(server);
        server.set_clock(ahead);
        // It looks at the clock ten times a second; whoever asks how long a link has been down would be told of the jump.
        eventually(20 * SECOND, "the server has seen its clock", || {
            (uptime(server) - up - (ahead - before)).abs() < 30
        });
    }
}

/// Asked on one connection, until no sentinel cuts it.
fn uptime(server: &Server) -> i64 {
    let mut told = None;
    eventually(20 * SECOND, "the server says how long it runs", || {
        let said = server.connection().command(&["INFO", "server"]);
        let text = said.as_ref().ok().and_then(|said| said.as_str());
        let line = |line: &str| line.strip_prefix("uptime_in_seconds:")?.parse().ok();
        told = text.and_then(|text| text.lines().find_map(line));
        told.is_some()
    });
    told.unwrap()
}

/// The primary, and the other one, once it has all that the primary has. Which is which may change meanwhile.
fn primary_and_replica(all: &Sentinels) -> (&Server, &Server) {
    let mut pair = None;
    // A server that was killed is made a replica when the sentinels have seen it.
    eventually(60 * SECOND, "a replica follows", || {
        let primary = all.primary();
        let mut others = all.servers().iter();
        let other = others.find(|server| server.port() != primary.port() && server.follows());
        pair = other.map(|replica| (primary, replica));
        pair.is_some()
    });
    pair.unwrap()
}

/// What may happen to the server that decides; each of them once before any comes again.
const KINDS: usize = 6;

fn upset(all: &Sentinels, clocks: &Clocks, kind: usize) {
    let (primary, replica) = primary_and_replica(all);
    match kind {
        4 => return clocks.back(primary),
        // Then the replica's clock is ahead of its primary's, by much or little, whenever it takes over.
        _ => {
            clocks.ahead(primary);
            clocks.ahead(replica);
        }
    }
    match kind {
        // What the replica has not been told is lost.
        0 => {
            let _ = all.fail_over();
        }
        1 => {
            let before = primary.port();
            primary.kill();
            all.await_another(before);
            primary.restart();
        }
        2 => primary.flush_all(),
        3 => {
            let keys = primary.command(&["KEYS", "*"]);
            for key in keys.as_array().unwrap_or_default() {
                if fastrand::bool() {
                    primary.command(&["DEL", key.as_str().unwrap()]);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_rise_whatever_redis_forgets() {
    let all = Arc::new(Sentinels::start_with(&Server::builder().own_clock(), 1, 3));
    for sentinel in all.sentinels() {
        // Only what is done here may make a replica take over: its clock is behind otherwise, and a machine that is busy stands still for a second.
        let slower = ["down-after-milliseconds", "4000"];
        let set = [&["SENTINEL", "SET", Sentinels::SERVICE][..], &slower].concat();
        assert_eq!(sentinel.command(&set).as_str(), Some("OK"));
    }
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
        let more = attempts / rounds / 2;
        until("it goes on", async || record.holds() > before + more).await;
    }
    while !record.is_over(attempts) {
        let before = record.ended();
        until("it goes on", async || record.ended() > before).await;
    }
    over.send_replace(true);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let (overlaps, longest) = record.overlaps();
    println!("{record:?}; {overlaps:?} held by two or more, {longest:?} at a time at most");
    record.check_fences();
    // Whoever was forgotten finds out with the next renewal, and gives up with the lease at the latest.
    assert!(longest < LEASE + late(), "{longest:?}: {record:?}");
    assert!(record.told_late() < late(), "{record:?}");
    all_can_be_had(&processes[0]).await;
}
