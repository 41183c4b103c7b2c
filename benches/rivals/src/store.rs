//! The store on Redis of the crate `cached`: the same struct as Russet's, in MessagePack too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cached::{AsyncRedisCache, ConcurrentCachedAsync as _};
use russet_bench_load::{KEYS, Kind, LOAD, System, User, asked, number};
use tokio::task::JoinSet;

/// As long as Russet's.
const TTL: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Store {
    users: Arc<AsyncRedisCache<u64, User>>,
    /// What is inserted; the store wants a value of its own each time.
    user: Arc<User>,
    loads: Arc<AtomicUsize>,
}

impl Store {
    /// The store, with every value that the scenario reads.
    pub(crate) async fn filled(url: &str) -> Self {
        let users = AsyncRedisCache::<u64, User>::builder("users")
            .ttl(TTL)
            .connection_string(url)
            .build()
            .await
            .expect("the server answers");
        let store = Store {
            users: Arc::new(users),
            user: Arc::new(User::of(0)),
            loads: Arc::default(),
        };
        if asked().is_some_and(|scenario| scenario.kind == Kind::Hit) {
            store.fill().await;
        }
        store
    }

    /// A hundred at a time: its client gives a command up that waits for half a second.
    async fn fill(&self) {
        for hundred in 0..KEYS as u64 / 100 {
            let mut inserts = JoinSet::new();
            for id in hundred * 100..(hundred + 1) * 100 {
                let store = self.clone();
                inserts.spawn(async move { store.insert(id, User::of(id)).await });
            }
            inserts.join_all().await;
        }
    }

    async fn insert(&self, id: u64, user: User) {
        // It answers the value that was there before.
        let before = self.users.async_cache_set(id, user).await;
        drop(before.expect("a reply"));
    }

    /// As its users do it by hand: nobody waits for anybody else's load, and a command that was given up is a miss.
    async fn load(&self, id: u64) {
        let is_there = matches!(self.users.async_cache_get(&id).await, Ok(Some(_)));
        if !is_there {
            self.loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(LOAD).await;
            let _ = self.users.async_cache_set(id, User::of(id)).await;
        }
    }
}

impl System for Store {
    async fn operate(&self, kind: Kind, turn: usize) {
        match kind {
            Kind::Insert => self.insert(number(turn), User::clone(&self.user)).await,
            // All of a herd ask in the same turn.
            Kind::Herd => self.load(turn as u64).await,
            _ => {
                let id = number(turn);
                let user = self.users.async_cache_get(&id).await.expect("a reply");
                assert_eq!(user.expect("a value").id, id);
            }
        }
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}
