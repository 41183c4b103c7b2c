//! Whether a server takes the rules as they are meant, by `ACL DRYRUN`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use russet_core::{
    BuildError, BuildErrorKind, Command, Concern, Error, ErrorKind, KeyType, Lane, Policy, Redis,
    Reply,
};

use super::builder::Acl;
use super::glob::{example, is_covered};
use super::sample::{Shape, call};
use super::user::User;
use crate::catalogue::Catalogue;
use crate::described::Described;

/// Which server is asked: the topology's default one.
const CONCERN: Concern = Concern::new("keyspace", "REDIS_URL");

/// What no user of a service may send, unless its concern does.
const FORBIDDEN: &[&[&str]] = &[
    &["FLUSHALL"],
    &["FLUSHDB"],
    &["KEYS", "*"],
    &["SCAN", "0"],
    &["RANDOMKEY"],
    &["SCRIPT", "FLUSH"],
    &["FUNCTION", "FLUSH"],
    &["CONFIG", "GET", "x"],
    &["CONFIG", "SET", "x", "1"],
    &["ACL", "LIST"],
    &["CLIENT", "KILL", "x"],
    &["MONITOR"],
    &["SHUTDOWN"],
    &["SWAPDB", "0", "1"],
];

impl Acl {
    /// Asks a server whether each user may do what it should and nothing else: each command of its own with a key of each of
    /// its patterns; the same with other users' keys and with a key of nobody; other users' commands; and what no service
    /// sends (`FLUSHALL`, `KEYS`, `CONFIG` …). `ACL DRYRUN`, so that nothing runs.
    ///
    /// The users of the server stay as they are: the rules are given to users called `russet-check-…`, who cannot log in
    /// and are removed at the end. Whoever asks may send `ACL SETUSER`, `ACL DRYRUN`, `ACL DELUSER`, `COMMAND INFO` and `EVAL`. Costs a
    /// round trip for each check, some hundreds.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a server without `ACL DRYRUN` (before Redis 7.0, or where ACLs were taken out); else as
    /// [`Lane::run`].
    ///
    /// # Cancel safety
    /// A dropped call may leave users called `russet-check-…`, who cannot log in.
    pub async fn check(&self, catalogue: &Catalogue, redis: &Redis) -> Result<Checks, Error> {
        let lane = redis.on(CONCERN);
        is_able(&lane).await?;
        let shapes = shapes(&lane, self, catalogue).await?;
        let unknown: BTreeSet<String> = self
            .users
            .iter()
            .flat_map(|user| &user.commands)
            .filter(|command| !command.starts_with('@') && !shapes.contains_key(*command))
            .cloned()
            .collect();
        let acl = self.clone().without(&unknown);
        let mut checks = Vec::new();
        for user in acl.users.iter().filter(|user| !user.concerns.is_empty()) {
            let name = format!("russet-check-{}-{}", std::process::id(), user.name);
            let asked = dry_run(
                &lane,
                &name,
                user,
                &expected(&acl, user, catalogue, &shapes),
            )
            .await;
            let delete = Command::new("ACL DELUSER").arg(&name);
            let deleted = lane.run::<i64>(delete, Policy::Idempotent).await;
            checks.extend(asked?);
            deleted?;
        }
        Ok(Checks {
            all: checks,
            unknown,
        })
    }
}

async fn is_able(lane: &Lane) -> Result<(), Error> {
    let info = Command::new("COMMAND INFO").arg("acl|dryrun");
    let info: Reply = lane.run(info, Policy::Idempotent).await?;
    let is_known = matches!(&info, Reply::Array(one) if matches!(&one[..], [Reply::Array(_)]));
    if is_known {
        return Ok(());
    }
    Err(BuildError::new(
        BuildErrorKind::Unsupported,
        "this server has no ACL DRYRUN; check the rules on one that has it (Redis 7.0 or later, Valkey), with its ACL commands \
         not renamed",
    )
    .into())
}

/// What the server says of every command that is granted or sent.
async fn shapes(
    lane: &Lane,
    acl: &Acl,
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, Shape>, Error> {
    let granted = acl.users.iter().flat_map(|user| &user.commands);
    let sent = catalogue.all().iter().flat_map(|one| &one.commands);
    let commands: BTreeSet<&String> = granted.chain(sent).collect();
    let commands: Vec<&String> = commands
        .into_iter()
        .filter(|command| !command.starts_with('@'))
        .collect();
    let names = commands
        .iter()
        .map(|command| command.to_ascii_lowercase().replacen(' ', "|", 1));
    let ask = Command::new("COMMAND INFO").args(names);
    let told: Vec<Reply> = lane.run(ask, Policy::Idempotent).await?;
    let mut shapes = BTreeMap::new();
    for (command, told) in commands.into_iter().zip(told) {
        if let Reply::Array(told) = told
            && let [_, Reply::Int(arity), _, Reply::Int(first_key), ..] = told[..]
        {
            shapes.insert(command.clone(), Shape { arity, first_key });
        }
    }
    Ok(shapes)
}

/// Every call that is worth asking about, and whether the user may make it.
fn expected(
    acl: &Acl,
    user: &User,
    catalogue: &Catalogue,
    shapes: &BTreeMap<String, Shape>,
) -> Vec<(Vec<String>, bool)> {
    let mut calls = Vec::new();
    let is_theirs = |one: &&Described| user.concerns.contains(&one.concern);
    let sample = |command: &str, key: &str| Some(call(command, *shapes.get(command)?, key));
    let names_a_key = |command: &str| {
        call(command, shapes[command], "\u{1}")
            .iter()
            .any(|word| word == "\u{1}")
    };
    for described in catalogue.all().iter().filter(is_theirs) {
        let key = example(described);
        // A script that is called with a key may publish, to another pattern's channel.
        let is_channel = described.kind == KeyType::Channel;
        let own = described.commands.iter();
        let own = own.filter(|command| is_of_channel(command) == is_channel);
        calls.extend(own.filter_map(|command| Some((sample(command, &key)?, true))));
        let glob = described.glob();
        let (scripts, channels) = (described.has_scripts, is_channel);
        // A pattern is subscribed to as the rule has it, or not at all.
        let of_core = [
            (scripts, "EVALSHA", &key),
            (channels, "SUBSCRIBE", &key),
            (channels, "SSUBSCRIBE", &key),
            (channels, "PSUBSCRIBE", &glob),
        ];
        let of_core = of_core.into_iter().filter(|(is_sent, ..)| *is_sent);
        calls.extend(of_core.filter_map(|(_, command, key)| Some((sample(command, key)?, true))));
    }
    // What core sends of itself names no key, but for scripts.
    let upkeep = user
        .commands
        .iter()
        .filter(|command| !names_a_key(command) || command.contains("UNSUB"));
    calls.extend(upkeep.filter_map(|command| Some((sample(command, "")?, true))));
    let strangers = catalogue
        .all()
        .iter()
        .filter(|one| !is_theirs(one))
        .map(|one| (one.kind, example(one)));
    let nobody =
        [KeyType::String, KeyType::Channel].map(|kind| (kind, "nobody\u{2019}s".to_owned()));
    for (kind, key) in strangers.chain(nobody) {
        let is_channel = kind == KeyType::Channel;
        let fits = |command: &&String| {
            // Whoever unsubscribes is asked for no channel's right.
            names_a_key(command)
                && is_channel == is_of_channel(command)
                && !command.contains("UNSUB")
        };
        let covered = if is_channel {
            &user.channels
        } else {
            &user.keys
        };
        // What a glob covers without meaning it is told by `Acl::overlaps`.
        if covered.iter().any(|glob| is_covered(glob, &key)) {
            continue;
        }
        let own = user.commands.iter().filter(fits);
        calls.extend(own.filter_map(|command| Some((sample(command, &key)?, false))));
    }
    let own_key = catalogue
        .all()
        .iter()
        .find(is_theirs)
        .map(example)
        .unwrap_or_default();
    let others: BTreeSet<&String> = acl
        .users
        .iter()
        .flat_map(|other| &other.commands)
        .filter(|command| !user.commands.contains(command))
        .collect();
    calls.extend(
        others
            .into_iter()
            .filter_map(|command| Some((sample(command, &own_key)?, false))),
    );
    let forbidden = FORBIDDEN
        .iter()
        .filter(|words| !user.commands.iter().any(|granted| granted == words[0]));
    calls.extend(forbidden.map(|words| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        (words, false)
    }));
    calls
}

fn is_of_channel(command: &str) -> bool {
    command.contains("SUBSCRIBE") || command.ends_with("PUBLISH")
}

async fn dry_run(
    lane: &Lane,
    name: &str,
    user: &User,
    calls: &[(Vec<String>, bool)],
) -> Result<Vec<Check>, Error> {
    let set = Command::new("ACL SETUSER").arg(name).args(user.rules());
    // It cannot log in, whatever password the rules have.
    lane.run::<()>(set.arg("off"), Policy::Idempotent).await?;
    let mut checks = Vec::new();
    for (words, is_allowed) in calls {
        let ask = Command::new("ACL DRYRUN").arg(name).args(words);
        let answer = match lane.run::<String>(ask, Policy::Idempotent).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::Server => error.to_string(),
            Err(error) => return Err(error),
        };
        checks.push(Check {
            user: user.name.clone(),
            words: words.clone(),
            should_be_allowed: *is_allowed,
            answer: answer.replace(name, &user.name),
        });
    }
    Ok(checks)
}

/// One call that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Who would make it.
    pub user: String,
    /// Its words.
    pub words: Vec<String>,
    /// Whether the rules mean to allow it.
    pub should_be_allowed: bool,
    /// What the server said: `OK`, or why not.
    pub answer: String,
}

impl Check {
    /// Whether it is as the rules mean it.
    pub fn holds(&self) -> bool {
        let is_denied = self.answer.contains("has no permissions");
        match self.should_be_allowed {
            true => self.answer == "OK",
            false => is_denied,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "ok    " } else { "WRONG " };
        let meant = if self.should_be_allowed {
            "allowed"
        } else {
            "denied"
        };
        let (user, words) = (&self.user, self.words.join(" "));
        write!(f, "{verdict}{user}: {words}: {meant}, says the rule; ")?;
        f.write_str(&self.answer)
    }
}

/// What [`Acl::check`] found. `Display` sums it up, with every check that does not hold.
#[derive(Clone, Debug)]
pub struct Checks {
    all: Vec<Check>,
    unknown: BTreeSet<String>,
}

impl Checks {
    /// Every check, in the order in which it was made.
    pub fn all(&self) -> &[Check] {
        &self.all
    }

    /// Commands of the rules that this server does not know, and would refuse to be told of.
    pub fn unknown(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    /// Whether every check holds.
    pub fn hold(&self) -> bool {
        self.all.iter().all(Check::holds)
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut users: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for check in &self.all {
            let counts = users.entry(&check.user).or_default();
            counts[usize::from(!check.should_be_allowed)] += 1;
            counts[2] += usize::from(!check.holds());
        }
        for (user, [allowed, denied, wrong]) in users {
            writeln!(
                f,
                "{user}: {allowed} calls allowed, {denied} denied, {wrong} not as meant"
            )?;
        }
        for check in self.all.iter().filter(|check| !check.holds()) {
            writeln!(f, "{check}")?;
        }
        if !self.unknown.is_empty() {
            let unknown: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
            writeln!(f, "not known to this server: {}", unknown.join(", "))?;
        }
        Ok(())
    }
}
