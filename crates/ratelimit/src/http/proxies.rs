//! Whose address a request came from.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use ipnet::IpNet;
use russet_core::{BuildError, BuildErrorKind};

/// The proxies in front of a service, whose word is believed on where a request came from.
///
/// `X-Forwarded-For` is read from the right, because what stands left of the first address that is no proxy's was written by whoever sent
/// the request. Without proxies it is not read at all, and the peer is the client.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Nobody is believed.
    pub fn none() -> Self {
        TrustedProxies::default()
    }

    /// These networks or addresses: `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`] for one that is none.
    pub fn new<'n>(networks: impl IntoIterator<Item = &'n str>) -> Result<Self, BuildError> {
        let parsed = networks.into_iter().map(|text| {
            let network = text.parse::<IpNet>().ok();
            let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| {
                BuildError::new(
                    BuildErrorKind::Limit,
                    format!("{text:?} is no network; write 10.0.0.0/8, or an address"),
                )
            })
        });
        Ok(TrustedProxies(parsed.collect::<Result<_, _>>()?))
    }

    fn are(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request from this peer.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        // The last field was added last, and in each the last address.
        for field in headers.get_all("x-forwarded-for").iter().rev() {
            let Ok(field) = field.to_str() else {
                return client;
            };
            for hop in field.rsplit(',') {
                if !self.are(client) {
                    return client;
                }
                // What is no address nobody of ours has written; whoever told us of it is as far as we know.
                let Some(address) = address(hop.trim()) else {
                    return client;
                };
                client = address;
            }
        }
        client
    }
}

/// An address, as proxies write it: with a port or in brackets too.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.split(']').next())
        .unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    });
    parsed.map(|address| address.to_canonical())
}

/// What of an address stands for one client: all of a v4 address, the first 64 bits of a v6 one, which is what one client has.
pub(crate) fn group(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, fields: &[&str]) -> String {
        let proxies = TrustedProxies::new(proxies.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        group(proxies.client(peer.parse().unwrap(), &headers))
    }

    #[test]
    fn the_right_most_hop_that_is_no_proxy_is_the_client() {
        let ours = ["10.0.0.0/8", "fd00::/8"];
        for (peer, fields, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.9, 10.0.0.2"],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &["1.1.1.1, 203.0.113.9", "10.0.0.3,10.0.0.2"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            ("10.0.0.1", &["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["[2001:db8:1:2:3::4]:4711"],
                "2001:db8:1:2::/64",
            ),
            ("fd00::1", &["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(client(&ours, peer, fields), expected, "{peer} {fields:?}");
        }
        assert_eq!(client(&[], "10.0.0.1", &["203.0.113.9"]), "10.0.0.1");
        assert!(TrustedProxies::new(["10.0.0.0/33"]).is_err());
    }
}
