//! Listening, and stopping well: no new connections, open requests go on until the deadline.
//!
//! Beyond loopback a password must not travel in the clear: without a certificate of its own the server
//! listens there only behind proxies that the operator named and that are reached over `https`, and it
//! answers only them (`middleware::arrival`).

use crate::router::router;
use crate::tls::{self, TlsError};
use crate::{Settings, Site};
use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often a silent HTTP/2 connection is asked whether anybody is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The most requests that one HTTP/2 connection has open.
const MAX_STREAMS: u32 = 256;
/// The most bytes of the headers of one request.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Passwords would travel in the clear.
    #[error(
        "`server.listen` is {0}, which others can reach, and plain HTTP would show them every password; set \
         `server.tls_cert` and `server.tls_key`, or name the reverse proxy in `server.trusted_proxies` and its \
         https address in `server.public_url`, or listen on 127.0.0.1"
    )]
    InTheClear(SocketAddr),
    /// The proxies are named, but people reach them over plain HTTP.
    #[error(
        "`server.listen` is {0} behind `server.trusted_proxies`, but `server.public_url` is not an https \
         address; people must reach the proxy over https"
    )]
    ProxyInTheClear(SocketAddr),
    /// Certificate or key.
    #[error("`server.tls_cert` and `server.tls_key`: {0}")]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; is another studio running, or the port taken?")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Serving broke off.
    #[error("the server broke off: {0}")]
    Broke(std::io::Error),
}

/// A bound socket and its address.
pub struct Listening {
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    /// Where it listens (with the real port when 0 was asked for).
    pub address: SocketAddr,
}

/// Whether this server answers only the operator's proxies.
pub(crate) const fn answers_proxies_only(address: SocketAddr, settings: &Settings) -> bool {
    settings.tls.is_none() && !address.ip().is_loopback()
}

fn allowed(address: SocketAddr, settings: &Settings) -> Result<(), ServeError> {
    if !answers_proxies_only(address, settings) {
        return Ok(());
    }
    if settings.trusted_proxies.is_empty() {
        return Err(ServeError::InTheClear(address));
    }
    let public = settings.public_url.as_deref().unwrap_or("");
    if public.starts_with("https://") {
        Ok(())
    } else {
        Err(ServeError::ProxyInTheClear(address))
    }
}

/// Binds the address.
///
/// # Errors
/// If passwords would travel in the clear there, certificate and key cannot be used, or the address cannot
/// be had.
pub async fn bind(address: SocketAddr, settings: &Settings) -> Result<Listening, ServeError> {
    allowed(address, settings)?;
    let tls = settings.tls.as_ref().map(tls::config).transpose()?;
    let told = |source| ServeError::Address { address, source };
    let listener = TcpListener::bind(address).await.map_err(told)?;
    let address = listener.local_addr().map_err(told)?;
    Ok(Listening {
        listener,
        tls: tls.map(RustlsConfig::from_config),
        address,
    })
}

/// Serves until the site is told to stop, then drains for as long as its settings say.
///
/// # Errors
/// If serving breaks off.
pub async fn serve(listening: Listening, site: Arc<Site>) -> Result<(), ServeError> {
    let pace = Pace {
        header_timeout: site.settings.header_timeout,
        drain: site.settings.drain,
    };
    let stop = site.stop.clone();
    answer(listening, router(site), pace, stop).await
}

/// How long things may take.
#[derive(Clone, Copy)]
struct Pace {
    /// The headers of a request, and a TLS handshake; also a connection between two requests.
    header_timeout: Duration,
    /// Open requests after the signal to stop.
    drain: Duration,
}

async fn answer(
    listening: Listening,
    router: Router,
    pace: Pace,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let handle = Handle::new();
    let mut server: Server<SocketAddr> = Server::from_listener(listening.listener)
        .handle(handle.clone())
        .first_request_timeout(pace.header_timeout)
        .accept_error_handler(|_, error| tracing::debug!(error = %error, "a connection was not accepted"));
    server
        .http_builder()
        .http1()
        .header_read_timeout(pace.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES);
    server
        .http_builder()
        .http2()
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(pace.header_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX));
    let app = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = async {
        match listening.tls {
            None => server.acceptor(NoDelayAcceptor::new()).serve(app).await,
            Some(config) => {
                let acceptor = RustlsAcceptor::new(config)
                    .handshake_timeout(pace.header_timeout)
                    .acceptor(NoDelayAcceptor::new());
                server.acceptor(acceptor).serve(app).await
            }
        }
    };
    let deadline = async {
        stop.cancelled().await;
        handle.graceful_shutdown(None);
        tokio::time::sleep(pace.drain).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(ServeError::Broke),
        () = deadline => {
            tracing::warn!(drain_seconds = pace.drain.as_secs(), "requests were still open at the drain deadline");
            handle.shutdown();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
