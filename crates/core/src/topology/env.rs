//! What the environment says.

use std::time::Duration;

use super::url::{self, Fill};
use super::{Address, Credentials, Endpoint, Login, Tls, Topology};
use crate::concern::Concern;
use crate::error::{BuildError, BuildErrorKind};
use crate::key::Prefix;

/// The URL that holds where no variable says anything.
const DEFAULT_URL: &str = "redis://localhost:6379/0";

/// The variables that give concerns servers of their own.
const CONCERNS: [(&str, &[&str]); 6] = [
    ("CACHE_REDIS_URL", &["cache"]),
    ("SESSION_REDIS_URL", &["session"]),
    ("RATE_LIMIT_REDIS_URL", &["ratelimit"]),
    ("MESSAGE_QUEUE_REDIS_URL", &["streams", "queue"]),
    ("LOCK_REDIS_URL", &["locks"]),
    ("PUBSUB_REDIS_URL", &["pubsub"]),
];

/// What to tell of a concern whose variable is set and was not asked for; nothing where none is.
pub(crate) fn unread(concern: Concern) -> Option<String> {
    let name = concern.env();
    let is_read = CONCERNS.iter().any(|(variable, _)| *variable == name);
    (!is_read && std::env::var_os(name).is_some()).then(|| {
        format!(
            "{name} is set and nobody has read it, so {} goes where the rest goes; give the builder `Topology::from_env()?.read(concern)?`",
            concern.name()
        )
    })
}

/// A look-up of variables: the process's own, or a test's.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'static> {
    /// The variables of this process.
    pub(crate) fn process() -> Self {
        Environment(&|name| std::env::var(name).ok())
    }
}

impl Environment<'_> {
    pub(crate) fn topology(&self) -> Result<Topology, BuildError> {
        let mut topology = Topology::new(self.default_endpoint()?);
        topology.from_env = true;
        for (variable, concerns) in CONCERNS {
            if let Some(endpoint) = self.endpoint_of(variable)? {
                for concern in concerns {
                    let concern = (*concern).to_owned();
                    topology.concerns.insert(concern, endpoint.clone());
                }
            }
        }
        match self.read("REDIS_DATABASES").as_deref() {
            None | Some("shared") => Ok(topology),
            Some("split") => Ok(topology.split_databases()),
            Some(_) => Err(wrong(
                "REDIS_DATABASES",
                "is neither \"split\" nor \"shared\"",
            )),
        }
    }

    /// The endpoint that a variable names, which must be set.
    pub(crate) fn endpoint_from(&self, name: &str) -> Result<Endpoint, BuildError> {
        self.endpoint_of(name)?.ok_or_else(|| {
            wrong(
                name,
                &format!("is not set; set it to a URL such as {DEFAULT_URL}"),
            )
        })
    }

    /// The endpoint that a variable names, if it is set.
    pub(crate) fn endpoint_of(&self, name: &str) -> Result<Option<Endpoint>, BuildError> {
        self.read(name)
            .map(|url| self.parse(name, &url))
            .transpose()
    }

    /// `REDIS_DEFAULT_TTL`, else `RESPONSE_CACHE_TTL`.
    pub(crate) fn default_ttl(&self) -> Result<Option<Duration>, BuildError> {
        for name in ["REDIS_DEFAULT_TTL", "RESPONSE_CACHE_TTL"] {
            let Some(text) = self.read(name) else {
                continue;
            };
            let ttl = match text.parse() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => humantime::parse_duration(&text).ok(),
            };
            return match ttl {
                Some(ttl) if !ttl.is_zero() => Ok(Some(ttl)),
                _ => Err(wrong(
                    name,
                    "is no time; write seconds (3600) or a duration (90m, 1h 30m)",
                )),
            };
        }
        Ok(None)
    }

    /// `REDIS_MAX_CONNECTIONS`.
    pub(crate) fn max_connections(&self) -> Result<Option<usize>, BuildError> {
        let name = "REDIS_MAX_CONNECTIONS";
        self.read(name)
            .map(|text| match text.parse() {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(wrong(name, "is no number of at least 1")),
            })
            .transpose()
    }

    /// `REDIS_PREFIX`, or `REDIS_KEY_PREFIX`.
    pub(crate) fn prefix(&self) -> Result<Prefix, BuildError> {
        let both = [self.read("REDIS_PREFIX"), self.read("REDIS_KEY_PREFIX")];
        let text = match &both {
            [Some(one), Some(other)] if one != other => {
                return Err(wrong(
                    "REDIS_PREFIX",
                    "and REDIS_KEY_PREFIX are both set and differ; leave one of them out",
                ));
            }
            [Some(text), _] | [None, Some(text)] => text,
            [None, None] => {
                return Err(wrong(
                    "REDIS_PREFIX",
                    "is not set; set it to the names that every key begins with, such as shop or prod:shop",
                ));
            }
        };
        Prefix::literal(text)
            .map_err(|error| wrong("REDIS_PREFIX", &format!("is no prefix: {error}")))
    }

    /// `REDIS_URL`, else Upstash's pair, else the server on this machine.
    fn default_endpoint(&self) -> Result<Endpoint, BuildError> {
        if let Some(endpoint) = self.endpoint_of("REDIS_URL")? {
            return Ok(endpoint);
        }
        match self.read("UPSTASH_REDIS_URL") {
            Some(url) => self.upstash(&url),
            None => self.parse("REDIS_URL", DEFAULT_URL),
        }
    }

    /// Upstash gives a REST address and a token; the same host speaks Redis over TLS, with the token as password.
    fn upstash(&self, url: &str) -> Result<Endpoint, BuildError> {
        let name = "UPSTASH_REDIS_URL";
        let token = self.read("UPSTASH_REDIS_TOKEN").map(Login::password);
        let Some(host) = url.trim().strip_prefix("https://") else {
            let Some(token) = token else {
                return self.parse(name, url);
            };
            let fill = move |user: Option<&str>| {
                Credentials::fixed(Login {
                    username: user.map(ToOwned::to_owned),
                    ..token.clone()
                })
            };
            return self.with_tls(parse(name, url, Some(&fill))?);
        };
        let Some(token) = token else {
            return Err(wrong(
                "UPSTASH_REDIS_TOKEN",
                "is not set, and UPSTASH_REDIS_URL is an https address",
            ));
        };
        let endpoint = parse(
            name,
            &format!("rediss://{}", host.trim_end_matches('/')),
            None,
        )?;
        if !endpoint.credentials.is_none() {
            return Err(wrong(
                name,
                "is an https address and holds a user; leave that out",
            ));
        }
        let login = Login {
            username: Some("default".to_owned()),
            ..token
        };
        self.with_tls(endpoint.credentials(Credentials::fixed(login)))
    }

    fn parse(&self, name: &str, url: &str) -> Result<Endpoint, BuildError> {
        let password = self.password()?;
        self.with_tls(parse(name, url, password.as_deref())?)
    }

    /// What `REDIS_PASSWORD` or `REDIS_PASSWORD_FILE` gives the user whom a URL names; both are read again at every
    /// connect.
    fn password(&self) -> Result<Option<Box<Fill>>, BuildError> {
        let (name, file) = ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE");
        Ok(match (self.read(name), self.read(file)) {
            (None, None) => None,
            (Some(_), None) => Some(Box::new(move |user| Credentials::from_var(user, name))),
            (None, Some(path)) => Some(Box::new(move |user| Credentials::from_file(user, &path))),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    name,
                    "and REDIS_PASSWORD_FILE are both set; leave one of them out",
                ));
            }
        })
    }

    /// `REDIS_TLS_CA_FILE`, `REDIS_TLS_CERT_FILE` and `REDIS_TLS_KEY_FILE`, for URLs that ask for TLS.
    fn with_tls(&self, mut endpoint: Endpoint) -> Result<Endpoint, BuildError> {
        let (cert, key) = (
            self.read("REDIS_TLS_CERT_FILE"),
            self.read("REDIS_TLS_KEY_FILE"),
        );
        if cert.is_some() != key.is_some() {
            return Err(wrong(
                "REDIS_TLS_CERT_FILE",
                "and REDIS_TLS_KEY_FILE belong together, and one of them is not set",
            ));
        }
        if endpoint.tls.is_some() && !matches!(endpoint.address, Address::Unix(_)) {
            endpoint.tls = Some(Tls {
                ca_file: self.read("REDIS_TLS_CA_FILE").map(Into::into),
                cert_file: cert.map(Into::into),
                key_file: key.map(Into::into),
                server_name: None,
            });
        }
        Ok(endpoint)
    }

    /// A variable's value; one that is set to nothing counts as unset.
    fn read(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }
}

fn parse(name: &str, url: &str, fill: Option<&Fill>) -> Result<Endpoint, BuildError> {
    url::parse(url, fill).map_err(|e| BuildError::new(e.kind(), format!("{name}: {e}")))
}

fn wrong(name: &str, what: &str) -> BuildError {
    BuildError::new(
        BuildErrorKind::Environment,
        format!("the variable {name} {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Resolved;

    fn with<T>(variables: &[(&str, &str)], test: impl FnOnce(Environment<'_>) -> T) -> T {
        let read = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        test(Environment(&read))
    }

    fn resolved(variables: &[(&str, &str)]) -> Result<Resolved, BuildError> {
        with(variables, |env| env.topology()).and_then(Topology::resolve)
    }

    fn endpoint(variables: &[(&str, &str)]) -> Endpoint {
        with(variables, |env| env.topology()).unwrap().default
    }

    fn login(name: Option<&str>, password: &str) -> Credentials {
        Credentials::fixed(name.map_or_else(
            || Login::password(password),
            |name| Login::user(name, password),
        ))
    }

    #[test]
    fn unset_means_this_machine() {
        let found = endpoint(&[("REDIS_URL", " ")]);
        assert_eq!(found, Endpoint::parse(DEFAULT_URL).unwrap());
    }

    #[test]
    fn the_password_variable_fills_in_and_is_read_when_it_is_needed() {
        let found = endpoint(&[("REDIS_URL", "redis://h"), ("REDIS_PASSWORD", "pw")]);
        assert_eq!(
            found.credentials,
            Credentials::from_var(None, "REDIS_PASSWORD")
        );
        let found = endpoint(&[("REDIS_URL", "redis://:url@h"), ("REDIS_PASSWORD", "pw")]);
        assert_eq!(found.credentials, login(None, "url"));
        let found = endpoint(&[("REDIS_URL", "redis://app@h"), ("REDIS_PASSWORD", "pw")]);
        assert_eq!(
            found.credentials,
            Credentials::from_var(Some("app"), "REDIS_PASSWORD")
        );
        let found = endpoint(&[
            ("UPSTASH_REDIS_URL", "rediss://h"),
            ("REDIS_PASSWORD", "pw"),
        ]);
        assert_eq!(
            found.credentials,
            Credentials::from_var(None, "REDIS_PASSWORD")
        );
        let found = endpoint(&[("REDIS_PASSWORD_FILE", "/run/secrets/redis")]);
        assert_eq!(
            found.credentials,
            Credentials::from_file(None, "/run/secrets/redis")
        );
        let both = [("REDIS_PASSWORD", "pw"), ("REDIS_PASSWORD_FILE", "/x")];
        assert!(
            resolved(&both)
                .unwrap_err()
                .to_string()
                .contains("REDIS_PASSWORD_FILE")
        );
    }

    #[test]
    fn concerns_go_where_their_variables_say() {
        let found = resolved(&[
            ("REDIS_URL", "redis://all"),
            ("MESSAGE_QUEUE_REDIS_URL", "redis://events"),
            ("RATE_LIMIT_REDIS_URL", "redis://limits/3"),
            ("REDIS_DATABASES", "split"),
        ])
        .unwrap();
        let goes: Vec<String> = found
            .concerns
            .iter()
            .map(|(name, endpoint)| format!("{name} {endpoint}"))
            .collect();
        assert_eq!(
            goes,
            [
                "queue events:6379/0",
                "ratelimit limits:6379/3",
                "streams events:6379/0"
            ]
        );
        assert_eq!(found.default.to_string(), "all:6379/0");
    }

    /// `PATH` is set wherever tests run.
    #[test]
    fn a_concern_whose_variable_nobody_has_read_is_told() {
        let told = unread(Concern::new("drafts", "PATH")).unwrap();
        assert!(
            told.contains("PATH is set") && told.contains("drafts"),
            "{told}"
        );
        assert_eq!(
            unread(Concern::new("drafts", "RUSSET_NOT_SET_REDIS_URL")),
            None
        );
    }

    #[test]
    fn split_databases_are_said_out() {
        let found = resolved(&[("REDIS_DATABASES", "split")]).unwrap();
        let databases = ["queue", "ratelimit", "streams"].map(|name| found.concerns[name].database);
        assert_eq!(databases, [2, 1, 2]);
        let error =
            resolved(&[("REDIS_DATABASES", "split"), ("REDIS_URL", "redis://h/4")]).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Conflict);
        let error = resolved(&[("REDIS_DATABASES", "3")]).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Environment);
    }

    #[test]
    fn upstash_in_both_forms() {
        let rest = [
            ("UPSTASH_REDIS_URL", "https://eu1.upstash.example/"),
            ("UPSTASH_REDIS_TOKEN", "t0ken"),
        ];
        let found = endpoint(&rest);
        assert_eq!(found.to_string(), "eu1.upstash.example:6379/0");
        assert!(found.tls.is_some());
        assert_eq!(found.credentials, login(Some("default"), "t0ken"));
        let native = [
            ("UPSTASH_REDIS_URL", "rediss://eu1.upstash.example:6380"),
            ("UPSTASH_REDIS_TOKEN", "t0ken"),
        ];
        let found = endpoint(&native);
        assert_eq!(found.to_string(), "eu1.upstash.example:6380/0");
        assert_eq!(found.credentials, login(None, "t0ken"));
        let own = [
            ("UPSTASH_REDIS_URL", "rediss://:own@h"),
            ("UPSTASH_REDIS_TOKEN", "t0ken"),
        ];
        assert_eq!(endpoint(&own).credentials, login(None, "own"));
        let error = resolved(&rest[..1]).unwrap_err();
        assert!(error.to_string().contains("UPSTASH_REDIS_TOKEN"), "{error}");
        let first = [rest[0], rest[1], ("REDIS_URL", "redis://mine")];
        assert_eq!(endpoint(&first).to_string(), "mine:6379/0");
    }

    #[test]
    fn tls_material_is_for_urls_that_ask_for_tls() {
        let material = [
            ("REDIS_TLS_CA_FILE", "/ca.pem"),
            ("REDIS_URL", "rediss://h"),
        ];
        let ca = Tls::new().ca_file("/ca.pem");
        assert_eq!(endpoint(&material).tls, Some(ca));
        assert_eq!(endpoint(&material[..1]).tls, None);
        assert!(with(&[("REDIS_TLS_CERT_FILE", "/c.pem")], |env| env.topology()).is_err());
    }

    #[test]
    fn times_and_counts() {
        let ttl = |name, text| with(&[(name, text)], |env| env.default_ttl());
        assert_eq!(ttl("OTHER", "1"), Ok(None));
        assert_eq!(
            ttl("REDIS_DEFAULT_TTL", "300"),
            Ok(Some(Duration::from_mins(5)))
        );
        assert_eq!(
            ttl("RESPONSE_CACHE_TTL", "1h 30m"),
            Ok(Some(Duration::from_mins(90)))
        );
        for wrong in ["0", "-1", "soon", "0s"] {
            assert!(
                ttl("REDIS_DEFAULT_TTL", wrong)
                    .unwrap_err()
                    .to_string()
                    .contains("REDIS_DEFAULT_TTL")
            );
        }
        let most = |text| {
            with(&[("REDIS_MAX_CONNECTIONS", text)], |env| {
                env.max_connections()
            })
        };
        assert_eq!(most("50"), Ok(Some(50)));
        assert!(most("0").is_err() && most("many").is_err());
    }

    #[test]
    fn prefixes_in_every_form() {
        let stem = |variables: &[(&str, &str)]| {
            with(variables, |env| env.prefix())
                .and_then(|prefix| prefix.stem("cache", "users"))
                .map(|stem| stem.as_str().to_owned())
        };
        for (text, expected) in [
            ("shop", "shop:cache:users"),
            ("stg:", "stg:cache:users"),
            ("prod:shop", "prod:shop:cache:users"),
            ("raptorflow:", "raptorflow:cache:users"),
        ] {
            assert_eq!(stem(&[("REDIS_PREFIX", text)]).unwrap(), expected);
            assert_eq!(stem(&[("REDIS_KEY_PREFIX", text)]).unwrap(), expected);
        }
        let same = [("REDIS_PREFIX", "a"), ("REDIS_KEY_PREFIX", "a")];
        assert!(stem(&same).is_ok());
        for wrong in [
            &[("REDIS_PREFIX", "a"), ("REDIS_KEY_PREFIX", "b")][..],
            &[],
            &[("REDIS_PREFIX", "a::b")],
            &[("REDIS_PREFIX", "a*")],
            &[("REDIS_PREFIX", ":")],
        ] {
            assert!(
                stem(wrong)
                    .unwrap_err()
                    .to_string()
                    .contains("REDIS_PREFIX"),
                "{wrong:?}"
            );
        }
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
