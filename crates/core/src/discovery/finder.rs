//! How the servers of one endpoint are found.

use std::sync::Arc;

use super::{Cluster, Place, Sentinels};
use crate::driver::Tuning;
use crate::event::Told;
use crate::topology::{Address, Endpoint};

/// How the servers of one endpoint are found: known, or asked for on the runtime that this was made on.
#[derive(Clone)]
pub(crate) enum Finder {
    One(Place),
    Cluster(Arc<Cluster>),
}

impl Finder {
    /// Starts looking; tells where what was found changes.
    pub(crate) fn start(endpoint: &Arc<Endpoint>, tuning: Tuning, told: Told) -> Self {
        let endpoint = endpoint.clone();
        match &endpoint.address {
            Address::Tcp(_) | Address::Unix(_) => Finder::One(Place::Fixed(endpoint)),
            Address::Sentinel { .. } => {
                let sentinels = Sentinels::start(endpoint, tuning, told);
                Finder::One(Place::Primary(Arc::new(sentinels)))
            }
            Address::Cluster(_) => {
                Finder::Cluster(Arc::new(Cluster::start(endpoint, tuning, told)))
            }
        }
    }

    /// Looks no more; what was found stays.
    pub(crate) fn close(&self) {
        match self {
            Finder::One(Place::Primary(sentinels)) => sentinels.close(),
            Finder::One(_) => {}
            Finder::Cluster(cluster) => cluster.close(),
        }
    }

    /// The one place, or the cluster with its many.
    pub(crate) fn place(&self) -> Result<Place, &Arc<Cluster>> {
        match self {
            Finder::One(place) => Ok(place.clone()),
            Finder::Cluster(cluster) => Err(cluster),
        }
    }
}
