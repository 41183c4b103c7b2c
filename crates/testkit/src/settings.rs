//! What a server is asked to be.

use std::fmt::{self, Write as _};

use crate::rights::Rights;

/// What a builder collected.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) config: Vec<(String, String)>,
    pub(crate) password: Option<String>,
    pub(crate) acl_users: Vec<String>,
    pub(crate) unix_socket: bool,
    pub(crate) append_only: bool,
    pub(crate) image: Option<String>,
    pub(crate) tls: bool,
    pub(crate) own_clock: bool,
    pub(crate) part: Part,
}

/// What a server is to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nothing: it stands alone.
    #[default]
    Alone,
    /// A primary or replica that others reach at its own port.
    Member,
    /// A node of a cluster.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

impl Part {
    /// What its configuration says for that; `bus` is a free port.
    pub(crate) fn config(self, bus: u16) -> Vec<(&'static str, String)> {
        let fixed = |lines: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            lines
                .iter()
                .map(|&(name, value)| (name, value.to_owned()))
                .collect()
        };
        match self {
            Part::Alone | Part::Sentinel => Vec::new(),
            Part::Member => fixed(QUICK_REPLICATION),
            Part::ClusterNode => {
                let mut lines = fixed(QUICK_REPLICATION);
                lines.extend(fixed(CLUSTER_NODE));
                lines.push(("cluster-port", bus.to_string()));
                lines
            }
        }
    }

    /// What follows the configuration file on the server's command line.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Part::Sentinel => &["--sentinel"],
            _ => &[],
        }
    }
}

/// A replica is there as soon as it is asked for, and is reached where it listens.
const QUICK_REPLICATION: &[(&str, &str)] = &[
    ("repl-diskless-sync-delay", "0"),
    ("repl-ping-replica-period", "1"),
    ("replica-announce-ip", "127.0.0.1"),
];

/// Failures are noticed within a second or two; a replica may take over however old its data is.
const CLUSTER_NODE: &[(&str, &str)] = &[
    ("cluster-enabled", "yes"),
    ("cluster-config-file", "nodes.conf"),
    ("cluster-node-timeout", "1000"),
    ("cluster-replica-validity-factor", "0"),
];

impl Settings {
    /// Writes the configuration file: `place` (where this server listens and keeps its data) first, the caller's own
    /// settings last, so that theirs win.
    pub(crate) fn to_config(&self, place: &[(&str, &str)]) -> String {
        let append_only = if self.append_only { "yes" } else { "no" };
        let mut text = String::new();
        for (name, value) in place {
            directive(&mut text, name, &quoted(value));
        }
        directive(&mut text, "daemonize", "no");
        directive(&mut text, "save", "\"\"");
        directive(&mut text, "appendonly", append_only);
        if let Some(password) = &self.password {
            directive(&mut text, "requirepass", &quoted(password));
        }
        let rights = Rights::of_this_run().filter(|_| self.part == Part::Alone);
        let of_run = rights.iter().flat_map(|rights| &rights.users);
        for user in self.acl_users.iter().chain(of_run) {
            directive(&mut text, "user", user);
        }
        for (name, value) in &self.config {
            // As in redis.conf, a value may be several words; only what could not stand there is quoted.
            if value.is_empty() || value.contains(['\r', '\n']) {
                directive(&mut text, name, &quoted(value));
            } else {
                directive(&mut text, name, value);
            }
        }
        text
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field(
                "config",
                &self.config.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("password", &self.password.is_some())
            .field("acl_users", &self.acl_users.len())
            .field("unix_socket", &self.unix_socket)
            .field("append_only", &self.append_only)
            .field("image", &self.image)
            .field("tls", &self.tls)
            .finish()
    }
}

fn directive(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name} {value}");
}

/// Quotes a value as redis.conf wants it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_callers_settings_come_last_and_odd_values_are_quoted() {
        let settings = Settings {
            config: vec![
                ("save".into(), "900 1".into()),
                ("notify-keyspace-events".into(), String::new()),
            ],
            password: Some("a \"b\"\\ü".into()),
            acl_users: vec!["alice on >pw ~* +@all".into()],
            append_only: true,
            ..Settings::default()
        };
        assert_eq!(
            settings.to_config(&[("dir", "/tmp/x y")]),
            "dir \"/tmp/x y\"\ndaemonize no\nsave \"\"\nappendonly yes\nrequirepass \"a \\\"b\\\"\\\\\\xc3\\xbc\"\n\
             user alice on >pw ~* +@all\nsave 900 1\nnotify-keyspace-events \"\"\n"
        );
        assert!(!format!("{settings:?}").contains("pw"));
    }
}
