//! The steps of `docs/scaling.md`: one small service, unchanged, on one server, on a server for each concern, on a primary
//! with sentinels, and on a cluster.

use std::time::Duration;

use russet_core::{
    Command, Concern, Delivery, Endpoint, FromReply as _, Lane, Pace, Policy, Redis, Script,
    Target, Topology,
};
use russet_testkit::{Cluster, Sentinels, Server};

const STOCK: Concern = Concern::new("stock", "STOCK_REDIS_URL");
const NEWS: Concern = Concern::new("news", "NEWS_REDIS_URL");

static TAKE: Script = Script::new(
    "local left = {} for i, key in ipairs(KEYS) do left[i] = redis.call('DECRBY', key, ARGV[i]) end return left",
);

/// A shop: stock that is set, read together, taken by a script, listed; news that are heard; orders that are waited for.
async fn service(topology: Topology) {
    let redis = Redis::builder().topology(topology).connect().await.unwrap();
    let ns = redis.namespace("shop").unwrap().shards(12).await.unwrap();
    let stock = ns.stem("stock", "count").unwrap();
    let lane = ns.on(STOCK, &stock);
    for fruit in 0..100 {
        let set = Command::new("SET")
            .key(&stock.key(&fruit))
            .arg(10)
            .arg("PX")
            .arg(60_000);
        lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    }
    let (getter, calls) = (
        lane.getter(),
        lane.script_calls(&TAKE, [0; 0], Policy::AtMostOnce),
    );
    let all = (0..100).map(async |fruit: i64| {
        let count = getter.get(stock.key(&fruit)).await.unwrap();
        assert_eq!(count.unwrap(), "10");
        let left = calls.call(stock.key(&fruit), [fruit % 3]).await.unwrap();
        assert_eq!(i64::from_reply(left).unwrap(), 10 - fruit % 3);
    });
    futures_util::future::join_all(all).await;
    let mut walk = ns
        .server(STOCK, &stock)
        .scan("shop:stock:count:*", Pace::default())
        .unwrap();
    let mut found = std::collections::BTreeSet::new();
    while let Some(page) = walk.next_page().await.unwrap() {
        found.extend(page.into_iter().map(|key| key.as_bytes().to_vec()));
    }
    assert_eq!(found.len(), 100);
    let news = ns.stem("news", "fruit").unwrap();
    let on = ns.server(NEWS, &news);
    let sharded = Target::Sharded(news.key("sharded"));
    let mut subscription = on.subscribe(sharded).await.unwrap();
    let publish = Command::new("SPUBLISH")
        .key(&news.key("sharded"))
        .arg("ripe");
    ns.on(NEWS, &news)
        .run::<i64>(publish, Policy::AtMostOnce)
        .await
        .unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(5), subscription.next())
        .await
        .unwrap();
    assert!(matches!(heard, Some(Delivery::Message { .. })), "{heard:?}");
    let orders = stock.key("orders");
    let mut blocking = ns.server(STOCK, &stock).blocking().unwrap();
    let order = Command::new("RPUSH").key(&orders).arg("apples");
    lane.run::<i64>(order, Policy::AtMostOnce).await.unwrap();
    let pop = Command::new("BLPOP").key(&orders).arg(1);
    let popped = blocking
        .run::<(String, String)>(&pop, Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(popped.1, "apples");
    let (sender, beaten) = tokio::sync::oneshot::channel();
    let beat = |lane: Lane| {
        let set = Command::new("SET")
            .key(&stock.key("beat"))
            .arg("x")
            .arg("PX")
            .arg(60_000);
        async move {
            let _ = sender.send(lane.run::<()>(set, Policy::Idempotent).await);
        }
    };
    ns.server(STOCK, &stock)
        .spawn_heartbeat(STOCK, beat)
        .unwrap();
    beaten.await.unwrap().unwrap();
    redis.shutdown_within(Duration::from_secs(1)).await;
}

fn at(url: &str) -> Endpoint {
    Endpoint::parse(url).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_server() {
    let server = Server::start();
    service(Topology::new(at(&server.url()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_server_for_each_concern() {
    let (first, second) = (Server::start(), Server::start());
    let topology = Topology::new(at(&first.url())).concern(NEWS, at(&second.url()));
    service(topology).await;
    assert!(first.command(&["DBSIZE"]).as_int().unwrap() > 100);
    assert_eq!(second.command(&["DBSIZE"]).as_int(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sentinels() {
    let all = Sentinels::start(1, 3);
    service(Topology::new(at(&all.url()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster() {
    let cluster = Cluster::start(3);
    service(Topology::new(at(&cluster.url()))).await;
    for node in &cluster.nodes()[..3] {
        assert!(
            node.command(&["DBSIZE"]).as_int().unwrap() > 0,
            "{node:?} has its share"
        );
    }
}
