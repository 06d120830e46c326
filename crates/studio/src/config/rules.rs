//! What must hold between settings, and what a type alone does not say.

use domain::identity::Email;

use super::sections::Config;

/// A rule that does not hold: the setting to blame and what is expected. Never repeats a value.
pub(super) struct Broken {
    /// Dotted path.
    pub(super) key: String,
    pub(super) expected: String,
}

/// Least characters of a pepper: 32 bytes of key as text are longer still.
const MIN_PEPPER: usize = 32;
/// Most providers: each keeps its keys in memory.
const MAX_OIDC: usize = 32;

/// Checks every rule.
///
/// # Errors
/// The first one that does not hold.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    server(config)?;
    auth(config)?;
    mail(config)?;
    oidc(config)
}

fn rule(holds: bool, key: &str, expected: &str) -> Result<(), Broken> {
    if holds {
        return Ok(());
    }
    Err(Broken {
        key: key.to_owned(),
        expected: expected.to_owned(),
    })
}

fn server(config: &Config) -> Result<(), Broken> {
    let server = &config.server;
    rule(
        server.tls_cert.is_none() || server.tls_key.is_some(),
        "server.tls_cert",
        "server.tls_key must be set too",
    )?;
    rule(
        server.tls_key.is_none() || server.tls_cert.is_some(),
        "server.tls_key",
        "server.tls_cert must be set too",
    )?;
    rule(
        server.trusted_proxies.iter().all(|network| network.prefix > 0),
        "server.trusted_proxies",
        "a network of /0 trusts everybody; name the networks of your proxies",
    )
}

fn auth(config: &Config) -> Result<(), Broken> {
    let auth = &config.auth;
    rule(
        auth.password_min_with_factor <= auth.password_min,
        "auth.password_min_with_factor",
        "at most auth.password_min is expected",
    )?;
    rule(
        auth.refresh_idle_hours <= auth.refresh_absolute_days * 24,
        "auth.refresh_idle_hours",
        "at most auth.refresh_absolute_days is expected",
    )?;
    rule(
        auth.admin_refresh_idle_hours <= auth.admin_refresh_absolute_hours,
        "auth.admin_refresh_idle_hours",
        "at most auth.admin_refresh_absolute_hours is expected",
    )?;
    rule(
        auth.access_minutes <= auth.admin_refresh_idle_hours * 60,
        "auth.access_minutes",
        "at most auth.admin_refresh_idle_hours is expected",
    )?;
    rule(
        auth.pepper
            .as_ref()
            .is_none_or(|pepper| pepper.expose().chars().count() >= MIN_PEPPER),
        "auth.pepper",
        "at least 32 characters are expected; `openssl rand -hex 32` makes them",
    )
}

fn mail(config: &Config) -> Result<(), Broken> {
    let mail = &config.mail;
    if let Some(from) = &mail.from {
        let address = match from.trim().strip_suffix('>') {
            Some(named) => named.rsplit_once('<').map(|(_, address)| address),
            None => Some(from.trim()),
        };
        let good = address.is_some_and(|address| Email::parse(address).is_ok());
        rule(
            good && !from.chars().any(char::is_control),
            "mail.from",
            "an address such as studio@example.org or Studio <studio@example.org> is expected",
        )?;
    }
    let Some(url) = &mail.url else { return Ok(()) };
    let rest = url
        .expose()
        .strip_prefix("smtps://")
        .or_else(|| url.expose().strip_prefix("smtp://"))
        .or_else(|| url.expose().strip_prefix("smtp+insecure://"));
    let host = rest.map(|rest| rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let named = host.is_some_and(|host| !host.is_empty() && !host.starts_with([':', '/', '?']));
    rule(
        named,
        "mail.url",
        "an address such as smtp://user:password@host:587 or smtps://host is expected",
    )?;
    rule(mail.from.is_some(), "mail.url", "mail.from must be set too")?;
    rule(
        config.server.public_url.is_some(),
        "mail.url",
        "server.public_url must be set too: letters link to the studio",
    )
}

fn oidc(config: &Config) -> Result<(), Broken> {
    rule(
        config.oidc.len() <= MAX_OIDC,
        "oidc",
        "at most 32 providers are expected",
    )?;
    for (name, provider) in &config.oidc {
        let key = |field: &str| format!("oidc.{name}.{field}");
        rule(
            config.server.public_url.is_some(),
            &key("issuer"),
            "server.public_url must be set: the provider sends people back to an exact address",
        )?;
        rule(
            !provider.algorithms.is_empty(),
            &key("algorithms"),
            "at least one of RS256, PS256, ES256, EdDSA is expected",
        )?;
        rule(
            provider.role_map.is_empty() || provider.role_claim.is_some(),
            &key("role_map"),
            "role_claim must be set too",
        )?;
        let word = |scope: &String| !scope.is_empty() && scope.chars().all(|c| c.is_ascii_graphic());
        rule(
            provider.scopes.iter().all(word),
            &key("scopes"),
            "words without blanks are expected",
        )?;
    }
    Ok(())
}
