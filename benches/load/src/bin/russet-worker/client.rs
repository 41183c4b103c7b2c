//! Core's client, measured: reads and script calls.

use russet_bench_load::{
    Kind, System, TOKEN_BUCKET, TOKEN_BUCKET_ARGS, VALUE_LEN, bucket, key, sharded_key, worker,
};
use russet_core::{
    Bytes, Command, Concern, Getter, Key, Lane, Policy, Redis, Reply, Script, ScriptCalls,
};

static BUCKET: Script = Script::new(TOKEN_BUCKET);

pub(crate) fn measure() {
    worker("russet", env!("CARGO_PKG_VERSION"), |url| async move {
        let redis = Redis::connect(&url).await.expect("the server answers");
        let lane = redis.on(Concern::new("bench", "BENCH_REDIS_URL"));
        Russet {
            getter: lane.getter(),
            buckets: lane.script_calls(&BUCKET, TOKEN_BUCKET_ARGS, Policy::AtMostOnce),
            lane,
        }
    });
}

#[derive(Clone)]
struct Russet {
    lane: Lane,
    getter: Getter,
    buckets: ScriptCalls,
}

impl System for Russet {
    async fn operate(&self, kind: Kind, turn: usize) {
        let value: Option<Bytes> = match kind {
            Kind::Get => self.getter.get(Key::raw(key(turn))).await.expect("a reply"),
            Kind::GetSharded => {
                let key = Key::raw(sharded_key(turn));
                self.getter.get(key).await.expect("a reply")
            }
            Kind::GetAlone => {
                let get = Command::new("GET").key(&Key::raw(key(turn)));
                self.lane
                    .run(get, Policy::Idempotent)
                    .await
                    .expect("a reply")
            }
            _ => return self.take(kind, Key::raw(bucket(turn))).await,
        };
        assert_eq!(value.expect("a value").len(), VALUE_LEN);
    }
}

impl Russet {
    async fn take(&self, kind: Kind, bucket: Key) {
        let reply = match kind {
            Kind::Script => self.buckets.call(bucket, [0_u32; 0]).await,
            _ => {
                let call = self
                    .lane
                    .script::<Vec<Reply>>(&BUCKET, [&bucket], TOKEN_BUCKET_ARGS, Policy::AtMostOnce)
                    .await;
                call.map(|mut replies| replies.remove(0))
            }
        };
        assert!(matches!(reply, Ok(Reply::Int(1))), "{reply:?}");
    }
}
