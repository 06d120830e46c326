//! Listening, and stopping well: no new connections, open requests go on until the deadline.

use crate::Site;
use crate::router::router;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Until accounts exist, whoever reaches the server may use it.
    #[error(
        "`server.listen` is {0}, but without accounts the studio listens on loopback only; \
         use 127.0.0.1 or [::1] (a reverse proxy on this machine may stand in front)"
    )]
    NotLoopback(SocketAddr),
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
    /// Where it listens (with the real port when 0 was asked for).
    pub address: SocketAddr,
}

/// Binds the address.
///
/// # Errors
/// If it is not loopback or cannot be had.
pub async fn bind(address: SocketAddr) -> Result<Listening, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let told = |source| ServeError::Address { address, source };
    let listener = TcpListener::bind(address).await.map_err(told)?;
    let address = listener.local_addr().map_err(told)?;
    Ok(Listening { listener, address })
}

/// Serves until the site is told to stop, then drains for as long as its settings say.
///
/// # Errors
/// If serving breaks off.
pub async fn serve(listening: Listening, site: Arc<Site>) -> Result<(), ServeError> {
    let stop = site.stop.clone();
    let drain = site.settings.drain;
    let signal = stop.clone();
    let serving = axum::serve(listening.listener, router(site))
        .with_graceful_shutdown(async move { signal.cancelled().await });
    let deadline = async move {
        stop.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(ServeError::Broke),
        () = deadline => {
            tracing::warn!(drain_seconds = drain.as_secs(), "requests were still open at the drain deadline");
            Ok(())
        }
    }
}
