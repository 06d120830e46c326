//! Networks, and which addresses are not publicly routable.

use super::unmapped;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR form, such as `10.20.0.0/16`; an address alone is a network of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Not a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a network such as 10.20.0.0/16 or fd00::/8 is expected")]
pub struct NotANetwork;

impl Cidr {
    /// The network of this address with this many leading bits.
    ///
    /// # Errors
    /// [`NotANetwork`] if there are more bits than the address has.
    pub const fn new(address: IpAddr, prefix: u8) -> Result<Self, NotANetwork> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            Err(NotANetwork)
        } else {
            Ok(Self { address, prefix })
        }
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(one)) => same_start(
                u128::from(net.to_bits()),
                u128::from(one.to_bits()),
                32,
                self.prefix,
            ),
            (IpAddr::V6(net), IpAddr::V6(one)) => same_start(net.to_bits(), one.to_bits(), 128, self.prefix),
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

const fn same_start(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let rest = width - prefix as u32;
    if rest >= 128 { true } else { a >> rest == b >> rest }
}

impl FromStr for Cidr {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| NotANetwork)?,
            None => most,
        };
        Self::new(address, prefix)
    }
}

type V4 = (Ipv4Addr, u8, &'static str);
type V6 = (Ipv6Addr, u8, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8, name: &'static str) -> V4 {
    (Ipv4Addr::new(a, b, c, d), prefix, name)
}

const fn v6(head: [u16; 4], tail: [u16; 4], prefix: u8, name: &'static str) -> V6 {
    let address = Ipv6Addr::new(
        head[0], head[1], head[2], head[3], tail[0], tail[1], tail[2], tail[3],
    );
    (address, prefix, name)
}

/// Ranges of IPv4 that are not public (IANA special-purpose registry, and multicast).
const SPECIAL_V4: &[V4] = &[
    v4(0, 0, 0, 0, 8, "this network"),
    v4(10, 0, 0, 0, 8, "private"),
    v4(100, 64, 0, 0, 10, "shared by carriers"),
    v4(127, 0, 0, 0, 8, "loopback"),
    v4(169, 254, 0, 0, 16, "link-local"),
    v4(172, 16, 0, 0, 12, "private"),
    v4(192, 0, 0, 0, 24, "protocol assignments"),
    v4(192, 0, 2, 0, 24, "documentation"),
    v4(192, 88, 99, 0, 24, "6to4 relay"),
    v4(192, 168, 0, 0, 16, "private"),
    v4(198, 18, 0, 0, 15, "benchmarks"),
    v4(198, 51, 100, 0, 24, "documentation"),
    v4(203, 0, 113, 0, 24, "documentation"),
    v4(224, 0, 0, 0, 4, "multicast"),
    v4(240, 0, 0, 0, 4, "reserved"),
];

/// Ranges of IPv6 that are not public. `::ffff:0:0/96` is unwrapped before.
const SPECIAL_V6: &[V6] = &[
    v6([0, 0, 0, 0], [0, 0, 0, 0], 128, "unspecified"),
    v6([0, 0, 0, 0], [0, 0, 0, 1], 128, "loopback"),
    v6([0, 0, 0, 0], [0, 0, 0, 0], 96, "IPv4-compatible"),
    v6([0x64, 0xff9b, 0, 0], [0, 0, 0, 0], 96, "NAT64"),
    v6([0x64, 0xff9b, 1, 0], [0, 0, 0, 0], 48, "NAT64"),
    v6([0x100, 0, 0, 0], [0, 0, 0, 0], 64, "discard"),
    v6([0x2001, 0, 0, 0], [0, 0, 0, 0], 23, "protocol assignments"),
    v6([0x2001, 0xdb8, 0, 0], [0, 0, 0, 0], 32, "documentation"),
    v6([0x2002, 0, 0, 0], [0, 0, 0, 0], 16, "6to4"),
    v6([0x3fff, 0, 0, 0], [0, 0, 0, 0], 20, "documentation"),
    v6([0xfc00, 0, 0, 0], [0, 0, 0, 0], 7, "private"),
    v6([0xfe80, 0, 0, 0], [0, 0, 0, 0], 10, "link-local"),
    v6([0xfec0, 0, 0, 0], [0, 0, 0, 0], 10, "site-local"),
    v6([0xff00, 0, 0, 0], [0, 0, 0, 0], 8, "multicast"),
];

/// The name of the range an address lies in, if it is not publicly routable.
#[must_use]
pub fn special_use(address: IpAddr) -> Option<&'static str> {
    match unmapped(address) {
        IpAddr::V4(one) => {
            let bits = u128::from(one.to_bits());
            let inside = |(net, prefix, _): &&V4| same_start(u128::from(net.to_bits()), bits, 32, *prefix);
            SPECIAL_V4.iter().find(inside).map(|(_, _, name)| *name)
        }
        IpAddr::V6(one) => {
            let inside = |(net, prefix, _): &&V6| same_start(net.to_bits(), one.to_bits(), 128, *prefix);
            SPECIAL_V6.iter().find(inside).map(|(_, _, name)| *name)
        }
    }
}
