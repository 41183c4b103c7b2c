//! When sessions end, by a server whose clock goes as a test wants.

use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use russet_session::{Session, Sessions};
use russet_testkit::{Server, size, unique_name};

use crate::{Profile, SECOND, on, patient, profile};

/// A step of the clock is so long, and what happens takes less.
const STEP: i64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Load,
    Extend(i64),
    Update,
    Rotate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (-2..12_i64).prop_map(Step::Wait),
        3 => Just(Step::Load),
        2 => (0..40_i64).prop_map(Step::Extend),
        1 => Just(Step::Update),
        1 => Just(Step::Rotate),
    ];
    vec(step, 1..14)
}

/// A session, in steps of the clock since it was created.
#[derive(Clone, Copy, Debug)]
struct Model {
    now: i64,
    idle: i64,
    most: i64,
    seen: i64,
    till: i64,
}

impl Model {
    fn is_valid(&self) -> bool {
        self.now < self.till
    }

    fn load(&mut self) {
        // A tenth of the idle time, which is less than a step.
        let later = (self.now + self.idle).min(self.most);
        if self.now + self.idle > self.till && later > self.till {
            (self.seen, self.till) = (self.now, later);
        }
    }

    fn extend(&mut self, by: i64) {
        self.seen = self.now;
        self.till = self.till.max((self.now + by).min(self.most));
    }
}

fn is_about(time: SystemTime, created: SystemTime, steps: i64) -> bool {
    let expected = created + SECOND * u32::try_from(1_000_000 + steps * STEP).unwrap();
    let expected = expected - SECOND * 1_000_000;
    let off = expected
        .duration_since(time)
        .unwrap_or_else(|error| error.duration());
    off < 4 * SECOND
}

/// The server's clock is so many steps ahead, and it knows.
pub(crate) fn set(server: &Server, base: u64, steps: i64) {
    server.set_clock(steps * STEP);
    let at = i64::try_from(base).unwrap() + steps * STEP;
    russet_testkit::eventually(10 * SECOND, "the clock goes as it should", || {
        let time = server.command(&["TIME"]);
        let seconds: i64 = time.as_array().unwrap()[0]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        (seconds - at).abs() < 4
    });
}

pub(crate) fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

async fn run(
    server: &Server,
    (idle, most): (i64, i64),
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let long = |steps| SECOND * u32::try_from(steps * STEP).unwrap();
    // Who remembers sessions knows how late it is by a clock that is not moved here.
    let sessions: Sessions<Profile> = patient(&on(server).await)
        .local(0)
        .idle(long(idle))
        .absolute(long(most))
        .build()
        .unwrap();
    set(server, since_1970(), 0);
    let user = unique_name("user");
    let made = sessions.create(&user, profile("Alice")).await.unwrap();
    let (created, mut token) = (made.created(), made.token().clone());
    let mut handle: Session<Profile> = made;
    let mut model = Model {
        now: 0,
        idle,
        most,
        seen: 0,
        till: idle.min(most),
    };
    for step in steps {
        let was_valid = model.is_valid();
        let is_there = match step {
            Step::Wait(by) => {
                model.now = (model.now + by).max(0);
                // Redis removes a key when its time is over, and a clock that is set back does not bring it back.
                if !model.is_valid() {
                    set(server, since_1970(), model.now);
                    prop_assert!(sessions.load(&token).await.unwrap().is_none());
                    return Ok(());
                }
                set(server, since_1970(), model.now);
                continue;
            }
            Step::Load => {
                let loaded = sessions.load(&token).await.unwrap();
                model.load();
                loaded.is_some()
            }
            Step::Extend(by) => {
                let told = handle.extend_by(long(*by)).await.unwrap();
                model.extend(*by);
                told.is_done()
            }
            Step::Update => {
                let told = handle.update(|data| data.visits += 1).await.unwrap();
                told.is_some()
            }
            Step::Rotate => {
                let told = handle.rotate().await.unwrap();
                token = handle.token().clone();
                told.is_done()
            }
        };
        prop_assert_eq!(is_there, was_valid, "{:?} {:?}", step, model);
        let listed = sessions.list(&user).await.unwrap().pop().unwrap();
        prop_assert!(
            is_about(listed.expires, created, model.till),
            "{:?} {:?}",
            model,
            listed
        );
        prop_assert!(
            is_about(listed.last_seen, created, model.seen),
            "{:?} {:?}",
            model,
            listed
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_it_should_whatever_is_done_to_it() {
    let server = Server::builder().own_clock().start();
    let cases = u32::try_from(size(400, 24)).unwrap();
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::with_cases(cases)
    };
    let lasts = (1..8_i64).prop_flat_map(|idle| (Just(idle), idle..30_i64));
    tokio::task::block_in_place(|| {
        let run = |(lasts, steps): ((i64, i64), Vec<Step>)| {
            tokio::runtime::Handle::current().block_on(run(&server, lasts, &steps))
        };
        TestRunner::new(config).run(&(lasts, steps()), run).unwrap();
    });
}

/// An hour forward ends what was to end in that time, and nothing else; an hour back makes nothing valid that was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_moved_ends_no_session_early_and_revives_none() {
    let server = Server::builder().own_clock().start();
    let sessions = patient(&on(&server).await)
        .idle(Duration::from_hours(2))
        .build()
        .unwrap();
    let short = patient(&on(&server).await)
        .idle(SECOND * 60)
        .absolute(SECOND * 60);
    let short = short.build().unwrap();
    let long = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert!(sessions.load(long.token()).await.unwrap().is_some());
    // Sessions of one user end at other times, however they began.
    let other = sessions.create("user-2", profile("Bob")).await.unwrap();
    assert!(sessions.load(other.token()).await.unwrap().is_some());
    let mut visitor = short.create_anonymous(profile("cart")).await.unwrap();
    let login = visitor.login("user-2", russet_session::Device::unknown());
    assert!(login.await.unwrap().is_done());
    assert!(short.load(visitor.token()).await.unwrap().is_some());
    let ends = short.create("user-1", profile("Bob")).await.unwrap();
    assert!(sessions.load(long.token()).await.unwrap().is_some());
    let mut refresh = sessions.create("user-3", profile("Alice")).await.unwrap();
    let refresh = refresh.issue_refresh("web").await.unwrap().unwrap();
    let clock = |steps| tokio::task::block_in_place(|| set(&server, since_1970(), steps));
    clock(360);
    assert!(short.load(ends.token()).await.unwrap().is_none());
    assert!(short.load(visitor.token()).await.unwrap().is_none());
    assert!(sessions.load(other.token()).await.unwrap().is_some());
    assert!(sessions.load(long.token()).await.unwrap().is_some());
    let renewal = match sessions.refresh(&refresh, "web").await.unwrap() {
        russet_session::Refreshed::Done(renewal) => renewal,
        told => panic!("{told:?}"),
    };
    clock(0);
    assert!(sessions.load(long.token()).await.unwrap().is_some());
    assert!(short.load(ends.token()).await.unwrap().is_none());
    // The one before is given again for 30 s, and an hour back is not within them.
    let told = sessions.refresh(&refresh, "web").await.unwrap();
    assert!(
        matches!(told, russet_session::Refreshed::Reused { .. }),
        "{told:?}"
    );
    let told = sessions.refresh(&renewal.token, "web").await.unwrap();
    assert!(matches!(told, russet_session::Refreshed::Gone), "{told:?}");
}
