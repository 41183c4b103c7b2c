//! Russet, measured.
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot measure has nothing better to do than to stop"
)]

use russet_bench_load::{Kind, System, key, worker};
use russet_core::{Bytes, Command, Concern, Getter, Key, Lane, Policy, Redis};

fn main() {
    worker("russet", env!("CARGO_PKG_VERSION"), |url| async move {
        let redis = Redis::connect(&url).await.expect("the server answers");
        let lane = redis.on(Concern::new("bench", "BENCH_REDIS_URL"));
        Russet {
            getter: lane.getter(),
            lane,
        }
    });
}

#[derive(Clone)]
struct Russet {
    lane: Lane,
    getter: Getter,
}

impl System for Russet {
    async fn operate(&self, kind: Kind, turn: usize) {
        let key = Key::raw(key(turn));
        let value: Option<Bytes> = match kind {
            Kind::GetAlone => self
                .lane
                .run(Command::new("GET").key(&key), Policy::Idempotent)
                .await
                .expect("a reply"),
            _ => self.getter.get(key).await.expect("a reply"),
        };
        assert_eq!(value.expect("a value").len(), russet_bench_load::VALUE_LEN);
    }
}
