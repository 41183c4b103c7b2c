//! Single flight: concurrent loads of one key in this process are one load.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russet_core::{Error, Key};
use tokio::sync::watch;

/// How a flight ended. The loader's error is untyped here, because call sites of one key may differ in it.
pub(crate) enum Landing<V> {
    Value(Arc<V>),
    /// There is none: a load of many did not bring it.
    Absent,
    Loader(Arc<dyn Any + Send + Sync>),
    Timeout,
    Panicked,
    Cache(Error),
}

impl<V> Clone for Landing<V> {
    fn clone(&self) -> Self {
        match self {
            Landing::Value(value) => Landing::Value(value.clone()),
            Landing::Absent => Landing::Absent,
            Landing::Loader(error) => Landing::Loader(error.clone()),
            Landing::Timeout => Landing::Timeout,
            Landing::Panicked => Landing::Panicked,
            Landing::Cache(error) => Landing::Cache(error.clone()),
        }
    }
}

type Waiting<V> = watch::Receiver<Option<Landing<V>>>;

/// The flights that are in the air, by key.
pub(crate) struct Flights<V>(Mutex<HashMap<Key, Waiting<V>>>);

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
            Entry::Occupied(flight) => Seat::Passenger(Passenger(flight.get().clone())),
            Entry::Vacant(gate) => {
                let (landing, waiting) = watch::channel(None);
                gate.insert(waiting.clone());
                let leader = Leader {
                    flights: self.clone(),
                    key: key.clone(),
                    landing,
                };
                Seat::Leader(leader, Passenger(waiting))
            }
        }
    }

    /// Closes the flight of a key to callers who come from now on: what it brings is from before a change.
    pub(crate) fn close(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting<V>>> {
        // No code that can panic runs under this lock, and a map of receivers cannot be half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who loads. Dropped without landing (a panic, a runtime that ends), it tells the passengers so.
pub(crate) struct Leader<V> {
    flights: Arc<Flights<V>>,
    key: Key,
    landing: watch::Sender<Option<Landing<V>>>,
}

impl<V> Leader<V> {
    /// Whether nothing has changed the key since the flight began.
    pub(crate) fn is_current(&self) -> bool {
        self.flights
            .lock()
            .get(&self.key)
            .is_some_and(|waiting| waiting.same_channel(&self.landing.subscribe()))
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn land(self, landing: Landing<V>) {
        self.landing.send_replace(Some(landing));
    }
}

impl<V> Drop for Leader<V> {
    fn drop(&mut self) {
        self.landing.send_if_modified(|landing| {
            let lost = landing.is_none();
            if lost {
                *landing = Some(Landing::Panicked);
            }
            lost
        });
        let mut flights = self.flights.lock();
        if let Entry::Occupied(flight) = flights.entry(self.key.clone())
            && flight.get().same_channel(&self.landing.subscribe())
        {
            flight.remove();
        }
    }
}

/// Who waits.
pub(crate) struct Passenger<V>(Waiting<V>);

impl<V> Passenger<V> {
    /// The flight's end. Bounded, because the leader is.
    pub(crate) async fn landing(mut self) -> Landing<V> {
        match self.0.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone().unwrap_or(Landing::Panicked),
            Err(_) => Landing::Panicked,
        }
    }
}
