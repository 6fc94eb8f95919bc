//! Opening a WebSocket: directly or through the proxy that the environment names, with TLS where the
//! address says so.
use super::ServerAddress;
use beeline_core::wire::signal::MAX_SIGNAL_LEN;
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use rustls_platform_verifier::BuilderVerifierExt;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, crypto::aws_lc_rs, pki_types::ServerName},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, protocol::WebSocketConfig},
};
use tower_service::Service;

/// Either kind of connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{server} cannot be reached: {error}")]
    Reach { server: ServerAddress, error: io::Error },
    #[error("the proxy for {server} does not help: {why}")]
    Proxy { server: ServerAddress, why: String },
    #[error("{server} cannot be trusted: {why}")]
    Tls { server: ServerAddress, why: String },
    #[error("{server} answers, but not as a Beeline server: {why}")]
    Upgrade { server: ServerAddress, why: String },
}

/// Opens a WebSocket. The caller keeps the deadline.
pub(super) async fn connect(
    server: &ServerAddress,
) -> Result<WebSocketStream<Box<dyn Stream>>, ConnectError> {
    let tcp = reach(server).await?;
    // Signaling is many small messages, each of which somebody waits for.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> =
        if server.is_secure() { Box::new(secure(server, tcp).await?) } else { Box::new(tcp) };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_SIGNAL_LEN))
        .max_frame_size(Some(MAX_SIGNAL_LEN));
    match client_async_with_config(server.socket_url(), stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            let why = match response.status().as_u16() {
                429 => "it is asked to connect too often".into(),
                503 => "it is busy or shutting down".into(),
                status => format!("HTTP status {status}"),
            };
            Err(ConnectError::Upgrade { server: server.clone(), why })
        }
        Err(error) => Err(ConnectError::Upgrade { server: server.clone(), why: error.to_string() }),
    }
}

async fn reach(server: &ServerAddress) -> Result<TcpStream, ConnectError> {
    // No proxy can reach this machine's own loopback.
    if !server.is_loopback()
        && let Ok(uri) = server.uri()
        && let Some(proxy) = Matcher::from_system().intercept(&uri)
    {
        return through_proxy(server, uri, proxy).await;
    }
    TcpStream::connect((server.host(), server.port()))
        .await
        .map_err(|error| ConnectError::Reach { server: server.clone(), error })
}

async fn through_proxy(
    server: &ServerAddress,
    uri: http::Uri,
    proxy: hyper_util::client::proxy::matcher::Intercept,
) -> Result<TcpStream, ConnectError> {
    let failed = |why: String| ConnectError::Proxy { server: server.clone(), why };
    let connected = match proxy.uri().scheme_str() {
        Some("http") => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), HttpConnector::new());
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(uri).await.map_err(|error| failed(chain(&error)))
        }
        Some(scheme @ ("socks5" | "socks5h")) => {
            let mut connector = HttpConnector::new();
            connector.enforce_http(false);
            let mut socks = SocksV5::new(proxy.uri().clone(), connector).local_dns(scheme == "socks5");
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(uri).await.map_err(|error| failed(chain(&error)))
        }
        _ => Err(failed("only http:// and socks5:// proxies are known here".into())),
    };
    connected.map(TokioIo::into_inner)
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn secure(
    server: &ServerAddress,
    tcp: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
    let failed = |why: String| ConnectError::Tls { server: server.clone(), why };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_platform_verifier()
        .map_err(|error| failed(error.to_string()))?
        .with_no_client_auth();
    let name = ServerName::try_from(server.host().to_owned()).map_err(|error| failed(error.to_string()))?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| failed(error.to_string()))
}
