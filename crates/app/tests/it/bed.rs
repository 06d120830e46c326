//! A studio in this process, over a fresh SQLite database, with a clock that tests move.

use app::catalogue::Catalogue;
use app::clock::Clock;
use app::identity::{NewSession, Presented, Refresh, Tokens, Unauthenticated};
use app::settings::Settings;
use app::{Parts, Studio};
use credentials::password::{Hasher, Password, Pepper};
use domain::actor::{Actor, FIRST_WORKSPACE};
use domain::id::UserId;
use domain::identity::{AccountState, Client, Method, Role};
use domain::time::Time;
use secrecy::SecretString;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use store::members::Member;
use store::users::User;
use store::{Config, Db, members, migrate, users, workspaces};
use vault::{FileKeys, KeyProvider, Vault};

pub const START: Time = Time::from_micros(1_795_000_000_000_000);
pub const ORIGIN: &str = "http://localhost:8080";

static NEXT: AtomicU64 = AtomicU64::new(1);

pub struct Bed {
    pub studio: Arc<Studio>,
    pub db: Db,
    pub keys: Arc<dyn KeyProvider>,
    clock: Arc<AtomicI64>,
    parts: Box<MakeParts>,
    _folder: tempfile::TempDir,
}

type MakeParts = dyn Fn(&Arc<AtomicI64>, &Arc<dyn KeyProvider>, &Db) -> Parts + Send + Sync;

fn config(url: Option<String>, folder: &Path) -> Config {
    Config {
        url,
        sqlite_path: folder.join("studio.db"),
        read_connections: 3,
    }
}

impl Bed {
    pub async fn new() -> Self {
        Self::reached_at(ORIGIN).await
    }

    /// A studio that browsers reach under this origin.
    pub async fn reached_at(origin: &str) -> Self {
        Self::over(None, origin, |_| ()).await
    }

    /// A studio with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(None, ORIGIN, change).await
    }

    /// A studio over a schema of its own of the database that `STUDIO_TEST_POSTGRES` names; none, said
    /// loudly, where it names none.
    #[expect(clippy::disallowed_methods, reason = "the test's own setting, given by xtask")]
    pub async fn on_postgres(change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let url = std::env::var("STUDIO_TEST_POSTGRES")
            .ok()
            .filter(|url| !url.is_empty());
        let Some(url) = url else {
            let what = "\n**** NOT TESTED ON POSTGRES: STUDIO_TEST_POSTGRES is not set (cargo xtask test sets it) ****\n";
            std::io::stderr().write_all(what.as_bytes()).unwrap();
            return None;
        };
        let schema = format!(
            "app_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let main = Db::open(&config(Some(url.clone()), Path::new(""))).await.unwrap();
        let sql = format!("create schema {schema}");
        let made = main.write("test.schema", move |tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.execute(&sql, &[]).await })
        });
        let made: Result<_, store::Error> = made.await;
        made.unwrap();
        main.close().await;
        let mark = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{mark}options=-c%20search_path%3D{schema}");
        Some(Self::over(Some(url), ORIGIN, change).await)
    }

    async fn over(url: Option<String>, origin: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&config(url, folder.path())).await.unwrap();
        migrate::apply(&db, START).await.unwrap();
        db.write("test.workspace", |tx| {
            Box::pin(workspaces::ensure_first(tx, START))
        })
        .await
        .unwrap();
        let keys: Arc<dyn KeyProvider> = Arc::new(FileKeys::open(folder.path()).unwrap());
        let vault = Vault::in_folder(folder.path(), Arc::clone(&keys)).await.unwrap();
        let clock = Arc::new(AtomicI64::new(START.micros()));
        let mut settings = Settings::default();
        change(&mut settings);
        let parts = move |clock: &Arc<AtomicI64>, keys: &Arc<dyn KeyProvider>, db: &Db| Parts {
            db: db.clone(),
            vault: vault.clone(),
            keys: Arc::clone(keys),
            catalogue: Catalogue::new(Vec::new(), Vec::new()),
            // Nothing here touches media.
            media: media::MediaWorker::new("/nonexistent".into(), Vec::new()),
            clock: Clock::Fixed(Arc::clone(clock)),
            settings: settings.clone(),
        };
        let studio = Studio::new(parts(&clock, &keys, &db));
        let studio = studio.unwrap_or_else(|error| panic!("{error}"));
        studio.reached_at(origin);
        Self {
            studio,
            db,
            keys,
            clock,
            parts: Box::new(parts),
            _folder: folder,
        }
    }

    /// Another process on the same data: what it remembers is its own.
    pub fn another(&self) -> Arc<Studio> {
        let studio = Studio::new((self.parts)(&self.clock, &self.keys, &self.db));
        let studio = studio.unwrap_or_else(|error| panic!("{error}"));
        studio.reached_at(ORIGIN);
        studio
    }

    pub fn now(&self) -> Time {
        Time::from_micros(self.clock.load(Ordering::SeqCst))
    }

    /// Lets seconds go by.
    pub fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// An active account in the first workspace.
    pub async fn person(&self, password: Option<&str>) -> UserId {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = UserId::from_value(0x0190_0000_0000_7000_8000_0001_0000_0000 + u128::from(number));
        let seal = |object: &str, text: &str| {
            self.keys
                .seal_small(&id.to_string(), object, text.as_bytes())
                .unwrap()
        };
        let user = User {
            id,
            email_sealed: seal("email", &format!("ana{number}@example.org")),
            email_index: format!("index-{number}"),
            name_sealed: seal("name", "Ana"),
            state: AccountState::Active,
            role: Role::User,
            locale: "pt-BR".to_owned(),
            password: password.map(str::to_owned),
            password_short: false,
            auth_epoch: 0,
            created_at: self.now(),
            updated_at: self.now(),
            email_verified_at: Some(self.now()),
            disabled_at: None,
        };
        let member = Member {
            workspace: FIRST_WORKSPACE,
            user: id,
            role: Role::User,
            created_at: self.now(),
        };
        let made = self.db.write("test.person", move |tx| {
            let (user, member) = (user.clone(), member.clone());
            Box::pin(async move {
                users::insert(tx, &user).await?;
                members::insert(tx, &member).await
            })
        });
        made.await.unwrap();
        id
    }

    /// Somebody with a password.
    pub async fn person_with_password(&self, password: &str) -> UserId {
        let pepper = Pepper::of(self.keys.derive("password-pepper").unwrap().expose());
        let hasher = Hasher::new(pepper, Vec::new(), 1, Duration::from_secs(60)).unwrap();
        let record = hasher.hash(&Password::parse(password).unwrap()).await.unwrap();
        self.person(Some(&record)).await
    }

    /// A session of somebody, by their password.
    pub async fn session(&self, user: UserId) -> Tokens {
        self.try_session(user).await.unwrap()
    }

    /// The same for somebody who may not have one.
    pub async fn try_session(&self, user: UserId) -> Result<Tokens, Unauthenticated> {
        let new = NewSession {
            user,
            workspace: FIRST_WORKSPACE,
            client: Client::Api,
            agent: "test".to_owned(),
            network: "192.0.2.0/24".to_owned(),
            methods: vec![Method::Password],
            jkt: None,
        };
        self.studio.open_session(new).await
    }

    /// Newer tokens of the same session: access tokens live for ten minutes.
    pub async fn refreshed(&self, tokens: &Tokens) -> Tokens {
        self.try_refresh(&tokens.refresh).await.unwrap()
    }

    /// The same for a refresh token that may not be good any more.
    pub async fn try_refresh(&self, token: &SecretString) -> Result<Tokens, Unauthenticated> {
        let refresh = Refresh {
            token: token.clone(),
            client: Client::Api,
            proof: None,
            request_id: None,
        };
        self.studio.refresh(refresh).await
    }

    /// Who is behind tokens at this moment.
    pub async fn actor(&self, tokens: &Tokens) -> Actor {
        let presented = Presented::Access {
            token: tokens.access.clone(),
            proof: None,
        };
        self.studio.authenticate(presented).await.unwrap()
    }

    /// Somebody with a session.
    pub async fn logged_in(&self) -> (UserId, Tokens, Actor) {
        let user = self.person(None).await;
        let tokens = self.session(user).await;
        let actor = self.actor(&tokens).await;
        (user, tokens, actor)
    }

    /// What the audit log tells so far, oldest first: action, outcome, factor.
    pub async fn told(&self) -> Vec<(String, String, String)> {
        let told = self
            .db
            .write("test.audit", |tx| Box::pin(store::audit::unsequenced(tx, 1000)));
        let told: Result<_, store::Error> = told.await;
        let line = |(_, bytes): &(_, Vec<u8>)| {
            let entry: domain::audit::Entry = serde_json::from_slice(bytes).unwrap();
            let factor = entry.details.get("factor").cloned().unwrap_or_default();
            (entry.action.to_string(), entry.outcome, factor)
        };
        told.unwrap().iter().map(line).collect()
    }

    /// One number from the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let found = self.db.read("test.number", move |read| {
            Box::pin(async move { read.one(sql, &[]).await?.int("n") })
        });
        let found: Result<_, store::Error> = found.await;
        found.unwrap()
    }
}
