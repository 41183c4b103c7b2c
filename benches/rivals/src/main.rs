//! The rivals, measured by the same loops: `SYSTEM=… rivals SCENARIO URL MILLISECONDS`.

mod limiter;
mod locks;
mod memory;
mod sessions;
mod store;

use russet_bench_load::{Kind, System, raw, worker};

use crate::limiter::{Limitador, ThrottleKit, Trypema, TrypemaHybrid, ZsetLog};
use crate::locks::Rslock;
use crate::memory::{Moka, QuickCache};
use crate::sessions::TowerSessions;
use crate::store::Store;

fn main() {
    match std::env::var("SYSTEM").as_deref() {
        Ok("fred") => worker("fred", "10.1.0", |url| async move {
            use fred::prelude::*;
            // It reads one node's address only.
            let url = url.split(',').next().unwrap_or_default();
            let mut config = Config::from_url(url).expect("a URL");
            config.version = fred::types::RespVersion::RESP3;
            let mut builder = Builder::from_config(config);
            builder.with_connection_config(|connection| connection.tcp.nodelay = Some(true));
            let client = builder.build().expect("a client");
            client.init().await.expect("the server answers");
            Fred(client)
        }),
        Ok("redis-rs") => worker("redis-rs", "1.8.1", |url| async move {
            let client = redis::Client::open(url).expect("a URL");
            RedisRs(
                client
                    .get_multiplexed_async_connection()
                    .await
                    .expect("the server answers"),
            )
        }),
        Ok("rustis") => worker("rustis", "0.27.2", |url| async move {
            Rustis(
                rustis::client::Client::connect(url)
                    .await
                    .expect("the server answers"),
            )
        }),
        Ok("cached") => worker(
            "cached",
            "4.1.0",
            |url| async move { Store::filled(&url).await },
        ),
        Ok("quick_cache") => worker("quick_cache", "0.7.0", |_| async { QuickCache::filled() }),
        Ok("trypema") => worker("trypema", "2.2.1", |url| async move {
            Trypema::connect(&url).await
        }),
        Ok("trypema-hybrid") => worker("trypema-hybrid", "2.2.1", |url| async move {
            TrypemaHybrid::connect(&url).await
        }),
        Ok("throttle-kit") => worker("throttle-kit", "2.1.2", |url| async move {
            ThrottleKit::connect(&url).await
        }),
        Ok("limitador") => worker("limitador", "0.6.0", |url| async move {
            Limitador::connect(&url).await
        }),
        Ok("zset-log") => worker(
            "zset-log",
            "",
            |url| async move { ZsetLog::connect(&url).await },
        ),
        Ok("rslock") => worker(
            "rslock",
            "0.10.0",
            |url| async move { Rslock::connect(&url) },
        ),
        Ok("tower-sessions-redis-store") => {
            worker("tower-sessions-redis-store", "0.16.0", |url| async move {
                TowerSessions::filled(&url).await
            });
        }
        Ok("moka") => worker("moka", "0.12.16", |_| async { Moka::filled() }),
        _ => eprintln!(
            "SYSTEM=fred|redis-rs|rustis|cached|quick_cache|moka|trypema|throttle-kit|limitador|zset-log|rslock|tower-sessions-redis-store rivals SCENARIO URL MILLISECONDS"
        ),
    }
}

#[derive(Clone)]
struct Fred(fred::prelude::Client);

impl System for Fred {
    async fn operate(&self, kind: Kind, turn: usize) {
        use fred::prelude::*;
        let (key, len) = raw(kind, turn);
        let value: Option<bytes::Bytes> = self.0.get(key).await.expect("a reply");
        assert_eq!(value.expect("a value").len(), len);
    }
}

#[derive(Clone)]
struct RedisRs(redis::aio::MultiplexedConnection);

impl System for RedisRs {
    async fn operate(&self, kind: Kind, turn: usize) {
        use redis::AsyncCommands as _;
        let (key, len) = raw(kind, turn);
        let value: Option<Vec<u8>> = self.0.clone().get(key).await.expect("a reply");
        assert_eq!(value.expect("a value").len(), len);
    }
}

#[derive(Clone)]
struct Rustis(rustis::client::Client);

impl System for Rustis {
    async fn operate(&self, kind: Kind, turn: usize) {
        use rustis::commands::StringCommands as _;
        let (key, len) = raw(kind, turn);
        let value: Option<rustis::resp::BulkString> = self.0.get(key).await.expect("a reply");
        assert_eq!(value.expect("a value").as_bytes().len(), len);
    }
}
