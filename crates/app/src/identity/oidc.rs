//! Logging in at an OpenID provider. What begins in a browser ends in the same browser, within ten minutes,
//! once.
//!
//! Somebody is (issuer, subject). An address that the provider tells never leads into an account that is
//! there already: whoever controls an address at some provider would own every account of that address.

use super::accounts::AccountTexts;
use super::login::{Arrival, Entrance, LoggedIn, LoginError, Opener};
use super::people::{PeopleError, give_role};
use super::register::{fresh_ticket, shown_ticket};
use super::settings::OidcProvider;
use super::setup::NewAccount;
use super::workspaces::note;
use crate::clock::random;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::oidc::{
    Answer, Config, Exchange, HttpRequest, HttpResponse, NoAnswer, OidcError, RelyingParty, Somebody,
    Transaction,
};
use domain::actor::FIRST_WORKSPACE;
use domain::audit::{Action, Entry};
use domain::id::UserId;
use domain::identity::{AccountState, Email, Method, Name, Role};
use providers::outbound::{Cidr, Fetched, Fetcher, Guard};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::external_identities::{self, ExternalIdentity};
use store::members::Member;
use store::tickets::{self, Kind, Ticket};
use store::users::User;
use store::{Tx, users};
use vault::KeyError;

/// How long a login at a provider may take.
pub const TRANSACTION_LIFE: Duration = Duration::from_secs(600);
/// How long one request to a provider may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of one answer of a provider.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// The most bytes of the page that somebody comes back to.
pub const MAX_BACK: usize = 2048;
/// What the state of a login on its way is encrypted as.
const WRAPPED_AS: &str = "federation";

/// The providers and the way to them.
pub(crate) struct Federation {
    parties: BTreeMap<String, (OidcProvider, RelyingParty)>,
    exchange: Exchange,
}

/// Why a provider is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FederationConfigError {
    /// What is configured of it.
    #[error("oidc.{name}: {error}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong.
        error: OidcError,
    },
    /// Nobody could be sent back.
    #[error("logins at OpenID providers need `server.public_url`")]
    NoPublicUrl,
    /// TLS.
    #[error("{0}")]
    Tls(&'static str),
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// No provider has this name.
    #[error("there is no such provider")]
    UnknownProvider,
    /// Nothing was begun in this browser, or it was used or is over.
    #[error("this login was not begun in this browser, or took too long; begin again")]
    Transaction,
    /// What the provider sent does not hold.
    #[error(transparent)]
    Refused(#[from] OidcError),
    /// They have no account, and none is made by a login.
    #[error("there is no account for this identity; ask an administrator")]
    NoAccount,
    /// The provider tells no verified address, which an account needs.
    #[error("the provider tells no verified e-mail address")]
    NoAddress,
    /// The address has an account, which is not theirs by that.
    #[error("this address has an account already; log in the way you did before")]
    AddressTaken,
    /// The account is closed, or belongs to no workspace.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl FederationError {
    /// The word of the audit log, where a login failed.
    const fn word(&self) -> Option<&'static str> {
        match self {
            Self::Refused(error) => Some(error.word()),
            Self::NoAccount => Some("no_account"),
            Self::NoAddress => Some("no_address"),
            Self::AddressTaken => Some("address_taken"),
            Self::Login(LoginError::Wrong) => Some("not_active"),
            Self::Login(LoginError::NoWorkspace) => Some("no_workspace"),
            Self::UnknownProvider | Self::Transaction | Self::Login(_) | Self::Store(_) | Self::Key(_) => {
                None
            }
        }
    }
}

/// A login on its way to a provider.
#[derive(Debug)]
pub struct FederationBegun {
    /// Where the browser goes.
    pub url: String,
    /// What ties it to this browser.
    pub transaction: SecretString,
}

/// Somebody who came back.
#[derive(Debug)]
pub struct FederatedLogin {
    /// They are in.
    pub logged_in: LoggedIn,
    /// The page they wanted.
    pub back: String,
}

/// What is kept of a login on its way.
#[derive(serde::Serialize, serde::Deserialize)]
struct OnItsWay {
    provider: String,
    back: String,
    transaction: Transaction,
}

/// What is written when somebody is let in, computed outside the transaction.
#[derive(Clone)]
struct LettingIn {
    identity: Option<ExternalIdentity>,
    account: Option<NewAccount>,
    role: Option<Role>,
    arrival: Arrival,
    opener: Opener,
    stamp: Stamp,
    user: UserId,
}

impl Federation {
    pub(crate) fn new(
        providers: &[OidcProvider],
        public_url: Option<&str>,
        allow: &[Cidr],
    ) -> Result<Self, FederationConfigError> {
        let mut parties = BTreeMap::new();
        for provider in providers {
            let public = public_url.ok_or(FederationConfigError::NoPublicUrl)?;
            let redirect_uri = format!(
                "{}/api/v1/auth/oidc/{}/callback",
                public.trim_end_matches('/'),
                provider.name
            );
            let party = RelyingParty::new(Config {
                issuer: provider.issuer.clone(),
                client_id: provider.client_id.clone(),
                client_secret: provider.client_secret.clone(),
                redirect_uri,
                scopes: provider.scopes.clone(),
                role_claim: provider.role_claim.clone(),
                algorithms: provider.algorithms.clone(),
            });
            let party = party.map_err(|error| FederationConfigError::Provider {
                name: provider.name.clone(),
                error,
            })?;
            parties.insert(provider.name.clone(), (provider.clone(), party));
        }
        let exchange = if parties.is_empty() {
            Arc::new(|_| -> credentials::oidc::Exchanged {
                Box::pin(async { Err(NoAnswer("nobody is asked")) })
            })
        } else {
            exchange(allow).map_err(FederationConfigError::Tls)?
        };
        Ok(Self { parties, exchange })
    }
}

/// Requests through the guard of outbound addresses: no redirect, no proxy, bounded in time and size.
fn exchange(allow: &[Cidr]) -> Result<Exchange, &'static str> {
    let fetcher = Arc::new(Fetcher::new(Guard::new(allow.to_vec()), PATIENCE, PATIENCE)?);
    Ok(Arc::new(
        move |request: HttpRequest| -> credentials::oidc::Exchanged {
            let fetcher = Arc::clone(&fetcher);
            Box::pin(async move {
                let (parts, body) = request.into_parts();
                let url = parts
                    .uri
                    .to_string()
                    .parse()
                    .map_err(|_| NoAnswer("its address cannot be used"))?;
                let asked = fetcher.ask(parts.method, url, parts.headers, body, MAX_ANSWER);
                let answered = tokio::time::timeout(PATIENCE, asked).await;
                let (status, headers, body) = answered
                    .map_err(|_| NoAnswer("it takes too long to answer"))?
                    .map_err(|other| match other {
                        Fetched::Refused(_) => NoAnswer("`outbound.allow` does not let its address through"),
                        Fetched::Body { .. } | Fetched::Status(_) | Fetched::Unreachable => {
                            NoAnswer("it cannot be reached")
                        }
                    })?;
                let mut response = HttpResponse::new(body);
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            })
        },
    ))
}

/// A page of ours: a path and nothing that a browser could take for another server.
#[must_use]
pub fn page_of_ours(asked: Option<&str>) -> String {
    let fits = |path: &&str| {
        path.len() <= MAX_BACK
            && path.starts_with('/')
            && !path.starts_with("//")
            && !path.starts_with("/api/")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    asked.filter(fits).unwrap_or("/").to_owned()
}

impl Studio {
    /// Begins a login at a provider; `back` is the page to come back to.
    ///
    /// # Errors
    /// [`FederationError::UnknownProvider`], [`FederationError::Refused`] if it cannot be asked.
    pub async fn begin_federation(
        &self,
        provider: &str,
        back: Option<&str>,
    ) -> Result<FederationBegun, FederationError> {
        let (_, party) = self.party(provider)?;
        let now = self.now();
        let begun = party.begin(&self.federation.exchange, now, &random()).await?;
        let (secret, hash) = fresh_ticket();
        let content = serde_json::to_vec(&OnItsWay {
            provider: provider.to_owned(),
            back: page_of_ours(back),
            transaction: begun.transaction,
        });
        let content = content.map_err(|_| KeyError::Damaged(WRAPPED_AS.to_owned()))?;
        let ticket = Ticket {
            payload_sealed: Some(
                self.keys
                    .wrap(&format!("{WRAPPED_AS}/{}", hash.as_str()), &content)?,
            ),
            hash,
            kind: Kind::Federation,
            user: None,
            browser: None,
            created_at: now,
            expires_at: now.after(TRANSACTION_LIFE),
            used_at: None,
            tries: 0,
        };
        let kept = self.db.write("federation.begin", move |tx| {
            let ticket = ticket.clone();
            Box::pin(async move { tickets::insert(tx, &ticket).await })
        });
        kept.await?;
        Ok(FederationBegun {
            url: begun.url,
            transaction: secret,
        })
    }

    /// Ends it: `transaction` is what this browser was given.
    ///
    /// # Errors
    /// [`FederationError`].
    pub async fn end_federation(
        &self,
        provider: &str,
        transaction: Option<&SecretString>,
        answer: &Answer,
        entrance: Entrance,
    ) -> Result<FederatedLogin, FederationError> {
        let ended = self.federated(provider, transaction, answer, &entrance).await;
        if let Err(word) = ended.as_ref().map_err(FederationError::word)
            && let Some(word) = word
        {
            let entry = self.failed_federation(provider, word, &entrance);
            let noted = self.db.write("login.failed", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            });
            let noted: Result<(), store::Error> = noted.await;
            noted?;
            self.tell_bell.notify_one();
        }
        ended
    }

    fn party(&self, provider: &str) -> Result<&(OidcProvider, RelyingParty), FederationError> {
        let party = self.federation.parties.get(provider);
        party.ok_or(FederationError::UnknownProvider)
    }

    async fn federated(
        &self,
        provider: &str,
        transaction: Option<&SecretString>,
        answer: &Answer,
        entrance: &Entrance,
    ) -> Result<FederatedLogin, FederationError> {
        let (settings, party) = self.party(provider)?;
        let way = self.take_transaction(transaction).await?;
        if way.provider != provider {
            return Err(FederationError::Refused(OidcError::Issuer));
        }
        let now = self.now();
        let somebody = party
            .end(&self.federation.exchange, now, &way.transaction, answer)
            .await?;
        let logged_in = self.let_in_somebody(settings, somebody, entrance).await?;
        Ok(FederatedLogin {
            logged_in,
            back: way.back,
        })
    }

    /// Uses up what this browser began, before anything of the answer is looked at.
    async fn take_transaction(&self, shown: Option<&SecretString>) -> Result<OnItsWay, FederationError> {
        let hash = shown.and_then(shown_ticket).ok_or(FederationError::Transaction)?;
        let (name, now) = (format!("{WRAPPED_AS}/{}", hash.as_str()), self.now());
        let taken = self.db.write("federation.end", move |tx| {
            let hash = hash.clone();
            Box::pin(async move { tickets::take(tx, Kind::Federation, &hash, now).await })
        });
        let taken: Result<Option<Ticket>, store::Error> = taken.await;
        let sealed = taken?.and_then(|ticket| ticket.payload_sealed);
        let content = self
            .keys
            .unwrap(&name, &sealed.ok_or(FederationError::Transaction)?)?;
        serde_json::from_slice(&content).map_err(|_| FederationError::Transaction)
    }

    async fn let_in_somebody(
        &self,
        provider: &OidcProvider,
        somebody: Somebody,
        entrance: &Entrance,
    ) -> Result<LoggedIn, FederationError> {
        let (issuer, subject) = (somebody.issuer.clone(), somebody.subject.clone());
        let known = self.db.read("federation.known", move |read| {
            Box::pin(async move { external_identities::find(read, &issuer, &subject).await })
        });
        let known: Result<Option<UserId>, store::Error> = known.await;
        let role = provider.role_claim.as_ref().map(|_| highest(provider, &somebody));
        let (account, user) = match known? {
            Some(user) => (None, user),
            None if !provider.create_accounts => return Err(FederationError::NoAccount),
            None => {
                let account = self.account_of(&somebody, role.unwrap_or(Role::User))?;
                let user = account.user.id;
                (Some(account), user)
            }
        };
        let identity = account.as_ref().map(|_| ExternalIdentity {
            issuer: somebody.issuer.clone(),
            subject: somebody.subject.clone(),
            user,
            provider: provider.name.clone(),
            created_at: self.now(),
        });
        let mut arrival = self.arrival(user, vec![Method::Federated], None, entrance);
        let device = self.recognise(&mut arrival).await?;
        let letting_in = LettingIn {
            identity,
            account,
            role,
            arrival,
            opener: self.session_opener().await.map_err(LoginError::from)?,
            stamp: self.stamp_at_entrance(Some(user), entrance.request_id.as_deref()),
            user,
        };
        let tokens = self.db.write("login.federated", move |tx| {
            let letting_in = letting_in.clone();
            Box::pin(async move { letting_in.write(tx).await })
        });
        let tokens = tokens.await.map_err(of_conflict)?;
        self.forget_standing(user);
        self.tell_bell.notify_one();
        self.ring_outbox();
        Ok(LoggedIn { tokens, device })
    }

    /// An account for somebody who has none yet.
    fn account_of(&self, somebody: &Somebody, role: Role) -> Result<NewAccount, FederationError> {
        let email = somebody
            .email
            .as_deref()
            .and_then(|email| Email::parse(email).ok());
        let email = email.ok_or(FederationError::NoAddress)?;
        let name = somebody.name.as_deref().and_then(|name| Name::parse(name).ok());
        let name = name
            .or_else(|| Name::parse(email.local_part()).ok())
            .ok_or(FederationError::NoAddress)?;
        let language = somebody.locale.as_deref().unwrap_or("");
        let locale = if language.starts_with("en") { "en" } else { "pt-BR" };
        let texts = AccountTexts { email, name };
        let mut account = self.new_account(&texts, locale.to_owned(), role, None)?;
        account.user.email_verified_at = Some(self.now());
        // The claim speaks of the installation. A role in the workspace is given by who looks after it: what
        // the provider takes away again must leave nothing behind.
        account.member.role = Role::User;
        Ok(account)
    }

    fn failed_federation(&self, provider: &str, reason: &str, entrance: &Entrance) -> Entry {
        let stamp = self.stamp_at_entrance(None, entrance.request_id.as_deref());
        let details = BTreeMap::from([
            ("client".to_owned(), entrance.client.to_string()),
            ("provider".to_owned(), provider.to_owned()),
        ]);
        stamp.entry(None, Action::LoginFailed, "unknown".to_owned(), reason, details)
    }
}

impl LettingIn {
    async fn write(&self, tx: &mut Tx) -> Result<super::Tokens, FederationError> {
        if let (Some(account), Some(identity)) = (&self.account, &self.identity) {
            users::insert(tx, &account.user).await?;
            store::members::insert(tx, &account.member).await?;
            external_identities::insert(tx, identity).await?;
            let details = BTreeMap::from([("provider".to_owned(), identity.provider.clone())]);
            let made = self.user.to_string();
            let entry = self
                .stamp
                .entry(None, Action::AccountCreated, made, "federated", details);
            store::audit::append(tx, &entry).await?;
        }
        let user = users::find(tx, self.user).await?;
        let user = user.filter(|user| user.state == AccountState::Active);
        let user = user.ok_or(FederationError::Login(LoginError::Wrong))?;
        if let Some(role) = self.role.filter(|role| *role != user.role) {
            users::lock_administrators(tx).await?;
            let before = user.clone();
            match give_role(tx, user, role, &self.stamp).await {
                Ok(_) => lower_what_came_with_it(tx, &before, &self.stamp).await?,
                Err(PeopleError::LastAdministrator) => {
                    tracing::warn!("the provider takes the role of the last administrator away; it stays");
                }
                Err(PeopleError::Store(error)) => return Err(error.into()),
                Err(PeopleError::Key(error)) => return Err(error.into()),
                Err(_) => return Err(FederationError::Login(LoginError::Wrong)),
            }
        }
        let tokens = self.arrival.let_in(tx, &self.opener).await?;
        tokens.ok_or(FederationError::Login(LoginError::NoWorkspace))
    }
}

/// Takes back the administration of the first workspace that an account got when it was made for an
/// administrator: that membership is as old as the account. Only where the provider lowers somebody, for
/// only accounts made at a login there got it unasked; a person who changes a role
/// ([`Studio::change_person`]) decides about each workspace apart, and so stays every membership that
/// somebody was given later.
async fn lower_what_came_with_it(tx: &mut Tx, before: &User, stamp: &Stamp) -> Result<(), store::Error> {
    if before.role != Role::Admin {
        return Ok(());
    }
    let member = store::members::find(tx, FIRST_WORKSPACE, before.id).await?;
    let came_with_it = |member: &Member| member.role == Role::Admin && member.created_at == before.created_at;
    let Some(member) = member.filter(came_with_it) else {
        return Ok(());
    };
    store::members::set_role(tx, FIRST_WORKSPACE, before.id, Role::User).await?;
    let after = Member {
        role: Role::User,
        ..member
    };
    note(tx, stamp, Action::RoleChanged, &after, Some(Role::Admin)).await
}

/// The highest role that the values of the claim stand for.
fn highest(provider: &OidcProvider, somebody: &Somebody) -> Role {
    let values = somebody.roles.iter().flatten();
    let roles = values.filter_map(|value| provider.role_map.get(value).copied());
    roles.max().unwrap_or(Role::User)
}

/// What a unique rule says when an account is made. Of two logins at once the second finds the account of
/// the first at its next try.
fn of_conflict(error: FederationError) -> FederationError {
    match error {
        FederationError::Store(store::Error::Conflict { constraint }) if constraint == "users_email" => {
            FederationError::AddressTaken
        }
        FederationError::Store(store::Error::Conflict { .. }) => FederationError::Transaction,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        for ours in [
            "/",
            "/gallery",
            "/g/gen_1?x=1#y",
            "/a//b",
            "/x?u=https://evil.example",
        ] {
            assert_eq!(page_of_ours(Some(ours)), ours);
        }
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            " /x",
            "javascript:alert(1)",
            "evil.example",
            "/api/v1/auth/logout",
            "/a\u{2028}b",
            "/é",
            &format!("/{}", "a".repeat(MAX_BACK)),
        ] {
            assert_eq!(page_of_ours(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(page_of_ours(None), "/");
    }

    /// A studio over a fresh SQLite database.
    async fn studio(folder: &std::path::Path) -> Arc<Studio> {
        let config = store::Config {
            url: None,
            sqlite_path: folder.join("studio.db"),
            read_connections: 1,
        };
        let now = domain::time::Time::from_micros(1_795_000_000_000_000);
        let db = store::Db::open(&config).await.unwrap();
        store::migrate::apply(&db, now).await.unwrap();
        db.write("test.workspace", move |tx| {
            Box::pin(store::workspaces::ensure_first(tx, now))
        })
        .await
        .unwrap();
        let keys: Arc<dyn vault::KeyProvider> = Arc::new(vault::FileKeys::open(folder).unwrap());
        let made = Studio::new(crate::Parts {
            db,
            vault: vault::Vault::in_folder(folder, Arc::clone(&keys)).await.unwrap(),
            keys,
            catalogue: crate::catalogue::Catalogue::new(Vec::new(), Vec::new()),
            media: media::MediaWorker::new("/nonexistent".into(), Vec::new()),
            clock: crate::clock::Clock::Fixed(Arc::new(now.micros().into())),
            settings: crate::settings::Settings::default(),
        });
        made.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn roles(studio: &Studio, user: UserId) -> (Role, Role) {
        let found = studio.db.read("test.roles", move |read| {
            Box::pin(async move {
                let account = users::find(read, user).await?.unwrap();
                let member = store::members::find(read, FIRST_WORKSPACE, user).await?.unwrap();
                Ok((account.role, member.role))
            })
        });
        let found: Result<_, store::Error> = found.await;
        found.unwrap()
    }

    /// Logs somebody in with these groups; tells the roles that they have then.
    async fn enter(studio: &Studio, subject: &str, groups: &[&str]) -> (UserId, (Role, Role)) {
        let provider = OidcProvider {
            name: "main".to_owned(),
            title: "Main".to_owned(),
            issuer: "https://id.example".to_owned(),
            client_id: "studio".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            role_claim: Some("groups".to_owned()),
            role_map: BTreeMap::from([("chiefs".to_owned(), Role::Admin)]),
            create_accounts: true,
            algorithms: Vec::new(),
        };
        let somebody = Somebody {
            issuer: provider.issuer.clone(),
            subject: subject.to_owned(),
            email: Some(format!("{subject}@example.org")),
            name: None,
            locale: None,
            roles: Some(groups.iter().map(|&group| group.to_owned()).collect()),
        };
        let entrance = Entrance {
            client: domain::identity::Client::Api,
            agent: "test".to_owned(),
            address: std::net::Ipv4Addr::new(192, 0, 2, 7).into(),
            device: None,
            jkt: None,
            request_id: None,
        };
        let entered = studio.let_in_somebody(&provider, somebody, &entrance).await;
        entered.unwrap_or_else(|error| panic!("{error}"));
        let (issuer, subject) = (provider.issuer, subject.to_owned());
        let known = studio.db.read("test.known", move |read| {
            Box::pin(async move { external_identities::find(read, &issuer, &subject).await })
        });
        let known: Result<Option<UserId>, store::Error> = known.await;
        let user = known.unwrap().unwrap();
        (user, roles(studio, user).await)
    }

    #[tokio::test]
    async fn what_a_provider_takes_away_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let studio = studio(folder.path()).await;
        let chiefs: &[&str] = &["chiefs"];
        let (_, made) = enter(&studio, "boss", chiefs).await;
        assert_eq!(
            made,
            (Role::Admin, Role::User),
            "no role in the workspace comes along"
        );
        let (bia, _) = enter(&studio, "bia", chiefs).await;
        assert_eq!(enter(&studio, "bia", &[]).await.1, (Role::User, Role::User));

        // An account whose membership was made with the role of the installation.
        enter(&studio, "bia", chiefs).await;
        let sets = |sql: &'static str| {
            let written = studio.db.write("test.sets", move |tx| {
                Box::pin(async move { tx.execute(sql, &[]).await })
            });
            async move {
                let written: Result<u64, store::Error> = written.await;
                written.unwrap();
            }
        };
        sets("update members set role = 'admin'").await;
        assert_eq!(roles(&studio, bia).await, (Role::Admin, Role::Admin));
        assert_eq!(enter(&studio, "bia", chiefs).await.1, (Role::Admin, Role::Admin));
        assert_eq!(enter(&studio, "bia", &[]).await.1, (Role::User, Role::User));

        // The last administrator stays one, in the workspace too; what was given later stays.
        assert_eq!(enter(&studio, "boss", &[]).await.1, (Role::Admin, Role::Admin));
        enter(&studio, "bia", chiefs).await;
        sets("update members set role = 'admin', created_at = created_at + 1").await;
        assert_eq!(enter(&studio, "bia", &[]).await.1, (Role::User, Role::Admin));
    }
}
