//! What several may hold: read-write locks and semaphores.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_locks::{ErrorKind, LockError, LostReason, Release};
use russet_testkit::Server;
use tokio::task::JoinSet;

use crate::{SECOND, namespace, on, patient, size, until};

#[tokio::test]
async fn many_read_or_one_writes() {
    let locks = patient(&namespace().await).build().unwrap();
    let rw = locks.rw("report");
    let one = rw.read().try_lock().await.unwrap().expect("free");
    let two = rw.read().try_lock().await.unwrap().expect("both read");
    assert!(two.fence() > one.fence());
    assert!(rw.write().try_lock().await.unwrap().is_none());
    assert_eq!(one.release().await.unwrap(), Release::Released);
    assert!(rw.write().try_lock().await.unwrap().is_none());
    two.release().await.unwrap();
    let writes = rw.write().try_lock().await.unwrap().expect("nobody reads");
    assert!(rw.read().try_lock().await.unwrap().is_none());
    assert!(rw.write().try_lock().await.unwrap().is_none());
    // Another kind of lock of the same name is another lock.
    let other = locks.mutex("report").try_lock().await.unwrap();
    assert!(other.is_some());
    writes.release().await.unwrap();
    assert!(rw.read().try_lock().await.unwrap().is_some());
}

#[tokio::test]
async fn who_waits_to_write_goes_before_who_waits_to_read() {
    let locks = patient(&namespace().await).build().unwrap();
    let rw = locks.rw("a");
    let reads = rw.read().lock().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waits = JoinSet::new();
    for (at, who) in ["w1", "r1", "r2", "w2"].into_iter().enumerate() {
        let side = match who.starts_with('w') {
            true => rw.write(),
            false => rw.read(),
        };
        let order = order.clone();
        waits.spawn(async move {
            let held = side.lock().await.unwrap();
            order.lock().unwrap().push((who, held.fence()));
            held.release().await.unwrap();
        });
        until("it waits", async || {
            rw.read().inspect().await.unwrap().waiting == at as u64 + 1
        })
        .await;
    }
    // Nobody passes a writer who waits.
    assert!(rw.read().try_lock().await.unwrap().is_none());
    reads.release().await.unwrap();
    waits.join_all().await;
    let mut order = order.lock().unwrap().clone();
    // In the order of being served, which two readers share.
    order.sort_unstable_by_key(|(_, fence)| *fence);
    let order: Vec<&str> = order.into_iter().map(|(who, _)| who).collect();
    assert_eq!(order, ["w1", "w2", "r1", "r2"]);
}

#[tokio::test]
async fn a_reader_that_died_holds_nobody_up_however_many_read() {
    let server = Server::start();
    let dead = patient(&on(&server).await)
        .lease(SECOND)
        .build()
        .unwrap()
        .rw("a");
    let locks = patient(&on(&server).await).lease(SECOND).build().unwrap();
    let (fence, _) = dead.read().lock().await.unwrap().detach();
    let lives = locks.rw("a").read().lock().await.unwrap();
    assert!(lives.fence() > fence);
    let began = Instant::now();
    let lease = lives.state();
    let writes = tokio::spawn({
        let side = locks.rw("a").write();
        async move { side.lock_within(10 * SECOND).await.unwrap() }
    });
    // The other goes on reading when the dead one's lease has ended.
    until("the dead one is gone", async || {
        locks.rw("a").read().inspect().await.unwrap().holders.len() == 1
    })
    .await;
    assert_eq!(lease.get(), russet_locks::State::Held);
    assert!(!writes.is_finished());
    lives.release().await.unwrap();
    assert!(writes.await.unwrap().is_some());
    assert!(began.elapsed() < 5 * SECOND);
}

#[tokio::test]
async fn permits_are_given_by_weight_and_in_order() {
    let locks = patient(&namespace().await).owner("me").build().unwrap();
    let semaphore = locks.semaphore("slots", 4);
    let three = semaphore.permits(3).try_lock().await.unwrap().unwrap();
    assert!(semaphore.permits(2).try_lock().await.unwrap().is_none());
    let one = semaphore.permit().try_lock().await.unwrap().unwrap();
    assert!(semaphore.permit().try_lock().await.unwrap().is_none());
    let told = semaphore.permit().inspect().await.unwrap();
    let mut held: Vec<_> = told
        .holders
        .iter()
        .map(|one| (one.fence, one.weight))
        .collect();
    held.sort_unstable();
    assert_eq!(held, [(three.fence(), 3), (one.fence(), 1)]);
    assert!(told.holders.iter().all(|one| one.owner == "me"));
    // Who waits for many is not passed by who wants few.
    let many = tokio::spawn({
        let four = semaphore.permits(4);
        async move { four.lock().await.unwrap() }
    });
    until("it waits", async || {
        semaphore.permit().inspect().await.unwrap().queue == ["me"]
    })
    .await;
    three.release().await.unwrap();
    assert!(semaphore.permit().try_lock().await.unwrap().is_none());
    one.release().await.unwrap();
    let many = many.await.unwrap();
    assert!(many.is_held());
    many.release().await.unwrap();
    // All who fit are served at once.
    let all = semaphore.permits(4).lock().await.unwrap();
    let mut waits = JoinSet::new();
    for _ in 0..4 {
        let permit = semaphore.permit();
        waits.spawn(async move { permit.lock().await.unwrap() });
    }
    until("four wait", async || {
        semaphore.permit().inspect().await.unwrap().waiting == 4
    })
    .await;
    all.release().await.unwrap();
    assert_eq!(waits.join_all().await.len(), 4);
}

#[tokio::test]
async fn permits_that_cannot_be_meant_are_errors() {
    let locks = patient(&namespace().await).build().unwrap();
    for (of, weight) in [(0, 0), (0, 1), (4, 0), (4, 5), (1_000_001, 1)] {
        let told = locks.semaphore("a", of).permits(weight).try_lock().await;
        let Err(LockError::Redis(error)) = told else {
            panic!("{weight} of {of}: {told:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    assert!(locks.rw("").read().try_lock().await.is_err());
}

#[tokio::test]
async fn a_new_number_of_permits_takes_over_while_both_are_said() {
    let locks = patient(&namespace().await).build().unwrap();
    let (few, many) = (locks.semaphore("a", 2), locks.semaphore("a", 4));
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(few.permit().try_lock().await.unwrap().unwrap());
    }
    assert!(few.permit().try_lock().await.unwrap().is_none());
    for _ in 0..2 {
        held.push(many.permit().try_lock().await.unwrap().unwrap());
    }
    assert!(many.permit().try_lock().await.unwrap().is_none());
    held.truncate(2);
    assert!(locks.shutdown_within(10 * SECOND).await);
    assert!(few.permit().try_lock().await.unwrap().is_none());
}

#[tokio::test]
async fn what_several_hold_is_renewed_and_taken_away_from_all() {
    let server = Server::start();
    let lease = SECOND / 2;
    let locks = patient(&on(&server).await).lease(lease).build().unwrap();
    let semaphore = locks.semaphore("a", 3);
    let one = semaphore.permit().lock().await.unwrap();
    let two = semaphore.permits(2).lock().await.unwrap();
    for held in [&one, &two] {
        let later = held.deadline() + 2 * lease;
        until("both are renewed", async || held.deadline() > later).await;
    }
    assert!(semaphore.permit().try_lock().await.unwrap().is_none());
    let forced = semaphore.permit().force_release("they hang").await.unwrap();
    assert_eq!(forced.iter().map(|one| one.weight).sum::<u32>(), 3);
    for held in [&one, &two] {
        assert_eq!(held.lost().await, LostReason::Taken);
    }
    assert_eq!(one.release().await.unwrap(), Release::AlreadyLost);
    assert!(semaphore.permits(3).try_lock().await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_goes_away_takes_no_permits_with_them() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let semaphore = locks.semaphore("a", 2);
    for round in 0..size(400, 60) {
        let permit = semaphore.permits(1 + u32::try_from(round).unwrap() % 2);
        let soon = Duration::from_micros(round * 7);
        drop(tokio::time::timeout(soon, permit.lock()).await);
        assert!(locks.shutdown_within(10 * SECOND).await);
        let all = semaphore.permits(2).try_lock().await.unwrap();
        let all = all.unwrap_or_else(|| panic!("round {round}"));
        all.release().await.unwrap();
    }
    let key = "shop:lock:{a}:%permits";
    assert_ne!(server.command(&["PTTL", key]).as_int().unwrap(), -1);
}

#[tokio::test]
async fn a_thousand_hold_it_at_once_and_no_more() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let read = locks.rw("a").read();
    let mut held = Vec::new();
    for _ in 0..1_000 {
        held.push(read.try_lock().await.unwrap().expect("there is room"));
    }
    assert!(read.try_lock().await.unwrap().is_none());
    held.pop().unwrap().release().await.unwrap();
    assert!(read.try_lock().await.unwrap().is_some());
}

#[tokio::test]
async fn a_clock_that_is_set_back_costs_one_lease_more_at_most() {
    let server = Server::builder().own_clock().start();
    let locks = patient(&on(&server).await).lease(SECOND).build().unwrap();
    for lock in [locks.semaphore("a", 1).permit(), locks.mutex("a")] {
        server.set_clock(0);
        let fence = lock.lock().await.unwrap().detach().0;
        server.set_clock(-3_600);
        let began = Instant::now();
        let next = lock.lock_within(10 * SECOND).await.unwrap();
        let next = next.expect("its lease has ended");
        assert!(next.fence() > fence);
        assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
        next.release().await.unwrap();
    }
}

/// Permits are never more than there are, whatever dies on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_than_there_are() {
    let server = Server::start();
    let lease = SECOND / 2;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(patient(&on(&server).await).lease(lease).build().unwrap());
    }
    // How much each holder was sure to hold, from when until when.
    let held = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let rounds = size(1_500, 80);
    for (number, locks) in all.iter().cycle().take(9).enumerate() {
        let (locks, held) = (locks.clone(), held.clone());
        tasks.spawn(async move {
            for _ in 0..rounds {
                let weight = 1 + number as u32 % 3;
                let permits = locks.semaphore("a", 5).permits(weight);
                let Some(guard) = permits.lock_within(10 * SECOND).await.unwrap() else {
                    panic!("a permit is lost");
                };
                let from = Instant::now();
                // Held while others have their turns.
                for _ in 0..fastrand::u8(..50) {
                    tokio::task::yield_now().await;
                }
                // Some die, and their leases end by themselves.
                let till = match fastrand::u32(..50) {
                    0 => guard.detach().1,
                    _ => {
                        // A busy machine may have let nobody renew it: then it was held until its deadline.
                        let till = Instant::now().min(guard.deadline());
                        guard.release().await.unwrap();
                        till
                    }
                };
                held.lock().unwrap().push((from, till, weight));
            }
        });
    }
    tasks.join_all().await;
    let mut changes = BTreeMap::<Instant, i64>::new();
    for &(from, till, weight) in held.lock().unwrap().iter() {
        *changes.entry(from).or_default() += i64::from(weight);
        *changes.entry(till).or_default() -= i64::from(weight);
    }
    let (mut now, mut most) = (0, 0);
    for change in changes.into_values() {
        now += change;
        most = most.max(now);
    }
    assert!(most <= 5, "{most} at once");
    assert!(most > 2, "{most}: they never met");
}
