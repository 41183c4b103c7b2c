//! What is known of a user, what ends with them, and what ended sessions leave behind.

use std::time::Duration;

use russet_session::{Device, Finding, Probe as _, Redis, Refreshed, Sessions, Sweep as _};
use russet_testkit::Server;
use russet_testkit::proxy::{Fault, Match, Proxy};

use crate::{Profile, SECOND, keys, on, patient, profile, sessions};

#[tokio::test]
async fn a_user_is_given_what_is_known_of_them() {
    let sessions = sessions().await;
    assert_eq!(sessions.export_user("user-1").await.unwrap(), []);
    let phone = Device::unknown().name("Alice's phone");
    let first = sessions.create_on("user-1", profile("Alice"), phone.clone());
    let first = first.await.unwrap();
    let mut second = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert!(
        second.increment("visits", 3).await.is_err(),
        "it is no counter"
    );
    second
        .update(|data| data.visits = 3)
        .await
        .unwrap()
        .unwrap();
    sessions.create("user-2", profile("Bob")).await.unwrap();
    let exported = sessions.export_user("user-1").await.unwrap();
    assert_eq!(exported.len(), 2);
    for (made, device) in [(&first, &phone), (&second, &Device::unknown())] {
        let of_it = exported.iter().find(|one| one.id == made.id()).unwrap();
        assert_eq!((&of_it.data, &of_it.device), (made.data(), device));
        assert_eq!(
            (of_it.created, of_it.expires),
            (made.created(), made.expires())
        );
    }
    // Looking is no use.
    let listed = sessions.list("user-1").await.unwrap();
    assert!(listed.iter().all(|one| one.last_seen == one.created));
}

#[tokio::test]
async fn a_user_who_was_wiped_leaves_nothing() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.issue_refresh("web").await.unwrap().unwrap();
    for _ in 0..3 {
        sessions.create("user-1", profile("Alice")).await.unwrap();
    }
    // What was ended before is wiped as well.
    let mut left = sessions.create("user-1", profile("Alice")).await.unwrap();
    left.issue_refresh("web").await.unwrap().unwrap();
    assert!(made.rotate().await.unwrap().is_done());
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    let of_others = keys(&server).len();
    assert_eq!(sessions.wipe_user("user-1").await.unwrap(), 5);
    assert!(keys(&server).len() < of_others);
    let mut rest = keys(&server);
    rest.sort();
    let (marks, rest): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|key| key.ends_with("%revoked"));
    assert_eq!(marks.len(), 1);
    // The other user's session, index and etag; and where the rotated one had been.
    assert_eq!(rest.len(), 4, "{rest:?}");
    let dump: String = rest
        .iter()
        .map(|key| format!("{:?}", server.command(&["DUMP", key])))
        .collect();
    assert!(!dump.contains("user-1") && !dump.contains("Alice"));
    assert!(sessions.load(made.token()).await.unwrap().is_none());
    let told = sessions.refresh(&token, "web").await.unwrap();
    assert!(matches!(told, Refreshed::Gone), "{told:?}");
    assert!(sessions.load(other.token()).await.unwrap().is_some());
}

/// Whatever is cut off, the next one who tries removes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_removed_is_removed_later() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let sessions = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let hashes = || {
        let mut keys = keys(&server);
        keys.retain(|key| server.command(&["TYPE", key]).as_str() == Some("hash"));
        keys.len()
    };
    // The server knows the scripts then.
    sessions.create("somebody", profile("Bob")).await.unwrap();
    assert_eq!(sessions.wipe_user("somebody").await.unwrap(), 1);
    let fail_second = || {
        let second = Match::command("EVALSHA").nth(2);
        proxy.inject(second, Fault::RejectReply("ERR no".to_owned()))
    };
    let leave = async || {
        let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
        made.issue_refresh("web").await.unwrap().unwrap();
        let fault = fail_second();
        assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
        assert_eq!((fault.hits(), hashes()), (1, 1));
    };
    leave().await;
    let fault = fail_second();
    assert!(
        sessions.wipe_user("user-1").await.is_err(),
        "it says that it could not"
    );
    assert_eq!((fault.hits(), hashes()), (1, 1));
    assert_eq!(sessions.wipe_user("user-1").await.unwrap(), 0);
    assert_eq!(hashes(), 0);
    leave().await;
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(hashes(), 1, "the next login has tidied up");
    assert!(made.delete().await.unwrap());
    leave().await;
    let found = sessions.cleanup().await.unwrap();
    assert_eq!(
        (found.indexes, found.expired, found.removed, found.missing),
        (1, 0, 2, 0)
    );
    assert_eq!(hashes(), 0);
    let marks = keys(&server);
    assert!(
        marks.iter().all(|key| key.ends_with("%revoked")),
        "{marks:?}"
    );
}

/// Sessions of so many users, of which only their indexes are left.
async fn are_evicted(server: &Server, sessions: &Sessions<Profile>, users: u32) {
    for at in 0..users {
        let user = format!("user-{at}");
        sessions.create(&user, profile("Alice")).await.unwrap();
    }
    crate::evict_sessions(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_goes_on_where_it_was_cut_short() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    are_evicted(&server, &sessions, 50).await;
    assert_eq!(
        russet_session::Sweep::subject(&sessions),
        "sessions shop:session:web"
    );
    let (mut removed, mut calls) = (0, 0);
    loop {
        let swept = sessions.sweep(10, 5 * SECOND).await.unwrap();
        assert!(swept.removed <= 10, "{swept:?}");
        (removed, calls) = (removed + swept.removed, calls + 1);
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, 50);
    assert!((5..=7).contains(&calls), "{calls}");
    assert_eq!(keys(&server), [""; 0]);
    let swept = sessions.sweep(10, 5 * SECOND).await.unwrap();
    assert_eq!((swept.removed, swept.more), (0, false));
    server.pause();
    let began = std::time::Instant::now();
    let late = sessions.sweep(10, SECOND / 10).await.unwrap();
    assert!(late.more && began.elapsed() < SECOND * 2, "{late:?}");
    server.resume();
}

/// What is no index is told, and keeps nobody else's from being tidied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_index_that_cannot_be_read_does_not_stop_the_others() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let gone = async || {
        are_evicted(&server, &sessions, 20).await;
        let foreign = format!("shop:session:web:{{{}}}", "A".repeat(22));
        server.command(&["SET", &foreign, "something else"]);
    };
    gone().await;
    assert!(sessions.cleanup().await.is_err());
    assert_eq!(keys(&server).len(), 1, "the foreign one");
    gone().await;
    let mut failed = 0;
    while keys(&server).len() > 1 {
        failed += u32::from(sessions.sweep(5, 5 * SECOND).await.is_err());
        assert!(failed < 10, "it goes on behind it");
    }
    assert_eq!(keys(&server).len(), 1);
}

#[tokio::test]
async fn a_server_that_may_evict_sessions_is_degraded() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let probe = async || russet_session::Probe::probe(&sessions, 5 * SECOND).await;
    assert!(matches!(probe().await, Finding::Healthy(_)));
    server.config_set("maxmemory", "100mb");
    server.config_set("maxmemory-policy", "volatile-lru");
    let Finding::Degraded(why) = probe().await else {
        panic!("it may evict sessions")
    };
    assert!(
        why.contains("logout") && why.contains("SESSION_REDIS_URL"),
        "{why}"
    );
    server.pause();
    let found = sessions.probe(Duration::from_millis(50)).await;
    assert!(matches!(found, Finding::Failed(_)), "{found:?}");
    server.resume();
}
