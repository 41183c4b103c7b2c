//! The server that tests share.

use std::{
    env, fmt,
    io::{self, Write},
    process,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use crate::{
    error::StartError,
    name::unique_name,
    resp::{Connection, Value},
    rights::Rights,
    server::Server,
};

/// A server that somebody gave us, or one that this process started for all its tests.
///
/// It allows only work in a namespace of one's own: it has no flush, no configuration and no kill. Which server it
/// is: the one that `RUSSET_TEST_REDIS_URL` names, else one [`Server`] for the whole process, started by the first
/// call and gone when the process ends.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    unrestricted_url: String,
    /// Held, not used: it lives as long as the process.
    _server: Option<Server>,
}

impl Shared {
    /// Gives the shared server, starting it if need be.
    ///
    /// # Panics
    ///
    /// As [`Server::start`] does.
    #[must_use]
    pub fn get() -> Shared {
        Shared::try_get().unwrap_or_else(|error| give_up(error))
    }

    fn try_get() -> Result<Shared, &'static StartError> {
        static SHARED: LazyLock<Result<Shared, StartError>> = LazyLock::new(|| {
            let given = env::var("RUSSET_TEST_REDIS_URL")
                .ok()
                // Somebody's server is not told of users.
                .filter(|url| !url.is_empty() && Rights::of_this_run().is_none());
            let inner = match given {
                Some(url) => Inner {
                    unrestricted_url: url.clone(),
                    url,
                    _server: None,
                },
                None => {
                    let server = Server::builder().try_start()?;
                    Inner {
                        url: server.url(),
                        unrestricted_url: server.unrestricted_url(),
                        _server: Some(server),
                    }
                }
            };
            Ok(Shared {
                inner: Arc::new(inner),
            })
        });
        SHARED.as_ref().cloned()
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The URL without a user of the run's access rules; see [`Server::unrestricted_url`].
    #[must_use]
    pub fn unrestricted_url(&self) -> &str {
        &self.inner.unrestricted_url
    }

    /// Makes a name that no other test uses, valid as a namespace; it begins with the test's own name.
    #[must_use]
    pub fn namespace(&self) -> String {
        let thread = thread::current();
        let test = thread.name().and_then(|name| name.rsplit("::").next());
        unique_name(test.unwrap_or("t"))
    }

    /// Runs one command on a connection of its own; an error reply is a [`Value::Error`].
    ///
    /// # Panics
    ///
    /// When the server cannot be reached or does not answer within ten seconds.
    #[track_caller]
    pub fn command(&self, parts: &[&str]) -> Value {
        Connection::open(self.unrestricted_url(), Duration::from_secs(10))
            .and_then(|mut connection| connection.command(parts))
            .unwrap_or_else(|error| {
                panic!(
                    "{} failed: {error}",
                    parts.first().unwrap_or(&"the empty command")
                )
            })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: somebody's password may be in it.
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Gives the shared server's URL, for examples in documentation.
///
/// # Panics
///
/// When no server can be had here, naming the ways to get one; it never skips, since one process runs many examples.
#[must_use]
pub fn url() -> String {
    match Shared::try_get() {
        Ok(shared) => shared.url().to_owned(),
        Err(error) => panic!("{error}"),
    }
}

/// Ends a test that has no server.
#[track_caller]
pub(crate) fn give_up(error: &StartError) -> ! {
    if error.is_unavailable() && env::var_os("RUSSET_TEST_RUNNER").is_some_and(|value| value == "1")
    {
        // Past the test harness, which would swallow what `println!` says.
        let _ = writeln!(io::stdout(), "russet-skip: {error}");
        process::exit(0);
    }
    panic!("{error}");
}
