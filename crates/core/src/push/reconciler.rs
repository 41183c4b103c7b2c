//! Makes each connection's subscriptions what is wanted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Target;
use super::registry::Registry;
use super::scope::Scope;
use crate::call::classify;
use crate::command::Command;
use crate::discovery::{Place, Trouble};
use crate::driver::{Cause, Client, Failure, Kind, Pushed, Tuning};
use crate::lane::Backoff;
use crate::reply::Reply;
use crate::telemetry::ConnectionGauge;
use crate::topology::Endpoint;

/// How often the server is asked what it holds for this connection.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How many names one SUBSCRIBE carries at most.
const CHUNK: usize = 512;

pub(super) struct Reconciler {
    place: Place,
    scope: Scope,
    tuning: Tuning,
    registry: Arc<Registry>,
    backoff: Backoff,
    gauge: ConnectionGauge,
    /// While the server is away.
    trouble: Option<Trouble>,
}

impl Reconciler {
    pub(super) fn new(place: Place, scope: Scope, tuning: Tuning, registry: Arc<Registry>) -> Self {
        Reconciler {
            gauge: ConnectionGauge::new(&place.to_string(), "push"),
            place,
            scope,
            tuning,
            registry,
            backoff: Backoff::new(),
            trouble: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut told = false;
        loop {
            match self.place.connect(self.tuning).await {
                Ok((client, endpoint)) => {
                    told = false;
                    self.trouble = None;
                    let (up, since) = (self.gauge.up(), Instant::now());
                    self.serve(client, &endpoint).await;
                    drop(up);
                    self.gauge.lost();
                    self.trouble.get_or_insert_with(|| self.place.trouble());
                    tokio::time::sleep(self.backoff.after(since.elapsed())).await;
                }
                Err(error) => {
                    if !told {
                        told = true;
                        tracing::warn!(target: "russet::core", server = %self.place, %error, "subscriptions away; trying on");
                    }
                    self.trouble.get_or_insert_with(|| self.place.trouble());
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// One connection's life: whatever was subscribed, and whatever comes, belongs to it and ends with it.
    async fn serve(&self, client: Client, endpoint: &Endpoint) {
        let mut messages = client.messages();
        let registry = self.registry.clone();
        let dispatcher = tokio::spawn(async move {
            while let Some(pushed) = messages.next().await {
                match pushed {
                    Pushed::Message {
                        kind,
                        channel,
                        payload,
                    } => registry.dispatch(kind, &channel, &payload),
                    Pushed::Lost => registry.gap(),
                }
            }
        });
        let mut changes = self.registry.changes();
        let mut held = Held {
            client: &client,
            registry: &self.registry,
            scope: &self.scope,
            targets: HashSet::new(),
        };
        let mut audit = tokio::time::interval(PROBE_EVERY);
        audit.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            changes.mark_unchanged();
            let version = self.scope.version();
            if let Err(failure) = held.reconcile().await {
                tracing::debug!(target: "russet::core", server = %endpoint, ?failure, "subscriptions: a new connection");
                break;
            }
            tokio::select! {
                _ = client.ended() => break,
                _ = changes.changed() => {}
                () = self.scope.changed(version) => {}
                () = self.place.left(endpoint) => break,
                _ = audit.tick() => {
                    if let Err(failure) = held.audit().await {
                        if held.have_moved().await {
                            // Their slots did: the others are as they were.
                            continue;
                        }
                        tracing::warn!(
                            target: "russet::core", server = %endpoint, ?failure,
                            "the server no longer holds what was subscribed, or answers nothing; making a new connection"
                        );
                        break;
                    }
                }
            }
        }
        client.abort();
        dispatcher.abort();
    }
}

/// What one connection is subscribed to, confirmed by the server.
struct Held<'a> {
    client: &'a Client,
    registry: &'a Registry,
    scope: &'a Scope,
    targets: HashSet<Target>,
}

impl Drop for Held<'_> {
    /// However the connection ends, also by another's hand.
    fn drop(&mut self) {
        self.registry.lost(&self.targets);
    }
}

impl Held<'_> {
    /// Subscribes what is missing and ends what is left over. Fails only if the connection cannot be trusted any more.
    async fn reconcile(&mut self) -> Result<(), Failure> {
        let registry = self.registry;
        let mut wanted: HashSet<Target> = registry.targets().into_iter().collect();
        let all = wanted.len();
        wanted.retain(|target| self.scope.holds(target));
        let mut ended = false;
        let over: Vec<Target> = self.targets.difference(&wanted).cloned().collect();
        for target in &over {
            let gone = [name(target)];
            let sent = self.client.unsubscribe(target.kind(), &gone);
            match answered(sent).await {
                // A node whose slot went elsewhere has ended it itself.
                Err(failure) if failure.cause != Cause::Answer => return Err(failure),
                _ => {}
            }
            self.targets.remove(target);
            ended = true;
        }
        if ended {
            // One round trip for them all.
            match self.fence().await {
                Err(failure) if failure.cause == Cause::Answer && !is_passing(&failure) => {
                    self.realign().await?;
                }
                answer => answer?,
            }
            if all > wanted.len() {
                // Some may be wanted elsewhere.
                registry.lost(&over);
            }
        }
        for target in &self.targets {
            registry.confirm_held(target);
        }
        for kind in [Kind::Channel, Kind::Pattern, Kind::Sharded] {
            let missing: Vec<&Target> = wanted
                .iter()
                .filter(|target| target.kind() == kind && !self.targets.contains(*target))
                .collect();
            for chunk in missing.chunks(CHUNK) {
                self.subscribe(kind, chunk).await?;
            }
        }
        Ok(())
    }

    async fn subscribe(&mut self, kind: Kind, targets: &[&Target]) -> Result<(), Failure> {
        self.registry.ask(targets.iter().copied());
        match self.ask(kind, targets).await {
            Ok(()) => {
                for &target in targets {
                    self.targets.insert(target.clone());
                    self.registry.confirm(target);
                }
                Ok(())
            }
            Err(refusal) if refusal.cause == Cause::Answer && !is_passing(&refusal) => {
                self.realign().await?;
                match targets {
                    // Somebody else's now; the map, and with it our scope, says so from here on.
                    [target] if self.scope.moved(target, &refusal.text) => {}
                    [target] => {
                        let error = classify::command("SUBSCRIBE", refusal);
                        self.registry.refuse(target, error);
                    }
                    // One refused name refuses the whole command; alone, each is told its own.
                    many => {
                        for target in many {
                            Box::pin(self.subscribe(kind, &[target])).await?;
                        }
                    }
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Sends a subscription and waits until the server has dealt with it.
    async fn ask(&self, kind: Kind, targets: &[&Target]) -> Result<(), Failure> {
        let names: Vec<&str> = targets.iter().map(|target| name(target)).collect();
        if kind == Kind::Sharded {
            // These wait for their answers, each.
            for &name in &names {
                answered(self.client.subscribe(kind, &[name])).await?;
            }
            return Ok(());
        }
        answered(self.client.subscribe(kind, &names)).await?;
        self.fence().await
    }

    /// A command behind a subscription: commands of one connection are dealt with in order, so its reply proves that
    /// the subscription was, too. A refusal comes as its error, because fred hands it to the next command.
    async fn fence(&self) -> Result<(), Failure> {
        let ping = self.client.send(&Command::new("PING"), ANSWER_WITHIN).await;
        match ping {
            // A user who may not PING is answered in order as well.
            Err(failure) if is_about_ping(&failure) => Ok(()),
            ping => ping.map(drop),
        }
    }

    /// After a refusal one reply is left over. It is dropped if it comes while nothing waits; that it is gone is proven
    /// by a PING that gets its own answer.
    async fn realign(&self) -> Result<(), Failure> {
        for attempt in 0..5_u32 {
            let nonce = format!("russet-{attempt}");
            let reply = self
                .client
                .send(&Command::new("PING").arg(&nonce), ANSWER_WITHIN)
                .await?;
            if matches!(&reply, Reply::Bytes(bytes) if *bytes == nonce.as_bytes()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Failure {
            cause: Cause::Protocol,
            text: "the replies do not line up after a refusal".to_owned(),
        })
    }

    /// Whether some are another node's by now, asked anew.
    async fn have_moved(&self) -> bool {
        self.scope.refresh(Instant::now() + ANSWER_WITHIN).await;
        !self.targets.iter().all(|target| self.scope.holds(target))
    }

    /// Asks the server what it holds for this connection: a subscription that died in silence is found.
    async fn audit(&self) -> Result<(), Failure> {
        let info = match self
            .client
            .send(&Command::new("CLIENT INFO"), ANSWER_WITHIN)
            .await
        {
            Ok(Reply::Bytes(info)) => info,
            // A user who may not ask is at least alive.
            Ok(_) => return Ok(()),
            Err(failure) if failure.cause == Cause::Answer => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let info = String::from_utf8_lossy(&info);
        for (field, kind) in [
            ("sub", Kind::Channel),
            ("psub", Kind::Pattern),
            ("ssub", Kind::Sharded),
        ] {
            let held = self
                .targets
                .iter()
                .filter(|target| target.kind() == kind)
                .count();
            let found = info
                .split_whitespace()
                .find_map(|word| word.strip_prefix(field)?.strip_prefix('='));
            // Servers before 7.0.3 do not count sharded ones.
            if let Some(found) = found
                && found.parse() != Ok(held)
            {
                let text = format!(
                    "the server holds {field}={found} for this connection, {held} were confirmed"
                );
                return Err(Failure {
                    cause: Cause::Protocol,
                    text,
                });
            }
        }
        Ok(())
    }
}

/// fred lets some subscriptions wait for their answer, and for ever.
async fn answered(sent: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let late = |_| Failure {
        cause: Cause::Timeout,
        text: "no answer to a subscription".to_owned(),
    };
    tokio::time::timeout(ANSWER_WITHIN, sent)
        .await
        .map_err(late)?
}

/// Whether a server that refuses now may not a moment later; asked again on a new connection.
fn is_passing(failure: &Failure) -> bool {
    let code = failure.text.split(' ').next().unwrap_or_default();
    matches!(
        code,
        "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "TRYAGAIN"
    )
}

/// A refused PING names the command; a refused subscription, whose error the next command gets, another one.
fn is_about_ping(failure: &Failure) -> bool {
    failure.cause == Cause::Answer
        && failure.text.starts_with("NOPERM")
        && failure.text.contains("'ping'")
}

fn name(target: &Target) -> &str {
    // Checked when the subscription was made.
    std::str::from_utf8(target.key().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Failure {
        Failure {
            cause: Cause::Answer,
            text: text.to_owned(),
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        for passing in [
            "BUSY Redis is busy running a script.",
            "CLUSTERDOWN Hash slot not served",
            "LOADING Redis is loading the dataset in memory",
        ] {
            assert!(is_passing(&answer(passing)), "{passing}");
        }
        assert!(!is_passing(&answer(
            "NOPERM No permissions to access a channel"
        )));
        let ping = "NOPERM User app has no permissions to run the 'ping' command";
        let subscribe = "NOPERM User app has no permissions to run the 'subscribe' command";
        assert!(is_about_ping(&answer(ping)));
        assert!(!is_about_ping(&answer(subscribe)));
    }
}
