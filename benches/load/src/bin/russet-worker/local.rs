//! The cache's local tier, measured: hits that never leave this process.

use std::time::Duration;

use russet_bench_load::{Kind, System, VALUE_LEN, local_key, local_keys, worker};
use russet_cache::{Cache, Inserted, Raw, Redis};
use russet_core::Bytes;

/// Room for everything, as the rivals have it.
const ROOM: u64 = 1 << 20;
/// Longer than a turn: no hit may turn into a miss.
const TTL: Duration = Duration::from_hours(1);

pub(crate) fn measure() {
    worker("russet", env!("CARGO_PKG_VERSION"), |url| async move {
        Local::filled(&url).await
    });
}

#[derive(Clone)]
struct Local(Cache<String, Raw<Bytes>>);

impl Local {
    async fn filled(url: &str) -> Self {
        let redis = Redis::connect(url).await.expect("the server answers");
        let ns = redis.namespace("bench").expect("a name");
        let cache = Cache::<String, Raw<Bytes>>::builder(&ns, "profiles")
            .ttl(TTL)
            .local(ROOM)
            .build()
            .expect("a cache");
        let profile = Bytes::from(vec![b'x'; VALUE_LEN]);
        for key in local_keys() {
            let inserted = cache.insert(*key, Raw(profile.clone())).await;
            assert_eq!(inserted.expect("a reply"), Inserted::Stored);
        }
        Local(cache)
    }
}

impl System for Local {
    async fn operate(&self, kind: Kind, turn: usize) {
        let profile = self.0.get(local_key(kind, turn)).await.expect("a reply");
        assert_eq!(profile.expect("a value").0.len(), VALUE_LEN);
    }
}
