//! How locks are given back by who is not there any more to do so.

use std::time::Duration;

use russet_core::{Bytes, Error, Key, Lane, Policy, Script, Stem};

use crate::claim::Claim;
use crate::clock::{Moment, micros};
use crate::keys::{HAND_ON, HAND_ON_SHARE, LockKeys};

static HANDING_ON: Script = Script::new(HAND_ON);
static HANDING_ON_SHARE: Script = Script::new(HAND_ON_SHARE);

/// What releasing needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Releases {
    pub(crate) stem: Stem,
    pub(crate) label: Bytes,
    /// How long a free lock is remembered.
    pub(crate) keeps: Duration,
    /// How long who it is handed to has to say that they are there.
    pub(crate) confirm: Duration,
    /// What the channels of processes begin with.
    pub(crate) channel: Key,
    /// Whether whoever comes first may take a lock that is free.
    pub(crate) barges: bool,
}

impl Releases {
    /// Releases what is held, hands it to the first who waits, and ends a wait. Whether it was held.
    pub(crate) async fn hand_on(
        &self,
        lane: &Lane,
        claim: &Claim,
        policy: Policy,
    ) -> Result<bool, Error> {
        let keys = LockKeys::of(&self.stem, &claim.name, claim.want);
        let mut args: Vec<Bytes> = vec![
            self.keeps.as_millis().to_string().into(),
            Bytes::copy_from_slice(&claim.owner.0),
            claim.lease.to_string().into(),
            self.label.clone(),
            self.confirm.as_micros().to_string().into(),
            Bytes::copy_from_slice(self.channel.as_bytes()),
            u8::from(self.barges).to_string().into(),
        ];
        let script = match claim.want.is_shared() {
            true => {
                args.extend(claim.want.share());
                &HANDING_ON_SHARE
            }
            false => &HANDING_ON,
        };
        let asked = lane.script::<u64>(script, keys.all(), args, policy);
        // Boxed, as all that is asked seldom: its future is large.
        Ok(Box::pin(asked).await? == 1)
    }

    /// The same for who is gone: again and again, as long as a lease would last, and then there is nothing to release any more.
    pub(crate) async fn end(&self, lane: &Lane, claim: Claim) {
        let lasts = claim.lease.max(micros(self.confirm));
        let till = Moment::now().plus(lasts);
        let mut pause = Duration::from_millis(10);
        while let Err(error) = self.hand_on(lane, &claim, Policy::Idempotent).await {
            tracing::debug!(target: "russet::locks", lock = &*claim.name, %error, "a lock that was dropped could not be released yet");
            if !error.is_retryable() || Moment::now() >= till {
                return;
            }
            // Backs off, on the renewing task; the loop ends with the lease.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}
