//! A login that is under way.

use std::fmt;

use crate::data::Data;
use crate::device::Device;
use crate::error::SessionError;
use crate::making::Still;
use crate::session::Session;
use crate::sessions::Sessions;
use crate::token::{Tag, random};

/// A login that has begun: begin it before the password is looked at, and it does not outlive a [`revoke_all`](Sessions::revoke_all) that comes between, as one that was made because
/// the password was changed. Good for an hour.
pub struct Login<T> {
    pub(crate) sessions: Sessions<T>,
    pub(crate) user: String,
    pub(crate) tag: Tag,
    /// By the server's clock, in microseconds.
    pub(crate) since: u64,
}

impl<T: Data> Sessions<T> {
    /// Begins a login. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Data`] for a user without a name; [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn begin_login(&self, user: &str) -> Result<Login<T>, SessionError> {
        let tag = self.way.tag_of(user)?;
        Ok(Login {
            sessions: self.clone(),
            user: user.to_owned(),
            tag,
            since: self.way.begin(tag).await?,
        })
    }
}

impl<T: Data> Login<T> {
    /// Creates the session, as [`create_on`](Sessions::create_on); nothing if all sessions of the user were revoked since the login began.
    ///
    /// # Errors
    /// As [`create_on`](Sessions::create_on).
    ///
    /// # Cancel safety
    /// As [`create_on`](Sessions::create_on).
    pub async fn create(
        &self,
        data: T,
        device: Device,
    ) -> Result<Option<Session<T>>, SessionError> {
        let sessions = &self.sessions;
        sessions
            .create_of(
                &self.user,
                (self.tag, Still::since(Some(self.since))),
                random()?,
                data,
                device,
            )
            .await
    }

    /// Whose login it is.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl<T> fmt::Debug for Login<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}
