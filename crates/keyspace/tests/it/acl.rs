//! Access rules on a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russet_core::{Command, ErrorKind, KeySpec, Policy};
use russet_keyspace::{Acl, Catalogue, Concern, KeyTtl, KeyType, Prefix, Redis};
use russet_testkit::Server;

const APP: Concern = Concern::new("app", "APP_REDIS_URL");

const TAKE: &str = "-- COMMANDS: INCR, PEXPIRE\nredis.call('PEXPIRE', KEYS[1], 1000) return redis.call('INCR', KEYS[1])";

const fn spec(concern: &'static str, rest: &'static str, kind: KeyType) -> KeySpec {
    KeySpec::new(concern, "{prefix}", rest, kind, KeyTtl::Persistent, "x")
}

const KEYS: &[KeySpec] = &[
    spec("app", "app:{key..}", KeyType::String).commands(&["GET", "SET", "MGET", "DEL"]),
    spec("app", "recent:{user}", KeyType::List).commands(&["LPUSH", "LRANGE", "LTRIM"]),
    spec("limit", "rate:{{user}}", KeyType::String).scripts(&[TAKE]),
    spec("news", "news:{name}", KeyType::Channel).commands(&["PUBLISH", "SPUBLISH"]),
    spec("stream", "stream:{name}", KeyType::Stream).commands(&[
        "XADD",
        "XREADGROUP",
        "XGROUP CREATE",
        "XACK",
    ]),
    spec("scores", "scores:{name}", KeyType::SortedSet).commands(&[
        "ZADD",
        "ZUNIONSTORE",
        "ZMPOP",
        "ZRANGE",
    ]),
];

fn catalogue() -> Catalogue {
    let shop = Prefix::new("shop").unwrap().env("prod");
    Catalogue::new().with(&shop, KEYS).unwrap()
}

fn acl(catalogue: &Catalogue) -> Acl {
    catalogue
        .acl()
        .user("front", ["app", "scores"])
        .password("front", "front-secret")
        .password("limit_user", "limit-secret")
        .build()
        .unwrap()
}

async fn server() -> (Server, Redis) {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    (server, redis)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_user_may_do_its_own_and_nothing_else_says_the_server() {
    let (server, redis) = server().await;
    let catalogue = catalogue();
    // Meanwhile nobody can log in as one of those who are asked about, whatever password the rules have.
    let (watched, done) = (Arc::new(server), Arc::new(AtomicBool::new(false)));
    let watch = std::thread::spawn({
        let (server, done) = (watched.clone(), done.clone());
        move || {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let users = server.command(&["ACL", "LIST"]);
                let users = users.as_array().unwrap().iter();
                for user in users.filter_map(|user| user.as_str()) {
                    if user.contains("russet-check") {
                        assert!(user.contains(" off "), "{user}");
                        seen += 1;
                    }
                }
            }
            seen
        }
    });
    let checks = acl(&catalogue).check(&catalogue, &redis).await.unwrap();
    done.store(true, Ordering::Relaxed);
    assert!(watch.join().unwrap() > 0, "it was looked at in time");
    let server = watched;
    assert!(checks.hold(), "{checks}");
    assert!(checks.unknown().is_empty(), "{checks}");
    for (user, least) in [
        ("front", 30),
        ("limit_user", 20),
        ("news_user", 20),
        ("stream_user", 20),
    ] {
        let of_user = checks.all().iter().filter(|check| check.user == user);
        let [allowed, denied] = [true, false].map(|meant| {
            let of_user = of_user.clone();
            of_user
                .filter(|check| check.should_be_allowed == meant)
                .count()
        });
        assert!(allowed > 3 && denied > least, "{user}: {allowed} {denied}");
    }
    println!("{checks}");
    let users = server.command(&["ACL", "USERS"]);
    assert_eq!(
        users.as_array().unwrap().len(),
        1,
        "those of the check went"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_wrong_is_told() {
    let (_server, redis) = server().await;
    let catalogue = catalogue();
    let right = acl(&catalogue);
    let check = async |acl: Acl| acl.check(&catalogue, &redis).await.unwrap();
    let wrong = |checks: &russet_keyspace::Checks| {
        let wrong = checks.all().iter().filter(|check| !check.holds());
        wrong
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    // A command too few.
    let few = check(right.without(&["SET".to_owned()].into())).await;
    assert!(
        wrong(&few).contains("front: SET prod:shop:app:1 1: allowed, says the rule; "),
        "{few}"
    );
    assert!(!few.hold());
    // One user for two concerns may touch the keys of both: too much, if the catalogue gives it one of them.
    let wide = catalogue.acl().user("front", ["app", "limit"]);
    let narrow = catalogue.acl().user("front", ["app"]).build().unwrap();
    let (wide, narrow) = (
        wide.build().unwrap(),
        narrow.check(&catalogue, &redis).await,
    );
    assert!(check(wide).await.hold());
    assert!(narrow.unwrap().hold());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_an_acl_file_work_as_they_are() {
    let (server, _redis) = server().await;
    let catalogue = catalogue();
    for user in acl(&catalogue).users() {
        let rules = user.rules();
        let mut words = vec!["ACL", "SETUSER", &user.name];
        words.extend(rules.iter().map(String::as_str));
        let answer = server.command(&words);
        assert_eq!(answer.as_str(), Some("OK"), "{user}");
    }
    let url = |user: &str, password: &str| {
        server
            .url()
            .replacen("redis://", &format!("redis://{user}:{password}@"), 1)
    };
    let front = Redis::connect(&url("front", "front-secret")).await.unwrap();
    let lane = front.on(APP);
    let prefix = Prefix::new("shop").unwrap().env("prod");
    let key = prefix.literal_stem("app").unwrap().key("a");
    let set = Command::new("SET").key(&key).arg("1");
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let recent = prefix.literal_stem("recent").unwrap().key(&7);
    let push = Command::new("LPUSH").key(&recent).arg("x");
    lane.run::<i64>(push, Policy::AtMostOnce).await.unwrap();
    // Sent inside an EVAL.
    let range = Command::new("LRANGE").key(&recent).arg(0).arg(-1);
    let range: Vec<String> = lane.run(range, Policy::Idempotent).await.unwrap();
    assert_eq!(range, ["x"]);
    let foreign = prefix.literal_stem("rate").unwrap().tagged(&7, None);
    for denied in [
        Command::new("SET").key(&foreign).arg("1"),
        Command::new("INCR").key(&key),
        Command::new("FLUSHALL"),
    ] {
        let error = lane
            .run::<()>(denied, Policy::Idempotent)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    }
    // A script's commands are granted with the script.
    static SCRIPT: russet_core::Script = russet_core::Script::new(TAKE);
    let limit = Redis::connect(&url("limit_user", "limit-secret"))
        .await
        .unwrap();
    let taken: i64 = limit
        .on(APP)
        .script(&SCRIPT, [&foreign], [0; 0], Policy::AtMostOnce)
        .await
        .unwrap();
    assert_eq!(taken, 1);
    // One without a password cannot log in.
    let error = Redis::connect(&url("news_user", "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_dry_runs_is_told_so() {
    let server = Server::builder()
        .config("rename-command", "ACL no-acl")
        .start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let catalogue = catalogue();
    let error = acl(&catalogue).check(&catalogue, &redis).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("ACL DRYRUN"), "{error}");
}
