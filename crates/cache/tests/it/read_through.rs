//! Caches that read and write their source themselves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russet_cache::{Builder, Cache, Cx, LoadError, Loaded, Pattern, Redis, WriteError};
use russet_testkit::Server;

use super::lease::{LONG, refreshing};
use super::{calls, namespace, until};

/// A source that counts what it is asked, and can be broken.
#[derive(Clone, Default)]
pub(super) struct Database(Arc<Rows>);

#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<u64, String>>,
    reads: AtomicU32,
    reads_of_many: AtomicU32,
    is_down: AtomicBool,
}

#[derive(Debug, PartialEq)]
pub(super) struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the database is down")
    }
}

impl std::error::Error for Down {}

impl Database {
    pub(super) fn of(ids: impl IntoIterator<Item = u64>) -> Self {
        let database = Database::default();
        for id in ids {
            database.put(id, &format!("user {id}"));
        }
        database
    }

    pub(super) fn put(&self, id: u64, name: &str) {
        self.0.rows.lock().unwrap().insert(id, name.to_owned());
    }

    pub(super) fn breaks(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    pub(super) fn reads(&self) -> u32 {
        self.0.reads.load(Ordering::SeqCst)
    }

    pub(super) fn reads_of_many(&self) -> u32 {
        self.0.reads_of_many.load(Ordering::SeqCst)
    }

    fn up(&self) -> Result<(), Down> {
        match self.0.is_down.load(Ordering::SeqCst) {
            true => Err(Down),
            false => Ok(()),
        }
    }

    fn row(&self, id: u64) -> Result<Option<String>, Down> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        Ok(self.0.rows.lock().unwrap().get(&id).cloned())
    }

    fn some(&self, ids: Vec<u64>) -> Result<Vec<(u64, Option<String>)>, Down> {
        self.0.reads_of_many.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let rows = self.0.rows.lock().unwrap();
        let found = ids.into_iter().map(|id| (id, rows.get(&id).cloned()));
        Ok(found.collect())
    }

    pub(super) fn loads(&self, users: Builder<u64, String>) -> Builder<u64, String> {
        let database = self.clone();
        users.loader(move |id, _cx| std::future::ready(database.row(id)))
    }

    pub(super) fn loads_many(&self, users: Builder<u64, String>) -> Builder<u64, String> {
        let database = self.clone();
        users.bulk_loader(move |ids, _cx| std::future::ready(database.some(ids)))
    }

    fn writes(&self, users: Builder<u64, String>) -> Builder<u64, String> {
        let database = self.clone();
        users.writer(move |id, name: Arc<String>, _scopes| {
            let written = database.up().map(|()| database.put(id, &name));
            std::future::ready(written)
        })
    }
}

async fn users(database: &Database) -> Cache<u64, String> {
    let users = Cache::builder(&namespace().await, "users").ttl(Duration::from_mins(1));
    database.loads(users).build().unwrap()
}

#[tokio::test]
async fn what_is_missing_is_loaded_once_and_what_is_not_there_too() {
    let database = Database::of(1..=2);
    let users = users(&database).await;
    for _ in 0..3 {
        let found = users.load(&1).await.unwrap();
        assert_eq!(found.as_deref().map(String::as_str), Some("user 1"));
        assert_eq!(users.load(&9).await.unwrap(), None);
    }
    assert_eq!(database.reads(), 2, "each once");
    database.breaks(true);
    let failed = users.load(&2).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the loader failed: the database is down"
    );
    let LoadError::Loader(failed) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(failed.downcast_ref::<Down>(), Some(&Down));
    assert!(failed.downcast_ref::<std::io::Error>().is_none());
}

#[tokio::test]
async fn a_stale_value_is_served_while_it_is_loaded_behind_the_reader() {
    let database = Database::of([1]);
    let users = Cache::builder(&namespace().await, "users")
        .ttl(Duration::from_millis(50))
        .stale_while_revalidate(LONG);
    let users = database.loads(users).build().unwrap();
    users.load(&1).await.unwrap();
    until("stale", async || users.get(&1).await.unwrap().is_none()).await;
    database.put(1, "renamed");
    let served = users.load(&1).await.unwrap();
    assert_eq!(served.as_deref().map(String::as_str), Some("user 1"));
    until("loaded behind the reader", async || {
        users.load(&1).await.unwrap().unwrap().as_str() == "renamed"
    })
    .await;
    assert_eq!(database.reads(), 2);
}

#[tokio::test]
async fn a_call_says_what_it_wants_otherwise() {
    let users = users(&Database::of(1..=2)).await;
    users
        .load(&1)
        .tag("org:3")
        .ttl(Duration::from_secs(5))
        .await
        .unwrap();
    let left = users.ttl(&1).await.unwrap().unwrap();
    assert!(left <= Duration::from_secs(5), "{left:?}");
    users.invalidate_tag("org:3").await.unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
}

/// A herd without a loader of many loads each key once, 16 at a time; with one all at once.
#[tokio::test]
async fn many_are_loaded_singly_or_at_once() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let ids: Vec<u64> = (0..100).collect();
    let expected = |id: &u64| (*id < 90).then(|| format!("user {id}"));

    let database = Database::of(0..90);
    let singly = database
        .loads(Cache::builder(&ns, "singly"))
        .build()
        .unwrap();
    for _ in 0..2 {
        let loaded = singly.load_many(&ids).await.unwrap();
        for (id, value) in ids.iter().zip(loaded) {
            assert_eq!(value.as_deref().cloned(), expected(id));
        }
    }
    assert_eq!(
        database.reads(),
        100,
        "each once, those that are not there too"
    );

    let database = Database::of(0..90);
    let at_once = database.loads(Cache::builder(&ns, "at_once"));
    let at_once = database.loads_many(at_once).build().unwrap();
    server.command(&["CONFIG", "RESETSTAT"]);
    for _ in 0..2 {
        let loaded = at_once.load_many(&ids).await.unwrap();
        for (id, value) in ids.iter().zip(loaded) {
            assert_eq!(value.as_deref().cloned(), expected(id));
        }
    }
    assert_eq!(database.reads(), 0);
    assert_eq!(database.reads_of_many(), 1, "that there is none is cached");
    assert_eq!(calls(&server, "mget"), 2);
    assert_eq!(at_once.load(&95).await.unwrap(), None);
    assert_eq!(database.reads(), 0, "it is known");
    database.breaks(true);
    let failed = at_once.load_many(&[1, 1_000]).await.unwrap_err();
    assert!(matches!(failed, LoadError::Loader(_)));
}

/// What a load of many says of each: a TTL and tags of its own, or that there is no such thing.
#[tokio::test]
async fn a_load_of_many_says_of_each_what_is_to_become_of_it() {
    let users = super::cache().await;
    let load = |ids: Vec<u64>| async move {
        let all = ids.into_iter().filter(|id| *id != 4);
        Ok::<_, ()>(all.map(|id| match id {
            1 => (
                id,
                Loaded::value("short".to_owned()).ttl(Duration::from_secs(2)),
            ),
            2 => (id, Loaded::value("tagged".to_owned()).tag("t")),
            3 => (id, Loaded::missing()),
            _ => (id, Loaded::uncached("passing".to_owned())),
        }))
    };
    let loaded = users
        .get_or_load_many(&[1, 2, 3, 4, 5], load)
        .await
        .unwrap();
    let loaded: Vec<_> = loaded
        .iter()
        .map(|value| value.as_deref().map(String::as_str))
        .collect();
    assert_eq!(
        loaded,
        [Some("short"), Some("tagged"), None, None, Some("passing")]
    );
    assert!(users.ttl(&1).await.unwrap().unwrap() <= Duration::from_secs(2));
    assert_eq!(users.get(&5).await.unwrap(), None, "not cached");
    users.invalidate_tag("t").await.unwrap();
    assert_eq!(users.get(&2).await.unwrap(), None);
    let before = users.stats().hits_missing;
    users.get(&3).await.unwrap();
    users.get(&4).await.unwrap();
    assert_eq!(
        users.stats().hits_missing,
        before + 1,
        "of 4 nothing was said"
    );
    let claims = |_| async { Ok::<_, Down>([(7, Loaded::not_modified())]) };
    let failed = users.get_or_load_many(&[7], claims).await.unwrap_err();
    assert!(
        failed.to_string().contains("there is no stale value"),
        "{failed}"
    );
}

/// What is refreshed was loaded after the call; others are served what is cached, and keep it if the load fails.
#[tokio::test]
async fn refreshing_asks_the_source_whatever_is_cached() {
    let database = Database::of([1]);
    let users = users(&database).await;
    users.load(&1).await.unwrap();
    database.put(1, "renamed");
    assert_eq!(users.load(&1).await.unwrap().as_deref().unwrap(), "user 1");
    assert_eq!(
        users.refresh(&1).await.unwrap().as_deref().unwrap(),
        "renamed"
    );
    assert_eq!(users.get(&1).await.unwrap().as_deref().unwrap(), "renamed");
    database.breaks(true);
    assert!(users.refresh(&1).await.is_err());
    assert_eq!(users.get(&1).await.unwrap().as_deref().unwrap(), "renamed");
    let by_hand = users.refresh_with(&1, |cx: Cx<String>| async move {
        assert_eq!(cx.stale.as_deref().unwrap(), "renamed");
        Ok::<_, ()>("by hand".to_owned())
    });
    assert_eq!(*by_hand.await.unwrap(), "by hand");
    assert_eq!(users.get(&1).await.unwrap().as_deref().unwrap(), "by hand");
}

/// Somebody who began to load before a refresh does not overwrite what it brought.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_wins_over_a_load_that_began_before() {
    let [one, two] = super::lease::processes(LONG).await;
    let mut old = super::lease::gated(&one, 1, Ok(10));
    (&mut old.begun).await.unwrap();
    let new = two.refresh_with(&1, |_| async { Ok::<_, ()>(11) });
    assert_eq!(*new.await.unwrap(), 11);
    old.open.notify_one();
    assert_eq!(*old.loading.await.unwrap().unwrap(), 10, "it called before");
    for process in [&one, &two] {
        assert_eq!(process.get(&1).await.unwrap().as_deref(), Some(&11));
    }
}

/// An invalidation while it loads wins over a refresh too.
#[tokio::test]
async fn what_is_removed_during_a_refresh_stays_away() {
    let [one, two] = super::lease::processes(LONG).await;
    one.insert(&1, 10).await.unwrap();
    let mut refreshing = refreshing(&one, 1, 10);
    (&mut refreshing.begun).await.unwrap();
    two.remove(&1).await.unwrap();
    refreshing.open.notify_one();
    assert_eq!(*refreshing.loading.await.unwrap().unwrap(), 10);
    for process in [&one, &two] {
        assert_eq!(process.get(&1).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_write_is_cached_or_removes_what_was() {
    let ns = namespace().await;
    let database = Database::of([1]);
    for pattern in [
        Pattern::WriteThrough,
        Pattern::CacheAside,
        Pattern::ReadThrough,
    ] {
        let users = Cache::builder(&ns, "users").pattern(pattern);
        let users = database.writes(database.loads(users)).build().unwrap();
        users.insert(&1, "cached".to_owned()).await.unwrap();
        users.write(&1, format!("{pattern:?}")).await.unwrap();
        let cached = users.get(&1).await.unwrap();
        let expected = (pattern == Pattern::WriteThrough).then_some("WriteThrough");
        assert_eq!(cached.as_deref().map(String::as_str), expected);
        assert_eq!(
            users.load(&1).await.unwrap().unwrap().to_string(),
            format!("{pattern:?}")
        );
        database.breaks(true);
        let failed = users.write(&1, "lost".to_owned()).await.unwrap_err();
        assert_eq!(
            failed.to_string(),
            "the writer failed: the database is down"
        );
        database.breaks(false);
        assert_eq!(
            users.get(&1).await.unwrap(),
            None,
            "nobody knows what it has"
        );
    }
}

#[tokio::test]
async fn what_the_builder_was_not_given_is_said() {
    let ns = namespace().await;
    let bare = Cache::<u64, String>::builder(&ns, "users").build().unwrap();
    let failed = bare.load(&1).await.unwrap_err().to_string();
    assert!(
        failed.contains("give its builder one, by `.loader(..)`"),
        "{failed}"
    );
    assert!(bare.refresh(&1).await.is_err());
    assert!(bare.load_many(&[1]).await.is_err());
    assert!(bare.warm([1]).await.is_err());
    assert!(bare.warm([1]).every(LONG).is_err());
    let failed = bare.write(&1, "x".to_owned()).await.unwrap_err();
    assert!(matches!(failed, WriteError::Cache(_)) && failed.to_string().contains(".writer(..)"));
    for (pattern, lacks) in [
        (Pattern::ReadThrough, "loader"),
        (Pattern::WriteThrough, "writer"),
    ] {
        let users = Cache::<u64, String>::builder(&ns, "users").pattern(pattern);
        let refused = users.build().unwrap_err().to_string();
        assert!(refused.contains(lacks), "{refused}");
    }
}

/// Who reads or writes a source is told of which scope a key is.
#[tokio::test]
async fn the_source_is_told_the_scope() {
    let ns = namespace().await;
    let build = |name| {
        Cache::builder(&ns, name).loader(|id: u64, cx: Cx<String>| {
            let scopes = cx.scopes().join("/");
            async move { Ok::<_, Down>(format!("{scopes} {id}")) }
        })
    };
    let users = build("users").build().unwrap();
    let inner = users.scope("ws-1").scope("x");
    assert_eq!(inner.load(&1).await.unwrap().unwrap().as_str(), "ws-1/x 1");
    assert_eq!(users.load(&1).await.unwrap().unwrap().as_str(), " 1");
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = written.clone();
    let many = build("many")
        .bulk_loader(|ids: Vec<u64>, cx: Cx<String>| {
            let scopes = cx.scopes().join("/");
            let all = ids
                .into_iter()
                .map(move |id| (id, format!("{scopes} {id}, of many")));
            std::future::ready(Ok::<_, Down>(all))
        })
        .writer(move |id, _, scopes| {
            log.lock().unwrap().push((id, scopes.names().join("/")));
            std::future::ready(Ok::<_, Down>(()))
        });
    let inner = many.build().unwrap().scope("ws-1");
    let loaded = inner.load_many(&[1]).await.unwrap();
    assert_eq!(loaded[0].as_deref().unwrap(), "ws-1 1, of many");
    assert_eq!(inner.warm([2]).await.unwrap().loaded, 1);
    assert_eq!(
        inner.get(&2).await.unwrap().unwrap().as_str(),
        "ws-1 2, of many"
    );
    inner.write(&3, "x".to_owned()).await.unwrap();
    assert_eq!(*written.lock().unwrap(), [(3, "ws-1".to_owned())]);
}

/// What is fresh stays as fresh as it was where a refresh fails.
#[tokio::test]
async fn a_refresh_that_fails_takes_nothing_from_a_fresh_value() {
    let database = Database::of([1]);
    let users = Cache::builder(&namespace().await, "users")
        .ttl(LONG)
        .jitter(0.0)
        .stale_if_error(LONG)
        .error_throttle(Duration::from_secs(1));
    let users = database.loads(users).build().unwrap();
    users.load(&1).await.unwrap();
    database.breaks(true);
    assert!(users.refresh(&1).await.is_err());
    let left = users.ttl(&1).await.unwrap().unwrap();
    assert!(left > LONG / 2, "{left:?}");
    users.get(&1).await.unwrap();
    assert_eq!(users.stats().stale_served, 0);
}
