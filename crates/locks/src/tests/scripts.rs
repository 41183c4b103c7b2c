//! The scripts against the model of them, whatever is asked and however the clock goes.

use std::time::Duration;

use proptest::prelude::*;
use russet_testkit::Shared;
use russet_testkit::resp::{Connection, Value};

use super::server::{Ask, Owner, Reply, Rules, Server};
use crate::keys::{GIVE, HAND_ON, RENEW, TAKE, WAIT};

/// Keys live by the server's own clock: these are longer than any test.
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const OWNERS: Owner = 4;

#[derive(Clone, Debug)]
enum Step {
    /// Microseconds, also backwards.
    Pass(i64),
    Take(Owner, u64),
    Wait(Owner, u64, bool, bool),
    Renew(Owner, u64),
    Give(Owner),
    HandOn(Owner),
    /// The key is evicted, or all of them.
    Forget(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = || 0..OWNERS;
    // One of a few, so that who waits and who asks again ask for the same.
    let lease = || (1..4_u64).prop_map(|leases| leases * 10 * HOUR);
    let step = prop_oneof![
        4 => (0..40 * HOUR as i64).prop_map(Step::Pass),
        1 => (-50 * HOUR as i64..0).prop_map(Step::Pass),
        4 => (owner(), lease()).prop_map(|(owner, lease)| Step::Take(owner, lease)),
        6 => (owner(), lease(), prop::bool::weighted(0.1), prop::bool::weighted(0.9))
            .prop_map(|(owner, lease, seen, waits)| Step::Wait(owner, lease, seen, waits)),
        2 => (owner(), lease()).prop_map(|(owner, lease)| Step::Renew(owner, lease)),
        2 => owner().prop_map(Step::Give),
        3 => owner().prop_map(Step::HandOn),
        1 => prop::bool::ANY.prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// One lock's scripts, by a clock that the test sets.
pub(super) struct Scripts {
    pub(super) connection: Connection,
    pub(super) key: String,
    pub(super) now: u64,
}

pub(super) fn bytes(owner: Owner) -> Vec<u8> {
    vec![owner + 1; 16]
}

impl Scripts {
    pub(super) fn new(of: &'static str) -> Self {
        let shared = Shared::get();
        let url = shared.unrestricted_url();
        Scripts {
            connection: Connection::open(url, Duration::from_secs(10)).unwrap(),
            key: format!("{}:lock:{{model}}{of}", shared.namespace()),
            now: 1_790_000_000_000_000,
        }
    }

    pub(super) fn call(&mut self, script: &str, keys: usize, args: &[Vec<u8>]) -> Value {
        let clock = "return time[1] * 1000000 + time[2]";
        // Giving back needs none.
        assert!(script.contains(clock) || script == GIVE);
        let script = script.replace(clock, "return tonumber(table.remove(ARGV))");
        let keys: Vec<String> = ["", "%queue", "%beats"][..keys]
            .iter()
            .map(|attribute| match attribute.is_empty() {
                true => self.key.clone(),
                false => format!("{}:{attribute}", self.key),
            })
            .collect();
        let mut parts = vec![
            b"EVAL".to_vec(),
            script.into(),
            keys.len().to_string().into(),
        ];
        parts.extend(keys.into_iter().map(Into::into));
        parts.extend_from_slice(args);
        parts.push(self.now.to_string().into());
        self.connection.send(&parts).unwrap();
        self.connection.receive().unwrap()
    }

    fn reply(value: &Value) -> Reply {
        let bytes = value.as_bytes().unwrap_or_else(|| panic!("{value:?}"));
        let number = |at: usize| {
            let at = 1 + 8 * at;
            f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as u64
        };
        match bytes[0] {
            0 => Reply::Busy(
                number(1),
                if bytes.len() > 17 {
                    number(2) as usize
                } else {
                    0
                },
            ),
            1 => Reply::Granted(number(0), number(1)),
            2 => Reply::Queued,
            _ => Reply::Uncertain(number(0)),
        }
    }

    fn take(&mut self, ask: Ask) -> Reply {
        let args = [
            ask.lease.to_string().into(),
            (HOUR + ask.lease.div_ceil(1_000)).to_string().into(),
            [bytes(ask.owner), b"label".to_vec()].concat(),
        ];
        let told = self.call(TAKE, 1, &args);
        match &told.as_array().unwrap_or_else(|| panic!("{told:?}"))[0] {
            Value::Int(fence) => Reply::Granted(*fence as u64, ask.lease),
            other => Scripts::reply(other),
        }
    }

    fn wait(&mut self, ask: Ask, rules: Rules) -> Reply {
        let args = [
            HOUR.to_string().into(),
            bytes(ask.owner),
            ask.lease.to_string().into(),
            ask.seen.to_string().into(),
            b"label".to_vec(),
            rules.hears.to_string().into(),
            u8::from(rules.barges).to_string().into(),
            rules.confirm.to_string().into(),
            b"channel:".to_vec(),
        ];
        Scripts::reply(&self.call(WAIT, 3, &args))
    }

    fn number(&mut self, script: &str, args: &[Vec<u8>]) -> i64 {
        let told = self.call(script, 1, args);
        told.as_array()
            .and_then(|told| told[0].as_int())
            .unwrap_or_else(|| panic!("{told:?}"))
    }

    fn hand_on(&mut self, owner: Owner, lease: u64, rules: Rules) -> bool {
        let args = [
            HOUR.to_string().into(),
            bytes(owner),
            lease.to_string().into(),
            b"label".to_vec(),
            rules.confirm.to_string().into(),
            b"channel:".to_vec(),
            u8::from(rules.barges).to_string().into(),
        ];
        let told = self.call(HAND_ON, 3, &args);
        told.as_int().unwrap_or_else(|| panic!("{told:?}")) == 1
    }
}

fn run(steps: &[Step], barges: bool) -> Result<(), TestCaseError> {
    let (mut script, mut meant) = (Scripts::new(""), Server::default());
    let mut leases = [10 * HOUR; OWNERS as usize];
    for (at, step) in steps.iter().enumerate() {
        let now = script.now;
        let rules = Rules {
            hears: 15 * HOUR,
            confirm: 5 * HOUR,
            barges,
        };
        let seen = |is_seen: bool| if is_seen { now + HOUR } else { 0 };
        match *step {
            Step::Pass(time) => script.now = now.saturating_add_signed(time),
            Step::Take(owner, lease) => {
                let ask = Ask {
                    owner,
                    lease,
                    seen: 0,
                };
                same!(script.take(ask), meant.take(now, ask), at, steps);
            }
            Step::Wait(owner, lease, is_seen, waits) => {
                // Who waits wants it as long as when they began to.
                let lease = match meant.queue.iter().find(|(other, _)| *other == owner) {
                    Some((_, lease)) => *lease,
                    None => lease,
                };
                leases[usize::from(owner)] = lease;
                let ask = Ask {
                    owner,
                    lease,
                    seen: seen(is_seen),
                };
                let rules = Rules {
                    hears: if waits { rules.hears } else { 0 },
                    ..rules
                };
                same!(
                    script.wait(ask, rules),
                    meant.wait(now, ask, rules),
                    at,
                    steps
                );
            }
            Step::Renew(owner, lease) => {
                let args = [
                    HOUR.to_string().into(),
                    bytes(owner),
                    lease.to_string().into(),
                ];
                let told = script.number(RENEW, &args) == 1;
                same!(told, meant.renew(now, owner, lease), at, steps);
            }
            Step::Give(owner) => {
                let told = script.number(GIVE, &[bytes(owner)]);
                same!(told, i64::from(meant.give(owner)), at, steps);
            }
            Step::HandOn(owner) => {
                let lease = leases[usize::from(owner)];
                let told = script.hand_on(owner, lease, rules);
                same!(told, meant.hand_on(now, owner, rules), at, steps);
            }
            Step::Forget(is_all) => {
                let key = script.key.clone();
                script.connection.command(&["DEL", &key]).unwrap();
                meant.lock = Default::default();
                if is_all {
                    let queue = format!("{key}:%queue");
                    let beats = format!("{key}:%beats");
                    script.connection.command(&["DEL", &queue, &beats]).unwrap();
                    meant = Server::default();
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::cases(3_000, 100))]

    #[test]
    fn scripts_are_as_meant(steps in steps(), barges in prop::bool::weighted(0.2)) {
        run(&steps, barges)?;
    }
}
