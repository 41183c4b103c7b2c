//! Ids that do not tell whose they are: made here, or brought along.

use russet_session::{
    Because, Device, Ids, Redis, SessionError, SessionEvent, SessionId, Sessions, Written,
};
use russet_testkit::proxy::{Fault, Match, Proxy};
use russet_testkit::{Cluster, Server, size};

use crate::{Profile, SECOND, namespace, on, patient, profile};

const GIVEN: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

async fn uuids() -> Sessions<Profile> {
    patient(&namespace().await).ids(Ids::Uuid).build().unwrap()
}

/// A life of sessions, on one server and on a cluster.
async fn live(sessions: &Sessions<Profile>) {
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(made.token().len(), 36);
    let given = sessions.create_with_id(GIVEN, "user-1", profile("Bob"), Device::unknown());
    let given = given.await.unwrap().unwrap();
    assert_eq!(given.token().as_str(), GIVEN);
    let again = sessions.create_with_id(GIVEN, "user-2", profile("Eve"), Device::unknown());
    assert!(again.await.unwrap().is_none(), "it is somebody's");
    let loaded = sessions.load(GIVEN).await.unwrap().unwrap();
    assert_eq!(
        (loaded.user(), loaded.data()),
        (Some("user-1"), &profile("Bob"))
    );

    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    assert!(made.extend().await.unwrap().is_done());
    let (created, absolute, version) = (made.created(), made.absolute(), made.version());
    let old = made.token().clone();
    assert_eq!(made.rotate().await.unwrap(), Written::Done);
    assert!(
        sessions.load(&old).await.unwrap().is_none(),
        "it is over at once"
    );
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((now.data().visits, now.user()), (1, Some("user-1")));
    assert_eq!(
        (now.created(), now.absolute(), now.version()),
        (created, absolute, version)
    );

    let listed = sessions.list("user-1").await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(sessions.export_user("user-1").await.unwrap().len(), 2);
    assert!(
        !sessions.revoke("user-2", &given.id()).await.unwrap(),
        "it is not theirs"
    );
    assert!(sessions.revoke("user-1", &given.id()).await.unwrap());
    assert!(!sessions.revoke("user-1", &given.id()).await.unwrap());
    assert!(sessions.load(GIVEN).await.unwrap().is_none());

    let mut visitor = sessions.create_anonymous(profile("cart")).await.unwrap();
    let planted = visitor.token().clone();
    assert!(
        visitor
            .login("user-1", Device::unknown())
            .await
            .unwrap()
            .is_done()
    );
    assert!(sessions.load(&planted).await.unwrap().is_none());
    assert_eq!(visitor.data(), &profile("cart"));
    assert_eq!(sessions.revoke_others(&visitor).await.unwrap(), 1);
    assert!(sessions.load(made.token()).await.unwrap().is_none());
    let login = sessions.begin_login("user-1").await.unwrap();
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
    assert!(sessions.load(visitor.token()).await.unwrap().is_none());
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
    let late = login.create(profile("Alice"), Device::unknown());
    assert!(late.await.unwrap().is_none());
    sessions.create("user-1", profile("Alice")).await.unwrap();
    assert_eq!(sessions.wipe_user("user-1").await.unwrap(), 1);
    assert_eq!(sessions.export_user("user-1").await.unwrap(), []);
}

#[tokio::test]
async fn ids_of_one_s_own_live_as_others_do() {
    live(&uuids().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_do_on_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    live(&patient(&ns).ids(Ids::Uuid).build().unwrap()).await;
}

#[tokio::test]
async fn an_id_that_could_be_guessed_is_refused_unless_it_is_wanted() {
    let ns = namespace().await;
    let with = |ids| patient(&ns).ids(ids).build().unwrap();
    let give = async |ids, id: &str| {
        let sessions: Sessions<Profile> = with(ids);
        let made = sessions.create_with_id(id, "user-1", profile("Alice"), Device::unknown());
        made.await.map(|made| made.is_some())
    };
    for weak in ["", "session-17", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"] {
        let told = give(Ids::Uuid, weak).await.unwrap_err();
        assert!(matches!(told, SessionError::WeakId { .. }), "{told:?}");
        assert!(
            !told.is_retryable() && told.to_string().contains("guess"),
            "{told}"
        );
    }
    assert!(give(Ids::GuessableIfSupplied, "session-17").await.unwrap());
    assert!(give(Ids::GuessableIfSupplied, "").await.is_err());
    let told = give(Ids::Token, GIVEN).await.unwrap_err();
    assert!(matches!(told, SessionError::Data(_)), "{told:?}");
    // Whatever is shown, there is none.
    let huge = "x".repeat(300);
    for shown in ["", "x", "v1.a.b", GIVEN, &huge] {
        assert!(with(Ids::Uuid).load(shown).await.unwrap().is_none());
    }
    let mut made = with(Ids::Uuid)
        .create("user-1", profile("Alice"))
        .await
        .unwrap();
    assert!(matches!(
        made.issue_refresh("web").await,
        Err(SessionError::Data(_))
    ));
}

#[tokio::test]
async fn the_one_too_many_ends_and_is_told() {
    let ns = namespace().await;
    let sessions = patient(&ns).ids(Ids::Uuid).max_sessions(2).build().unwrap();
    let mut events = sessions.events();
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(sessions.create("user-1", profile("Alice")).await.unwrap());
    }
    let listed = sessions.list("user-1").await.unwrap();
    assert_eq!(listed.len(), 2);
    let (mut created, mut ended) = (0, 0);
    for _ in 0..6 {
        match events.next().await.unwrap() {
            SessionEvent::Created { .. } => created += 1,
            SessionEvent::Revoked { because, .. } => {
                assert_eq!(because, Because::TooMany);
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((created, ended), (4, 2));
    let mut valid = 0;
    for one in &made {
        valid += u32::from(sessions.load(one.token()).await.unwrap().is_some());
    }
    assert_eq!(valid, 2);
}

#[tokio::test]
async fn a_rotation_is_not_one_more() {
    let ns = namespace().await;
    let sessions = patient(&ns).ids(Ids::Uuid).max_sessions(1).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(made.rotate().await.unwrap(), Written::Done);
        assert!(sessions.load(made.token()).await.unwrap().is_some());
    }
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 1);
}

/// A process that was killed when it had named another's session, and was told that it is taken: what it named is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_another_s_session_has_named_nothing() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let sessions = patient(&ns).ids(Ids::Uuid).build().unwrap();
    let give = async |user: &str| {
        let made = sessions.create_with_id(GIVEN, user, profile(user), Device::unknown());
        made.await.map(|made| made.is_some())
    };
    // The server knows the scripts then.
    assert!(give("user-1").await.unwrap());
    assert!(!give("user-2").await.unwrap());
    let third = Match::command("EVALSHA").nth(3);
    let fault = proxy.inject(third, Fault::RejectReply("ERR no".to_owned()));
    assert!(give("user-2").await.is_err());
    assert_eq!(fault.hits(), 1);
    let mine = sessions.load(GIVEN).await.unwrap().unwrap();
    assert!(!sessions.revoke("user-2", &mine.id()).await.unwrap());
    fault.remove();
    for _ in 0..2 {
        let third = Match::command("EVALSHA").nth(3);
        let fault = proxy.inject(third, Fault::RejectReply("ERR no".to_owned()));
        assert!(give("user-2").await.is_err());
        assert_eq!(fault.hits(), 1);
        fault.remove();
        assert_eq!(sessions.revoke_all("user-2").await.unwrap(), 0);
    }
    let third = Match::command("EVALSHA").nth(3);
    let fault = proxy.inject(third, Fault::RejectReply("ERR no".to_owned()));
    assert!(give("user-2").await.is_err());
    fault.remove();
    assert_eq!(sessions.export_user("user-2").await.unwrap().len(), 0);
    assert_eq!(sessions.list("user-2").await.unwrap(), []);
    let still = sessions.load(GIVEN).await.unwrap().unwrap();
    assert_eq!(still.user(), Some("user-1"));
}

/// What is named and was never created, or is gone by itself, leaves the list when somebody looks and it can come no more; and one that was ended before it is created is not.
#[tokio::test]
async fn a_list_repairs_what_was_cut_off() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).ids(Ids::Uuid).build().unwrap();
    sessions.create("user-1", profile("Alice")).await.unwrap();
    let index = crate::keys(&server);
    let index = index.iter().find(|key| key.ends_with(":%apart")).unwrap();
    let names = || server.command(&["ZCARD", index]).as_int().unwrap();
    crate::evict_sessions(&server);
    let other = sessions.create("user-1", profile("Alice")).await.unwrap();
    for left in [2, 1] {
        let listed = sessions.list("user-1").await.unwrap();
        assert_eq!(
            (listed.len(), &listed[0].id, names()),
            (1, &other.id(), left)
        );
        // As if all had been named a minute before.
        let mut connection = server.connection();
        let all = connection.command(&["ZRANGE", index, "0", "-1"]).unwrap();
        for name in all.as_array().unwrap() {
            let name = name.as_bytes().unwrap();
            let earlier = [&b"ZINCRBY"[..], index.as_bytes(), b"-61000", name];
            connection.command(&earlier).unwrap();
        }
    }
}

/// The id of a session that was ended is not taken again for a minute: whoever was about to create it comes too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_before_or_after_a_revocation() {
    let sessions = uuids().await;
    for at in 0..size(2_000, 100) {
        let user = format!("user-{at}");
        let (one, two) = (sessions.clone(), sessions.clone());
        let (by, of) = (user.clone(), user.clone());
        let login = tokio::spawn(async move { one.create(&by, profile("Alice")).await });
        let revoke = tokio::spawn(async move { two.revoke_all(&of).await });
        let made = login.await.unwrap();
        let ended = revoke.await.unwrap().unwrap();
        let listed = sessions.list(&user).await.unwrap().len();
        // Before it, and ended, or after it; and whoever is in is in the list.
        let is_there = sessions
            .load(made.unwrap().token())
            .await
            .unwrap()
            .is_some();
        assert_eq!(usize::from(is_there), listed);
        assert!(ended + listed >= 1, "neither ended nor there");
    }
}

/// A session that is named and not there yet is no rubbish: whoever looks meanwhile leaves it its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_while_somebody_logs_in_hides_nobody() {
    let sessions = uuids().await;
    let nobody = SessionId::parse(&"A".repeat(43)).unwrap();
    for at in 0..size(2_000, 100) {
        let user = format!("user-{at}");
        let (one, by) = (sessions.clone(), user.clone());
        let login = tokio::spawn(async move { one.create(&by, profile("Alice")).await });
        while !login.is_finished() {
            sessions.list(&user).await.unwrap();
            assert!(!sessions.revoke(&user, &nobody).await.unwrap());
        }
        let made = login.await.unwrap().unwrap();
        let listed = sessions.list(&user).await.unwrap();
        assert_eq!(listed.len(), 1, "nobody would find it");
        assert!(sessions.revoke(&user, &made.id()).await.unwrap());
        assert!(sessions.load(made.token()).await.unwrap().is_none());
    }
}

/// A login that takes longer than its name is kept for it could be forgotten.
#[tokio::test]
async fn a_deadline_is_shorter_than_a_name_is_kept() {
    let ns = namespace().await;
    let long = |ids| patient(&ns).ids(ids).deadline(21 * SECOND).build();
    let told = long(Ids::Uuid).unwrap_err();
    assert_eq!(told.kind(), russet_session::BuildErrorKind::Limit);
    assert!(long(Ids::Token).is_ok());
}
