//! The command as a shell runs it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output};

use russet_keyspace::{Catalogue, Prefix};
use russet_testkit::Server;

fn russet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_russet"));
    command.args(arguments).env("CACHE_PASSWORD", "secret");
    command.output().unwrap()
}

#[track_caller]
fn said(arguments: &[&str]) -> String {
    let output = russet(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = russet(arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_crates_own_keys() {
    let docs = said(&["keys", "docs"]);
    assert!(
        docs.contains("| `{prefix}:cache:{cache}:{key..}` | string |"),
        "{docs}"
    );
    let persistent = said(&["keys", "persistent"]);
    assert!(
        persistent.starts_with("{prefix}:namespace:shards  "),
        "{persistent}"
    );
    let found = said(&[
        "keys",
        "--prefix",
        "prod:shop",
        "find",
        "prod:shop:cache:users:7",
    ]);
    for line in [
        "pattern  prod:shop:cache:{cache}:{key..}",
        "cache    users",
        "key      7",
    ] {
        assert!(found.lines().any(|one| one == line), "{line}\n{found}");
    }
    let unknown = refused(&["keys", "find", "x"]);
    assert!(unknown.contains("of no pattern"), "{unknown}");
}

#[test]
fn access_rules_that_a_server_takes() {
    let server = Server::start();
    let users = [
        "--user",
        "cache_user=cache",
        "--password-from",
        "cache_user=CACHE_PASSWORD",
    ];
    let rules = said(
        &[
            &["keys", "--prefix", "prod:shop", "acl", "--commands"],
            &users[..],
        ]
        .concat(),
    );
    let mut taken = 0;
    for line in rules.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(server.command(&words).as_str(), Some("OK"), "{line}");
        taken += 1;
    }
    assert_eq!(
        taken, 7,
        "cache, locks, namespace, ratelimit, session, ops, admin"
    );
    let url = server.url();
    let check = ["keys", "--prefix", "prod:shop", "check", "--url", &url];
    let checks = said(&[&check, &users[..]].concat());
    assert!(checks.contains("cache_user: "), "{checks}");
    assert!(
        checks.lines().all(|line| line.ends_with("0 not as meant")),
        "{checks}"
    );
    let refused = refused(&["keys", "acl", "--user", "a=cash"]);
    assert!(refused.contains("of which there are no keys"), "{refused}");
    let away = self::refused(&["keys", "check", "--url", "redis://127.0.0.1:1"]);
    assert!(away.contains("cannot be reached"), "{away}");
}

mod declared {
    use russet_keyspace::{Concern, KeyTtl, keyspace};

    const APP: Concern = Concern::new("app", "APP_REDIS_URL");

    keyspace! {
        /// A service's keys.
        pub(crate) struct Shop;

        /// A user's profile.
        profile(user: u64) -> String<u8> {
            pattern: "user:{user}:profile",
            concern: APP,
            owner: "accounts",
            ttl: KeyTtl::Seconds(60),
            commands: ["GET", "SET"],
            deprecated: "2026-11" => "profile:v2:{user}",
        }
    }
}

#[test]
fn a_catalogue_of_a_file() {
    let prefix = Prefix::new("shop").unwrap();
    let catalogue = Catalogue::new()
        .with(&prefix, declared::Shop::KEYS)
        .unwrap();
    let file = std::env::temp_dir().join(format!("russet-keys-{}.json", std::process::id()));
    std::fs::write(&file, catalogue.to_json()).unwrap();
    let keys = ["keys", "--catalogue", file.to_str().unwrap()];
    let docs = said(&[&keys[..], &["docs"]].concat());
    assert!(
        docs.contains("**deprecated** since 2026-11: use `profile:v2:{user}`"),
        "{docs}"
    );
    let found = said(&[&keys[..], &["find", "shop:user:7:profile"]].concat());
    assert!(found.contains("user     7\n"), "{found}");
    let acl = said(&[&keys[..], &["acl"]].concat());
    assert!(
        acl.starts_with("user app_user off ~shop:user:*:profile -@all "),
        "{acl}"
    );
    std::fs::remove_file(&file).unwrap();
    let gone = refused(&[&keys[..], &["docs"]].concat());
    assert!(gone.contains(keys[2]), "{gone}");
}
