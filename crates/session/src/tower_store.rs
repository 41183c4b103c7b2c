//! A store for tower-sessions.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use russet_core::{Bytes, Policy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error, Result};

use crate::error::SessionError;
use crate::event::Because;
use crate::ids::place_of;
use crate::keys::PUT;
use crate::making::{Beginning, Created, If, Kept, Still};
use crate::sessions::Sessions;
use crate::stored::Stored;
use crate::wire::{About, millis, text};

/// What tower-sessions keeps in a session: whatever JSON has, by name.
#[derive(Debug, Serialize, Deserialize)]
pub struct TowerData(HashMap<String, Value>);

/// A store for the crate [tower-sessions](tower_sessions_core): one round trip each, ids that Redis knows by their digest only, a save that revives no session that has ended. For a
/// service that has that crate already, and goes over to these sessions by and by.
///
/// That crate saves all of a session as it has it: of two requests that change it at once one loses, also where they change other keys. It knows no users, so that there is no list of a
/// user's sessions, and their lifetime is what its records say; the handle's own is not used.
#[derive(Clone)]
pub struct TowerStore(Sessions<TowerData>);

impl TowerStore {
    /// Over sessions of a name of their own.
    pub fn new(sessions: Sessions<TowerData>) -> Self {
        TowerStore(sessions)
    }

    /// Its data as Redis has it.
    fn stored(
        &self,
        number: &[u8; 16],
        data: &HashMap<String, Value>,
    ) -> std::result::Result<Stored, SessionError> {
        let (way, mut stored) = (&self.0.way, Stored::default());
        for (field, plain) in way.shape.plain(data, 256)?.iter() {
            stored.insert(field, way.shape.seal(number, field, plain)?.into());
        }
        way.check_size((stored.len(), stored.size()))?;
        Ok(stored)
    }
}

/// Until when a record is valid, in milliseconds since 1970.
fn till(record: &Record) -> u64 {
    let millis = record.expiry_date.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).unwrap_or_default()
}

fn failed(error: impl Into<SessionError>) -> Error {
    match error.into() {
        SessionError::Data(source) => Error::Decode(source.to_string()),
        error => Error::Backend(error.to_string()),
    }
}

#[async_trait]
impl SessionStore for TowerStore {
    /// An id that there is already is replaced by another one.
    async fn create(&self, record: &mut Record) -> Result<()> {
        let (way, now) = (&self.0.way, SystemTime::now());
        loop {
            let place = place_of(&record.id.to_string());
            // What is encrypted is bound to it, and a save knows nothing but the id.
            let number = place.tag.bytes();
            let stored = self.stored(&number, &record.data).map_err(failed)?;
            let about = About::default();
            let sealed = way.shape.seal_whole(&number, &about).map_err(failed)?;
            let beginning = Beginning {
                place: &place,
                id: number,
                about: &about,
                still: Still::default(),
                kept: Some(Kept {
                    created: since_1970(now),
                    most: till(record),
                    writes: 0,
                    till: till(record),
                }),
                only: If::New,
            };
            let made = way.create(&beginning, &sealed, Arc::new(stored)).await;
            match made.map_err(failed)? {
                Created::Done(_) => return Ok(()),
                Created::Taken | Created::Revoked => record.id = Id::default(),
            }
        }
    }

    /// Nothing of a session that has ended: it is not made anew, and no error.
    async fn save(&self, record: &Record) -> Result<()> {
        let (way, place) = (&self.0.way, place_of(&record.id.to_string()));
        let stored = self
            .stored(&place.tag.bytes(), &record.data)
            .map_err(failed)?;
        let lasts = till(record).saturating_sub(since_1970(SystemTime::now()));
        let mut args: Vec<Bytes> = vec![text(place.digest.as_str()), lasts.to_string().into()];
        let fields = stored.iter();
        args.extend(fields.flat_map(|(field, value)| [field.clone(), value.clone()]));
        let [index, etag] = place.beside(&way.stem);
        let keys = [place.key(&way.stem), index, etag];
        let write = (&way.operations.write, Policy::Idempotent);
        let told: u64 = way.ask(write, &PUT, &keys, args).await.map_err(failed)?;
        way.local.remove(&place.digest);
        if told == 0 {
            tracing::debug!(target: "russet::session", sessions = ?self.0, "a session has ended while it was used; what was to be saved is gone");
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let (way, mut place) = (&self.0.way, place_of(&id.to_string()));
        let Some(found) = way.look_at(&mut place).await.map_err(failed)? else {
            return Ok(None);
        };
        let data = way.shape.read::<TowerData>(&found.head.id, &found.stored);
        let nanos = i128::from(found.till) * 1_000_000;
        let date = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        Ok(Some(Record {
            id: *id,
            data: data.map_err(failed)?.0,
            expiry_date: date.map_err(|error| Error::Decode(error.to_string()))?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let mut place = place_of(&id.to_string());
        let ended = self.0.way.delete(&mut place, Because::Logout);
        ended.await.map(drop).map_err(failed)
    }
}

fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

impl fmt::Debug for TowerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TowerStore({:?})", self.0)
    }
}
