//! What is kept of where somebody came from: the browser and its system in a few words, the network
//! without its hosts. Enough for an owner to recognise themselves by, too little to follow them.

use std::net::IpAddr;

/// What to call a client that does not say what it is.
const UNKNOWN: &str = "?";
/// The most characters of a program's own name.
const MAX_NAME: usize = 40;

/// Browsers by a word of their `User-Agent`; the first that fits, because they name each other.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems likewise.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

fn first(text: &str, words: &[(&'static str, &'static str)]) -> Option<&'static str> {
    words
        .iter()
        .find(|(word, _)| text.contains(word))
        .map(|(_, name)| *name)
}

/// A `User-Agent` in a few words: `Firefox (Linux)`, or the name of a program.
pub(crate) fn in_words(user_agent: &str) -> String {
    let program = || {
        let name = user_agent.split(['/', ' ']).next().unwrap_or("");
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name: String = name.chars().filter(plain).take(MAX_NAME).collect();
        if name.is_empty() { UNKNOWN.to_owned() } else { name }
    };
    match (first(user_agent, BROWSERS), first(user_agent, SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} ({system})"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => program(),
    }
}

/// The network of an address: /24, or /48 of IPv6.
pub(crate) fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_programs_are_called_by_their_names() {
        for (user_agent, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox (Linux)",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                "Edge (Windows)",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari (iPhone)",
            ),
            ("curl/8.5.0", "curl"),
            ("", "?"),
            ("<script>alert(1)</script>", "scriptalert1"),
        ] {
            assert_eq!(in_words(user_agent), words);
        }
        assert!(in_words(&"x".repeat(500)).len() <= MAX_NAME);
    }

    #[test]
    fn hosts_are_not_told() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()), network);
        }
    }
}
