//! The session of a request.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::shown::Shown;
use crate::data::Data;
use crate::device::Device;
use crate::error::SessionError;
use crate::session::Session;
use crate::sessions::Sessions;

/// The session of a request, which is read from Redis when it is first asked for. The layer puts it into the request's extensions, and when the response comes it sets the cookie of a
/// session that has begun, or has another token since, and takes it back at a logout. Cheap to clone; all clones are one.
pub struct Current<T>(Arc<Inner<T>>);

struct Inner<T> {
    sessions: Sessions<T>,
    shown: Shown,
    /// What the request says of where it comes from.
    device: Device,
    state: Mutex<State<T>>,
}

enum State<T> {
    Unread,
    Nobody,
    Held(Box<Session<T>>),
    /// There was a logout.
    Ended,
}

/// What is to be told to who has asked.
pub(super) enum Change {
    None,
    /// They have another token from now on, for so long at most.
    Begun(String, std::time::Duration),
    Ended,
}

impl<T: Data> Current<T> {
    pub(super) fn new(sessions: Sessions<T>, shown: Shown, device: Device) -> Self {
        Current(Arc::new(Inner {
            sessions,
            shown,
            device,
            state: Mutex::new(State::Unread),
        }))
    }

    /// The session, if there is one: that of the token that the request shows, or the one that has begun since. Others who want it wait until it is dropped, and so does a
    /// [`logout`](Current::logout): at most for twice the sessions' [deadline](crate::Builder::deadline). One round trip the first time.
    ///
    /// # Errors
    /// As [`Sessions::load`]; [`SessionError::InUse`] if it is held for so long, as by one who asks again and has it already.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn load(&self) -> Result<Option<Held<'_, T>>, SessionError> {
        let mut state = self.alone().await?;
        if let (State::Unread, Some(token)) = (&*state, self.0.shown.token()) {
            *state = match self.0.sessions.load(token).await? {
                Some(session) => State::Held(Box::new(session)),
                None => State::Nobody,
            };
        }
        let held = MutexGuard::try_map(state, |state| match state {
            State::Held(session) => Some(&mut **session),
            _ => None,
        });
        Ok(held.ok().map(Held))
    }

    /// Makes a session that of who has asked, by whatever means it was created: the response has its cookie. What they had before is not theirs any more, and ends by
    /// itself.
    ///
    /// # Errors
    /// [`SessionError::InUse`] if what [`load`](Current::load) gave is still held; the session that was to begin ends then.
    ///
    /// # Cancel safety
    /// A dropped call leaves a session that nobody has the token of; it ends by itself.
    pub async fn begin(&self, session: Session<T>) -> Result<(), SessionError> {
        match self.alone().await {
            Ok(mut state) => {
                *state = State::Held(Box::new(session));
                Ok(())
            }
            Err(in_use) => {
                // Nobody would have its token.
                session.delete().await?;
                Err(in_use)
            }
        }
    }

    /// Creates a session of a user, and makes it that of who has asked: [`Sessions::create_on`] and [`begin`](Current::begin). Who had an anonymous session keeps its
    /// data by [`Session::login`] instead.
    ///
    /// # Errors
    /// As [`Sessions::create_on`] and [`begin`](Current::begin).
    ///
    /// # Cancel safety
    /// As [`Sessions::create_on`].
    pub async fn create(&self, user: &str, data: T) -> Result<(), SessionError> {
        let mut state = self.alone().await?;
        let device = self.0.device.clone();
        let session = self.0.sessions.create_on(user, data, device).await?;
        *state = State::Held(Box::new(session));
        Ok(())
    }

    /// Ends the session, and takes the cookie back with the response, which tells the browser to forget what it has stored for this site. Whether there was one. Also of who shows a token
    /// that is good no more.
    ///
    /// # Errors
    /// As [`Sessions::delete`]; [`SessionError::InUse`] if what [`load`](Current::load) gave is still held. Nothing is taken back then.
    ///
    /// # Cancel safety
    /// As [`Sessions::delete`].
    pub async fn logout(&self) -> Result<bool, SessionError> {
        let mut state = self.alone().await?;
        let token = match &*state {
            State::Held(session) => Some(session.token().as_str()),
            _ => self.0.shown.token(),
        };
        let was = match token {
            Some(token) => self.0.sessions.delete(token).await?,
            None => false,
        };
        *state = State::Ended;
        Ok(was)
    }

    /// Where the request comes from, as far as it says: its user agent.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// All sessions.
    pub fn sessions(&self) -> &Sessions<T> {
        &self.0.sessions
    }

    /// Alone with the session; not for ever: one who holds it and asks again would wait for themselves. Longer than whoever has it may need to read it.
    async fn alone(&self) -> Result<MutexGuard<'_, State<T>>, SessionError> {
        let deadline = 2 * self.0.sessions.way.lane.deadline_of_each();
        let alone = tokio::time::timeout(deadline, self.0.state.lock());
        alone.await.map_err(|_| SessionError::InUse)
    }

    /// What has changed by the request.
    pub(super) fn change(&self) -> Change {
        let Ok(state) = self.0.state.try_lock() else {
            tracing::warn!(target: "russet::session", sessions = ?self.0.sessions, "somebody still holds a session when its response is sent; if its token has changed, nobody is told");
            return Change::None;
        };
        match &*state {
            State::Held(session) if self.0.shown.token() != Some(session.token().as_str()) => {
                let lasts = session
                    .absolute()
                    .duration_since(std::time::SystemTime::now());
                Change::Begun(session.token().to_string(), lasts.unwrap_or_default())
            }
            State::Ended => Change::Ended,
            _ => Change::None,
        }
    }

    pub(super) fn is_bearer_s(&self) -> bool {
        self.0.shown.is_bearer()
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Current(self.0.clone())
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(…)")
    }
}

/// The session of a request, for who has it alone now.
#[derive(Debug)]
pub struct Held<'a, T>(MappedMutexGuard<'a, Session<T>>);

impl<T> Deref for Held<'_, T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.0
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut Session<T> {
        &mut self.0
    }
}
