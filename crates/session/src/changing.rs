//! Data that is being changed.

use std::sync::Arc;

use crate::change::Changes;
use crate::data::Data;
use crate::error::SessionError;
use crate::session::Session;
use crate::way::Committed;
use crate::write::Written;

/// A session whose data is changed and not written yet: unless it will be, its data becomes again what Redis held, also when the call is dropped.
pub(crate) struct Changing<'s, T: Data> {
    session: &'s mut Session<T>,
    is_written: bool,
}

impl<'s, T: Data> Changing<'s, T> {
    /// Changes the data; what that would write, and what the change returned.
    pub(crate) fn begin<R>(
        session: &'s mut Session<T>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<(Self, Changes, R), SessionError> {
        let changing = Changing {
            session,
            is_written: false,
        };
        let way = changing.session.way.clone();
        let size = changing.session.record.stored.size();
        let data = changing.session.data_mut()?;
        let before = way.shape.plain(data, size)?;
        let made = change(data);
        let after = way.shape.plain(data, size)?;
        let record = &changing.session.record;
        let of = (&way.shape, &record.head.id);
        let changes = Changes::between(&before, &after, &record.stored, of)?;
        Ok((changing, changes, made))
    }

    /// Writes; nothing if others were faster, and then their data is held.
    pub(crate) async fn commit(
        mut self,
        changes: Changes,
    ) -> Result<Option<Written>, SessionError> {
        let session = &mut *self.session;
        if changes.is_empty() {
            self.is_written = true;
            return Ok(Some(Written::Done));
        }
        let way = &session.way;
        way.check_size(changes.size_after(&session.record.stored))?;
        let told = way.commit(&mut session.place, &session.record, (&changes, None));
        match told.await? {
            None => Ok(Some(Written::Gone)),
            Some(Committed::Differs(record)) => {
                session.record = record;
                Ok(None)
            }
            Some(Committed::Done {
                version,
                was_known,
                etag,
                ..
            }) => {
                changes.apply(Arc::make_mut(&mut session.record.stored));
                session.wrote((version, was_known), etag);
                self.is_written = true;
                Ok(Some(Written::Done))
            }
        }
    }
}

impl<T: Data> Drop for Changing<'_, T> {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        // Redis held a `T` when it was loaded; what others have written since and is none is told by the next load.
        let _ = self.session.read_again();
    }
}
