//! The primary that sentinels name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::known::{Known, known};
use super::place::{Part, connect};
use super::trouble::{Trouble, Watch};
use crate::command::Command;
use crate::driver::{Client, Kind, Tuning};
use crate::error::{BuildError, BuildErrorKind, Error, ErrorKind};
use crate::event::{Event, Told};
use crate::lane::Backoff;
use crate::reply::{FromReply as _, Reply};
use crate::topology::{Endpoint, Node};

/// How often a sentinel that says nothing is asked whether it is there.
const EVERY: Duration = Duration::from_secs(10);
/// How far two askings are apart at least, however many connections wish for one.
const APART: Duration = Duration::from_millis(50);
/// How long a sentinel may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long those that have not answered are waited for once more than half have.
const STRAGGLERS: Duration = Duration::from_millis(50);
/// After so many answers in a row that are older than ours, ours is of sentinels that are no more.
const OLDER_ANSWERS: u32 = 3;
/// What a sentinel publishes when a service has another primary.
const SWITCH: &str = "+switch-master";

/// The sentinels of a service: who its primary is, by the word of most of them.
pub(crate) struct Sentinels {
    endpoint: Arc<Endpoint>,
    state: watch::Sender<Known<Endpoint>>,
    watch: Arc<Watch>,
    tasks: [JoinHandle<()>; 2],
}

impl Sentinels {
    /// Starts asking and listening, on the runtime that this is called on.
    pub(crate) fn start(endpoint: Arc<Endpoint>, tuning: Tuning, told: Told) -> Self {
        let state = watch::channel(Known::Asking).0;
        let watch = Arc::<Watch>::default();
        let asking = Asking {
            endpoint: endpoint.clone(),
            tuning,
            state: state.clone(),
            watch: watch.clone(),
            told,
            epoch: 0,
            older: 0,
        };
        let listening = listen(endpoint.clone(), tuning, watch.clone());
        Sentinels {
            endpoint,
            state,
            watch,
            tasks: [tokio::spawn(asking.run()), tokio::spawn(listening)],
        }
    }

    /// Where the primary is: at once if it is known.
    pub(crate) async fn primary(&self, deadline: Instant) -> Result<Arc<Endpoint>, Error> {
        known(&self.state, deadline).await
    }

    /// Waits until the primary is not the one there.
    pub(crate) async fn left(&self, there: &Endpoint) {
        let mut state = self.state.subscribe();
        let another = |state: &Known<Endpoint>| matches!(state, Known::Is(now) if **now != *there);
        if state.wait_for(another).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks no more, and listens no more.
    pub(super) fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// The primary is away.
    pub(crate) fn trouble(&self) -> Trouble {
        self.watch.trouble()
    }

    /// Has the sentinels asked soon: the primary is not as it should be.
    pub(crate) fn wish(&self) {
        self.watch.wish();
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// The task that asks.
struct Asking {
    endpoint: Arc<Endpoint>,
    tuning: Tuning,
    state: watch::Sender<Known<Endpoint>>,
    watch: Arc<Watch>,
    told: Told,
    /// The sentinels' own clock: an answer with a lower one is older.
    epoch: u64,
    /// How many answers in a row were older.
    older: u32,
}

/// What a sentinel says of a service.
struct Named {
    primary: Node,
    epoch: u64,
}

impl Asking {
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            match self.ask().await {
                Ok(named) => {
                    backoff = Backoff::new();
                    self.accept(&named);
                    tokio::time::sleep(APART).await;
                    self.watch.due().await;
                }
                Err(error) => {
                    self.failed(error);
                    tokio::time::sleep(APART + backoff.next()).await;
                }
            }
        }
    }

    /// The newest answer among those of more than half of them and who is nearly as quick, or of all that answer.
    async fn ask(&self) -> Result<Named, Error> {
        let nodes = self.endpoint.nodes();
        let all = nodes.iter().map(|node| self.ask_one(node));
        let mut asked: FuturesUnordered<_> = all.collect();
        let (mut newest, mut answers): (Option<Named>, usize) = (None, 0);
        let mut why = None;
        loop {
            let enough = answers > nodes.len() / 2;
            let answer = if enough {
                timeout(STRAGGLERS, asked.next()).await.unwrap_or(None)
            } else {
                asked.next().await
            };
            match answer {
                Some(Ok(named)) => {
                    answers += 1;
                    if newest
                        .as_ref()
                        .is_none_or(|newest| named.epoch > newest.epoch)
                    {
                        newest = Some(named);
                    }
                }
                Some(Err(error)) if why.is_none() || error.kind() == ErrorKind::Config => {
                    why = Some(error);
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        let nobody = || Error::new(ErrorKind::Unavailable, "there is no sentinel to ask");
        newest.ok_or_else(|| why.unwrap_or_else(nobody))
    }

    async fn ask_one(&self, node: &Node) -> Result<Named, Error> {
        let client = sentinel(&self.endpoint, node, self.tuning).await?;
        let service = self.endpoint.service().unwrap_or_default();
        let named = named(&client, service, node).await;
        client.abort();
        named
    }

    fn accept(&mut self, named: &Named) {
        if named.epoch < self.epoch && self.older < OLDER_ANSWERS {
            // Some of them have not heard of it yet; or they were set up anew.
            self.older += 1;
            return;
        }
        (self.epoch, self.older) = (named.epoch, 0);
        let primary = self.endpoint.at(&named.primary);
        let before = self.state.borrow().clone();
        if matches!(&before, Known::Is(now) if **now == primary) {
            return;
        }
        if let Known::Is(before) = before {
            tracing::info!(target: "russet::core", from = %before, to = %primary, "the sentinels name another primary");
            self.told.tell(Event::TopologyChanged);
        }
        self.state.send_replace(Known::Is(Arc::new(primary)));
    }

    fn failed(&self, error: Error) {
        self.state.send_if_modified(|state| {
            if matches!(state, Known::Is(_)) {
                // The primary may be well all the same.
                tracing::debug!(target: "russet::core", sentinels = %self.endpoint, %error, "no sentinel answers");
                return false;
            }
            if matches!(state, Known::Asking) {
                tracing::warn!(target: "russet::core", sentinels = %self.endpoint, %error, "no sentinel names a primary; trying on");
            }
            *state = Known::Unknown(error);
            true
        });
    }
}

/// Connects to a sentinel, with the sentinels' own credentials.
async fn sentinel(endpoint: &Endpoint, node: &Node, tuning: Tuning) -> Result<Client, Error> {
    let mut sentinel = endpoint.at(node);
    sentinel.database = 0;
    sentinel.credentials = endpoint.sentinel_credentials.clone();
    connect(&sentinel, tuning, Part::Sentinel).await
}

async fn named(client: &Client, service: &str, node: &Node) -> Result<Named, Error> {
    let master = Command::new("SENTINEL MASTER").arg(service);
    let address = Command::new("SENTINEL GET-MASTER-ADDR-BY-NAME").arg(service);
    let (master, address) = tokio::join!(
        client.send(&master, ANSWER_WITHIN),
        client.send(&address, ANSWER_WITHIN)
    );
    let (master, address) = match (master, address) {
        (Ok(master), Ok(address)) => (master, address),
        (Err(failure), _) if failure.text.contains("No such master") => {
            let others = services(client).await;
            let message = format!(
                "the sentinel {node} knows no service {service:?}; it knows {others}: write one of them behind the nodes"
            );
            return Err(BuildError::new(BuildErrorKind::Conflict, message).into());
        }
        (Err(failure), _) | (_, Err(failure)) => {
            let message = format!("the sentinel {node} does not answer: {}", failure.text);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
    };
    let fields = HashMap::<String, String>::from_reply(master)?;
    let (host, port) = <(String, u16)>::from_reply(address)?;
    let epoch = fields.get("config-epoch");
    Ok(Named {
        // Not the one among the fields: whoever leads a failover names the new primary here first, with its epoch.
        primary: Node { host, port },
        epoch: epoch
            .and_then(|epoch| epoch.parse().ok())
            .unwrap_or_default(),
    })
}

/// The services that a sentinel knows, for an error's text.
async fn services(client: &Client) -> String {
    let ask = Command::new("SENTINEL MASTERS");
    let reply = client.send(&ask, ANSWER_WITHIN).await.unwrap_or(Reply::Nil);
    let all = Vec::<HashMap<String, String>>::from_reply(reply).unwrap_or_default();
    let names: Vec<&str> = all
        .iter()
        .filter_map(|one| one.get("name").map(String::as_str))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Listens to one sentinel after the other: a primary that hangs closes no connection, and says nothing of its end.
async fn listen(endpoint: Arc<Endpoint>, tuning: Tuning, watch: Arc<Watch>) {
    let mut backoff = Backoff::new();
    for node in endpoint.nodes().iter().cycle() {
        let Ok(client) = sentinel(&endpoint, node, tuning).await else {
            tokio::time::sleep(backoff.next()).await;
            continue;
        };
        let began = Instant::now();
        let mut messages = client.messages();
        if client.subscribe(Kind::Channel, &[SWITCH]).await.is_ok() {
            // What happened before the subscription stood.
            watch.wish();
            loop {
                tokio::select! {
                    word = messages.next() => match word {
                        Some(_) => watch.wish(),
                        None => break,
                    },
                    _ = client.ended() => break,
                    // One that hangs would keep us from listening to another.
                    () = tokio::time::sleep(EVERY) => {
                        if client.send(&Command::new("PING"), ANSWER_WITHIN).await.is_err() {
                            break;
                        }
                    }
                }
            }
        }
        client.abort();
        tokio::time::sleep(backoff.after(began.elapsed())).await;
    }
}
