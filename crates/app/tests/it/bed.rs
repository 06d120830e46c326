//! A studio in this process, over a fresh SQLite database, with a clock that tests move.

use app::catalogue::Catalogue;
use app::clock::Clock;
use app::identity::{NewSession, Presented, Refresh, Tokens};
use app::settings::Settings;
use app::{Parts, Studio};
use credentials::password::{Hasher, Password, Pepper};
use domain::actor::{Actor, FIRST_WORKSPACE};
use domain::id::UserId;
use domain::identity::{AccountState, Client, Method, Role};
use domain::time::Time;
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
    _folder: tempfile::TempDir,
}

impl Bed {
    pub async fn new() -> Self {
        Self::reached_at(ORIGIN).await
    }

    /// A studio that browsers reach under this origin.
    pub async fn reached_at(origin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            url: None,
            sqlite_path: folder.path().join("studio.db"),
            read_connections: 3,
        };
        let db = Db::open(&config).await.unwrap();
        migrate::apply(&db, START).await.unwrap();
        db.write("test.workspace", |tx| {
            Box::pin(workspaces::ensure_first(tx, START))
        })
        .await
        .unwrap();
        let keys: Arc<dyn KeyProvider> = Arc::new(FileKeys::open(folder.path()).unwrap());
        let vault = Vault::in_folder(folder.path(), Arc::clone(&keys)).await.unwrap();
        let clock = Arc::new(AtomicI64::new(START.micros()));
        let studio = Studio::new(Parts {
            db: db.clone(),
            vault,
            keys: Arc::clone(&keys),
            catalogue: Catalogue::new(Vec::new(), Vec::new()),
            // Nothing here touches media.
            media: media::MediaWorker::new("/nonexistent".into(), Vec::new()),
            clock: Clock::Fixed(Arc::clone(&clock)),
            settings: Settings::default(),
        });
        let studio = studio.unwrap_or_else(|error| panic!("{error}"));
        studio.reached_at(origin);
        Self {
            studio,
            db,
            keys,
            clock,
            _folder: folder,
        }
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
        let new = NewSession {
            user,
            workspace: FIRST_WORKSPACE,
            client: Client::Api,
            agent: "test".to_owned(),
            network: "192.0.2.0/24".to_owned(),
            methods: vec![Method::Password],
            jkt: None,
        };
        self.studio.open_session(new).await.unwrap()
    }

    /// Newer tokens of the same session: access tokens live for ten minutes.
    pub async fn refreshed(&self, tokens: &Tokens) -> Tokens {
        let refresh = Refresh {
            token: tokens.refresh.clone(),
            client: Client::Api,
            proof: None,
            request_id: None,
        };
        self.studio.refresh(refresh).await.unwrap()
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
