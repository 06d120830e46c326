//! The names under which this server is reached: what a request may give as its host, and from which
//! origins our own pages come.

use std::net::SocketAddr;

/// The names of the loopback address.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Hosts and origins that are ours.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
    is_secure: bool,
}

impl Names {
    /// The names of a server that listens here (with the real port), over TLS or not, and is reached from
    /// outside under its public address.
    ///
    /// Pages of `localhost` are ours only while we listen on loopback: anywhere else they would be of the
    /// reader's own machine.
    pub(crate) fn new(listen: SocketAddr, is_tls: bool, public_url: Option<&str>) -> Self {
        let port = listen.port();
        let scheme = if is_tls { "https" } else { "http" };
        let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).to_vec();
        hosts.extend(LOOPBACK.map(|name| format!("{name}:{port}")));
        let mut authorities = Vec::new();
        if listen.ip().is_loopback() {
            authorities.extend(LOOPBACK.map(|name| format!("{name}:{port}")));
        } else if !listen.ip().is_unspecified() {
            authorities.push(listen.to_string());
        }
        let mut origins: Vec<_> = authorities
            .iter()
            .filter_map(|authority| origin(&format!("{scheme}://{authority}")))
            .collect();
        hosts.extend(authorities);
        let mut is_secure = is_tls;
        if let Some(public) = public_url.and_then(origin) {
            is_secure |= public.starts_with("https://");
            if let Some((_, authority)) = public.split_once("://") {
                hosts.push(authority.to_owned());
            }
            origins.push(public);
        }
        // A port that goes without saying may be said all the same, and the other way round.
        let without: Vec<_> = origins.iter().filter_map(|of| of.split_once("://")).collect();
        let named: Vec<_> = without
            .iter()
            .filter(|(_, authority)| !has_port(authority))
            .map(|(scheme, authority)| format!("{authority}:{}", default_port(scheme)))
            .collect();
        let bare: Vec<_> = without
            .iter()
            .map(|(_, authority)| (*authority).to_owned())
            .collect();
        hosts.extend(named);
        hosts.extend(bare);
        Self {
            hosts,
            origins,
            is_secure,
        }
    }

    /// Whether the outside reaches us over TLS, so that it may be told never to come without.
    pub(crate) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether a `Host` is ours.
    pub(crate) fn is_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    /// Whether an `Origin` is ours: scheme, host and port (RFC 6454 section 5).
    pub(crate) fn is_origin(&self, text: &str) -> bool {
        self.origins.iter().any(|ours| ours == text)
    }

    /// Every origin that is ours.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn has_port(authority: &str) -> bool {
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_host.contains(':')
}

/// The origin of an address in the form in which browsers send it: lower case, no default port.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let default = format!(":{}", default_port(&scheme));
    let authority = authority.strip_suffix(&default).unwrap_or(&authority);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(listen: &str, is_tls: bool, public: Option<&str>) -> Names {
        Names::new(listen.parse().unwrap(), is_tls, public)
    }

    #[test]
    fn an_origin_is_ours_by_scheme_host_and_port() {
        let names = at("127.0.0.1:8080", false, Some("https://Studio.example.org:443/x"));
        for ours in [
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://studio.example.org",
        ] {
            assert!(names.is_origin(ours), "{ours}");
        }
        for foreign in [
            "https://localhost:8080",
            "http://localhost",
            "http://localhost:8081",
            "http://studio.example.org",
            "https://studio.example.org:8443",
            "https://studio.example.org.evil.example",
            "https://x.studio.example.org",
            "null",
            "",
        ] {
            assert!(!names.is_origin(foreign), "{foreign}");
        }
    }

    #[test]
    fn pages_of_the_readers_own_machine_are_foreign_to_a_server_elsewhere() {
        let names = at("203.0.113.7:443", true, None);
        assert!(names.is_origin("https://203.0.113.7"));
        assert!(!names.is_origin("https://localhost") && !names.is_origin("https://localhost:443"));
        assert!(names.is_host("203.0.113.7") && names.is_host("203.0.113.7:443"));
        let everywhere = at("0.0.0.0:8080", false, Some("https://studio.example.org"));
        assert_eq!(everywhere.origins(), ["https://studio.example.org"]);
        assert!(everywhere.is_secure() && names.is_secure());
        assert!(!everywhere.is_host("0.0.0.0:8080"));
        assert!(everywhere.is_host("studio.example.org:443") && everywhere.is_host("localhost:8080"));
    }

    #[test]
    fn a_host_is_ours_with_its_port() {
        let names = at("127.0.0.1:8080", false, None);
        assert!(!names.is_secure());
        for ours in ["localhost", "LOCALHOST:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(names.is_host(ours), "{ours}");
        }
        for foreign in [
            "",
            "localhost:1",
            "127.0.0.1.evil.example",
            "evil.example:8080",
            "::1",
        ] {
            assert!(!names.is_host(foreign), "{foreign}");
        }
    }
}
