//! What the environment says of the server.

use super::endpoint::Endpoint;
use super::secret::Secret;
use super::url;
use crate::error::{BuildError, BuildErrorKind};

/// The URL that holds where no variable says anything.
pub(crate) const DEFAULT_URL: &str = "redis://localhost:6379/0";

/// A look-up of variables: the process's own, or a test's.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'static> {
    /// The variables of this process.
    pub(crate) fn process() -> Self {
        Environment(&|name| std::env::var(name).ok())
    }
}

impl Environment<'_> {
    /// `REDIS_URL`, or the server on this machine; `REDIS_PASSWORD` where the URL carries no password.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, BuildError> {
        let url = self
            .read("REDIS_URL")
            .unwrap_or_else(|| DEFAULT_URL.to_owned());
        self.parse("REDIS_URL", &url)
    }

    /// The variable of that name, which must be set.
    pub(crate) fn endpoint_from(&self, name: &str) -> Result<Endpoint, BuildError> {
        match self.read(name) {
            Some(url) => self.parse(name, &url),
            None => Err(BuildError::new(
                BuildErrorKind::Environment,
                format!("the variable {name} is not set; set it to a URL such as {DEFAULT_URL}"),
            )),
        }
    }

    fn parse(&self, name: &str, text: &str) -> Result<Endpoint, BuildError> {
        let mut endpoint =
            url::parse(text).map_err(|e| BuildError::new(e.kind(), format!("{name}: {e}")))?;
        if endpoint.password.is_none() {
            endpoint.password = self.read("REDIS_PASSWORD").map(Secret::new);
        }
        Ok(endpoint)
    }

    /// A variable's value; one that is set to nothing counts as unset.
    fn read(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(variables: &[(&str, &str)], test: impl FnOnce(Environment<'_>) -> T) -> T {
        let read = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        test(Environment(&read))
    }

    #[test]
    fn unset_means_this_machine() {
        let endpoint = with(&[("REDIS_URL", " ")], |env| env.endpoint()).unwrap();
        assert_eq!(endpoint, url::parse(DEFAULT_URL).unwrap());
    }

    #[test]
    fn the_password_variable_fills_in() {
        let vars = [("REDIS_URL", "redis://h"), ("REDIS_PASSWORD", "pw")];
        let endpoint = with(&vars, |env| env.endpoint()).unwrap();
        assert_eq!(endpoint.password.unwrap().reveal(), "pw");
        let vars = [("REDIS_URL", "redis://:url@h"), ("REDIS_PASSWORD", "pw")];
        let endpoint = with(&vars, |env| env.endpoint()).unwrap();
        assert_eq!(endpoint.password.unwrap().reveal(), "url");
    }

    #[test]
    fn a_named_variable_must_be_set_and_is_named_in_the_error() {
        let error = with(&[], |env| env.endpoint_from("APP_REDIS")).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Environment);
        let error = with(&[("APP_REDIS", "redis://h:x")], |env| {
            env.endpoint_from("APP_REDIS")
        })
        .unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Port);
        assert!(error.to_string().starts_with("APP_REDIS: "), "{error}");
    }
}
