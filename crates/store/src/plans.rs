//! How SQLite finds the rows of every statement that the functions of this crate run: none reads a whole
//! table unless it is meant to, and no index is without use.

#[path = "../tests/it/bed.rs"]
#[macro_use]
#[expect(
    dead_code,
    unused_macros,
    unreachable_pub,
    reason = "shared with the contract tests"
)]
mod bed;

use crate::api_keys::{self, ApiKey};
use crate::assets::{self, Asset, Role};
use crate::mails::{self, NewMail};
use crate::quotes::{self, Quote};
use crate::uploads::{self, Upload};
use crate::{
    Arg, Db, Error, Tx, args, attempts, audit, devices, events, external_identities, factor_failures,
    fair_queue, generations, idempotency, invitations, jobs, ledger, login_failures, members, migrate,
    passkeys, people, proofs, recovery_codes, refresh_tokens, sessions, singleton, tickets, token_keys, totp,
    users, workspaces,
};
use bed::{NOW, at, fresh, local, new_generation, new_job, rules};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER, SystemScope};
use domain::audit::{Action, Entry};
use domain::capability::ProviderName;
use domain::event::Event;
use domain::generation::State;
use domain::id::{
    AssetId, AttemptId, AuditId, EventId, InvitationId, KeyId, LedgerId, MailId, QuoteId, UploadId, UserId,
};
use domain::identity::{AccountState, Scopes};
use domain::job::intend;
use domain::ledger::{Line, Posting};
use domain::money::Money;
use domain::secret::TokenHash;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const SYSTEM: SystemScope = SystemScope { reason: "test" };

/// Statements that read a whole table or index because their answer is about all of it.
const WHOLE: &[&str] = &[
    // Sums and counts for people and metrics.
    "from ledger group by posting",
    "from attempts group by state",
    // Once in the life of an installation: its first administrator takes over what was there before.
    "set user_id = $3 where workspace = $1",
    // One row for each migration.
    "from schema_migrations order by name",
    // Two or three keys.
    "from token_keys order by created_at, kid",
    "from sqlite_schema where type = 'table'",
    // One row, from the end of the table.
    "from audit_checkpoints order by size desc limit 1",
];

/// Indexes of few rows, which may be read whole: what is not sequenced yet, what was deleted.
const SMALL: &[&str] = &[
    "events_unsequenced",
    "audit_entries_unsequenced",
    "generations_deleted",
    "mails_due",
    "mails_given_up",
];

/// Runs every function of the crate once, each on rows that lead it through all its statements.
async fn everything(tx: &mut Tx) -> Result<(), Error> {
    workspaces::ensure_first(tx, NOW).await?;
    let scope = local();
    let new = new_generation(FIRST_WORKSPACE);
    generations::insert(tx, &new).await?;
    generations::find(tx, &scope, new.id).await?;
    generations::find_system(tx, SYSTEM, new.id).await?;
    generations::page(tx, &scope, None, 5).await?;
    generations::set_state(tx, new.id, State::Running, None, NOW, false).await?;
    for _ in 0..2 {
        idempotency::remember(tx, &scope, "key", "print", new.id, NOW).await?;
    }
    let mut job = new_job(new.id, 0);
    job.virtual_time = fair_queue::next(tx, FIRST_WORKSPACE, 1).await?;
    jobs::insert(tx, &job).await?;
    jobs::of_generation(tx, new.id).await?;
    jobs::find(tx, job.id).await?;
    jobs::open_of_user(tx, new.user).await?;
    jobs::next_due(tx).await?;
    jobs::oldest_ready(tx).await?;
    jobs::counts(tx).await?;
    jobs::in_flight(tx).await?;
    jobs::waiting_of(tx, FIRST_WORKSPACE).await?;
    let full = [ProviderName("full".to_owned())];
    let taken = jobs::claim_due(tx, NOW, 5, &|_| rules(), &full)
        .await?
        .remove(0)
        .job;
    let attempt = AttemptId::from_value(fresh());
    let change = intend(&taken, attempt, TokenHash::of("t"), NOW, &rules()).unwrap();
    jobs::apply(tx, &taken, &change).await?;
    jobs::void_leases(tx, NOW).await?;
    jobs::wake(tx, job.id, NOW).await?;
    attempts::newest(tx, job.id).await?;
    attempts::of_generation(tx, new.id).await?;
    attempts::by_token(tx, &TokenHash::of("t")).await?;
    attempts::count_by_state(tx).await?;
    attempts::at_provider(tx, &job.provider).await?;
    let line = Line {
        id: LedgerId::from_value(fresh()),
        at: NOW,
        workspace: FIRST_WORKSPACE,
        job: job.id,
        attempt: Some(attempt),
        posting: Posting::Capture,
        amount: Money::usd(1),
    };
    ledger::append(tx, &line).await?;
    ledger::of_generation(tx, new.id).await?;
    ledger::totals(tx).await?;
    media(tx, new.id).await?;
    told(tx, new.id).await?;
    accounts(tx).await?;
    letters(tx).await?;
    administered(tx).await?;
    factors(tx).await?;
    generations::mark_deleted(tx, &scope, new.id, NOW).await?;
    generations::deleted_with_media(tx, SYSTEM, 5).await?;
    idempotency::forget_before(tx, at(1)).await?;
    let epoch = singleton::acquire(tx, "sweep", "a", Duration::from_secs(1), NOW)
        .await?
        .unwrap();
    singleton::renew(tx, "sweep", "a", epoch, Duration::from_secs(1), NOW).await?;
    singleton::release(tx, "sweep", "a", epoch, NOW).await?;
    Ok(())
}

async fn keys(tx: &mut Tx, owner: UserId) -> Result<(), Error> {
    let key = ApiKey {
        id: KeyId::from_value(fresh()),
        user: owner,
        workspace: FIRST_WORKSPACE,
        name_sealed: Vec::new(),
        mac: "mac".to_owned(),
        hint: String::new(),
        scopes: Scopes::all(),
        networks: Vec::new(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        used_at: None,
    };
    api_keys::insert(tx, &key).await?;
    api_keys::find(tx, owner, key.id).await?;
    api_keys::find_in_use(tx, "mac").await?;
    api_keys::of_user(tx, owner).await?;
    api_keys::count_of_user(tx, owner).await?;
    api_keys::note_use(tx, key.id, NOW).await?;
    api_keys::revoke(tx, owner, key.id, NOW).await?;
    Ok(())
}

async fn accounts(tx: &mut Tx) -> Result<(), Error> {
    let user = bed::user("index");
    users::insert(tx, &user).await?;
    keys(tx, user.id).await?;
    sessions_of(tx, user.id).await?;
    users::find(tx, user.id).await?;
    users::find_by_email_index(tx, "index").await?;
    users::page(tx, None, 5).await?;
    users::set_password(tx, user.id, Some("record"), false, NOW).await?;
    users::renew_password(tx, user.id, "record", "newer", NOW).await?;
    users::set_state(tx, user.id, AccountState::Active, NOW).await?;
    users::set_role(tx, user.id, domain::identity::Role::Admin, NOW).await?;
    users::set_profile(tx, user.id, None, Some("en"), NOW).await?;
    users::verify_email(tx, user.id, NOW).await?;
    users::bump_epoch(tx, user.id, NOW).await?;
    users::lock_administrators(tx).await?;
    users::other_administrator(tx, None).await?;
    users::is_set_up(tx).await?;
    let second = workspaces::Workspace {
        id: domain::id::WorkspaceId::from_value(fresh()),
        name: "second".to_owned(),
        created_at: NOW,
    };
    workspaces::insert(tx, &second).await?;
    workspaces::find(tx, second.id).await?;
    workspaces::rename(tx, second.id, "other").await?;
    workspaces::page(tx, None, 5).await?;
    let member = members::Member {
        workspace: second.id,
        user: user.id,
        role: domain::identity::Role::User,
        created_at: NOW,
    };
    members::insert(tx, &member).await?;
    members::find(tx, second.id, user.id).await?;
    members::of_user(tx, user.id).await?;
    members::of_workspace(tx, second.id, None, 5).await?;
    members::set_role(tx, second.id, user.id, domain::identity::Role::Dpo).await?;
    members::remove(tx, second.id, user.id).await?;
    users::hand_over(tx, second.id, LOCAL_USER, user.id).await?;
    entrance(tx, user.id).await
}

async fn sessions_of(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let session = sessions::Session {
        id: domain::id::SessionId::from_value(fresh()),
        user,
        workspace: FIRST_WORKSPACE,
        client: domain::identity::Client::Browser,
        agent: String::new(),
        network: String::new(),
        created_at: NOW,
        used_at: NOW,
        idle_until: NOW,
        ends_at: NOW,
        methods: Vec::new(),
        auth_at: NOW,
        fresh_at: NOW,
        jkt: None,
        ended_at: None,
    };
    sessions::insert(tx, &session).await?;
    sessions::standing(tx, session.id).await?;
    sessions::alive_of(tx, user, NOW).await?;
    sessions::touch(tx, session.id, NOW, NOW, NOW).await?;
    sessions::show_factor(tx, session.id, &[], NOW).await?;
    sessions::set_workspace(tx, session.id, FIRST_WORKSPACE).await?;
    let token = |name: &str| refresh_tokens::RefreshToken {
        hash: TokenHash::of(name),
        session: session.id,
        generation: 0,
        issued_at: NOW,
        used_at: None,
        successor: None,
    };
    let (one, two, three) = (token("one"), token("two"), token("three"));
    refresh_tokens::insert(tx, &one).await?;
    refresh_tokens::insert(tx, &two).await?;
    refresh_tokens::take(tx, &one.hash).await?;
    refresh_tokens::spend(tx, &one.hash, &two.hash, NOW).await?;
    refresh_tokens::replace_successor(tx, &one.hash, &two.hash, &three.hash, NOW).await?;
    sessions::end(tx, user, session.id, "why", NOW).await?;
    sessions::end_all(tx, user, None, "why", NOW).await?;
    sessions::forget_over(tx, at(1), 5).await?;
    let key = token_keys::TokenKey {
        kid: "kid".to_owned(),
        public_key: vec![1],
        private_wrapped: vec![2],
        created_at: NOW,
        signs_from: None,
        signs_until: None,
    };
    token_keys::lock(tx).await?;
    token_keys::insert(tx, &key).await?;
    token_keys::all(tx).await?;
    token_keys::set_times(tx, "kid", Some(NOW), None).await?;
    token_keys::remove(tx, "kid").await?;
    proofs::first_use(tx, "once", NOW).await?;
    proofs::forget_before(tx, at(1), 5).await?;
    Ok(())
}

async fn entrance(tx: &mut Tx, user: domain::id::UserId) -> Result<(), Error> {
    let ticket = bed::ticket("ticket", tickets::Kind::ResetPassword, Some(user));
    tickets::insert(tx, &ticket).await?;
    tickets::find(tx, ticket.kind, &ticket.hash, NOW).await?;
    tickets::open_of(tx, user, ticket.kind, NOW).await?;
    tickets::made_since(tx, user, ticket.kind, NOW).await?;
    tickets::open(tx, ticket.kind, NOW, 5).await?;
    tickets::count_try(tx, &ticket.hash, 5, NOW).await?;
    tickets::take(tx, ticket.kind, &ticket.hash, NOW).await?;
    tickets::revoke_of(tx, user, ticket.kind, NOW).await?;
    tickets::forget_before(tx, NOW).await?;
    devices::note(tx, user, &ticket.hash, "browser", NOW).await?;
    devices::is_known(tx, user, &ticket.hash, NOW).await?;
    devices::has_any(tx, user).await?;
    devices::forget_of(tx, user).await?;
    devices::forget_before(tx, NOW).await?;
    let elsewhere = external_identities::ExternalIdentity {
        issuer: "https://id.example".to_owned(),
        subject: "s-1".to_owned(),
        user,
        provider: "main".to_owned(),
        created_at: NOW,
    };
    external_identities::insert(tx, &elsewhere).await?;
    external_identities::find(tx, &elsewhere.issuer, &elsewhere.subject).await?;
    login_failures::count(tx, "index", NOW, NOW).await?;
    login_failures::delay(tx, "index", NOW).await?;
    login_failures::find(tx, "index").await?;
    login_failures::clear(tx, "index").await?;
    login_failures::forget_before(tx, NOW).await?;
    Ok(())
}

async fn factors(tx: &mut Tx) -> Result<(), Error> {
    let user = bed::user("factors");
    users::insert(tx, &user).await?;
    let key = bed::passkey(user.id);
    passkeys::insert(tx, &key).await?;
    passkeys::of_user(tx, user.id).await?;
    passkeys::count(tx, user.id).await?;
    passkeys::find_by_credential(tx, &key.credential_id).await?;
    passkeys::has_way_in(tx, user.id).await?;
    passkeys::shown(tx, &key, "newer", NOW).await?;
    passkeys::rename(tx, user.id, key.id, &[1]).await?;
    passkeys::remove(tx, user.id, key.id).await?;
    totp::begin(tx, user.id, &[1], NOW).await?;
    totp::find(tx, user.id).await?;
    totp::confirm(tx, user.id, &[1], 7, NOW).await?;
    totp::accept_step(tx, user.id, 8).await?;
    totp::remove(tx, user.id).await?;
    recovery_codes::replace(tx, user.id, &["a".to_owned()], NOW).await?;
    recovery_codes::use_up(tx, user.id, "a", NOW).await?;
    recovery_codes::left(tx, user.id).await?;
    factor_failures::count_one(tx, user.id, NOW).await?;
    factor_failures::delay(tx, user.id, NOW).await?;
    factor_failures::find(tx, user.id).await?;
    factor_failures::clear(tx, user.id).await
}

async fn administered(tx: &mut Tx) -> Result<(), Error> {
    people::memberships(tx, LOCAL_USER, LOCAL_USER).await?;
    people::last_seen(tx, LOCAL_USER, LOCAL_USER).await?;
    people::with_second_factor(tx, LOCAL_USER, LOCAL_USER).await?;
    people::member_counts(tx, FIRST_WORKSPACE, FIRST_WORKSPACE).await?;
    let invitation = InvitationId::from_value(fresh());
    invitations::page(tx, NOW, Some((NOW, invitation)), 5).await?;
    invitations::find(tx, invitation, NOW).await?;
    let invited = bed::user("invited");
    users::insert(tx, &invited).await?;
    users::remove_pending(tx, invited.id, NOW).await?;
    Ok(())
}

async fn letters(tx: &mut Tx) -> Result<(), Error> {
    let mail = NewMail {
        id: MailId::from_value(fresh()),
        user: None,
        kind: String::new(),
        letter_sealed: Vec::new(),
        created_at: NOW,
    };
    mails::insert(tx, &mail).await?;
    let taken = mails::take(tx, SYSTEM, NOW, at(1), 5).await?.remove(0);
    mails::later(tx, SYSTEM, &taken, at(2), "").await?;
    mails::give_up(tx, SYSTEM, &taken, "").await?;
    mails::sent(tx, SYSTEM, mail.id, NOW).await?;
    mails::counts(tx, SYSTEM).await?;
    mails::expire_before(tx, NOW).await?;
    mails::forget_before(tx, NOW).await?;
    Ok(())
}

async fn media(tx: &mut Tx, generation: domain::id::GenerationId) -> Result<(), Error> {
    let scope = local();
    let asset = Asset {
        id: AssetId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        generation: Some(generation),
        ordinal: 0,
        role: Role::Output,
        media_type: "image/png".to_owned(),
        width: 1,
        height: 1,
        seconds_micros: None,
        bytes: 1,
        sha256: String::new(),
        blob: "blob".to_owned(),
        hidden: false,
        demo: false,
        created_at: NOW,
        deleted_at: None,
    };
    assets::insert(tx, &asset).await?;
    assets::find(tx, &scope, asset.id).await?;
    assets::of_generation(tx, generation).await?;
    assets::references_to_blob(tx, FIRST_WORKSPACE, "blob").await?;
    assets::all_blobs(tx, SYSTEM, None, 5).await?;
    let upload = Upload {
        id: UploadId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        media_type: "image/png".to_owned(),
        length: 1,
        received: 0,
        asset: None,
        created_at: NOW,
    };
    uploads::insert(tx, &upload).await?;
    uploads::find(tx, &scope, upload.id).await?;
    uploads::advance(tx, upload.id, 0, 1, "part").await?;
    uploads::parts(tx, upload.id).await?;
    uploads::finish(tx, upload.id, asset.id).await?;
    uploads::clear(tx, upload.id).await?;
    assets::mark_deleted(tx, &scope, asset.id, NOW).await?;
    let quote = Quote {
        id: QuoteId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        spec: bed::spec(),
        price: Money::usd(1),
        ceiling: Money::usd(1),
        created_at: NOW,
        expires_at: NOW,
    };
    quotes::insert(tx, &quote).await?;
    quotes::find(tx, &scope, quote.id).await?;
    Ok(())
}

async fn told(tx: &mut Tx, generation: domain::id::GenerationId) -> Result<(), Error> {
    let event = Event {
        id: EventId::from_value(fresh()),
        at: NOW,
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        topic: "t".to_owned(),
        generation,
        state: State::Queued,
        progress: None,
    };
    events::append(tx, &event).await?;
    events::sequence(tx, 5).await?;
    events::after(tx, &local(), 0, 5).await?;
    events::newest_seq(tx).await?;
    events::prune_before(tx, at(1)).await?;
    let entry = Entry {
        id: AuditId::from_value(fresh()),
        at: NOW,
        actor: "system:test".to_owned(),
        workspace: None,
        action: Action::StudioStarted,
        object: "o".to_owned(),
        outcome: "ok".to_owned(),
        request_id: None,
        details: BTreeMap::new(),
    };
    audit::append(tx, &entry).await?;
    audit::unsequenced(tx, 5).await?;
    audit::set_index(tx, &[(entry.id, 0)]).await?;
    audit::put_tiles(tx, &[(0, 0, vec![0; 32])]).await?;
    audit::put_checkpoint(tx, 1, "root", "note", NOW).await?;
    audit::size(tx).await?;
    audit::entries(tx, 0, 5).await?;
    audit::find_index(tx, entry.id).await?;
    Ok(())
}

async fn plan(tx: &mut Tx, sql: &str) -> Result<Vec<String>, Error> {
    let nothing: Vec<Arg<'_>> = (0..40).map(|_| Arg::Null).collect();
    let rows = tx.all(&format!("explain query plan {sql}"), &nothing).await?;
    rows.iter()
        .map(|row| row.text("detail").map(str::to_owned))
        .collect()
}

fn runs_a_plan(sql: &str) -> bool {
    ["select", "update", "delete", "insert"]
        .iter()
        .any(|verb| sql.starts_with(verb))
}

async fn all_plans(tx: &mut Tx, statements: &[String]) -> Result<String, Error> {
    let mut text = String::new();
    for sql in statements {
        writeln!(text, "{sql}").unwrap();
        for step in plan(tx, sql).await? {
            writeln!(text, "    {step}").unwrap();
        }
    }
    Ok(text)
}

async fn statements(db: &Db) -> Vec<String> {
    migrate::apply(db, NOW).await.unwrap();
    db.write("test.everything", |tx| Box::pin(everything(tx)))
        .await
        .unwrap();
    db.probe().await.unwrap();
    db.said().into_iter().filter(|sql| runs_a_plan(sql)).collect()
}

#[test]
fn no_statement_reads_a_whole_table() {
    bed::on_sqlite(|bed| async move {
        let statements = statements(&bed.db).await;
        assert!(statements.len() > 60, "{} statements", statements.len());
        let plans = bed
            .db
            .write::<_, Error, _>("test.plans", move |tx| {
                let statements = statements.clone();
                Box::pin(async move {
                    for sql in &statements {
                        for step in plan(tx, sql).await? {
                            let whole = step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW";
                            let meant = WHOLE.iter().any(|part| sql.contains(part))
                                || SMALL.iter().any(|index| step.ends_with(index));
                            assert!(!whole || meant, "{step}\n  in {sql}");
                        }
                    }
                    all_plans(tx, &statements).await
                })
            })
            .await
            .unwrap();
        insta::assert_snapshot!(plans);
    });
}

/// Indexes that are there for their rule; the contract tests prove the rules.
const RULES: &[&str] = &[
    "assets_output",
    "attempts_external_id",
    "attempts_one_open",
    "events_seq",
    "ledger_once",
];

#[test]
fn without_any_of_the_indexes_plans_are_worse() {
    bed::on_sqlite(|bed| async move {
        let statements = statements(&bed.db).await;
        bed.db
            .write::<(), Error, _>("test.indexes", move |tx| {
                let statements = statements.clone();
                Box::pin(async move {
                    let good = all_plans(tx, &statements).await?;
                    let sql = "select name, sql from sqlite_schema where type = 'index' and sql is not null";
                    let indexes = tx.all(sql, args![]).await?;
                    assert!(indexes.len() > 20);
                    for index in &indexes {
                        let name = index.text("name")?;
                        tx.execute(&format!("drop index {name}"), args![]).await?;
                        let without = all_plans(tx, &statements).await?;
                        assert!(without != good || RULES.contains(&name), "{name} is of no use");
                        tx.execute(index.text("sql")?, args![]).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
    });
}
