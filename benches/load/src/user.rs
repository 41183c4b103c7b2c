//! What the cache keeps, the same for every system.

use serde::{Deserialize, Serialize};

/// A struct as services cache them: about 200 bytes of MessagePack with named fields, 160 without names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Which one it is.
    pub id: u64,
    /// What to call it.
    pub name: String,
    /// Where to write to.
    pub email: String,
    /// With whom it works.
    pub team: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// Since when, in seconds since 1970.
    pub created_at: u64,
    /// What it says of itself.
    pub about: String,
}

impl User {
    /// The user of a number.
    pub fn of(id: u64) -> User {
        User {
            id,
            name: format!("User number {id}"),
            email: format!("user-{id}@example.com"),
            team: "engineering".to_owned(),
            roles: ["admin", "editor", "viewer"].map(str::to_owned).into(),
            created_at: 1_790_000_000,
            about: "Keeps the lights on, reads what others write and writes what nobody reads."
                .to_owned(),
        }
    }
}
