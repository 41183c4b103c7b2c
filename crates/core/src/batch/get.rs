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
        Ok(self.0.call(Ask::alone(key)).await?.value)
    }

    /// The values of a key and of another one beside it, which many reads have in common and a flight asks for once: what
    /// says whether the values hold, say. Both are of one moment.
    ///
    /// On a cluster both must live in one slot. There they are of one moment but for a slot that moves; the one beside is then
    /// read before or after.
    ///
    /// # Errors
    /// As [`Batcher::call`]; it fails if either cannot be read.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_beside(
        &self,
        key: Key,
        beside: Key,
    ) -> Result<(Option<Bytes>, Option<Bytes>), Error> {
        let beside = Some(beside);
        let read = self.0.call(Ask { key, beside }).await?;
        Ok((read.value, read.beside))
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
        let asks = keys.into_iter().map(Ask::alone).collect();
        let read = self.0.fly(asks).await.into_iter();
        read.map(|read| Ok(read?.value)).collect()
    }

    /// The values of several keys, each with one beside it: [`get_many`](Getter::get_many) and
    /// [`get_beside`](Getter::get_beside) in one.
    ///
    /// # Errors
    /// Each pair has a result of its own.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_many_beside(
        &self,
        keys: Vec<(Key, Key)>,
    ) -> Vec<Result<(Option<Bytes>, Option<Bytes>), Error>> {
        let asks = keys.into_iter().map(|(key, beside)| {
            let beside = Some(beside);
            Ask { key, beside }
        });
        let read = self.0.fly(asks.collect()).await.into_iter();
        read.map(|read| read.map(|read| (read.value, read.beside)))
            .collect()
    }
}

struct Get(Lane);

/// One read: a key, and perhaps another one beside it.
struct Ask {
    key: Key,
    beside: Option<Key>,
}

impl Ask {
    fn alone(key: Key) -> Self {
        Ask { key, beside: None }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(&self.beside)
    }
}

/// What a read found.
struct Read {
    value: Option<Bytes>,
    beside: Option<Bytes>,
}

impl Flight for Get {
    type Request = Ask;
    type Response = Read;

    fn group(&self, ask: &Ask) -> u16 {
        self.0.group(&ask.key)
    }

    fn request_bytes(&self, ask: &Ask) -> usize {
        ask.key.as_bytes().len()
    }

    fn response_bytes(&self, read: &Read) -> usize {
        read.value.as_ref().map_or(0, Bytes::len)
    }

    async fn fly(&self, asks: Vec<Ask>, deadline: Instant) -> Vec<Result<Read, Error>> {
        let alone = |value| Read {
            value,
            beside: None,
        };
        if let [Ask { key, beside: None }] = &*asks {
            return vec![self.one(key, deadline).await.map(alone)];
        }
        let (unique, places) = distinct(asks.iter().flat_map(Ask::keys), asks.len());
        let values = if self.0.is_cluster() {
            self.of_slots(&unique, deadline).await
        } else {
            self.many(&unique, deadline).await
        };
        let Some(places) = places else {
            return values.into_iter().map(|value| value.map(alone)).collect();
        };
        let mut found = places.into_iter().map(|place| values[place].clone());
        let mut found = || found.next().unwrap_or(Ok(None));
        let read = asks.iter().map(|ask| {
            let value = found();
            let beside = ask.beside.as_ref().map_or(Ok(None), |_| found());
            Ok(Read {
                value: value?,
                beside: beside?,
            })
        });
        read.collect()
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

/// Each key once; and, unless each came once and alone, where each of them finds its value.
fn distinct<'k>(
    keys: impl Iterator<Item = &'k Key>,
    reads: usize,
) -> (Vec<&'k Key>, Option<Vec<usize>>) {
    let mut seen =
        HashMap::with_capacity_and_hasher(reads + 1, foldhash::fast::RandomState::default());
    let mut unique = Vec::with_capacity(reads + 1);
    let mut places = Vec::with_capacity(reads);
    for key in keys {
        let place = *seen.entry(key.as_bytes()).or_insert_with(|| {
            unique.push(key);
            unique.len() - 1
        });
        places.push(place);
    }
    let is_plain = unique.len() == reads && places.len() == reads;
    (unique, (!is_plain).then_some(places))
}
