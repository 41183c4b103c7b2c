//! Single flight: concurrent loads of one key in this process are one load.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russet_core::{Error, Key};
use tokio::sync::watch;

use crate::error::LoadError;

/// How a flight ended. The loader's error is untyped here, because call sites of one key may differ in it.
pub(crate) enum Landing<V> {
    /// What was found or loaded, nothing if it is known that there is none; and for whom it is good: those who boarded then or
    /// before.
    Value(Option<Arc<V>>, Boarded),
    /// There is none: a load of many did not bring it, or whoever loaded in its own task was dropped.
    Absent,
    /// Somebody else loads it, and that was enough.
    Left,
    Loader(Arc<dyn Any + Send + Sync>),
    Timeout,
    Panicked,
    Cache(Error),
}

impl<V> Landing<V> {
    /// The error of a flight that failed, for a caller whose loader's errors are of this type; nothing if it failed with another
    /// type's, or brought what there is.
    pub(crate) fn into_error<E: Send + Sync + 'static>(self) -> Option<LoadError<E>> {
        match self {
            Landing::Value(..) | Landing::Absent | Landing::Left => None,
            Landing::Timeout => Some(LoadError::Timeout),
            Landing::Panicked => Some(LoadError::Panicked),
            Landing::Cache(error) => Some(LoadError::Cache(error)),
            Landing::Loader(error) => error.downcast().ok().map(LoadError::Loader),
        }
    }
}

impl<V> Clone for Landing<V> {
    fn clone(&self) -> Self {
        match self {
            Landing::Value(value, good_for) => Landing::Value(value.clone(), *good_for),
            Landing::Absent => Landing::Absent,
            Landing::Left => Landing::Left,
            Landing::Loader(error) => Landing::Loader(error.clone()),
            Landing::Timeout => Landing::Timeout,
            Landing::Panicked => Landing::Panicked,
            Landing::Cache(error) => Landing::Cache(error.clone()),
        }
    }
}

/// Where a flight is.
pub(crate) enum Stage<V> {
    InTheAir(Boarded),
    Landed(Landing<V>),
}

/// Where a flight was when somebody joined it. Whoever joins has begun its call by then, and must not get what is from before an
/// invalidation that was over by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boarded {
    /// Nothing was asked yet.
    First,
    /// Redis is being asked for a value of somebody else's, or for the lease: a value that is found may be from before.
    Asking,
    /// What the load brings may be from before; that will be known when it is stored.
    Loading,
    /// It is being stored: nothing will be known any more.
    Storing,
}

type Waiting<V> = watch::Receiver<Stage<V>>;

/// The flights that are in the air, by key.
pub(crate) struct Flights<V>(Mutex<HashMap<Key, Flight<V>>>);

struct Flight<V> {
    waiting: Waiting<V>,
    /// Its key was changed since it began.
    is_spoilt: Arc<AtomicBool>,
}

/// A place in a flight: its leader's, or a passenger's.
pub(crate) enum Seat<V> {
    Leader(Leader<V>, Passenger<V>),
    Passenger(Passenger<V>),
}

impl<V> Flights<V> {
    pub(crate) fn new() -> Self {
        Flights(Mutex::new(HashMap::new()))
    }

    /// Joins the flight of this key, or starts one.
    pub(crate) fn board(self: &Arc<Self>, key: &Key) -> Seat<V> {
        match self.lock().entry(key.clone()) {
            Entry::Occupied(flight) => Seat::Passenger(Passenger::of(flight.get().waiting.clone())),
            Entry::Vacant(gate) => {
                let (flight, leader) = self.ready(key);
                let waiting = flight.waiting.clone();
                gate.insert(flight);
                Seat::Leader(leader, Passenger::of(waiting))
            }
        }
    }

    /// A flight of its own, which nobody else joins.
    pub(crate) fn charter(self: &Arc<Self>, key: &Key) -> (Leader<V>, Passenger<V>) {
        let (flight, leader) = self.ready(key);
        (leader, Passenger::of(flight.waiting))
    }

    fn ready(self: &Arc<Self>, key: &Key) -> (Flight<V>, Leader<V>) {
        let (stage, waiting) = watch::channel(Stage::InTheAir(Boarded::First));
        let is_spoilt = Arc::<AtomicBool>::default();
        let leader = Leader {
            flights: self.clone(),
            key: key.clone(),
            stage,
            is_spoilt: is_spoilt.clone(),
            hands_on: false,
        };
        (Flight { waiting, is_spoilt }, leader)
    }

    /// Starts a flight of this key, unless there is one.
    pub(crate) fn lead(self: &Arc<Self>, key: &Key) -> Option<Leader<V>> {
        match self.board(key) {
            Seat::Leader(leader, _) => Some(leader),
            Seat::Passenger(_) => None,
        }
    }

    /// Closes all flights to callers who come from now on; what they bring may be stored, where Redis takes it for valid.
    pub(crate) fn close_all(&self) {
        self.lock().clear();
    }

    /// Closes the flight of a key to callers who come from now on: what it brings is from before a change.
    pub(crate) fn close(&self, key: &Key) {
        if let Some(flight) = self.lock().remove(key) {
            flight.is_spoilt.store(true, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Flight<V>>> {
        // No code that can panic runs under this lock, and a map of receivers cannot be half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who loads. Dropped without landing (a panic, a runtime that ends), it tells the passengers so.
pub(crate) struct Leader<V> {
    flights: Arc<Flights<V>>,
    key: Key,
    stage: watch::Sender<Stage<V>>,
    is_spoilt: Arc<AtomicBool>,
    hands_on: bool,
}

impl<V> Leader<V> {
    /// A leader who may be dropped at any time: then each passenger asks for itself.
    pub(crate) fn hands_on(mut self) -> Self {
        self.hands_on = true;
        self
    }

    /// The next stage begins.
    pub(crate) fn reaches(&self, stage: Boarded) {
        self.stage.send_replace(Stage::InTheAir(stage));
    }

    /// Whether nothing here has changed the key since the flight began.
    pub(crate) fn is_current(&self) -> bool {
        !self.is_spoilt.load(Ordering::Acquire)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn land(self, landing: Landing<V>) {
        self.stage.send_replace(Stage::Landed(landing));
    }
}

impl<V> Drop for Leader<V> {
    fn drop(&mut self) {
        self.stage.send_if_modified(|stage| {
            let is_lost = !matches!(stage, Stage::Landed(_));
            if is_lost {
                *stage = Stage::Landed(match self.hands_on {
                    true => Landing::Absent,
                    false => Landing::Panicked,
                });
            }
            is_lost
        });
        let mut flights = self.flights.lock();
        if let Entry::Occupied(flight) = flights.entry(self.key.clone())
            && flight.get().waiting.same_channel(&self.stage.subscribe())
        {
            flight.remove();
        }
    }
}

/// Who waits.
pub(crate) struct Passenger<V> {
    waiting: Waiting<V>,
    pub(crate) boarded: Boarded,
}

impl<V> Passenger<V> {
    fn of(waiting: Waiting<V>) -> Self {
        let boarded = match *waiting.borrow() {
            Stage::InTheAir(stage) => stage,
            Stage::Landed(_) => Boarded::Storing,
        };
        Passenger { waiting, boarded }
    }

    /// The flight's end. Bounded, because the leader is.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub(crate) async fn landing(&mut self) -> Landing<V> {
        let landed = |stage: &Stage<V>| matches!(stage, Stage::Landed(_));
        match self.waiting.wait_for(landed).await.as_deref() {
            Ok(Stage::Landed(landing)) => landing.clone(),
            _ => Landing::Panicked,
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn who_boards_is_told_how_far_the_flight_was() {
        let flights = Arc::new(Flights::<u64>::new());
        let key = Key::raw("k");
        let Seat::Leader(leader, first) = flights.board(&key) else {
            panic!("nobody has led before");
        };
        let board = || match flights.board(&key) {
            Seat::Passenger(passenger) => passenger.boarded,
            Seat::Leader(..) => panic!("it is in the air"),
        };
        assert_eq!((first.boarded, board()), (Boarded::First, Boarded::First));
        for stage in [Boarded::Asking, Boarded::Loading, Boarded::Storing] {
            leader.reaches(stage);
            assert_eq!(board(), stage);
        }
        // Each later one is good for fewer.
        assert!(Boarded::First < Boarded::Asking && Boarded::Asking < Boarded::Loading);
        assert!(Boarded::Loading < Boarded::Storing);
        leader.land(Landing::Absent);
        assert!(
            matches!(flights.board(&key), Seat::Leader(..)),
            "it has landed"
        );
    }
}
