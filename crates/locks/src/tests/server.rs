//! What the scripts of one lock do, without a thought for speed.

use std::collections::BTreeMap;

pub(super) type Owner = u8;

/// A lock's value, and who waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) lock: Lock,
    /// Who waits, first come first, and for how long they want it.
    pub(super) queue: Vec<(Owner, u64)>,
    /// Until when each of them counts as alive.
    pub(super) beats: BTreeMap<Owner, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lock {
    pub(super) waits: bool,
    pub(super) fence: u64,
    pub(super) till: u64,
    pub(super) lease: u64,
    pub(super) owner: Option<Owner>,
}

/// What is asked by who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ask {
    pub(super) owner: Owner,
    pub(super) lease: u64,
    pub(super) seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    /// The fence, and for how long.
    Granted(u64, u64),
    /// How long it is held, and how many are before who asks.
    Busy(u64, usize),
    Queued,
    Uncertain(u64),
}

/// What is the same for all who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    pub(super) hears: u64,
    pub(super) confirm: u64,
    pub(super) barges: bool,
}

impl Server {
    /// As every script finds it.
    fn look(&mut self, now: u64) {
        self.lock.till = self.lock.till.min(now + self.lock.lease);
    }

    fn is_held(&self, now: u64) -> bool {
        self.lock.till > now
    }

    /// Whether who asks has gone away since.
    fn has_left(&self, owner: Owner) -> bool {
        self.lock.till == 0 && self.lock.owner == Some(owner)
    }

    fn next_fence(&self, now: u64) -> u64 {
        now.max(self.lock.fence + 1)
    }

    fn grant(&mut self, now: u64, owner: Owner, lease: u64) {
        self.lock.fence = self.next_fence(now);
        (self.lock.owner, self.lock.lease, self.lock.till) = (Some(owner), lease, now + lease);
    }

    fn leave(&mut self, owner: Owner) {
        self.queue.retain(|(other, _)| *other != owner);
        self.beats.remove(&owner);
    }

    fn prune(&mut self, now: u64) {
        let dead = self.beats.iter().filter(|(_, till)| **till <= now);
        for owner in dead.map(|(owner, _)| *owner).collect::<Vec<_>>() {
            self.leave(owner);
        }
    }

    fn count_waiting(&mut self) {
        self.lock.waits = !self.queue.is_empty();
    }

    /// To the first who waits.
    fn pass(&mut self, now: u64, rules: Rules) {
        self.prune(now);
        if let Some((owner, lease)) = self.queue.first().copied()
            && !rules.barges
        {
            self.leave(owner);
            self.grant(now, owner, lease.min(rules.confirm));
        }
        self.count_waiting();
    }

    pub(super) fn take(&mut self, now: u64, ask: Ask) -> Reply {
        self.look(now);
        if self.is_held(now) {
            return match self.lock.owner == Some(ask.owner) {
                true => Reply::Granted(self.lock.fence, self.lock.till - now),
                false => Reply::Busy(self.lock.till - now, 0),
            };
        }
        if self.has_left(ask.owner) {
            return Reply::Busy(0, 0);
        }
        if self.lock.waits {
            return Reply::Queued;
        }
        self.grant(now, ask.owner, ask.lease);
        Reply::Granted(self.lock.fence, ask.lease)
    }

    pub(super) fn wait(&mut self, now: u64, ask: Ask, rules: Rules) -> Reply {
        self.look(now);
        self.prune(now);
        if self.has_left(ask.owner) {
            return Reply::Busy(0, 0);
        }
        let mut is_mine = self.is_held(now) && self.lock.owner == Some(ask.owner);
        if !self.is_held(now) {
            let first = self.queue.first().map(|(owner, _)| *owner);
            if rules.barges || first.is_none_or(|first| first == ask.owner) {
                self.leave(ask.owner);
                self.grant(now, ask.owner, ask.lease);
                is_mine = true;
            } else {
                self.pass(now, rules);
            }
        }
        if is_mine && self.lock.fence <= ask.seen {
            self.leave(ask.owner);
            let offered = self.lock.fence;
            self.lock.till = 0;
            self.pass(now, rules);
            return Reply::Uncertain(offered);
        }
        if is_mine {
            self.leave(ask.owner);
            (self.lock.lease, self.lock.till) = (ask.lease, now + ask.lease);
            self.count_waiting();
            return Reply::Granted(self.lock.fence, ask.lease);
        }
        if rules.hears > 0 {
            if !self.queue.iter().any(|(owner, _)| *owner == ask.owner) {
                self.queue.push((ask.owner, ask.lease));
            }
            self.beats.insert(ask.owner, now + rules.hears);
        }
        self.count_waiting();
        let before = self.queue.iter().position(|(owner, _)| *owner == ask.owner);
        Reply::Busy(self.lock.till.saturating_sub(now), before.unwrap_or(0))
    }

    pub(super) fn renew(&mut self, now: u64, owner: Owner, lease: u64) -> bool {
        let is_mine = self.is_held(now) && self.lock.owner == Some(owner);
        if is_mine {
            (self.lock.lease, self.lock.till) = (lease, now + lease);
        }
        is_mine
    }

    /// 2: somebody waits.
    /// Also if its lease has ended, as long as nobody else has it.
    pub(super) fn give(&mut self, owner: Owner) -> u8 {
        if self.lock.owner != Some(owner) {
            return 0;
        }
        if self.lock.till == 0 {
            return 1;
        }
        if self.lock.waits {
            return 2;
        }
        self.lock.till = 0;
        1
    }

    pub(super) fn hand_on(&mut self, now: u64, owner: Owner, rules: Rules) -> bool {
        self.look(now);
        self.leave(owner);
        let was = self.lock.owner == Some(owner) && (self.lock.till == 0 || self.is_held(now));
        if was || !self.is_held(now) {
            (self.lock.owner, self.lock.till) = (Some(owner), 0);
            self.pass(now, rules);
        }
        self.count_waiting();
        was
    }
}
