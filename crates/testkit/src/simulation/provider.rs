//! The provider: makes what arrives, bills it, and shows it in its list after a while.

use super::random::Random;
use domain::fault::{Fault, FaultKind};
use domain::id::JobId;
use domain::job::{Found, Polled};
use domain::secret::TokenHash;
use domain::time::Time;
use std::time::Duration;

/// One creation.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) job: JobId,
    pub(super) token: TokenHash,
    pub(super) amount: i64,
    visible_at: Time,
    done_at: Time,
    fails: bool,
    cancelled: bool,
}

/// A request that reached the provider.
pub(super) struct Arrival {
    pub(super) job: JobId,
    pub(super) token: TokenHash,
    pub(super) price: i64,
    pub(super) now: Time,
    /// How long the list may lag.
    pub(super) lag: Duration,
    /// It will fail, and not be charged.
    pub(super) fails: bool,
}

pub(super) struct Provider {
    pub(super) made: Vec<Made>,
    pub(super) lists: bool,
    pub(super) cancels: bool,
}

pub(super) fn fault(kind: FaultKind, code: &str) -> Fault {
    Fault::new(kind, code, "A fault of the simulation.")
}

impl Provider {
    /// A request arrived: it is made and billed.
    pub(super) fn make(&mut self, arrival: Arrival, random: &mut Random) -> String {
        let Arrival {
            job,
            token,
            price,
            now,
            lag,
            fails,
        } = arrival;
        let id = format!("made-{}", self.made.len());
        let length = Duration::from_secs(5) + random.up_to(Duration::from_secs(120));
        self.made.push(Made {
            id: id.clone(),
            job,
            token,
            amount: if fails { 0 } else { price },
            visible_at: now.after(random.up_to(lag)),
            done_at: now.after(length),
            fails,
            cancelled: false,
        });
        id
    }

    pub(super) fn poll(&self, id: &str, now: Time) -> Polled {
        let Some(made) = self.made.iter().find(|made| made.id == id) else {
            return Polled::Gone;
        };
        if made.cancelled {
            Polled::Cancelled
        } else if now < made.done_at {
            Polled::Running { progress: None }
        } else if made.fails {
            Polled::Failed {
                fault: fault(FaultKind::Provider, "sim.failed"),
                again: true,
                charged: None,
            }
        } else {
            Polled::Done { cost: None }
        }
    }

    pub(super) fn find(&self, token: &TokenHash, now: Time) -> Found {
        if !self.lists {
            return Found::CannotKnow;
        }
        let shown = self
            .made
            .iter()
            .find(|made| made.token == *token && made.visible_at <= now);
        shown.map_or(Found::NotSeen, |made| Found::Adopted {
            external_id: made.id.clone(),
        })
    }

    /// A running job is stopped and not charged.
    pub(super) fn cancel(&mut self, id: &str, now: Time) {
        if let Some(made) = self
            .made
            .iter_mut()
            .find(|made| made.id == id && now < made.done_at)
        {
            made.cancelled = true;
            made.amount = 0;
        }
    }
}
