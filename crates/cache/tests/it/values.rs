//! Values in and out.

use std::time::{Duration, Instant};

use russet_cache::{Cache, Codec, Format, Inserted, Raw, Removed};
use russet_core::{Command, Event, Policy, Redis};
use russet_testkit::{Server, Shared};
use serde::{Deserialize, Serialize};

use super::{cache, meddle, namespace};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: Option<u8>,
}

#[tokio::test]
async fn a_value_comes_back_until_it_is_removed() {
    let users = cache().await;
    assert_eq!(users.get(&7).await.unwrap(), None);
    assert_eq!(
        users.insert(&7, "Alice".to_owned()).await.unwrap(),
        Inserted::Stored
    );
    assert_eq!(users.get(&7).await.unwrap().unwrap().as_str(), "Alice");
    assert_eq!(users.remove(&7).await.unwrap(), Removed::Removed);
    assert_eq!(users.remove(&7).await.unwrap(), Removed::Absent);
    assert_eq!(users.get(&7).await.unwrap(), None);
}

#[tokio::test]
async fn every_entry_has_the_ttl_of_its_cache_and_expires() {
    let ns = namespace().await;
    let users = Cache::<String, u8>::builder(&ns, "short")
        .ttl(Duration::from_millis(1_000))
        .build()
        .unwrap();
    let key = ns.stem("cache", "short").unwrap().key("a");
    let started = Instant::now();
    users.insert("a", 1).await.unwrap();
    let ttl: i64 = meddle(Shared::get().unrestricted_url())
        .await
        .run(Command::new("PTTL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert!((1..=1_000).contains(&ttl), "{ttl}");
    while users.get("a").await.unwrap().is_some() {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "the entry does not expire"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        started.elapsed() >= Duration::from_millis(899),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn formats_can_change_under_stored_values() {
    let ns = namespace().await;
    let build = |format| {
        Cache::<u64, User>::builder(&ns, "users")
            .ttl(Duration::from_mins(1))
            .codec(Codec::new(format))
            .build()
            .unwrap()
    };
    let (packed, json) = (build(Format::MessagePack), build(Format::Json));
    let alice = || User {
        name: "Alice".to_owned(),
        age: None,
    };
    packed.insert(&1, alice()).await.unwrap();
    json.insert(&2, alice()).await.unwrap();
    assert_eq!(*json.get(&1).await.unwrap().unwrap(), alice());
    assert_eq!(*packed.get(&2).await.unwrap().unwrap(), alice());
}

#[tokio::test]
async fn what_cannot_be_read_is_a_miss() {
    let ns = namespace().await;
    let users = Cache::<u64, User>::builder(&ns, "users")
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    let stem = ns.stem("cache", "users").unwrap();
    let lane = ns.redis().on(russet_cache::CONCERN);
    let put = |id: u64, bytes: Vec<u8>| {
        let set = Command::new("SET")
            .key(&stem.key(&id))
            .arg(bytes)
            .arg("PX")
            .arg(60_000);
        lane.run::<()>(set, Policy::Idempotent)
    };
    users
        .insert(
            &1,
            User {
                name: "Alice".to_owned(),
                age: Some(9),
            },
        )
        .await
        .unwrap();
    let stored: Vec<u8> = lane
        .run::<String>(Command::new("GET").key(&stem.key(&2)), Policy::Idempotent)
        .await
        .map(String::into_bytes)
        .unwrap_or_default();
    assert!(stored.is_empty());
    // Another cache's type under this key, foreign bytes, nothing at all.
    let numbers = Cache::<u64, u64>::builder(&ns, "users")
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    assert_eq!(numbers.get(&1).await.unwrap(), None, "another type");
    put(2, br#"{"name":"Bob"}"#.to_vec()).await.unwrap();
    assert_eq!(users.get(&2).await.unwrap(), None, "no header");
    put(3, vec![]).await.unwrap();
    assert_eq!(users.get(&3).await.unwrap(), None, "nothing");
}

/// A value that stands under another key than it was stored for, as a mixed-up reply would make it seem.
#[tokio::test]
async fn another_key_s_value_is_a_miss_and_ends_its_connection() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let users = Cache::<u64, String>::builder(&ns, "users")
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    let stem = ns.stem("cache", "users").unwrap();
    users.insert(&1, "Alice".to_owned()).await.unwrap();
    let copy = Command::new("COPY").key(&stem.key(&1)).key(&stem.key(&2));
    assert!(
        meddle(&server.unrestricted_url())
            .await
            .run::<bool>(copy, Policy::Idempotent)
            .await
            .unwrap()
    );
    let mut events = redis.server(russet_cache::CONCERN).events();
    assert_eq!(users.get(&2).await.unwrap(), None);
    assert!(matches!(events.next().await, Some(Event::Replaced(_))));
    assert!(matches!(events.next().await, Some(Event::Down(..))));
    assert!(matches!(events.next().await, Some(Event::Up(_))));
    // It was no mixed-up reply: it is stored so. The next connection is not given up for it.
    for _ in 0..10 {
        assert_eq!(users.get(&2).await.unwrap(), None);
        assert!(users.get(&1).await.unwrap().is_some());
    }
    let more = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_key_of_another_redis_type_is_a_miss() {
    let ns = namespace().await;
    let users = Cache::<u64, String>::builder(&ns, "users").build().unwrap();
    let key = ns.stem("cache", "users").unwrap().key(&1);
    let lane = meddle(Shared::get().unrestricted_url()).await;
    lane.run::<()>(Command::new("LPUSH").key(&key).arg("x"), Policy::AtMostOnce)
        .await
        .unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
    assert_eq!(users.stats().misses.absent, 1);
    users.insert(&1, "a".to_owned()).await.unwrap();
    assert_eq!(users.get(&1).await.unwrap().unwrap().as_str(), "a");
}

#[tokio::test]
async fn one_round_trip_each() {
    let server = russet_testkit::Server::start();
    let redis = russet_cache::Redis::connect(&server.url()).await.unwrap();
    let users = Cache::<u64, String>::builder(&redis.namespace("t").unwrap(), "users")
        .build()
        .unwrap();
    let all = async || {
        users.insert(&1, "a".to_owned()).await.unwrap();
        users.get(&1).await.unwrap();
        let load = |_| async { Ok::<_, ()>("b".to_owned()) };
        users.get_or_load(&1, load).await.unwrap();
        users.remove(&1).await.unwrap();
        users.get_or_load(&1, load).await.unwrap();
        users.remove(&1).await.unwrap();
    };
    // The first time the scripts are loaded.
    all().await;
    server.command(&["CONFIG", "RESETSTAT"]);
    let sent = || {
        server.info("stats")["total_commands_processed"]
            .parse::<u32>()
            .unwrap()
    };
    let before = sent();
    all().await;
    let scripts = server.info("commandstats");
    let scripts = scripts["cmdstat_evalsha"].split(',').next().unwrap();
    // Stored, removed twice, the lease taken, the value filled in.
    assert_eq!(scripts, "calls=5");
    // And three reads, the server's time at most once; what the scripts do within; the three INFO of this test.
    assert!(sent() - before <= 5 + 3 + 1 + 22 + 3, "{}", sent() - before);
}

#[tokio::test]
async fn bytes_are_kept_as_they_are() {
    let ns = namespace().await;
    let pages = Cache::<String, Raw>::builder(&ns, "pages").build().unwrap();
    let page = Raw(vec![0xFF, 0x00, b'\r', b'\n']);
    pages.insert("home", page.clone()).await.unwrap();
    assert_eq!(pages.get("home").await.unwrap().as_deref(), Some(&page));
}

#[tokio::test]
async fn plain_json_is_shared_with_whoever_reads_json() {
    let ns = namespace().await;
    let codec = Codec::default().plain_json();
    let users = Cache::<u64, User>::builder(&ns, "users")
        .codec(codec)
        .build()
        .unwrap();
    let theirs = br#"{"age":null,"name":"Alice"}"#;
    let key = ns.stem("cache", "users").unwrap().key(&7_u64);
    let lane = ns.redis().on(russet_cache::CONCERN);
    let set = Command::new("SET").key(&key).arg(&theirs[..]);
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let alice = users.get(&7).await.unwrap().unwrap();
    assert_eq!(alice.name, "Alice");
    users.insert(&7, alice).await.unwrap();
    let get = Command::new("GET").key(&key);
    let stored = lane.run::<String>(get, Policy::Idempotent).await.unwrap();
    assert_eq!(stored, r#"{"name":"Alice","age":null}"#);
}

#[cfg(all(feature = "encryption", feature = "lz4"))]
#[tokio::test]
async fn an_encrypted_value_opens_under_its_own_key_alone() {
    use russet_cache::codec::{Compression, KeyRing};
    let ns = namespace().await;
    let codec = Codec::default()
        .compress(Compression::Lz4)
        .encrypt(KeyRing::new([7; 32]));
    let notes = Cache::<u64, String>::builder(&ns, "notes")
        .codec(codec)
        .build()
        .unwrap();
    let note = "a private note. ".repeat(500);
    notes.insert(&7, note.clone()).await.unwrap();
    assert_eq!(notes.get(&7).await.unwrap().as_deref(), Some(&note));
    // Somebody with access to Redis moves it to another key.
    let stem = ns.stem("cache", "notes").unwrap();
    let rename = Command::new("RENAME")
        .key(&stem.key(&7_u64))
        .key(&stem.key(&8_u64));
    let lane = meddle(Shared::get().unrestricted_url()).await;
    lane.run::<()>(rename, Policy::AtMostOnce).await.unwrap();
    assert_eq!(notes.get(&8).await.unwrap(), None);
}

/// An older build's struct, and a newer one's, under the same key: misses that are counted, and no errors.
#[tokio::test]
async fn a_changed_type_is_a_miss() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Old {
        name: String,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct New {
        name: String,
        #[serde(default)]
        age: u8,
    }
    let ns = namespace().await;
    let old = Cache::<u64, Old>::builder(&ns, "users").build().unwrap();
    let new = Cache::<u64, New>::builder(&ns, "users").build().unwrap();
    let newer = Cache::<u64, New>::builder(&ns, "users")
        .schema_version(2)
        .build()
        .unwrap();
    old.insert(
        &1,
        Old {
            name: "a".to_owned(),
        },
    )
    .await
    .unwrap();
    assert!(
        new.get(&1).await.unwrap().is_none(),
        "though it could be read"
    );
    let loaded = new.get_or_load(&1, async |_| {
        Ok::<_, ()>(New {
            name: "b".to_owned(),
            age: 7,
        })
    });
    assert_eq!(loaded.await.unwrap().age, 7);
    assert!(old.get(&1).await.unwrap().is_none());
    assert!(newer.get(&1).await.unwrap().is_none());
    assert_eq!(new.get(&1).await.unwrap().unwrap().name, "b");
    let undecodable = [
        old.stats().misses.undecodable,
        new.stats().misses.undecodable,
        newer.stats().misses.undecodable,
    ];
    assert_eq!(undecodable, [1, 2, 1]);
    assert_eq!(old.stats().errors + new.stats().errors, 0);
}
