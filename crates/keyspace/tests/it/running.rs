//! What a running system has declared.

use std::time::Duration;

use russet_core::{Command, Policy};
use russet_keyspace::{Catalogue, Concern, KeyTtl, Namespace, Profile, Redis, Tier, keyspace};
use russet_testkit::Shared;

const APP: Concern = Concern::new("app", "APP_REDIS_URL");
const WARM: Tier = Tier::new(
    "warm",
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
);

keyspace! {
    /// What the tests keep.
    pub struct Shop;

    /// A user's profile.
    profile(user: u64) -> String<String> {
        pattern: "user:{user}:profile",
        concern: APP,
        owner: "accounts",
        ttl: KeyTtl::Tier(WARM),
        commands: ["GET", "SET"],
    }

    /// How often a user called an endpoint.
    calls(user: u64, endpoint: str) -> String<u64> {
        pattern: "rate:{user}:{endpoint}",
        concern: APP,
        owner: "api",
        ttl: KeyTtl::Seconds(60),
    }

    /// What two users tell each other.
    chat(users: (u32, u32)) -> List<String> {
        pattern: "chat:{{users..}}:log",
        concern: APP,
        owner: "chat",
        ttl: KeyTtl::Seconds(60),
    }
}

async fn namespace() -> Namespace {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.unwrap();
    redis.namespace(shared.namespace()).unwrap()
}

#[tokio::test]
async fn a_keyspace_makes_keys_that_redis_and_the_catalogue_know() {
    let ns = namespace().await;
    let shop = Shop::new(&ns).unwrap();
    // Once more is not twice.
    Shop::new(&ns).unwrap();
    let key = shop.profile(&7);
    let set = Command::new("SET")
        .key(&key)
        .arg("Ada")
        .arg("PX")
        .arg(shop.profile.ttl().unwrap().as_millis().to_string());
    let lane = ns.redis().on(APP);
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let get = Command::new("GET").key(&key);
    let name: String = lane.run(get, Policy::Idempotent).await.unwrap();
    assert_eq!(name, "Ada");

    let catalogue = Catalogue::of(ns.redis()).unwrap();
    assert_eq!(catalogue.all().len(), 3);
    assert_eq!(ns.redis().declared().len(), 3, "once each");
    let found = catalogue.find(key.as_bytes()).unwrap();
    assert_eq!(found.described().owner, "accounts");
    assert_eq!(found.value("user"), Some("7"));
    assert_eq!(
        format!("{key}"),
        format!("{}:user:…", ns.prefix()),
        "logs show no values"
    );
    let chat = shop.chat(&(1, 2));
    let raw = String::from_utf8_lossy(chat.as_bytes()).into_owned();
    assert_eq!(raw, format!("{}:chat:{{1:2}}:log", ns.prefix()));
    let found = catalogue.find(chat.as_bytes()).unwrap();
    assert_eq!(found.value("users"), Some("1:2"));
}

#[tokio::test]
async fn shards_stand_before_the_first_value() {
    let ns = namespace().await.shards(12).await.unwrap();
    let shop = Shop::new(&ns).unwrap();
    let (key, chat) = (shop.profile(&7), shop.chat(&(1, 2)));
    let text = |key: &russet_keyspace::Key| String::from_utf8_lossy(key.as_bytes()).into_owned();
    let shard = ns.prefix().shard("7").unwrap();
    assert_eq!(text(&key), format!("{}:user:{shard}7:profile", ns.prefix()));
    let shard = ns.prefix().shard("1:2").unwrap();
    assert_eq!(text(&chat), format!("{}:chat:{shard}1:2:log", ns.prefix()));
    let calls = shop.calls(&7, "a:b");
    let shard = ns.prefix().shard("7").unwrap();
    assert_eq!(
        text(&calls),
        format!("{}:rate:{shard}7:a%3Ab", ns.prefix()),
        "one tag a key"
    );
    let catalogue = Catalogue::of(ns.redis()).unwrap();
    for (key, value) in [(&key, ("user", "7")), (&chat, ("users", "1:2"))] {
        let found = catalogue.find(key.as_bytes()).unwrap();
        assert_eq!(found.value(value.0), Some(value.1), "{}", text(key));
    }
    let shards = format!("{}:namespace:shards", ns.prefix());
    let found = catalogue.find(shards.as_bytes()).unwrap();
    assert_eq!(found.described().owner, "core");
}

#[tokio::test]
async fn a_profile_changes_ttls_and_nothing_else() {
    let ns = namespace().await;
    let staging = ns.clone().with_profile(Profile::staging()).unwrap();
    let (shop, staged) = (Shop::new(&ns).unwrap(), Shop::new(&staging).unwrap());
    assert_eq!(shop.profile(&7), staged.profile(&7));
    assert_eq!(shop.profile.ttl(), Some(Duration::from_secs(120)));
    assert_eq!(staged.profile.ttl(), Some(Duration::from_secs(240)));
    assert_eq!(staged.chat.ttl(), Some(Duration::from_secs(60)), "exact");
    let mut profile = Profile::production();
    profile.ttl_factor = -1.0;
    assert!(ns.with_profile(profile).is_err());
}
