//! TLS material to what the client library takes.

use fred::types::config::{Config, Server};

use crate::topology::Tls;

#[cfg(feature = "tls")]
mod rustls;

/// Whether the material can be used, now.
#[cfg(feature = "tls")]
pub(crate) fn check(tls: &Tls) -> Result<(), String> {
    rustls::client(tls).map(drop)
}

/// A silent fall-back to plain text would send the password in clear.
#[cfg(not(feature = "tls"))]
pub(crate) fn check(_: &Tls) -> Result<(), String> {
    Err("the URL asks for TLS (rediss://), which this build cannot do; build with the feature `tls`".to_owned())
}

/// A configuration with the material as its files hold it now.
#[cfg(feature = "tls")]
pub(super) async fn equip(mut config: Config, tls: Option<&Tls>) -> Result<Config, String> {
    let Some(tls) = tls.cloned() else {
        return Ok(config);
    };
    // Files, and all of the system's authorities.
    let client = tokio::task::spawn_blocking(move || rustls::client(&tls))
        .await
        .map_err(|_| "reading the TLS material was cut short".to_owned())??;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    config.tls = Some(fred::types::config::TlsConnector::from(connector).into());
    Ok(config)
}

#[cfg(not(feature = "tls"))]
pub(super) async fn equip(config: Config, tls: Option<&Tls>) -> Result<Config, String> {
    tls.map_or(Ok(()), check).map(|()| config)
}

/// The server with the name that its certificate must carry.
pub(super) fn named(tls: Option<&Tls>, server: Server) -> Server {
    #[cfg(feature = "tls")]
    if let Some(name) = tls.and_then(|tls| tls.server_name.as_deref()) {
        let mut server = server;
        server.tls_server_name = Some(name.into());
        return server;
    }
    let _ = tls;
    server
}
