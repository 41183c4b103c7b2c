//! What happened to sessions, told to whoever listens.

use tokio::sync::broadcast;

use crate::listed::SessionId;

/// Something that this process has done to a session, or has seen of one. Other processes tell theirs.
///
/// Each is told once, by the process whose script did it; none is if that process is killed, or the reply lost. That a session ended because nobody used it is
/// seen by the [clean-up](crate::Sessions::cleanup) that finds it in its user's index, up to an hour later; or when its user logs in again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A session was created; of nobody yet, if it has no user.
    Created {
        /// Whose it is.
        user: Option<String>,
        /// What it is called.
        id: SessionId,
    },
    /// Somebody has logged in by an anonymous session, which has another token and name since.
    LoggedIn {
        /// Whose it is now.
        user: String,
        /// What it is called.
        id: SessionId,
        /// What it was called before.
        was: SessionId,
    },
    /// A session has another token, and so another name.
    Rotated {
        /// Whose it is.
        user: Option<String>,
        /// What it is called.
        id: SessionId,
        /// What it was called before.
        was: SessionId,
    },
    /// A refresh token was used a second time, and its family is over.
    Reused {
        /// Whose it was.
        user: String,
    },
    /// A session was ended.
    Revoked {
        /// Whose it was, where that is known.
        user: Option<String>,
        /// What it was called.
        id: SessionId,
        /// Why.
        because: Because,
    },
    /// A session ended because nobody used it, or at its absolute limit.
    Expired {
        /// Whose it was, where that is known: clean-up knows no names.
        user: Option<String>,
        /// What it was called.
        id: SessionId,
    },
    /// This listener was too slow, and does not know what it missed.
    Gap,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Because {
    /// [By its token](crate::Session::delete): who has it wanted that.
    Logout,
    /// [From the list](crate::Sessions::revoke) of its user's sessions.
    Revoked,
    /// With [all others](crate::Sessions::revoke_others) of its user.
    RevokedOthers,
    /// With [all](crate::Sessions::revoke_all) of its user.
    RevokedAll,
    /// It was the one that was used least recently where there were [too many](crate::Builder::max_sessions).
    TooMany,
    /// Its user was [wiped](crate::Sessions::wipe_user).
    Wiped,
}

/// How many events a slow listener may be behind before it misses some.
const CAPACITY: usize = 4096;

/// A listener's own view of what happens, from the moment it was made.
#[derive(Debug)]
pub struct SessionEvents(broadcast::Receiver<SessionEvent>);

impl SessionEvents {
    /// The next event; `None` once all handles of these sessions are gone.
    ///
    /// # Cancel safety
    /// Safe to drop; no event is lost.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(SessionEvent::Gap),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where events are told.
pub(crate) struct Teller(broadcast::Sender<SessionEvent>);

impl Teller {
    pub(crate) fn new() -> Self {
        Teller(broadcast::channel(CAPACITY).0)
    }

    pub(crate) fn listen(&self) -> SessionEvents {
        SessionEvents(self.0.subscribe())
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Nobody has to listen.
    pub(crate) fn tell(&self, event: impl FnOnce() -> SessionEvent) {
        if self.is_heard() {
            let _ = self.0.send(event());
        }
    }
}
