//! Many reads, one MGET.

use std::collections::HashMap;
use std::fmt;
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
pub struct Getter<B: Beside = ()>(Batcher<Get<B>>);

/// Keys that many reads of one handle have in common, such as what says whether the values hold: a flight asks once for each that
/// one of its reads wants, in the same command.
pub trait Beside: Send + Sync + 'static {
    /// What is made of a key's value, once a flight, for all its reads.
    type Answer: Copy + Send + 'static;

    /// The keys. A read says by its place which one it wants; on a cluster one of its own slot.
    fn keys(&self) -> &[Key];

    /// What the value of one of them means.
    fn read(&self, at: usize, value: Option<Bytes>) -> Self::Answer;
}

/// Nothing is asked for beside.
impl Beside for () {
    type Answer = ();

    fn keys(&self) -> &[Key] {
        &[]
    }

    fn read(&self, _: usize, _: Option<Bytes>) {}
}

impl<B: Beside> Getter<B> {
    pub(crate) fn new(lane: Lane, beside: B, bounds: Bounds, deadline: Duration) -> Self {
        Getter(Batcher::new(Get { lane, beside }, bounds, deadline))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Batcher::call`].
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get(&self, key: Key) -> Result<Option<Bytes>, Error> {
        Ok(self.0.call(Ask { key, beside: None }).await?.value)
    }

    /// The values of a key and of the one [beside](Beside) it at this place, of the same moment; on a cluster but for a slot that
    /// moves, where the one beside is read before or after.
    ///
    /// # Errors
    /// As [`Batcher::call`]; it fails if either cannot be read, or there is none at this place.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_beside(&self, key: Key, at: u16) -> Result<(Option<Bytes>, B::Answer), Error> {
        let beside = Some(at);
        self.0.call(Ask { key, beside }).await?.both()
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
        let asks = keys.into_iter().map(|key| Ask { key, beside: None });
        let read = self.0.fly(asks.collect()).await.into_iter();
        read.map(|read| Ok(read?.value)).collect()
    }

    /// The values of several keys, each with the one beside it: [`get_many`](Getter::get_many) and
    /// [`get_beside`](Getter::get_beside) in one.
    ///
    /// # Errors
    /// Each has a result of its own.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_many_beside(
        &self,
        keys: Vec<(Key, u16)>,
    ) -> Vec<Result<(Option<Bytes>, B::Answer), Error>> {
        let asks = keys.into_iter().map(|(key, at)| Ask {
            key,
            beside: Some(at),
        });
        let read = self.0.fly(asks.collect()).await.into_iter();
        read.map(|read| read?.both()).collect()
    }
}

impl<B: Beside> Clone for Getter<B> {
    fn clone(&self) -> Self {
        Getter(self.0.clone())
    }
}

impl<B: Beside> fmt::Debug for Getter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Getter").field(&self.0).finish()
    }
}

struct Get<B> {
    lane: Lane,
    beside: B,
}

/// One read: a key, and perhaps the one beside it at this place.
struct Ask {
    key: Key,
    beside: Option<u16>,
}

/// What a read found.
struct Read<A> {
    value: Option<Bytes>,
    beside: Option<A>,
}

impl<A> Read<A> {
    fn both(self) -> Result<(Option<Bytes>, A), Error> {
        let missing = || Error::decode("there is no key beside at this place");
        Ok((self.value, self.beside.ok_or_else(missing)?))
    }
}

impl<B: Beside> Flight for Get<B> {
    type Request = Ask;
    type Response = Read<B::Answer>;

    fn group(&self, ask: &Ask) -> u16 {
        self.lane.group(&ask.key)
    }

    fn request_bytes(&self, ask: &Ask) -> usize {
        ask.key.as_bytes().len()
    }

    fn response_bytes(&self, read: &Read<B::Answer>) -> usize {
        read.value.as_ref().map_or(0, Bytes::len)
    }

    async fn fly(&self, asks: Vec<Ask>, deadline: Instant) -> Vec<Result<Read<B::Answer>, Error>> {
        let alone = |value| Read {
            value,
            beside: None,
        };
        if let [Ask { key, beside: None }] = &*asks {
            return vec![self.one(key, deadline).await.map(alone)];
        }
        let (mut unique, places) = distinct(asks.iter().map(|ask| &ask.key), asks.len());
        let values_end = unique.len();
        let mut besides: Vec<u16> = Vec::new();
        for at in asks.iter().filter_map(|ask| ask.beside) {
            if !besides.contains(&at)
                && let Some(key) = self.beside.keys().get(usize::from(at))
            {
                besides.push(at);
                unique.push(key);
            }
        }
        let mut values = if self.lane.is_cluster() {
            self.of_slots(&unique, deadline).await
        } else {
            self.many(&unique, deadline).await
        };
        let read = values.drain(values_end..).zip(besides);
        let answers: Vec<(u16, Result<B::Answer, Error>)> = read
            .map(|(value, at)| (at, value.map(|value| self.beside.read(at.into(), value))))
            .collect();
        let with = |value: Result<Option<Bytes>, Error>, ask: &Ask| {
            let beside = answers.iter().find(|(at, _)| Some(*at) == ask.beside);
            let beside = beside.map(|(_, answer)| answer.clone()).transpose();
            Ok(Read {
                value: value?,
                beside: beside?,
            })
        };
        let asks = asks.iter();
        match places {
            None => asks
                .zip(values)
                .map(|(ask, value)| with(value, ask))
                .collect(),
            Some(places) => asks
                .zip(places)
                .map(|(ask, place)| with(values[place].clone(), ask))
                .collect(),
        }
    }
}

/// Whether what was refused together may be answered one by one.
fn splits(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Permission | ErrorKind::TryAgain)
}

impl<B: Beside> Get<B> {
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
        let replies = self.lane.reads(&reads, deadline).await;
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
        match self.lane.send(&mget, Policy::Idempotent, deadline).await {
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
        value(self.lane.send(&get, Policy::Idempotent, deadline).await)
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
fn distinct<'k>(
    keys: impl Iterator<Item = &'k Key>,
    len: usize,
) -> (Vec<&'k Key>, Option<Vec<usize>>) {
    let mut seen = HashMap::with_capacity_and_hasher(len, foldhash::fast::RandomState::default());
    // And those beside.
    let mut unique = Vec::with_capacity(len + 1);
    let mut places = Vec::with_capacity(len);
    for key in keys {
        let place = *seen.entry(key.as_bytes()).or_insert_with(|| {
            unique.push(key);
            unique.len() - 1
        });
        places.push(place);
    }
    let repeated = unique.len() < len;
    (unique, repeated.then_some(places))
}
