//! A session in the list of its user's.

use std::fmt;
use std::time::SystemTime;

use crate::device::Device;
use crate::token::Digest;

/// What a session is called in the list of its user's sessions. It opens nothing: show it to its user, and take it back from them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(pub(crate) Digest);

impl SessionId {
    /// The text: 43 characters that fit into a URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Of its text; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::told(text.as_bytes()).map(SessionId)
    }
}

/// Its text.
impl serde::Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.as_str())
    }
}

/// A valid session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// What it is called here.
    pub id: SessionId,
    /// From where they logged in.
    pub device: Device,
    /// When, by the server's clock.
    pub created: SystemTime,
    /// When it was used last, to within a tenth of the idle time.
    pub last_seen: SystemTime,
    /// Until when it is valid unless it is used.
    pub expires: SystemTime,
}
