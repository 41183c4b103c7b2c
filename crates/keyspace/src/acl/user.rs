//! One user and what it may do.

use std::fmt;

/// One user of an ACL. `Display` writes its line of an ACL file, `user <name> …`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name.
    pub name: String,
    /// Whose keys it may touch; none for the users that serve people.
    pub concerns: Vec<String>,
    /// The keys, as globs.
    pub keys: Vec<String>,
    /// The channels, as globs.
    pub channels: Vec<String>,
    /// The commands; a subcommand as `SCRIPT LOAD`, everything as `@all`.
    pub commands: Vec<String>,
    /// The SHA-256 of its password, in hex; without one it cannot log in.
    pub(crate) password: Option<String>,
}

impl User {
    /// What stands behind the name in `ACL SETUSER`: everything, so that nothing of before stays.
    pub fn rules(&self) -> Vec<String> {
        let mut rules = vec!["reset".to_owned()];
        rules.extend(self.words());
        rules
    }

    /// The same for an ACL file, where a user begins without anything.
    fn words(&self) -> Vec<String> {
        let mut words = match &self.password {
            Some(hash) => vec!["on".to_owned(), format!("#{hash}")],
            None => vec!["off".to_owned()],
        };
        words.extend(self.keys.iter().map(|glob| format!("~{glob}")));
        words.extend(self.channels.iter().map(|glob| format!("&{glob}")));
        words.push("-@all".to_owned());
        words.extend(self.commands.iter().map(|command| allowed(command)));
        words
    }
}

/// `XGROUP CREATE` as `+xgroup|create`.
fn allowed(command: &str) -> String {
    format!("+{}", command.to_ascii_lowercase().replacen(' ', "|", 1))
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} {}", self.name, self.words().join(" "))
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the hash: it is what a guess is tried against.
        write!(f, "User({})", self.name)
    }
}
