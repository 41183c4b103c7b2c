//! Keys stay in their place.

use std::time::Duration;

use russet_cache::{BuildError, Cache, Redis};
use russet_testkit::Server;

use super::namespace;

#[tokio::test]
async fn whatever_an_id_holds_it_stays_behind_the_stem() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis
        .namespace("shop")
        .unwrap()
        .env("prod")
        .module("router");
    let users = Cache::<String, u8>::builder(&ns, "users")
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    for id in ["a", "a:b", "*", "{x}", "with space", "", "naïve"] {
        users.insert(id, 1).await.unwrap();
        assert_eq!(users.get(id).await.unwrap().as_deref(), Some(&1), "{id:?}");
    }
    let keys = server.command(&["KEYS", "*"]);
    let keys: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    let keys = keys.join(" ");
    assert_eq!(
        keys.matches("prod:shop:cache:router:users:").count(),
        7 + 2,
        "{keys}: those of the values, the control state and its tags"
    );
    for escaped in [
        "users:a%3Ab",
        "users:%2A",
        "users:%7Bx%7D",
        "users:with%20space",
        "users:%-",
    ] {
        assert!(keys.contains(escaped), "{escaped} in {keys}");
    }
}

#[tokio::test]
async fn namespaces_and_caches_do_not_see_each_other() {
    let (ours, theirs) = (namespace().await, namespace().await);
    let build = |ns: &russet_cache::Namespace, name: &str| -> Result<Cache<u64, u8>, BuildError> {
        Cache::builder(ns, name).ttl(Duration::from_mins(1)).build()
    };
    build(&ours, "a").unwrap().insert(&1, 1).await.unwrap();
    assert!(
        build(&theirs, "a")
            .unwrap()
            .get(&1)
            .await
            .unwrap()
            .is_none()
    );
    assert!(build(&ours, "b").unwrap().get(&1).await.unwrap().is_none());
    assert!(
        build(&ours.clone().env("stg"), "a")
            .unwrap()
            .get(&1)
            .await
            .unwrap()
            .is_none()
    );
    assert!(build(&ours, "a:b").is_err());
    assert!(
        build(&ours.env("a*"), "a").is_err(),
        "a wrong environment is told by what is built from it"
    );
}
