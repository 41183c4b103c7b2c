//! A server from a local binary.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    binary::Binary,
    error::StartError,
    name::unique_name,
    port::free_port,
    resp::{Connection, Value},
    settings::Settings,
    wait::holds_within,
    watchdog::Watchdog,
};

/// A server process in a folder of its own. Dropping it kills the process and removes the folder.
#[derive(Debug)]
pub(crate) struct Local {
    binary: Binary,
    folder: PathBuf,
    port: u16,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Tls>,
    flags: &'static [&'static str],
    /// What gives it a clock of its own.
    clock: Option<PathBuf>,
    process: Mutex<Option<Child>>,
    // The last field: it clears up once the process is gone.
    _watchdog: Watchdog,
}

impl Local {
    pub(crate) fn start(binary: Binary, settings: &Settings) -> Result<Local, StartError> {
        Local::start_on(free_port, binary, settings)
    }

    fn start_on(
        mut port: impl FnMut() -> u16,
        binary: Binary,
        settings: &Settings,
    ) -> Result<Local, StartError> {
        let folder = new_folder()?;
        let folder_text = folder
            .to_str()
            .ok_or_else(|| StartError::failed(format!("{} is not UTF-8", folder.display())))?;
        let watchdog = Watchdog::start(CLEAR_UP, &[folder_text])
            .map_err(|error| StartError::failed(format!("cannot run `sh`: {error}")))?;
        let mut local = Local {
            binary,
            port: 0,
            folder: folder.clone(),
            #[cfg(feature = "tls")]
            tls: None,
            flags: &[],
            clock: settings.own_clock.then(faketime).transpose()?,
            process: Mutex::new(None),
            _watchdog: watchdog,
        };
        for _ in 0..ATTEMPTS {
            local.port = port();
            local.configure(folder_text, settings)?;
            match local.launch() {
                Ok(()) => return Ok(local),
                Err(Launch::PortTaken) => {}
                Err(Launch::Failed(error)) => return Err(error),
            }
        }
        Err(StartError::failed(format!(
            "{ATTEMPTS} free ports in turn were taken before the server listened"
        )))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self) -> Option<&crate::tls::Tls> {
        self.tls.as_ref()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// Ends the process with SIGKILL.
    pub(crate) fn kill(&self) {
        self.end(&mut self.process(), false);
    }

    /// Ends the process with SIGTERM, which saves what the configuration says.
    pub(crate) fn stop(&self) {
        self.end(&mut self.process(), true);
    }

    /// Sets its clock so many seconds ahead of the machine's.
    pub(crate) fn set_clock(&self, seconds: i64) {
        assert!(
            self.clock.is_some(),
            "the server was built without `own_clock()`"
        );
        let (now, next) = (self.folder.join(CLOCK), self.folder.join("clock.next"));
        // Renamed: the server reads the file whenever it asks for the time.
        fs::write(&next, format!("{seconds:+}\n"))
            .and_then(|()| fs::rename(&next, &now))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", now.display()));
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        match &*self.process() {
            Some(child) => signal(child, name),
            None => panic!("the server is not running, so it cannot get SIG{name}"),
        }
    }

    /// Starts the process again where it was, ending it first if it runs.
    pub(crate) fn restart(&self) {
        self.stop();
        let end = Instant::now() + DEADLINE;
        loop {
            match self.launch() {
                Ok(()) => return,
                Err(Launch::PortTaken) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(Launch::PortTaken) => panic!(
                    "somebody took the server's port {} while it was down",
                    self.port
                ),
                Err(Launch::Failed(error)) => panic!("the server did not come back: {error}"),
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn configure(&mut self, folder: &str, settings: &Settings) -> Result<(), StartError> {
        let (socket, port) = (self.socket(), self.port.to_string());
        let mut place = vec![
            ("bind", "127.0.0.1"),
            ("port", &*port),
            // Always there: only our own server can answer on it, so readiness is asked here.
            ("unixsocket", socket.to_str().unwrap_or_default()),
            ("unixsocketperm", "700"),
            ("dir", folder),
        ];
        #[cfg(feature = "tls")]
        let lines = if settings.tls {
            let tls = self
                .tls
                .insert(crate::tls::Tls::make(&self.folder, free_port())?);
            tls.config()
        } else {
            Vec::new()
        };
        #[cfg(not(feature = "tls"))]
        let lines: Vec<(&str, String)> = Vec::new();
        place.extend(lines.iter().map(|(name, value)| (*name, &**value)));
        let part = settings.part.config(free_port());
        place.extend(part.iter().map(|(name, value)| (*name, &**value)));
        self.flags = settings.part.flags();
        let config = settings.to_config(&place);
        private_file(&self.folder.join(CONFIG))
            .and_then(|mut file| file.write_all(config.as_bytes()))
            .map_err(|error| StartError::failed(format!("cannot write into {folder}: {error}")))
    }

    fn launch(&self) -> Result<(), Launch> {
        let mut process = self.process();
        let child = process.insert(self.spawn()?);
        let end = Instant::now() + DEADLINE;
        loop {
            if answers(&self.socket()) {
                return Ok(());
            }
            let exit = child.try_wait().ok().flatten();
            if exit.is_none() && Instant::now() < end {
                thread::sleep(STEP);
                continue;
            }
            let log = self.log_tail();
            self.end(&mut process, false);
            return Err(match exit {
                Some(_) if log.contains("Address already in use") => Launch::PortTaken,
                exit => Launch::Failed(self.failure(exit, &log)),
            });
        }
    }

    fn spawn(&self) -> Result<Child, StartError> {
        let log = || {
            let log = private_file(&self.folder.join(LOG))?;
            Ok((log.try_clone()?, log))
        };
        let (log, errors) = log().map_err(|error: io::Error| {
            StartError::failed(format!(
                "cannot write into {}: {error}",
                self.folder.display()
            ))
        })?;
        let _ = fs::remove_file(self.socket());
        let mut command = Command::new("sh");
        command
            .args(["-c", RUN, "russet-server"])
            .arg(&self.folder)
            .arg(self.binary.libraries.as_deref().unwrap_or_default())
            .arg(&self.binary.path)
            .arg(self.folder.join(CONFIG))
            .args(self.flags)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        if let Some(library) = &self.clock {
            if !self.folder.join(CLOCK).exists() {
                self.set_clock(0);
            }
            let mut preload = library.clone().into_os_string();
            // Memory by the C library: jemalloc asks for the time before libfaketime can tell it.
            preload.push(":libc.so.6");
            command
                .env("LD_PRELOAD", preload)
                .env("FAKETIME_TIMESTAMP_FILE", self.folder.join(CLOCK))
                .env("FAKETIME_NO_CACHE", "1")
                // Intervals are not what is tested, and a clock that jumps would confuse them.
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
            .spawn()
            .map_err(|error| StartError::failed(format!("cannot run `sh`: {error}")))
    }

    fn end(&self, process: &mut Option<Child>, gracefully: bool) {
        let Some(mut child) = process.take() else {
            return;
        };
        if gracefully {
            signal(&child, "CONT");
            signal(&child, "TERM");
            holds_within(DEADLINE, || !matches!(child.try_wait(), Ok(None)));
        }
        let _ = child.kill();
        // Before the process is reaped: as long as the file stands, its number belongs to our server.
        let _ = fs::remove_file(self.folder.join("pid"));
        let _ = child.wait();
    }

    fn failure(&self, exit: Option<ExitStatus>, log: &str) -> StartError {
        let path = self.binary.path.display();
        let what = match exit {
            Some(status) => format!("ended at once ({status})"),
            None => format!("did not answer within {DEADLINE:?}"),
        };
        StartError::failed(format!("`{path}` {what}; its log ends:\n{log}"))
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.folder.join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What its clock is, in the words of libfaketime.
const CLOCK: &str = "clock";

enum Launch {
    PortTaken,
    Failed(StartError),
}

impl From<StartError> for Launch {
    fn from(error: StartError) -> Launch {
        Launch::Failed(error)
    }
}

/// Says whether the server behind `socket` serves: whatever it answers to PING but "loading" will do, a refusal too.
fn answers(socket: &Path) -> bool {
    let Ok(mut connection) = Connection::open_socket(socket, Duration::from_secs(1)) else {
        return false;
    };
    match connection.command(&["PING"]) {
        Ok(Value::Error(text)) => !text.starts_with("LOADING"),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn signal(child: &Child, name: &str) {
    // The shell's own `kill`: small systems have no other.
    let sent = Command::new("sh")
        .args([
            "-c",
            "kill -\"$1\" \"$2\"",
            "russet-signal",
            name,
            &child.id().to_string(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // A process that has just ended by itself is no fault of the caller.
    if let Err(error) = sent {
        panic!("cannot run `sh`: {error}");
    }
}

/// The library that gives a process a clock of its own, where the distributions put it.
fn faketime() -> Result<PathBuf, StartError> {
    let triplet = format!("{}-linux-gnu", env::consts::ARCH);
    let places = [
        format!("/usr/lib/{triplet}/faketime"),
        "/usr/lib64/faketime".to_owned(),
        "/usr/lib/faketime".to_owned(),
        "/usr/local/lib/faketime".to_owned(),
    ];
    let libraries = places.map(|place| Path::new(&place).join("libfaketime.so.1"));
    let found = libraries.into_iter().find(|library| library.exists());
    found.ok_or_else(|| {
        StartError::failed("a server with a clock of its own needs libfaketime; install it (package `libfaketime`)".to_owned())
    })
}

fn new_folder() -> Result<PathBuf, StartError> {
    let name = unique_name("russet");
    let mut folder = env::temp_dir().join(&name);
    if folder.as_os_str().as_bytes().len() + SOCKET.len() > SOCKET_PATH_LIMIT {
        folder = Path::new("/tmp").join(&name);
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(|error| {
            StartError::failed(format!("cannot make {}: {error}", folder.display()))
        })?;
    Ok(folder)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// `$1` is the folder. Renaming it first closes the gap in which a server is being started: that one cannot write its
/// number any more, and so does not run.
const CLEAR_UP: &str = r#"
mv "$1" "$1.gone" || exit 0
if read -r pid <"$1.gone/pid"; then kill -KILL "$pid"; fi
rm -rf "$1.gone" || { sleep 1; rm -rf "$1.gone"; }
"#;

/// `$1` is the folder, `$2` the server's library path (not the shell's: it has its own), the rest its command line.
const RUN: &str = r#"
echo $$ >"$1/pid" || exit 1
if [ -n "$2" ]; then export LD_LIBRARY_PATH="$2"; fi
shift 2
exec "$@"
"#;

const ATTEMPTS: usize = 20;
const CONFIG: &str = "server.conf";
const DEADLINE: Duration = Duration::from_secs(10);
const LOG: &str = "log";
const LOG_LINES: usize = 15;
const SOCKET: &str = "redis.sock";
/// The shortest limit among the systems we know is macOS's, 104 bytes.
const SOCKET_PATH_LIMIT: usize = 100;
const STEP: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::{Local, free_port};
    use crate::{binary, settings::Settings};

    #[test]
    fn a_port_that_somebody_took_is_replaced_by_another() {
        let Some(binary) = binary::find() else { return };
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut ports = vec![free_port(), taken.local_addr().unwrap().port()];
        let local = Local::start_on(|| ports.pop().unwrap(), binary, &Settings::default()).unwrap();
        assert!(ports.is_empty(), "the taken port was tried first");
        assert_ne!(local.port(), taken.local_addr().unwrap().port());
    }
}
