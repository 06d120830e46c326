//! The guard before every address that comes from outside: a provider's links, media imports, webhooks.
//!
//! An address is checked twice. [`Guard::check`] looks at what it says: scheme, user information, port, and
//! literal hosts in every spelling (the resolver is never asked for those). The guard's resolver looks at
//! what a name resolves to and passes on only what may be connected to, so a name that changes its answer
//! between check and connection (rebinding) gains nothing. `https` on the usual ports may go to any public
//! address; everything else only to networks that the operator listed.

mod fetch;
mod network;
mod resolver;

pub use fetch::{Fetched, Fetcher, MAX_REDIRECTS};
pub use network::{Cidr, NotANetwork, special_use};

use std::net::{IpAddr, Ipv6Addr};
use url::{Host, Url};

/// Ports of public servers that may be asked.
pub const PUBLIC_PORTS: &[u16] = &[443, 8443];

/// Why an address is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Neither `https`, nor `http` to a listed network.
    #[error("only https addresses are allowed")]
    Scheme,
    /// It carries a user name or password.
    #[error("an address with user name or password is not allowed")]
    UserInfo,
    /// It has no host.
    #[error("the address has no host")]
    NoHost,
    /// A port that public servers do not use.
    #[error("only the ports 443 and 8443 are allowed")]
    Port,
    /// A literal address, though a public one.
    #[error("a numeric address is not allowed; use a name")]
    Literal,
    /// An address that is not publicly routable.
    #[error("the address leads into a network that is not public ({0})")]
    NotPublic(&'static str),
}

/// How an address that passed may be connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// To any public address, and to listed networks.
    Public,
    /// To listed networks only.
    ListedOnly,
}

/// The guard with the operator's list of networks.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<Cidr>,
}

impl Guard {
    /// A guard that lets these networks through although they are not public.
    #[must_use]
    pub const fn new(allow: Vec<Cidr>) -> Self {
        Self { allow }
    }

    /// Checks what an address says.
    ///
    /// # Errors
    /// The first reason to refuse.
    pub fn check(&self, url: &Url) -> Result<Passage, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let literal = match url.host().ok_or(Refusal::NoHost)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        if let Some(address) = literal {
            if self.is_listed(address) {
                return Ok(Passage::ListedOnly);
            }
            return Err(special_use(address).map_or(Refusal::Literal, Refusal::NotPublic));
        }
        let port = url.port_or_known_default().ok_or(Refusal::Port)?;
        let public = url.scheme() == "https" && PUBLIC_PORTS.contains(&port);
        match (public, self.allow.is_empty()) {
            (true, _) => Ok(Passage::Public),
            (false, false) => Ok(Passage::ListedOnly),
            (false, true) if url.scheme() == "http" => Err(Refusal::Scheme),
            (false, true) => Err(Refusal::Port),
        }
    }

    /// Whether an address may be connected to under a passage.
    ///
    /// # Errors
    /// The network it lies in, or that it is not listed.
    pub fn check_address(&self, address: IpAddr, passage: Passage) -> Result<(), Refusal> {
        if self.is_listed(address) {
            return Ok(());
        }
        match (passage, special_use(address)) {
            (_, Some(network)) => Err(Refusal::NotPublic(network)),
            (Passage::ListedOnly, None) => Err(Refusal::Scheme),
            (Passage::Public, None) => Ok(()),
        }
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        let address = unmapped(address);
        self.allow.iter().any(|network| network.contains(address))
    }
}

/// An IPv4 address that hides in an IPv6 one (`::ffff:0:0/96`) as what it is.
fn unmapped(address: IpAddr) -> IpAddr {
    let plain = |v6: Ipv6Addr| v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => plain(v6),
    }
}
