//! A rustls client from files.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::topology::Tls;

/// TLS 1.2 and 1.3 with the provider `ring`, named here so that another one in the service's dependencies is no matter.
pub(super) fn client(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(tls)?);
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| {
                    format!(
                        "the key {} does not go with its certificate: {error}",
                        key.display()
                    )
                })
        }
        _ => {
            Err("a certificate and its key belong together, and one of them is missing".to_owned())
        }
    }
}

fn roots(tls: &Tls) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = &tls.ca_file else {
        // A system has hundreds; one that cannot be read is no reason to trust none.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(
                "the system has no certificate authorities; name yours with a CA file".to_owned(),
            );
        }
        return Ok(roots);
    };
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("CA file", file, &error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if found.is_empty() => {
            Err(format!("{} holds no certificate in PEM", file.display()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unusable("certificate file", file, &error)),
    }
}

fn unusable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("the {what} {} cannot be used: {error}", path.display())
}
