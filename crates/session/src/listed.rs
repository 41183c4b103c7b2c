//! A session in the list of its user's.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

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

/// A valid session of a user: the one at hand has its [id](crate::Session::id). It serialises with times as text (RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// What it is called here.
    pub id: SessionId,
    /// From where they logged in.
    pub device: Device,
    /// When, by the server's clock.
    #[serde(with = "humantime_serde")]
    pub created: SystemTime,
    /// When it was used last, to within a tenth of the idle time.
    #[serde(with = "humantime_serde")]
    pub last_seen: SystemTime,
    /// Until when it is valid unless it is used.
    #[serde(with = "humantime_serde")]
    pub expires: SystemTime,
}
