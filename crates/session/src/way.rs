//! The way to Redis that a handle and its sessions share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{
    Ack, Acks, Bytes, Error, Eviction, FromReply, Key, Lane, Policy, Reply, Script, ScriptCalls,
    Server, Stem,
};

use crate::change::Changes;
use crate::cleanup::Sweeping;
use crate::error::SessionError;
use crate::etag::{Etag, Etags};
use crate::event::Teller;
use crate::fields::Shape;
use crate::ids::Ids;
use crate::keys::{EXTEND, LIST, LOOK, Place, index};
use crate::local::{Known, Local};
use crate::operations::{Counted, Operations};
use crate::outage::{OnOutage, Told, is_outage};
use crate::secrets::Secrets;
use crate::token::{Digest, Tag};
use crate::wire::{Found, Record, Version, millis, number, numbers, packed, text, unreadable};

/// So many fields a session has at most: what a script writes at once.
pub(crate) const MOST_FIELDS: usize = 1_000;
/// So many sessions a script ends or looks at, at most.
pub(crate) const MOST_AT_ONCE: usize = 500;
/// How often a session that has another token is looked for under that one.
pub(crate) const MOVES: usize = 4;

pub(crate) struct Way {
    pub(crate) lane: Lane,
    pub(crate) server: Server,
    pub(crate) stem: Stem,
    /// Reads sessions as who uses them does, and as who only looks at them.
    pub(crate) loads: ScriptCalls,
    pub(crate) looks: ScriptCalls,
    pub(crate) commits: ScriptCalls,
    pub(crate) etags: Etags,
    pub(crate) local: Local,
    pub(crate) shape: Shape,
    pub(crate) secrets: Secrets,
    pub(crate) ids: Ids,
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
    /// Who must know that a session has ended.
    pub(crate) ack: Ack,
    pub(crate) acks: Acks,
    pub(crate) told: Told,
    pub(crate) events: Teller,
    pub(crate) eviction: Eviction,
    pub(crate) operations: Operations,
    pub(crate) sweeping: Sweeping,
}

/// What became of a write.
pub(crate) enum Committed {
    /// It was written.
    Done {
        version: Version,
        /// Whether it was as the caller knew it before, and so is now.
        was_known: bool,
        /// Its user's etag since, if nothing else had changed.
        etag: Option<Etag>,
        /// What incremented fields hold.
        sums: Vec<Bytes>,
    },
    /// It is not as it must be, but so.
    Differs(Record),
}

impl Way {
    /// Under which tag what belongs to a user is made.
    pub(crate) fn tag_of(&self, user: &str) -> Result<Tag, SessionError> {
        // All who forgot to say whose it is would be one user.
        if user.is_empty() {
            return Err(SessionError::data("a user has a name; it is empty"));
        }
        let newest = self.secrets.tags(user).next();
        newest.ok_or_else(|| unreadable().into())
    }

    /// A session, wherever it is now: its place is set to that.
    pub(crate) async fn load(&self, place: &mut Place) -> Result<Option<Record>, Error> {
        self.read(true, place).await
    }

    /// The same by somebody who does not use it: it lasts no longer by that.
    pub(crate) async fn look_at(&self, place: &mut Place) -> Result<Option<Record>, Error> {
        self.read(false, place).await
    }

    async fn read(&self, is_used: bool, place: &mut Place) -> Result<Option<Record>, Error> {
        self.eviction.look();
        for _ in 0..MOVES {
            let began = Instant::now();
            let known = self.local.get(&place.digest);
            let mut is_quiet = known.as_ref().is_none_or(|known| known.etag.is_quiet);
            if let Some(known) = known.as_ref().filter(|_| is_quiet)
                && self.etags.is_good(&known.etag)
            {
                match self.etags.holds(place.etag(&self.stem), &known.etag).await {
                    Ok(true) => {
                        self.seen(&self.operations.load, began, Ok(Reply::Int(1)))?;
                        return Ok(Some(Record::still(known)));
                    }
                    Ok(false) => {
                        is_quiet = false;
                        self.local.remove(&place.digest);
                    }
                    // Where only they cannot be read, sessions may be.
                    Err(error) if !is_outage(&error) => {}
                    Err(error) => {
                        return self
                            .seen(&self.operations.load, began, Err(error))
                            .map(|_| None);
                    }
                }
            }
            let (calls, asked) = match is_used {
                true => (
                    &self.loads,
                    self.etags.asked(known.as_ref().map(|known| &known.etag)),
                ),
                // Who only looks remembers nothing, and writes nothing for that.
                false => (&self.looks, Bytes::new()),
            };
            let (key, mut beside) = (place.key(&self.stem), place.beside(&self.stem));
            if asked.is_empty() {
                // Not an etag that may not be there: where a cluster moves the slot, such a script waits.
                beside = [place.index(&self.stem), place.index(&self.stem)];
            }
            let reply = calls.call_beside(key, beside, [asked]).await;
            match (
                Found::read(self.seen(&self.operations.load, began, reply)?)?,
                known,
            ) {
                (Found::Session(mut record), known) => {
                    if let Some(etag) = &mut record.etag {
                        let is_same = |known: &Arc<Known>| known.etag.text() == etag.text();
                        etag.is_quiet = is_quiet || known.as_ref().is_some_and(is_same);
                    }
                    return Ok(Some(record));
                }
                (Found::Number(_), Some(known)) => {
                    let known = Arc::new(Known {
                        etag: known.etag.again(),
                        ..Known::clone(&known)
                    });
                    self.local.insert(&place.digest, || known.clone());
                    return Ok(Some(Record::still(&known)));
                }
                (Found::Moved(digest), _) => {
                    self.local.remove(&place.digest);
                    place.digest = digest;
                }
                (Found::Gone, _) => {
                    self.local.remove(&place.digest);
                    return Ok(None);
                }
                (Found::Number(_) | Found::Items(_), _) => return Err(unreadable()),
            }
        }
        Ok(None)
    }

    /// Writes changes; nothing if the session is gone.
    pub(crate) async fn commit(
        &self,
        place: &mut Place,
        known: &Record,
        (changes, expected): (&Changes, Option<u64>),
    ) -> Result<Option<Committed>, Error> {
        let etag = known.etag.as_ref().filter(|etag| self.etags.is_good(etag));
        let changes: Vec<Bytes> = changes.args().collect();
        for _ in 0..MOVES {
            // Another one each time: meanwhile others may have read the session where it is now.
            let next = self.etags.unique();
            let told = [
                expected.map_or_else(Bytes::new, |writes| writes.to_string().into()),
                etag.map_or_else(Bytes::new, |etag| etag.text().clone()),
                known.exactly().map_or_else(Bytes::new, Version::bytes),
                next.clone(),
            ];
            let args = packed(&[&told, &changes[..]].concat());
            let (key, beside) = (place.key(&self.stem), place.beside(&self.stem));
            let began = Instant::now();
            let reply = self.commits.call_beside(key, beside, [args]).await;
            match Found::read(self.seen(&self.operations.write, began, reply)?)? {
                Found::Items(items) => return committed(items, etag, &next).map(Some),
                Found::Number(at) => {
                    let version = known.head.version.written(at);
                    return Ok(Some(Committed::Done {
                        version,
                        was_known: true,
                        etag: etag.map(|etag| etag.next(&next, version)),
                        sums: Vec::new(),
                    }));
                }
                Found::Session(record) => return Ok(Some(Committed::Differs(record))),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => {
                    self.local.remove(&place.digest);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Until when it is valid then; nothing if it is gone.
    pub(crate) async fn extend(
        &self,
        place: &mut Place,
        by: Duration,
    ) -> Result<Option<u64>, Error> {
        let extend = (&self.operations.extend, Policy::Idempotent);
        let by = [millis(by).to_string().into()];
        let beside = [place.etag(&self.stem)];
        let items = self.on(extend, &EXTEND, place, &beside, &by).await?;
        items.map(one_number).transpose()
    }

    /// Where a tag's valid sessions are, and until when; the one that was used last first.
    pub(crate) async fn valid(&self, tag: Tag) -> Result<Vec<(Place, u64)>, Error> {
        let keys = [index(&self.stem, tag)];
        let list = (&self.operations.list, Policy::Idempotent);
        let told: Vec<Bytes> = self.ask(list, &LIST, &keys, Vec::new()).await?;
        let pairs = told.get(1..).unwrap_or_default().as_chunks::<2>().0;
        let place = |[digest, till]: &[Bytes; 2]| {
            let digest = Digest::told(digest).ok_or_else(unreadable)?;
            Ok((Place { tag, digest }, number(till)?))
        };
        pairs.iter().map(place).collect()
    }

    /// What describes sessions of one user, where they are.
    pub(crate) async fn look(&self, places: &[Place]) -> Result<Vec<Option<Bytes>>, Error> {
        let keys: Vec<_> = places.iter().map(|place| place.key(&self.stem)).collect();
        let list = (&self.operations.list, Policy::Idempotent);
        self.ask(list, &LOOK, &keys, Vec::new()).await
    }

    /// Asks a script of one session and other keys beside it, wherever it is now; what it answers where it is there.
    pub(crate) async fn on(
        &self,
        asked: (&Counted, Policy),
        script: &'static Script,
        place: &mut Place,
        beside: &[Key],
        args: &[Bytes],
    ) -> Result<Option<Vec<Reply>>, Error> {
        for _ in 0..MOVES {
            let of_session = [place.key(&self.stem), place.index(&self.stem)];
            let keys: Vec<Key> = of_session
                .into_iter()
                .chain(beside.iter().cloned())
                .collect();
            let args = std::iter::once(text(place.digest.as_str())).chain(args.iter().cloned());
            let reply = self.ask(asked, script, &keys, args.collect()).await?;
            match Found::read(reply)? {
                Found::Items(items) => return Ok(Some(items)),
                Found::Session(_) | Found::Number(_) => return Err(unreadable()),
                Found::Moved(digest) => place.digest = digest,
                Found::Gone => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Asks a script.
    pub(crate) async fn ask<T: FromReply>(
        &self,
        (counted, policy): (&Counted, Policy),
        script: &'static Script,
        keys: &[Key],
        args: Vec<Bytes>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let asked = self.lane.script::<Reply>(script, keys, args, policy);
        let reply = Box::pin(asked).await;
        T::from_reply(self.seen(counted, began, reply)?)
    }

    /// Counts what was asked, and tells of an outage that begins or ends.
    pub(crate) fn seen(
        &self,
        counted: &Counted,
        began: Instant,
        reply: Result<Reply, Error>,
    ) -> Result<Reply, Error> {
        counted.count(began, &reply);
        self.told.seen(self.stem.as_str(), self.on_outage, &reply);
        reply
    }

    /// Whether data of so many fields and bytes fits into a session.
    pub(crate) fn check_size(&self, (fields, size): (usize, usize)) -> Result<(), SessionError> {
        if fields > MOST_FIELDS {
            return Err(SessionError::data(format!(
                "{fields} fields; a session has {MOST_FIELDS} at most"
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

fn committed(items: Vec<Reply>, etag: Option<&Etag>, next: &[u8]) -> Result<Committed, Error> {
    let mut items = items.into_iter();
    let (Some(version), Some(was_known)) = (items.next(), items.next()) else {
        return Err(unreadable());
    };
    let version = Version::read(&Bytes::from_reply(version)?)?;
    let etag = etag.filter(|_| was_known == Reply::Int(2));
    Ok(Committed::Done {
        version,
        was_known: was_known != Reply::Int(0),
        etag: etag.map(|etag| etag.next(next, version)),
        sums: items.map(Bytes::from_reply).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn one_number(items: Vec<Reply>) -> Result<u64, Error> {
    numbers(items)?.first().copied().ok_or_else(unreadable)
}
