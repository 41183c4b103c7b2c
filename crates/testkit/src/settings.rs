//! What a server is asked to be.

use std::fmt::{self, Write as _};

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
}

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
        for user in &self.acl_users {
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
