//! What is known of a user, and its end.

use std::time::SystemTime;

use futures_util::future::try_join_all;
use serde::Serialize;

use crate::data::Data;
use crate::device::Device;
use crate::ending::enough;
use crate::error::SessionError;
use crate::event::Because;
use crate::keys::Place;
use crate::listed::SessionId;
use crate::sessions::Sessions;
use crate::wire::{About, Record, time};

/// A session as who asks for their data is shown it. It serialises with times as text (RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exported<T> {
    /// What it is called.
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
    /// Its data.
    pub data: T,
}

impl<T: Data> Sessions<T> {
    /// All that sessions know of a user: each valid session with its data, the one that was used last first. It makes none of them last longer. Two round trips for each key in
    /// the [ring](crate::Secrets), and one for each 32 sessions.
    ///
    /// # Errors
    /// [`SessionError::Data`], [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn export_user(&self, user: &str) -> Result<Vec<Exported<T>>, SessionError> {
        let mut all = Vec::new();
        for tag in self.way.secrets.tags(user) {
            if self.way.ids.are_apart() {
                for (name, found) in self.way.named(tag).await? {
                    all.push(self.exported(&name.place(), &found)?);
                }
                continue;
            }
            let valid = self.way.valid(tag).await?;
            let looks = valid.into_iter().map(|(mut place, _)| async move {
                let found = self.way.look_at(&mut place).await?;
                found.map(|found| self.exported(&place, &found)).transpose()
            });
            all.extend(try_join_all(looks).await?.into_iter().flatten());
        }
        all.sort_by_key(|exported| std::cmp::Reverse(exported.last_seen));
        Ok(all)
    }

    fn exported(&self, place: &Place, record: &Record) -> Result<Exported<T>, SessionError> {
        let (head, shape) = (&record.head, &self.way.shape);
        Ok(Exported {
            id: SessionId(place.digest),
            device: shape.open_whole::<About>(&head.id, &head.about)?.device,
            created: time(head.created),
            last_seen: time(head.seen),
            expires: time(record.till),
            data: shape.read(&head.id, &record.stored)?,
        })
    }

    /// Ends all sessions and refresh tokens of a user as [`revoke_all`](Sessions::revoke_all) does, and removes all that is stored of them; how many sessions ended. What is left for
    /// up to an hour tells nothing of them: under keyed hashes of their name, when that was done, and digests of tokens that were replaced just before.
    ///
    /// # Errors
    /// [`SessionError::Redis`]: their sessions may have ended, and data of them may still be there; call it again. [`SessionError::NotReplicated`], when all is done.
    ///
    /// # Cancel safety
    /// A dropped call may have done part of it; call it again.
    pub async fn wipe_user(&self, user: &str) -> Result<usize, SessionError> {
        let (mut count, mut acks) = (0, Vec::new());
        for tag in self.way.secrets.tags(user) {
            if self.way.ids.are_apart() {
                let why = (user, Because::Wiped);
                count += self.way.revoke_all_apart(tag, None, why).await?;
                continue;
            }
            let (ended, acked) = self.way.revoke_all(tag, None).await?;
            acks.push(acked);
            self.way.tell_of(&ended, Some(user), Because::Wiped);
            count += ended.ended.len();
            self.way.remove(tag, &ended).await?;
        }
        acks.into_iter().try_for_each(enough)?;
        Ok(count)
    }
}
