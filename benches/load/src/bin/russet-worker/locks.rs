//! The locks, measured: as `SYSTEM` says a mutex; one side of a read-write lock, whose calls share no scripts; or no more than `SET NX` and a
//! script that removes it again, which is what a lock without fence and queue sends.

use russet_bench_load::{Kind, System, hold, lock, worker};
use russet_core::{Command, Concern, Key, Lane, Policy, Script};
use russet_locks::{Lock, Locks, Redis, Release};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn measure() {
    match std::env::var("SYSTEM").as_deref() {
        Ok("russet-rw") => worker("russet-rw", VERSION, |url| async move {
            Held(locks(&url).await, |locks, name| locks.rw(name).write())
        }),
        Ok("russet-core") => worker("russet-core", VERSION, |url| async move {
            let redis = Redis::connect(&url).await.expect("the server answers");
            Bare(redis.on(Concern::new("bench", "BENCH_REDIS_URL")))
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
        hold(kind).await;
        let released = held.release().await.expect("a reply");
        assert_eq!(released, Release::Released);
    }
}

static UNLOCK: Script = Script::new(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
);

#[derive(Clone)]
struct Bare(Lane);

impl System for Bare {
    async fn operate(&self, kind: Kind, turn: usize) {
        let (key, token) = (Key::raw(lock(kind, turn)), turn.to_string());
        let set = Command::new("SET").key(&key).arg(&token).arg("NX");
        let set = self.0.run(set.arg("PX").arg(30_000), Policy::AtMostOnce);
        let _taken: String = set.await.expect("a lock");
        hold(kind).await;
        let unlock = self
            .0
            .script::<u64>(&UNLOCK, [&key], [token], Policy::AtMostOnce);
        assert_eq!(unlock.await.expect("a reply"), 1);
    }
}
