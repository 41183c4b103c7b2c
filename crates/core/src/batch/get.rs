//! Many reads, one MGET.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;

use super::slots::by_slot;
use super::{Batcher, Bounds, Flight};
use crate::command::{Command, Policy};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::lane::Lane;
use crate::reply::{FromReply as _, Reply};

/// Reads values; concurrent reads share one `MGET`. Cheap to clone.
///
/// A key that holds another Redis type reads as `None`, as `MGET` answers it.
#[derive(Clone, Debug)]
pub struct Getter(Batcher<Get>);

impl Getter {
    pub(crate) fn new(lane: Lane, bounds: Bounds, deadline: Duration) -> Self {
        Getter(Batcher::new(Get(lane), bounds, deadline))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Batcher::call`].
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get(&self, key: Key) -> Result<Option<Bytes>, Error> {
        self.0.call(key).await
    }

    /// The values of several keys, in their order: one round trip for each 128 of them, all at once; on a cluster to each of
    /// their nodes. They do not wait for other reads.
    ///
    /// # Errors
    /// Each key has a result of its own.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_many(&self, keys: Vec<Key>) -> Vec<Result<Option<Bytes>, Error>> {
        self.0.fly(keys).await
    }
}

struct Get(Lane);

impl Flight for Get {
    type Request = Key;
    type Response = Option<Bytes>;

    fn group(&self, key: &Key) -> u16 {
        self.0.group(key)
    }

    fn request_bytes(&self, key: &Key) -> usize {
        key.as_bytes().len()
    }

    fn response_bytes(&self, value: &Option<Bytes>) -> usize {
        value.as_ref().map_or(0, Bytes::len)
    }

    async fn fly(&self, keys: Vec<Key>, deadline: Instant) -> Vec<Result<Option<Bytes>, Error>> {
        if let [key] = &*keys {
            return vec![self.one(key, deadline).await];
        }
        let (unique, places) = distinct(&keys);
        let values = if self.0.is_cluster() {
            self.of_slots(&unique, deadline).await
        } else {
            self.many(&unique, deadline).await
        };
        match places {
            None => values,
            Some(places) => places
                .into_iter()
                .map(|place| values[place].clone())
                .collect(),
        }
    }
}

/// Whether what was refused together may be answered one by one.
fn splits(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Permission | ErrorKind::TryAgain)
}

impl Get {
    /// One command for each slot, in one write.
    async fn of_slots(
        &self,
        keys: &[&Key],
        deadline: Instant,
    ) -> Vec<Result<Option<Bytes>, Error>> {
        let slots = by_slot(keys.iter().copied());
        let reads: Vec<Command> = slots
            .iter()
            .map(|places| match places[..] {
                [place] => Command::with_capacity("GET", 1).key(keys[place]),
                _ => mget(places.iter().map(|&place| keys[place])),
            })
            .collect();
        let replies = self.0.reads(&reads, deadline).await;
        let mut values = vec![Ok(None); keys.len()];
        for (places, reply) in slots.iter().zip(replies) {
            let read = match (&places[..], reply) {
                (&[place], reply) => {
                    values[place] = value(reply);
                    continue;
                }
                (_, Ok(Reply::Array(read))) if read.len() == places.len() => {
                    read.into_iter().map(Option::<Bytes>::from_reply).collect()
                }
                (_, Ok(other)) => vec![Err(misread(places.len(), &other)); places.len()],
                (_, Err(error)) if splits(&error) => {
                    join_all(places.iter().map(|&place| self.one(keys[place], deadline))).await
                }
                (_, Err(error)) => vec![Err(error); places.len()],
            };
            for (&place, read) in places.iter().zip(read) {
                values[place] = read;
            }
        }
        values
    }

    /// One MGET.
    async fn many(&self, keys: &[&Key], deadline: Instant) -> Vec<Result<Option<Bytes>, Error>> {
        let mget = mget(keys.iter().copied());
        match self.0.send(&mget, Policy::Idempotent, deadline).await {
            Ok(Reply::Array(values)) if values.len() == keys.len() => values
                .into_iter()
                .map(Option::<Bytes>::from_reply)
                .collect(),
            Ok(other) => vec![Err(misread(keys.len(), &other)); keys.len()],
            // One key that may not be read, or is on its way elsewhere, refuses the whole command; its neighbours shall
            // not suffer.
            Err(error) if splits(&error) && keys.len() > 1 => {
                join_all(keys.iter().map(|key| self.one(key, deadline))).await
            }
            Err(error) => vec![Err(error); keys.len()],
        }
    }

    async fn one(&self, key: &Key, deadline: Instant) -> Result<Option<Bytes>, Error> {
        let get = Command::new("GET").key(key);
        value(self.0.send(&get, Policy::Idempotent, deadline).await)
    }
}

/// What a GET's reply is as one of an MGET's.
fn value(reply: Result<Reply, Error>) -> Result<Option<Bytes>, Error> {
    match reply {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(None),
        reply => reply.and_then(Option::<Bytes>::from_reply),
    }
}

fn misread(keys: usize, reply: &Reply) -> Error {
    Error::decode(format!("MGET of {keys} keys answered {reply:?}"))
}

fn mget<'k>(keys: impl ExactSizeIterator<Item = &'k Key>) -> Command {
    let mget = Command::with_capacity("MGET", keys.len());
    keys.fold(mget, Command::key).batch()
}

/// Each key once, and, if any came twice, where each caller finds its value.
fn distinct(keys: &[Key]) -> (Vec<&Key>, Option<Vec<usize>>) {
    let mut seen =
        HashMap::with_capacity_and_hasher(keys.len(), foldhash::fast::RandomState::default());
    let mut unique = Vec::with_capacity(keys.len());
    let mut places = Vec::with_capacity(keys.len());
    for key in keys {
        let place = *seen.entry(key.as_bytes()).or_insert_with(|| {
            unique.push(key);
            unique.len() - 1
        });
        places.push(place);
    }
    let repeated = unique.len() < keys.len();
    (unique, repeated.then_some(places))
}
