//! Sessions whose ids do not tell whose they are: each is in a slot of its own, and its user's index names it.

use std::time::Duration;

use futures_util::future::try_join_all;
use russet_core::{Acked, Bytes, Error, FromReply as _, Policy, Reply};

use crate::ending::{Ended, enough};
use crate::error::SessionError;
use crate::event::Because;
use crate::keys::{END_ID, LIST, NOTE, Place, REVOKE_ALL, UNNOTE, apart, etag, families, revoked};
use crate::making::Still;
use crate::token::{Digest, Tag};
use crate::way::Way;
use crate::wire::{Record, millis, number, text, unreadable};

/// So long after it was named a session is there or will not be, in milliseconds: an end that comes before leaves a mark for as long. A login is two commands, each within its
/// [deadline](MOST_DEADLINE).
const SETTLES: u64 = 60_000;
/// Beyond that a login could be forgotten before it is done.
pub(crate) const MOST_DEADLINE: Duration = Duration::from_secs(20);

/// What a user's index calls a session: where it is, and its internal number. Whoever has named one that was another's already has named nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) digest: Digest,
    pub(crate) id: [u8; 16],
}

impl Name {
    pub(crate) fn bytes(&self) -> Bytes {
        [self.digest.as_str().as_bytes(), &self.id].concat().into()
    }

    fn read(told: &Bytes) -> Result<Self, Error> {
        let (digest, id) = told.split_last_chunk().ok_or_else(unreadable)?;
        let digest = Digest::told(digest).ok_or_else(unreadable)?;
        Ok(Name { digest, id: *id })
    }

    fn all(told: Reply) -> Result<Vec<Self>, Error> {
        Vec::<Bytes>::from_reply(told)?
            .iter()
            .map(Name::read)
            .collect()
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            tag: self.digest.tag(),
            digest: self.digest,
        }
    }
}

impl Way {
    /// What a session is called in its user's index, if those are apart.
    pub(crate) fn name_of(&self, place: &Place, id: [u8; 16]) -> Option<Name> {
        let digest = place.digest;
        self.ids.are_apart().then_some(Name { digest, id })
    }

    /// Names a session in its user's index, and ends those that are more than so many. Whether it may be created: all may have been revoked meanwhile.
    ///
    /// Before it is created: one that is named and not there is found and forgotten, one that is there and not named would be found by nobody.
    pub(crate) async fn note(
        &self,
        (tag, still): (Tag, &Still),
        name: &Name,
        (user, many): (&str, u32),
    ) -> Result<bool, SessionError> {
        let keys = [apart(&self.stem, tag), revoked(&self.stem, tag)];
        let args = vec![
            name.bytes(),
            millis(self.absolute).to_string().into(),
            many.to_string().into(),
            still.since_text(),
        ];
        let create = (&self.operations.create, Policy::Idempotent);
        let told = match self.ask::<Reply>(create, &NOTE, &keys, args).await? {
            Reply::Int(0) => return Ok(false),
            Reply::Array(told) => told,
            _ => return Err(unreadable().into()),
        };
        self.end_struck(tag, told, (user, Because::TooMany)).await?;
        Ok(true)
    }

    /// What a user's index names, and whether each was named so long ago that it is there, if it ever will be.
    async fn names(&self, tag: Tag) -> Result<Vec<(Name, bool)>, Error> {
        let keys = [apart(&self.stem, tag)];
        let list = (&self.operations.list, Policy::Idempotent);
        let told: Vec<Bytes> = self.ask(list, &LIST, &keys, Vec::new()).await?;
        let (now, pairs) = told.split_first().ok_or_else(unreadable)?;
        let settled = number(now)?
            .saturating_add(millis(self.absolute))
            .saturating_sub(SETTLES);
        let names = pairs.as_chunks::<2>().0.iter();
        let names = names.map(|[name, till]| Ok((Name::read(name)?, number(till)? < settled)));
        names.collect()
    }

    /// The valid sessions that a user's index names. What is not there any more leaves it; not what may be about to be created, or nobody would find it.
    pub(crate) async fn named(&self, tag: Tag) -> Result<Vec<(Name, Record)>, Error> {
        let names = self.names(tag).await?;
        let looks = names.iter().map(|(name, _)| {
            let mut place = name.place();
            async move { self.look_at(&mut place).await }
        });
        let found = try_join_all(looks).await?;
        let mut all = Vec::new();
        for ((name, is_settled), found) in names.into_iter().zip(found) {
            match found.filter(|found| found.head.id == name.id) {
                Some(found) => all.push((name, found)),
                None if is_settled => self.unnote(tag, &name).await?,
                None => {}
            }
        }
        Ok(all)
    }

    /// Ends one that a user's index names, by its digest. Whether it was there.
    pub(crate) async fn revoke_named(
        &self,
        tag: Tag,
        digest: Digest,
        user: &str,
    ) -> Result<bool, SessionError> {
        let names = self.names(tag).await?;
        let Some((name, _)) = names.into_iter().find(|(name, _)| name.digest == digest) else {
            return Ok(false);
        };
        let (was, acked) = self.end_named(tag, name, (user, Because::Revoked)).await?;
        enough(acked)?;
        Ok(was)
    }

    /// Ends one and forgets its name. Whether it was there.
    async fn end_named(
        &self,
        tag: Tag,
        name: Name,
        (user, because): (&str, Because),
    ) -> Result<(bool, Option<Acked>), SessionError> {
        let (was, acked) = self.end_id(&name).await?;
        if was {
            let one = Ended {
                ended: vec![name.digest],
                ..Ended::default()
            };
            self.tell_of(&one, Some(user), because);
        }
        self.unnote(tag, &name).await?;
        Ok((was, acked))
    }

    /// Ends all sessions that a user's index names, but one. How many there were.
    pub(crate) async fn revoke_all_apart(
        &self,
        tag: Tag,
        stays: Option<&Name>,
        why: (&str, Because),
    ) -> Result<usize, SessionError> {
        let keys = [
            apart(&self.stem, tag),
            families(&self.stem, tag),
            revoked(&self.stem, tag),
            etag(&self.stem, tag),
        ];
        let stays = stays.map_or_else(Bytes::new, Name::bytes);
        let args = vec![stays, Bytes::new()];
        let asked = self.ending::<Vec<Reply>>(&REVOKE_ALL, &keys, args);
        let (told, acked) = asked.await?;
        let count = self.end_struck(tag, told, why).await?;
        enough(acked)?;
        Ok(count)
    }

    /// Ends what a script has struck from a user's index, wherever it is: the second and the third array of its answer. How many there were.
    async fn end_struck(
        &self,
        tag: Tag,
        told: Vec<Reply>,
        why: (&str, Because),
    ) -> Result<usize, SessionError> {
        let (mut count, mut acks) = (0, Vec::new());
        for names in told.into_iter().skip(1).take(2) {
            for name in Name::all(names)? {
                let (was, acked) = self.end_named(tag, name, why).await?;
                count += usize::from(was);
                acks.push(acked);
            }
        }
        acks.into_iter().try_for_each(enough)?;
        Ok(count)
    }

    /// Ends one, also before it is created. Whether it was there.
    pub(crate) async fn end_id(&self, name: &Name) -> Result<(bool, Option<Acked>), SessionError> {
        let place = name.place();
        let keys = [
            place.index(&self.stem),
            families(&self.stem, place.tag),
            place.key(&self.stem),
            place.etag(&self.stem),
        ];
        let args = vec![text(name.digest.as_str()), Bytes::copy_from_slice(&name.id)];
        let (told, acked) = self.ending::<Reply>(&END_ID, &keys, args).await?;
        self.local.remove(&name.digest);
        Ok((matches!(told, Reply::Array(_)), acked))
    }

    /// Takes one that is not there any more out of its user's index.
    pub(crate) async fn unnote(&self, tag: Tag, name: &Name) -> Result<(), Error> {
        let keys = [apart(&self.stem, tag)];
        let end = (&self.operations.end, Policy::Idempotent);
        let args = vec![name.bytes()];
        self.ask::<Reply>(end, &UNNOTE, &keys, args).await?;
        Ok(())
    }
}
