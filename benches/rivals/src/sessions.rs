//! Sessions: tower-sessions' store over fred, with as many connections as its own example has.

use std::collections::HashMap;
use std::sync::Arc;

use russet_bench_load::{Account, KEYS, Kind, System, asked, now, number};
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

#[derive(Clone)]
pub(crate) struct TowerSessions {
    store: RedisStore<Pool>,
    ids: Arc<Vec<Id>>,
}

impl TowerSessions {
    pub(crate) async fn filled(url: &str) -> Self {
        let config = Config::from_url(url).expect("a URL");
        let pool = Pool::new(config, None, None, None, 6).expect("a pool");
        pool.init().await.expect("the server answers");
        let store = RedisStore::new(pool);
        let bytes = asked().map_or(0, |scenario| scenario.kind.payload());
        let mut ids = Vec::new();
        for at in 0..KEYS as u64 {
            let account = serde_json::to_value(Account::of(at, bytes)).expect("a value");
            let data: HashMap<String, serde_json::Value> =
                serde_json::from_value(account).expect("a map");
            let mut record = Record {
                id: Id::default(),
                data,
                expiry_date: time::OffsetDateTime::now_utc() + time::Duration::seconds(60),
            };
            store.create(&mut record).await.expect("a session");
            ids.push(record.id);
        }
        TowerSessions {
            store,
            ids: Arc::new(ids),
        }
    }
}

impl System for TowerSessions {
    async fn operate(&self, kind: Kind, turn: usize) {
        let at = match kind {
            Kind::SessionVisit => 0,
            _ => usize::try_from(number(turn)).expect("an index"),
        };
        let loaded = self.store.load(&self.ids[at]).await;
        let mut record = loaded.expect("a reply").expect("a session");
        let change: (&str, serde_json::Value) = match kind {
            Kind::SessionVisit => {
                let visits = record.data["visits"].as_i64().expect("a number");
                ("visits", (visits + 1).into())
            }
            kind if kind.writes(turn) => ("last_activity", now().into()),
            _ => return,
        };
        record.data.insert(change.0.to_owned(), change.1);
        self.store.save(&record).await.expect("a reply");
    }

    async fn kept(&self) -> Option<i64> {
        let first = self.store.load(&self.ids[0]).await;
        let first = first.expect("a reply").expect("a session");
        first.data["visits"].as_i64()
    }
}
