//! The studio: what every station is handed.

use crate::catalogue::Catalogue;
use crate::clock::{Clock, random};
use crate::events::Feed;
use crate::identity::accounts::{Accounts, AccountsError};
use crate::identity::oidc::{Federation, FederationConfigError};
use crate::identity::outbox::Outbox;
use crate::metrics::Metrics;
use crate::private::Private;
use crate::settings::Settings;
use domain::actor::Actor;
use domain::capability::{Card, ProviderName};
use domain::id::BootId;
use domain::job::Rules;
use domain::retry::Backoff;
use domain::time::Time;
use media::MediaWorker;
use providers::Provider;
use std::sync::Arc;
use std::time::Duration;
use store::Db;
use tokio::sync::Notify;
use vault::{KeyProvider, Vault};

/// Waits after a provider's refusal or failure.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(2),
    cap: Duration::from_secs(300),
};
/// How long an unknown outcome is looked for when looking itself fails.
const RECONCILE_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How long a paid result is fetched again and again.
const COLLECT_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// What a studio is made of; the binary (or a test) brings the parts.
pub struct Parts {
    /// The database, migrated.
    pub db: Db,
    /// Encrypted media.
    pub vault: Vault,
    /// Keys.
    pub keys: Arc<dyn KeyProvider>,
    /// Providers that can be called, and those that cannot with the reason.
    pub catalogue: Catalogue,
    /// The child process that decodes and encodes media.
    pub media: MediaWorker,
    /// What time it is.
    pub clock: Clock,
    /// The numbers.
    pub settings: Settings,
}

/// Why the parts do not make a studio.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A key cannot be derived.
    #[error(transparent)]
    Key(#[from] vault::KeyError),
    /// Mail cannot be sent with these settings.
    #[error(transparent)]
    Mail(#[from] notify::ConfigError),
    /// Accounts cannot be looked after with these settings.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// A provider of logins cannot be used with these settings.
    #[error(transparent)]
    Federation(#[from] FederationConfigError),
}

/// One running studio.
pub struct Studio {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) keys: Arc<dyn KeyProvider>,
    pub(crate) private: Arc<Private>,
    pub(crate) keyring: crate::identity::keys::Keyring,
    pub(crate) identity: crate::identity::Rooms,
    pub(crate) accounts: Accounts,
    pub(crate) federation: Federation,
    pub(crate) outbox: Outbox,
    pub(crate) catalogue: Catalogue,
    pub(crate) media: MediaWorker,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) feed: Feed,
    pub(crate) metrics: Metrics,
    pub(crate) boot: BootId,
    /// Rung when there may be work: a new generation, an answer, a cancel wish.
    pub(crate) work_bell: Notify,
    /// Rung when there is something to tell: new events or audit entries.
    pub(crate) tell_bell: Notify,
}

impl Studio {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(parts: Parts) -> Result<Arc<Self>, StartError> {
        let private = Arc::new(Private::new(Arc::clone(&parts.keys))?);
        let boot = BootId::new(parts.clock.now(), random());
        let identity = crate::identity::Rooms::new(
            parts.keys.as_ref(),
            parts.settings.public_url.as_deref(),
            parts.db.kind() == store::Kind::Postgres,
            boot,
        )?;
        let keyring = crate::identity::keys::Keyring::new(parts.keys.as_ref())?;
        let accounts = Accounts::new(&parts.settings.identity, parts.keys.as_ref())?;
        let federation = Federation::new(
            &parts.settings.identity.oidc,
            parts.settings.public_url.as_deref(),
            &parts.settings.outbound_allow,
        )?;
        let outbox = Outbox::new(parts.keys.as_ref(), &parts.settings)?;
        Ok(Arc::new(Self {
            boot,
            accounts,
            federation,
            outbox,
            identity,
            db: parts.db,
            vault: parts.vault,
            keys: parts.keys,
            private,
            keyring,
            catalogue: parts.catalogue,
            media: parts.media,
            clock: parts.clock,
            settings: parts.settings,
            feed: Feed::new(),
            metrics: Metrics::new(),
            work_bell: Notify::new(),
            tell_bell: Notify::new(),
        }))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The database, for readiness and commands.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The providers.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Events as they are told.
    #[must_use]
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The keyed pseudonym of an actor, for logs, audit and providers.
    #[must_use]
    pub fn user_ref(&self, actor: &Actor) -> String {
        self.private.pseudonym(&actor.user().to_string())
    }

    pub(crate) fn provider(&self, name: &ProviderName) -> Option<Arc<dyn Provider>> {
        self.catalogue.provider(name)
    }

    /// The rules by which a provider's jobs run. A provider that is no longer configured keeps its open
    /// jobs where they are: nothing is known of it, so nothing is concluded.
    pub(crate) fn rules(&self, card: Option<&Card>) -> Rules {
        let settle = card.map_or(Duration::from_secs(600), |card| card.settle);
        Rules {
            max_attempts: self.settings.max_attempts,
            lease: self.settings.lease,
            send_by: self.settings.send_by,
            backoff: BACKOFF,
            settle: self.settings.settle.unwrap_or(settle),
            reconcile_window: RECONCILE_WINDOW,
            collect_window: COLLECT_WINDOW,
            may_repeat: self.settings.may_repeat,
            polling: card.map_or(crate::catalogue::SLOW_POLLING, |card| card.polling),
            correlation: card.map_or(domain::capability::Correlation::None, |card| card.correlation),
            can_cancel: card.is_some_and(|card| card.cancel),
            free: card.is_some_and(crate::catalogue::is_free),
        }
    }

    pub(crate) fn id_bytes() -> [u8; domain::id::RANDOM_BYTES] {
        random()
    }
}
