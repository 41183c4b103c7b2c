//! A server in a container.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use testcontainers_modules::testcontainers::{
    self, GenericImage, ImageExt, core::IntoContainerPort, runners::SyncRunner,
};

use crate::{
    error::StartError,
    name::unique_name,
    port::free_port,
    resp::{Address, Connection, Endpoint, RespError, Value},
    settings::{Part, Settings},
    wait::holds_within,
    watchdog::Watchdog,
};

/// A container of our own, published on 127.0.0.1 only. Dropping it removes it with its data.
#[derive(Debug)]
pub(crate) struct Container {
    name: String,
    port: u16,
    /// The password with which it is asked whether it is ready.
    password: Option<String>,
    /// What testcontainers knows of it, once it runs.
    held: Option<testcontainers::Container<GenericImage>>,
    watchdog: Watchdog,
}

impl Container {
    pub(crate) fn start(image: &str, settings: &Settings) -> Result<Container, StartError> {
        if settings.unix_socket {
            return Err(StartError::failed(
                "a container has no Unix socket to offer",
            ));
        }
        if settings.tls {
            return Err(StartError::failed("a container has no TLS to offer"));
        }
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let config = configuration(settings, port);
            let name = unique_name("russet");
            let watchdog = Watchdog::start(CLEAR_UP, &[&name])
                .map_err(|error| StartError::failed(format!("cannot run `sh`: {error}")))?;
            let password = settings.password.clone();
            let mut container = Container {
                name,
                port,
                password,
                held: None,
                watchdog,
            };
            match container
                .run(image, &config, settings.part)
                .and_then(|()| container.wait())
            {
                Ok(()) => return Ok(container),
                Err(error) => failure = error,
            }
            if !PORT_TAKEN.iter().any(|words| failure.contains(words)) {
                break;
            }
        }
        Err(StartError::failed(format!(
            "no container of `{image}`: {failure}"
        )))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn kill(&self) {
        // One that is down stays down.
        let _ = self.docker(&["kill"]);
    }

    pub(crate) fn stop(&self) {
        let _ = self.docker(&["unpause"]);
        let _ = self.docker(&["stop", "-t", "10"]);
    }

    pub(crate) fn pause(&self) {
        self.expect(&["pause"]);
    }

    pub(crate) fn resume(&self) {
        self.expect(&["unpause"]);
    }

    pub(crate) fn restart(&self) {
        self.stop();
        self.expect(&["start"]);
        if let Err(error) = self.wait() {
            panic!("the server did not come back: {error}");
        }
    }

    /// Makes the container and starts its server.
    fn run(&mut self, image: &str, config: &str, part: Part) -> Result<(), String> {
        let (repository, tag) = repository_and_tag(image);
        let port = self.port;
        let request = GenericImage::new(repository, tag)
            .with_cmd(command(config, part.flags()))
            .with_container_name(&self.name);
        let request = if part == Part::Alone {
            request.with_mapped_port(port, 6379.tcp())
        } else {
            request.with_network("host")
        };
        let request = request.with_host_config_modifier(|host| {
            let bindings = host
                .port_bindings
                .iter_mut()
                .flat_map(|bindings| bindings.values_mut());
            for binding in bindings.flatten().flatten() {
                binding.host_ip = Some("127.0.0.1".to_owned());
            }
        });
        // On a thread of its own: testcontainers blocks on a runtime, which a thread of another runtime may not do.
        let held = aside(move || request.start()).map_err(|error| chain(&error))?;
        self.held = Some(held);
        Ok(())
    }

    /// Waits until the server answers.
    fn wait(&self) -> Result<(), String> {
        let address = Address {
            endpoint: Endpoint::Tcp("127.0.0.1".to_owned(), self.port),
            user: None,
            password: self.password.clone(),
            database: 0,
        };
        let start = Instant::now();
        let is_up = holds_within(DEADLINE, || {
            let reply = Connection::open_address(&address, Duration::from_secs(1))
                .and_then(|mut connection| connection.command(&["PING"]));
            let is_up = match reply {
                Ok(Value::Error(text)) => !text.starts_with("LOADING"),
                Ok(_) | Err(RespError::Refused(_)) => true,
                Err(_) => false,
            };
            // One that has ended will never answer: look now and then, for it costs a process.
            is_up || (start.elapsed() > Duration::from_millis(500) && !self.is_running())
        });
        if is_up && self.is_running() {
            return Ok(());
        }
        let log = Command::new("docker")
            .args(["logs", "--tail", "15", &self.name])
            .output();
        let log = log
            .map(|log| [log.stdout, log.stderr].concat())
            .unwrap_or_default();
        Err(format!(
            "it does not answer; its log ends:\n{}",
            String::from_utf8_lossy(&log)
        ))
    }

    fn is_running(&self) -> bool {
        let state = [
            "container",
            "inspect",
            "--format",
            "{{.State.Running}}",
            &self.name,
        ];
        let output = Command::new("docker").args(state).output();
        output.is_ok_and(|output| output.stdout.trim_ascii() == b"true")
    }

    fn docker(&self, words: &[&str]) -> Result<(), String> {
        docker(&[words, &[&self.name]].concat())
    }

    fn expect(&self, words: &[&str]) {
        if let Err(error) = self.docker(words) {
            panic!("docker {} failed: {error}", words.join(" "));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            aside(move || drop(held));
        }
        // Testcontainers removes it too, if it can; the engine may be quicker with one of the two.
        match self.docker(&["rm", "--force", "--volumes"]) {
            Err(error) if !error.contains("No such container") => {}
            _ => self.watchdog.dismiss(),
        }
    }
}

fn docker(words: &[&str]) -> Result<(), String> {
    let output = Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `docker`: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Whatever the image's own command and entry point are: this writes the configuration and runs the server.
fn command(config: &str, flags: &[&str]) -> Vec<String> {
    let words = ["sh", "-c", RUN, "russet", config];
    words
        .iter()
        .chain(flags)
        .map(|&word| word.to_owned())
        .collect()
}

/// What others must reach shares the machine's own network, where all of them are at the same address to each other and
/// to us; the rest is published on one port.
fn configuration(settings: &Settings, port: u16) -> String {
    let port = port.to_string();
    if settings.part == Part::Alone {
        return settings.to_config(&[
            ("bind", "0.0.0.0"),
            ("protected-mode", "no"),
            ("port", "6379"),
            ("dir", "/data"),
        ]);
    }
    let mut place = vec![("bind", "127.0.0.1"), ("port", &*port), ("dir", "/data")];
    let part = settings.part.config(free_port());
    place.extend(part.iter().map(|(name, value)| (*name, &**value)));
    settings.to_config(&place)
}

fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// `redis` is `redis:latest`, and a colon in a registry's host is not that of a tag.
fn repository_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

const ATTEMPTS: usize = 20;
/// Twice: the engine may still be making the container when its maker is killed.
const CLEAR_UP: &str = r#"
docker rm --force --volumes "$1"
sleep 3
docker rm --force --volumes "$1"
"#;
const DEADLINE: Duration = Duration::from_secs(30);
const PORT_TAKEN: [&str; 3] = [
    "port is already allocated",
    "address already in use",
    "Address already in use",
];
/// `$1` is the configuration, the rest is the server's. One that is started again finds what the server wrote into it.
const RUN: &str = r#"
[ -e /tmp/russet.conf ] || printf '%s' "$1" >/tmp/russet.conf || exit 1
shift
for server in redis-server valkey-server; do
    command -v "$server" >/dev/null && exec "$server" /tmp/russet.conf "$@"
done
echo "this image holds neither redis-server nor valkey-server"
exit 127
"#;

#[cfg(test)]
mod tests {
    use super::repository_and_tag;

    #[test]
    fn image_names_are_split_at_their_tag() {
        for (image, parts) in [
            ("redis", ("redis", "latest")),
            ("redis:7.0", ("redis", "7.0")),
            ("valkey/valkey:8.1", ("valkey/valkey", "8.1")),
            ("host:5000/redis", ("host:5000/redis", "latest")),
            ("host:5000/redis:7", ("host:5000/redis", "7")),
        ] {
            assert_eq!(repository_and_tag(image), parts);
        }
    }
}
