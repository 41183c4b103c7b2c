//! Whom to trust, and who to be.

use std::path::PathBuf;

use serde::Deserialize;

/// TLS material, read from its files at every connect: a renewed certificate needs no restart.
///
/// By default the system's certificate authorities are trusted and no certificate is shown. There is no way to trust
/// everybody: a private authority is named with [`ca_file`](Tls::ca_file).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
}

impl Tls {
    /// The system's authorities, no certificate of our own.
    pub fn new() -> Self {
        Tls::default()
    }

    /// Trusts the authorities in this PEM file, and no others.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Shows the server this certificate (with its chain) and proves it with this key, both PEM files.
    #[must_use]
    pub fn identity_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.cert_file = Some(cert.into());
        self.key_file = Some(key.into());
        self
    }

    /// The name that the server's certificate must carry, where that is not the URL's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}
