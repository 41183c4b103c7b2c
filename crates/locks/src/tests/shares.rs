//! What several may hold: the scripts against what is meant by them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use russet_testkit::resp::Value;

use super::scripts::{Scripts, bytes};
use super::server::Owner;
use crate::keys::{FORCE_SHARE, HAND_ON_SHARE, INSPECT_SHARE, RENEW_SHARE, WAIT_SHARE};

const HOUR: u64 = 3_600 * 1_000_000;
const OWNERS: Owner = 6;
const HEARS: u64 = 15 * HOUR;
const CONFIRM: u64 = 5 * HOUR;
/// As the scripts have it.
const MARKED: u64 = 10 * 1_000_000;

/// What somebody wants: for how long, how much, of how much, and whether they let others go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Want {
    owner: Owner,
    lease: u64,
    weight: u64,
    of: u64,
    yields: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    till: u64,
    fence: u64,
    weight: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Granted(u64, u64),
    Busy(u64),
    Uncertain(u64),
}

/// All that is meant, as plainly as it can be said.
#[derive(Default)]
struct Meant {
    fence: u64,
    waits: bool,
    holders: BTreeMap<Owner, Holder>,
    marks: BTreeMap<Owner, u64>,
    /// And until when each counts as alive.
    queue: Vec<(Want, u64)>,
    barges: bool,
}

impl Meant {
    fn pass(&mut self, now: u64) {
        self.holders.retain(|_, holder| holder.till > now);
        self.marks.retain(|_, till| *till > now);
    }

    fn fits(&self, weight: u64, of: u64) -> bool {
        self.holders.values().map(|one| one.weight).sum::<u64>() + weight <= of
    }

    fn grant(&mut self, now: u64, want: Want, lease: u64) -> Holder {
        self.fence = (self.fence + 1).max(now);
        let holder = Holder {
            till: now + lease,
            fence: self.fence,
            weight: want.weight,
        };
        assert!(
            self.holders.insert(want.owner, holder).is_none(),
            "{want:?} holds it already"
        );
        holder
    }

    fn prune(&mut self, now: u64) {
        self.queue.retain(|(_, till)| *till > now);
    }

    fn hand_on(&mut self, now: u64) {
        self.prune(now);
        while let Some(&(first, _)) = self.queue.first()
            && self.fits(first.weight, first.of)
            && !self.barges
        {
            self.queue.remove(0);
            self.grant(now, first, first.lease.min(CONFIRM));
        }
        self.waits = !self.queue.is_empty();
    }

    fn wait(&mut self, now: u64, want: Want, seen: u64, hears: u64) -> Reply {
        self.pass(now);
        if self.marks.contains_key(&want.owner) {
            return Reply::Busy(0);
        }
        if self.waits {
            self.hand_on(now);
        }
        let at = self.queue.iter().position(|(other, _)| *other == want);
        let before = match at {
            Some(at) => at,
            None if want.yields => self.queue.len(),
            None => self.queue.iter().filter(|(one, _)| !one.yields).count(),
        };
        let mut mine = self.holders.get(&want.owner).copied();
        if let Some(mine) = &mut mine {
            mine.till = now + want.lease;
            self.holders.insert(want.owner, *mine);
        } else if self.fits(want.weight, want.of) && (self.barges || !self.waits || before == 0) {
            self.queue
                .retain(|(other, _)| !self.waits || *other != want);
            self.waits = !self.queue.is_empty();
            mine = Some(self.grant(now, want, want.lease));
        }
        if let Some(mine) = mine
            && mine.fence <= seen
        {
            self.holders.remove(&want.owner);
            self.hand_on(now);
            return Reply::Uncertain(mine.fence);
        }
        if let Some(mine) = mine {
            return Reply::Granted(mine.fence, want.lease);
        }
        if hears == 0 {
            return Reply::Busy(0);
        }
        let at = match self.queue.iter().position(|(other, _)| *other == want) {
            Some(at) => {
                self.queue[at].1 = now + hears;
                at
            }
            None => {
                let at = match want.yields {
                    true => self.queue.len(),
                    false => self.queue.iter().filter(|(one, _)| !one.yields).count(),
                };
                self.queue.insert(at, (want, now + hears));
                at
            }
        };
        self.waits = true;
        Reply::Busy(at as u64)
    }

    fn leave(&mut self, now: u64, want: Want) -> bool {
        self.pass(now);
        let was = self.holders.remove(&want.owner).is_some();
        if !was {
            self.queue.retain(|(other, _)| *other != want);
            self.marks
                .insert(want.owner, (now.div_ceil(MARKED) + 1) * MARKED);
        }
        self.hand_on(now);
        was
    }

    fn renew(&mut self, now: u64, owner: Owner, lease: u64) -> bool {
        self.pass(now);
        match self.holders.get_mut(&owner) {
            Some(holder) => {
                holder.till = now + lease;
                true
            }
            None => false,
        }
    }

    fn force(&mut self, now: u64) -> Vec<u64> {
        self.pass(now);
        let held: Vec<u64> = self.holders.values().map(|holder| holder.fence).collect();
        if !held.is_empty() {
            self.holders.clear();
            self.hand_on(now);
        }
        held
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Microseconds.
    Pass(u64),
    Wait(Want, bool, bool),
    Leave(Owner),
    Renew(Owner),
    Force,
    Inspect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Each owner wants one thing, as a call does; the last two write.
    let owner = || 0..OWNERS;
    let step = prop_oneof![
        3 => (0..6 * HOUR).prop_map(Step::Pass),
        // Less than it takes to forget that somebody has gone away.
        2 => (0..2 * MARKED).prop_map(Step::Pass),
        8 => (owner(), prop::bool::weighted(0.05), prop::bool::weighted(0.9))
            .prop_map(|(owner, seen, waits)| Step::Wait(want(owner), seen, waits)),
        4 => owner().prop_map(Step::Leave),
        2 => owner().prop_map(Step::Renew),
        1 => Just(Step::Force),
        1 => Just(Step::Inspect),
    ];
    prop::collection::vec(step, 1..80)
}

fn want(owner: Owner) -> Want {
    let is_writer = owner >= 4;
    Want {
        owner,
        lease: (1 + u64::from(owner % 3)) * 10 * HOUR,
        weight: if is_writer {
            4
        } else {
            1 + u64::from(owner % 2)
        },
        // One of them has been told another number.
        of: if owner == 3 { 3 } else { 4 },
        yields: !is_writer,
    }
}

fn reply(value: &Value) -> Reply {
    let bytes = value.as_bytes().unwrap_or_else(|| panic!("{value:?}"));
    let number = |at: usize| {
        let at = 1 + 8 * at;
        f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as u64
    };
    match bytes[0] {
        0 => Reply::Busy(number(2)),
        1 => Reply::Granted(number(0), number(1)),
        _ => Reply::Uncertain(number(0)),
    }
}

fn share(want: Want) -> [Vec<u8>; 3] {
    [want.weight, want.of, want.yields.into()].map(|number: u64| number.to_string().into())
}

/// The first number of each that is told, after the version.
fn fences(told: &[Value]) -> Vec<u64> {
    let mut fences: Vec<u64> = told
        .iter()
        .map(|one| {
            let bytes = one.as_bytes().unwrap();
            f64::from_le_bytes(bytes[1..9].try_into().unwrap()) as u64
        })
        .collect();
    fences.sort_unstable();
    fences
}

/// What the lock says that is taken.
fn counted(script: &mut Scripts) -> u64 {
    let key = script.key.clone();
    let state = script.connection.command(&["HGET", &key, ""]).unwrap();
    let bytes = state.as_bytes().unwrap();
    f64::from_le_bytes(bytes[10..18].try_into().unwrap()) as u64
}

fn run(steps: &[Step], barges: bool) -> Result<(), TestCaseError> {
    let mut script = Scripts::new(":%permits");
    let mut meant = Meant {
        barges,
        ..Meant::default()
    };
    let text = |number: u64| number.to_string().into_bytes();
    let barges = text(barges.into());
    for (at, step) in steps.iter().enumerate() {
        let now = script.now;
        match *step {
            Step::Pass(time) => script.now += time,
            Step::Wait(want, is_seen, waits) => {
                let seen = if is_seen { now + 50 * HOUR } else { 0 };
                let hears = if waits { HEARS } else { 0 };
                let mut args = vec![text(HOUR), bytes(want.owner), text(want.lease), text(seen)];
                args.extend([b"label".to_vec(), text(hears), barges.clone()]);
                args.extend([text(CONFIRM), b"channel:".to_vec()]);
                args.extend(share(want));
                let told = reply(&script.call(WAIT_SHARE, 3, &args));
                let is = meant.wait(now, want, seen, hears);
                same!(told, is, at, steps);
            }
            Step::Leave(owner) => {
                let want = want(owner);
                let mut args = vec![text(HOUR), bytes(owner), text(want.lease)];
                args.extend([b"label".to_vec(), text(CONFIRM), b"channel:".to_vec()]);
                args.push(barges.clone());
                args.extend(share(want));
                let told = script.call(HAND_ON_SHARE, 3, &args);
                let is = i64::from(meant.leave(now, want));
                same!(told.as_int(), Some(is), at, steps);
            }
            Step::Renew(owner) => {
                let lease = want(owner).lease;
                let args = [text(HOUR), bytes(owner), text(lease)];
                let told = script.call(RENEW_SHARE, 1, &args);
                let told = told.as_array().and_then(|told| told[0].as_int());
                let is = i64::from(meant.renew(now, owner, lease));
                same!(told, Some(is), at, steps);
            }
            Step::Force => {
                let args = [
                    text(HOUR),
                    text(CONFIRM),
                    b"channel:".to_vec(),
                    b"why".to_vec(),
                    barges.clone(),
                ];
                let told = script.call(FORCE_SHARE, 3, &args);
                let told = fences(told.as_array().unwrap_or_else(|| panic!("{told:?}")));
                let mut is = meant.force(now);
                is.sort_unstable();
                same!(told, is, at, steps);
            }
            Step::Inspect => {
                meant.pass(now);
                let told = script.call(INSPECT_SHARE, 3, &[b"100".to_vec()]);
                let told = told.as_array().unwrap_or_else(|| panic!("{told:?}"));
                let count = usize::try_from(told[1].as_int().unwrap()).unwrap();
                let mut is: Vec<u64> = meant.holders.values().map(|one| one.fence).collect();
                is.sort_unstable();
                same!(fences(&told[2..2 + count]), is, at, steps);
            }
        }
        // Whatever was asked: never more than there is, and what is counted is what is held.
        let taken: u64 = meant.holders.values().map(|one| one.weight).sum();
        prop_assert!(taken <= 4);
        if matches!(step, Step::Wait(..) | Step::Leave(_)) {
            same!(counted(&mut script), taken, at, steps);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(3_000, 150))]

    #[test]
    fn shares_are_as_meant(steps in steps(), barges in prop::bool::weighted(0.2)) {
        run(&steps, barges)?;
    }
}
