//! Caches in this process's memory, alone: nothing behind them, no expiry, room for everything.

use std::sync::Arc;

use russet_bench_load::{Kind, System, VALUE_LEN, local_key, local_keys};

/// So many values that none is ever evicted.
const ROOM: usize = 4_000;

type Value = Arc<[u8]>;

fn value() -> Value {
    vec![b'x'; VALUE_LEN].into()
}

#[derive(Clone)]
pub(crate) struct QuickCache(Arc<quick_cache::sync::Cache<String, Value>>);

impl QuickCache {
    pub(crate) fn filled() -> Self {
        let cache = quick_cache::sync::Cache::new(ROOM);
        for key in local_keys() {
            cache.insert((*key).to_owned(), value());
        }
        QuickCache(Arc::new(cache))
    }
}

impl System for QuickCache {
    async fn operate(&self, kind: Kind, turn: usize) {
        let value = self.0.get(local_key(kind, turn)).expect("a value");
        assert_eq!(value.len(), VALUE_LEN);
    }
}

#[derive(Clone)]
pub(crate) struct Moka(moka::sync::Cache<String, Value>);

impl Moka {
    pub(crate) fn filled() -> Self {
        let cache = moka::sync::Cache::new(ROOM as u64);
        for key in local_keys() {
            cache.insert((*key).to_owned(), value());
        }
        Moka(cache)
    }
}

impl System for Moka {
    async fn operate(&self, kind: Kind, turn: usize) {
        let value = self.0.get(local_key(kind, turn)).expect("a value");
        assert_eq!(value.len(), VALUE_LEN);
    }
}
