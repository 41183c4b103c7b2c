//! Writing single fields.

use std::sync::Arc;

use serde::Serialize;

use crate::change::Changes;
use crate::counter;
use crate::data::Data;
use crate::error::SessionError;
use crate::session::Session;
use crate::way::Committed;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session that is gone has not been written"]
#[non_exhaustive]
pub enum Written {
    /// It was written.
    Done,
    /// There is no such session any more; it was not written, and not made anew.
    Gone,
    /// Others have written it since the [version](Write::expect_version) that was expected; it was not written. The session holds now what they wrote.
    Stale,
}

impl Written {
    /// Whether it was written.
    pub fn is_done(self) -> bool {
        self == Written::Done
    }
}

/// Fields that are about to be written, in one script and one round trip: [`Session::write`]. They are written whatever others have written to them, unless a
/// version is expected.
#[derive(Debug)]
#[must_use = "nothing is written until `send`"]
pub struct Write<'s, T> {
    session: &'s mut Session<T>,
    changes: Changes,
    expected: Option<u64>,
    refused: Option<SessionError>,
}

impl<'s, T: Data> Write<'s, T> {
    pub(crate) fn new(session: &'s mut Session<T>) -> Self {
        Write {
            session,
            changes: Changes::default(),
            expected: None,
            refused: None,
        }
    }

    /// Sets a field, as it is named where the data is serialised.
    pub fn set<V: Serialize + ?Sized>(mut self, field: &str, value: &V) -> Self {
        let shape = &self.session.way.shape;
        let mut plain = Vec::new();
        let sealed = shape
            .plain_field(field, value, &mut plain)
            .map_err(SessionError::data)
            .and_then(|()| shape.seal(&self.session.record.head.id, field, &plain));
        match sealed {
            Ok(sealed) => self.changes.set(field, Some(sealed)),
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// Removes a field.
    pub fn remove(mut self, field: &str) -> Self {
        if field.is_empty() {
            self.refused = Some(SessionError::data("a field of a session has a name"));
        }
        self.changes.set(field, None);
        self
    }

    /// Adds to a field that is a [counter](crate::Builder::counters), from 0 if it is not there. A step to what its type does not hold is refused, as one below 0 for a `u64`, and one beyond
    /// what an `i64` holds for any.
    pub fn increment(mut self, field: &str, by: i64) -> Self {
        if !self.session.way.shape.is_counter(field) {
            self.refused = Some(SessionError::data(format!(
                "the field `{field}` is no counter; name it in the builder's `counters`"
            )));
        }
        match self.changes.add(field, by) {
            Ok(()) => {}
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// Writes only if nobody else has since the session was of this [version](Session::version).
    pub fn expect_version(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    /// Writes, and makes the session's data what it is then, as far as this handle knows what others wrote.
    ///
    /// # Errors
    /// [`SessionError::Data`] if the data would not be a `T` any more, or is refused above; [`SessionError::TooLarge`]: nothing was sent then.
    /// [`SessionError::Redis`].
    ///
    /// # Cancel safety
    /// A dropped call may still write.
    pub async fn send(self) -> Result<Written, SessionError> {
        let Write {
            session,
            mut changes,
            expected,
            refused,
        } = self;
        if let Some(refused) = refused {
            return Err(refused);
        }
        if let Some(field) = changes.twice() {
            return Err(SessionError::data(format!(
                "the field `{field}` is set and counted in one write; make it two"
            )));
        }
        let mut stored = session.record.stored.clone();
        changes.apply(Arc::make_mut(&mut stored));
        session.way.check_size((stored.len(), stored.size()))?;
        let (id, way) = (session.record.head.id, session.way.clone());
        counter::bound::<T>(&mut changes.adds, (&way.shape, &id), &stored)?;
        let told = way.commit(&mut session.place, &session.record, (&changes, expected));
        match told.await? {
            None => Ok(Written::Gone),
            Some(Committed::Differs(record)) => {
                let is_stale =
                    expected.is_some_and(|expected| expected != record.head.version.writes());
                session.hold(record)?;
                match is_stale {
                    true => Ok(Written::Stale),
                    false => Err(counter::beyond(&changes.adds)),
                }
            }
            Some(Committed::Done {
                version,
                was_known,
                etag,
                sums,
            }) => {
                for (add, sum) in changes.adds.iter().zip(sums) {
                    Arc::make_mut(&mut stored).insert(&add.field, sum);
                }
                session.record.stored = stored;
                session.read_again()?;
                session.wrote((version, was_known), etag);
                Ok(Written::Done)
            }
        }
    }
}
