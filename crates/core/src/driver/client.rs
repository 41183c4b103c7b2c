//! One connection's life.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client as Inner;
use fred::error::ErrorKind as InnerKind;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::socket2::TcpKeepalive;
use fred::types::config::{
    Config, ConnectionConfig, Options, PerformanceConfig, Server, ServerConfig, TcpConfig,
};
use fred::types::{
    Builder, ClusterHash, ConnectHandle, CustomCommand, Expiration, RespVersion, SetOptions, Value,
};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::{convert, exposed, tls};
use crate::command::Command;
use crate::reply::Reply;
use crate::server_info::ServerInfo;
use crate::topology::{Address, Endpoint, Login, Node};

/// What of the client library is set, and to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// How long a connection may take until it is ready: TCP, TLS, HELLO, SELECT.
    pub(crate) connect_timeout: Duration,
    /// How long an open connection may take to give a sign of life.
    pub(crate) alive_within: Duration,
}

/// How many events a broadcast channel holds before its receiver lags. fred's own default is 32.
const EVENT_CAPACITY: usize = 8192;

/// One connection, from its making to its end; it does not come back.
#[derive(Clone)]
pub(crate) struct Client(Arc<Life>);

struct Life {
    inner: Inner,
    abort: Abort,
    router: Mutex<ConnectHandle>,
    greeting: ServerInfo,
    /// Held while `ASKING` and its command are put into the queue, one behind the other.
    asking: std::sync::Mutex<()>,
}

/// Ends fred's router when dropped: that holds its own client, and would live on after the last handle, also after a
/// connect that was given up.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a command got no reply, as far as the driver can tell.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) text: String,
}

impl Failure {
    /// Whether the server answered that this user may not do it.
    fn is_refusal(&self) -> bool {
        self.cause == Cause::Answer && self.text.starts_with("NOPERM")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The command was still in the queue when the connection ended.
    NeverSent,
    /// The deadline passed.
    Timeout,
    /// The connection ended while the command was under way, or could not be made.
    Connection,
    /// The server answered with an error; the text is its.
    Answer,
    /// The server said that its cluster is down, of this command or of another one on the connection: fred then ends the
    /// connection, and answers everything on it so.
    ClusterDown,
    /// The reply could not be read.
    Protocol,
    /// The client library refused the configuration or the command.
    Refused,
    /// Something on this side, before anything was sent: no credentials, unusable TLS material.
    Local,
}

impl Client {
    /// Connects, authenticates, selects the database, and sees the server answer.
    pub(crate) async fn connect(endpoint: &Endpoint, tuning: Tuning) -> Result<Self, Failure> {
        let timeout = tokio::time::sleep(tuning.connect_timeout);
        let mut timeout = std::pin::pin!(timeout);
        let inner = tokio::select! {
            biased;
            inner = build(endpoint, tuning) => inner?,
            () = &mut timeout => return Err(Failure {
                cause: Cause::Timeout,
                text: format!("no credentials within {:?}", tuning.connect_timeout),
            }),
        };
        let mut router = inner.connect();
        let abort = Abort(router.abort_handle());
        let connected = async {
            inner.wait_for_connect().await.map_err(Failure::from)?;
            // fred takes a connection that closes during its set-up for one that is ready; one that answers is.
            let hello = CustomCommand::new_static("HELLO", ANYWHERE, false);
            let hello = inner.custom_raw::<Value>(hello, Vec::new());
            let (hello, ping) = tokio::join!(hello, inner.ping::<Value>(None));
            match ping.map_err(Failure::from) {
                // A user who may not PING is connected all the same.
                Err(failure) if !failure.is_refusal() => Err(failure),
                _ => Ok(hello.ok().and_then(|hello| convert::reply(hello).ok())),
            }
        };
        let failure = tokio::select! {
            biased;
            // An early failure may be over before anybody listens to `wait_for_connect`; the task keeps it.
            ended = &mut router => match ended {
                Ok(Err(error)) => error.into(),
                _ => Failure { cause: Cause::Connection, text: "the connection closed at once".to_owned() },
            },
            connected = connected => match connected {
                Ok(hello) => return Ok(Client(Arc::new(Life {
                    inner,
                    abort,
                    router: Mutex::new(router),
                    greeting: ServerInfo::read(hello, None),
                    asking: std::sync::Mutex::new(()),
                }))),
                Err(failure) => failure,
            },
            () = timeout => Failure {
                cause: Cause::Timeout,
                text: format!("no answer within {:?}", tuning.connect_timeout),
            },
        };
        Err(failure)
    }

    /// What the server said of itself when it was connected to.
    pub(crate) fn greeting(&self) -> &ServerInfo {
        &self.0.greeting
    }

    /// Sends one command behind an `ASKING` that holds for it alone. On a connection of its own: another command between
    /// the two would take the `ASKING`, and this one be sent elsewhere once more.
    pub(crate) async fn send_asking(
        &self,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let asking = Command::new("ASKING");
        let both = async {
            tokio::join!(biased; self.send(&asking, timeout), self.send(command, timeout)).1
        };
        let mut both = std::pin::pin!(both);
        let mut begun = false;
        std::future::poll_fn(|cx| {
            // The first poll puts both into the queue.
            let turn = (!begun).then(|| self.0.asking.lock());
            begun = true;
            let polled = both.as_mut().poll(cx);
            drop(turn);
            polled
        })
        .await
    }

    /// Sends one command and waits for its reply for at most `timeout`.
    ///
    /// A command that is still in the queue when its time is over is never sent. Dropping the future does not
    /// take the command back.
    pub(crate) async fn send(
        &self,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let options = Options {
            timeout: Some(timeout),
            ..Options::default()
        };
        let client = self.0.inner.with_options(&options);
        // fred flushes the socket after each custom command; its own ones are written in batches. A MGET is a batch.
        let value: Value = match (command.name(), command.arguments()) {
            ("GET", [key]) => client.get(convert::key(key)).await?,
            ("DEL", keys) if !keys.is_empty() => {
                client
                    .del(keys.iter().map(convert::key).collect::<Vec<_>>())
                    .await?
            }
            ("SET", [key, value, options @ ..]) if let Some(set) = SetArgs::parse(options) => {
                client
                    .set(
                        convert::key(key),
                        convert::value(value),
                        set.expire,
                        set.condition,
                        false,
                    )
                    .await?
            }
            ("MGET", keys) if !keys.is_empty() => {
                let mget = CustomCommand::new_static("MGET", ANYWHERE, false);
                let padded = convert::padded(keys).map(convert::value).collect();
                return match self.custom(mget, padded, &options).await? {
                    Reply::Array(mut values) => {
                        values.truncate(keys.len());
                        Ok(Reply::Array(values))
                    }
                    other => Ok(other),
                };
            }
            (name, args) if exposed::is_exposed(name, args) => {
                return self.send_wrapped(command, &options).await;
            }
            (_, args) => {
                let args = args.iter().map(convert::value).collect();
                return self.custom(named(command, false), args, &options).await;
            }
        };
        convert::scalar(value)
    }

    /// Sends a command by the script that wraps its reply.
    async fn send_wrapped(&self, command: &Command, options: &Options) -> Result<Reply, Failure> {
        let mut args = vec![Value::from_static_str(exposed::wrap(command.name()))];
        args.push(Value::Integer(
            command.keys().count().try_into().unwrap_or(0),
        ));
        args.extend(command.keys().map(convert::value));
        args.extend(command.name().split(' ').map(Value::from));
        args.extend(command.arguments().iter().map(convert::value));
        let eval = CustomCommand::new_static("EVAL", ANYWHERE, false);
        match self.custom(eval, args, options).await? {
            Reply::Array(mut wrapped) if wrapped.len() == 1 => Ok(wrapped.remove(0)),
            _ => Err(Failure {
                cause: Cause::Protocol,
                text: "a wrapped reply came without its wrap".to_owned(),
            }),
        }
    }

    /// Sends several reads (`GET`, `MGET`), for one write to the socket; each one's reply, or failure.
    ///
    /// fred writes a pipeline's commands one by one, unless something waits behind it; so the last one does.
    pub(crate) async fn send_reads(
        &self,
        reads: &[Command],
        timeout: Duration,
    ) -> Vec<Result<Reply, Failure>> {
        let Some((last, first)) = reads.split_last() else {
            return Vec::new();
        };
        let pipeline = self.0.inner.pipeline();
        for read in first {
            // It goes into a list of its own, and cannot fail.
            let _ = match read.arguments() {
                [key] if read.name() == "GET" => pipeline.get::<(), _>(convert::key(key)).await,
                keys => {
                    let keys: Vec<_> = convert::padded(keys).map(convert::key).collect();
                    pipeline.mget::<(), _>(keys).await
                }
            };
        }
        let all = async { tokio::time::timeout(timeout, pipeline.try_all::<Value>()).await };
        let (all, last) = tokio::join!(biased; all, self.send(last, timeout));
        let late = || Failure {
            cause: Cause::Timeout,
            text: String::new(),
        };
        let mut replies: Vec<_> = match all {
            Ok(replies) if replies.len() == first.len() => replies
                .into_iter()
                .zip(first)
                .map(|(reply, read)| convert::read(reply?, read.arguments().len()))
                .collect(),
            // One failure for all of them.
            Ok(mut replies) => {
                let failure = replies
                    .pop()
                    .and_then(Result::err)
                    .map_or_else(late, Failure::from);
                vec![Err(failure); first.len()]
            }
            Err(_) => vec![Err(late()); first.len()],
        };
        replies.push(last);
        replies
    }

    /// Sends a command that waits on the server, and waits for its reply for at most `timeout`.
    pub(crate) async fn send_blocking(
        &self,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let options = Options {
            timeout: Some(timeout),
            ..Options::default()
        };
        let args = command.arguments().iter().map(convert::value).collect();
        let custom = named(command, true);
        self.custom(custom, args, &options).await
    }

    async fn custom(
        &self,
        custom: CustomCommand,
        args: Vec<Value>,
        options: &Options,
    ) -> Result<Reply, Failure> {
        let client = self.0.inner.with_options(options);
        convert::reply(client.custom_raw(custom, args).await?)
    }

    /// Waits until the connection has ended, and says why; what is sent from then on fails at once.
    pub(crate) async fn ended(&self) -> Cause {
        let mut router = self.0.router.lock().await;
        // Polling a finished handle again would panic; whoever waits for the end does so once.
        let ended = (&mut *router).await;
        // A client that ends by itself keeps its queue and would let later commands wait in it for their deadline.
        drop(self.0.inner.inner().command_rx.write().take());
        match ended {
            Ok(Err(error)) => Failure::from(error).cause,
            _ => Cause::Connection,
        }
    }

    /// Whether both are handles of one connection.
    pub(crate) fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0.inner
    }

    /// Ends the connection at once; commands under way end as if it had been lost.
    pub(crate) fn abort(&self) {
        self.0.abort.0.abort();
    }
}

fn named(command: &Command, blocking: bool) -> CustomCommand {
    match command.operation() {
        Cow::Borrowed(name) => CustomCommand::new_static(name, ANYWHERE, blocking),
        Cow::Owned(name) => CustomCommand::new(name, ANYWHERE, blocking),
    }
}

/// Each client has one server: which slot a command is of was asked before it came here.
const ANYWHERE: ClusterHash = ClusterHash::Random;

/// The options of SET that fred's own method can express.
struct SetArgs {
    expire: Option<Expiration>,
    condition: Option<SetOptions>,
}

impl SetArgs {
    fn parse(options: &[Bytes]) -> Option<Self> {
        let (expire, rest) = match options {
            [unit, amount, rest @ ..] if &**unit == b"PX" => (
                Some(Expiration::PX(
                    std::str::from_utf8(amount).ok()?.parse().ok()?,
                )),
                rest,
            ),
            rest => (None, rest),
        };
        let condition = match rest {
            [] => None,
            [nx] if &**nx == b"NX" => Some(SetOptions::NX),
            [xx] if &**xx == b"XX" => Some(SetOptions::XX),
            _ => return None,
        };
        Some(SetArgs { expire, condition })
    }
}

/// A client that is not connected yet, with the credentials and TLS material of this moment.
async fn build(endpoint: &Endpoint, tuning: Tuning) -> Result<Inner, Failure> {
    let local = |text| Failure {
        cause: Cause::Local,
        text,
    };
    let login = endpoint.credentials.ask().await.map_err(local)?;
    let (username, password) = login.map_or((None, None), |Login { username, password }| {
        (
            username.as_deref().map(convert::inline),
            Some(convert::inline(password.reveal())),
        )
    });
    let server = match &endpoint.address {
        Address::Tcp(Node { host, port }) => ServerConfig::Centralized {
            server: tls::named(endpoint.tls.as_ref(), Server::new(host.as_str(), *port)),
        },
        Address::Unix(path) => ServerConfig::Unix { path: path.clone() },
        Address::Cluster(_) | Address::Sentinel { .. } => {
            return Err(local("one server of it must be named".to_owned()));
        }
    };
    let config = Config {
        server,
        // Without a policy a lost connection ends the client; with fail_fast so does a failed first try.
        fail_fast: true,
        version: RespVersion::RESP3,
        username,
        password,
        database: (endpoint.database != 0).then_some(endpoint.database),
        ..Config::default()
    };
    let config = tls::equip(config, endpoint.tls.as_ref())
        .await
        .map_err(local)?;
    let connection = ConnectionConfig {
        connection_timeout: tuning.connect_timeout,
        internal_command_timeout: tuning.connect_timeout,
        max_command_attempts: 1,
        tcp: TcpConfig {
            nodelay: Some(true),
            keepalive: Some(
                TcpKeepalive::new()
                    .with_time(Duration::from_secs(15))
                    .with_interval(Duration::from_secs(5)),
            ),
            // A peer that takes nothing more blocks fred's writes for ever; only the kernel ends that.
            user_timeout: Some(Duration::from_secs(10)),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    };
    let performance = PerformanceConfig {
        broadcast_channel_capacity: EVENT_CAPACITY,
        ..PerformanceConfig::default()
    };
    let mut builder = Builder::from_config(config);
    builder
        .set_connection_config(connection)
        .set_performance_config(performance);
    Ok(builder.build()?)
}

impl From<fred::error::Error> for Failure {
    /// Sound for a client that never reconnects by itself and sends each command once: only what fred says of a
    /// command that it still had in its queue counts as never sent; an unknown text counts as ambiguous.
    fn from(error: fred::error::Error) -> Self {
        let text = error.details();
        let cause = match error.kind() {
            InnerKind::Timeout => Cause::Timeout,
            InnerKind::Canceled | InnerKind::Backpressure => Cause::NeverSent,
            InnerKind::Unknown if NEVER_SENT.contains(&text) => Cause::NeverSent,
            InnerKind::Config | InnerKind::Url | InnerKind::InvalidCommand => Cause::Refused,
            InnerKind::InvalidArgument if !is_answer(text) => Cause::Refused,
            InnerKind::Parse | InnerKind::NotFound | InnerKind::Protocol => Cause::Protocol,
            InnerKind::IO | InnerKind::Routing => Cause::Connection,
            _ if text.starts_with("CLUSTERDOWN") => Cause::ClusterDown,
            _ if is_answer(text) => Cause::Answer,
            _ => Cause::Connection,
        };
        Failure {
            cause,
            text: text.to_owned(),
        }
    }
}

/// What fred answers for a command that found its router gone, or no connection behind it.
const NEVER_SENT: [&str; 3] = [
    "Failed to send command to router.",
    "Client is not initialized.",
    "Failed to route command.",
];

/// Whether a text is a server's error reply: those begin with a code in capitals.
fn is_answer(text: &str) -> bool {
    let code = text.split(' ').next().unwrap_or_default();
    !code.is_empty()
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: InnerKind, text: &'static str) -> Cause {
        Failure::from(fred::error::Error::new(kind, text)).cause
    }

    #[test]
    fn only_what_certainly_was_not_sent_counts_as_such() {
        for text in NEVER_SENT {
            assert_eq!(cause(InnerKind::Unknown, text), Cause::NeverSent);
        }
        assert_eq!(cause(InnerKind::Canceled, "Canceled."), Cause::NeverSent);
        let lost = [
            (InnerKind::IO, "Connection reset by peer"),
            (InnerKind::Unknown, "channel closed"),
            (InnerKind::Unknown, "Too many failed write attempts."),
            (InnerKind::Unknown, "a text of a later version"),
        ];
        for (kind, text) in lost {
            assert_eq!(cause(kind, text), Cause::Connection, "{text}");
        }
        assert_eq!(cause(InnerKind::Unknown, "ERR no such key"), Cause::Answer);
    }
}
