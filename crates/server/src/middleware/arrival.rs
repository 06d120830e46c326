//! What happens to a request before anybody asks who sent it: whether the connection may speak to us at
//! all, where the client is, and whether it asks too often.

use crate::Site;
use crate::extract::ClientAddress;
use crate::forwarded::Proxies;
use crate::problem::Problem;
use crate::rates::{self, Counted};
use crate::router::{Line, line_of};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::actor::Actor;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// Probes ask every few seconds and are never held back.
pub(crate) const PROBES: [&str; 3] = ["/live", "/ready", "/startup"];

/// Finds out where a request comes from and counts it by address.
pub(crate) async fn by_address(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    if site.answers_proxies_only && !is_proxy(&site.proxies, peer) {
        return not_a_proxy(&site).into_response();
    }
    let address = site.proxies.client(peer, request.headers());
    request.extensions_mut().insert(ClientAddress(address));
    let is_entrance = match line_of(&request) {
        Line::Found(route) if PROBES.contains(&route.path) => return next.run(request).await,
        Line::Found(route) => route.access == crate::Access::Entrance,
        Line::OtherMethod(_) | Line::Unknown | Line::NoPattern => false,
    };
    let mut counted = site.rates.arrival(address, is_entrance);
    let mut response = match refusal(&counted) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    if let Some(inner) = response.extensions_mut().remove::<Counted>() {
        counted.0.extend(inner.0);
    }
    tell(response.headers_mut(), &counted);
    response
}

/// Counts a request of somebody known: by API key, account and workspace.
pub(crate) async fn by_actor(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let Some(actor) = request.extensions().get::<Actor>() else {
        return next.run(request).await;
    };
    let counted = site.rates.known(actor);
    let mut response = match refusal(&counted) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    response.extensions_mut().insert(counted);
    response
}

/// Whether a peer is a proxy of ours, or this machine.
fn is_proxy(proxies: &Proxies, peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback() || proxies.is_trusted(peer)
}

fn not_a_proxy(site: &Site) -> Problem {
    let address = site.settings.public_url.as_deref().unwrap_or_default();
    Problem::new(
        StatusCode::FORBIDDEN,
        "proxy_only",
        "Behind a proxy",
        format!("This server answers its own proxies only. Use {address}"),
    )
}

/// The answer to a request that is one too many.
pub(super) fn refusal(counted: &Counted) -> Option<Problem> {
    let reading = counted.refusal()?;
    let seconds = reading.retry_after?;
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "Too many requests",
        format!(
            "More than {} requests in a minute from one {}. Wait as long as `Retry-After` says.",
            reading.quota,
            if reading.class == "entrance" {
                "address"
            } else {
                reading.class
            }
        ),
    );
    Some(problem.retry_in(seconds))
}

fn tell(headers: &mut HeaderMap, counted: &Counted) {
    let (policy, state) = rates::headers(&counted.0);
    for (name, value) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProxyHeader;

    #[test]
    fn plain_http_is_for_the_proxies_and_this_machine() {
        let proxies = Proxies::new(vec!["10.1.0.0/16".parse().unwrap()], ProxyHeader::default());
        let speaks = |peer: &str| is_proxy(&proxies, peer.parse().unwrap());
        for near in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(speaks(near), "{near}");
        }
        for far in ["10.2.0.1", "203.0.113.7", "0.0.0.0", "2001:db8::1"] {
            assert!(!speaks(far), "{far}");
        }
    }
}
