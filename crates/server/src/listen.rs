//! TCP connections around an HTTP service: deadlines and limits that a plain `axum::serve` does not have.
use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;

/// From the first byte of a request to the end of its head; also how long a connection may idle between two.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The head of a request, in bytes, at most.
const HEAD_LEN: usize = 16 * 1024;
/// After an error of `accept`: out of descriptors, it would only come again at once.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// The address of the TCP peer, as a request extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpPeer(pub(crate) SocketAddr);

/// What answers, and how many connections it takes.
#[derive(Clone)]
pub(crate) struct Service {
    router: Router,
    free: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(router: Router, connections: usize) -> Self {
        Self { router, free: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))) }
    }
}

/// Accepts until `stop`.
pub(crate) async fn accept(
    listener: TcpListener,
    service: Service,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(permit) = service.free.clone().try_acquire_owned() else {
            tasks.spawn(timeout(Duration::from_secs(2), turn_away(stream)));
            continue;
        };
        let (router, stop) = (service.router.clone(), stop.clone());
        tasks.spawn(async move {
            serve(stream, peer, router, stop).await;
            drop(permit);
        });
    }
}

/// One connection. A WebSocket leaves it by an upgrade, with the permit's slot: [`crate::Limits::sockets`] counts those.
async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(TcpPeer(peer));
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, "connection");
    }
}

/// Answers without looking, when there are too many connections already.
async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\
        Content-Length: 0\r\n\r\n";
    let _ = stream.read(&mut [0; 2048]).await; // else closing discards the answer with what was not read
    let _ = stream.write_all(ANSWER).await;
    let _ = stream.shutdown().await;
}
