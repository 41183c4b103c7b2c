//! What a session keeps, the same for every system.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A struct as services keep it in a session: who is logged in, and what they left there, in three texts of the same length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Who it is.
    pub user: String,
    /// Where to write to.
    pub email: String,
    /// What they may do.
    pub role: String,
    /// Since when they are logged in, in seconds since 1970.
    pub login_at: u64,
    /// From where.
    pub address: String,
    /// By which program.
    pub agent: String,
    /// What each request changes.
    pub last_activity: u64,
    /// What each request counts, where one counts.
    pub visits: i64,
    /// What they left there.
    pub cart: String,
    /// The same.
    pub preferences: String,
    /// The same.
    pub metadata: String,
}

impl Account {
    /// The account of a number, of about so many bytes.
    pub fn of(number: u64, bytes: usize) -> Account {
        let part = "x".repeat(bytes.saturating_sub(300) / 3);
        Account {
            user: format!("user-{number}"),
            email: format!("user-{number}@example.com"),
            role: "editor".to_owned(),
            login_at: 1_790_000_000,
            address: "192.0.2.7".to_owned(),
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                .to_owned(),
            last_activity: 1_790_000_000,
            visits: 0,
            cart: part.clone(),
            preferences: part.clone(),
            metadata: part,
        }
    }
}

/// A time of activity that none before had.
pub fn now() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1_790_000_001);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
