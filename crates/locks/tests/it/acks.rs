//! Locks that others must have as well.

use std::time::Duration;

use russet_locks::{Ack, BuildErrorKind, LockError, Locks, Redis, Release};
use russet_testkit::proxy::{After, Fault, Match, Proxy};
use russet_testkit::{Product, Server};

use crate::{SECOND, on, patient, until};

const REPLICA: Ack = Ack::Replicas {
    n: 1,
    timeout: Duration::from_secs(10),
};
/// Where nobody will have it.
const NOBODY: Ack = Ack::Replicas {
    n: 1,
    timeout: Duration::from_millis(100),
};
const DISK: Ack = Ack::Fsync {
    timeout: Duration::from_secs(5),
};

fn is_unconfirmed<T: std::fmt::Debug>(result: Result<T, LockError>) -> bool {
    match result {
        Err(LockError::NotReplicated { by: 0, wanted: 1 }) => true,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_no_replica_has_is_given_back() {
    let primary = Server::start();
    let locks = patient(&on(&primary).await).ack(REPLICA).build().unwrap();
    let mutex = locks.mutex("a");
    assert!(is_unconfirmed(mutex.clone().ack(NOBODY).try_lock().await));
    assert!(locks.shutdown_within(10 * SECOND).await);
    assert_eq!(mutex.inspect().await.unwrap().holders, []);

    let replica = tokio::task::block_in_place(|| primary.replica());
    let held = mutex.lock().await.unwrap();
    // Handed over, and confirmed as well.
    let waits = tokio::spawn({
        let mutex = mutex.clone();
        async move { mutex.lock().await }
    });
    until("it waits", async || {
        mutex.inspect().await.unwrap().waiting == 1
    })
    .await;
    assert_eq!(held.release().await.unwrap(), Release::Released);
    let held = waits.await.unwrap().unwrap();
    let reads = locks.rw("a").read().lock().await.unwrap();
    drop((held, reads));
    assert!(locks.shutdown_within(10 * SECOND).await);

    replica.pause();
    let told = mutex.clone().ack(NOBODY).lock_within(SECOND).await;
    assert!(is_unconfirmed(told));
    let permit = locks.semaphore("a", 2).permit().ack(NOBODY);
    assert!(is_unconfirmed(permit.lock().await));
    assert!(locks.shutdown_within(10 * SECOND).await);
    // Also where it was handed over.
    let held = mutex.clone().ack(Ack::Primary).lock().await.unwrap();
    let waits = tokio::spawn({
        let mutex = mutex.clone().ack(NOBODY);
        async move { mutex.lock().await }
    });
    until("it waits", async || {
        mutex.inspect().await.unwrap().waiting == 1
    })
    .await;
    held.release().await.unwrap();
    assert!(is_unconfirmed(waits.await.unwrap()));
    assert!(locks.shutdown_within(10 * SECOND).await);
    // Who does not ask for it gets it.
    let held = mutex.clone().ack(Ack::Primary).try_lock().await.unwrap();
    // Busy is busy, and waits for nobody.
    assert!(mutex.try_lock().await.unwrap().is_none());
    replica.resume();
    drop(held);
    assert!(mutex.lock().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_is_what_was_written() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let replica = tokio::task::block_in_place(|| server.replica());
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let mutex = locks.mutex("a").ack(REPLICA);
    drop(mutex.lock().await.unwrap());
    assert!(locks.shutdown_within(10 * SECOND).await);
    // On a new connection the wait would be for nothing, and tell of success.
    for fault in [Fault::CutBefore, Fault::DropReply(After::Close)] {
        let cut = proxy.inject(Match::command("WAIT"), fault);
        replica.pause();
        let told = mutex.try_lock().await;
        assert!(matches!(told, Err(LockError::Redis(_))), "{told:?}");
        assert_eq!(cut.hits(), 1);
        cut.remove();
        replica.resume();
        assert!(locks.shutdown_within(10 * SECOND).await);
        assert_eq!(mutex.inspect().await.unwrap().holders, []);
        drop(mutex.lock().await.unwrap());
        assert!(locks.shutdown_within(10 * SECOND).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_waited_for_where_there_is_one() {
    let server = Server::builder().append_only().start();
    let ns = on(&server).await;
    let version = server.version();
    let can = version.is_at_least(Product::Redis, 7, 2) || version.product == Product::Valkey;
    if !can {
        let told = Locks::builder(&ns).ack(DISK).build().map(drop);
        assert_eq!(told.unwrap_err().kind(), BuildErrorKind::Unsupported);
        let locks = patient(&ns).build().unwrap();
        let told = locks.mutex("a").ack(DISK).try_lock().await;
        assert!(matches!(told, Err(LockError::Redis(_))), "{told:?}");
        return;
    }
    let locks = patient(&ns).ack(DISK).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let fence = held.fence();
    held.detach();
    tokio::task::block_in_place(|| {
        server.kill();
        server.restart();
    });
    until("it is there again", async || {
        match locks.mutex("a").inspect().await {
            Ok(told) => told.holders.iter().any(|held| held.fence == fence),
            Err(_) => false,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_have_it_is_checked() {
    let ns = crate::namespace().await;
    for (n, millis) in [(0, 100), (1, 0), (1, 60_001)] {
        let timeout = Duration::from_millis(millis);
        let ack = Ack::Replicas { n, timeout };
        let told = Locks::builder(&ns).ack(ack).build().map(drop);
        assert_eq!(told.unwrap_err().kind(), BuildErrorKind::Limit, "{ack:?}");
    }
}
