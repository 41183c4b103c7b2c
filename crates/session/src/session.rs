//! A session that was loaded.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::changing::Changing;
use crate::data::Data;
use crate::device::Device;
use crate::error::SessionError;
use crate::etag::Etag;
use crate::event::Because;
use crate::keys::Place;
use crate::listed::SessionId;
use crate::local::Known;
use crate::login::Login;
use crate::making::{Beginning, If, Kept, LoggedIn, Still};
use crate::token::{Digest, Tag, Token};
use crate::way::Way;
use crate::wire::{About, Record, Version, time};
use crate::write::{Write, Written};

/// How often a change is made again that others were faster than.
const TRIES: u32 = 16;

/// A session as it was when it was loaded, or last written by this handle. `Debug` shows nothing of its data.
pub struct Session<T> {
    pub(crate) way: Arc<Way>,
    pub(crate) place: Place,
    pub(crate) record: Record,
    token: Token,
    /// What Redis knows of that token; where the session is has changed if another one was made since.
    shown: Digest,
    about: Arc<About>,
    /// Shared with what this process remembers of it.
    pub(crate) data: Arc<T>,
}

impl<T: Data> Session<T> {
    pub(crate) fn new(
        way: Arc<Way>,
        place: Place,
        (token, shown): (Token, Digest),
        mut record: Record,
    ) -> Result<Self, SessionError> {
        let known = record.known.take().and_then(|known| {
            let data = known.data.clone().downcast::<T>().ok()?;
            Some((known.about.clone(), data))
        });
        let is_new = known.is_none();
        let (about, data) = match known {
            Some(known) => known,
            None => {
                let id = &record.head.id;
                let about = way.shape.open_whole(id, &record.head.about)?;
                let data = way.shape.read(id, &record.stored)?;
                (Arc::new(about), Arc::new(data))
            }
        };
        let session = Session {
            way,
            place,
            record,
            token,
            shown,
            about,
            data,
        };
        if is_new {
            session.remember();
        }
        Ok(session)
    }

    /// Takes over what Redis holds now.
    pub(crate) fn hold(&mut self, record: Record) -> Result<(), SessionError> {
        self.data = Arc::new(self.way.shape.read(&record.head.id, &record.stored)?);
        self.record = record;
        Ok(())
    }

    /// The next load in this process need not be sent what this one was.
    fn remember(&self) {
        let Some(etag) = self.record.etag.clone() else {
            return self.way.local.remove(&self.place.digest);
        };
        let known = || {
            Arc::new(Known {
                head: self.record.head.clone(),
                till: self.record.till,
                etag,
                stored: self.record.stored.clone(),
                about: self.about.clone(),
                data: self.data.clone(),
            })
        };
        self.way.local.insert(&self.place.digest, known);
    }

    /// The data, for who changes it: nobody else's.
    pub(crate) fn data_mut(&mut self) -> Result<&mut T, SessionError> {
        if Arc::get_mut(&mut self.data).is_none() {
            // It is remembered again when it was written.
            self.way.local.remove(&self.place.digest);
        }
        if Arc::get_mut(&mut self.data).is_none() {
            self.read_again()?;
        }
        let alone = || SessionError::data("a session's data is in use by somebody else");
        Arc::get_mut(&mut self.data).ok_or_else(alone)
    }

    /// The data is again what Redis held.
    pub(crate) fn read_again(&mut self) -> Result<(), SessionError> {
        let (id, stored) = (&self.record.head.id, &self.record.stored);
        self.data = Arc::new(self.way.shape.read(id, stored)?);
        Ok(())
    }

    /// Changes the data, and writes the fields that are different then. Others' changes of other fields stay; where they have changed the same fields, the
    /// session is read again and the change made on that, up to 16 times: nobody's change is lost. One round trip without conflict, one more for each.
    ///
    /// Nothing if there is no such session any more: it is not made anew, and the handle keeps its data as it was.
    ///
    /// # Errors
    /// [`SessionError::Conflict`]; [`SessionError::TooLarge`] and [`SessionError::Data`], before anything is written; [`SessionError::Redis`]: the change may have
    /// been [made all the same](SessionError::may_have_executed).
    ///
    /// # Cancel safety
    /// A dropped call may still write.
    pub async fn update<R>(
        &mut self,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<Option<R>, SessionError> {
        for _ in 0..TRIES {
            let (changing, changes, made) = Changing::begin(self, &mut change)?;
            if let Some(told) = changing.commit(changes).await? {
                return Ok(told.is_done().then_some(made));
            }
        }
        Err(SessionError::Conflict { tries: TRIES })
    }

    /// The same, but whoever writes last wins: fields that others have changed as well become what they are here.
    ///
    /// # Errors
    /// As [`update`](Session::update), but for [`SessionError::Conflict`].
    ///
    /// # Cancel safety
    /// As [`update`](Session::update).
    pub async fn overwrite<R>(
        &mut self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, SessionError> {
        let (changing, changes, made) = Changing::begin(self, change)?;
        let told = changing.commit(changes.unchecked()).await?;
        Ok(told.is_some_and(Written::is_done).then_some(made))
    }

    /// Holds what was written, and remembers it where all was as this handle knew it before.
    pub(crate) fn wrote(&mut self, (version, was_known): (Version, bool), etag: Option<Etag>) {
        self.record.head.version = version;
        self.record.is_exact = was_known;
        self.record.etag = etag;
        self.remember();
    }

    /// Fields that are to be written by their names, whatever the other data is.
    pub fn write(&mut self) -> Write<'_, T> {
        Write::new(self)
    }

    /// Sets one field: [`write`](Session::write) of it alone.
    ///
    /// # Errors
    /// As [`Write::send`].
    ///
    /// # Cancel safety
    /// As [`Write::send`].
    pub async fn set<V: Serialize + ?Sized>(
        &mut self,
        field: &str,
        value: &V,
    ) -> Result<Written, SessionError> {
        self.write().set(field, value).send().await
    }

    /// Removes one field, without which the data must still be a `T`.
    ///
    /// # Errors
    /// As [`Write::send`].
    ///
    /// # Cancel safety
    /// As [`Write::send`].
    pub async fn remove(&mut self, field: &str) -> Result<Written, SessionError> {
        self.write().remove(field).send().await
    }

    /// Adds to a counter.
    ///
    /// # Errors
    /// As [`Write::send`].
    ///
    /// # Cancel safety
    /// As [`Write::send`].
    pub async fn increment(&mut self, field: &str, by: i64) -> Result<Written, SessionError> {
        self.write().increment(field, by).send().await
    }

    /// Makes it valid for the idle time from now on, or until its absolute limit. Loading it does the same, now and then. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still extend it.
    pub async fn extend(&mut self) -> Result<Written, SessionError> {
        self.extend_by(self.way.idle).await
    }

    /// The same for so long; never shorter than it is.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still extend it.
    pub async fn extend_by(&mut self, by: Duration) -> Result<Written, SessionError> {
        match self.way.extend(&mut self.place, by).await? {
            Some(till) => {
                self.record.till = till;
                Ok(Written::Done)
            }
            None => Ok(Written::Gone),
        }
    }

    /// Gives it another token, as is due when somebody's rights change: [`token`](Session::token) is the new one then. The old one leads to the session for a
    /// [grace](crate::Builder::rotation_grace), for requests that are under way with it; [`Written::Stale`] if it was such an old one, and nothing was
    /// done. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still be done, and then the new token is lost with it: the old one is good for the grace only.
    pub async fn rotate(&mut self) -> Result<Written, SessionError> {
        if self.way.ids.are_apart() {
            return self.rotate_apart().await;
        }
        // Whoever has the newer token would lose it.
        if self.place.digest != self.shown {
            return Ok(Written::Stale);
        }
        let (token, digest) = Token::new(self.place.tag)?;
        let user = self.about.user.as_deref();
        if self.way.rotate(&mut self.place, digest, user).await? {
            self.token = token;
            self.shown = self.place.digest;
            return Ok(Written::Done);
        }
        Ok(match self.place.digest == self.shown {
            true => Written::Gone,
            false => Written::Stale,
        })
    }

    /// Makes it that of a user, as is due when somebody has logged in: with the data that it has, a new token and a new lifetime. The old token leads nowhere from then on,
    /// so that nobody who had planted it is logged in. One round trip; on a cluster two, and a process that is killed between them loses the data.
    ///
    /// # Errors
    /// [`SessionError::Data`] for a user without a name; [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still be done, and then the session is lost with its new token.
    pub async fn login(&mut self, user: &str, device: Device) -> Result<Written, SessionError> {
        let tag = self.way.tag_of(user)?;
        self.login_as(user, (tag, None), device).await
    }

    /// The same for a login that [has begun](crate::Sessions::begin_login): [`Written::Stale`] if all sessions of the user were revoked since, and the session is as it was; on a cluster it is over.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// As [`login`](Session::login).
    pub async fn login_by(
        &mut self,
        login: &Login<T>,
        device: Device,
    ) -> Result<Written, SessionError> {
        self.login_as(&login.user, (login.tag, Some(login.since)), device)
            .await
    }

    async fn login_as(
        &mut self,
        user: &str,
        (tag, since): (Tag, Option<u64>),
        device: Device,
    ) -> Result<Written, SessionError> {
        let about = About {
            user: Some(user.to_owned()),
            device,
        };
        self.move_to((tag, since), about, None).await
    }

    /// Gives a session that is in a slot of its own another id: the old one is over at once.
    async fn rotate_apart(&mut self) -> Result<Written, SessionError> {
        let tag = match self.user() {
            Some(user) => self.way.tag_of(user)?,
            None => Tag::random()?,
        };
        let (head, about) = (&self.record.head, About::clone(&self.about));
        let kept = Kept {
            created: head.created,
            most: head.most,
            writes: head.version.writes(),
            till: self.record.till,
        };
        let was = self.way.name_of(&self.place, head.id);
        let told = self.move_to((tag, None), about, Some(kept)).await?;
        if let (true, Some(was)) = (told.is_done(), was) {
            self.way.unnote(tag, &was).await?;
        }
        Ok(told)
    }

    /// Moves it to where a new token leads.
    async fn move_to(
        &mut self,
        (tag, mut since): (Tag, Option<u64>),
        about: About,
        kept: Option<Kept>,
    ) -> Result<Written, SessionError> {
        let (token, place) = self.way.ids.new_of(tag)?;
        let id = self.record.head.id;
        let sealed = self.way.shape.seal_whole(&id, &about)?;
        let name = self.way.name_of(&place, id);
        if let (Some(name), Some(user)) = (&name, &about.user) {
            // Under another id it is not one more.
            let many = kept.map_or(self.way.many, |_| u32::MAX);
            if !self
                .way
                .note((tag, &Still::since(since)), name, (user, many))
                .await?
            {
                return Ok(Written::Stale);
            }
            since = None;
        }
        let beginning = Beginning {
            place: &place,
            id,
            about: &about,
            still: Still::since(since),
            kept,
            only: If::Any,
        };
        match self.way.login(&mut self.place, &beginning, &sealed).await? {
            LoggedIn::Gone => Ok(Written::Gone),
            LoggedIn::Revoked => Ok(Written::Stale),
            LoggedIn::Done(record) => {
                self.token = token;
                self.shown = self.place.digest;
                self.about = Arc::new(about);
                self.hold(record)?;
                Ok(Written::Done)
            }
        }
    }

    /// Ends it, as a logout does: no write that is under way brings it back. Whether it was there. One round trip; one more where refresh tokens ended with it.
    ///
    /// # Errors
    /// [`SessionError::Redis`], [`SessionError::NotReplicated`].
    ///
    /// # Cancel safety
    /// A dropped call may still end it.
    pub async fn delete(mut self) -> Result<bool, SessionError> {
        self.way.delete(&mut self.place, Because::Logout).await
    }
}

impl<T> Session<T> {
    /// The data.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// The token that was shown, or the one that was made since.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whose it is; nobody's yet, if it is anonymous.
    pub fn user(&self) -> Option<&str> {
        self.about.user.as_deref()
    }

    /// From where they logged in.
    pub fn device(&self) -> &Device {
        &self.about.device
    }

    /// What it is called in the list of its user's sessions; another one after each rotation.
    pub fn id(&self) -> SessionId {
        SessionId(self.place.digest)
    }

    /// How often it was written.
    pub fn version(&self) -> u64 {
        self.record.head.version.writes()
    }

    /// When it was created, by the server's clock, as all times of it.
    pub fn created(&self) -> SystemTime {
        time(self.record.head.created)
    }

    /// When it was used, to within a tenth of the idle time.
    pub fn last_seen(&self) -> SystemTime {
        time(self.record.head.seen)
    }

    /// Until when it is valid unless it is used.
    pub fn expires(&self) -> SystemTime {
        time(self.record.till)
    }

    /// Until when it can be valid.
    pub fn absolute(&self) -> SystemTime {
        time(self.record.head.most)
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("fields", &self.record.stored.len())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
