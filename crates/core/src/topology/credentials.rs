//! As whom to connect, asked at every connect.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use super::secret::Secret;

/// Where user name and password come from. Cheap to clone; `Debug` shows no secret.
///
/// They are asked for at every connect, so that a rotated password is taken up without a restart: let the server know
/// both passwords, change the source, and take the old one from the server once the connections are made anew or have
/// ended. A connection that is made stays valid.
#[derive(Clone)]
pub struct Credentials(Source);

#[derive(Clone)]
enum Source {
    Nobody,
    Fixed(Login),
    Kept {
        username: Option<String>,
        place: Place,
    },
    Provider(Arc<Provider>),
}

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Variable(String),
    File(PathBuf),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Asked = Pin<Box<dyn Future<Output = Result<Login, Failure>> + Send>>;
type Provider = dyn Fn() -> Asked + Send + Sync;

/// One user name and password, or a password alone. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Secret,
}

impl Login {
    /// The password of the default user.
    pub fn password(password: impl Into<String>) -> Self {
        Login {
            username: None,
            password: Secret::new(password.into()),
        }
    }

    /// An ACL user and its password.
    pub fn user(name: impl Into<String>, password: impl Into<String>) -> Self {
        Login {
            username: Some(name.into()),
            password: Secret::new(password.into()),
        }
    }
}

impl Credentials {
    /// No user and no password.
    pub const fn none() -> Self {
        Credentials(Source::Nobody)
    }

    /// The same login for ever.
    pub fn fixed(login: Login) -> Self {
        Credentials(Source::Fixed(login))
    }

    /// The password that an environment variable holds at the time of the connect; the default user's, without a name.
    pub fn from_var(username: Option<&str>, name: impl Into<String>) -> Self {
        Credentials::kept(username, Place::Variable(name.into()))
    }

    /// The password that a file holds at the time of the connect, less the line's end; the default user's, without a
    /// name.
    pub fn from_file(username: Option<&str>, path: impl Into<PathBuf>) -> Self {
        Credentials::kept(username, Place::File(path.into()))
    }

    /// What an async function says at the time of the connect: a token of a cloud's identity service, say.
    ///
    /// It shares the connect timeout with the connect; its error is told in words and must hold no secret.
    pub fn provided_by<F, E>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Login, E>> + Send + 'static,
        E: Into<Failure>,
    {
        Credentials(Source::Provider(Arc::new(move || {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(Into::into) })
        })))
    }

    fn kept(username: Option<&str>, place: Place) -> Self {
        Credentials(Source::Kept {
            username: username.map(ToOwned::to_owned),
            place,
        })
    }

    pub(crate) const fn is_none(&self) -> bool {
        matches!(self.0, Source::Nobody)
    }

    /// The login as it is now. The error's text holds no secret.
    pub(crate) async fn ask(&self) -> Result<Option<Login>, String> {
        match &self.0 {
            Source::Nobody => Ok(None),
            Source::Fixed(login) => Ok(Some(login.clone())),
            Source::Kept { username, place } => {
                let password = Secret::new(place.read().await?);
                let username = username.clone();
                Ok(Some(Login { username, password }))
            }
            Source::Provider(ask) => match ask().await {
                Ok(login) => Ok(Some(login)),
                Err(error) => Err(format!("the credentials provider failed: {error}")),
            },
        }
    }
}

impl Place {
    async fn read(&self) -> Result<String, String> {
        let (found, place) = match self {
            Place::Variable(name) => {
                let found =
                    std::env::var(name).map_err(|_| "it is not set, or no UTF-8".to_owned());
                (found, format!("the variable {name}"))
            }
            Place::File(path) => (read(path).await, format!("the file {}", path.display())),
        };
        match found {
            Ok(password) if password.is_empty() => Err(format!("{place} holds no password")),
            Ok(password) => Ok(password),
            Err(error) => Err(format!("{place} holds no password: {error}")),
        }
    }
}

/// A file's first line; what stands behind it is refused, so that a file that is something else is noticed.
async fn read(path: &Path) -> Result<String, String> {
    let owned = path.to_owned();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned))
        .await
        .map_err(|_| "reading it was cut short".to_owned())?
        .map_err(|error| error.to_string())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err("it has more than one line".to_owned());
    }
    Ok(line.to_owned())
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Nobody, Source::Nobody) => true,
            (Source::Fixed(one), Source::Fixed(other)) => one == other,
            (
                Source::Kept { username, place },
                Source::Kept {
                    username: other_name,
                    place: other_place,
                },
            ) => (username, place) == (other_name, other_place),
            (Source::Provider(one), Source::Provider(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Nobody => f.write_str("Credentials(none)"),
            Source::Fixed(_) => f.write_str("Credentials(fixed)"),
            Source::Kept { place, .. } => write!(f, "Credentials({place:?})"),
            Source::Provider(_) => f.write_str("Credentials(provider)"),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}
