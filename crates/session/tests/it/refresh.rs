//! Refresh tokens.

use std::sync::Arc;

use russet_session::{
    Device, Redis, RefreshToken, Refreshed, Renewal, Secrets, SessionError, Sessions,
};
use russet_testkit::proxy::{After, Fault, Match, Proxy};
use russet_testkit::{Server, size};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::{Profile, SECOND, namespace, on, patient, profile, sessions, until};

const SCOPE: &str = "mobile";

async fn issued(sessions: &Sessions<Profile>, user: &str) -> RefreshToken {
    let mut made = sessions.create(user, profile(user)).await.unwrap();
    made.issue_refresh(SCOPE).await.unwrap().unwrap()
}

async fn refreshed(sessions: &Sessions<Profile>, token: &str) -> Renewal {
    match sessions.refresh(token, SCOPE).await.unwrap() {
        Refreshed::Done(renewal) => renewal,
        other => panic!("{other:?}"),
    }
}

async fn is_gone(sessions: &Sessions<Profile>, token: &str) -> bool {
    let told = sessions.refresh(token, SCOPE).await.unwrap();
    matches!(told, Refreshed::Gone)
}

async fn is_reuse(sessions: &Sessions<Profile>, token: &str) -> bool {
    let told = sessions.refresh(token, SCOPE).await.unwrap();
    matches!(told, Refreshed::Reused { user } if user == "user-1")
}

#[tokio::test]
async fn each_token_gives_the_next_and_a_lost_reply_the_same() {
    let sessions = sessions().await;
    let first = issued(&sessions, "user-1").await;
    let one = refreshed(&sessions, &first).await;
    assert_eq!((&*one.user, one.uses, one.is_replay), ("user-1", 1, false));
    let again = refreshed(&sessions, &first).await;
    assert_eq!((again.uses, again.is_replay), (1, true));
    assert_eq!(again.token, one.token);
    let two = refreshed(&sessions, &one.token).await;
    assert_eq!((two.uses, two.is_replay), (2, false));
    assert_ne!(two.token, one.token);
    // Its successor was shown: from then on it is a theft.
    assert!(is_reuse(&sessions, &first).await);
    assert!(is_gone(&sessions, &two.token).await);
    assert!(is_gone(&sessions, &first).await);
}

#[tokio::test]
async fn what_is_no_token_is_nobody() {
    let sessions = sessions().await;
    let token = issued(&sessions, "user-1").await;
    let other = issued(&sessions, "user-2").await;
    let (head, _) = token.rsplit_once('.').unwrap();
    let (_, theirs) = other.rsplit_once('.').unwrap();
    let wrong = [
        "",
        "r1",
        &token[..91],
        &token.replace("r1", "v1"),
        &"x".repeat(1 << 20),
    ];
    for wrong in wrong {
        assert!(is_gone(&sessions, wrong).await);
        assert!(!sessions.end_refresh(wrong).await.unwrap());
    }
    // Nobody knows a family's number by chance: with another secret it was stolen.
    assert!(is_reuse(&sessions, &format!("{head}.{theirs}")).await);
    assert!(is_gone(&sessions, &token).await);
    assert!(!refreshed(&sessions, &other).await.is_replay);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_honoured_for_the_grace_and_no_longer() {
    let server = Server::start();
    let ns = on(&server).await;
    let sessions = patient(&ns).rotation_grace(SECOND).build().unwrap();
    let first = issued(&sessions, "user-1").await;
    let began = std::time::Instant::now();
    let one = refreshed(&sessions, &first).await;
    until("the grace is over", async || {
        match sessions.refresh(&first, SCOPE).await.unwrap() {
            Refreshed::Done(renewal) => {
                assert_eq!(renewal.token, one.token);
                false
            }
            Refreshed::Reused { .. } => true,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(began.elapsed() > SECOND);
    assert!(is_gone(&sessions, &one.token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_that_nobody_uses_ends_and_one_that_is_used_at_its_limit() {
    let server = Server::start();
    let ns = on(&server).await;
    let built = patient(&ns).idle(SECOND).absolute(SECOND);
    let built = built.refresh_idle(SECOND).refresh_absolute(3 * SECOND);
    let sessions = built.build().unwrap();
    let left = issued(&sessions, "user-1").await;
    let began = std::time::Instant::now();
    let mut used = issued(&sessions, "user-1").await;
    until("it ends at its limit", async || {
        match sessions.refresh(&used, SCOPE).await.unwrap() {
            Refreshed::Done(renewal) => used = renewal.token,
            Refreshed::Gone => return true,
            other => panic!("{other:?}"),
        }
        false
    })
    .await;
    assert!(began.elapsed() >= 3 * SECOND, "{:?}", began.elapsed());
    assert!(is_gone(&sessions, &left).await);
    crate::only_indexes_are_left(&server, &sessions).await;
}

#[tokio::test]
async fn it_is_bound_to_its_scope_and_to_its_login() {
    let sessions = sessions().await;
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.issue_refresh(SCOPE).await.unwrap().unwrap();
    let told = sessions.refresh(&token, "admin").await.unwrap();
    assert!(matches!(told, Refreshed::OtherScope), "{told:?}");
    let renewal = refreshed(&sessions, &token).await;
    assert!(!renewal.is_replay);
    // Another session of the same login; its logout ends the tokens.
    let resumed = sessions.resume(&renewal, profile("Alice"), Device::unknown());
    let again = resumed.await.unwrap().unwrap();
    assert_eq!(again.user(), Some("user-1"));
    let others = issued(&sessions, "user-1").await;
    assert!(again.delete().await.unwrap());
    assert!(is_gone(&sessions, &renewal.token).await);
    let others = refreshed(&sessions, &others).await;
    // What stays, and what does not.
    let mine = made.issue_refresh(SCOPE).await.unwrap().unwrap();
    assert_eq!(sessions.revoke_others(&made).await.unwrap(), 1);
    assert!(is_gone(&sessions, &others.token).await);
    let mine = refreshed(&sessions, &mine).await;
    assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
    assert!(is_gone(&sessions, &mine.token).await);
    assert!(made.issue_refresh(SCOPE).await.unwrap().is_none());
    let mut nobody = sessions.create_anonymous(Profile::default()).await.unwrap();
    let told = nobody.issue_refresh(SCOPE).await;
    assert!(matches!(told, Err(SessionError::Data(_))), "{told:?}");
    // Whoever logs in as somebody else has none of the former one's.
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let former = made.issue_refresh(SCOPE).await.unwrap().unwrap();
    let told = made.login("user-2", Device::unknown()).await.unwrap();
    assert!(told.is_done());
    assert!(is_gone(&sessions, &former).await);
    let now = made.issue_refresh(SCOPE).await.unwrap().unwrap();
    assert!(sessions.end_refresh(&now).await.unwrap());
    assert!(!sessions.end_refresh(&now).await.unwrap());
}

/// A renewal that was under way at its login's end, or while its token was found to be stolen, brings nobody back.
#[tokio::test]
async fn what_was_renewed_is_resumed_only_as_long_as_its_tokens_are_good() {
    let sessions = sessions().await;
    let resumes = async |renewal: &Renewal| {
        let resumed = sessions.resume(renewal, profile("Alice"), Device::unknown());
        resumed.await.unwrap().is_some()
    };
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let token = made.issue_refresh(SCOPE).await.unwrap().unwrap();
    let renewal = refreshed(&sessions, &token).await;
    assert!(resumes(&renewal).await);
    assert!(made.delete().await.unwrap());
    assert!(!resumes(&renewal).await);
    let token = issued(&sessions, "user-2").await;
    let first = refreshed(&sessions, &token).await;
    let second = refreshed(&sessions, &first.token).await;
    assert!(resumes(&first).await, "its tokens are good");
    let told = sessions.refresh(&token, SCOPE).await.unwrap();
    assert!(matches!(told, Refreshed::Reused { .. }), "{told:?}");
    assert!(!resumes(&first).await);
    assert!(!resumes(&second).await);
    let token = issued(&sessions, "user-3").await;
    let renewal = refreshed(&sessions, &token).await;
    assert!(sessions.end_refresh(&renewal.token).await.unwrap());
    assert!(!resumes(&renewal).await);
    assert_eq!(sessions.list("user-3").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_that_is_replaced_gives_the_same_next_token_as_long_as_it_is_known() {
    let ns = namespace().await;
    let old = patient(&ns).build().unwrap();
    let with = |ring| {
        Sessions::<Profile>::builder(&ns, "web", &ring)
            .build()
            .unwrap()
    };
    let new = with(Secrets::new([8; 32]).knows([7; 32]));
    let lost = with(Secrets::new([8; 32]));
    let first = issued(&old, "user-1").await;
    let one = refreshed(&old, &first).await;
    assert_eq!(refreshed(&new, &first).await.token, one.token);
    let told = lost.refresh(&first, SCOPE).await;
    assert!(matches!(told, Err(SessionError::Data(_))), "{told:?}");
    let two = refreshed(&new, &one.token).await;
    assert_eq!(refreshed(&lost, &one.token).await.token, two.token);
    assert_eq!(new.revoke_all("user-1").await.unwrap(), 1);
    assert!(is_gone(&old, &two.token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_is_no_logout() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let sessions = patient(&ns).build().unwrap();
    let mut token = issued(&sessions, "user-1").await;
    token = refreshed(&sessions, &token).await.token;
    for _ in 0..3 {
        let next = Match::command("EVALSHA").nth(1);
        let fault = proxy.inject(next, Fault::DropReply(After::Close));
        let renewal = refreshed(&sessions, &token).await;
        assert_eq!(fault.hits(), 1);
        assert!(renewal.is_replay);
        token = renewal.token;
    }
    let all = format!("{token:?}{:?}", refreshed(&sessions, &token).await);
    assert!(!all.contains(token.rsplit_once('.').unwrap().1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_tabs_stay_logged_in() {
    let sessions = sessions().await;
    for trial in 0..size(10_000, 50) {
        let user = format!("user-{trial}");
        let token = issued(&sessions, &user).await;
        let (start, mut tabs) = (Arc::new(Barrier::new(10)), JoinSet::new());
        for _ in 0..10 {
            let (sessions, token, start) = (sessions.clone(), token.clone(), start.clone());
            tabs.spawn(async move {
                start.wait().await;
                refreshed(&sessions, &token).await
            });
        }
        let told = tabs.join_all().await;
        let first = told.iter().filter(|renewal| !renewal.is_replay);
        assert_eq!(first.count(), 1);
        assert!(told.iter().all(|renewal| renewal.token == told[0].token));
        assert!(!refreshed(&sessions, &told[0].token).await.is_replay);
    }
}
