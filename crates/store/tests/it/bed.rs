//! A fresh database for each test, and rows to put into it.

use domain::actor::{Actor, FIRST_WORKSPACE, LOCAL_USER, Scope};
use domain::capability::{Correlation, ModelId, Polling, ProviderName};
use domain::fault::{Fault, FaultKind};
use domain::generation::{Kind, Operation, Spec, State};
use domain::id::*;
use domain::identity::{AccountState, Role};
use domain::job::{self, Job, NewJob, Priority, Rules};
use domain::money::Money;
use domain::retry::Backoff;
use domain::secret::TokenHash;
use domain::time::Time;
use serde_json::json;
use std::collections::BTreeSet;
use std::future::Future;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::generations::{self, NewGeneration};
use store::{Config, Db, Error, jobs, migrate, workspaces};

/// Runs an `async fn name(bed: Bed)` once on each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                crate::bed::on_sqlite(super::$name);
            }

            #[test]
            fn postgres() {
                crate::bed::on_postgres(super::$name);
            }
        }
    )*};
}

pub const NOW: Time = Time::from_micros(1_795_000_000_000_000);

/// Seconds after [`NOW`].
pub fn at(seconds: i64) -> Time {
    Time::from_micros(NOW.micros() + seconds * 1_000_000)
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A value never given before, for ids that rise.
pub fn fresh() -> u128 {
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub struct Bed {
    pub db: Db,
    pub config: Config,
    _folder: Arc<tempfile::TempDir>,
}

#[expect(clippy::disallowed_methods, reason = "the test's own setting, given by xtask")]
fn postgres_url() -> Option<String> {
    std::env::var("STUDIO_TEST_POSTGRES")
        .ok()
        .filter(|url| !url.is_empty())
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Bed) -> F) {
    runtime().block_on(async {
        let (folder, config) = sqlite_config();
        // A test may take the bed apart: its folder stays until the test is over.
        let kept = Arc::clone(&folder);
        test(migrated((folder, config)).await).await;
        drop(kept);
    });
}

/// Says once, past the test harness that hides what passing tests print, that something was not tested.
pub fn loudly(what: &'static str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap().insert(what) {
        std::io::stderr()
            .write_all(format!("\n**** {what} ****\n").as_bytes())
            .unwrap();
    }
}

pub fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Bed) -> F) {
    let Some(url) = postgres_url() else {
        loudly("NOT TESTED ON POSTGRES: STUDIO_TEST_POSTGRES is not set (cargo xtask test sets it)");
        return;
    };
    runtime().block_on(async {
        let schema = format!("test_{}_{}", std::process::id(), fresh());
        let (folder, mut config) = sqlite_config();
        config.url = Some(url.clone());
        let main = Db::open(&config).await.unwrap();
        run(&main, format!("create schema {schema}")).await;
        let mark = if url.contains('?') { '&' } else { '?' };
        config.url = Some(format!("{url}{mark}options=-c%20search_path%3D{schema}"));
        test(migrated((folder, config)).await).await;
        run(&main, format!("drop schema {schema} cascade")).await;
        main.close().await;
    });
}

/// A fresh SQLite database.
pub async fn sqlite_bed() -> Bed {
    migrated(sqlite_config()).await
}

fn sqlite_config() -> (Arc<tempfile::TempDir>, Config) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let config = Config {
        url: None,
        sqlite_path: folder.path().join("studio.db"),
        read_connections: 3,
    };
    (folder, config)
}

async fn migrated((folder, config): (Arc<tempfile::TempDir>, Config)) -> Bed {
    let db = Db::open(&config).await.unwrap();
    migrate::apply(&db, NOW).await.unwrap();
    db.write("test.workspace", |tx| Box::pin(workspaces::ensure_first(tx, NOW)))
        .await
        .unwrap();
    Bed {
        db,
        config,
        _folder: folder,
    }
}

/// Runs one statement of a test.
pub async fn run(db: &Db, sql: String) -> u64 {
    db.write("test.run", move |tx| {
        let sql = sql.clone();
        Box::pin(async move { tx.execute(&sql, &[]).await })
    })
    .await
    .unwrap()
}

/// Runs a query of a test that gives one number.
pub async fn number(db: &Db, sql: &'static str) -> i64 {
    db.read("test.number", move |read| {
        Box::pin(async move { read.one(sql, &[]).await?.int("n") })
    })
    .await
    .unwrap()
}

/// Writes with a function of the store: `write!(db, tx => generations::insert(tx, &new))`; what it uses
/// is cloned for each run.
macro_rules! write {
    ($db:expr, $tx:ident [$($kept:ident),*] => $work:expr) => {{
        $(let $kept = $kept.clone();)*
        $db.write("test.write", move |$tx| {
            $(let $kept = $kept.clone();)*
            Box::pin(async move { $work.await })
        })
        .await
    }};
}

/// Reads with a function of the store.
macro_rules! read {
    ($db:expr, $read:ident [$($kept:ident),*] => $work:expr) => {{
        $(let $kept = $kept.clone();)*
        $db.read("test.read", move |$read| Box::pin(async move { $work.await })).await
    }};
}

pub fn local() -> Scope {
    Actor::local().scope()
}

/// A second workspace, with a row.
pub async fn stranger(db: &Db) -> Scope {
    let id = WorkspaceId::from_value(0xffff);
    run(
        db,
        format!("insert into workspaces (id, created_at) values ('{id}', 1)"),
    )
    .await;
    Actor::new(LOCAL_USER, id).scope()
}

/// Another person in the first workspace.
pub fn colleague() -> Scope {
    Actor::new(UserId::from_value(0xfffe), FIRST_WORKSPACE).scope()
}

/// An account that is not there yet.
pub fn user(email_index: &str) -> store::users::User {
    store::users::User {
        id: UserId::from_value(fresh()),
        email_sealed: vec![1, 2],
        email_index: email_index.to_owned(),
        name_sealed: vec![3, 4],
        state: AccountState::Pending,
        role: Role::User,
        locale: "pt-BR".to_owned(),
        password: None,
        password_short: false,
        auth_epoch: 0,
        created_at: NOW,
        updated_at: NOW,
        email_verified_at: None,
        disabled_at: None,
    }
}

/// A passkey that is not there yet.
pub fn passkey(user: UserId) -> store::passkeys::Passkey {
    let id = fresh();
    store::passkeys::Passkey {
        id: PasskeyId::from_value(id),
        user,
        credential_id: format!("credential-{id}"),
        credential: "{}".to_owned(),
        name_sealed: vec![5, 6],
        created_at: NOW,
        used_at: None,
    }
}

/// A ticket of this text, good for an hour.
pub fn ticket(text: &str, kind: store::tickets::Kind, user: Option<UserId>) -> store::tickets::Ticket {
    store::tickets::Ticket {
        hash: TokenHash::of(text),
        kind,
        user,
        browser: None,
        payload_sealed: None,
        created_at: NOW,
        expires_at: at(3600),
        used_at: None,
        tries: 0,
    }
}

pub fn fault() -> Fault {
    Fault::new(FaultKind::Provider, "provider.failed", "It failed. Try again.")
}

pub fn spec() -> Spec {
    Spec {
        kind: Kind::Image,
        operation: Operation::Create,
        provider: ProviderName("starter".to_owned()),
        model: ModelId("starter-1".to_owned()),
        size: Some((128, 128)),
        aspect: None,
        resolution: None,
        seconds: None,
        seed: Some(7),
        count: 1,
        references: Vec::new(),
        looping: false,
    }
}

pub fn new_generation(workspace: WorkspaceId) -> NewGeneration {
    NewGeneration {
        id: GenerationId::from_value(fresh()),
        workspace,
        user: LOCAL_USER,
        kind: Kind::Image,
        spec: spec(),
        prompt_sealed: vec![0, 1, 2, 255],
        findings: json!([{"code": "personal.cpf", "count": 1}]),
        notes: json!({"unknown_words": ["zeppelin"]}),
        purpose: "draft".to_owned(),
        state: State::Queued,
        demo: true,
        priority: Priority::NORMAL,
        estimated: Money::usd(40_000),
        request_id: Some("req-1".to_owned()),
        created_at: NOW,
    }
}

/// A generation that is there.
pub async fn generation(db: &Db) -> GenerationId {
    generation_of(db, FIRST_WORKSPACE).await
}

pub async fn generation_of(db: &Db, workspace: WorkspaceId) -> GenerationId {
    let new = new_generation(workspace);
    write!(db, tx [new] => generations::insert(tx, &new)).unwrap();
    new.id
}

pub fn new_job(generation: GenerationId, ordinal: u16) -> Job {
    let new = NewJob {
        id: JobId::from_value(fresh()),
        generation,
        workspace: FIRST_WORKSPACE,
        ordinal,
        kind: Kind::Image,
        provider: ProviderName("starter".to_owned()),
        priority: Priority::NORMAL,
        virtual_time: 5,
        deadline_at: at(3600),
        ceiling: Money::usd(40_000),
    };
    job::queued(new, NOW).job
}

/// A job that is there, alone in its generation.
pub async fn job(db: &Db) -> Job {
    job_with(db, |_| ()).await
}

pub async fn job_with(db: &Db, change: impl FnOnce(&mut Job)) -> Job {
    let mut job = new_job(generation(db).await, 0);
    change(&mut job);
    write!(db, tx [job] => jobs::insert(tx, &job)).unwrap();
    job
}

pub fn rules() -> Rules {
    Rules {
        max_attempts: 3,
        lease: Duration::from_secs(60),
        send_by: Duration::from_secs(10),
        backoff: Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        settle: Duration::from_secs(600),
        reconcile_window: Duration::from_secs(3600),
        collect_window: Duration::from_secs(3600),
        may_repeat: false,
        polling: Polling {
            image_first: Duration::from_secs(1),
            video_first: Duration::from_secs(10),
            image_every: Duration::from_secs(2),
            video_every: Duration::from_secs(5),
        },
        correlation: Correlation::List,
        can_cancel: true,
        free: false,
    }
}

/// What was refused, by its rule's name.
pub fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Conflict { constraint }) => constraint,
        other => panic!("not a conflict: {other:?}"),
    }
}
