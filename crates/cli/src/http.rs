//! An HTTP client for what is not of AWS: webhooks, and exporters.

use std::{error::Error, sync::Arc, time::Duration};

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// A client for this URL, which gives each request so much time. It trusts what the system trusts, with TLS by ring as
/// everywhere, follows no redirect (a redirected POST would arrive as a GET, without its body), and takes an answer of any
/// status for one.
pub(crate) fn agent(url: &str, patience: Duration) -> Result<ureq::Agent, Box<dyn Error + Send + Sync>> {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .max_redirects(0)
        .max_redirects_will_error(true)
        .http_status_as_error(false);
    if url.starts_with("https://") {
        let system = rustls_native_certs::load_native_certs();
        let roots: Vec<_> =
            system.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
        if roots.is_empty() {
            return Err("the system has no certificates to trust".into());
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots));
        config = config.tls_config(tls.build());
    }
    Ok(config.build().new_agent())
}
