//! What a cache is configured to do.

use std::time::Duration;

use russet_codec::Codec;

use crate::coherence::Coherence;
use crate::freshness::Freshness;
use crate::outage::OnOutage;
use crate::pattern::Pattern;
use crate::strategies::Strategy;

/// What a builder was told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) ttl: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) freshness: Freshness,
    pub(crate) load_timeout: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) lease: Duration,
    pub(crate) read_deadline: Duration,
    /// How many bytes the local tier may have; 0 for none.
    pub(crate) local: u64,
    pub(crate) local_ttl: Option<Duration>,
    pub(crate) coherence: Coherence,
    /// How many hot keys are known; 0 for none.
    pub(crate) hot_keys: usize,
    pub(crate) codec: Codec,
    /// Values stand bare, without a head that could say anything of them.
    pub(crate) is_plain: bool,
    pub(crate) schema_version: u32,
    pub(crate) max_value: usize,
    pub(crate) on_outage: OnOutage,
    pub(crate) pattern: Pattern,
}

impl Options {
    /// What a table of strategies says.
    pub(crate) fn apply(&mut self, of: &Strategy, local: Option<u64>) {
        fn set<T>(option: &mut T, said: Option<T>) {
            if let Some(said) = said {
                *option = said;
            }
        }
        self.pattern = of.pattern;
        self.ttl = of.ttl;
        set(&mut self.local, local);
        self.local_ttl = of.local_ttl.or(self.local_ttl);
        self.soft_timeout = of.soft_timeout.or(self.soft_timeout);
        set(&mut self.negative_ttl, of.negative_ttl);
        set(&mut self.load_timeout, of.load_timeout);
        set(&mut self.max_value, of.max_value);
        set(&mut self.schema_version, of.schema_version);
        let freshness = &mut self.freshness;
        freshness.sliding |= of.sliding;
        set(&mut freshness.jitter, of.jitter);
        set(&mut freshness.while_revalidate, of.stale_while_revalidate);
        set(&mut freshness.if_error, of.stale_if_error);
        set(&mut freshness.throttle, of.error_throttle);
        set(&mut freshness.early, of.early_refresh);
    }
}
