//! Logins that are under way while all sessions of their user are revoked.

use russet_session::{Device, Refreshed, Sessions, Written};
use russet_testkit::{Cluster, Server};

use crate::{Profile, on, patient, profile, sessions};

#[tokio::test]
async fn a_login_that_was_begun_before_a_revocation_creates_nothing() {
    let sessions = sessions().await;
    let begin = async || sessions.begin_login("user-1").await.unwrap();
    let create = async |login: &russet_session::Login<Profile>| {
        let made = login.create(profile("Alice"), Device::unknown()).await;
        made.unwrap()
    };
    let login = begin().await;
    let mine = create(&login).await.unwrap();
    assert_eq!(mine.user(), Some("user-1"));
    for is_all in [true, false] {
        let mine = sessions.create("user-1", profile("Alice")).await.unwrap();
        let before = begin().await;
        match is_all {
            true => assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 2),
            false => assert_eq!(sessions.revoke_others(&mine).await.unwrap(), 1),
        }
        let listed = sessions.list("user-1").await.unwrap().len();
        assert!(
            create(&before).await.is_none(),
            "its password was the old one"
        );
        assert_eq!(sessions.list("user-1").await.unwrap().len(), listed);
        // Another user's is none of its business.
        let other = sessions.begin_login("user-2").await.unwrap();
        assert!(create(&other).await.is_some());
        let after = begin().await;
        assert!(create(&after).await.is_some());
    }
}

#[tokio::test]
async fn a_visitor_s_login_is_refused_as_well_and_loses_nothing() {
    let sessions = sessions().await;
    let mut visitor = sessions.create_anonymous(profile("cart")).await.unwrap();
    let login = sessions.begin_login("user-1").await.unwrap();
    sessions.revoke_all("user-1").await.unwrap();
    let told = visitor.login_by(&login, Device::unknown()).await.unwrap();
    assert_eq!(told, Written::Stale);
    let still = sessions.load(visitor.token()).await.unwrap().unwrap();
    assert_eq!((still.user(), still.data()), (None, &profile("cart")));
    let login = sessions.begin_login("user-1").await.unwrap();
    assert_eq!(login.user(), "user-1");
    let told = visitor.login_by(&login, Device::unknown()).await.unwrap();
    assert_eq!(told, Written::Done);
    assert_eq!(
        (visitor.user(), visitor.data()),
        (Some("user-1"), &profile("cart"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_on_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let redis = russet_session::Redis::connect(&cluster.url())
        .await
        .unwrap();
    let sessions: Sessions<Profile> = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let mut visitor = sessions.create_anonymous(profile("cart")).await.unwrap();
    let login = sessions.begin_login("user-1").await.unwrap();
    sessions.revoke_all("user-1").await.unwrap();
    assert!(
        login
            .create(profile("Alice"), Device::unknown())
            .await
            .unwrap()
            .is_none()
    );
    let told = visitor.login_by(&login, Device::unknown()).await.unwrap();
    assert_eq!(told, Written::Stale);
    assert!(
        sessions.load(visitor.token()).await.unwrap().is_none(),
        "it was closed first"
    );
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
}

/// Who has shown a refresh token comes before or after a revocation, and not through it.
#[tokio::test]
async fn a_renewal_does_not_outlive_a_revocation() {
    let sessions = sessions().await;
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.issue_refresh("web").await.unwrap().unwrap();
    let Refreshed::Done(renewal) = sessions.refresh(&token, "web").await.unwrap() else {
        panic!("it is good")
    };
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
    let resumed = sessions.resume(&renewal, profile("Alice"), Device::unknown());
    assert!(resumed.await.unwrap().is_none());
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
}

/// By the order of scripts, not by the clock: a server whose clock was set back says the same. And nobody can know who began an hour ago.
#[tokio::test]
async fn the_clock_may_be_wrong() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    sessions.revoke_all("user-1").await.unwrap();
    let key = crate::keys(&server).pop().unwrap();
    assert!(key.ends_with(":%revoked"), "{key}");
    // As if that had been done when the clock was an hour ahead.
    let at: u64 = server
        .command(&["GET", &key])
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    server.command(&["SET", &key, &(at + 3_600_000_000).to_string(), "EX", "3600"]);
    let login = sessions.begin_login("user-1").await.unwrap();
    let create = async || {
        login
            .create(profile("Alice"), Device::unknown())
            .await
            .unwrap()
    };
    assert!(create().await.is_some());
    sessions.revoke_all("user-1").await.unwrap();
    assert!(create().await.is_none());
    // The marker is forgotten after an hour; who began before that is refused by the time alone. An hour passes by a marker that lies in the future.
    server.command(&["DEL", &key]);
    assert!(create().await.is_some(), "it began an hour from now");
}

/// The refresh tokens of the one too many end with it, unless its login has another session.
#[tokio::test]
async fn the_one_too_many_takes_its_refresh_tokens_along() {
    let ns = crate::namespace().await;
    let sessions = patient(&ns).max_sessions(2).build().unwrap();
    let mut first = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = first.issue_refresh("web").await.unwrap().unwrap();
    let Refreshed::Done(renewal) = sessions.refresh(&token, "web").await.unwrap() else {
        panic!("it is good")
    };
    // The same login goes on in a second session, and then a third: the first one is too many.
    for _ in 0..2 {
        let resumed = sessions.resume(&renewal, profile("Alice"), Device::unknown());
        assert!(resumed.await.unwrap().is_some());
    }
    assert!(sessions.load(first.token()).await.unwrap().is_none());
    let Refreshed::Done(renewal) = sessions.refresh(&renewal.token, "web").await.unwrap() else {
        panic!("its login goes on")
    };
    // Another one takes all the room.
    for _ in 0..2 {
        let mut other = sessions.create("user-1", profile("Alice")).await.unwrap();
        assert!(other.extend().await.unwrap().is_done());
    }
    let told = sessions.refresh(&renewal.token, "web").await.unwrap();
    assert!(matches!(told, Refreshed::Gone), "{told:?}");
}
