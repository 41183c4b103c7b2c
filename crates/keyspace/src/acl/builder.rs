//! Access rules from a catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use russet_core::{BuildError, BuildErrorKind, KeyType, UPKEEP, is_wrapped};
use sha2::{Digest as _, Sha256};

use super::glob::{example, globs, is_covered};
use super::user::User;
use crate::catalogue::Catalogue;
use crate::described::Described;

/// What whoever looks after the keys sends: reading, walking, repairing TTLs, removing, copying; nothing that empties a
/// server or changes its configuration.
const OPS: &[&str] = &[
    "ACL DRYRUN",
    "ACL WHOAMI",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLIENT NO-EVICT",
    "CLIENT SETNAME",
    "CLUSTER INFO",
    "CLUSTER SLOTS",
    "COMMAND INFO",
    "CONFIG GET",
    "DBSIZE",
    "DUMP",
    "EXISTS",
    "GET",
    "HLEN",
    "INFO",
    "LATENCY LATEST",
    "LLEN",
    "MEMORY USAGE",
    "OBJECT ENCODING",
    "OBJECT FREQ",
    "OBJECT IDLETIME",
    "PEXPIRE",
    "PEXPIRETIME",
    "PING",
    "PTTL",
    "PUBSUB CHANNELS",
    "PUBSUB NUMSUB",
    "RESTORE",
    "SCAN",
    "SCARD",
    "SELECT",
    "SLOWLOG GET",
    "STRLEN",
    "TYPE",
    "UNLINK",
    "XINFO STREAM",
    "XLEN",
    "ZCARD",
];

/// Makes access rules from a catalogue: a user for each concern, with its keys, its channels, and exactly the commands that
/// are sent with them; one for operations; one for administrators.
///
/// No category is granted: `@scripting` would allow `SCRIPT FLUSH`, and `-@dangerous` would take `INFO`. The commands inside
/// scripts are granted too, because access rules hold there as well.
///
/// What access rules cannot say: `SCAN`, `KEYS`, `RANDOMKEY`, `DBSIZE` and `FLUSHALL` know no key patterns (whoever may send
/// them reaches every key's name, or every key). A service's users get none of them but `SCAN`, where their concern walks its keys
/// (the cache: `keys`, `remove_matching`); [`Acl::without`] takes it away where nobody calls that. And no rule names a database before Valkey 9.1: a user of one database may
/// touch keys of that name in every other one.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct AclBuilder<'c> {
    catalogue: &'c Catalogue,
    users: Vec<(String, Vec<String>)>,
    passwords: BTreeMap<String, String>,
    ops: String,
    admin: String,
    is_cluster: bool,
}

impl<'c> AclBuilder<'c> {
    pub(crate) fn new(catalogue: &'c Catalogue) -> Self {
        AclBuilder {
            catalogue,
            users: Vec::new(),
            passwords: BTreeMap::new(),
            ops: "ops".to_owned(),
            admin: "admin".to_owned(),
            is_cluster: false,
        }
    }

    /// One user for several concerns, as `cache_user` for cache and sessions; a concern may be several users'. One that is given
    /// to nobody has a user of its own, `<concern>_user`.
    pub fn user<'n>(
        mut self,
        name: impl Into<String>,
        concerns: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let concerns = concerns.into_iter().map(str::to_owned).collect();
        self.users.push((name.into(), concerns));
        self
    }

    /// A user's password; its SHA-256 goes into the rule, and the user is on. One without a password is off.
    pub fn password(mut self, user: impl Into<String>, password: &str) -> Self {
        let digest = Sha256::digest(password.as_bytes());
        let hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.passwords.insert(user.into(), hash);
        self
    }

    /// What the users for operations and for administrators are called; `ops` and `admin` unless told.
    pub fn people(mut self, ops: impl Into<String>, admin: impl Into<String>) -> Self {
        (self.ops, self.admin) = (ops.into(), admin.into());
        self
    }

    /// Grants what a client of a cluster asks its nodes.
    pub fn cluster(mut self) -> Self {
        self.is_cluster = true;
        self
    }

    /// The rules.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`] for a user's name that is empty or holds white space, [`BuildErrorKind::Conflict`] for a name
    /// that is given twice, a concern without keys in the catalogue, and a password of nobody.
    pub fn build(self) -> Result<Acl, BuildError> {
        let conflict = |message| Err(BuildError::new(BuildErrorKind::Conflict, message));
        let all = self.catalogue.all();
        let concerns: BTreeSet<&str> = all.iter().map(|one| &*one.concern).collect();
        let mut given = BTreeSet::new();
        let mut plan: Vec<(String, Vec<String>)> = Vec::new();
        for (name, theirs) in &self.users {
            for concern in theirs {
                if !concerns.contains(&**concern) {
                    let known = concerns.iter().copied().collect::<Vec<_>>().join(", ");
                    return conflict(format!(
                        "the user {name} shall have {concern:?}, of which there are no keys; there are {known}"
                    ));
                }
                given.insert(&**concern);
            }
            plan.push((name.clone(), theirs.clone()));
        }
        for concern in concerns.difference(&given) {
            plan.push((format!("{concern}_user"), vec![(*concern).to_owned()]));
        }
        let mut users: Vec<User> = plan
            .into_iter()
            .map(|(name, concerns)| self.app_user(name, concerns))
            .collect();
        let keys = globs(all.iter().filter(|one| one.kind != KeyType::Channel));
        let channels = globs(all.iter().filter(|one| one.kind == KeyType::Channel));
        let person = |name: &str, keys, channels, commands: &[&str]| User {
            name: name.to_owned(),
            concerns: Vec::new(),
            keys,
            channels,
            commands: commands.iter().map(|&command| command.to_owned()).collect(),
            password: self.passwords.get(name).cloned(),
        };
        users.push(person(&self.ops, keys, channels, OPS));
        let any = || vec!["*".to_owned()];
        users.push(person(&self.admin, any(), any(), &["@all"]));
        let mut names = BTreeSet::new();
        for user in &users {
            let name = &user.name;
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let message =
                    format!("a user cannot be called {name:?}; write a name without white space");
                return Err(BuildError::new(BuildErrorKind::Name, message));
            }
            if !names.insert(&**name) {
                return conflict(format!("two users are called {name}"));
            }
        }
        if let Some(nobody) = self.passwords.keys().find(|name| !names.contains(&***name)) {
            return conflict(format!(
                "there is a password for {nobody}, and no such user"
            ));
        }
        let overlaps = overlaps(&users, self.catalogue.all());
        Ok(Acl { users, overlaps })
    }

    fn app_user(&self, name: String, concerns: Vec<String>) -> User {
        let all = self.catalogue.all().iter();
        let theirs: Vec<&Described> = all.filter(|one| concerns.contains(&one.concern)).collect();
        let is_channel = |one: &&Described| one.kind == KeyType::Channel;
        let of = |is: bool| {
            globs(
                theirs
                    .iter()
                    .copied()
                    .filter(move |one| is_channel(one) == is),
            )
        };
        let (keys, channels) = (of(false), of(true));
        let mut commands: BTreeSet<String> = theirs
            .iter()
            .flat_map(|one| one.commands.iter().cloned())
            .collect();
        let sends_scripts = theirs.iter().any(|one| one.has_scripts)
            || commands.iter().any(|name| is_wrapped(name));
        for upkeep in UPKEEP {
            let is_needed = match upkeep.purpose {
                "connection" => true,
                "scripts" => sends_scripts,
                "cluster" => self.is_cluster,
                "channels" => !channels.is_empty(),
                // A walk sees every key's name; it is for operations.
                _ => false,
            };
            if is_needed {
                commands.extend(upkeep.commands.iter().map(|&name| name.to_owned()));
            }
        }
        User {
            password: self.passwords.get(&name).cloned(),
            name,
            concerns,
            keys,
            channels,
            commands: commands.into_iter().collect(),
        }
    }
}

impl fmt::Debug for AclBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AclBuilder")
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

/// Access rules. `Display` writes an ACL file, one line for each user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub(crate) users: Vec<User>,
    overlaps: Vec<Overlap>,
}

/// Keys that a user may touch although they are another's: globs know no parts, so that `user:*` covers `user:7:profile` too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlap {
    /// Who may touch them.
    pub user: String,
    /// By which glob.
    pub glob: String,
    /// The pattern that is another's.
    pub pattern: String,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overlap {
            user,
            glob,
            pattern,
        } = self;
        write!(
            f,
            "{user} may touch {pattern}, which {glob} covers; give one of them a name at its beginning that the other has not"
        )
    }
}

fn overlaps(users: &[User], all: &[Described]) -> Vec<Overlap> {
    let mut overlaps = Vec::new();
    for user in users.iter().filter(|user| !user.concerns.is_empty()) {
        for other in all
            .iter()
            .filter(|one| !user.concerns.contains(&one.concern))
        {
            let globs = match other.kind {
                KeyType::Channel => &user.channels,
                _ => &user.keys,
            };
            let key = example(other);
            if let Some(glob) = globs.iter().find(|glob| is_covered(glob, &key)) {
                overlaps.push(Overlap {
                    user: user.name.clone(),
                    glob: glob.clone(),
                    pattern: other.pattern.clone(),
                });
            }
        }
    }
    overlaps
}

impl Acl {
    /// The users: one for each concern, or as they were put together, then operations, then administrators.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// What these rules allow without meaning it, because a glob cannot say it more exactly.
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// The user who serves a concern.
    pub fn user_of(&self, concern: &str) -> Option<&User> {
        let serves = |user: &&User| user.concerns.iter().any(|one| one == concern);
        self.users.iter().find(serves)
    }

    /// The same rules without commands that a server does not know, as [`Checks::unknown`](super::Checks::unknown) names
    /// them: a server refuses a rule that names one.
    #[must_use]
    pub fn without(mut self, unknown: &BTreeSet<String>) -> Self {
        for user in &mut self.users {
            user.commands.retain(|command| !unknown.contains(command));
        }
        self
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.users.iter().try_for_each(|user| writeln!(f, "{user}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::{KeySpec, KeyTtl, Prefix};

    use super::*;

    const TAKE: &str = "-- COMMANDS: HGET, HSET\nreturn 1";

    const fn spec(concern: &'static str, rest: &'static str, kind: KeyType) -> KeySpec {
        KeySpec::new(concern, "{prefix}", rest, kind, KeyTtl::Persistent, "x")
    }

    fn catalogue() -> Catalogue {
        let specs = [
            spec("cache", "cache:{key..}", KeyType::String).commands(&["GET", "SET"]),
            spec("cache", "cache:users:{id}", KeyType::String),
            spec("session", "session:{{id}}", KeyType::Hash).commands(&["HMGET"]),
            spec("limit", "rate:{id}:{minute}", KeyType::Hash).scripts(&[TAKE]),
            spec("news", "news:{name}", KeyType::Channel).commands(&["PUBLISH"]),
        ];
        let shop = Prefix::new("shop").unwrap().env("prod");
        Catalogue::new().with(&shop, &specs).unwrap()
    }

    #[test]
    fn each_user_may_do_what_its_concern_does_and_no_more() {
        let catalogue = catalogue();
        let acl = catalogue
            .acl()
            .user("cache_user", ["cache", "session"])
            .password("cache_user", "secret")
            .build()
            .unwrap();
        let lines: Vec<String> = acl.users().iter().map(User::to_string).collect();
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        assert_eq!(
            lines[..3],
            [
                format!(
                    "user cache_user on #{hash} ~prod:shop:cache:* ~prod:shop:session:{{*}} -@all +client|info +eval \
                     +evalsha +get +hmget +info +ping +script|load +select +set"
                ),
                "user limit_user off ~prod:shop:rate:*:* -@all +client|info +eval +evalsha +hget +hset +info +ping \
                 +script|load +select"
                    .to_owned(),
                "user news_user off &prod:shop:news:* -@all +client|info +info +ping +psubscribe +publish +punsubscribe \
                 +select +ssubscribe +subscribe +sunsubscribe +unsubscribe"
                    .to_owned(),
            ]
        );
        assert!(
            lines[3].starts_with("user ops off ~prod:shop:cache:* "),
            "{}",
            lines[3]
        );
        assert!(!lines[3].contains("flush"));
        assert_eq!(lines[4], "user admin off ~* &* -@all +@all");
        assert!(!format!("{acl:?}").contains(hash));
    }

    #[test]
    fn what_a_glob_covers_without_meaning_it_is_told() {
        let specs = [
            spec("users", "user:{id}", KeyType::String),
            spec("limit", "user:{id}:rate", KeyType::Hash),
        ];
        let catalogue = Catalogue::new().with(&Prefix::root(), &specs).unwrap();
        let acl = catalogue.acl().build().unwrap();
        let told: Vec<String> = acl.overlaps().iter().map(Overlap::to_string).collect();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("users_user may touch user:{id}:rate, which user:* covers; "),
            "{told:?}"
        );
    }

    #[test]
    fn contradictions_are_told() {
        let catalogue = catalogue();
        let refused = |builder: AclBuilder<'_>| builder.build().unwrap_err().to_string();
        let acl = || catalogue.acl();
        assert!(refused(acl().user("a", ["cash"])).contains("there are cache, limit"));
        let two = acl().user("a", ["cache"]).user("b", ["cache", "news"]);
        let two = two.build().unwrap();
        let keys = |at: usize| two.users()[at].keys.clone();
        assert_eq!(keys(0), keys(1), "a concern may be several users'");
        assert!(refused(acl().user("ops", ["cache"])).contains("two users are called ops"));
        assert!(refused(acl().user("a b", ["cache"])).contains("white space"));
        assert!(refused(acl().password("nobody", "x")).contains("no such user"));
    }
}
