//! Holders that have lost, and know it.

use std::time::{Duration, Instant};

use russet_locks::{LockError, LostReason, Release, State};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};

use crate::{SECOND, on, patient, until};

const LEASE: Duration = Duration::from_millis(900);

#[tokio::test]
async fn a_lock_is_lost_in_time_if_no_reply_ever_comes() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = russet_locks::Redis::connect(&proxy.url()).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap())
        .lease(LEASE)
        .build()
        .unwrap();
    for direction in [Direction::ToServer, Direction::ToClient] {
        // The connection that was silent is replaced, under whoever uses it.
        until("Redis answers", async || {
            locks.mutex("a").inspect().await.is_ok()
        })
        .await;
        let held = locks
            .mutex("a")
            .lock_within(10 * SECOND)
            .await
            .unwrap()
            .unwrap();
        let mut states = held.state();
        proxy.black_hole(direction);
        let lost = held.lost();
        assert_eq!(states.changed().await, State::AtRisk);
        assert_eq!(lost.await, LostReason::Expired);
        let lost_at = Instant::now();
        assert!(!held.is_held());
        // Nobody else can have had it before.
        let plain = patient(&on(&server).await).build().unwrap();
        let next = plain
            .mutex("a")
            .lock_within(10 * SECOND)
            .await
            .unwrap()
            .unwrap();
        assert!(Instant::now() >= lost_at);
        proxy.heal();
        assert_eq!(held.release().await.unwrap(), Release::AlreadyLost);
        drop(next);
        assert!(plain.shutdown_within(10 * SECOND).await);
    }
}

#[tokio::test]
async fn a_lock_outlives_what_is_shorter_than_its_lease() {
    let server = Server::start();
    let ns = on(&server).await;
    let locks = patient(&ns).lease(2 * SECOND).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let mut states = held.state();
    for _ in 0..4 {
        server.pause();
        assert_eq!(states.changed().await, State::AtRisk);
        server.resume();
        // Until it was renewed after that.
        let before = held.deadline();
        let later = before + Duration::from_millis(200);
        until("it is renewed", async || held.deadline() > later).await;
        assert_eq!(states.changed().await, State::Held);
    }
    assert_eq!(held.release().await.unwrap(), Release::Released);
}

#[tokio::test]
async fn what_the_server_forgot_is_lost_with_the_next_renewal() {
    let server = Server::start();
    let ns = on(&server).await;
    let locks = patient(&ns).lease(LEASE).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let fence = held.fence();
    let began = Instant::now();
    server.flush_all();
    assert_eq!(held.lost().await, LostReason::Taken);
    assert!(began.elapsed() < LEASE * 2 / 3, "{:?}", began.elapsed());
    let next = locks.mutex("a").lock().await.unwrap();
    assert!(next.fence() > fence, "fences rise also then");
}

#[tokio::test]
async fn work_is_cancelled_when_its_lock_is_lost() {
    let server = Server::start();
    let ns = on(&server).await;
    let locks = patient(&ns).lease(LEASE).build().unwrap();
    let mutex = locks.mutex("a");
    let work = mutex.run(|_| async {
        server.flush_all();
        std::future::pending::<()>().await;
    });
    let error = work.await.unwrap_err();
    assert!(
        matches!(error, LockError::Lost(LostReason::Taken)),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_all_blocked_lose_nothing() {
    let server = Server::start();
    let ns = on(&server).await;
    let locks = patient(&ns).lease(LEASE).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    // What is measured is the time in which nobody runs but the thread that renews.
    let blocked: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async { std::thread::sleep(3 * LEASE) }))
        .collect();
    std::thread::sleep(3 * LEASE);
    assert!(held.is_held());
    for task in blocked {
        task.await.unwrap();
    }
    assert_eq!(held.release().await.unwrap(), Release::Released);
}

#[tokio::test]
async fn a_handle_that_is_shut_down_holds_nothing() {
    let server = Server::start();
    let redis = russet_locks::Redis::connect(&server.url()).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    redis.shutdown_within(SECOND).await;
    assert_eq!(held.lost().await, LostReason::Shutdown);
}

#[tokio::test]
async fn a_release_whose_reply_was_lost_is_told_as_what_it_was() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = russet_locks::Redis::connect(&proxy.url()).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    for turn in 0..3 {
        let held = locks
            .mutex("a")
            .lock_within(10 * SECOND)
            .await
            .unwrap()
            .unwrap();
        let lost = proxy.inject(
            Match::command("EVALSHA").nth(1),
            Fault::DropReply(After::Close),
        );
        assert_eq!(held.release().await.unwrap(), Release::Released, "{turn}");
        drop(lost);
        // And a take.
        let lost = proxy.inject(
            Match::command("EVALSHA").nth(1),
            Fault::DropReply(After::Close),
        );
        let held = locks.mutex("a").lock_within(10 * SECOND).await.unwrap();
        assert!(held.is_some(), "it is its own");
        drop(lost);
    }
}

#[tokio::test]
async fn a_release_was_one_also_if_somebody_else_has_it_before_that_is_known() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = russet_locks::Redis::connect(&proxy.url()).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let other = patient(&on(&server).await).build().unwrap();
    // The server knows all scripts from here on.
    let held = locks.mutex("b").lock().await.unwrap();
    held.release().await.unwrap();
    drop(locks.mutex("b").lock().await.unwrap());
    assert!(locks.shutdown_within(10 * SECOND).await);
    let held = locks.mutex("a").lock().await.unwrap();
    let waits = tokio::spawn({
        let mutex = other.mutex("a");
        async move { mutex.lock().await.unwrap() }
    });
    until("the other waits", async || {
        other.mutex("a").inspect().await.unwrap().waiting == 1
    })
    .await;
    // The first tells that somebody waits, the second hands it on.
    let lost = proxy.inject(
        Match::command("EVALSHA").nth(2),
        Fault::DropReply(After::Close),
    );
    assert_eq!(held.release().await.unwrap(), Release::Released);
    assert_eq!(lost.hits(), 1);
    assert!(waits.await.unwrap().is_held());
}

#[tokio::test]
async fn a_lock_that_is_taken_away_is_lost_and_handed_on() {
    let server = Server::start();
    let build = |ns, label| patient(&ns).owner(label).build().unwrap();
    let (one, other) = (
        build(on(&server).await, "worker-1"),
        build(on(&server).await, "worker-2"),
    );
    let mutex = one.mutex("a");
    assert_eq!(mutex.inspect().await.unwrap(), Default::default());
    assert_eq!(mutex.force_release("nothing to do").await.unwrap(), []);
    let held = mutex.lock().await.unwrap();
    let waits = tokio::spawn({
        let other = other.clone();
        async move { other.mutex("a").lock().await.unwrap() }
    });
    until("it waits", async || {
        mutex.inspect().await.unwrap().waiting == 1
    })
    .await;
    let told = mutex.inspect().await.unwrap();
    assert_eq!(told.queue, ["worker-2"]);
    let [holder] = &told.holders[..] else {
        panic!("{told:?}")
    };
    assert_eq!((&*holder.owner, holder.fence), ("worker-1", held.fence()));
    assert!(holder.left > 19 * SECOND && holder.left <= 30 * SECOND);
    let forced = other.mutex("a").force_release("it hangs").await.unwrap();
    assert_eq!(forced[0].fence, held.fence());
    let next = waits.await.unwrap();
    assert!(next.fence() > held.fence());
    assert_eq!(held.release().await.unwrap(), Release::AlreadyLost);
    // Who has waited here hears it at once.
    let began = Instant::now();
    one.mutex("a")
        .force_release("it hangs as well")
        .await
        .unwrap();
    assert_eq!(next.lost().await, LostReason::Forced);
    assert!(began.elapsed() < 5 * SECOND);
    assert!(mutex.try_lock().await.unwrap().is_some());
}
