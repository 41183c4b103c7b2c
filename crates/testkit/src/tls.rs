//! Certificates for one server and its clients.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

use crate::{error::StartError, name::unique_name, server::Server};

/// The files of a server that speaks TLS: an authority of its own, and two certificates by it.
#[derive(Debug)]
pub struct Tls {
    folder: PathBuf,
    port: u16,
}

impl Tls {
    /// Makes the authority and the certificates, over those that stand there.
    pub(crate) fn make(folder: &Path, port: u16) -> Result<Tls, StartError> {
        let tls = Tls {
            folder: folder.to_owned(),
            port,
        };
        tls.write()
            .map_err(|error| StartError::failed(format!("cannot make certificates: {error}")))?;
        Ok(tls)
    }

    /// The lines of redis.conf.
    pub(crate) fn config(&self) -> Vec<(&'static str, String)> {
        let path = |path: PathBuf| path.display().to_string();
        vec![
            ("tls-port", self.port.to_string()),
            ("tls-ca-cert-file", path(self.ca_file())),
            ("tls-cert-file", path(self.server_file("cert"))),
            ("tls-key-file", path(self.server_file("key"))),
            ("tls-auth-clients", "no".to_owned()),
        ]
    }

    /// The port that speaks TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority's certificate, which clients trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A client's certificate, which the server trusts.
    #[must_use]
    pub fn client_cert_file(&self) -> PathBuf {
        self.folder.join("client-cert.pem")
    }

    /// The key of the client's certificate.
    #[must_use]
    pub fn client_key_file(&self) -> PathBuf {
        self.folder.join("client-key.pem")
    }

    /// Replaces the authority and all certificates in their files, and has the server take them up: who trusted the one
    /// from before trusts this server no more.
    ///
    /// # Panics
    ///
    /// When the files cannot be written or the server refuses them.
    pub fn renew(&self, server: &Server) {
        self.write()
            .unwrap_or_else(|error| panic!("cannot make certificates: {error}"));
        let config = self.config();
        let mut words = vec!["CONFIG", "SET"];
        for (name, value) in &config[1..4] {
            words.extend([*name, value]);
        }
        let reply = server.command(&words);
        assert_eq!(reply.as_str(), Some("OK"), "{words:?} says {reply:?}");
    }

    fn write(&self) -> Result<(), Box<dyn std::error::Error>> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name = named(&unique_name("russet-testkit"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        fs::write(self.ca_file(), authority.pem())?;
        for (who, names) in [
            ("server", &["localhost", "127.0.0.1"][..]),
            ("client", &["client"]),
        ] {
            let names = names.iter().map(|name| (*name).to_owned());
            let key = KeyPair::generate()?;
            let mut certificate = CertificateParams::new(names.collect::<Vec<_>>())?;
            certificate.distinguished_name = named(who);
            let certificate = certificate.signed_by(&key, &authority)?;
            fs::write(
                self.folder.join(format!("{who}-cert.pem")),
                certificate.pem(),
            )?;
            fs::write(
                self.folder.join(format!("{who}-key.pem")),
                key.serialize_pem(),
            )?;
        }
        Ok(())
    }

    fn server_file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("server-{what}.pem"))
    }
}

/// One that bears its issuer's name would be taken for self-signed.
fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
