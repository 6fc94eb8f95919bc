//! Which request goes where.
use crate::{
    limits::AddressGroup,
    listen::TcpPeer,
    metrics::Metrics,
    origin,
    page::{self, BUILD, FILES},
    rooms::NotAdmitted,
    socket::{self, Hub},
};
use axum::{
    Extension, Router,
    extract::{Request, State, ws::WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use ipnet::IpNet;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio_util::task::TaskTracker;
use url::Url;

/// What requests share.
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    public_url: Option<Url>,
    trusted_proxies: Vec<IpNet>,
    /// Said once: a proxy forwards, and nobody told us to trust it.
    warned: AtomicBool,
}

impl App {
    pub(crate) fn new(
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        public_url: Option<Url>,
        trusted_proxies: Vec<IpNet>,
    ) -> Self {
        Self { hub, metrics, public_url, trusted_proxies, warned: AtomicBool::new(false) }
    }

    /// `/beeline` of a public URL `https://host/beeline/`; empty without prefix.
    fn prefix(&self) -> &str {
        self.public_url.as_ref().map_or("", |url| url.path().trim_end_matches('/'))
    }

    fn client(&self, peer: TcpPeer, headers: &HeaderMap) -> AddressGroup {
        if self.trusted_proxies.is_empty()
            && origin::is_forwarded(headers)
            && !self.warned.swap(true, Relaxed)
        {
            tracing::warn!(
                "a proxy forwards requests, but no proxy is trusted: all clients look like one address"
            );
        }
        AddressGroup::of(origin::client_address(peer.0.ip(), headers, &self.trusted_proxies))
    }
}

/// Page and signaling, at `/` and below the public URL's prefix: a proxy may strip it or keep it.
pub(crate) fn public(app: Arc<App>, tasks: TaskTracker) -> Router {
    let mut router =
        Router::new().route("/ws", get(open_socket)).route("/healthz", get("ok\n")).fallback(serve_page);
    if !app.prefix().is_empty() {
        let to = format!("{}/", app.prefix());
        let redirect = get(move || async move { (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]) });
        router = router
            .route(app.prefix(), redirect)
            .route(&format!("{}/ws", app.prefix()), get(open_socket))
            .route(&format!("{}/healthz", app.prefix()), get("ok\n"));
    }
    router
        .layer(middleware::from_fn_with_state(app.clone(), add_headers))
        .layer(Extension(tasks))
        .with_state(app)
}

/// What only the operator sees.
pub(crate) fn private(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.hub.is_draining() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        false => "ready\n".into_response(),
    }
}

async fn show_metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text(BUILD))
}

async fn serve_page(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let prefix = app.prefix();
    let path = match uri.path().strip_prefix(prefix) {
        Some(rest) if !prefix.is_empty() && rest.starts_with('/') => rest,
        _ => uri.path(),
    };
    page::respond(FILES, &method, path, &headers)
}

async fn add_headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let https = app.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
        page::set_security_headers(response.headers_mut(), https);
    }
    response
}

async fn open_socket(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<TcpPeer>,
    Extension(tasks): Extension<TaskTracker>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !origin::may_connect(&headers, app.public_url.as_ref()) {
        Metrics::count(&app.metrics.foreign_origins);
        return (StatusCode::FORBIDDEN, "this page is of another site\n").into_response();
    }
    let from = app.client(peer, &headers);
    let admitted = match app.hub.admit(from) {
        Ok(admitted) => admitted,
        Err(NotAdmitted::Full) => {
            let words = "the server is full or stopping\n";
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], words).into_response();
        }
        Err(NotAdmitted::Address) => {
            tracing::debug!(%from, "too many sockets");
            let words = "too many connections from this address\n";
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")], words).into_response();
        }
    };
    // axum runs the callback in a task of its own, which nobody waits for; ours are waited for at the end.
    socket::tune(upgrade).on_upgrade(move |socket| {
        let task = tasks.spawn(admitted.run(socket));
        async move {
            let _ = task.await;
        }
    })
}
