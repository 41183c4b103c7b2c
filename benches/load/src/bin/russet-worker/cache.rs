//! The cache, measured: as `SYSTEM` says with a struct, or with bytes as they are.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russet_bench_load::{
    KEYS, Kind, LOAD, MANY, PAGE_LEN, System, User, asked, fresh, number, worker,
};
use russet_cache::{Cache, Cx, Inserted, Payload, Raw, Redis};
use russet_core::Bytes;

use crate::local;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Long enough for a turn; what no later turn reads is gone soon.
const TTL: Duration = Duration::from_secs(60);

pub(crate) fn measure() {
    let kind = asked().map(|scenario| scenario.kind);
    if matches!(kind, Some(Kind::Local | Kind::LocalHot)) {
        return local::measure();
    }
    match std::env::var("SYSTEM").as_deref() {
        Ok("russet-raw") => worker("russet-raw", VERSION, |url| async move {
            let page = Bytes::from(vec![b'x'; PAGE_LEN]);
            Pages(filled(&url, "pages", |_| Raw(page.clone())).await)
        }),
        _ => worker("russet", VERSION, |url| async move {
            Users {
                cache: filled(&url, "users", User::of).await,
                user: Arc::new(User::of(0)),
                loads: Arc::default(),
            }
        }),
    }
}

/// A cache, with every value that the scenario reads.
async fn filled<V>(url: &str, name: &str, value: impl Fn(u64) -> V) -> Cache<u64, V>
where
    V: Payload + Send + Sync + 'static,
{
    let redis = Redis::connect(url).await.expect("the server answers");
    let ns = redis.namespace("bench").expect("a name");
    let cache = Cache::<u64, V>::builder(&ns, name)
        .ttl(TTL)
        .build()
        .expect("a cache");
    if asked().is_some_and(|scenario| matches!(scenario.kind, Kind::Hit | Kind::GetMany)) {
        let ids: Vec<u64> = (0..KEYS as u64).collect();
        let values = ids.iter().map(|id| (id, value(*id)));
        let inserted = cache.insert_many(values).await.expect("a reply");
        assert!(inserted.iter().all(|one| *one == Inserted::Stored));
    }
    cache
}

/// Bytes as they are.
#[derive(Clone)]
struct Pages(Cache<u64, Raw<Bytes>>);

impl System for Pages {
    async fn operate(&self, _: Kind, turn: usize) {
        let page = self.0.get(&number(turn)).await.expect("a reply");
        assert_eq!(page.expect("a value").0.len(), PAGE_LEN);
    }
}

/// A struct, in MessagePack.
#[derive(Clone)]
struct Users {
    cache: Cache<u64, User>,
    /// What is inserted: making it shall not be what is measured.
    user: Arc<User>,
    loads: Arc<AtomicUsize>,
}

impl System for Users {
    async fn operate(&self, kind: Kind, turn: usize) {
        match kind {
            Kind::Hit => {
                let id = number(turn);
                let user = self.cache.get(&id).await.expect("a reply");
                assert_eq!(user.expect("a value").id, id);
            }
            Kind::GetMany => {
                let first = turn.wrapping_mul(MANY);
                let ids: Vec<u64> = (0..MANY).map(|at| number(first.wrapping_add(at))).collect();
                let users = self.cache.get_many(&ids).await.expect("a reply");
                assert!(users.iter().all(Option::is_some));
            }
            Kind::Insert => {
                let inserted = self.cache.insert(&number(turn), self.user.clone()).await;
                assert_eq!(inserted.expect("a reply"), Inserted::Stored);
            }
            Kind::Miss => self.load(fresh(), Duration::ZERO).await,
            // All of a herd ask in the same turn.
            _ => self.load(turn as u64, LOAD).await,
        }
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

impl Users {
    async fn load(&self, id: u64, takes: Duration) {
        let loads = self.loads.clone();
        let load = move |_: Cx<User>| async move {
            loads.fetch_add(1, Ordering::Relaxed);
            // A timer takes a millisecond at least.
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            Ok::<_, Infallible>(User::of(id))
        };
        let user = self.cache.get_or_load(&id, load).await;
        assert_eq!(user.expect("a value").id, id);
    }
}
