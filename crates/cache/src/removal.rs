//! Removing and invalidating.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use russet_codec::Payload;
use russet_core::{Bytes, Command, Error, ErrorKind, FromReply as _, Key, Policy};

use crate::pending::{Change, Queued};
use crate::remove::{Invalidated, Removed};
use crate::stats::one_more;
use crate::store::{PIPELINE, Store};

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    pub(crate) async fn remove(self: &Arc<Self>, key: &Key) -> Result<Removed, Error> {
        self.removed(key, self.leases.remove(key)).await
    }

    /// What becomes of a removal. While Redis is away it is queued as one.
    pub(crate) async fn removed(
        self: &Arc<Self>,
        key: &Key,
        removing: impl Future<Output = Result<bool, Error>>,
    ) -> Result<Removed, Error> {
        let began = Instant::now();
        self.flights.close(key);
        let reply = removing.await;
        // Again: a flight that began meanwhile may have read the value that is gone now.
        self.flights.close(key);
        let removed = match reply {
            Ok(true) => Ok(Removed::Removed),
            Ok(false) => Ok(Removed::Absent),
            Err(error) if self.options.on_outage.hides(&error) => self
                .queue([Change::Key(key.clone())], error)
                .map(|()| Removed::Queued),
            Err(error) => Err(error),
        };
        self.changed(key);
        let (count, name) = match removed {
            Ok(Removed::Queued) => (&self.counts.queued, "queued"),
            Ok(Removed::Absent) => (&self.counts.removed, "absent"),
            Ok(Removed::Removed) => (&self.counts.removed, "removed"),
            Err(_) => (&self.counts.errors, "error"),
        };
        if !matches!(removed, Ok(Removed::Absent)) {
            one_more(count);
        }
        self.operations.remove.record(name, began.elapsed());
        removed
    }

    /// Invalidates tags.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        tags: Vec<String>,
    ) -> Result<Invalidated, Error> {
        let Some(control) = &self.control else {
            return Err(self.is_bare());
        };
        let began = Instant::now();
        let reply = control.invalidate(&tags).await;
        if let Ok(clocks) = &reply {
            self.tags_changed(clocks, &tags);
        }
        let reply = reply.map(drop);
        let changes = tags.into_iter().map(Change::Tag);
        self.invalidated(reply, changes, began)
    }

    /// Tells the local tier of tags that were invalidated, at this clock of each shard.
    fn tags_changed(&self, clocks: &[(u16, u64)], tags: &[String]) {
        if let Some(local) = &self.local {
            for (shard, clock) in clocks {
                local.tags_changed(*shard, *clock, tags.iter().map(String::as_str));
            }
        }
    }

    /// Invalidates everything.
    pub(crate) async fn clear(self: &Arc<Self>) -> Result<Invalidated, Error> {
        let Some(control) = &self.control else {
            return Err(self.is_bare());
        };
        let began = Instant::now();
        let reply = control.clear().await;
        if let Some(local) = &self.local {
            local.flush();
        }
        self.invalidated(reply, [Change::All], began)
    }

    fn invalidated(
        self: &Arc<Self>,
        reply: Result<(), Error>,
        changes: impl IntoIterator<Item = Change>,
        began: Instant,
    ) -> Result<Invalidated, Error> {
        let invalidated = match reply {
            Ok(()) => Ok(Invalidated::Done),
            Err(error) if self.options.on_outage.hides(&error) => {
                self.queue(changes, error).map(|()| Invalidated::Queued)
            }
            Err(error) => Err(error),
        };
        // Behind the queue: what is read from now on is asked of that.
        if !matches!(invalidated, Ok(Invalidated::Done))
            && let Some(local) = &self.local
        {
            local.flush();
        }
        // What is in the air is for those who have called before.
        self.flights.close_all();
        let (count, name) = match invalidated {
            Ok(Invalidated::Done) => (&self.counts.invalidations, "done"),
            Ok(Invalidated::Queued) => (&self.counts.queued, "queued"),
            Err(_) => (&self.counts.errors, "error"),
        };
        one_more(count);
        self.operations.invalidate.record(name, began.elapsed());
        invalidated
    }

    fn is_bare(&self) -> Error {
        let message = format!(
            "cache {:?} stores plain JSON, which has no place for tags and epochs; use remove_matching, or another codec",
            self.name
        );
        russet_core::BuildError::new(russet_core::BuildErrorKind::Conflict, message).into()
    }

    /// Keeps changes until Redis is back. `error` is why they are not done at once.
    fn queue(
        self: &Arc<Self>,
        changes: impl IntoIterator<Item = Change>,
        error: Error,
    ) -> Result<(), Error> {
        // A handle that was shut down tells nobody any more.
        if error.kind() == ErrorKind::Shutdown {
            return Err(error);
        }
        for change in changes {
            match self.pending.push(change) {
                Queued::Full => return Err(error),
                Queued::First => drop(tokio::spawn(self.clone().settle())),
                Queued::More => {}
            }
        }
        Ok(())
    }

    /// Tells Redis what was removed and invalidated, until it knows all of it.
    async fn settle(self: Arc<Self>) {
        let mut pause = Duration::from_millis(25);
        loop {
            let changes = self.pending.some(PIPELINE);
            if changes.is_empty() {
                return;
            }
            if self.tell(&changes).await {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    /// Tells Redis some of it; whether it is still away.
    async fn tell(&self, changes: &[Change]) -> bool {
        let began = self.pending.now();
        let keys = changes.iter().filter_map(|change| match change {
            Change::Key(key) => Some(async move {
                let reply = self.leases.remove(key).await;
                // What was read since it was queued may be kept.
                self.changed(key);
                (change, reply)
            }),
            Change::Tag(_) | Change::All => None,
        });
        let removed = join_all(keys).await.into_iter();
        let mut told: Vec<(&Change, Result<(), Error>)> = removed
            .map(|(change, reply)| (change, reply.map(drop)))
            .collect();
        let tags: Vec<(&Change, &String)> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Tag(tag) => Some((change, tag)),
                Change::Key(_) | Change::All => None,
            })
            .collect();
        if let Some(control) = &self.control {
            if !tags.is_empty() {
                let names: Vec<String> = tags.iter().map(|(_, tag)| (*tag).clone()).collect();
                let reply = control.invalidate(&names).await;
                if let Ok(clocks) = &reply {
                    self.tags_changed(clocks, &names);
                }
                let reply = reply.map(drop);
                told.extend(tags.iter().map(|(change, _)| (*change, reply.clone())));
            }
            if let Some(all) = changes.iter().find(|change| **change == Change::All) {
                let reply = control.clear().await;
                if let Some(local) = &self.local {
                    local.flush();
                }
                told.push((all, reply));
            }
        }
        let mut is_away = false;
        for (change, reply) in told {
            match reply {
                Ok(()) => self.pending.settle(change, began),
                Err(error) if error.is_retryable() => is_away = true,
                // It never will be: the handle was shut down, or this user may not.
                Err(error) => {
                    tracing::error!(target: "russet::cache", cache = %self.name, %error, "a queued removal is given up; what it was of stays until its TTL ends");
                    self.pending.settle(change, began);
                }
            }
        }
        is_away
    }

    /// Keeps what is being loaded from being stored, and forgets, here and elsewhere, what a pattern names.
    pub(crate) async fn close_gate(&self, pattern: &str) -> Result<(), Error> {
        if let Some(control) = &self.control {
            control.close_gate(pattern).await?;
        }
        if let Some(local) = &self.local {
            local.changed_matching(pattern);
        }
        Ok(())
    }

    /// Removes keys that were found, and ends the leases of who loads them; how many there were.
    pub(crate) async fn unlink(&self, keys: &[Key]) -> Result<u64, Error> {
        let mut removed = 0;
        for some in keys.chunks(PIPELINE) {
            let mut commands = Vec::with_capacity(2 * some.len());
            for key in some {
                commands.push(Command::new("GETDEL").key(&self.leases.of(key)));
                commands.push(Command::new("UNLINK").key(key));
            }
            let replies = self.lane.pipeline(&commands, Policy::Idempotent).await;
            for (key, replies) in some.iter().zip(replies.chunks(2)) {
                if let [holder, unlinked] = replies {
                    removed += u64::from(bool::from_reply(unlinked.clone()?)?);
                    self.leases
                        .wake(key, Option::<Bytes>::from_reply(holder.clone()?)?)
                        .await;
                }
            }
        }
        self.counts.removed.fetch_add(removed, Ordering::Relaxed);
        Ok(removed)
    }
}
