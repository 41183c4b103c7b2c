//! The locks, measured: as `SYSTEM` says a mutex, or one side of a read-write lock, whose calls share no scripts.

use russet_bench_load::{HOLD, Kind, System, lock, worker};
use russet_locks::{Lock, Locks, Redis, Release};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn measure() {
    match std::env::var("SYSTEM").as_deref() {
        Ok("russet-rw") => worker("russet-rw", VERSION, |url| async move {
            Held(locks(&url).await, |locks, name| locks.rw(name).write())
        }),
        _ => worker("russet", VERSION, |url| async move {
            Held(locks(&url).await, |locks, name| locks.mutex(name))
        }),
    }
}

async fn locks(url: &str) -> Locks {
    let redis = Redis::connect(url).await.expect("the server answers");
    let ns = redis.namespace("bench").expect("a name");
    Locks::builder(&ns).build().expect("locks")
}

#[derive(Clone)]
struct Held(Locks, fn(&Locks, &str) -> Lock);

impl System for Held {
    async fn operate(&self, kind: Kind, turn: usize) {
        let lock = (self.1)(&self.0, lock(kind, turn));
        let held = lock.lock().await.expect("a lock");
        if kind == Kind::Contended {
            tokio::time::sleep(HOLD).await;
        }
        let released = held.release().await.expect("a reply");
        assert_eq!(released, Release::Released);
    }
}
