//! What a server sends without being asked.

use bytes::Bytes;
use fred::interfaces::{EventInterface as _, PubsubInterface as _};
use fred::types::{Message, MessageKind, Value};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::client::{Cause, Client, Failure};

/// How a subscription names what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Sharded,
}

/// One message, or the knowledge that some are missing.
#[derive(Debug)]
pub(crate) enum Pushed {
    Message {
        kind: Kind,
        channel: Bytes,
        payload: Bytes,
    },
    Lost,
}

/// The messages of one connection.
pub(crate) struct Messages(Receiver<Message>);

impl Messages {
    /// The next message; `None` once the connection has ended and nobody holds it any more.
    pub(crate) async fn next(&mut self) -> Option<Pushed> {
        match self.0.recv().await {
            Ok(message) => Some(pushed(message)),
            Err(RecvError::Lagged(_)) => Some(Pushed::Lost),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Client {
    /// The messages that come from now on.
    pub(crate) fn messages(&self) -> Messages {
        Messages(self.inner().message_rx())
    }

    /// Sends a subscription. It says nothing of what the server makes of it: fred drops the confirmations, and hands a
    /// refusal to whatever command comes next. The caller sends that command, and knows.
    pub(crate) async fn subscribe(&self, kind: Kind, names: &[&str]) -> Result<(), Failure> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        match kind {
            Kind::Channel => self.inner().subscribe(names).await?,
            Kind::Pattern => self.inner().psubscribe(names).await?,
            // More than one in a command shifts the replies.
            Kind::Sharded => {
                for name in names {
                    self.inner().ssubscribe(name).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends the end of subscriptions.
    pub(crate) async fn unsubscribe(&self, kind: Kind, names: &[&str]) -> Result<(), Failure> {
        if names.is_empty() {
            // To the server, no name is every name.
            return Err(Failure {
                cause: Cause::Refused,
                text: "no name to unsubscribe from".to_owned(),
            });
        }
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        match kind {
            Kind::Channel => self.inner().unsubscribe(names).await?,
            Kind::Pattern => self.inner().punsubscribe(names).await?,
            Kind::Sharded => {
                for name in names {
                    self.inner().sunsubscribe(name).await?;
                }
            }
        }
        Ok(())
    }
}

fn pushed(message: Message) -> Pushed {
    let kind = match message.kind {
        MessageKind::Message => Kind::Channel,
        MessageKind::PMessage => Kind::Pattern,
        MessageKind::SMessage => Kind::Sharded,
    };
    let payload = match message.value {
        Value::Bytes(bytes) => bytes,
        Value::String(text) => text.into_inner(),
        // A payload is a bulk string; anything else is told as missing, not made up.
        _ => return Pushed::Lost,
    };
    Pushed::Message {
        kind,
        channel: message.channel.into_inner(),
        payload,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receiver_that_lags_has_lost_something() {
        let (sender, receiver) = tokio::sync::broadcast::channel(1);
        let message = |payload: &'static str| Message {
            channel: "c".into(),
            kind: MessageKind::Message,
            value: Value::from_static_str(payload),
            server: fred::types::config::Server::new("localhost", 6379),
        };
        for payload in ["first", "second"] {
            sender.send(message(payload)).unwrap();
        }
        let mut messages = Messages(receiver);
        assert!(matches!(messages.next().await, Some(Pushed::Lost)));
        let Some(Pushed::Message { payload, .. }) = messages.next().await else {
            panic!("the second one is there");
        };
        assert_eq!(payload, "second");
    }
}
