//! Functions whose answers are cached.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russet_cache::{Cache, Error, LoadError, Removed, cached, invalidates};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{namespace, until};

#[derive(Clone, Debug, PartialEq)]
enum DbError {
    Down,
    Cache(String),
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<LoadError<DbError>> for DbError {
    fn from(error: LoadError<DbError>) -> Self {
        match error {
            LoadError::Loader(error) => (*error).clone(),
            other => DbError::Cache(other.to_string()),
        }
    }
}

/// A repository whose methods are cached, and count how often they run.
struct Users {
    users: Cache<u64, String>,
    by_name: Cache<String, u64>,
    pages: Cache<(u64, String, &'static str), Vec<u64>>,
    runs: AtomicU32,
    is_down: AtomicBool,
    begun: Notify,
    gate: Notify,
}

impl Users {
    async fn new() -> Self {
        let ns = namespace().await;
        Users {
            users: Cache::builder(&ns, "users").local(1 << 20).build().unwrap(),
            by_name: Cache::builder(&ns, "by_name").build().unwrap(),
            pages: Cache::builder(&ns, "pages").build().unwrap(),
            runs: AtomicU32::new(0),
            is_down: AtomicBool::new(false),
            begun: Notify::new(),
            gate: Notify::new(),
        }
    }

    fn run(&self) -> Result<u32, DbError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(DbError::Down),
            false => Ok(run),
        }
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    fn breaks(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// A user, by id.
    #[cached(cache = self.users, key = "{id}", ttl = "40s", tags("org:{org}", "all"), skip(org))]
    async fn user(&self, id: u64, org: u64) -> Result<String, DbError> {
        let run = self.run()?;
        Ok(format!("user {id} of {org}, run {run}"))
    }

    /// Shared, and with an error that tells a load from a cache.
    #[cached(cache = self.users, key = "{id}", companions = false)]
    async fn shared(&self, id: u64) -> Result<Arc<String>, LoadError<DbError>> {
        let run = self.run()?;
        if id == 0 {
            return Err(DbError::Down);
        }
        Ok(Arc::new(format!("user {id}, run {run}")))
    }

    #[cached(cache = self.by_name, key = "{name}", negative_ttl = "20s")]
    async fn id_of(&self, name: &str) -> Result<Option<u64>, DbError> {
        self.run()?;
        Ok(name.strip_prefix("user ").and_then(|id| id.parse().ok()))
    }

    #[cached(cache = self.pages, key = "{org}:{name}:page", skip(hint))]
    async fn page<N>(
        &self,
        org: u64,
        name: String,
        #[allow(unused_variables, reason = "of this test")] hint: N,
    ) -> Result<Vec<u64>, DbError>
    where
        N: Into<String> + Send,
    {
        self.run()?;
        // The argument is the body's own.
        let owned: String = name;
        Ok(vec![org, owned.len() as u64])
    }

    #[invalidates(cache = self.users, key = "{id}")]
    #[invalidates(cache = self.by_name, pattern = "{name}")]
    async fn rename(&self, id: u64, name: String) -> Result<u64, DbError> {
        self.run()?;
        drop(name);
        Ok(id)
    }

    #[invalidates(cache = self.users, tags("org:{org}"))]
    async fn touch(&self, org: u64) -> Result<(), DbError> {
        self.begun.notify_one();
        self.gate.notified().await;
        self.run().map(drop)
    }
}

/// A free function, whose cache is a parameter.
#[cached(cache = users, key = "{id}", map_err = |error| error.to_string())]
async fn free(users: &Cache<u64, String>, id: u64) -> Result<String, String> {
    match id {
        0 => Err("nobody".to_owned()),
        id => Ok(format!("free {id}")),
    }
}

static ONE: OnceLock<Cache<&'static str, u64>> = OnceLock::new();
static RUNS: AtomicU32 = AtomicU32::new(0);

/// One answer for all, of a static cache, by a run in a task of its own.
#[cached(cache = ONE.get().unwrap(), key = "all", spawn, soft_timeout = "1s", crate = russet_cache)]
async fn total() -> Result<Arc<u64>, LoadError<std::io::Error>> {
    tokio::task::yield_now().await;
    Ok(Arc::new(u64::from(RUNS.fetch_add(1, Ordering::SeqCst))))
}

#[tokio::test]
async fn the_body_runs_once_and_again_when_it_is_invalidated() {
    let users = Users::new().await;
    for _ in 0..3 {
        assert_eq!(users.user(7, 3).await.unwrap(), "user 7 of 3, run 1");
    }
    let left = users.users.ttl(&7).await.unwrap().unwrap();
    assert!(left <= Duration::from_secs(40), "{left:?}");
    assert_eq!(
        users.user_refresh(7, 4).await.unwrap(),
        "user 7 of 4, run 2"
    );
    assert_eq!(users.user(7, 4).await.unwrap(), "user 7 of 4, run 2");
    assert_eq!(users.user_invalidate(7).await.unwrap(), Removed::Removed);
    assert_eq!(users.user(7, 3).await.unwrap(), "user 7 of 3, run 3");
    for (tag, run) in [("org:3", 4), ("all", 5)] {
        users.users.invalidate_tag(tag).await.unwrap();
        assert_eq!(
            users.user(7, 3).await.unwrap(),
            format!("user 7 of 3, run {run}")
        );
    }
    assert_eq!(
        *users.shared(7).await.unwrap(),
        "user 7 of 3, run 5",
        "the same entry"
    );
}

#[tokio::test]
async fn an_error_is_not_cached_and_comes_as_it_was() {
    let users = Users::new().await;
    users.breaks(true);
    for run in 1..=2 {
        assert_eq!(users.user(7, 3).await, Err(DbError::Down));
        assert_eq!(users.runs(), run);
    }
    let failed = users.shared(0).await.unwrap_err();
    assert!(matches!(failed, LoadError::Loader(error) if *error == DbError::Down));
    users.breaks(false);
    users.user(7, 3).await.unwrap();
    users.breaks(true);
    assert_eq!(users.user_refresh(7, 3).await, Err(DbError::Down));
    assert_eq!(
        users.user(7, 3).await.unwrap(),
        "user 7 of 3, run 4",
        "what was cached stays"
    );
    let cache = super::cache().await;
    assert_eq!(
        free(&cache, 0).await.unwrap_err(),
        "the loader failed: nobody"
    );
    assert_eq!(free(&cache, 5).await.unwrap(), "free 5");
    assert_eq!(free_invalidate(&cache, 5).await.unwrap(), Removed::Removed);
    assert_eq!(free_refresh(&cache, 5).await.unwrap(), "free 5");
}

#[tokio::test]
async fn that_there_is_none_is_cached_for_its_own_time() {
    let users = Users::new().await;
    for _ in 0..2 {
        assert_eq!(users.id_of("user 7").await.unwrap(), Some(7));
        assert_eq!(users.id_of("somebody").await.unwrap(), None);
    }
    assert_eq!(users.runs(), 2);
    assert_eq!(users.by_name.stats().hits_missing, 1);
    users.id_of_invalidate("somebody").await.unwrap();
    users.id_of("somebody").await.unwrap();
    assert_eq!(users.runs(), 3);
}

/// Each part of a key stands in its place, whatever it holds.
#[tokio::test]
async fn a_key_of_several_parts_is_a_tuple() {
    let users = Users::new().await;
    assert_eq!(users.page(1, "a:b".to_owned(), "").await.unwrap(), [1, 3]);
    assert_eq!(users.page(1, "a".to_owned(), "").await.unwrap(), [1, 1]);
    assert_eq!(users.runs(), 2);
    let key = (1, "a:b".to_owned(), "page");
    assert_eq!(*users.pages.get(&key).await.unwrap().unwrap(), [1, 3]);
    assert_eq!(
        users.page_invalidate(1, "a:b".to_owned()).await.unwrap(),
        Removed::Removed
    );
    assert!(!users.pages.exists(&key).await.unwrap());
}

/// Callers at once share one run, and each has the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_once_share_a_run() {
    let users = Arc::new(Users::new().await);
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let users = users.clone();
        callers.spawn(async move { users.user(7, 3).await.unwrap() });
    }
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap(), "user 7 of 3, run 1");
    }
}

#[tokio::test]
async fn a_static_cache_has_one_answer_for_all() {
    let cache = Cache::builder(&namespace().await, "total").build().unwrap();
    ONE.set(cache).unwrap();
    assert_eq!(*total().await.unwrap(), 0);
    assert_eq!(*total().await.unwrap(), 0);
    assert_eq!(*total_refresh().await.unwrap(), 1);
    assert_eq!(*total().await.unwrap(), 1);
    let removed: Result<Removed, Error> = total_invalidate().await;
    assert_eq!(removed.unwrap(), Removed::Removed);
}

#[tokio::test]
async fn what_a_function_has_changed_is_invalidated_behind_ok_alone() {
    let users = Users::new().await;
    users.user(7, 3).await.unwrap();
    users.id_of("Ali*").await.unwrap();
    users.id_of("Alicia").await.unwrap();
    users.breaks(true);
    assert_eq!(users.rename(7, "Ali*".to_owned()).await, Err(DbError::Down));
    assert!(users.users.exists(&7).await.unwrap());
    users.breaks(false);
    assert_eq!(users.rename(7, "Ali*".to_owned()).await, Ok(7));
    assert!(!users.users.exists(&7).await.unwrap());
    let before = users.runs();
    users.id_of("Alicia").await.unwrap();
    assert_eq!(users.runs(), before, "an argument is no glob");
    users.id_of("Ali*").await.unwrap();
    assert_eq!(users.runs(), before + 1);
}

/// A caller who is dropped while its function works, or one whose function panics, may have changed something.
#[tokio::test]
async fn who_is_dropped_halfway_invalidates_too() {
    let users = Arc::new(Users::new().await);
    users.user(7, 3).await.unwrap();
    let touching = tokio::spawn({
        let users = users.clone();
        async move { users.touch(3).await }
    });
    users.begun.notified().await;
    assert!(users.users.get(&7).await.unwrap().is_some(), "not before");
    touching.abort();
    until("invalidated", async || {
        users.users.get(&7).await.unwrap().is_none()
    })
    .await;
    // One that is never polled has done nothing.
    users.user(7, 3).await.unwrap();
    drop(users.touch(3));
    users.gate.notify_one();
    users.touch(9).await.unwrap();
    assert!(users.users.get(&7).await.unwrap().is_some());
}

/// One tenant's part of a cache, made for the call.
#[cached(cache = users.scope(tenant), key = "{id}")]
async fn of_tenant(
    users: &Cache<u64, String>,
    tenant: &str,
    mut id: u64,
) -> Result<String, LoadError<DbError>> {
    id += 1;
    Ok(format!("{tenant} {id}"))
}

#[tokio::test]
async fn a_cache_is_any_expression() {
    let users = super::cache().await;
    assert_eq!(of_tenant(&users, "a", 1).await.unwrap(), "a 2");
    assert_eq!(of_tenant(&users, "b", 1).await.unwrap(), "b 2");
    assert_eq!(
        users.scope("a").get(&1).await.unwrap().unwrap().as_str(),
        "a 2"
    );
    of_tenant_invalidate(&users, "a", 1).await.unwrap();
    assert_eq!(users.scope("a").get(&1).await.unwrap(), None);
    assert!(users.scope("b").get(&1).await.unwrap().is_some());
}
