//! Processes that are killed in the middle of whatever they do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use russet_session::{Device, Redis, Refreshed, Sessions};
use russet_testkit::{Cluster, Process, Server, eventually, size};
use tokio::task::JoinSet;

use crate::{Profile, SECOND, patient, profile};

/// Says to a process that is started again where its server is.
const ROLE: &str = "RUSSET_TEST_SESSIONS";
/// So many users, of whom each does something all the time.
const USERS: u64 = 16;

async fn sessions_at(url: &str) -> Sessions<Profile> {
    let redis = Redis::connect(url).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    patient(&ns).max_sessions(3).build().unwrap()
}

/// One who does all that there is to do, when it is started as such; as a test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_does_everything() {
    let Ok(url) = std::env::var(ROLE) else {
        return;
    };
    let sessions = sessions_at(&url).await;
    let (mut all, lives) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    for user in 0..USERS {
        let (sessions, lives) = (sessions.clone(), lives.clone());
        all.spawn(async move {
            let mut turn = user;
            loop {
                turn += 1;
                something(&sessions, &format!("user-{user}"), turn).await;
                println!("\n{} lives", 1 + lives.fetch_add(1, Ordering::Relaxed));
            }
        });
    }
    all.join_all().await;
}

/// A life of a session, of many kinds. The two fields that are changed are always the same.
async fn something(sessions: &Sessions<Profile>, user: &str, turn: u64) {
    let mut made = match turn % 3 {
        0 => {
            let mut visitor = sessions.create_anonymous(profile("0")).await.unwrap();
            assert!(
                visitor
                    .login(user, Device::unknown())
                    .await
                    .unwrap()
                    .is_done()
            );
            visitor
        }
        _ => sessions.create(user, profile("0")).await.unwrap(),
    };
    let text = turn.to_string();
    let change = made.update(|data| {
        data.user.clone_from(&text);
        data.theme = Some(text.clone());
    });
    change.await.unwrap();
    if turn.is_multiple_of(2) {
        let _ = made.rotate().await.unwrap();
    }
    if let Some(token) = made.issue_refresh("web").await.unwrap()
        && let Refreshed::Done(renewal) = sessions.refresh(&token, "web").await.unwrap()
    {
        let resumed = sessions.resume(&renewal, profile("0"), Device::unknown());
        resumed.await.unwrap();
    }
    match turn % 5 {
        0 => drop(sessions.revoke_all(user).await.unwrap()),
        1 => drop(sessions.revoke_others(&made).await.unwrap()),
        2 => drop(made.delete().await.unwrap()),
        3 => drop(sessions.wipe_user(user).await.unwrap()),
        _ => {}
    }
}

/// What stands on the servers, by kind of key.
#[derive(Debug, Default)]
struct Found {
    /// Sessions and their two fields.
    sessions: BTreeMap<String, (String, String)>,
    /// Which are named as valid, or as ended.
    valid: Vec<String>,
    struck: Vec<String>,
    families: Vec<String>,
    valid_families: Vec<String>,
}

fn look(servers: &[&Server]) -> Found {
    let mut found = Found::default();
    for server in servers {
        let text = |parts: &[&str]| server.command(parts);
        for key in crate::keys(server) {
            let kind = text(&["TYPE", &key]);
            match kind.as_str().unwrap() {
                "hash" => {
                    let head = text(&["HGET", &key, ""]);
                    // One that has another token since is no session.
                    if head.as_bytes().unwrap()[1] == 1 {
                        // Behind the header of what is stored.
                        let field = |name| {
                            let stored = text(&["HGET", &key, name]);
                            let value = stored.as_bytes().and_then(|bytes| bytes.get(7..));
                            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
                        };
                        let fields = (field("user"), field("theme"));
                        found.sessions.insert(key, fields);
                    }
                }
                "zset" => {
                    let members = text(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]);
                    let members = members.as_array().unwrap().chunks(2);
                    for pair in members {
                        let is_valid = pair[1].as_str() != Some("0");
                        let name = String::from_utf8_lossy(pair[0].as_bytes().unwrap());
                        match key.strip_suffix(":%families") {
                            Some(tag) if is_valid => {
                                let number: String = name.chars().take(22).collect();
                                found.valid_families.push(format!("{tag}:%family:{number}"));
                            }
                            Some(_) => {}
                            None if is_valid => found.valid.push(format!("{key}:{name}")),
                            None => found.struck.push(format!("{key}:{name}")),
                        }
                    }
                }
                _ if key.contains(":%family:") => found.families.push(key),
                _ => {}
            }
        }
    }
    found
}

async fn is_killed_again_and_again(url: &str, servers: &[&Server], times: u64) {
    let (sessions, mut seen) = (sessions_at(url).await, 0);
    // What it had sent is done before the server forgets it.
    let clients = || {
        let count = |server: &&Server| server.info("clients")["connected_clients"].parse::<u64>();
        let counts = servers.iter().map(count);
        counts.map(Result::unwrap).sum::<u64>()
    };
    sessions.create("nobody", profile("0")).await.unwrap();
    let before = clients();
    for turn in 0..times {
        tokio::task::block_in_place(|| {
            let mut other = Process::start("processes::one_who_does_everything", ROLE, url);
            // In the middle of the other users' lives: it is killed when it is dropped.
            other.says(&format!("{} lives", 1 + turn * 7 % 23));
            drop(other);
            eventually(10 * SECOND, "it is forgotten", || clients() <= before);
        });
        let found = look(servers);
        for key in &found.valid {
            assert!(
                found.sessions.contains_key(key),
                "an index names what is not there: {key}"
            );
        }
        for (key, (user, theme)) in &found.sessions {
            let is_named = found.valid.contains(key) || found.struck.contains(key);
            assert!(is_named, "nobody finds it: {key}");
            let is_whole = user == theme || theme.is_empty();
            assert!(is_whole, "half of a change: {user} {theme}");
        }
        for key in &found.valid_families {
            assert!(
                found.families.contains(key),
                "an index names what is not there: {key}"
            );
        }
        seen += found.sessions.len();
        for user in 0..USERS {
            sessions.wipe_user(&format!("user-{user}")).await.unwrap();
        }
        let left = look(servers);
        assert_eq!(left.families, [""; 0], "wiped");
        // What was nobody's yet.
        let nobody_s = left
            .sessions
            .values()
            .filter(|(_, theme)| !theme.is_empty());
        assert_eq!(nobody_s.count(), 0);
        assert!(left.sessions.len() <= usize::try_from(USERS).unwrap() + 1);
        for server in servers {
            server.flush_all();
        }
    }
    assert!(seen > 0, "it did something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_half_done_by_one_who_is_killed() {
    let server = Server::start();
    is_killed_again_and_again(&server.url(), &[&server], size(625, 12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_on_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let servers: Vec<&Server> = cluster.nodes().iter().collect();
    is_killed_again_and_again(&cluster.url(), &servers, size(100, 4)).await;
}
