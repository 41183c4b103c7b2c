//! Calls that are dropped at each of their await points leave nothing taken.

use std::pin::Pin;

use russet_testkit::dropped_after;

use crate::{SECOND, namespace, patient};

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_dropped_is_given_back() {
    let ns = namespace().await;
    let locks = patient(&ns).build().unwrap();
    for polls in 0..5 {
        for is_taken in [false, true] {
            for kind in ["try_lock", "lock_within", "run", "release"] {
                let name = format!("{kind} {polls} {is_taken}");
                let taken = match is_taken && kind != "release" {
                    true => Some(locks.mutex(&name).lock().await.unwrap()),
                    false => None,
                };
                let mutex = locks.mutex(&name);
                let call: Call = match kind {
                    "try_lock" => Box::pin(async move { drop(mutex.try_lock().await) }),
                    "lock_within" => Box::pin(async move { drop(mutex.lock_within(SECOND).await) }),
                    "run" => {
                        Box::pin(async move { drop(mutex.run(|_| tokio::task::yield_now()).await) })
                    }
                    _ => {
                        let held = mutex.lock().await.unwrap();
                        Box::pin(async move { drop(held.release().await) })
                    }
                };
                let _ = dropped_after(polls, call).await;
                if let Some(taken) = taken {
                    taken.release().await.unwrap();
                }
                let free = locks.mutex(&name).lock_within(10 * SECOND).await.unwrap();
                assert!(free.is_some(), "{name}");
                free.unwrap().release().await.unwrap();
            }
        }
    }
    assert!(locks.shutdown_within(10 * SECOND).await);
}
