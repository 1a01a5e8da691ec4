//! What an address says: where the server is, and how far its certificate is believed.

use super::options::OpenError;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::PathBuf, sync::Arc};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Where Debian and most others keep the certificates of the authorities that everybody trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// An address, taken apart.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

/// How far the server's certificate is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Whatever it is: the connection is encrypted, and nobody knows to whom.
    Anybody,
    /// Only for its name, from an authority that is trusted.
    NamedByAuthority,
}

impl Address {
    /// Takes an address apart. What is wrong with it is told without the address, which may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let wrong = |what: String| OpenError::Address(what);
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(wrong("it has to begin with postgresql://".into()));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut rest, mut mode, mut trust, mut roots) = (Vec::new(), SslMode::Prefer, Trust::Anybody, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => mode = SslMode::Disable,
                Some(("sslmode", "prefer")) => mode = SslMode::Prefer,
                Some(("sslmode", "require")) => mode = SslMode::Require,
                Some(("sslmode", "verify-full")) => (mode, trust) = (SslMode::Require, Trust::NamedByAuthority),
                Some(("sslmode", other)) => {
                    return Err(wrong(format!("sslmode {other} is none of disable, prefer, require, verify-full")));
                }
                Some(("sslrootcert", file)) => roots = Some(PathBuf::from(percent_decoded(file))),
                _ => rest.push(pair),
            }
        }
        let without = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = without.parse().map_err(|error: tokio_postgres::Error| wrong(crate::embedded::told(&error)))?;
        config.ssl_mode(mode);
        let tls = MakeRustlsConnect::new(client_config(trust, roots)?);
        Ok(Self { config, tls })
    }
}

fn client_config(trust: Trust, roots: Option<PathBuf>) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(ring::default_provider());
    let failed = |what: String| OpenError::Address(what);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    if trust == Trust::Anybody {
        let verifier = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let file = roots.unwrap_or_else(|| SYSTEM_ROOTS.into());
    let unreadable = |why: String| failed(format!("no certificates can be read from {}: {why}", file.display()));
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| unreadable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        store.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unreadable("there is none in it".into()));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// `%2F` as `/`, for file names.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%').then(|| after.get(..2)).flatten();
        let decoded = decoded.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        (bytes, rest) = match decoded {
            Some(byte) => ([bytes, vec![byte]].concat(), &after[2..]),
            None => ([bytes, vec![*first]].concat(), after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Believes every certificate, but still wants the handshake to be signed with its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_address_is_told_without_the_address() {
        for url in [
            "mysql://u:secret@h/d",
            "postgresql://u:secret@h:99999999/d",
            "postgresql://u:secret@h/d?sslmode=maybe",
            "postgresql://u:secret@h/d?colour=red",
        ] {
            let Err(OpenError::Address(text)) = Address::parse(url) else { panic!("{url} is not refused") };
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn certificates_are_wanted_only_where_they_are_checked() {
        assert!(Address::parse("postgresql://u@h/d?sslmode=require&sslrootcert=/absent").is_ok());
        assert!(Address::parse("postgresql://u@h/d?sslmode=verify-full&sslrootcert=%2Fabsent").is_err());
        assert_eq!(percent_decoded("%2Fa%2fb%zz%"), "/a/b%zz%");
    }
}
