//! Values that are more than their text: secrets, addresses, networks.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

/// A value that is never printed: it shows as `(set)`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret as the type that other crates take.
    #[must_use]
    pub fn to_secret_string(&self) -> SecretString {
        self.0.clone()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(set)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    /// `writeOnly` is what marks a setting as secret for everything that reads the schema.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "writeOnly": true })
    }
}

/// An `http` or `https` address without a user name in it, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or("an address that begins with https:// or http:// is expected")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() {
            return Err("the address names no host");
        }
        if host.contains('@') {
            return Err("the address may not carry a user name or password");
        }
        if text.contains(['?', '#']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("the address may not carry a query, a fragment or blanks");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// The issuer of an OpenID provider, exactly as written: an `https` address, or `http` on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// The address as it was written, a slash at its end included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IssuerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let _: HttpUrl = text.parse()?;
        let plain = text.strip_prefix("http://").map(|rest| {
            let authority = rest.split('/').next().unwrap_or_default();
            authority
                .rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
                .map_or(authority, |(host, _)| host)
        });
        match plain {
            Some(host) if !matches!(host, "127.0.0.1" | "[::1]" | "localhost") => {
                Err("an issuer over http is accepted on this machine only; https:// is expected")
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A network in CIDR form, such as `10.20.0.0/16` or `fd00::/8`. An address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Number of leading bits that count: at most 32 or 128.
    pub prefix: u8,
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a network such as 10.20.0.0/16 or fd00::/8 is expected";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|bits| *bits <= longest)
                .ok_or(EXPECTED)?,
        };
        Ok(Self { address, prefix })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Deserialize and schema of a type that is written as one text.
macro_rules! written_as_text {
    ($type:ty, $name:literal, $format:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

written_as_text!(HttpUrl, "HttpUrl", "uri");
written_as_text!(IssuerUrl, "IssuerUrl", "uri");
written_as_text!(Network, "Network", "cidr");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_a_marker() {
        let secret = Secret(SecretString::from("canary-4711".to_owned()));
        assert_eq!(format!("{secret:?}"), "(set)");
        assert_eq!(secret.expose(), "canary-4711");
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["https://a.example", "http://127.0.0.1:9/x/", "https://[::1]:8080"] {
            assert!(good.parse::<HttpUrl>().is_ok(), "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a",
            "https://a b",
            "https://a/?k=1",
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
        assert_eq!(
            "https://a/v1/".parse::<HttpUrl>().unwrap().as_str(),
            "https://a/v1"
        );
    }

    #[test]
    fn an_issuer_is_kept_as_written_and_goes_over_https_beyond_this_machine() {
        for good in [
            "https://id.example/",
            "https://id.example/realms/a",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "http://[::1]",
            "http://localhost/x",
        ] {
            assert_eq!(good.parse::<IssuerUrl>().unwrap().as_str(), good);
        }
        for bad in [
            "http://id.example",
            "http://localhost.example",
            "http://127.0.0.1.example:80/x",
            "id.example",
            "https://id.example/?x",
        ] {
            assert!(bad.parse::<IssuerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_checked() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for bad in [
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "host/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
