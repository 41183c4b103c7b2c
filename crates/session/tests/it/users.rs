//! The sessions of a user.

use russet_session::{
    BuildErrorKind, Device, Redis, Refreshed, Secrets, SessionId, Sessions, Written,
};

use crate::{Profile, SECOND, namespace, patient, profile, secrets, sessions};

#[tokio::test]
async fn a_user_sees_where_they_are_logged_in_and_ends_it() {
    let sessions = sessions().await;
    let phone = Device::unknown()
        .name("Alice's phone")
        .address("192.0.2.7")
        .agent("Mozilla/5.0");
    let here = sessions.create("user-1", profile("Alice")).await.unwrap();
    let there = sessions
        .create_on("user-1", profile("Alice"), phone.clone())
        .await
        .unwrap();
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    let listed = sessions.list("user-1").await.unwrap();
    assert_eq!(listed.len(), 2);
    let it = listed
        .iter()
        .find(|listed| listed.id == there.id())
        .unwrap();
    assert_eq!((&it.device, it.created), (&phone, there.created()));
    assert_eq!(there.device(), &phone);
    // As it comes back from a form.
    let id = SessionId::parse(it.id.as_str()).unwrap();
    assert!(
        !sessions.revoke("user-2", &id).await.unwrap(),
        "it is not theirs"
    );
    assert!(sessions.revoke("user-1", &id).await.unwrap());
    assert!(!sessions.revoke("user-1", &id).await.unwrap());
    assert!(sessions.load(there.token()).await.unwrap().is_none());
    assert!(sessions.load(here.token()).await.unwrap().is_some());
    assert!(sessions.load(other.token()).await.unwrap().is_some());
    assert_eq!(SessionId::parse("no id"), None);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_at_once_or_all_but_one() {
    let sessions = sessions().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    }
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    assert_eq!(sessions.revoke_others(&made[2]).await.unwrap(), 4);
    for (at, one) in made.iter().enumerate() {
        let loaded = sessions.load(one.token()).await.unwrap();
        assert_eq!(loaded.is_some(), at == 2, "{at}");
    }
    made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 2);
    for one in &made {
        assert!(sessions.load(one.token()).await.unwrap().is_none());
    }
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 0);
    assert!(sessions.load(other.token()).await.unwrap().is_some());
    assert!(sessions.create("user-1", profile("Alice")).await.is_ok());
}

#[tokio::test]
async fn one_more_than_a_user_may_have_ends_the_one_that_was_used_least_recently() {
    let ns = namespace().await;
    let sessions = patient(&ns).max_sessions(3).build().unwrap();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    }
    // The first one is used.
    assert!(
        sessions
            .extend_by(made[0].token(), 7_200 * SECOND)
            .await
            .unwrap()
            .is_done()
    );
    made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    let mut valid = Vec::new();
    for one in &made {
        valid.push(sessions.load(one.token()).await.unwrap().is_some());
    }
    assert!(valid[0] && valid[3], "{valid:?}");
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 3);
    for wrong in [0, 1_001] {
        let told = patient(&ns).max_sessions(wrong).build().map(drop);
        assert_eq!(told.unwrap_err().kind(), BuildErrorKind::Limit);
    }
}

/// What scripts look at is bounded: a user has so many sessions and families, and the first one goes, wholly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_is_the_most_and_all_of_them_end() {
    let sessions = sessions().await;
    let mut first = sessions.create("user-1", profile("Alice")).await.unwrap();
    let of_first = first.issue_refresh("web").await.unwrap().unwrap();
    for _ in 0..999 {
        let mut other = sessions.create("user-1", profile("Alice")).await.unwrap();
        // Used later than the first one, also where both were created in the same millisecond.
        assert!(other.extend_by(7_200 * SECOND).await.unwrap().is_done());
    }
    let mut last = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 1_000);
    assert!(sessions.load(first.token()).await.unwrap().is_none());
    let told = sessions.refresh(&of_first, "web").await.unwrap();
    assert!(
        matches!(told, Refreshed::Gone),
        "its login is over: {told:?}"
    );
    let mut tokens = Vec::new();
    for _ in 0..1_001 {
        tokens.push(last.issue_refresh("web").await.unwrap().unwrap());
    }
    let mut valid = Vec::new();
    for token in &tokens {
        match sessions.refresh(token, "web").await.unwrap() {
            Refreshed::Done(renewal) => valid.push(renewal.token),
            told => assert!(matches!(told, Refreshed::Gone), "{told:?}"),
        }
    }
    assert_eq!(valid.len(), 1_000);
    // A logout ends all of them.
    assert!(last.delete().await.unwrap());
    for token in &valid {
        let told = sessions.refresh(token, "web").await.unwrap();
        assert!(matches!(told, Refreshed::Gone), "{told:?}");
    }
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 999);
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
}

#[tokio::test]
async fn a_new_secret_finds_what_the_old_one_made() {
    let ns = namespace().await;
    let old = patient(&ns).build().unwrap();
    let ring = Secrets::new([8; 32]).knows([7; 32]);
    let new = Sessions::<Profile>::builder(&ns, "web", &ring)
        .build()
        .unwrap();
    let before = old.create("user-1", profile("Alice")).await.unwrap();
    let after = new.create("user-1", profile("Alice")).await.unwrap();
    assert!(new.load(before.token()).await.unwrap().is_some());
    assert_eq!(new.list("user-1").await.unwrap().len(), 2);
    assert!(new.revoke("user-1", &before.id()).await.unwrap());
    let before = old.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(new.revoke_others(&after).await.unwrap(), 1);
    assert!(new.load(before.token()).await.unwrap().is_none());
    assert!(new.load(after.token()).await.unwrap().is_some());
    drop(old.create("user-1", profile("Alice")).await.unwrap());
    assert_eq!(new.revoke_all("user-1").await.unwrap(), 2);
}

#[tokio::test]
async fn somebody_who_is_nobody_yet_has_a_session() {
    let sessions = sessions().await;
    let mut made = sessions.create_anonymous(Profile::default()).await.unwrap();
    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    let loaded = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((loaded.user(), loaded.data().visits), (None, 1));
    assert_eq!(sessions.revoke_others(&loaded).await.unwrap(), 0);
    assert!(sessions.load(made.token()).await.unwrap().is_some());
}

/// What somebody who is nobody yet has in their session is the user's when they log in; on one server and on a cluster.
async fn logs_in(sessions: &Sessions<Profile>) {
    let before = sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut made = sessions.create_anonymous(Profile::default()).await.unwrap();
    let planted = made.token().clone();
    let mut other = sessions.load(&planted).await.unwrap().unwrap();
    other
        .update(|data| data.visits += 1)
        .await
        .unwrap()
        .unwrap();
    let phone = Device::unknown().name("phone");
    assert!(made.login("user-1", phone.clone()).await.unwrap().is_done());
    // What others wrote before is there as well.
    assert_eq!((made.user(), made.data().visits), (Some("user-1"), 1));
    assert_eq!((made.device(), made.version()), (&phone, 0));
    assert!(sessions.load(&planted).await.unwrap().is_none());
    assert_eq!(other.update(|data| data.visits += 1).await.unwrap(), None);
    let mut now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((now.user(), now.data()), (Some("user-1"), made.data()));
    assert!(now.update(|data| data.visits += 1).await.unwrap().is_some());
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 2);
    assert_eq!(sessions.revoke_others(&now).await.unwrap(), 1);
    assert!(sessions.load(before.token()).await.unwrap().is_none());
    now.delete().await.unwrap();
    let told = made.login("user-1", Device::unknown()).await.unwrap();
    assert_eq!(told, Written::Gone);
}

#[tokio::test]
async fn who_logs_in_keeps_their_data_and_not_their_token() {
    logs_in(&sessions().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_has_sessions_as_well() {
    let cluster = russet_testkit::Cluster::start(3);
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    let sessions = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    logs_in(&sessions).await;
    let mut made = Vec::new();
    for user in 0..20 {
        let user = format!("user-{user}");
        made.push(sessions.create(&user, profile(&user)).await.unwrap());
    }
    let loads = made.iter().map(|made| sessions.load(made.token()));
    for loaded in futures_util::future::join_all(loads).await {
        let mut loaded = loaded.unwrap().unwrap();
        assert!(loaded.rotate().await.unwrap().is_done());
        let user = loaded.data().user.clone();
        assert_eq!(loaded.user(), Some(&*user));
        assert_eq!(sessions.revoke_all(&user).await.unwrap(), 1);
    }
}

/// All who forgot to say whose it is would be one user.
#[tokio::test]
async fn a_user_has_a_name() {
    let sessions = crate::sessions().await;
    let told = sessions.create("", profile("Alice")).await.unwrap_err();
    assert!(told.to_string().contains("a user has a name"), "{told}");
    assert!(sessions.begin_login("").await.is_err());
    let mut visitor = sessions.create_anonymous(profile("cart")).await.unwrap();
    assert!(visitor.login("", Device::unknown()).await.is_err());
    assert!(sessions.load(visitor.token()).await.unwrap().is_some());
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let ns = namespace().await;
    let limit = [
        patient(&ns).idle(SECOND / 2),
        patient(&ns).absolute(SECOND),
        patient(&ns).absolute(401 * 24 * 3_600 * SECOND),
        patient(&ns).rotation_grace(3_601 * SECOND),
        patient(&ns).refresh_idle(SECOND / 2),
        patient(&ns).refresh_absolute(SECOND),
        patient(&ns).max_size(1 << 30),
        patient(&ns).deadline(std::time::Duration::ZERO),
    ];
    for builder in limit {
        let told = builder.build().map(drop).unwrap_err();
        assert_eq!(told.kind(), BuildErrorKind::Limit, "{told}");
    }
    let named = Sessions::<Profile>::builder(&ns, "a:b", &secrets());
    assert_eq!(
        named.build().map(drop).unwrap_err().kind(),
        BuildErrorKind::Name
    );
}
