//! How a server is asked for.

use std::env;

use crate::{
    binary,
    error::StartError,
    local::Local,
    server::{Backend, Server},
    settings::{Part, Settings},
    shared::give_up,
};

/// Describes a server before it starts.
///
/// | setting | default |
/// |---|---|
/// | where from | `RUSSET_TEST_IMAGE`'s image, else a local binary, else (feature `containers`) the image `redis:8.0` |
/// | address | 127.0.0.1, a free port |
/// | password, users | none |
/// | persistence | none: `save ""`, `appendonly no` |
#[derive(Clone, Debug, Default)]
#[must_use = "a builder starts nothing until `start` or `try_start`"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// Adds a line of redis.conf: `config("maxmemory", "10mb")`, `config("save", "900 1")`.
    pub fn config(mut self, name: &str, value: &str) -> Builder {
        self.settings
            .config
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the password of the default user; [`Server::url`] then holds it.
    pub fn password(mut self, password: &str) -> Builder {
        self.settings.password = Some(password.to_owned());
        self
    }

    /// Adds a user, in the words of `ACL SETUSER`: `acl_user("alice on >secret ~* +@read")`.
    ///
    /// The server's handle works as the default user: leave that one on.
    pub fn acl_user(mut self, line: &str) -> Builder {
        self.settings.acl_users.push(line.to_owned());
        self
    }

    /// Makes [`Server::url`] name a Unix socket; the TCP port is open too. Only a local binary can do this.
    pub fn unix_socket(mut self) -> Builder {
        self.settings.unix_socket = true;
        self
    }

    /// Makes the server speak TLS too, on a port of its own, with certificates made for it; it asks clients for none until
    /// told `config("tls-auth-clients", "yes")`. Only a local binary can do this.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Builder {
        self.settings.tls = true;
        self
    }

    /// Turns the append-only file on, so that data outlives [`Server::kill`] and [`Server::restart`].
    pub fn append_only(mut self) -> Builder {
        self.settings.append_only = true;
        self
    }

    /// Gives the server a clock of its own, which [`Server::set_clock`] sets: a local server with libfaketime preloaded, never a container.
    pub fn own_clock(mut self) -> Builder {
        self.settings.own_clock = true;
        self
    }

    /// Asks for a container of this image (feature `containers`): `image("redis:7.0")`, `image("valkey/valkey:8.1")`.
    pub fn image(mut self, image: &str) -> Builder {
        self.settings.image = Some(image.to_owned());
        self
    }

    /// Makes the server a replica of another one, with that one's password.
    pub fn replica_of(mut self, primary: &Server) -> Builder {
        self.settings.part = Part::Member;
        self.settings.password = primary.password().map(ToOwned::to_owned);
        let builder = self.config("replicaof", &format!("127.0.0.1 {}", primary.port()));
        match primary.password() {
            Some(password) => builder.config("masterauth", password),
            None => builder,
        }
    }

    pub(crate) fn part(mut self, part: Part) -> Builder {
        self.settings.part = part;
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// As [`Server::start`] does.
    #[must_use]
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| give_up(&error))
    }

    /// Starts the server and waits until it answers, for at most ten seconds.
    ///
    /// # Errors
    ///
    /// When no server can be had here, or when it did not come up; the error's text says which and why.
    pub fn try_start(self) -> Result<Server, StartError> {
        let image = self.settings.image.clone().or_else(|| {
            // What no container can do is done by a local binary, where there is one.
            let only_local =
                self.settings.tls || self.settings.unix_socket || self.settings.own_clock;
            env::var("RUSSET_TEST_IMAGE")
                .ok()
                .filter(|image| !(image.is_empty() || only_local && binary::find().is_some()))
        });
        let backend = match (image, binary::find()) {
            (Some(image), _) => from_image(&image, &self.settings)?,
            (None, Some(binary)) => Backend::Local(Box::new(Local::start(binary, &self.settings)?)),
            (None, None) => from_default_image(&self.settings)?,
        };
        Ok(Server::new(backend, &self.settings))
    }
}

#[cfg(feature = "containers")]
fn from_image(image: &str, settings: &Settings) -> Result<Backend, StartError> {
    crate::container::Container::start(image, settings)
        .map(|container| Backend::Container(Box::new(container)))
}

#[cfg(not(feature = "containers"))]
fn from_image(image: &str, _settings: &Settings) -> Result<Backend, StartError> {
    Err(StartError::failed(format!(
        "a container of `{image}` is asked for, and russet-testkit is built without its feature `containers`"
    )))
}

#[cfg(feature = "containers")]
fn from_default_image(settings: &Settings) -> Result<Backend, StartError> {
    if crate::docker::answers() {
        from_image(DEFAULT_IMAGE, settings)
    } else {
        Err(StartError::unavailable(
            "no server's binary on PATH, and no Docker engine answers",
        ))
    }
}

#[cfg(not(feature = "containers"))]
fn from_default_image(_settings: &Settings) -> Result<Backend, StartError> {
    Err(StartError::unavailable("no server's binary on PATH"))
}

#[cfg(feature = "containers")]
const DEFAULT_IMAGE: &str = "redis:8.0";
