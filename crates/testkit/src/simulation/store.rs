//! The store: jobs, attempts, ledger, and the rules that the real one enforces in its transactions.

use super::Guards;
use domain::id::{AttemptId, JobId};
use domain::job::{Attempt, Change, Job};
use domain::ledger::Posting;
use std::collections::BTreeMap;

/// A write that the store refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// The job is no longer what the write was computed from.
    Fenced,
    /// It would have been a second open attempt.
    SecondAttempt,
    /// The ledger has this line already.
    BookedTwice,
}

pub(super) struct Store {
    pub(super) jobs: Vec<Job>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    pub(super) ledger: BTreeMap<(JobId, Option<AttemptId>, &'static str), i64>,
    /// Jobs that had ended and were changed nevertheless.
    pub(super) reopened: Vec<JobId>,
    guards: Guards,
}

impl Store {
    pub(super) const fn new(guards: Guards) -> Self {
        Self {
            jobs: Vec::new(),
            attempts: BTreeMap::new(),
            ledger: BTreeMap::new(),
            reopened: Vec::new(),
            guards,
        }
    }

    pub(super) fn add(&mut self, change: Change) {
        let id = change.job.id;
        for booking in &change.bookings {
            self.ledger.insert(
                (id, booking.attempt, booking.posting.as_str()),
                booking.amount.micros,
            );
        }
        self.jobs.push(change.job);
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    pub(super) fn newest(&self, job: JobId) -> Option<&Attempt> {
        self.attempts
            .values()
            .filter(|attempt| attempt.job == job)
            .max_by_key(|attempt| attempt.number)
    }

    /// Writes a change that was computed from `read`. `unseen` is a write whose check of the fence ran
    /// before a rival's commit (weak isolation); indexes see every commit all the same.
    pub(super) fn apply(&mut self, read: &Job, change: Change, unseen: bool) -> Result<(), Refused> {
        let id = change.job.id;
        let Some(at) = self.jobs.iter().position(|job| job.id == id) else {
            return Err(Refused::Fenced);
        };
        let current = &self.jobs[at];
        let same = current.epoch == read.epoch && current.state == read.state;
        if self.guards.fence && !unseen && !same {
            return Err(Refused::Fenced);
        }
        if let Some(attempt) = change.attempt.as_ref().filter(|attempt| attempt.state.is_open()) {
            let other = |a: &&Attempt| a.job == id && a.id != attempt.id && a.state.is_open();
            if self.guards.one_open_attempt && self.attempts.values().any(|a| other(&a)) {
                return Err(Refused::SecondAttempt);
            }
        }
        let key = |posting: Posting, attempt| (id, attempt, posting.as_str());
        if change
            .bookings
            .iter()
            .any(|b| self.ledger.contains_key(&key(b.posting, b.attempt)))
        {
            return Err(Refused::BookedTwice);
        }
        for booking in &change.bookings {
            self.ledger
                .insert(key(booking.posting, booking.attempt), booking.amount.micros);
        }
        if current.state.is_final() && change.job.state != current.state {
            self.reopened.push(id);
        }
        let wished = current.cancel_requested_at;
        let mut job = change.job;
        // A wish to cancel that came while the write was computed is not undone by it.
        job.cancel_requested_at = job.cancel_requested_at.or(wished);
        self.jobs[at] = job;
        if let Some(attempt) = change.attempt {
            self.attempts.insert(attempt.id, attempt);
        }
        Ok(())
    }

    /// What a job's ledger says under one posting.
    pub(super) fn sum(&self, job: JobId, posting: Posting) -> i64 {
        let mine = self
            .ledger
            .iter()
            .filter(|((id, _, word), _)| *id == job && *word == posting.as_str());
        mine.map(|(_, amount)| amount).sum()
    }

    pub(super) fn open_attempts(&self, job: JobId) -> usize {
        self.attempts
            .values()
            .filter(|a| a.job == job && a.state.is_open())
            .count()
    }
}
