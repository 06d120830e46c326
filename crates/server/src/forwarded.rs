//! Where a request comes from when proxies stand in between.
//!
//! Anybody can write `X-Forwarded-For` or `Forwarded` (RFC 7239) into a request, so they are read from
//! their right end: each proxy appends what it saw, and an entry counts only while everything to its right
//! was written by a proxy of ours. Only the header that the operator's proxies write is read; the other one
//! passes through most of them untouched and would be the caller's own claim.

use app::outside::Cidr;
use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The most entries that are looked at: no chain of proxies is longer.
pub(crate) const MAX_HOPS: usize = 32;
/// The leading bits of an IPv6 address that make a client: whoever has one address has the whole /64.
const CLIENT_BITS: u32 = 64;

/// The header in which the operator's proxies tell the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ProxyHeader {
    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    networks: Vec<Cidr>,
    header: ProxyHeader,
}

impl Proxies {
    pub(crate) const fn new(networks: Vec<Cidr>, header: ProxyHeader) -> Self {
        Self { networks, header }
    }

    /// Whether an address is one of the operator's proxies.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The address of the client: the right-most hop that is no proxy of ours. What a proxy wrote and
    /// nobody can read ends the walk at that proxy.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        if !self.is_trusted(nearest) {
            return nearest;
        }
        let values = headers.get_all(self.header.name());
        let entries = values
            .iter()
            .rev()
            .flat_map(|value| Backwards {
                rest: Some(value.as_bytes()),
                quoted: self.header == ProxyHeader::Forwarded,
            })
            .take(MAX_HOPS);
        for entry in entries {
            let Some(address) = self.address(entry) else { break };
            nearest = address.to_canonical();
            if !self.is_trusted(nearest) {
                break;
            }
        }
        nearest
    }

    fn address(&self, entry: &[u8]) -> Option<IpAddr> {
        let entry = std::str::from_utf8(entry).ok()?.trim();
        match self.header {
            ProxyHeader::XForwardedFor => node(entry),
            ProxyHeader::Forwarded => {
                let named = |pair: &&str| {
                    pair.trim_start()
                        .get(..4)
                        .is_some_and(|of| of.eq_ignore_ascii_case("for="))
                };
                let mut all = pairs(entry).into_iter().filter(named);
                let of = all.next()?.trim().get(4..)?;
                if all.next().is_some() {
                    return None;
                }
                let plain = of.strip_prefix('"').and_then(|of| of.strip_suffix('"'));
                node(plain.unwrap_or(of))
            }
        }
    }
}

/// The pairs of one element of `Forwarded`. What a proxy copied into a quoted value, such as a host that the
/// caller named, does not make another pair.
fn pairs(element: &str) -> Vec<&str> {
    let (mut inside, mut escaped) = (false, false);
    let is_end = |c: char| {
        let ends = c == ';' && !inside;
        inside ^= c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
        ends
    };
    element.split(is_end).collect()
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let in_brackets = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse()
        .ok()
        .or_else(|| in_brackets().map(IpAddr::V6))
        .or_else(with_port)
}

/// The entries of a list from its right end. What stands to the left of an entry does not change how it is
/// read: a quote that the caller left open must not swallow what a proxy wrote after it.
struct Backwards<'h> {
    rest: Option<&'h [u8]>,
    quoted: bool,
}

impl<'h> Iterator for Backwards<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.rest.take()?;
        let mut inside = false;
        for place in (0..rest.len()).rev() {
            match rest.get(place) {
                Some(b'"') if self.quoted && !is_escaped(rest, place) => inside = !inside,
                Some(b',') if !inside => {
                    self.rest = rest.get(..place);
                    return rest.get(place + 1..);
                }
                _ => {}
            }
        }
        Some(rest)
    }
}

/// Whether an odd number of backslashes stands before a place.
fn is_escaped(text: &[u8], place: usize) -> bool {
    let before = text.get(..place).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 one.
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - CLIENT_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn behind(networks: &[&str], header: ProxyHeader) -> Proxies {
        Proxies::new(
            networks.iter().map(|text| text.parse().unwrap()).collect(),
            header,
        )
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn the_client_is_the_right_most_hop_that_is_no_proxy_of_ours() {
        let proxies = behind(&["10.0.0.0/8", "fd00::/8"], ProxyHeader::XForwardedFor);
        for (peer, lines, client) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::7]:80, 10.9.9.9"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.3.3.3"], "10.3.3.3"),
            ("10.0.0.1", &["6.6.6.6,"], "10.0.0.1"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), &headers("x-forwarded-for", lines));
            assert_eq!(found.to_string(), client, "{peer} {lines:?}");
        }
        // The header that our proxies do not write is the caller's claim.
        let claimed = headers("forwarded", &["for=6.6.6.6"]);
        assert_eq!(
            proxies.client("10.0.0.1".parse().unwrap(), &claimed).to_string(),
            "10.0.0.1"
        );
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        let proxies = behind(&["10.0.0.0/8"], ProxyHeader::Forwarded);
        for (line, client) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            (
                "for=6.6.6.6;x=\"a, for=7.7.7.7\", for=198.51.100.17",
                "198.51.100.17",
            ),
            ("for=6.6.6.6, x=\"open, for=198.51.100.17", "198.51.100.17"),
            ("for=6.6.6.6\\\", for=\"198.51.100.17\"", "198.51.100.17"),
            ("for=198.51.100.17, for=10.0.0.7;host=\"a,b\"", "198.51.100.17"),
            (
                "for=198.51.100.17;host=\"a\\\", for=6.6.6.6\\\"\"",
                "198.51.100.17",
            ),
            ("host=\"x;for=6.6.6.6;y\";for=198.51.100.17", "198.51.100.17"),
            ("host=\"\\\";for=6.6.6.6;y\";for=198.51.100.17", "198.51.100.17"),
            ("for=6.6.6.6;for=198.51.100.17", "10.0.0.1"),
            ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
        ] {
            let found = proxies.client("10.0.0.1".parse().unwrap(), &headers("forwarded", &[line]));
            assert_eq!(found.to_string(), client, "{line}");
        }
    }

    #[test]
    fn a_chain_longer_than_any_real_one_is_not_walked() {
        let proxies = behind(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        let chain = |hops: usize| format!("198.51.100.1{}", ", 10.0.0.2".repeat(hops));
        let client = |hops| {
            let found = proxies.client(
                "10.0.0.1".parse().unwrap(),
                &headers("x-forwarded-for", &[&chain(hops)]),
            );
            found.to_string()
        };
        assert_eq!(client(MAX_HOPS - 1), "198.51.100.1");
        assert_eq!(client(MAX_HOPS), "10.0.0.2");
    }

    #[test]
    fn a_client_of_ipv6_is_its_64() {
        let one: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        assert_eq!(client_network(one).to_string(), "2001:db8:1:2::");
        assert_eq!(
            client_network("::ffff:192.0.2.1".parse().unwrap()).to_string(),
            "192.0.2.1"
        );
        assert_eq!(
            client_network("192.0.2.1".parse().unwrap()).to_string(),
            "192.0.2.1"
        );
    }

    fn outside() -> impl Strategy<Value = IpAddr> {
        // Neither 10/8 nor fd00::/8.
        prop_oneof![
            (11u8..=223, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d])),
            any::<[u8; 14]>().prop_map(|rest| {
                let mut bytes = [0x20; 16];
                bytes[2..].copy_from_slice(&rest);
                IpAddr::from(bytes)
            }),
        ]
    }

    fn written(address: IpAddr, header: ProxyHeader) -> String {
        match (header, address) {
            (ProxyHeader::XForwardedFor, address) => address.to_string(),
            (ProxyHeader::Forwarded, IpAddr::V4(v4)) => format!("for={v4}"),
            (ProxyHeader::Forwarded, IpAddr::V6(v6)) => format!("proto=https;for=\"[{v6}]:443\""),
        }
    }

    proptest! {
        #[test]
        fn what_a_caller_writes_never_moves_its_key(
            client in outside(),
            claimed in "[ -~\t]{0,60}",
            claims_of_addresses in proptest::collection::vec(outside(), 0..4),
            proxies_between in 0usize..4,
            as_lines: bool,
            forwarded: bool,
        ) {
            let header = if forwarded { ProxyHeader::Forwarded } else { ProxyHeader::XForwardedFor };
            let proxies = behind(&["10.0.0.0/8", "fd00::/8"], header);
            let mut claim: Vec<String> = claims_of_addresses.iter().map(|a| written(*a, header)).collect();
            claim.push(claimed);
            let claim = claim.join(", ");
            // The first proxy appends whom it saw, the others append the proxy before them.
            let mut seen = vec![written(client, header)];
            seen.extend((0..proxies_between).map(|n| written(IpAddr::from([10, 0, 0, n as u8]), header)));
            let seen = seen.join(", ");
            let lines = if as_lines { vec![claim.clone(), seen] } else { vec![format!("{claim}, {seen}")] };
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let mut all = headers(header.name(), &lines);
            let other = if forwarded { "x-forwarded-for" } else { "forwarded" };
            all.append(other, HeaderValue::from_bytes(claim.as_bytes()).unwrap());
            let found = proxies.client("10.0.0.99".parse().unwrap(), &all);
            prop_assert_eq!(found, client);
            // Without a proxy nothing that is written counts.
            prop_assert_eq!(proxies.client(client, &all), client);
            prop_assert_eq!(behind(&[], header).client("10.0.0.99".parse().unwrap(), &all).to_string(), "10.0.0.99");
        }
    }
}
