//! The guard against every spelling of every address that is not public.

use crate::support::fetcher;
use proptest::prelude::*;
use providers::outbound::{Cidr, Fetched, Guard, Passage, Refusal, special_use};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

fn check(guard: &Guard, text: &str) -> Result<Passage, Refusal> {
    guard.check(&Url::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")))
}

fn listed(networks: &[&str]) -> Guard {
    Guard::new(
        networks
            .iter()
            .map(|text| text.parse::<Cidr>().unwrap())
            .collect(),
    )
}

#[test]
fn every_spelling_of_loopback_is_refused_as_loopback() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7F.0x0.0x0.0x1",
        "0177.0.0.1",
        "0177.0.0.01",
        "017700000001",
        "0x7f.1",
        "127.0.0.1.",
        "127.255.255.254",
        "1%32%37.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:8443/x");
            assert_eq!(
                check(&Guard::default(), &url),
                Err(Refusal::NotPublic("loopback")),
                "{url}"
            );
        }
    }
}

#[test]
fn every_range_is_refused_by_name_literal_and_resolved() {
    for (address, range) in [
        ("0.0.0.0", "this network"),
        ("0.1.2.3", "this network"),
        ("10.0.0.1", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.1", "shared by carriers"),
        ("100.127.255.255", "shared by carriers"),
        ("127.0.0.53", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "protocol assignments"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("198.19.255.255", "benchmarks"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b:1::1", "NAT64"),
        ("100::1", "discard"),
        ("2001::1", "protocol assignments"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("fc00::1", "private"),
        ("fd12::1", "private"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
    ] {
        let one: IpAddr = address.parse().unwrap();
        assert_eq!(special_use(one), Some(range), "{address}");
        let guard = Guard::default();
        assert_eq!(
            guard.check_address(one, Passage::Public),
            Err(Refusal::NotPublic(range)),
            "{address}"
        );
        let host = if one.is_ipv6() {
            format!("[{one}]")
        } else {
            address.to_owned()
        };
        assert_eq!(
            check(&guard, &format!("https://{host}/")),
            Err(Refusal::NotPublic(range)),
            "{address}"
        );
    }
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.0",
        "192.167.1.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "::ffff:1.1.1.1",
    ] {
        assert_eq!(special_use(public.parse().unwrap()), None, "{public}");
    }
}

#[test]
fn scheme_user_port_and_literals_have_their_own_reasons() {
    let open = Guard::default();
    for (url, want) in [
        ("https://a.example/", Ok(Passage::Public)),
        ("https://a.example:8443/", Ok(Passage::Public)),
        ("http://a.example/", Err(Refusal::Scheme)),
        ("ftp://a.example/", Err(Refusal::Scheme)),
        ("file:///etc/passwd", Err(Refusal::Scheme)),
        ("gopher://127.0.0.1/", Err(Refusal::Scheme)),
        ("data:text/plain,x", Err(Refusal::Scheme)),
        ("https://u@a.example/", Err(Refusal::UserInfo)),
        ("https://u:p@a.example/", Err(Refusal::UserInfo)),
        ("https://:p@127.0.0.1/", Err(Refusal::UserInfo)),
        ("https://a.example:22/", Err(Refusal::Port)),
        ("https://1.1.1.1/", Err(Refusal::Literal)),
        ("https://[2606:4700::1111]/", Err(Refusal::Literal)),
    ] {
        assert_eq!(check(&open, url), want, "{url}");
    }
    let some = listed(&["10.20.0.0/16", "fd00::/8"]);
    for (url, want) in [
        ("http://10.20.3.4:9000/", Ok(Passage::ListedOnly)),
        ("http://[::ffff:10.20.3.4]/", Ok(Passage::ListedOnly)),
        ("https://[fd00::5]:22/", Ok(Passage::ListedOnly)),
        ("http://10.21.0.1/", Err(Refusal::NotPublic("private"))),
        ("http://a.example/", Ok(Passage::ListedOnly)),
        ("https://a.example:22/", Ok(Passage::ListedOnly)),
        ("https://a.example/", Ok(Passage::Public)),
    ] {
        assert_eq!(check(&some, url), want, "{url}");
    }
    let public: IpAddr = "1.1.1.1".parse().unwrap();
    assert_eq!(
        some.check_address(public, Passage::ListedOnly),
        Err(Refusal::Scheme),
        "http to a public address"
    );
}

/// An IPv4 address in a form that browsers and `url` understand: up to four parts, each in one of three bases.
fn spelled(address: Ipv4Addr, parts: usize, bases: &[u8; 4], dot: bool) -> String {
    let [a, b, c, d] = address.octets().map(u32::from);
    let values = match parts {
        1 => vec![address.to_bits()],
        2 => vec![a, (b << 16) | (c << 8) | d],
        3 => vec![a, b, (c << 8) | d],
        _ => vec![a, b, c, d],
    };
    let part = |(value, base): (u32, &u8)| match base % 3 {
        0 => format!("{value}"),
        1 => format!("0x{value:x}"),
        _ => format!("0{value:o}"),
    };
    let text: Vec<String> = values.into_iter().zip(bases).map(part).collect();
    format!("{}{}", text.join("."), if dot { "." } else { "" })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_spelling_of_any_address_is_read_as_that_address(
        bits: u32, loopback: bool, parts in 1_usize..=4, bases: [u8; 4], dot: bool,
    ) {
        let address = if loopback { Ipv4Addr::from_bits(0x7f00_0000 | (bits >> 8)) } else { Ipv4Addr::from_bits(bits) };
        let url = format!("https://{}/", spelled(address, parts, &bases, dot));
        let want = special_use(address.into()).map_or(Refusal::Literal, Refusal::NotPublic);
        prop_assert_eq!(check(&Guard::default(), &url), Err(want.clone()), "{}", url);
        if loopback {
            prop_assert_eq!(&want, &Refusal::NotPublic("loopback"));
        }
        let mapped = IpAddr::V6(address.to_ipv6_mapped());
        prop_assert_eq!(special_use(mapped), special_use(address.into()));
        prop_assert_eq!(check(&Guard::default(), &format!("https://[{mapped}]/")), Err(want));
    }

    #[test]
    fn a_network_holds_exactly_its_addresses(net: u32, prefix in 0_u8..=32, one: u32) {
        let network = Cidr::new(Ipv4Addr::from_bits(net).into(), prefix).unwrap();
        let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - u32::from(prefix)) };
        prop_assert_eq!(network.contains(Ipv4Addr::from_bits(one).into()), net & mask == one & mask);
        prop_assert!(!network.contains(Ipv6Addr::from_bits(u128::from(one)).into()));
    }

    #[test]
    fn no_text_makes_the_guard_panic(text in "\\PC{0,60}") {
        for url in [text.clone(), format!("https://{text}")] {
            if let Ok(url) = Url::parse(&url) {
                let _ = Guard::default().check(&url);
            }
        }
    }
}

/// Answers every request with this head, and counts them.
async fn server(head: String) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let limit = std::time::Duration::from_millis(300);
        while let Ok(Ok((mut stream, _))) = tokio::time::timeout(limit, listener.accept()).await {
            let mut buffer = vec![0_u8; 8192];
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
            let _ = stream
                .write_all(head.replace("{port}", &port.to_string()).as_bytes())
                .await;
        }
        heard
    });
    (port, heard)
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_refused_at_connection_time() {
    for allow in [vec![], vec!["10.0.0.0/8".parse().unwrap()]] {
        let fetched = fetcher(allow)
            .get(Url::parse("https://localhost:8443/").unwrap())
            .await;
        assert!(matches!(fetched, Fetched::Refused(Refusal::NotPublic(_))));
    }
    let (port, heard) = server("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()).await;
    let allow = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    assert!(
        matches!(fetcher(allow).get(url).await, Fetched::Body { .. }),
        "listed, so let through"
    );
    assert_eq!(heard.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_checked_again() {
    let only_one = || vec!["127.0.0.1/32".parse().unwrap()];
    for (to, want) in [
        ("http://127.0.0.2:{port}/", Refusal::NotPublic("loopback")),
        (
            "http://169.254.169.254/latest/meta-data",
            Refusal::NotPublic("link-local"),
        ),
        ("http://0x7f000003/", Refusal::NotPublic("loopback")),
        ("file:///etc/passwd", Refusal::Scheme),
        ("https://u:p@127.0.0.1/", Refusal::UserInfo),
    ] {
        let (port, heard) = server(redirect(to)).await;
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        match fetcher(only_one()).get(url).await {
            Fetched::Refused(why) => assert_eq!(why, want, "{to}"),
            _ => panic!("{to} was followed"),
        }
        assert_eq!(heard.await.unwrap().len(), 1, "{to}");
    }
}

#[tokio::test]
async fn at_most_three_redirects_are_followed_and_no_credentials_go_along() {
    let (port, heard) = server(redirect("http://127.0.0.1:{port}/again")).await;
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let fetched = fetcher(vec!["127.0.0.1".parse().unwrap()]).get(url).await;
    assert!(matches!(fetched, Fetched::Unreachable));
    let heard = heard.await.unwrap();
    assert_eq!(heard.len(), 1 + providers::outbound::MAX_REDIRECTS);
    for request in heard {
        let request = request.to_ascii_lowercase();
        for name in ["authorization:", "cookie:", "referer:", "accept-encoding:"] {
            assert!(!request.contains(name), "{name} in {request}");
        }
    }
}
