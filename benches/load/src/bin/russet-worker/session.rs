//! The sessions, measured.

use std::sync::Arc;
use std::time::Duration;

use russet_bench_load::{Account, KEYS, Kind, System, asked, now, number, worker};
use russet_session::{Redis, Secrets, Sessions, Token};
use tokio::task::JoinSet;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Long enough that no session is due in a turn; what no later one reads is gone by itself.
const LASTS: Duration = Duration::from_mins(10);

pub(crate) fn measure() {
    worker(
        "russet",
        VERSION,
        |url| async move { Held::filled(&url).await },
    );
}

#[derive(Clone)]
struct Held {
    sessions: Sessions<Account>,
    tokens: Arc<Vec<Token>>,
}

impl Held {
    async fn filled(url: &str) -> Self {
        let redis = Redis::connect(url).await.expect("the server answers");
        let ns = redis.namespace("bench").expect("a name");
        let sessions = Sessions::<Account>::builder(&ns, "web", &Secrets::new([7; 32]))
            .idle(LASTS)
            .absolute(LASTS)
            .counters(["visits"])
            .local(1 << 30)
            .build()
            .expect("sessions");
        let bytes = asked().map_or(0, |scenario| scenario.kind.payload());
        let mut tasks = JoinSet::new();
        for first in 0..64 {
            let sessions = sessions.clone();
            tasks.spawn(async move {
                let mut made = Vec::new();
                for at in (first..KEYS as u64).step_by(64) {
                    let account = Account::of(at, bytes);
                    let session = sessions.create(&account.user.clone(), account).await;
                    made.push(session.expect("a session").token().clone());
                }
                made
            });
        }
        let tokens = tasks.join_all().await.concat();
        Held {
            sessions,
            tokens: Arc::new(tokens),
        }
    }
}

impl System for Held {
    async fn operate(&self, kind: Kind, turn: usize) {
        let at = match kind {
            Kind::SessionVisit => 0,
            _ => usize::try_from(number(turn)).expect("an index"),
        };
        let loaded = self.sessions.load(&self.tokens[at]).await;
        let mut session = loaded.expect("a reply").expect("a session");
        match kind {
            Kind::SessionVisit => {
                let counted = session.increment("visits", 1).await;
                assert!(counted.expect("a reply").is_done());
            }
            kind if kind.writes(turn) => {
                let change = session.update(|data| data.last_activity = now());
                change.await.expect("a reply").expect("a session");
            }
            _ => {}
        }
    }

    async fn kept(&self) -> Option<i64> {
        let first = self.sessions.load(&self.tokens[0]).await;
        let first = first.expect("a reply").expect("a session");
        Some(first.data().visits)
    }
}
