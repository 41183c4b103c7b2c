//! Fences rise.

use std::time::Duration;

use russet_locks::{Fence, LockError};
use russet_testkit::Server;

use crate::{SECOND, on, patient};

#[tokio::test]
async fn a_fence_is_above_all_before_whatever_was_forgotten() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let mut last = Fence(0);
    for turn in 0..300 {
        let held = locks.mutex("a").lock().await.unwrap();
        assert!(held.fence() > last, "{turn}");
        last = held.fence();
        held.release().await.unwrap();
        match turn % 3 {
            0 => server.flush_all(),
            1 => drop(server.command(&["DEL", "shop:lock:{a}"])),
            _ => {}
        }
    }
}

#[tokio::test]
async fn where_a_higher_fence_was_seen_it_is_uncertain() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let first = locks.mutex("a").lock().await.unwrap();
    let seen = Fence(first.fence().0 + 60_000_000);
    first.release().await.unwrap();
    let error = locks.mutex("a").above(seen).try_lock().await.unwrap_err();
    assert!(matches!(error, LockError::FenceUncertain { .. }), "{error}");
    // It is not taken by that.
    let held = locks.mutex("a").try_lock().await.unwrap().unwrap();
    // Nor by one who was handed it.
    let waits = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").above(seen).lock_within(10 * SECOND).await }
    });
    crate::until("it waits", async || {
        server.command(&["ZCARD", "shop:lock:{a}:%queue"]).as_int() == Some(1)
    })
    .await;
    held.release().await.unwrap();
    let error = waits.await.unwrap().unwrap_err();
    assert!(matches!(error, LockError::FenceUncertain { .. }), "{error}");
    let held = locks.mutex("a").lock_within(10 * SECOND).await.unwrap();
    assert!(held.is_some());
    let lower = Fence(held.unwrap().fence().0 - Duration::from_secs(1).as_micros() as u64);
    assert!(
        locks
            .mutex("b")
            .above(lower)
            .try_lock()
            .await
            .unwrap()
            .is_some()
    );
}
