//! What is wanted, and by whom.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::Target;
use super::glob::glob_matches;
use super::subscription::{Delivery, GapCause, Receiver, Standing, Subscription};
use crate::driver::Kind;
use crate::error::Error;
use crate::key::Key;

/// The desired state; the reconciler makes each connection match it.
#[derive(Debug, Default)]
pub(super) struct Registry {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    wanted: HashMap<Target, Wanted>,
    next_id: u64,
    /// The last pattern message, how often it came, while more than one pattern matches its channel.
    repeated: Option<(Bytes, Bytes, usize)>,
}

#[derive(Debug)]
struct Wanted {
    receivers: Vec<Receiver>,
    standing: watch::Sender<Standing>,
    /// Whether it was ever confirmed: then the way from one connection to the next is a gap.
    stood: bool,
    /// Whether a gap is to be told before the next message.
    gap_due: Cell<bool>,
}

impl Wanted {
    fn tell_gap(&self) {
        self.gap_due.set(false);
        for receiver in &self.receivers {
            receiver.deliver(Delivery::Gap(GapCause::Reconnected));
        }
    }
}

impl Registry {
    pub(super) fn add(self: &Arc<Self>, target: Target) -> Subscription {
        let subscription = {
            let mut state = self.lock();
            state.next_id += 1;
            let id = state.next_id;
            let wanted = state
                .wanted
                .entry(target.clone())
                .or_insert_with(|| Wanted {
                    receivers: Vec::new(),
                    standing: watch::channel(Standing::Wanted).0,
                    stood: false,
                    gap_due: Cell::new(false),
                });
            let (receiver, subscription) =
                Receiver::pair(target, id, self.clone(), wanted.standing.subscribe());
            wanted.receivers.push(receiver);
            subscription
        };
        self.changed.send_replace(());
        subscription
    }

    pub(super) fn remove(&self, target: &Target, id: u64) {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(target) else {
            return;
        };
        wanted.receivers.retain(|receiver| receiver.id != id);
        if wanted.receivers.is_empty() {
            state.wanted.remove(target);
            drop(state);
            self.changed.send_replace(());
        }
    }

    /// Tells when something was added, removed or lost.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        self.lock().wanted.keys().cloned().collect()
    }

    /// A connection is about to ask for these; what comes by it before the confirmation is read comes behind the gap.
    pub(super) fn ask<'t>(&self, targets: impl IntoIterator<Item = &'t Target>) {
        let state = self.lock();
        for target in targets {
            if let Some(wanted) = state.wanted.get(target) {
                wanted.gap_due.set(wanted.stood);
            }
        }
    }

    /// The server has confirmed a target on the present connection.
    pub(super) fn confirm(&self, target: &Target) {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(target) else {
            return;
        };
        if wanted.stood {
            wanted.tell_gap();
        }
        wanted.stood = true;
        wanted.standing.send_replace(Standing::Confirmed);
    }

    /// A target that the present connection holds already, wanted again: no message was lost.
    pub(super) fn confirm_held(&self, target: &Target) {
        if let Some(wanted) = self.lock().wanted.get_mut(target) {
            wanted.stood = true;
            wanted.standing.send_if_modified(|standing| {
                let waits = matches!(standing, Standing::Wanted);
                if waits {
                    *standing = Standing::Confirmed;
                }
                waits
            });
        }
    }

    /// The server refuses a target: its subscribers are told, and it is no longer wanted.
    pub(super) fn refuse(&self, target: &Target, error: Error) {
        if let Some(wanted) = self.lock().wanted.remove(target) {
            wanted.standing.send_replace(Standing::Refused(error));
        }
    }

    /// A connection no longer carries these: what is still wanted of them does not stand any more.
    pub(super) fn lost<'t>(&self, targets: impl IntoIterator<Item = &'t Target>) {
        let state = self.lock();
        for target in targets {
            if let Some(wanted) = state.wanted.get(target) {
                wanted.standing.send_replace(Standing::Wanted);
            }
        }
        drop(state);
        // Another connection may carry one of them already, and says so.
        self.changed.send_replace(());
    }

    pub(super) fn close(&self) {
        self.lock().wanted.clear();
    }

    /// Tells every receiver that messages are missing.
    pub(super) fn gap(&self) {
        for receiver in self
            .lock()
            .wanted
            .values()
            .flat_map(|wanted| &wanted.receivers)
        {
            receiver.deliver(Delivery::Gap(GapCause::TooSlow));
        }
    }

    pub(super) fn dispatch(&self, kind: Kind, channel: &Bytes, payload: &Bytes) {
        let mut state = self.lock();
        let State {
            wanted, repeated, ..
        } = &mut *state;
        let message = Delivery::Message {
            channel: channel.clone(),
            payload: payload.clone(),
        };
        let exact = |target: Target| wanted.get(&target).into_iter().collect();
        let receiving: Vec<&Wanted> = match kind {
            Kind::Channel => exact(Target::Channel(Key::raw(channel.clone()))),
            Kind::Sharded => exact(Target::Sharded(Key::raw(channel.clone()))),
            Kind::Pattern => wanted
                .iter()
                .filter(|(target, _)| {
                    // fred does not say which pattern a message came by, so we find out again.
                    target.kind() == kind && glob_matches(target.key().as_bytes(), channel)
                })
                .map(|(_, wanted)| wanted)
                .collect(),
        };
        if kind == Kind::Pattern && receiving.len() > 1 {
            // The server sends one message for each pattern that matches, one after the other, and fred does not say
            // which pattern it was: the first goes to all of them, and the others are that one again.
            match repeated {
                Some((last, value, seen))
                    if last == channel && value == payload && *seen < receiving.len() =>
                {
                    *seen += 1;
                    return;
                }
                _ => *repeated = Some((channel.clone(), payload.clone(), 1)),
            }
        }
        for wanted in receiving {
            if wanted.gap_due.get() {
                wanted.tell_gap();
            }
            for receiver in &wanted.receivers {
                receiver.deliver(message.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics; a map of receivers cannot be half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
