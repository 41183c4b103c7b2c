//! The access rules that a whole run of tests is under.

use std::{env, fs};

/// Users of a file, and the one whom tests are: so that what a crate's tests do shows that the user whom its access rules
/// describe may do it.
///
/// `RUSSET_TEST_ACL` names the file, `user <name> <rules>` a line; `RUSSET_TEST_USER` is `name:password`. With them every
/// server that testkit starts has these users, and its URL logs in as that one; testkit's own connections do not.
pub(crate) struct Rights {
    pub(crate) user: String,
    pub(crate) password: String,
    /// Each one's name and rules.
    pub(crate) users: Vec<String>,
}

impl Rights {
    /// What the environment says; nothing without both variables.
    ///
    /// # Panics
    ///
    /// When the file cannot be read or the user is not of its form: the tests would be under no rules, and say nothing of it.
    pub(crate) fn of_this_run() -> Option<Rights> {
        let file = env::var("RUSSET_TEST_ACL").ok()?;
        let user = env::var("RUSSET_TEST_USER").ok()?;
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("RUSSET_TEST_ACL: {file}: {error}"));
        let (user, password) = user
            .split_once(':')
            .unwrap_or_else(|| panic!("RUSSET_TEST_USER has no `:`; write name:password"));
        let users = text.lines().filter_map(|line| line.strip_prefix("user "));
        Some(Rights {
            user: user.to_owned(),
            password: password.to_owned(),
            users: users.map(str::to_owned).collect(),
        })
    }
}
