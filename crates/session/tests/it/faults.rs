//! Servers that are away, full, or have forgotten.

use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use russet_session::{
    ErrorKind, OnOutage, Redis, Refreshed, Session, SessionError, Sessions, Written,
};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Fault, Match, Proxy};

use crate::{Profile, SECOND, on, patient, profile, until};

/// The server knows all scripts of a session then.
async fn know_scripts(sessions: &Sessions<Profile>, made: &mut Session<Profile>) {
    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    assert!(made.set("role", "reader").await.unwrap().is_done());
    assert!(made.extend().await.unwrap().is_done());
    sessions.load(made.token()).await.unwrap().unwrap();
    assert!(made.rotate().await.unwrap().is_done());
    let other = sessions.create("somebody", profile("Bob")).await.unwrap();
    assert!(other.delete().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_an_error_or_nobody_and_no_logout() {
    let server = Server::start();
    let ns = on(&server).await;
    let strict = patient(&ns).deadline(SECOND).build().unwrap();
    let lax = patient(&ns).deadline(SECOND).on_outage(OnOutage::Anonymous);
    let lax = lax.build().unwrap();
    let made = strict.create("user-1", profile("Alice")).await.unwrap();
    server.pause();
    let told = strict.load(made.token()).await.unwrap_err();
    assert!(told.is_retryable(), "{told:?}");
    assert!(lax.load(made.token()).await.unwrap().is_none());
    assert!(lax.delete(made.token()).await.is_err());
    server.resume();
    crate::until("it is there again", async || {
        matches!(strict.load(made.token()).await, Ok(Some(_)))
    })
    .await;
}

/// What all tests of this process log from when somebody asks for it on.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One line when it begins and one when it is over, whoever calls how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_two_lines_in_the_log() {
    tracing_subscriber::fmt().with_writer(|| Log).init();
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let name = russet_testkit::unique_name("outage");
    let ns = redis.namespace(&name).unwrap();
    let sessions = patient(&ns).deadline(SECOND).build().unwrap();
    let told = || {
        let log = LOG.lock().unwrap();
        let text = std::str::from_utf8(&log).unwrap();
        let ours = |line: &&str| line.contains(&name) && line.contains("russet::session");
        text.lines().filter(ours).map(str::to_owned).collect()
    };
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    sessions.load(made.token()).await.unwrap().unwrap();
    let mut lines: Vec<String> = told();
    assert_eq!(lines, [""; 0]);
    for times in 1..=2 {
        server.pause();
        for _ in 0..3 {
            sessions.load(made.token()).await.unwrap_err();
        }
        lines = told();
        assert_eq!(lines.len(), 2 * times - 1, "{lines:?}");
        for part in ["WARN", "Redis cannot be asked", "web", "on_outage=Error"] {
            assert!(lines[2 * times - 2].contains(part), "{part}: {lines:?}");
        }
        server.resume();
        crate::until("it is there again", async || {
            matches!(sessions.load(made.token()).await, Ok(Some(_)))
        })
        .await;
        sessions.load(made.token()).await.unwrap().unwrap();
        lines = told();
        assert_eq!(lines.len(), 2 * times, "{lines:?}");
        for part in ["INFO", "answers again"] {
            assert!(lines[2 * times - 1].contains(part), "{part}: {lines:?}");
        }
    }
    // A full server answers.
    server.config_set("maxmemory-policy", "noeviction");
    server.config_set("maxmemory", "1");
    let full = sessions.create("user-1", profile("Alice")).await;
    assert_eq!(full.unwrap_err().kind(), Some(ErrorKind::OutOfMemory));
    lines = told();
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_still_reads_extends_rotates_and_ends_sessions() {
    let server = Server::start();
    let ns = on(&server).await;
    let sessions = patient(&ns).build().unwrap();
    let mut one = sessions.create("user-1", profile("Alice")).await.unwrap();
    let two = sessions.create("user-1", profile("Alice")).await.unwrap();
    let three = sessions.create("user-2", profile("Bob")).await.unwrap();
    server.config_set("maxmemory-policy", "noeviction");
    server.config_set("maxmemory", "1");
    let told = one.update(|data| data.visits += 1).await.unwrap_err();
    assert_eq!(told.kind(), Some(ErrorKind::OutOfMemory), "{told:?}");
    assert!(sessions.create("user-1", profile("Alice")).await.is_err());
    assert!(sessions.load(one.token()).await.unwrap().is_some());
    assert!(one.extend().await.unwrap().is_done());
    assert!(one.rotate().await.unwrap().is_done());
    assert!(one.delete().await.unwrap());
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 1);
    assert!(sessions.revoke("user-1", &two.id()).await.unwrap());
    assert_eq!(sessions.revoke_all("user-2").await.unwrap(), 1);
    assert!(sessions.load(three.token()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_does_nothing_twice() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let sessions = patient(&ns).max_sessions(2).build().unwrap();
    let lost = || {
        proxy.inject(
            Match::command("EVALSHA").nth(1),
            Fault::DropReply(After::Close),
        )
    };
    let mut kept = sessions.create("user-1", profile("Alice")).await.unwrap();
    know_scripts(&sessions, &mut kept).await;

    let fault = lost();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(fault.hits(), 1);
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 2);
    assert!(
        sessions.load(kept.token()).await.unwrap().is_some(),
        "it was not one too many"
    );

    let fault = lost();
    assert!(made.rotate().await.unwrap().is_done());
    assert_eq!(fault.hits(), 1);
    assert!(sessions.load(made.token()).await.unwrap().is_some());

    // It says that it may have been done, which it was; asking again does it once more, on what stands there.
    let fault = lost();
    let told = made.update(|data| data.visits += 1).await.unwrap_err();
    assert_eq!(fault.hits(), 1);
    assert!(told.may_have_executed(), "{told:?}");
    assert_eq!(made.data().visits, 0);
    // What is read waits for the next connection; a write may still go out on the one that is about to be closed.
    assert!(sessions.load(made.token()).await.unwrap().is_some());
    assert_eq!(
        made.update(|data| data.visits += 1).await.unwrap(),
        Some(())
    );
    assert_eq!(made.data().visits, 2);

    let fault = lost();
    assert_eq!(made.extend().await.unwrap(), Written::Done);
    assert_eq!(fault.hits(), 1);
    let fault = lost();
    let token = made.token().clone();
    made.delete().await.unwrap();
    assert_eq!(fault.hits(), 1);
    assert!(sessions.load(&token).await.unwrap().is_none());

    // Also where the old token leads nowhere.
    let strict = patient(&ns).rotation_grace(std::time::Duration::ZERO);
    let strict = strict.build().unwrap();
    let mut made = strict.create("user-2", profile("Bob")).await.unwrap();
    let fault = lost();
    assert!(made.rotate().await.unwrap().is_done());
    assert_eq!(fault.hits(), 1);
    assert!(strict.load(made.token()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_evicted_is_nobody_and_what_is_no_session_is_told() {
    let server = Server::start();
    let ns = on(&server).await;
    let sessions = patient(&ns).local(0).build().unwrap();
    let find = |kind: &str| {
        let mut found = crate::keys(&server);
        found.retain(|key| server.command(&["TYPE", key]).as_str() == Some(kind));
        found
    };
    for kind in ["hash", "zset"] {
        let made = sessions.create("user-1", profile("Alice")).await.unwrap();
        let mut slow = sessions.load(made.token()).await.unwrap().unwrap();
        for key in find(kind) {
            server.command(&["DEL", &key]);
        }
        assert!(
            sessions.load(made.token()).await.unwrap().is_none(),
            "{kind}"
        );
        assert_eq!(slow.update(|data| data.visits += 1).await.unwrap(), None);
        assert_eq!(sessions.list("user-1").await.unwrap(), []);
        server.flush_all();
    }
    // Who remembers it knows of that a twentieth of the idle time later.
    let idle = 10 * SECOND;
    let remembering = patient(&ns).idle(idle).build().unwrap();
    for kind in ["hash", "zset"] {
        let made = remembering
            .create("user-1", profile("Alice"))
            .await
            .unwrap();
        let load = async || remembering.load(made.token()).await.unwrap();
        let mut slow = load().await.unwrap();
        let began = Instant::now();
        for key in find(kind) {
            server.command(&["DEL", &key]);
        }
        until("it is gone", async || load().await.is_none()).await;
        assert!(began.elapsed() < idle / 2, "{:?}", began.elapsed());
        assert_eq!(slow.update(|data| data.visits += 1).await.unwrap(), None);
        server.flush_all();
    }
    // And at once, where it asks for the session itself because others change another one of the same user again and again.
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let remembering = patient(&ns).build().unwrap();
    let load = async || remembering.load(made.token()).await.unwrap();
    assert!(load().await.is_some());
    let other = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert!(load().await.is_some());
    for key in find("hash") {
        server.command(&["DEL", &key]);
    }
    assert!(load().await.is_none());
    drop(other);
    server.flush_all();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    for key in find("hash") {
        server.command(&["DEL", &key]);
        server.command(&["SET", &key, "something else"]);
    }
    for token in [made.token(), other.token()] {
        let told = sessions.load(token).await.unwrap_err();
        assert!(matches!(told, SessionError::Redis(_)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_one_command_and_none_shows_a_secret() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let sessions = patient(&ns).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    know_scripts(&sessions, &mut made).await;
    let sent = || proxy.seen("EVALSHA");
    let before = sent();
    sessions.load(made.token()).await.unwrap().unwrap();
    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    assert!(made.set("role", "admin").await.unwrap().is_done());
    assert!(made.extend().await.unwrap().is_done());
    let first = made.token().clone();
    assert!(made.rotate().await.unwrap().is_done());
    assert_eq!(sent() - before, 5);
    let tokens = [first, made.token().clone()];
    let all = format!("{made:?}{sessions:?}");
    made.delete().await.unwrap();
    for token in tokens {
        let secret = token.rsplit_once('.').unwrap().1;
        assert!(!all.contains(secret));
    }
}

/// The first script ends them; that the second one cannot remove their keys changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_write_ends_all_sessions_of_a_user() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let sessions = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    // The server knows the scripts then.
    drop(sessions.create("somebody", profile("Bob")).await.unwrap());
    assert_eq!(sessions.revoke_all("somebody").await.unwrap(), 1);
    for is_all in [true, false] {
        let mine = sessions.create("user-1", profile("Alice")).await.unwrap();
        let mut other = sessions.create("user-1", profile("Alice")).await.unwrap();
        let refresh = other.issue_refresh("mobile").await.unwrap().unwrap();
        let second = Match::command("EVALSHA").nth(2);
        let fault = proxy.inject(second, Fault::RejectReply("ERR no".to_owned()));
        let ended = match is_all {
            true => sessions.revoke_all("user-1").await.unwrap(),
            false => sessions.revoke_others(&mine).await.unwrap(),
        };
        assert_eq!((ended, fault.hits()), (if is_all { 2 } else { 1 }, 1));
        assert!(sessions.load(other.token()).await.unwrap().is_none());
        assert_eq!(other.update(|data| data.visits += 1).await.unwrap(), None);
        let told = sessions.refresh(&refresh, "mobile").await.unwrap();
        assert!(matches!(told, Refreshed::Gone), "{told:?}");
        let stays = sessions.load(mine.token()).await.unwrap();
        assert_eq!(stays.is_some(), !is_all);
    }
}
