//! Sessions that begin, and get other tokens.

use std::sync::Arc;

use russet_core::{Bytes, Error, FromReply as _, Key, Policy, Reply};

use crate::ending::Ended;
use crate::etag::Etag;
use crate::event::{Because, SessionEvent};
use crate::keys::{BEGIN, CLOSE, CREATE, LOGIN, Place, ROTATE, families, revoked};
use crate::listed::SessionId;
use crate::operations::Counted;
use crate::stored::Stored;
use crate::token::{Digest, Tag};
use crate::way::{MOVES, Way};
use crate::wire::{About, Found, Head, Record, millis, number, text, unreadable};

/// What a session begins with.
pub(crate) struct Beginning<'a> {
    pub(crate) place: &'a Place,
    /// Its internal number.
    pub(crate) id: [u8; 16],
    pub(crate) about: &'a About,
    pub(crate) still: Still,
    /// The times of the session that it goes on with.
    pub(crate) kept: Option<Kept>,
    /// What may be there.
    pub(crate) only: If,
}

/// What must still be so when a session is created.
#[derive(Clone, Debug, Default)]
pub(crate) struct Still {
    /// Its user's sessions have not all been revoked since.
    pub(crate) since: Option<u64>,
    /// This family of refresh tokens is valid, as its user's index names it.
    pub(crate) family: Bytes,
}

impl Still {
    pub(crate) fn since(since: Option<u64>) -> Self {
        Still {
            since,
            ..Still::default()
        }
    }

    /// As scripts read it.
    pub(crate) fn since_text(&self) -> Bytes {
        self.since
            .map_or_else(Bytes::new, |since| since.to_string().into())
    }
}

/// What may be there where a session is to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum If {
    /// Nobody else has the id.
    Any,
    /// Nothing, or what a call made of which the reply was lost.
    NewOrOurs,
    /// Nothing.
    #[cfg(feature = "tower-sessions")]
    New,
}

impl If {
    /// As `create.lua` reads it.
    fn text(self) -> Bytes {
        text(match self {
            If::Any => "",
            If::NewOrOurs => "n",
            #[cfg(feature = "tower-sessions")]
            If::New => "x",
        })
    }

    /// Whether a call may be made again of which the reply was lost.
    fn policy(self) -> Policy {
        match self {
            If::Any | If::NewOrOurs => Policy::Idempotent,
            #[cfg(feature = "tower-sessions")]
            If::New => Policy::AtMostOnce,
        }
    }
}

/// What a session keeps under another id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) created: u64,
    pub(crate) most: u64,
    pub(crate) writes: u64,
    pub(crate) till: u64,
}

impl Kept {
    /// As `create.lua` reads it: `<dddd`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "times and counts are below 2^53"
    )]
    fn bytes(self) -> Bytes {
        let Kept {
            created,
            most,
            writes,
            till,
        } = self;
        [created, most, writes, till]
            .map(|number| (number as f64).to_le_bytes())
            .concat()
            .into()
    }
}

/// What became of a session that was to be created.
pub(crate) enum Created {
    Done(Record),
    /// What must still be so is not.
    Revoked,
    /// There is one already.
    Taken,
}

impl Beginning<'_> {
    fn user(&self) -> Option<&str> {
        self.about.user.as_deref()
    }
}

/// What became of a login.
pub(crate) enum LoggedIn {
    Done(Record),
    /// All sessions of the user were revoked since it began.
    Revoked,
    Gone,
}

impl Way {
    /// Since when sessions of this tag must not be revoked, of a login that begins now.
    pub(crate) async fn begin(&self, tag: Tag) -> Result<u64, Error> {
        let login = (&self.operations.login, Policy::Idempotent);
        let keys = [revoked(&self.stem, tag)];
        let since: Bytes = self.ask(login, &BEGIN, &keys, Vec::new()).await?;
        number(&since)
    }

    /// Creates a session of what is sealed already, and removes what it was one too many for.
    pub(crate) async fn create(
        &self,
        beginning: &Beginning<'_>,
        about: &[u8],
        stored: Arc<Stored>,
    ) -> Result<Created, Error> {
        self.eviction.look();
        let Beginning { place, id, .. } = *beginning;
        let rest = Head::rest(id, about);
        let mut args: Vec<Bytes> = vec![
            text(place.digest.as_str()),
            millis(self.idle).to_string().into(),
            millis(self.absolute).to_string().into(),
            self.many.to_string().into(),
            beginning.still.since_text(),
            rest,
            beginning.kept.map_or_else(Bytes::new, Kept::bytes),
            beginning.only.text(),
            beginning.still.family.clone(),
            self.etags.unique(),
        ];
        let fields = stored.iter();
        args.extend(fields.flat_map(|(field, value)| [field.clone(), value.clone()]));
        let keys = [
            place.key(&self.stem),
            place.index(&self.stem),
            revoked(&self.stem, place.tag),
            families(&self.stem, place.tag),
            place.etag(&self.stem),
        ];
        let create = (&self.operations.create, beginning.only.policy());
        let told = match self.ask::<Reply>(create, &CREATE, &keys, args).await? {
            Reply::Int(0) => return Ok(Created::Revoked),
            Reply::Int(_) => return Ok(Created::Taken),
            told => Vec::<Reply>::from_reply(told)?,
        };
        let [head, till, over, ended, struck, etag] =
            <[Reply; 6]>::try_from(told).map_err(|_| unreadable())?;
        let head = Head::read(&Bytes::from_reply(head)?)?;
        let till = number(&Bytes::from_reply(till)?)?;
        let ended = Ended::read(over, ended, struck)?;
        self.tell_of(&ended, beginning.user(), Because::TooMany);
        let Ended { ended, struck, .. } = ended;
        self.retire(place.tag, &[ended, struck].concat()).await;
        if beginning.kept.is_none() {
            self.events.tell(|| SessionEvent::Created {
                user: beginning.user().map(str::to_owned),
                id: SessionId(place.digest),
            });
        }
        Ok(Created::Done(Record {
            head,
            till,
            stored,
            is_exact: true,
            etag: Etag::told(&Bytes::from_reply(etag)?),
            known: None,
        }))
    }

    /// Makes a session that of a user, under a new digest. Where one script cannot do it, because the two are in different slots of a cluster, it is closed first and
    /// created then.
    pub(crate) async fn login(
        &self,
        place: &mut Place,
        new: &Beginning<'_>,
        about: &[u8],
    ) -> Result<LoggedIn, Error> {
        let login = (&self.operations.login, Policy::Idempotent);
        if self.lane.is_cluster() {
            let beside = [families(&self.stem, place.tag), place.etag(&self.stem)];
            let close = (login.0, Policy::AtMostOnce);
            let Some(closed) = self.close(close, place, &beside).await? else {
                return Ok(LoggedIn::Gone);
            };
            let Created::Done(record) = self.create(new, about, closed.stored).await? else {
                return Ok(LoggedIn::Revoked);
            };
            let was = std::mem::replace(place, new.place.clone());
            self.tell_of_login(new, &was);
            return Ok(LoggedIn::Done(record));
        }
        let rest = Head::rest(new.id, about);
        for _ in 0..MOVES {
            let keys = [
                place.key(&self.stem),
                place.index(&self.stem),
                new.place.key(&self.stem),
                new.place.index(&self.stem),
                revoked(&self.stem, new.place.tag),
                families(&self.stem, place.tag),
                place.etag(&self.stem),
                new.place.etag(&self.stem),
            ];
            let args = vec![
                text(place.digest.as_str()),
                text(new.place.digest.as_str()),
                millis(self.idle).to_string().into(),
                millis(self.absolute).to_string().into(),
                self.many.to_string().into(),
                new.still.since_text(),
                rest.clone(),
                text(if new.kept.is_some() { "k" } else { "" }),
            ];
            match Found::read(self.ask(login, &LOGIN, &keys, args).await?)? {
                Found::Items(told) => return self.logged_in(place, new, told).await,
                Found::Session(_) | Found::Number(_) => return Err(unreadable()),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => break,
            }
        }
        Ok(LoggedIn::Gone)
    }

    /// Ends a session, and tells what it held.
    async fn close(
        &self,
        asked: (&Counted, Policy),
        place: &mut Place,
        beside: &[Key],
    ) -> Result<Option<Record>, Error> {
        for _ in 0..MOVES {
            let of_session = [place.key(&self.stem), place.index(&self.stem)];
            let keys = [&of_session, beside].concat();
            let args = vec![text(place.digest.as_str())];
            match Found::read(self.ask(asked, &CLOSE, &keys, args).await?)? {
                Found::Session(record) => return Ok(Some(record)),
                Found::Items(_) | Found::Number(_) => return Err(unreadable()),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => break,
            }
        }
        Ok(None)
    }

    async fn logged_in(
        &self,
        place: &mut Place,
        new: &Beginning<'_>,
        told: Vec<Reply>,
    ) -> Result<LoggedIn, Error> {
        let Ok([all, over, ended, struck, families]) = <[Reply; 5]>::try_from(told) else {
            return Ok(LoggedIn::Revoked);
        };
        let was = std::mem::replace(place, new.place.clone());
        let ended = Ended::read(over, ended, struck)?;
        self.tell_of(&ended, new.user(), Because::TooMany);
        let Ended { ended, struck, .. } = ended;
        self.retire(new.place.tag, &[ended, struck].concat()).await;
        let families = Ended::of_families(families)?;
        self.clean(was.tag, &families).await;
        self.tell_of_login(new, &was);
        let record = Record::read(&Bytes::from_reply(all)?)?;
        Ok(LoggedIn::Done(record))
    }

    fn tell_of_login(&self, new: &Beginning<'_>, was: &Place) {
        self.local.remove(&was.digest);
        let (id, was) = (SessionId(new.place.digest), SessionId(was.digest));
        self.events.tell(|| match (new.kept, new.user()) {
            (None, Some(user)) => SessionEvent::LoggedIn {
                user: user.to_owned(),
                id,
                was,
            },
            (_, user) => SessionEvent::Rotated {
                user: user.map(str::to_owned),
                id,
                was,
            },
        });
    }

    /// Gives it another digest. Nothing if it is gone, or has another one already: then its place is that.
    pub(crate) async fn rotate(
        &self,
        place: &mut Place,
        new: Digest,
        user: Option<&str>,
    ) -> Result<bool, Error> {
        let is = Place {
            tag: place.tag,
            digest: new,
        };
        let keys = [
            place.key(&self.stem),
            place.index(&self.stem),
            is.key(&self.stem),
            place.etag(&self.stem),
        ];
        let args = vec![
            text(place.digest.as_str()),
            text(is.digest.as_str()),
            millis(self.grace).to_string().into(),
        ];
        let rotate = (&self.operations.rotate, Policy::Idempotent);
        let reply = self.ask(rotate, &ROTATE, &keys, args).await?;
        match Found::read(reply)? {
            Found::Items(_) => {}
            Found::Session(_) | Found::Number(_) => return Err(unreadable()),
            // It was done before, and the reply was lost.
            Found::Moved(digest) if digest == is.digest => {}
            Found::Moved(digest) => {
                place.digest = digest;
                return Ok(false);
            }
            Found::Gone => return Ok(false),
        }
        let was = std::mem::replace(place, is);
        self.local.remove(&was.digest);
        self.events.tell(|| SessionEvent::Rotated {
            user: user.map(str::to_owned),
            id: SessionId(place.digest),
            was: SessionId(was.digest),
        });
        Ok(true)
    }
}
