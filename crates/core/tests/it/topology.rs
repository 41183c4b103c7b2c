//! One Redis, several databases, a server for each concern: by configuration alone.

use std::time::Duration;

use russet_core::{
    Bytes, Command, Concern, Endpoint, ErrorKind, Key, Lane, Policy, Redis, Topology,
};
use russet_testkit::{Server, resp::Value};

use super::{TEST, until};

const CACHE: Concern = Concern::new("cache", "CACHE_REDIS_URL");
const LIMITS: Concern = Concern::new("ratelimit", "RATE_LIMIT_REDIS_URL");
const QUEUE: Concern = Concern::new("queue", "MESSAGE_QUEUE_REDIS_URL");
const LOCKS: Concern = Concern::new("locks", "LOCK_REDIS_URL");

async fn set(lane: &Lane, key: &Key) {
    let set = Command::new("SET").key(key).arg("v");
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
}

fn keys(server: &Server, database: u8) -> Vec<String> {
    let mut connection = server.connection();
    connection
        .command(&["SELECT", &database.to_string()])
        .unwrap();
    let Value::Array(keys) = connection.command(&["KEYS", "*"]).unwrap() else {
        panic!("KEYS answers an array");
    };
    let mut keys: Vec<String> = keys
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn each_concern_and_each_exception_has_its_server() {
    let [all, locks, twitch] = [(); 3].map(|()| Server::start());
    let text = format!(
        r#"
        server = "{}"
        [concerns]
        locks = {{ url = "{}" }}
        [namespaces]
        "bot:cache:twitch" = "{}"
        "#,
        all.url(),
        locks.url(),
        twitch.url()
    );
    let topology: Topology = toml::from_str(&text).unwrap();
    let redis = Redis::builder().topology(topology).connect().await.unwrap();
    let bot = redis.namespace("bot").unwrap();
    let twitch_module = bot.clone().module("twitch");
    for (ns, concern, name) in [
        (&bot, CACHE, "users"),
        (&bot, LOCKS, "posting"),
        (&twitch_module, CACHE, "users"),
        // The exception is for names, not for beginnings of names.
        (&bot.clone().module("twitch2"), CACHE, "users"),
    ] {
        let stem = ns.stem(concern.name(), name).unwrap();
        set(&ns.on(concern, &stem), &stem.key("k")).await;
    }
    assert_eq!(
        keys(&all, 0),
        ["bot:cache:twitch2:users:k", "bot:cache:users:k"]
    );
    assert_eq!(keys(&locks, 0), ["bot:locks:posting:k"]);
    assert_eq!(keys(&twitch, 0), ["bot:cache:twitch:users:k"]);
    let servers: Vec<String> = redis.servers().map(|server| server.to_string()).collect();
    assert_eq!(servers.len(), 3);
    assert_eq!(redis.connections()["command"], 3);
    assert_eq!(
        redis.server(LOCKS).to_string(),
        format!("127.0.0.1:{}/0", locks.port())
    );
}

#[tokio::test]
async fn split_databases_and_shared_ones() {
    let server = Server::start();
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    let key = Key::raw("k");
    for (topology, used) in [
        (Topology::new(endpoint.clone()), [1, 0, 0]),
        (Topology::new(endpoint.clone()).split_databases(), [1, 1, 1]),
    ] {
        server.flush_all();
        let redis = Redis::builder().topology(topology).connect().await.unwrap();
        for concern in [CACHE, LIMITS, QUEUE, LOCKS] {
            set(&redis.on(concern), &key).await;
        }
        assert_eq!(
            [0, 1, 2].map(|database| keys(&server, database).len()),
            used
        );
        // One client for each distinct endpoint, and no more.
        let distinct = used.iter().sum::<usize>();
        assert_eq!(redis.connections()["command"], distinct);
    }
}

#[tokio::test]
async fn one_of_several_servers_away_is_told_at_the_start_and_by_its_concern_alone() {
    let (here, away) = (Server::start(), Server::start());
    let topology = Topology::new(Endpoint::parse(&here.url()).unwrap())
        .concern(LOCKS, Endpoint::parse(&away.url()).unwrap());
    away.kill();
    let error = Redis::builder()
        .topology(topology.clone())
        .connect()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(&away.port().to_string()),
        "{error}"
    );
    let redis = Redis::builder().topology(topology).lazy().unwrap();
    set(&redis.on(CACHE), &Key::raw("k")).await;
    let get = Command::new("GET").key(&Key::raw("k"));
    let got = redis
        .on(LOCKS)
        .run::<Option<Bytes>>(get, Policy::Idempotent)
        .await;
    assert!(got.is_err());
}

#[test]
fn a_configuration_file_s_faults_are_told_without_its_secrets() {
    for (text, says) in [
        (r#"server = "redis://:hunter2@h:x""#, "server"),
        (
            "server = 'redis://h'\n[concerns]\nlocks = 'redis://:hunter2@h/x'",
            "locks",
        ),
        (
            "server = 'redis://h'\n[concerns]\nlocks = { url = 'redis://:hunter2@h', password_var = 'X' }",
            "another source",
        ),
        (
            "server = 'redis://h'\n[concerns]\nlocks = { url = 'redis://h', password_var = 'X', password_file = 'Y' }",
            "exclude each other",
        ),
        (
            "server = 'redis://h'\n[namespaces]\n'bot:*' = 'redis://h2'",
            "bot",
        ),
        ("server = 'redis://h/3'\nsplit_databases = true", "split"),
        (
            "server = 'redis-cluster://h'\nsplit_databases = true",
            "cluster",
        ),
    ] {
        let topology: Topology = toml::from_str(text).unwrap();
        let shown = format!("{topology:?}");
        let error = Redis::builder().topology(topology).lazy().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            !format!("{error:?} {shown}").contains("hunter"),
            "{error:?} {shown}"
        );
    }
    for typo in [
        "sever = 'redis://h'",
        "server = 'redis://h'\n[concern]\nlocks = 'redis://h'",
        "server = { uri = 'redis://h' }",
        "server = { url = 'rediss://h', tls = { ca = '/x' } }",
        "server = 3",
    ] {
        assert!(toml::from_str::<Topology>(typo).is_err(), "{typo}");
    }
}

#[tokio::test]
async fn a_unix_socket() {
    let server = Server::builder().unix_socket().start();
    let url = server.url();
    assert!(url.starts_with("redis+unix:///"), "{url}");
    let redis = Redis::connect(&url).await.unwrap();
    let lane = redis.on(TEST);
    let set = Command::new("SET").key(&Key::raw("k")).arg("v");
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    assert_eq!(server.command(&["GET", "k"]).as_str(), Some("v"));
    server.kill();
    server.restart();
    let soon = Duration::from_secs(2);
    until(soon, "the socket is found again", async || {
        lane.getter().get(Key::raw("k")).await.is_ok()
    })
    .await;
}

/// The process's own variables, as a service has them: in a process of its own, whose variables they are.
#[test]
fn a_service_says_nothing_and_its_variables_everything() {
    let server = Server::builder()
        .password("default-pw")
        .acl_user("app on >pw ~* &* +@all")
        .start();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "topology::the_service_itself", "--nocapture"])
        .env("RUSSET_TEST_IS_SERVICE", "1")
        .env("REDIS_URL", format!("redis://app@{}/3", server.address()))
        .env("REDIS_PASSWORD", "pw")
        .env("REDIS_PREFIX", "shop")
        .env(
            "CACHE_REDIS_URL",
            format!("redis://app:pw@{}/5", server.address()),
        )
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    for (database, key) in [("3", "shop:other:it:k"), ("5", "shop:cache:it:k")] {
        let mut connection = server.connection();
        connection.command(&["SELECT", database]).unwrap();
        let kept = connection.command(&["GET", key]).unwrap();
        assert_eq!(kept.as_str(), Some("v"), "{key}");
    }
}

/// What the test above runs.
#[tokio::test]
async fn the_service_itself() {
    if std::env::var_os("RUSSET_TEST_IS_SERVICE").is_none() {
        return;
    }
    const OTHER: Concern = Concern::new("other", "OTHER_REDIS_URL");
    let redis = Redis::from_env().await.unwrap();
    let ns = redis.namespace_from_env().unwrap();
    for concern in [OTHER, CACHE] {
        let key = ns.stem(concern.name(), "it").unwrap().key("k");
        let set = Command::new("SET").key(&key).arg("v");
        redis
            .on(concern)
            .run::<()>(set, Policy::Idempotent)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_namespace_keeps_its_number_of_shards() {
    let server = russet_testkit::Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let open = async |count| {
        redis
            .namespace("shop")
            .unwrap()
            .env("stg")
            .shards(count)
            .await
    };
    let ns = open(12).await.unwrap();
    let key = ns.stem("cache", "users").unwrap().key(&7);
    assert_eq!(key.as_bytes(), b"stg:shop:cache:users:{7}:7");
    assert_eq!(
        server
            .command(&["GET", "stg:shop:namespace:shards"])
            .as_str(),
        Some("12")
    );
    assert_eq!(
        server
            .command(&["TTL", "stg:shop:namespace:shards"])
            .as_int(),
        Some(-1)
    );
    open(12).await.unwrap();
    let error = open(8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("write shards(12)"), "{error}");
    assert_eq!(open(0).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(open(257).await.unwrap_err().kind(), ErrorKind::Config);
    server.command(&["LPUSH", "other:namespace:shards", "x"]);
    let other = redis
        .namespace("other")
        .unwrap()
        .shards(3)
        .await
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::WrongType, "{other}");
}
