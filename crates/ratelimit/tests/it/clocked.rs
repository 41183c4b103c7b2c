//! The limiter's own scripts, by a clock that a test sets.

use std::time::Duration;

use russet_ratelimit::KEYS;
use russet_testkit::Shared;
use russet_testkit::resp::{Connection, Value};

/// The script that decides, on a key of its own, and the time that it is told.
pub(crate) struct Clocked {
    connection: Connection,
    hash: String,
    pub(crate) key: String,
    /// Microseconds since 1970.
    pub(crate) now: i64,
}

/// What the script answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ruling: u8,
    pub(crate) policy: u8,
    pub(crate) limit: i64,
    pub(crate) current: i64,
    pub(crate) charged: i64,
    pub(crate) wait: i64,
    pub(crate) idle: i64,
}

pub(crate) const DENIED: u8 = 0;
pub(crate) const ALLOWED: u8 = 1;
pub(crate) const IMPOSSIBLE: u8 = 2;
pub(crate) const BLOCKED: u8 = 3;
pub(crate) const HELD_BACK: u8 = 5;

/// A policy's settings, as Redis is sent them.
pub(crate) fn settings(kind: u8, numbers: &[i64]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(
        numbers
            .iter()
            .flat_map(|number| (*number as f64).to_le_bytes()),
    );
    bytes
}

/// Loads one of the limiter's scripts, whose last argument is the time then.
fn load(connection: &mut Connection, is_it: impl Fn(&str) -> bool) -> String {
    let script = KEYS[0].scripts.iter().find(|script| is_it(script)).unwrap();
    let clock = "return time[1] * 1000000 + time[2]";
    assert!(script.contains(clock));
    let script = script.replace(clock, "return tonumber(table.remove(ARGV))");
    let hash = connection.command(&["SCRIPT", "LOAD", &script]).unwrap();
    hash.as_str().expect("a script that loads").to_owned()
}

/// What is asked of a call: in capitals it is one decision with the next one.
pub(crate) fn asked(mode: char, cost: i64) -> Vec<u8> {
    let mut asked = vec![mode as u8, 1];
    asked.extend(cost.to_string().into_bytes());
    asked
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let at = 3 + 8 * at;
            f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as i64
        };
        Answer {
            ruling: bytes[0],
            policy: bytes[1],
            limit: number(0),
            current: number(1),
            charged: number(2),
            wait: number(3),
            idle: number(4),
        }
    }
}

impl Clocked {
    pub(crate) fn new() -> Self {
        Clocked::of(|script| script.contains("Decides for several"))
    }

    /// The short way of one algorithm.
    pub(crate) fn short(kind: u8) -> Self {
        let policy = format!("kinds[{kind}] =");
        Clocked::of(|script| {
            script.contains("Charges subjects by one policy") && script.contains(&policy)
        })
    }

    fn of(is_it: impl Fn(&str) -> bool) -> Self {
        let shared = Shared::get();
        let mut connection =
            Connection::open(shared.unrestricted_url(), Duration::from_secs(10)).unwrap();
        Clocked {
            hash: load(&mut connection, is_it),
            connection,
            key: format!("{}:ratelimit:clocked:{{subject}}", shared.namespace()),
            now: 1_790_000_000_000_000,
        }
    }

    /// Asks on the short way.
    pub(crate) fn ask_short(&mut self, name: &str, settings: &[u8], cost: i64) -> Answer {
        let cost = cost.to_string();
        let now = self.now.to_string();
        let parts: [&[u8]; 8] = [
            b"EVALSHA",
            self.hash.as_bytes(),
            b"1",
            self.key.as_bytes(),
            name.as_bytes(),
            settings,
            cost.as_bytes(),
            now.as_bytes(),
        ];
        self.connection.send(&parts).unwrap();
        self.receive()
    }

    /// Asks as if by itself, of one set of policies.
    pub(crate) fn ask(&mut self, policies: &[(&str, Vec<u8>)], mode: char, cost: i64) -> Answer {
        self.send(policies, mode, cost);
        self.receive()
    }

    /// Gives back what was charged then.
    pub(crate) fn give_back(
        &mut self,
        policies: &[(&str, Vec<u8>)],
        cost: i64,
        charged_at: i64,
    ) -> Answer {
        let mut asked = asked('r', -cost);
        asked.extend(format!("@{charged_at}").into_bytes());
        self.send_asked(policies, asked);
        self.receive()
    }

    /// The same without waiting for the answer, which [`receive`](Clocked::receive) has.
    pub(crate) fn send(&mut self, policies: &[(&str, Vec<u8>)], mode: char, cost: i64) {
        self.send_asked(policies, asked(mode, cost));
    }

    fn send_asked(&mut self, policies: &[(&str, Vec<u8>)], asked: Vec<u8>) {
        let mut keys = vec![self.key.clone()];
        let logs = policies.iter().filter(|(_, settings)| settings[0] == 5);
        keys.extend(logs.map(|(name, _)| format!("{}:%log:{name}", self.key)));
        let mut parts: Vec<Vec<u8>> = vec![
            b"EVALSHA".to_vec(),
            self.hash.clone().into(),
            keys.len().to_string().into(),
        ];
        parts.extend(keys.into_iter().map(Into::into));
        parts.push(b"1".to_vec());
        parts.push(policies.len().to_string().into());
        parts.push(vec![0; 1 + policies.len()]);
        for (name, settings) in policies {
            parts.push(name.as_bytes().to_vec());
            parts.push(settings.clone());
        }
        parts.push(asked);
        parts.push(self.now.to_string().into());
        self.connection.send(&parts).unwrap();
    }

    pub(crate) fn receive(&mut self) -> Answer {
        let reply = self.connection.receive().unwrap();
        let bytes = reply.as_array().and_then(|replies| replies[0].as_bytes());
        let bytes = bytes.unwrap_or_else(|| panic!("{reply:?}"));
        Answer::read(bytes)
    }

    /// Another of the limiter's scripts, by the words that it begins with.
    pub(crate) fn script(&mut self, begins: &str) -> String {
        load(&mut self.connection, |script| script.contains(begins))
    }

    /// Calls a script at this time.
    pub(crate) fn call(&mut self, script: &str, keys: &[&str], args: &[Vec<u8>]) -> Value {
        let mut parts = vec![
            b"EVALSHA".to_vec(),
            script.into(),
            keys.len().to_string().into(),
        ];
        parts.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
        parts.extend_from_slice(args);
        parts.push(self.now.to_string().into());
        self.connection.send(&parts).unwrap();
        self.connection.receive().unwrap()
    }

    /// Decides about subjects together, by one set of policies, of which this much else is said.
    pub(crate) fn together(
        &mut self,
        keys: &[&str],
        says: &[u8],
        policies: &[(&str, Vec<u8>)],
        calls: Vec<Vec<u8>>,
    ) -> Vec<Answer> {
        let mut args = vec![
            b"1".to_vec(),
            policies.len().to_string().into(),
            says.to_vec(),
        ];
        for (name, settings) in policies {
            args.extend([name.as_bytes().to_vec(), settings.clone()]);
        }
        args.extend(calls);
        let hash = self.hash.clone();
        let reply = self.call(&hash, keys, &args);
        let answers = reply
            .as_array()
            .unwrap_or_else(|| panic!("{reply:?}"))
            .iter();
        answers
            .map(|answer| Answer::read(answer.as_bytes().unwrap()))
            .collect()
    }

    /// Runs something on a copy of what is counted, so that it has not happened.
    pub(crate) fn aside<T>(&mut self, log: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let (key, now) = (self.key.clone(), self.now);
        let aside = format!("{key}:aside");
        for (from, to) in [
            (key.clone(), aside.clone()),
            (format!("{key}:%log:{log}"), format!("{aside}:%log:{log}")),
        ] {
            self.command(&["DEL", &to]);
            self.command(&["COPY", &from, &to]);
        }
        self.key = aside;
        let result = run(self);
        (self.key, self.now) = (key, now);
        result
    }

    pub(crate) fn command(&mut self, parts: &[&str]) -> Value {
        self.connection.command(parts).unwrap()
    }
}
