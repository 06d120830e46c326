//! Who leaves a workspace or the studio: the last administrator does not, and nobody goes on spending.

use crate::bed::{Bed, START};
use crate::login::{PASSWORD, account, log_in, word};
use app::catalogue::Catalogue;
use app::clock::Clock;
use app::generations::NewGeneration;
use app::identity::people::{PeopleError, PersonChange};
use app::settings::Settings;
use app::{Parts, Studio};
use async_trait::async_trait;
use domain::actor::{Actor, FIRST_WORKSPACE, Via};
use domain::capability::{
    Ability, Card, Correlation, DataHandling, Model, ModelId, Polling, Price, ProviderName, Verdict,
};
use domain::fault::{Fault, FaultKind};
use domain::generation::{Aspect, Kind, Operation};
use domain::id::{UserId, WorkspaceId};
use domain::identity::Role;
use domain::job::{Found, Polled, Submitted};
use domain::secret::{AttemptToken, Prompt};
use providers::{AttemptRef, Call, Erased, Lost, MediaStream, Probe, Provider, RemoteJob, RemoteOutput};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Runs an `async fn name(bed: Bed)` once on each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(crate::bed::Bed::with(crate::login::with_mail).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(bed) = crate::bed::Bed::on_postgres(crate::login::with_mail).await {
                    super::$name(bed).await;
                }
            }
        }
    )*};
}

on_both!(
    the_last_administrator_keeps_a_place_to_log_in,
    who_looks_after_a_workspace_has_no_say_over_an_administrator,
    of_many_that_leave_at_once_one_administrator_is_left,
    what_a_closed_account_had_in_the_queue_is_never_submitted,
    what_a_removed_member_had_in_the_queue_there_is_never_submitted,
);

fn acting(user: UserId, workspace: WorkspaceId, role: Role, installation: Role) -> Actor {
    Actor::authenticated(user, workspace, role, installation, Via::Machine)
}

fn boss(user: UserId) -> Actor {
    acting(user, FIRST_WORKSPACE, Role::Admin, Role::Admin)
}

async fn workspace(bed: &Bed, actor: &Actor) -> WorkspaceId {
    bed.studio
        .create_workspace(actor, "Cinema", None)
        .await
        .unwrap()
        .id
}

fn last<T: std::fmt::Debug>(result: &Result<T, PeopleError>) {
    assert!(
        matches!(result, Err(PeopleError::LastAdministrator)),
        "{result:?}"
    );
}

fn not_here(result: &Result<(), PeopleError>) {
    assert!(matches!(result, Err(PeopleError::NotFound)), "{result:?}");
}

async fn the_last_administrator_keeps_a_place_to_log_in(bed: Bed) {
    let admin = account(&bed, "boss@example.org", Role::Admin).await;
    let actor = boss(admin);
    let mine = (admin, Role::User);
    bed.studio
        .change_member(&actor, FIRST_WORKSPACE, (admin, Role::Admin), None)
        .await
        .unwrap();
    last(
        &bed.studio
            .remove_member(&actor, FIRST_WORKSPACE, admin, None)
            .await,
    );
    last(
        &bed.studio
            .change_member(&actor, FIRST_WORKSPACE, mine, None)
            .await,
    );
    assert_eq!(
        word(&log_in(&bed.studio, "boss@example.org", PASSWORD).await),
        "in"
    );

    // Somebody who has the role and cannot get in is no other administrator: without a password, without a
    // membership.
    let powerless = bed.person(None).await;
    let change = PersonChange {
        role: Some(Role::Admin),
        open: None,
    };
    bed.studio
        .change_person(&actor, powerless, change, None)
        .await
        .unwrap();
    let lost = account(&bed, "lost@example.org", Role::Admin).await;
    bed.studio
        .remove_member(&actor, FIRST_WORKSPACE, lost, None)
        .await
        .unwrap();
    last(
        &bed.studio
            .remove_member(&actor, FIRST_WORKSPACE, admin, None)
            .await,
    );
    let step_down = PersonChange {
        role: Some(Role::User),
        open: None,
    };
    last(&bed.studio.change_person(&actor, admin, step_down, None).await);

    // With a second membership the first may go, and with a second administrator both.
    let place = workspace(&bed, &actor).await;
    bed.studio
        .remove_member(&actor, FIRST_WORKSPACE, admin, None)
        .await
        .unwrap();
    last(&bed.studio.remove_member(&actor, place, admin, None).await);
    account(&bed, "other@example.org", Role::Admin).await;
    bed.studio.change_member(&actor, place, mine, None).await.unwrap();
    bed.studio
        .remove_member(&actor, place, admin, None)
        .await
        .unwrap();
    assert_eq!(
        word(&log_in(&bed.studio, "other@example.org", PASSWORD).await),
        "in"
    );
}

async fn who_looks_after_a_workspace_has_no_say_over_an_administrator(bed: Bed) {
    let admin = account(&bed, "boss@example.org", Role::Admin).await;
    account(&bed, "other@example.org", Role::Admin).await;
    bed.studio
        .change_member(&boss(admin), FIRST_WORKSPACE, (admin, Role::Admin), None)
        .await
        .unwrap();
    let eve = bed.person(None).await;
    let eve = acting(eve, FIRST_WORKSPACE, Role::Admin, Role::User);
    not_here(&bed.studio.remove_member(&eve, FIRST_WORKSPACE, admin, None).await);
    not_here(
        &bed.studio
            .change_member(&eve, FIRST_WORKSPACE, (admin, Role::User), None)
            .await,
    );
    let all = bed.studio.members(&eve, FIRST_WORKSPACE, None, 10).await.unwrap();
    let kept = all.items.iter().find(|member| member.user == admin).unwrap();
    assert_eq!(kept.role, Role::Admin);
    assert_eq!(
        word(&log_in(&bed.studio, "boss@example.org", PASSWORD).await),
        "in"
    );
    bed.studio
        .remove_member(&boss(admin), FIRST_WORKSPACE, admin, None)
        .await
        .unwrap();
}

async fn of_many_that_leave_at_once_one_administrator_is_left(bed: Bed) {
    let mut all = Vec::new();
    for number in 0..4 {
        all.push(account(&bed, &format!("admin{number}@example.org"), Role::Admin).await);
    }
    let studios = [Arc::clone(&bed.studio), bed.another()];
    let mut tries = Vec::new();
    for (place, id) in all.iter().copied().enumerate() {
        let studio = Arc::clone(&studios[place % 2]);
        tries.push(tokio::spawn(async move {
            studio.remove_member(&boss(id), FIRST_WORKSPACE, id, None).await
        }));
    }
    let mut kept = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(()) => {}
            Err(PeopleError::LastAdministrator) => kept += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let left =
        "select count(*) as n from members where user_id in (select id from users where role = 'admin')";
    assert_eq!((kept, bed.number(left).await), (1, 1));
}

/// A provider that counts what it is sent and makes nothing of it.
struct Counting {
    card: Card,
    sent: Arc<AtomicU64>,
}

fn card() -> Card {
    Card {
        name: ProviderName("counting".to_owned()),
        title: "Counting".to_owned(),
        models: vec![Model {
            id: ModelId("counting-1".to_owned()),
            title: "Counting".to_owned(),
            demo: true,
            abilities: vec![Ability {
                kind: Kind::Image,
                operation: Operation::Create,
                sizes: vec![(256, 256)],
                aspects: vec![Aspect::Square],
                resolutions: Vec::new(),
                seconds: Vec::new(),
                references: Vec::new(),
                required: Vec::new(),
                price: Price::free("for tests", "2026-11-22"),
            }],
            min_prompt_chars: 1,
            max_prompt_chars: 500,
            seed: true,
            looping: false,
        }],
        handling: DataHandling {
            country: "local".to_owned(),
            retention: "none".to_owned(),
            training: "never".to_owned(),
            verdict: Verdict::Local,
        },
        correlation: Correlation::Local,
        cancel: true,
        polling: Polling {
            image_first: Duration::from_secs(1),
            video_first: Duration::from_secs(1),
            image_every: Duration::from_secs(1),
            video_every: Duration::from_secs(1),
        },
        settle: Duration::ZERO,
        max_concurrent: 10,
    }
}

#[async_trait]
impl Provider for Counting {
    fn card(&self) -> &Card {
        &self.card
    }

    async fn submit(&self, _: &Call, _: &AttemptToken) -> Submitted {
        self.sent.fetch_add(1, Ordering::SeqCst);
        Submitted::Rejected {
            fault: Fault::new(FaultKind::Provider, "provider.failed", "It makes nothing."),
            again: false,
            retry_after: None,
        }
    }

    async fn poll(&self, _: &RemoteJob) -> Polled {
        Polled::Gone
    }

    async fn outputs(&self, _: &RemoteJob) -> Result<Vec<RemoteOutput>, Lost> {
        Err(Lost::Gone)
    }

    async fn fetch(&self, _: &RemoteOutput) -> Result<MediaStream, Lost> {
        Err(Lost::Gone)
    }

    async fn reconcile(&self, _: &AttemptRef) -> Found {
        Found::NotCreated
    }

    async fn cancel(&self, _: &RemoteJob) -> bool {
        true
    }

    async fn erase(&self, _: &RemoteJob) -> Erased {
        Erased::NotOffered
    }

    async fn probe(&self) -> Probe {
        Probe::Ok { balance: None }
    }
}

/// A process on the data of the bed that can make pictures, and how many it was sent.
struct Line {
    studio: Arc<Studio>,
    sent: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn over(bed: &Bed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let provider = Counting {
            card: card(),
            sent: Arc::clone(&sent),
        };
        let made = Studio::new(Parts {
            db: bed.db.clone(),
            vault: vault::Vault::in_folder(folder.path(), Arc::clone(&bed.keys))
                .await
                .unwrap(),
            keys: Arc::clone(&bed.keys),
            catalogue: Catalogue::new(vec![Arc::new(provider)], Vec::new()),
            media: media::MediaWorker::new("/nonexistent".into(), Vec::new()),
            clock: Clock::Fixed(Arc::new(AtomicI64::new(START.micros()))),
            settings: Settings::default(),
        });
        Self {
            studio: made.unwrap_or_else(|error| panic!("{error}")),
            sent,
            _folder: folder,
        }
    }

    /// Somebody asks for two pictures.
    async fn ask(&self, user: UserId, workspace: WorkspaceId) {
        let actor = acting(user, workspace, Role::User, Role::User);
        let wish = NewGeneration {
            kind: Kind::Image,
            operation: None,
            prompt: Prompt::new("a cat on a roof".to_owned()),
            model: None,
            provider: None,
            size: None,
            aspect: None,
            resolution: None,
            seconds: None,
            seed: None,
            count: 2,
            references: Vec::new(),
            looping: false,
            purpose: None,
            quote: None,
        };
        self.studio.submit(&actor, &wish, None, None).await.unwrap();
    }

    /// Works until nothing is due; tells how many were sent.
    async fn work(&self) -> u64 {
        while self.studio.work_once().await > 0 {}
        self.sent.load(Ordering::SeqCst)
    }
}

const CANCELLED: &str = "select count(*) as n from generations where state = 'cancelled'";
const WISHES: &str = "select count(*) as n from audit_entries where action = 'generation.cancel_requested'";

async fn what_a_closed_account_had_in_the_queue_is_never_submitted(bed: Bed) {
    let admin = account(&bed, "boss@example.org", Role::Admin).await;
    let (ana, bia) = (bed.person(None).await, bed.person(None).await);
    let line = Line::over(&bed).await;
    line.ask(ana, FIRST_WORKSPACE).await;
    line.ask(ana, FIRST_WORKSPACE).await;
    line.ask(bia, FIRST_WORKSPACE).await;
    let close = PersonChange {
        role: None,
        open: Some(false),
    };
    bed.studio
        .change_person(&boss(admin), ana, close, None)
        .await
        .unwrap();
    assert_eq!((bed.number(CANCELLED).await, bed.number(WISHES).await), (2, 2));
    assert_eq!(line.work().await, 2, "only what the other one asked for");
    assert_eq!(bed.number(CANCELLED).await, 2);
}

async fn what_a_removed_member_had_in_the_queue_there_is_never_submitted(bed: Bed) {
    let admin = account(&bed, "boss@example.org", Role::Admin).await;
    let actor = boss(admin);
    let place = workspace(&bed, &actor).await;
    let ana = bed.person(None).await;
    bed.studio
        .add_member(&actor, place, (ana, Role::User), None)
        .await
        .unwrap();
    let line = Line::over(&bed).await;
    line.ask(ana, place).await;
    line.ask(ana, FIRST_WORKSPACE).await;
    line.ask(admin, place).await;
    bed.studio.remove_member(&actor, place, ana, None).await.unwrap();
    assert_eq!((bed.number(CANCELLED).await, bed.number(WISHES).await), (1, 1));
    assert_eq!(line.work().await, 4, "what was asked for elsewhere and by others");
    assert_eq!(bed.number(CANCELLED).await, 1);
}
