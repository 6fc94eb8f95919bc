//! What stands before a Beeline server in a company: TLS with its own certificate, and a path of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Who signs certificates, and whom a client may be told to trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = NamedTempFile::new()?;
        std::fs::write(file.path(), issuer.pem())?;
        Ok(Self { issuer, file })
    }

    /// Its certificate, as `SSL_CERT_FILE` wants it.
    pub(crate) fn file(&self) -> &Path {
        self.file.path()
    }
}

/// A reverse proxy on loopback; stopped when dropped.
pub(crate) struct Front {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Front {
    /// Serves `https://name/prefix/` from `backend`, an `http://` address of loopback.
    pub(crate) async fn start(
        authority: &Authority,
        name: &str,
        prefix: &str,
        backend: &str,
    ) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &authority.issuer)?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let backend = backend.strip_prefix("http://").context("an http:// address")?.to_owned();
        let prefix = prefix.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, backend, prefix) = (acceptor.clone(), backend.clone(), prefix.clone());
                let counted = counted.clone();
                tokio::spawn(async move {
                    let client = acceptor.accept(client).await?; // a client that does not trust us hangs up
                    counted.fetch_add(1, Relaxed);
                    pass(client, &backend, &prefix).await
                });
            }
        });
        Ok(Self { port, connections, task })
    }

    /// How many connections were made and trusted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes one connection on; its first request loses the prefix.
async fn pass(mut client: impl AsyncRead + AsyncWriteExt + Unpin, backend: &str, prefix: &str) -> Result<()> {
    let head = head(&mut client).await?;
    let mut server = TcpStream::connect(backend).await?;
    server.write_all(head.replacen(&format!("GET {prefix}/"), "GET /", 1).as_bytes()).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The first request up to its empty line. Whoever asks waits for the answer, so nothing follows it.
pub(crate) async fn head(client: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
