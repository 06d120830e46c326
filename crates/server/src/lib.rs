//! HTTP: the native API, events, media, health, API description and the embedded web part.
//!
//! Handlers turn requests into calls of `app` and answers into JSON; they hold no rules of their own.
//! Every error becomes an `application/problem+json` answer in [`problem`], and nowhere else. May import
//! `app` and `domain`; the only crate that names axum.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod access;
#[cfg(test)]
mod agreement;
pub mod api;
mod cookies;
mod extract;
mod forwarded;
mod middleware;
mod names;
pub mod openapi;
pub mod problem;
mod rates;
mod router;
mod routes;
mod serve;
mod tls;
mod web;

pub use access::Access;
pub use forwarded::ProxyHeader;
pub use rates::Limits;
pub use router::{ROUTES, Route, router};
pub use serve::{Listening, ServeError, bind, serve};
pub use tls::{TlsError, TlsFiles};
pub use web::IS_BUILT as WEB_IS_BUILT;

use app::Studio;
use app::outside::Cidr;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The numbers and names the server runs by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest JSON body (bytes).
    pub body_limit_bytes: usize,
    /// How long a request may take that is not a stream.
    pub request_timeout: Duration,
    /// How long open requests may go on after the signal to stop.
    pub drain: Duration,
    /// The address under which the outside reaches this server; its host is answered besides loopback.
    pub public_url: Option<String>,
    /// The token that `/metrics` asks for; without one it answers loopback only.
    pub metrics_token: Option<secrecy::SecretString>,
    /// How long the headers of a request may take, and a TLS handshake; a connection between two requests
    /// is closed after as long.
    pub header_timeout: Duration,
    /// Certificate and key; with them it answers HTTPS only.
    pub tls: Option<TlsFiles>,
    /// Networks of the operator's reverse proxies.
    pub trusted_proxies: Vec<Cidr>,
    /// The header in which they tell the client's address.
    pub proxy_header: ProxyHeader,
    /// How many requests are answered.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_limit_bytes: 2 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            public_url: None,
            metrics_token: None,
            header_timeout: Duration::from_secs(20),
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            limits: Limits::all(NonZeroU32::MAX),
        }
    }
}

/// What every handler is handed.
pub struct Site {
    pub(crate) studio: Arc<Studio>,
    pub(crate) settings: Settings,
    pub(crate) names: names::Names,
    pub(crate) proxies: forwarded::Proxies,
    pub(crate) answers_proxies_only: bool,
    pub(crate) rates: rates::Rates,
    pub(crate) stop: CancellationToken,
    started: AtomicBool,
}

impl Site {
    /// A site over a studio. `stop` ends event streams and readiness.
    #[must_use]
    pub fn new(
        studio: Arc<Studio>,
        settings: Settings,
        listen: SocketAddr,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let names = names::Names::new(listen, settings.tls.is_some(), settings.public_url.as_deref());
        if listen.ip().is_loopback() {
            // The name under which browsers have passkeys on this machine; a public address goes before.
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            studio.reached_at(&format!("{scheme}://localhost:{}", listen.port()));
        }
        Arc::new(Self {
            studio,
            proxies: forwarded::Proxies::new(settings.trusted_proxies.clone(), settings.proxy_header),
            answers_proxies_only: serve::answers_proxies_only(listen, &settings),
            rates: rates::Rates::new(&settings.limits, &rates::Time::of_this_process()),
            settings,
            names,
            stop,
            started: AtomicBool::new(false),
        })
    }

    /// Recovery is done: `/startup` and `/ready` may say so.
    pub fn mark_started(&self) {
        self.started.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }
}
