//! What a simulated provider remembers, with an optional journal that survives its end.

use super::Clock;
use super::bill::{Bill, Entry};
use super::faults::{Fate, Misdeed, Plan, Route};
use super::files::Upload;
use super::jobs::{Api, Job};
use crate::chance::uuid;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct State {
    pub(super) address: SocketAddr,
    pub(super) plan: Plan,
    clock: Clock,
    memory: Mutex<Memory>,
}

#[derive(Default)]
pub(super) struct Memory {
    pub(super) jobs: Vec<Job>,
    pub(super) uploads: BTreeMap<String, Upload>,
    scripts: BTreeMap<Route, VecDeque<Misdeed>>,
    fates: VecDeque<Fate>,
    hidden: VecDeque<u32>,
    heard: BTreeMap<Route, u64>,
    times: BTreeMap<(Route, String), u64>,
    submissions: Vec<(String, Value)>,
    links: u64,
    journal: Option<File>,
}

/// What a creation is made from.
pub(super) struct Creation<'a> {
    pub(super) api: Api,
    pub(super) video: bool,
    pub(super) model: &'a str,
    pub(super) kind: &'a str,
    pub(super) request: Value,
    pub(super) token: Option<String>,
    pub(super) amount: i64,
    pub(super) failures: &'a [&'static str],
    pub(super) moderated: &'static str,
}

pub(super) fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

impl State {
    pub(super) fn open(
        address: SocketAddr,
        plan: Plan,
        journal: Option<&Path>,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut memory = Memory::default();
        if let Some(path) = journal {
            if path.exists() {
                for line in std::fs::read_to_string(path)?
                    .lines()
                    .filter(|line| !line.is_empty())
                {
                    let job: Job = serde_json::from_str(line).map_err(io::Error::other)?;
                    memory.jobs.push(job);
                }
            }
            memory.journal = Some(std::fs::OpenOptions::new().create(true).append(true).open(path)?);
        }
        Ok(Self {
            address,
            plan,
            clock,
            memory: Mutex::new(memory),
        })
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> String {
        (self.clock)().to_string()
    }

    pub(super) fn bill(&self) -> Bill {
        Bill {
            entries: self.memory().jobs.iter().map(|job| job.entry.clone()).collect(),
        }
    }

    pub(super) fn heard(&self, route: Route) -> u64 {
        self.memory().heard.get(&route).copied().unwrap_or(0)
    }

    pub(super) fn submissions(&self) -> Vec<(String, Value)> {
        self.memory().submissions.clone()
    }

    pub(super) fn script(&self, route: Route, misdeed: Misdeed) {
        self.memory().scripts.entry(route).or_default().push_back(misdeed);
    }

    pub(super) fn next_fate(&self, fate: Fate) {
        self.memory().fates.push_back(fate);
    }

    pub(super) fn next_hidden(&self, looks: u32) {
        self.memory().hidden.push_back(looks);
    }

    pub(super) fn deleted(&self) -> Vec<String> {
        self.memory()
            .jobs
            .iter()
            .filter(|job| job.deleted)
            .map(|job| job.id.clone())
            .collect()
    }

    pub(super) fn files(&self) -> Vec<String> {
        self.memory()
            .uploads
            .iter()
            .filter(|(_, file)| !file.deleted)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// A submission was heard; how it came, and what it suffers.
    pub(super) fn hear_submission(&self, path: &str, body: &Value) -> Option<Misdeed> {
        let prompt = body.get("prompt").and_then(Value::as_str).unwrap_or_default();
        let key = hash(prompt);
        self.memory().submissions.push((path.to_owned(), body.clone()));
        self.hear(Route::Submit, &key)
    }

    /// A request was heard; what it suffers.
    pub(super) fn hear(&self, route: Route, key: &str) -> Option<Misdeed> {
        let mut memory = self.memory();
        *memory.heard.entry(route).or_default() += 1;
        if let Some(scripted) = memory.scripts.get_mut(&route).and_then(VecDeque::pop_front) {
            return Some(scripted);
        }
        let nth = memory.times.entry((route, key.to_owned())).or_default();
        *nth += 1;
        self.plan.misdeed(route, key, *nth)
    }

    /// Makes a job and writes it on the bill.
    pub(super) fn create(&self, creation: Creation<'_>) -> Job {
        let now = self.now();
        let mut memory = self.memory();
        let id = uuid(self.plan.seed, &["job", &memory.jobs.len().to_string()]);
        let prompt = creation
            .request
            .get("prompt")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let entry = Entry {
            external_id: id.clone(),
            token: creation.token,
            prompt_hash: hash(prompt),
            amount: creation.amount,
            billed_at: now.clone(),
        };
        let drawn = self.plan.fate(&id, creation.failures, creation.moderated);
        let fate = memory.fates.pop_front().unwrap_or(drawn);
        let hidden = memory
            .hidden
            .pop_front()
            .unwrap_or_else(|| self.plan.hidden_of(&id));
        let job = Job {
            looks_needed: self.plan.looks_of(&id),
            id,
            api: creation.api,
            video: creation.video,
            model: creation.model.to_owned(),
            kind: creation.kind.to_owned(),
            created_at: now,
            request: creation.request,
            failure: None,
            empty: false,
            hangs: false,
            looks: 0,
            hidden,
            deleted: false,
            entry,
        }
        .with_fate(fate);
        if let Some(journal) = &mut memory.journal {
            // A simulator that cannot keep its journal must not go on: its bill would be wrong.
            let line = serde_json::to_string(&job).unwrap_or_default();
            if writeln!(journal, "{line}")
                .and_then(|()| journal.sync_data())
                .is_err()
            {
                std::process::abort();
            }
        }
        memory.jobs.push(job.clone());
        job
    }

    /// A look at a job moves it on.
    pub(super) fn look(&self, api: Api, id: &str) -> Option<Job> {
        let mut memory = self.memory();
        let job = memory
            .jobs
            .iter_mut()
            .find(|job| job.id == id && job.api == api && !job.deleted)?;
        job.looks = job.looks.saturating_add(1);
        Some(job.clone())
    }

    pub(super) fn job(&self, id: &str) -> Option<Job> {
        self.memory()
            .jobs
            .iter()
            .find(|job| job.id == id && !job.deleted)
            .cloned()
    }

    /// The job is finished now, whatever number of looks it had.
    pub(super) fn finish(&self, id: &str) {
        if let Some(job) = self.memory().jobs.iter_mut().find(|job| job.id == id) {
            job.looks = job.looks.max(job.looks_needed);
        }
    }

    pub(super) fn delete(&self, api: Api, id: &str) -> bool {
        let mut memory = self.memory();
        let job = memory
            .jobs
            .iter_mut()
            .find(|job| job.id == id && job.api == api && !job.deleted);
        job.is_some_and(|job| {
            job.deleted = true;
            true
        })
    }

    /// A link to a job's result: another one each time.
    pub(super) fn link(&self, id: &str) -> String {
        let mut memory = self.memory();
        memory.links += 1;
        let signature = uuid(self.plan.seed, &["link", id, &memory.links.to_string()]);
        format!(
            "http://{}/objects/{id}?X-Sig={signature}&X-Expires=3600",
            self.address
        )
    }
}
