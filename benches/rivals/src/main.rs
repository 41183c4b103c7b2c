//! The rivals, measured by the same closed loop: `rivals SYSTEM SCENARIO URL MILLISECONDS`.

use russet_bench_load::{Kind, System, VALUE_LEN, key, sharded_key, worker};

fn main() {
    // The worker reads its arguments from the second on; the first picks the system.
    match std::env::var("RIVAL").as_deref() {
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
        _ => eprintln!("RIVAL=fred|redis-rs|rustis rivals SCENARIO URL MILLISECONDS"),
    }
}

#[derive(Clone)]
struct Fred(fred::prelude::Client);

impl System for Fred {
    async fn operate(&self, kind: Kind, turn: usize) {
        use fred::prelude::*;
        let key = match kind {
            Kind::GetSharded => sharded_key(turn),
            _ => key(turn),
        };
        let value: Option<bytes::Bytes> = self.0.get(key).await.expect("a reply");
        assert_eq!(value.expect("a value").len(), VALUE_LEN);
    }
}

#[derive(Clone)]
struct RedisRs(redis::aio::MultiplexedConnection);

impl System for RedisRs {
    async fn operate(&self, _: Kind, turn: usize) {
        use redis::AsyncCommands as _;
        let value: Option<Vec<u8>> = self.0.clone().get(key(turn)).await.expect("a reply");
        assert_eq!(value.expect("a value").len(), VALUE_LEN);
    }
}

#[derive(Clone)]
struct Rustis(rustis::client::Client);

impl System for Rustis {
    async fn operate(&self, _: Kind, turn: usize) {
        use rustis::commands::StringCommands as _;
        let value: Option<rustis::resp::BulkString> = self.0.get(key(turn)).await.expect("a reply");
        assert_eq!(value.expect("a value").as_bytes().len(), VALUE_LEN);
    }
}
