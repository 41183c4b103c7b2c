//! One session, from its creation to its end.

use std::time::{Duration, SystemTime};

use russet_session::Written;
use russet_testkit::Server;

use crate::{SECOND, on, patient, profile, sessions, until};

#[tokio::test]
async fn what_was_created_is_loaded_until_it_is_deleted() {
    let sessions = sessions().await;
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.token().clone();
    assert_eq!(made.user(), Some("user-1"));
    let loaded = sessions.load(&token).await.unwrap().unwrap();
    assert_eq!(loaded.data(), &profile("Alice"));
    assert_eq!(loaded.user(), Some("user-1"));
    assert_eq!(loaded.created(), made.created());
    assert_eq!(loaded.expires(), made.expires());
    assert_eq!(loaded.token(), &token);
    let lasts = loaded.expires().duration_since(loaded.created()).unwrap();
    assert_eq!(lasts, 3_600 * SECOND);
    let most = loaded.absolute().duration_since(loaded.created()).unwrap();
    assert_eq!(most, 24 * 3_600 * SECOND);
    assert!(loaded.delete().await.unwrap());
    assert!(sessions.load(&token).await.unwrap().is_none());
    assert!(!sessions.delete(&token).await.unwrap());
}

#[tokio::test]
async fn what_is_no_token_is_nobody() {
    let sessions = sessions().await;
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    let token = made.token().as_str();
    let (head, secret) = token.rsplit_once('.').unwrap();
    let (their_head, _) = other.token().rsplit_once('.').unwrap();
    let wrong = [
        String::new(),
        "v1".to_owned(),
        token.replace("v1", "v9"),
        token[..60].to_owned(),
        format!("{head}.{}", "A".repeat(43)),
        // Somebody else's.
        format!("{their_head}.{secret}"),
        "%00".repeat(23),
        "\u{1F980}".repeat(20),
        "x".repeat(1 << 20),
    ];
    for wrong in wrong {
        assert!(sessions.load(&wrong).await.unwrap().is_none());
        assert!(!sessions.delete(&wrong).await.unwrap());
        assert_eq!(sessions.extend(&wrong).await.unwrap(), Written::Gone);
        assert_eq!(sessions.update(&wrong, |_| ()).await.unwrap(), None);
    }
    assert!(sessions.load(token).await.unwrap().is_some());
}

#[tokio::test]
async fn only_what_changed_is_written_and_nobody_is_undone() {
    let sessions = sessions().await;
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.token().clone();
    let mut one = sessions.load(&token).await.unwrap().unwrap();
    let mut two = sessions.load(&token).await.unwrap().unwrap();
    assert_eq!(
        one.update(|data| data.role = "admin".into()).await.unwrap(),
        Some(())
    );
    // Another field: no conflict.
    let themed = two
        .update(|data| data.theme = Some("dark".into()))
        .await
        .unwrap();
    assert_eq!(themed, Some(()));
    // The same field as another one changed: made again on what they wrote.
    let mut three = sessions.load(&token).await.unwrap().unwrap();
    three.update(|data| data.visits += 10).await.unwrap();
    let mut tries = 0;
    let visits = one
        .update(|data| {
            tries += 1;
            data.visits += 1;
            data.visits
        })
        .await
        .unwrap();
    assert_eq!((visits, tries), (Some(11), 2));
    let now = sessions.load(&token).await.unwrap().unwrap();
    assert_eq!(now.data().role, "admin");
    assert_eq!(now.data().theme.as_deref(), Some("dark"));
    assert_eq!(now.data().visits, 11);
    assert_eq!(one.data(), now.data());
    assert_eq!(now.version(), 4);
    // Nothing changed: nothing is sent.
    one.update(|_| ()).await.unwrap();
    assert_eq!(one.version(), 4);
    // By name only: whoever writes last.
    two.overwrite(|data| data.visits = 3)
        .await
        .unwrap()
        .unwrap();
    let now = sessions.load(&token).await.unwrap().unwrap();
    assert_eq!(now.data().visits, 3);
}

#[tokio::test]
async fn what_is_gone_is_never_made_anew() {
    let sessions = sessions().await;
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.token().clone();
    let mut slow = sessions.load(&token).await.unwrap().unwrap();
    made.delete().await.unwrap();
    assert_eq!(slow.update(|data| data.visits += 1).await.unwrap(), None);
    assert_eq!(slow.overwrite(|data| data.visits += 1).await.unwrap(), None);
    assert_eq!(slow.set("role", "admin").await.unwrap(), Written::Gone);
    assert_eq!(slow.remove("theme").await.unwrap(), Written::Gone);
    assert_eq!(slow.extend().await.unwrap(), Written::Gone);
    assert_eq!(slow.rotate().await.unwrap(), Written::Gone);
    assert_eq!(slow.data(), &profile("Alice"));
    assert!(sessions.load(&token).await.unwrap().is_none());
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_one_that_is_used_ends_at_its_limit() {
    let server = Server::start();
    let ns = on(&server).await;
    let (idle, absolute) = (SECOND, 3 * SECOND);
    let sessions = patient(&ns).idle(idle).absolute(absolute).build().unwrap();
    let left = sessions.create("user-1", profile("Alice")).await.unwrap();
    let used = sessions.create("user-1", profile("Alice")).await.unwrap();
    let (mut seen, mut expires) = (0, used.expires());
    until("it ends at its limit", async || {
        match sessions.load(used.token()).await.unwrap() {
            Some(now) => {
                assert!(SystemTime::now() < used.absolute() + SECOND);
                assert!(now.expires() >= expires && now.expires() <= used.absolute());
                seen += u32::from(now.expires() > expires);
                expires = now.expires();
                false
            }
            None => true,
        }
    })
    .await;
    assert!(SystemTime::now() >= used.absolute());
    assert_eq!(expires, used.absolute());
    // Written down when a twentieth of the idle time is over, and not each time.
    assert!((10..=61).contains(&seen), "{seen}");
    assert!(sessions.load(left.token()).await.unwrap().is_none());
    crate::only_indexes_are_left(&server, &sessions).await;
}

#[tokio::test]
async fn a_session_is_extended_within_its_limit_and_never_shortened() {
    let sessions = sessions().await;
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let hours = |hours| Duration::from_hours(hours);
    assert!(made.extend_by(hours(3)).await.unwrap().is_done());
    let lasts = made.expires().duration_since(made.created()).unwrap();
    assert!(
        (hours(3)..hours(3) + 60 * SECOND).contains(&lasts),
        "{lasts:?}"
    );
    let before = made.expires();
    assert!(made.extend().await.unwrap().is_done());
    assert_eq!(made.expires(), before);
    assert!(
        sessions
            .extend_by(made.token(), hours(48))
            .await
            .unwrap()
            .is_done()
    );
    let loaded = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!(loaded.expires(), loaded.absolute());
    assert_eq!(loaded.absolute(), made.absolute());
}

#[tokio::test]
async fn a_rotated_session_keeps_everything_but_its_token() {
    let server = Server::start();
    let ns = on(&server).await;
    let sessions = patient(&ns).rotation_grace(SECOND).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let (old, first) = (made.token().clone(), made.id());
    let mut tab = sessions.load(&old).await.unwrap().unwrap();
    assert!(made.rotate().await.unwrap().is_done());
    assert_ne!(made.token(), &old);
    assert_ne!(made.id(), first);
    // A request that is under way with the old token goes on with the session.
    assert!(tab.update(|data| data.visits += 1).await.unwrap().is_some());
    let by_old = sessions.load(&old).await.unwrap().unwrap();
    assert_eq!(by_old.data().visits, 1);
    assert_eq!(by_old.token(), &old);
    // And does not take the token away from whoever has the new one.
    let mut by_old = by_old;
    assert_eq!(by_old.rotate().await.unwrap(), Written::Stale);
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((now.data().visits, now.created()), (1, made.created()));
    assert_eq!(now.expires(), made.expires());
    let listed = sessions.list("user-1").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, made.id());
    until("the old token is over", async || {
        sessions.load(&old).await.unwrap().is_none()
    })
    .await;
    assert!(sessions.load(made.token()).await.unwrap().is_some());
    // A logout in the grace by the old token is one.
    let old = made.token().clone();
    assert!(made.rotate().await.unwrap().is_done());
    assert!(sessions.delete(&old).await.unwrap());
    assert!(sessions.load(made.token()).await.unwrap().is_none());
    assert!(sessions.load(&old).await.unwrap().is_none());
}
