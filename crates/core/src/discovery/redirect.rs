//! A server's answer that a key is elsewhere.

use crate::topology::Node;

/// Where a command is to go instead. It did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// The slot has another primary, for good.
    Moved { slot: u16, to: Node },
    /// The slot is on its way to another primary, and this key is there already, or does not exist.
    Ask { to: Node },
    /// The slot's primary changed while a connection to the old one was waited for.
    Elsewhere,
    /// The slot is on its way, and not all keys of the command are on one side.
    TryAgain,
    /// The slot, or the cluster, is not served now.
    Down,
}

impl Redirect {
    /// Reads an error reply of the node at `from`, for a command whose keys are of `slot`.
    ///
    /// A script may answer anything; only what names the command's own slot sends it elsewhere.
    pub(crate) fn parse(text: &str, slot: Option<u16>, from: &Node) -> Option<Self> {
        let mut words = text.split(' ');
        let code = words.next()?;
        match code {
            "TRYAGAIN" => return Some(Redirect::TryAgain),
            "MOVED" | "ASK" => {}
            _ => return None,
        }
        let named: u16 = words.next()?.parse().ok()?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let to = Node {
            // A server that does not know its own name means the one that it was reached by.
            host: match host {
                "" | "?" => from.host.clone(),
                host => host.to_owned(),
            },
            port: port.parse().ok()?,
        };
        if Some(named) != slot {
            return None;
        }
        Some(match code {
            "MOVED" => Redirect::Moved { slot: named, to },
            _ => Redirect::Ask { to },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> Node {
        Node {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn answers_of_servers_are_read() {
        let from = node("10.0.0.1", 7000);
        let read = |text| Redirect::parse(text, Some(3999), &from);
        let to = node("10.0.0.2", 6381);
        let moved = Redirect::Moved {
            slot: 3999,
            to: to.clone(),
        };
        assert_eq!(read("MOVED 3999 10.0.0.2:6381"), Some(moved));
        assert_eq!(read("ASK 3999 10.0.0.2:6381"), Some(Redirect::Ask { to }));
        let v6 = Redirect::Ask {
            to: node("fe80::1", 6381),
        };
        assert_eq!(read("ASK 3999 fe80::1:6381"), Some(v6));
        let same_host = Redirect::Ask {
            to: node("10.0.0.1", 6381),
        };
        assert_eq!(read("ASK 3999 :6381"), Some(same_host));
        assert_eq!(
            read("TRYAGAIN Multiple keys request during rehashing of slot"),
            Some(Redirect::TryAgain)
        );
    }

    #[test]
    fn nothing_else_sends_a_command_elsewhere() {
        let from = node("10.0.0.1", 7000);
        for text in [
            "MOVED 1 10.0.0.2:6381",
            "MOVED 3999",
            "MOVED 3999 host",
            "MOVED 70000 h:1",
            "ERR MOVED 3999 10.0.0.2:6381",
            "",
        ] {
            assert_eq!(Redirect::parse(text, Some(3999), &from), None, "{text}");
        }
        assert_eq!(Redirect::parse("MOVED 1 h:1", None, &from), None);
    }
}
