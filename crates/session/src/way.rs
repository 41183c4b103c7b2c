//! The way to Redis that a handle and its sessions share.

use std::time::Duration;

use russet_core::{
    Bytes, Error, FromReply as _, IntoArg, Key, Lane, Policy, Reply, Script, ScriptCalls, Stem,
};

use crate::change::Changes;
use crate::error::SessionError;
use crate::fields::{Shape, Stored};
use crate::keys::{
    CLOSE, COMMIT, CREATE, EXTEND, LOGIN, LOOK, Place, REVOKE, ROTATE, families, index,
};
use crate::outage::OnOutage;
use crate::secrets::Secrets;
use crate::token::{Digest, Tag};
use crate::wire::{Found, Head, Record, millis, number, numbers, unreadable};

/// So many fields a session has at most: what a script writes at once.
pub(crate) const MOST_FIELDS: usize = 1_000;
/// So many sessions a script ends or looks at, at most.
pub(crate) const MOST_AT_ONCE: usize = 500;
/// How often a session that has another token is looked for under that one.
const MOVES: usize = 4;

pub(crate) struct Way {
    pub(crate) lane: Lane,
    pub(crate) stem: Stem,
    pub(crate) loads: ScriptCalls,
    pub(crate) shape: Shape,
    pub(crate) secrets: Secrets,
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) grace: Duration,
    /// How long refresh tokens are valid, unused and at most.
    pub(crate) refresh_idle: Duration,
    pub(crate) refresh_absolute: Duration,
    /// How many sessions a user may have.
    pub(crate) many: u32,
    pub(crate) max_size: usize,
    pub(crate) on_outage: OnOutage,
}

/// What became of a write.
pub(crate) enum Committed {
    /// How often the session was written since, and what incremented fields hold.
    Done(u64, Vec<Bytes>),
    /// It is not as it must be, but so.
    Differs(Record),
}

impl Way {
    /// A session, wherever it is now: its place is set to that.
    pub(crate) async fn load(&self, place: &mut Place) -> Result<Option<Record>, Error> {
        for _ in 0..MOVES {
            let (key, index) = (place.key(&self.stem), place.index(&self.stem));
            let digest = [place.digest.as_str()];
            let reply = self.loads.call_beside(key, index, digest).await?;
            match Found::read(reply, Record::read)? {
                Found::Session(record) => return Ok(Some(record)),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Creates a session of what is sealed already, and removes what it was one too many for.
    pub(crate) async fn create(
        &self,
        place: &Place,
        id: [u8; 16],
        about: &[u8],
        stored: Stored,
    ) -> Result<Record, Error> {
        let rest = Head::rest(id, about);
        let mut args: Vec<Bytes> = vec![
            Bytes::copy_from_slice(place.digest.as_str().as_bytes()),
            millis(self.idle).to_string().into(),
            millis(self.absolute).to_string().into(),
            self.many.to_string().into(),
            rest.clone(),
        ];
        let fields = stored.iter();
        args.extend(fields.flat_map(|(field, value)| [field.clone(), value.clone()]));
        let keys = [place.key(&self.stem), place.index(&self.stem)];
        let asked = self
            .lane
            .script::<Vec<Bytes>>(&CREATE, &keys, args, Policy::Idempotent);
        let told = Box::pin(asked).await?;
        let [now, till, most, ended @ ..] = &told[..] else {
            return Err(unreadable());
        };
        self.clean(place.tag, ended).await;
        let head = Head {
            created: number(now)?,
            seen: number(now)?,
            most: number(most)?,
            writes: 0,
            id,
            about: rest.slice(16..),
        };
        let till = number(till)?;
        Ok(Record { head, till, stored })
    }

    /// Makes a session that of a user, under a new digest; nothing if it is gone. Where one script cannot do it, because the two are in different slots of a
    /// cluster, it is closed first and created then.
    pub(crate) async fn login(
        &self,
        place: &mut Place,
        new: Place,
        id: [u8; 16],
        about: &[u8],
    ) -> Result<Option<Record>, Error> {
        if self.lane.is_cluster() {
            let none: [&str; 0] = [];
            let beside = [families(&self.stem, place.tag)];
            let closed = self.on_beside(&CLOSE, place, &beside, none, Policy::AtMostOnce);
            let closed = closed.await?;
            let Some(closed) = closed.map(Record::read).transpose()? else {
                return Ok(None);
            };
            let record = self.create(&new, id, about, closed.stored).await?;
            *place = new;
            return Ok(Some(record));
        }
        let rest = Head::rest(id, about);
        for _ in 0..MOVES {
            let keys = [
                place.key(&self.stem),
                place.index(&self.stem),
                new.key(&self.stem),
                new.index(&self.stem),
                families(&self.stem, place.tag),
            ];
            let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
            let args = [
                text(place.digest.as_str()),
                text(new.digest.as_str()),
                millis(self.idle).to_string().into(),
                millis(self.absolute).to_string().into(),
                self.many.to_string().into(),
                rest.clone(),
            ];
            let asked = self
                .lane
                .script::<Reply>(&LOGIN, &keys, args, Policy::Idempotent);
            match Found::read(Box::pin(asked).await?, Ok)? {
                Found::Session(told) => {
                    let mut told = told.into_iter().map(Vec::<Reply>::from_reply);
                    let all = told.next().ok_or_else(unreadable)??;
                    let ended = told.next().ok_or_else(unreadable)??;
                    let ended: Result<Vec<_>, _> =
                        ended.into_iter().map(Bytes::from_reply).collect();
                    self.clean(new.tag, &ended?).await;
                    *place = new;
                    return Record::read(all).map(Some);
                }
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Removes what is not valid any more; what cannot be removed now ends by itself.
    pub(crate) async fn clean(&self, tag: Tag, ended: &[Bytes]) {
        let places: Vec<Place> = ended
            .iter()
            .filter_map(|digest| Digest::told(digest))
            .map(|digest| Place { tag, digest })
            .collect();
        for chunk in places.chunks(MOST_AT_ONCE) {
            if let Err(error) = self.revoke(tag, chunk).await {
                tracing::debug!(target: "russet::session", %error, "sessions that have ended could not be removed yet; they end by themselves");
                return;
            }
        }
    }

    /// Writes changes; nothing if the session is gone.
    pub(crate) async fn commit(
        &self,
        place: &mut Place,
        writes: Option<u64>,
        changes: &Changes,
    ) -> Result<Option<Committed>, Error> {
        let writes = writes.map_or_else(String::new, |writes| writes.to_string());
        let args: Vec<Bytes> = std::iter::once(writes.into())
            .chain(changes.args())
            .collect();
        // Twice would be once too often, where it increments; and what it checks is its own the second time.
        let items = self.on(&COMMIT, place, args, Policy::AtMostOnce).await?;
        items.map(committed).transpose()
    }

    /// Until when it is valid then; nothing if it is gone.
    pub(crate) async fn extend(
        &self,
        place: &mut Place,
        by: Duration,
    ) -> Result<Option<u64>, Error> {
        let items = self
            .on(&EXTEND, place, [millis(by)], Policy::Idempotent)
            .await?;
        items.map(one_number).transpose()
    }

    /// Gives it another digest. Nothing if it is gone, or has another one already: then its place is that.
    pub(crate) async fn rotate(&self, place: &mut Place, new: Digest) -> Result<bool, Error> {
        let is = Place {
            tag: place.tag,
            digest: new,
        };
        let keys = [
            place.key(&self.stem),
            place.index(&self.stem),
            is.key(&self.stem),
        ];
        let grace = millis(self.grace).to_string();
        let args = [place.digest.as_str(), is.digest.as_str(), &grace];
        let asked = self
            .lane
            .script::<Reply>(&ROTATE, &keys, args, Policy::Idempotent);
        let done = match Found::read(Box::pin(asked).await?, one_number)? {
            Found::Session(_) => true,
            // It was done before, and the reply was lost.
            Found::Moved(digest) if digest == is.digest => true,
            Found::Moved(digest) => {
                place.digest = digest;
                return Ok(false);
            }
            Found::Gone => return Ok(false),
        };
        *place = is;
        Ok(done)
    }

    /// Ends a session, wherever it is now. Whether there was one.
    pub(crate) async fn delete(&self, place: &mut Place) -> Result<bool, Error> {
        let mut was = false;
        for _ in 0..MOVES {
            match self
                .revoke(place.tag, std::slice::from_ref(place))
                .await?
                .pop()
            {
                Some(Reply::Bytes(digest)) => {
                    place.digest = Digest::told(&digest).ok_or_else(unreadable)?;
                }
                told => {
                    was |= told == Some(Reply::Int(1));
                    break;
                }
            }
        }
        Ok(was)
    }

    /// Ends sessions of one user; what `revoke.lua` answers of each.
    pub(crate) async fn revoke(&self, tag: Tag, places: &[Place]) -> Result<Vec<Reply>, Error> {
        let of_user = [index(&self.stem, tag), families(&self.stem, tag)];
        let keys: Vec<Key> = of_user
            .into_iter()
            .chain(places.iter().map(|place| place.key(&self.stem)))
            .collect();
        let digests = places.iter().map(|place| place.digest.as_str());
        let asked = self
            .lane
            .script::<Vec<Reply>>(&REVOKE, &keys, digests, Policy::Idempotent);
        Box::pin(asked).await
    }

    /// What describes sessions of one user, where they are.
    pub(crate) async fn look(&self, places: &[Place]) -> Result<Vec<Option<Bytes>>, Error> {
        let keys: Vec<_> = places.iter().map(|place| place.key(&self.stem)).collect();
        let none: [&str; 0] = [];
        let asked = self.lane.script(&LOOK, &keys, none, Policy::Idempotent);
        Box::pin(asked).await
    }

    /// Asks a script of one session, wherever it is now; what it answers where it is there.
    async fn on<A: IntoArg + Clone>(
        &self,
        script: &'static Script,
        place: &mut Place,
        args: impl IntoIterator<Item = A> + Clone,
        policy: Policy,
    ) -> Result<Option<Vec<Reply>>, Error> {
        self.on_beside(script, place, &[], args, policy).await
    }

    /// The same for a script that touches other keys beside it.
    pub(crate) async fn on_beside<A: IntoArg + Clone>(
        &self,
        script: &'static Script,
        place: &mut Place,
        beside: &[Key],
        args: impl IntoIterator<Item = A> + Clone,
        policy: Policy,
    ) -> Result<Option<Vec<Reply>>, Error> {
        for _ in 0..MOVES {
            let of_session = [place.key(&self.stem), place.index(&self.stem)];
            let keys = of_session.iter().chain(beside);
            let own = args.clone().into_iter().map(IntoArg::into_arg);
            let digest = Bytes::copy_from_slice(place.digest.as_str().as_bytes());
            let args: Vec<Bytes> = std::iter::once(digest).chain(own).collect();
            let asked = self.lane.script::<Reply>(script, keys, args, policy);
            match Found::read(Box::pin(asked).await?, Ok)? {
                Found::Session(items) => return Ok(Some(items)),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Whether data fits into a session.
    pub(crate) fn check_size(&self, stored: &Stored) -> Result<(), SessionError> {
        let size = stored
            .iter()
            .map(|(field, value)| field.len() + value.len())
            .sum();
        if stored.len() > MOST_FIELDS {
            return Err(SessionError::data(format!(
                "{} fields; a session has {MOST_FIELDS} at most",
                stored.len()
            )));
        }
        match size <= self.max_size {
            true => Ok(()),
            false => Err(SessionError::TooLarge {
                size,
                most: self.max_size,
            }),
        }
    }
}

fn committed(mut items: Vec<Reply>) -> Result<Committed, Error> {
    if let [Reply::Array(_)] = &items[..]
        && let Some(Reply::Array(all)) = items.pop()
    {
        return Ok(Committed::Differs(Record::read(all)?));
    }
    let mut items = items.into_iter().map(Bytes::from_reply);
    let writes = number(&items.next().ok_or_else(unreadable)??)?;
    Ok(Committed::Done(writes, items.collect::<Result<_, _>>()?))
}

fn one_number(items: Vec<Reply>) -> Result<u64, Error> {
    numbers(items)?.first().copied().ok_or_else(unreadable)
}
