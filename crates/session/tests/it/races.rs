//! What others do at the same moment.

use std::sync::Arc;

use russet_session::{Session, Sessions, Written};
use russet_testkit::size;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::{Profile, profile, sessions};

/// So many trials, several at a time, each with a user of its own.
async fn trials<F>(trial: impl Fn(Sessions<Profile>, String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let sessions = sessions().await;
    let mut under_way = JoinSet::new();
    for at in 0..size(10_000, 300) {
        if under_way.len() >= 32 {
            under_way.join_next().await.unwrap().unwrap();
        }
        under_way.spawn(trial(sessions.clone(), format!("user-{at}")));
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

/// Two things at once, neither first by design.
async fn both<A, B>(one: A, two: B) -> (A::Output, B::Output)
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output: Send> + Send + 'static,
{
    let start = Arc::new(Barrier::new(2));
    let (left, right) = (start.clone(), start);
    let one = tokio::spawn(async move {
        left.wait().await;
        one.await
    });
    let two = tokio::spawn(async move {
        right.wait().await;
        two.await
    });
    (one.await.unwrap(), two.await.unwrap())
}

/// A session, and the same in two requests.
async fn in_two_requests(sessions: &Sessions<Profile>, user: &str) -> [Session<Profile>; 3] {
    let made = sessions.create(user, profile("Alice")).await.unwrap();
    let load = || sessions.load(made.token());
    let (one, two) = tokio::join!(load(), load());
    let [one, two] = [one, two].map(|loaded| loaded.unwrap().unwrap());
    [made, one, two]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_not_undone_by_a_write() {
    trials(|sessions, user| async move {
        let made = sessions.create(&user, profile("Alice")).await.unwrap();
        let token = made.token().clone();
        let mut slow = sessions.load(&token).await.unwrap().unwrap();
        let (was, _) = both(made.delete(), async move {
            let _ = slow.update(|data| data.visits += 1).await.unwrap();
            slow.set("role", "admin").await.unwrap()
        })
        .await;
        assert!(was.unwrap());
        assert!(sessions.load(&token).await.unwrap().is_none());
        assert_eq!(sessions.list(&user).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_write_lose_nothing() {
    trials(|sessions, user| async move {
        let [made, mut one, mut two] = in_two_requests(&sessions, &user).await;
        let (first, second) = both(
            async move {
                one.update(|data| data.visits += 1).await.unwrap();
                one.update(|data| data.role = "admin".into()).await.unwrap()
            },
            async move {
                two.update(|data| data.visits += 1).await.unwrap();
                two.update(|data| data.theme = Some("dark".into()))
                    .await
                    .unwrap()
            },
        )
        .await;
        assert_eq!((first, second), (Some(()), Some(())));
        let now = sessions.load(made.token()).await.unwrap().unwrap();
        let all = Profile {
            visits: 2,
            role: "admin".into(),
            theme: Some("dark".into()),
            ..profile("Alice")
        };
        assert_eq!(now.data(), &all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_one_version_one_writes() {
    trials(|sessions, user| async move {
        let [made, mut one, mut two] = in_two_requests(&sessions, &user).await;
        let (first, second) = both(
            async move {
                one.write()
                    .set("role", "one")
                    .expect_version(0)
                    .send()
                    .await
                    .unwrap()
            },
            async move {
                two.write()
                    .set("role", "two")
                    .expect_version(0)
                    .send()
                    .await
                    .unwrap()
            },
        )
        .await;
        let now = sessions.load(made.token()).await.unwrap().unwrap();
        match (first, second) {
            (Written::Done, Written::Stale) => assert_eq!(now.data().role, "one"),
            (Written::Stale, Written::Done) => assert_eq!(now.data().role, "two"),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_loses_no_write_and_a_second_tab_no_session() {
    trials(|sessions, user| async move {
        let mut made = sessions.create(&user, profile("Alice")).await.unwrap();
        let mut tab = sessions.load(made.token()).await.unwrap().unwrap();
        let mut third = sessions.load(made.token()).await.unwrap().unwrap();
        let ((told, winner), written) = both(
            async move {
                let (one, other) = tokio::join!(made.rotate(), third.rotate());
                let winner = match one.as_ref().unwrap() {
                    Written::Done => made.token().clone(),
                    _ => third.token().clone(),
                };
                ((one.unwrap(), other.unwrap()), winner)
            },
            async move { tab.update(|data| data.visits += 1).await.unwrap() },
        )
        .await;
        assert_eq!(written, Some(()));
        let ((Written::Done, Written::Stale) | (Written::Stale, Written::Done)) = told else {
            panic!("{told:?}");
        };
        let now = sessions.load(&winner).await.unwrap().unwrap();
        assert_eq!(now.data().visits, 1);
        assert_eq!(sessions.list(&user).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_before_or_after_a_revocation_of_all() {
    trials(|sessions, user| async move {
        let before = sessions.create(&user, profile("Alice")).await.unwrap();
        let (login, revoke, name, theirs) = (
            sessions.clone(),
            sessions.clone(),
            user.clone(),
            user.clone(),
        );
        let (made, ended) = both(
            async move { login.create(&name, profile("Alice")).await.unwrap() },
            async move { revoke.revoke_all(&theirs).await.unwrap() },
        )
        .await;
        assert!(sessions.load(before.token()).await.unwrap().is_none());
        let is_after = sessions.load(made.token()).await.unwrap().is_some();
        assert_eq!(ended, if is_after { 1 } else { 2 });
        let listed = sessions.list(&user).await.unwrap();
        assert_eq!(listed.len(), usize::from(is_after));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_logins_are_three_sessions() {
    trials(|sessions, user| async move {
        let login = || sessions.create(&user, profile("Alice"));
        let (one, two, three) = tokio::join!(login(), login(), login());
        let mut ids: Vec<_> = [one, two, three].map(|made| made.unwrap().id()).into();
        let listed = sessions.list(&user).await.unwrap();
        ids.retain(|id| !listed.iter().any(|listed| listed.id == *id));
        assert_eq!((listed.len(), ids), (3, vec![]));
    })
    .await;
}

/// Somebody comes just when a session ends: either it lasts longer by that, or it is over, and nobody who comes later finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_it_ends_prolongs_it_or_is_too_late() {
    let ns = crate::namespace().await;
    let sessions = crate::patient(&ns).idle(crate::SECOND).build().unwrap();
    let mut under_way = JoinSet::new();
    let (mut prolonged, mut late) = (0, 0);
    for at in 0..size(10_000, 600) {
        if under_way.len() >= 500 {
            let was_in_time = under_way.join_next().await.unwrap().unwrap();
            *if was_in_time {
                &mut prolonged
            } else {
                &mut late
            } += 1;
        }
        under_way.spawn(just_at_its_end(sessions.clone(), at));
    }
    for was_in_time in under_way.join_all().await {
        *if was_in_time {
            &mut prolonged
        } else {
            &mut late
        } += 1;
    }
    println!("{prolonged} prolonged, {late} too late");
    assert!(
        prolonged > 0 && late > 0,
        "{prolonged} prolonged, {late} too late"
    );
}

async fn just_at_its_end(sessions: Sessions<Profile>, at: u64) -> bool {
    let made = sessions
        .create(&format!("user-{at}"), profile("Alice"))
        .await
        .unwrap();
    let (token, ends) = (made.token().clone(), made.expires());
    let comes = |sessions: Sessions<Profile>, token: russet_session::Token, kind: u64| async move {
        // From 6 ms before to 3 ms after.
        let before = std::time::Duration::from_micros((at * 7 + kind * 13) % 90 * 100);
        let when = ends + std::time::Duration::from_millis(3) - before;
        let wait = when
            .duration_since(std::time::SystemTime::now())
            .unwrap_or_default();
        // The moment is what is tried: there is no event that comes before the end.
        tokio::time::sleep(wait).await;
        let began = std::time::Instant::now();
        let was_there = match kind {
            0 => sessions.load(&token).await.unwrap().is_some(),
            1 => sessions.extend(&token).await.unwrap() == Written::Done,
            _ => sessions.extend_by(&token, crate::SECOND * 2).await.unwrap() == Written::Done,
        };
        (began, std::time::Instant::now(), was_there)
    };
    let come = |kind| tokio::spawn(comes(sessions.clone(), token.clone(), kind));
    let mut told = Vec::new();
    for one in [come(0), come(1), come(2)] {
        told.push(one.await.unwrap());
    }
    let began = std::time::Instant::now();
    let is_there = sessions.load(&token).await.unwrap().is_some();
    told.push((began, std::time::Instant::now(), is_there));
    for (_, over, was_there) in &told {
        let later = told.iter().filter(|(began, ..)| began > over);
        for (.., is_there) in later {
            assert!(*was_there || !is_there, "it came back: {told:?}");
            // A second at least, of which nothing is over.
            assert!(
                !was_there || *is_there,
                "it was prolonged and is gone: {told:?}"
            );
        }
    }
    is_there
}
