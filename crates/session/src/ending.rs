//! Sessions that end.

use std::time::Instant;

use russet_core::{Ack, Acked, Bytes, Error, FromReply, Key, Policy, Reply, Script};

use crate::error::SessionError;
use crate::event::{Because, SessionEvent};
use crate::keys::{
    END_FAMILY, Place, REMOVE, REVOKE, REVOKE_ALL, etag, families, family, index, revoked,
};
use crate::listed::SessionId;
use crate::token::{Digest, Tag};
use crate::way::{MOST_AT_ONCE, MOVES, Way};
use crate::wire::{About, Head, text, unreadable};

/// What is not valid any more, of one user.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Sessions that ended by themselves.
    pub(crate) over: Vec<Digest>,
    /// Sessions that were ended now.
    pub(crate) ended: Vec<Digest>,
    /// Sessions that had been ended before, and whose keys are still there.
    pub(crate) struck: Vec<Digest>,
    /// Families of refresh tokens that were ended, as the index calls them.
    pub(crate) families: Vec<Bytes>,
}

impl Ended {
    /// As scripts answer it.
    pub(crate) fn read(over: Reply, ended: Reply, struck: Reply) -> Result<Self, Error> {
        Ok(Ended {
            over: digests(over)?,
            ended: digests(ended)?,
            struck: digests(struck)?,
            families: Vec::new(),
        })
    }

    pub(crate) fn of_families(families: Reply) -> Result<Self, Error> {
        Ok(Ended {
            families: Vec::from_reply(families)?,
            ..Ended::default()
        })
    }
}

pub(crate) fn digests(told: Reply) -> Result<Vec<Digest>, Error> {
    let told = Vec::<Bytes>::from_reply(told)?;
    let digest = |told: &Bytes| Digest::told(told).ok_or_else(unreadable);
    told.iter().map(digest).collect()
}

impl Way {
    /// Ends a session, wherever it is now. Whether there was one.
    pub(crate) async fn delete(
        &self,
        place: &mut Place,
        because: Because,
    ) -> Result<bool, SessionError> {
        for _ in 0..MOVES {
            self.local.remove(&place.digest);
            let of_user = [
                index(&self.stem, place.tag),
                families(&self.stem, place.tag),
                place.etag(&self.stem),
            ];
            let keys: Vec<Key> = of_user.into_iter().chain([place.key(&self.stem)]).collect();
            let args = vec![text(place.digest.as_str())];
            let (told, acked) = self.ending::<Vec<Reply>>(&REVOKE, &keys, args).await?;
            let [families, told] = <[Reply; 2]>::try_from(told).map_err(|_| unreadable())?;
            match told {
                Reply::Bytes(digest) => {
                    place.digest = Digest::told(&digest).ok_or_else(unreadable)?;
                }
                told => {
                    let head = match told {
                        Reply::Array(mut head) => head.pop(),
                        _ => None,
                    };
                    if let Some(head) = &head {
                        self.tell_of_one(head, &place.digest, because);
                    }
                    self.clean(place.tag, &Ended::of_families(families)?).await;
                    enough(acked)?;
                    return Ok(head.is_some());
                }
            }
        }
        Ok(false)
    }

    /// Ends all sessions of a tag but one, and their refresh tokens.
    pub(crate) async fn revoke_all(
        &self,
        tag: Tag,
        stays: Option<(&Place, &[u8; 16])>,
    ) -> Result<(Ended, Option<Acked>), SessionError> {
        let keys = [
            index(&self.stem, tag),
            families(&self.stem, tag),
            revoked(&self.stem, tag),
            etag(&self.stem, tag),
        ];
        let args = match stays {
            Some((place, id)) => [text(place.digest.as_str()), Bytes::copy_from_slice(id)],
            None => [Bytes::new(), Bytes::new()],
        };
        let asked = self.ending::<Vec<Reply>>(&REVOKE_ALL, &keys, args.into());
        let (told, acked) = asked.await?;
        let [over, ended, struck, families, struck_families] =
            <[Reply; 5]>::try_from(told).map_err(|_| unreadable())?;
        let mut all = Ended::read(over, ended, struck)?;
        all.families = Vec::from_reply(families)?;
        all.families
            .extend(Vec::<Bytes>::from_reply(struck_families)?);
        Ok((all, acked))
    }

    /// Ends a family of refresh tokens. Whether it was valid.
    pub(crate) async fn end_family(&self, tag: Tag, number: String) -> Result<bool, SessionError> {
        let keys = [family(&self.stem, tag, &number), families(&self.stem, tag)];
        let (told, acked) = self
            .ending::<u64>(&END_FAMILY, &keys, vec![number.into()])
            .await?;
        enough(acked)?;
        Ok(told == 1)
    }

    /// Removes what is not valid any more; what cannot be removed now is by the next one who comes, or ends by itself.
    pub(crate) async fn clean(&self, tag: Tag, ended: &Ended) {
        if let Err(error) = self.remove(tag, ended).await {
            told_later(&error);
        }
    }

    /// The same for sessions that were too many: their refresh tokens end with them, but for those of logins that still have a session.
    pub(crate) async fn retire(&self, tag: Tag, ended: &[Digest]) {
        if let Err(error) = self.retired(tag, ended).await {
            told_later(&error);
        }
    }

    /// The same, and an error if it cannot.
    pub(crate) async fn retired(&self, tag: Tag, ended: &[Digest]) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let valid: Vec<Place> = self
            .valid(tag)
            .await?
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        let mut stays = Vec::new();
        for chunk in valid.chunks(MOST_AT_ONCE) {
            let heads = self.look(chunk).await?;
            let heads = heads.iter().flatten().map(Head::read);
            stays.extend(heads.filter_map(|head| Some(Bytes::copy_from_slice(&head.ok()?.id))));
        }
        for chunk in ended.chunks(MOST_AT_ONCE) {
            self.revoke(tag, chunk, &stays).await?;
        }
        Ok(())
    }

    /// Removes what is not valid any more, or says why it cannot. How many keys.
    pub(crate) async fn remove(&self, tag: Tag, ended: &Ended) -> Result<usize, Error> {
        let (mut count, end) = (0, (&self.operations.end, Policy::Idempotent));
        let sessions: Vec<&Digest> = ended.ended.iter().chain(&ended.struck).collect();
        for digest in &sessions {
            self.local.remove(digest);
        }
        for chunk in sessions.chunks(MOST_AT_ONCE) {
            let keys = chunk.iter().map(|digest| self.key(tag, digest));
            let keys: Vec<Key> = [index(&self.stem, tag)].into_iter().chain(keys).collect();
            let args = chunk.iter().map(|digest| text(digest.as_str())).collect();
            count += self.ask::<usize>(end, &REMOVE, &keys, args).await?;
        }
        for chunk in ended.families.chunks(MOST_AT_ONCE) {
            let number = |member: &Bytes| {
                let number = member.get(..22).unwrap_or_default();
                family(&self.stem, tag, &String::from_utf8_lossy(number))
            };
            let keys = [families(&self.stem, tag)];
            let keys: Vec<Key> = keys.into_iter().chain(chunk.iter().map(number)).collect();
            count += self
                .ask::<usize>(end, &REMOVE, &keys, chunk.to_vec())
                .await?;
        }
        Ok(count)
    }

    /// Ends sessions, and their refresh tokens but for those of some logins. How many were valid.
    pub(crate) async fn revoke(
        &self,
        tag: Tag,
        digests: &[Digest],
        stays: &[Bytes],
    ) -> Result<usize, Error> {
        for digest in digests {
            self.local.remove(digest);
        }
        let of_user = [
            index(&self.stem, tag),
            families(&self.stem, tag),
            etag(&self.stem, tag),
        ];
        let keys = digests.iter().map(|digest| self.key(tag, digest));
        let keys: Vec<Key> = of_user.into_iter().chain(keys).collect();
        let args = digests.iter().map(|digest| text(digest.as_str()));
        let args = args.chain(stays.iter().cloned()).collect();
        let end = (&self.operations.end, Policy::Idempotent);
        let mut told: Vec<Reply> = self.ask(end, &REVOKE, &keys, args).await?;
        let was = |told: &&Reply| matches!(told, Reply::Array(_));
        let count = told.iter().skip(1).filter(was).count();
        if !told.is_empty() {
            let families = Ended::of_families(told.swap_remove(0))?;
            self.remove(tag, &families).await?;
        }
        Ok(count)
    }

    fn key(&self, tag: Tag, digest: &Digest) -> Key {
        let digest = *digest;
        Place { tag, digest }.key(&self.stem)
    }

    /// Runs a script that ends something: where others must know of it, on a connection of its own.
    pub(crate) async fn ending<T: FromReply>(
        &self,
        script: &'static Script,
        keys: &[Key],
        args: Vec<Bytes>,
    ) -> Result<(T, Option<Acked>), Error> {
        let end = &self.operations.end;
        if self.ack == Ack::Primary {
            let told = self
                .ask((end, Policy::Idempotent), script, keys, args)
                .await?;
            return Ok((told, None));
        }
        let (began, within) = (Instant::now(), self.lane.deadline_of_each());
        let asked = self
            .acks
            .script::<Reply>((self.ack, within), script, keys, args, |_| true);
        let (reply, acked) = Box::pin(asked).await.map_or_else(
            |error| (Err(error), None),
            |(reply, acked)| (Ok(reply), acked),
        );
        let reply = self.seen(end, began, reply)?;
        Ok((T::from_reply(reply)?, acked))
    }

    pub(crate) fn tell_of(&self, ended: &Ended, user: Option<&str>, because: Because) {
        for digest in &ended.over {
            self.events.tell(|| SessionEvent::Expired {
                user: user.map(str::to_owned),
                id: SessionId(*digest),
            });
        }
        for digest in &ended.ended {
            self.events.tell(|| SessionEvent::Revoked {
                user: user.map(str::to_owned),
                id: SessionId(*digest),
                because,
            });
        }
    }

    /// Of one of which only its first field tells whose it was.
    fn tell_of_one(&self, head: &Reply, digest: &Digest, because: Because) {
        self.events.tell(|| SessionEvent::Revoked {
            user: self.user_of(head),
            id: SessionId(*digest),
            because,
        });
    }

    fn user_of(&self, head: &Reply) -> Option<String> {
        let Reply::Bytes(head) = head else {
            return None;
        };
        let head = Head::read(head).ok()?;
        self.shape
            .open_whole::<About>(&head.id, &head.about)
            .ok()?
            .user
    }
}

fn told_later(error: &Error) {
    tracing::debug!(target: "russet::session", %error, "what is left of sessions that have ended could not be removed yet");
}

/// Whether as many know of it as must.
pub(crate) fn enough(acked: Option<Acked>) -> Result<(), SessionError> {
    match acked {
        Some(acked) if !acked.is_enough() => Err(SessionError::NotReplicated {
            by: acked.by,
            wanted: acked.wanted,
        }),
        _ => Ok(()),
    }
}
