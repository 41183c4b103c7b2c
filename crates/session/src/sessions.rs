//! The handle.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russet_core::{Finding, Namespace, Probe};

use crate::builder::Builder;
use crate::data::Data;
use crate::device::Device;
use crate::ending::enough;
use crate::error::SessionError;
use crate::event::{Because, SessionEvents};
use crate::ids::{Ids, is_weak};
use crate::keys::Place;
use crate::listed::{Listed, SessionId};
use crate::making::{Beginning, Created, If, Still};
use crate::outage::{OnOutage, is_outage};
use crate::secrets::Secrets;
use crate::session::Session;
use crate::stored::Stored;
use crate::token::{Tag, Token, random};
use crate::way::{MOST_AT_ONCE, Way};
use crate::wire::{About, Head, time, unreadable};
use crate::write::Written;

/// How often a session is created anew where all of its user's were revoked meanwhile.
const TRIES: u32 = 4;

/// Sessions whose data is a `T`. Cheap to clone.
pub struct Sessions<T> {
    pub(crate) way: Arc<Way>,
    pub(crate) data: PhantomData<fn() -> T>,
}

impl<T: Data> Sessions<T> {
    /// Sessions of this name, unique among those of the namespace.
    pub fn builder(ns: &Namespace, name: &str, secrets: &Secrets) -> Builder<T> {
        Builder::new(ns, name, secrets)
    }

    /// Creates a session of a user, whose token is to be handed to them. Where a user may have [so many](Builder::max_sessions), the ones that were used least recently
    /// end. One round trip; three more if any ended.
    ///
    /// # Errors
    /// [`SessionError::TooLarge`], [`SessionError::Data`], [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still create it; nobody has its token then, and it ends by itself.
    pub async fn create(&self, user: &str, data: T) -> Result<Session<T>, SessionError> {
        self.create_on(user, data, Device::unknown()).await
    }

    /// The same, and from where they logged in.
    ///
    /// # Errors
    /// As [`create`](Sessions::create).
    ///
    /// # Cancel safety
    /// As [`create`](Sessions::create).
    pub async fn create_on(
        &self,
        user: &str,
        data: T,
        device: Device,
    ) -> Result<Session<T>, SessionError> {
        let tag = self.way.tag_of(user)?;
        let user = Some(user.to_owned());
        let about = About { user, device };
        for _ in 0..TRIES {
            let made = self.make((tag, Still::default()), (random()?, None), &about, &data);
            if let Some(session) = made.await? {
                return Ok(session);
            }
            // All were revoked between its two scripts, where ids are not tokens: this login comes after that.
        }
        Err(SessionError::Conflict { tries: TRIES })
    }

    /// The same of the login of this number, and nothing if all sessions of the user were revoked since a time.
    pub(crate) async fn create_of(
        &self,
        user: &str,
        of_login: (Tag, Still),
        id: [u8; 16],
        data: T,
        device: Device,
    ) -> Result<Option<Session<T>>, SessionError> {
        let user = Some(user.to_owned());
        let about = About { user, device };
        self.make(of_login, (id, None), &about, &data).await
    }

    /// Creates a session under an id of the caller's own, as services have it that bring their ids along: [`Ids::Uuid`] says what is taken. Nothing if there is one of
    /// that id, which stays as it is, or if that id was just ended. Two round trips: its user's index names it first.
    ///
    /// # Errors
    /// As [`create`](Sessions::create); [`SessionError::WeakId`] for an id that could be guessed; [`SessionError::Data`] where ids are [tokens](Ids::Token).
    ///
    /// # Cancel safety
    /// A dropped call may still create it.
    pub async fn create_with_id(
        &self,
        id: &str,
        user: &str,
        data: T,
        device: Device,
    ) -> Result<Option<Session<T>>, SessionError> {
        let ids = self.way.ids;
        if !ids.are_apart() {
            return Err(SessionError::data(
                "ids of the caller's own need `ids(Ids::Uuid)` in the builder",
            ));
        }
        if let Some(why) = is_weak(id).filter(|_| ids != Ids::GuessableIfSupplied) {
            return Err(SessionError::WeakId { why });
        }
        let place = ids.read(id).ok_or(SessionError::WeakId {
            why: "it has 1 to 256 bytes",
        })?;
        let tag = self.way.tag_of(user)?;
        let user = Some(user.to_owned());
        let (given, about) = ((Token::shown(id), place), About { user, device });
        let made = self.make(
            (tag, Still::default()),
            (random()?, Some(given)),
            &about,
            &data,
        );
        made.await
    }

    /// Creates a session of nobody yet. One round trip.
    ///
    /// # Errors
    /// As [`create`](Sessions::create).
    ///
    /// # Cancel safety
    /// As [`create`](Sessions::create).
    pub async fn create_anonymous(&self, data: T) -> Result<Session<T>, SessionError> {
        let of_nobody = (Tag::random()?, Still::default());
        let about = About::default();
        let made = self.make(of_nobody, (random()?, None), &about, &data);
        made.await?.ok_or_else(|| unreadable().into())
    }

    /// Nothing if all sessions of its user were revoked meanwhile, or if there is one of the id.
    async fn make(
        &self,
        (tag, mut still): (Tag, Still),
        (id, given): ([u8; 16], Option<(Token, Place)>),
        about: &About,
        data: &T,
    ) -> Result<Option<Session<T>>, SessionError> {
        let shape = &self.way.shape;
        let only = match given {
            Some(_) => If::NewOrOurs,
            None => If::Any,
        };
        let (token, place) = match given {
            Some(given) => given,
            None => self.way.ids.new_of(tag)?,
        };
        let mut stored = Stored::default();
        for (field, plain) in shape.plain(data, 256)?.iter() {
            stored.insert(field, shape.seal(&id, field, plain)?.into());
        }
        self.way.check_size((stored.len(), stored.size()))?;
        let sealed = shape.seal_whole(&id, about)?;
        let name = self.way.name_of(&place, id);
        if let (Some(name), Some(user)) = (&name, &about.user) {
            let noted = self.way.note((tag, &still), name, (user, self.way.many));
            if !noted.await? {
                return Ok(None);
            }
            still = Still::default();
        }
        let beginning = Beginning {
            place: &place,
            id,
            about,
            still,
            kept: None,
            only,
        };
        let made = self.way.create(&beginning, &sealed, Arc::new(stored));
        let Created::Done(record) = made.await? else {
            if let Some(name) = &name {
                self.way.unnote(tag, name).await?;
            }
            return Ok(None);
        };
        let shown = (token, place.digest);
        Session::new(self.way.clone(), place, shown, record).map(Some)
    }

    /// The session of a token; nothing if there is none (any more), whatever the text is. It lasts longer by that, written down to within a tenth of the idle time.
    /// One round trip, which concurrent loads share; one more where what this process [remembers](Builder::local) has changed since and had not the time before, and in the
    /// grace after a rotation.
    ///
    /// # Errors
    /// [`SessionError::Data`] if what is stored is not a `T`; [`SessionError::Redis`], unless an outage [means nobody](OnOutage::Anonymous).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn load(&self, token: &str) -> Result<Option<Session<T>>, SessionError> {
        let Some(mut place) = self.way.ids.read(token) else {
            return Ok(None);
        };
        let shown = (Token::shown(token), place.digest);
        let found = match self.way.load(&mut place).await {
            Err(error) if self.way.on_outage == OnOutage::Anonymous && is_outage(&error) => None,
            found => found?,
        };
        let session = found.map(|record| Session::new(self.way.clone(), place, shown, record));
        session.transpose()
    }

    /// Loads a session and changes its data: [`load`](Sessions::load) and [`Session::update`], two round trips or three. Nothing if there is none.
    ///
    /// # Errors
    /// As those.
    ///
    /// # Cancel safety
    /// A dropped call may still write.
    pub async fn update<R>(
        &self,
        token: &str,
        change: impl FnMut(&mut T) -> R,
    ) -> Result<Option<R>, SessionError> {
        match self.load(token).await? {
            Some(mut session) => session.update(change).await,
            None => Ok(None),
        }
    }

    /// Makes a session valid for the idle time from now on: [`Session::extend`] without loading it. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still extend it.
    pub async fn extend(&self, token: &str) -> Result<Written, SessionError> {
        self.extend_by(token, self.way.idle).await
    }

    /// The same for so long, within the absolute limit; never shorter than it is.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still extend it.
    pub async fn extend_by(&self, token: &str, by: Duration) -> Result<Written, SessionError> {
        let Some(mut place) = self.way.ids.read(token) else {
            return Ok(Written::Gone);
        };
        let till = self.way.extend(&mut place, by).await?;
        Ok(till.map_or(Written::Gone, |_| Written::Done))
    }

    /// Ends a session, as a logout does: no write that is under way brings it back. Whether it was there. One round trip.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still end it.
    pub async fn delete(&self, token: &str) -> Result<bool, SessionError> {
        match self.way.ids.read(token) {
            Some(mut place) => self.way.delete(&mut place, Because::Logout).await,
            None => Ok(false),
        }
    }

    /// The valid sessions of a user, the one that was used last first: 1,000 at most. Two round trips for each key in the [ring](Secrets).
    ///
    /// # Errors
    /// [`SessionError::Redis`]; [`SessionError::Data`] if something else stands where they are.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn list(&self, user: &str) -> Result<Vec<Listed>, SessionError> {
        let mut all = Vec::new();
        for tag in self.way.secrets.tags(user) {
            if self.way.ids.are_apart() {
                for (name, found) in self.way.named(tag).await? {
                    all.push(self.listed(&name.place(), found.till, &found.head)?);
                }
                continue;
            }
            let valid = self.way.valid(tag).await?;
            for chunk in valid.chunks(MOST_AT_ONCE) {
                let places: Vec<Place> = chunk.iter().map(|(place, _)| place.clone()).collect();
                let heads = self.way.look(&places).await?;
                for ((place, till), head) in chunk.iter().zip(heads) {
                    // It may have ended since.
                    if let Some(head) = head {
                        all.push(self.listed(place, *till, &Head::read(&head)?)?);
                    }
                }
            }
        }
        all.sort_by_key(|listed| std::cmp::Reverse(listed.last_seen));
        Ok(all)
    }

    fn listed(&self, place: &Place, till: u64, head: &Head) -> Result<Listed, SessionError> {
        let shape = &self.way.shape;
        Ok(Listed {
            id: SessionId(place.digest),
            device: shape.open_whole::<About>(&head.id, &head.about)?.device,
            created: time(head.created),
            last_seen: time(head.seen),
            expires: time(till),
        })
    }

    /// Ends one session of a user's list. Whether it was there. One round trip for each key in the ring.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still end it.
    pub async fn revoke(&self, user: &str, id: &SessionId) -> Result<bool, SessionError> {
        let mut was = false;
        for tag in self.way.secrets.tags(user) {
            if self.way.ids.are_apart() {
                was |= self.way.revoke_named(tag, id.0, user).await?;
                continue;
            }
            let digest = id.0;
            let mut place = Place { tag, digest };
            was |= self.way.delete(&mut place, Because::Revoked).await?;
        }
        Ok(was)
    }

    /// Ends all sessions of a user but this one, and all refresh tokens but those of its login; how many sessions. As [`revoke_all`](Sessions::revoke_all).
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still end them.
    pub async fn revoke_others(&self, session: &Session<T>) -> Result<usize, SessionError> {
        let stays = (&session.place, &session.record.head.id);
        match session.user() {
            Some(user) => self.end(user, Some(stays)).await,
            // It is the only one of its tag.
            None => Ok(0),
        }
    }

    /// Ends all sessions of a user and their refresh tokens at once; how many sessions. They are invalid when one script has run for each key in the ring, whatever is under way; their keys are removed
    /// behind that, or end by themselves.
    ///
    /// # Errors
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still end them.
    pub async fn revoke_all(&self, user: &str) -> Result<usize, SessionError> {
        self.end(user, None).await
    }

    async fn end(
        &self,
        user: &str,
        stays: Option<(&Place, &[u8; 16])>,
    ) -> Result<usize, SessionError> {
        let because = match stays {
            Some(_) => Because::RevokedOthers,
            None => Because::RevokedAll,
        };
        let (mut count, mut acks) = (0, Vec::new());
        for tag in self.way.secrets.tags(user) {
            if self.way.ids.are_apart() {
                let stays = stays.and_then(|(place, id)| self.way.name_of(place, *id));
                let why = (user, because);
                count += self.way.revoke_all_apart(tag, stays.as_ref(), why).await?;
                continue;
            }
            let stays = stays.filter(|(place, _)| place.tag == tag);
            let (ended, acked) = self.way.revoke_all(tag, stays).await?;
            acks.push(acked);
            count += ended.ended.len();
            self.way.tell_of(&ended, Some(user), because);
            self.way.clean(tag, &ended).await;
        }
        acks.into_iter().try_for_each(enough)?;
        Ok(count)
    }

    /// What happens to these sessions from now on, as far as this process does or sees it.
    pub fn events(&self) -> SessionEvents {
        self.way.events.listen()
    }
}

/// One `HELLO` and one `INFO` to each primary: degraded if one of them may evict sessions.
impl<T> Probe for Sessions<T> {
    fn subject(&self) -> String {
        format!("sessions {}", self.way.stem.as_str())
    }

    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(self.way.eviction.probe(deadline))
    }
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Sessions {
            way: self.way.clone(),
            data: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.way.stem.as_str())
    }
}
