//! What a process is told of its sessions.

use russet_session::{
    Because, Device, Refreshed, SessionEvent, SessionEvents, SessionId, Sessions,
};
use russet_testkit::Server;

use crate::{Profile, SECOND, namespace, on, patient, profile, sessions};

fn user() -> Option<String> {
    Some("user-1".to_owned())
}

async fn next(events: &mut SessionEvents) -> SessionEvent {
    let next = tokio::time::timeout(10 * SECOND, events.next()).await;
    next.expect("something happened").expect("the handle lives")
}

fn revoked(id: &SessionId, because: Because) -> SessionEvent {
    let (user, id) = (user(), id.clone());
    SessionEvent::Revoked { user, id, because }
}

/// Nothing was told but what was looked at: this comes next.
async fn nothing_else(sessions: &Sessions<Profile>, events: &mut SessionEvents) {
    let last = sessions.create("nobody", profile("Bob")).await.unwrap();
    let (user, id) = (Some("nobody".to_owned()), last.id());
    assert_eq!(next(events).await, SessionEvent::Created { user, id });
}

#[tokio::test]
async fn what_is_done_is_told_once() {
    let sessions = sessions().await;
    let mut events = sessions.events();
    let mut visitor = sessions.create_anonymous(Profile::default()).await.unwrap();
    let (nobody, was) = (None, visitor.id());
    let created = SessionEvent::Created {
        user: nobody,
        id: was.clone(),
    };
    assert_eq!(next(&mut events).await, created);

    assert!(
        visitor
            .login("user-1", Device::unknown())
            .await
            .unwrap()
            .is_done()
    );
    let (id, by) = (visitor.id(), "user-1".to_owned());
    let told = next(&mut events).await;
    assert_eq!(
        told,
        SessionEvent::LoggedIn {
            user: by,
            id: id.clone(),
            was
        }
    );

    assert!(visitor.rotate().await.unwrap().is_done());
    let (was, id) = (id, visitor.id());
    let told = next(&mut events).await;
    assert_eq!(
        told,
        SessionEvent::Rotated {
            user: user(),
            id: id.clone(),
            was
        }
    );

    let second = sessions.create("user-1", profile("Alice")).await.unwrap();
    let third = sessions.create("user-1", profile("Alice")).await.unwrap();
    for made in [&second, &third] {
        let (user, id) = (user(), made.id());
        assert_eq!(next(&mut events).await, SessionEvent::Created { user, id });
    }
    // By a token alone: whose it was stands in Redis.
    assert!(sessions.delete(second.token()).await.unwrap());
    assert!(!sessions.delete(second.token()).await.unwrap());
    let told = next(&mut events).await;
    assert_eq!(told, revoked(&second.id(), Because::Logout));
    assert!(sessions.revoke("user-1", &third.id()).await.unwrap());
    assert!(!sessions.revoke("user-1", &third.id()).await.unwrap());
    let told = next(&mut events).await;
    assert_eq!(told, revoked(&third.id(), Because::Revoked));

    let fourth = sessions.create("user-1", profile("Alice")).await.unwrap();
    next(&mut events).await;
    assert_eq!(sessions.revoke_others(&visitor).await.unwrap(), 1);
    let told = next(&mut events).await;
    assert_eq!(told, revoked(&fourth.id(), Because::RevokedOthers));
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
    assert_eq!(next(&mut events).await, revoked(&id, Because::RevokedAll));
    let fifth = sessions.create("user-1", profile("Alice")).await.unwrap();
    next(&mut events).await;
    assert_eq!(sessions.wipe_user("user-1").await.unwrap(), 1);
    let told = next(&mut events).await;
    assert_eq!(told, revoked(&fifth.id(), Because::Wiped));
    nothing_else(&sessions, &mut events).await;
}

#[tokio::test]
async fn a_stolen_refresh_token_is_told_with_its_user() {
    let sessions = sessions().await;
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.issue_refresh("web").await.unwrap().unwrap();
    let mut events = sessions.events();
    let Refreshed::Done(renewal) = sessions.refresh(&token, "web").await.unwrap() else {
        panic!("it is good")
    };
    let next_one = sessions.refresh(&renewal.token, "web").await.unwrap();
    assert!(matches!(next_one, Refreshed::Done(_)), "{next_one:?}");
    let again = sessions.refresh(&token, "web").await.unwrap();
    assert!(matches!(again, Refreshed::Reused { .. }), "{again:?}");
    let user = "user-1".to_owned();
    assert_eq!(next(&mut events).await, SessionEvent::Reused { user });
    nothing_else(&sessions, &mut events).await;
}

#[tokio::test]
async fn the_one_too_many_is_told_and_one_that_has_expired_by_the_next_login() {
    let ns = namespace().await;
    let sessions = patient(&ns).max_sessions(2).idle(SECOND);
    let sessions = sessions.absolute(SECOND).build().unwrap();
    let mut events = sessions.events();
    let mut made = Vec::new();
    for _ in 0..2 {
        made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
        next(&mut events).await;
    }
    made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    // One of those two: they may be of the same millisecond.
    let told = next(&mut events).await;
    made.retain(|made| told != revoked(&made.id(), Because::TooMany));
    assert_eq!(made.len(), 2, "{told:?}");
    next(&mut events).await;
    crate::until("they expire", async || {
        sessions.list("user-1").await.unwrap().is_empty()
    })
    .await;
    sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        match next(&mut events).await {
            SessionEvent::Expired { user, id } => {
                assert_eq!(user, self::user());
                told.push(id);
            }
            other => panic!("{other:?}"),
        }
    }
    for expired in &made {
        assert!(told.contains(&expired.id()));
    }
    next(&mut events).await;
    nothing_else(&sessions, &mut events).await;
}

/// Two processes that clean up tell it once together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_up_tells_of_what_expired_once() {
    let server = Server::start();
    let build = async || {
        let short = patient(&on(&server).await).idle(SECOND).absolute(SECOND);
        short.build().unwrap()
    };
    let (one, two) = (build().await, build().await);
    let (mut told_one, mut told_two) = (one.events(), two.events());
    let mut ids = Vec::new();
    for at in 0..40 {
        let made = one.create(&format!("user-{at}"), profile("Alice")).await;
        ids.push(made.unwrap().id());
        next(&mut told_one).await;
    }
    crate::until("they expire", async || crate::keys(&server).len() == 40).await;
    let (left, right) = tokio::join!(one.cleanup(), two.cleanup());
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(left.expired + right.expired, 40);
    drop((one, two));
    let mut found = Vec::new();
    for events in [&mut told_one, &mut told_two] {
        while let Some(event) = events.next().await {
            match event {
                SessionEvent::Expired { user: None, id } => found.push(id),
                other => panic!("{other:?}"),
            }
        }
    }
    let order = |a: &SessionId, b: &SessionId| a.as_str().cmp(b.as_str());
    ids.sort_by(order);
    found.sort_by(order);
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_so() {
    let sessions = sessions().await;
    let mut events = sessions.events();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    for _ in 0..5_000 {
        assert!(made.rotate().await.unwrap().is_done());
    }
    assert_eq!(next(&mut events).await, SessionEvent::Gap);
    assert!(matches!(
        next(&mut events).await,
        SessionEvent::Rotated { .. }
    ));
}
