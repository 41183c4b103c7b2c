//! The races of `crates/session/tests/it/races.rs`, run against tower-sessions' store: what is lost or comes back, of so many trials.
//!
//! `session-races redis://127.0.0.1:6379 10000`

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use time::{Duration, OffsetDateTime};
use tokio::sync::Barrier;
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

type Store = RedisStore<Pool>;

static FAILED: AtomicU32 = AtomicU32::new(0);

fn record() -> Record {
    let data = [
        ("role", json!("reader")),
        ("theme", json!("light")),
        ("visits", json!(0)),
    ];
    Record {
        id: Id::default(),
        data: data.map(|(field, value)| (field.to_owned(), value)).into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::minutes(10),
    }
}

/// Two things at once, neither first by design.
async fn both<A, B>(one: A, two: B) -> (A::Output, B::Output)
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output: Send> + Send + 'static,
{
    let start = Arc::new(Barrier::new(2));
    let (left, right) = (start.clone(), start);
    let one = tokio::spawn(async move {
        left.wait().await;
        one.await
    });
    let two = tokio::spawn(async move {
        right.wait().await;
        two.await
    });
    (one.await.expect("it ends"), two.await.expect("it ends"))
}

async fn change(store: Store, id: Id, field: &'static str, value: serde_json::Value) {
    let Some(mut record) = store.load(&id).await.expect("a reply") else {
        return;
    };
    record.data.insert(field.to_owned(), value);
    // Of a session that has ended it cannot read the reply, and its layer answers the request with a 500.
    if store.save(&record).await.is_err() {
        FAILED.fetch_add(1, Ordering::Relaxed);
    }
}

async fn count(store: Store, id: Id) {
    let mut record = store.load(&id).await.expect("a reply").expect("a session");
    let visits = record.data["visits"].as_i64().unwrap_or_default();
    record.data.insert("visits".to_owned(), (visits + 1).into());
    store.save(&record).await.expect("a reply");
}

/// As `Session::cycle_id` and the layer do it: the old one is deleted, the new one created when the response is there.
async fn cycle(store: Store, id: Id) -> Id {
    let mut record = store.load(&id).await.expect("a reply").expect("a session");
    store.delete(&id).await.expect("a reply");
    record.id = Id::default();
    store.create(&mut record).await.expect("a reply");
    record.id
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(trials)) = (args.next(), args.next()) else {
        println!("usage: session-races URL TRIALS");
        return;
    };
    let trials: u32 = trials.parse().expect("a number");
    let config = Config::from_url(&url).expect("a URL");
    let pool = Pool::new(config, None, None, None, 6).expect("a pool");
    pool.init().await.expect("the server answers");
    let store = RedisStore::new(pool);
    let mut faults: HashMap<&str, u32> = HashMap::new();
    for _ in 0..trials {
        let made = || async {
            let mut record = record();
            store.create(&mut record).await.expect("a reply");
            record.id
        };
        let mut fault = |race, is: bool| *faults.entry(race).or_default() += u32::from(is);

        let id = made().await;
        let logout = store.clone();
        both(
            async move { logout.delete(&id).await.expect("a reply") },
            change(store.clone(), id, "role", json!("admin")),
        )
        .await;
        fault(
            "a logout and a write: the write's request fails",
            FAILED.swap(0, Ordering::Relaxed) > 0,
        );
        fault(
            "a logout and a write: it is back",
            store.load(&id).await.expect("a reply").is_some(),
        );

        let id = made().await;
        both(
            change(store.clone(), id, "role", json!("admin")),
            change(store.clone(), id, "theme", json!("dark")),
        )
        .await;
        let now = store.load(&id).await.expect("a reply").expect("a session");
        let is_lost = now.data["role"] != "admin" || now.data["theme"] != "dark";
        fault("two writers of different fields: one is lost", is_lost);

        let id = made().await;
        both(count(store.clone(), id), count(store.clone(), id)).await;
        let now = store.load(&id).await.expect("a reply").expect("a session");
        fault("two who count: one is lost", now.data["visits"] != 2);

        let id = made().await;
        let (new, ()) = both(
            cycle(store.clone(), id),
            change(store.clone(), id, "role", json!("admin")),
        )
        .await;
        let now = store.load(&new).await.expect("a reply");
        let is_lost = now.is_none_or(|now| now.data["role"] != "admin");
        fault(
            "a rotation and a write: the write's request fails",
            FAILED.swap(0, Ordering::Relaxed) > 0,
        );
        fault("a rotation and a write: the write is lost", is_lost);

        let id = made().await;
        let mut tab = 0;
        let (new, there) = both(cycle(store.clone(), id), {
            let store = store.clone();
            async move { store.load(&id).await.expect("a reply").is_some() }
        })
        .await;
        tab += u32::from(!there && store.load(&new).await.expect("a reply").is_some());
        fault("a rotation and a second tab: it is logged out", tab > 0);
    }
    let mut faults: Vec<_> = faults.into_iter().collect();
    faults.sort_unstable();
    for (race, count) in faults {
        println!("{count:6} of {trials}  {race}");
    }
}
