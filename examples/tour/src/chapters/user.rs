//! What the tour caches.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) visits: u32,
}

impl User {
    pub(crate) fn new(name: &str) -> Self {
        User {
            name: name.to_owned(),
            visits: 1,
        }
    }
}
