//! Compares the studio's books with the providers' bill.

use domain::generation::State;
use domain::job::{AttemptState, JobState};
use domain::ledger::Posting;
use domain::secret::TokenHash;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use store::Row;
use testkit::sim::Bill;

/// The provider that can list what it made.
const LISTS: &str = "luma-dream-machine";

#[derive(Clone)]
pub(super) struct Generation {
    id: String,
    state: State,
    has_reason: bool,
}

#[derive(Clone)]
pub(super) struct Job {
    id: String,
    generation: String,
    ordinal: i64,
    state: JobState,
    captured: i64,
}

#[derive(Clone)]
pub(super) struct Attempt {
    id: String,
    job: String,
    provider: String,
    state: AttemptState,
    token_hash: String,
    external_id: Option<String>,
}

#[derive(Clone)]
pub(super) struct Line {
    job: String,
    attempt: Option<String>,
    posting: Posting,
    amount: i64,
}

/// What the database holds.
#[derive(Clone)]
pub(super) struct Books {
    generations: Vec<Generation>,
    jobs: Vec<Job>,
    pub(super) attempts: Vec<Attempt>,
    lines: Vec<Line>,
    outputs: BTreeSet<(String, i64)>,
}

impl Books {
    /// Reads them from the file of a studio that does not run.
    pub(super) fn read(path: &Path) -> Self {
        let config = store::Config {
            url: None,
            sqlite_path: path.to_owned(),
            read_connections: 1,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let db = store::Db::open(&config).await.unwrap();
            let books = db
                .read("chaos.books", |read| {
                    Box::pin(async move {
                        let mut rows = Vec::new();
                        for sql in [
                            "select id, state, fault from generations",
                            "select id, generation, ordinal, state, captured_micros from jobs",
                            "select id, job, provider, state, token_hash, external_id from attempts",
                            "select job, attempt, posting, amount_micros from ledger",
                            "select generation, ordinal from assets where role = 'output'",
                        ] {
                            rows.push(read.all(sql, store::args![]).await?);
                        }
                        let [generations, jobs, attempts, lines, outputs] = rows.as_slice() else {
                            panic!("five tables");
                        };
                        Ok::<_, store::Error>(Self {
                            generations: each(generations, generation)?,
                            jobs: each(jobs, job)?,
                            attempts: each(attempts, attempt)?,
                            lines: each(lines, line)?,
                            outputs: each(outputs, |row| {
                                Ok((row.text("generation")?.to_owned(), row.int("ordinal")?))
                            })?
                            .into_iter()
                            .collect(),
                        })
                    })
                })
                .await
                .unwrap();
            db.close().await;
            books
        })
    }
}

fn each<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, store::Error>) -> Result<Vec<T>, store::Error> {
    rows.iter().map(read).collect()
}

fn generation(row: &Row) -> Result<Generation, store::Error> {
    Ok(Generation {
        id: row.text("id")?.to_owned(),
        state: row.parsed("state")?,
        has_reason: row.opt_text("fault")?.is_some(),
    })
}

fn job(row: &Row) -> Result<Job, store::Error> {
    Ok(Job {
        id: row.text("id")?.to_owned(),
        generation: row.text("generation")?.to_owned(),
        ordinal: row.int("ordinal")?,
        state: row.parsed("state")?,
        captured: row.int("captured_micros")?,
    })
}

fn attempt(row: &Row) -> Result<Attempt, store::Error> {
    Ok(Attempt {
        id: row.text("id")?.to_owned(),
        job: row.text("job")?.to_owned(),
        provider: row.text("provider")?.to_owned(),
        state: row.parsed("state")?,
        token_hash: row.text("token_hash")?.to_owned(),
        external_id: row.opt_text("external_id")?.map(str::to_owned),
    })
}

fn line(row: &Row) -> Result<Line, store::Error> {
    Ok(Line {
        job: row.text("job")?.to_owned(),
        attempt: row.opt_text("attempt")?.map(str::to_owned),
        posting: row.parsed("posting")?,
        amount: row.int("amount_micros")?,
    })
}

/// What was found.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) violations: Vec<String>,
    generations: BTreeMap<String, usize>,
    attempts: BTreeMap<String, usize>,
    creations: usize,
    charged: usize,
    due: i64,
    captured: i64,
    possible_loss: i64,
    twice: usize,
    lost: usize,
}

impl Verdict {
    /// How many attempts ended so.
    pub(super) fn attempts(&self, state: AttemptState) -> usize {
        self.attempts.get(state.as_str()).copied().unwrap_or(0)
    }

    /// The counts for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let by = |counts: &BTreeMap<String, usize>| {
            let each: Vec<String> = counts.iter().map(|(state, n)| format!("{state} {n}")).collect();
            each.join(", ")
        };
        vec![
            format!("generations: {}", by(&self.generations)),
            format!("attempts: {}", by(&self.attempts)),
            format!(
                "bill: {} creations, {} charged, {} micro-dollars; ledger: {} captured, {} possible loss",
                self.creations, self.charged, self.due, self.captured, self.possible_loss
            ),
            format!("billed twice {}, lost {}", self.twice, self.lost),
        ]
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) -> bool {
        if !holds {
            self.violations.push(what());
        }
        holds
    }
}

/// The attempt that a creation on the bill belongs to. Dream Machine echoes the token, the Agents API a
/// request id made of the beginning of the token's hash.
fn owner<'a>(attempts: &'a [Attempt], token: &str) -> Option<&'a Attempt> {
    let hash = TokenHash::of(token);
    let digits = token.replace('-', "");
    let mut owners = attempts.iter().filter(|a| {
        a.token_hash == hash.as_str() || (digits.len() == 32 && a.token_hash.starts_with(&digits))
    });
    let first = owners.next()?;
    owners.next().is_none().then_some(first)
}

/// Every rule that the books must keep towards the bill.
pub(super) fn judge(books: &Books, accepted: &BTreeSet<String>, bill: &Bill) -> Verdict {
    let mut verdict = Verdict::default();
    nothing_is_lost(books, accepted, &mut verdict);
    nothing_is_billed_twice(books, bill, &mut verdict);
    holds_come_out_even(books, &mut verdict);
    verdict
}

fn nothing_is_lost(books: &Books, accepted: &BTreeSet<String>, verdict: &mut Verdict) {
    let known: BTreeSet<String> = books.generations.iter().map(|g| g.id.clone()).collect();
    for id in accepted.difference(&known) {
        verdict.lost += 1;
        verdict
            .violations
            .push(format!("{id} was accepted and is not there"));
    }
    for id in known.difference(accepted) {
        verdict
            .violations
            .push(format!("{id} is there and was told to nobody"));
    }
    for generation in &books.generations {
        let Generation {
            id,
            state,
            has_reason,
        } = generation;
        *verdict.generations.entry(state.to_string()).or_default() += 1;
        let ended = verdict.require(state.is_final(), || format!("{id} is still {state}"));
        verdict.lost += usize::from(!ended);
        let reason = *state == State::Succeeded || *has_reason;
        verdict.require(reason, || format!("{id} is {state} without a reason"));
        let has_jobs = books.jobs.iter().any(|job| job.generation == *id);
        verdict.require(has_jobs, || format!("{id} has no job"));
    }
    for job in &books.jobs {
        let Job { id, state, .. } = job;
        verdict.require(state.is_final(), || format!("{id} is still {state}"));
        let stored = books.outputs.contains(&(job.generation.clone(), job.ordinal));
        verdict.require(stored || *state != JobState::Succeeded, || {
            format!("{id} succeeded without an output")
        });
    }
    for attempt in &books.attempts {
        let Attempt { id, state, .. } = attempt;
        *verdict.attempts.entry(state.to_string()).or_default() += 1;
        verdict.require(!state.is_open(), || format!("{id} is still {state}"));
    }
}

fn nothing_is_billed_twice(books: &Books, bill: &Bill, verdict: &mut Verdict) {
    let booked = |posting: Posting, attempt: &Attempt| -> Vec<i64> {
        let of = |line: &&Line| line.posting == posting && line.attempt.as_deref() == Some(&attempt.id);
        books.lines.iter().filter(of).map(|line| line.amount).collect()
    };
    let mut due: BTreeMap<&str, i64> = BTreeMap::new();
    let mut charged_jobs: BTreeMap<&str, usize> = BTreeMap::new();
    verdict.creations = bill.entries.len();
    verdict.due = bill.total();
    for entry in &bill.entries {
        let created = &entry.external_id;
        let Some(attempt) = owner(&books.attempts, entry.token.as_deref().unwrap_or_default()) else {
            verdict
                .violations
                .push(format!("{created} belongs to no attempt, or to several"));
            continue;
        };
        let Attempt {
            id, job, provider, ..
        } = attempt;
        verdict.require(due.insert(id, entry.amount).is_none(), || {
            format!("{id} created more than once")
        });
        let adopted = attempt.external_id.as_ref().is_none_or(|known| known == created);
        verdict.require(adopted, || {
            format!("{id} took another creation than its own for its own")
        });
        let captured = booked(Posting::Capture, attempt);
        let feared = booked(Posting::PossibleLoss, attempt);
        if entry.amount > 0 {
            verdict.charged += 1;
            let times = charged_jobs.entry(job).or_default();
            *times += 1;
            if *times > 1 {
                verdict.twice += 1;
                verdict.violations.push(format!("{job} was billed {times} times"));
            }
            let told =
                captured == [entry.amount] || (provider != LISTS && captured.is_empty() && feared.len() == 1);
            verdict.require(told, || {
                format!(
                    "{id} at {provider} cost {}; captured {captured:?}, feared {feared:?}",
                    entry.amount
                )
            });
        }
    }
    for attempt in &books.attempts {
        let Attempt {
            id, provider, state, ..
        } = attempt;
        let billed = due.get(id.as_str()).copied();
        let captured: i64 = booked(Posting::Capture, attempt).iter().sum();
        verdict.captured += captured;
        verdict.possible_loss += booked(Posting::PossibleLoss, attempt).iter().sum::<i64>();
        verdict.require(captured <= billed.unwrap_or(0), || {
            format!("{id} captured {captured} and was billed {billed:?}")
        });
        let excluded = matches!(state, AttemptState::Rejected | AttemptState::NotCreated);
        verdict.require(!excluded || billed.is_none(), || {
            format!("{id} is {state}, and it was created")
        });
        let clear = provider != LISTS || *state != AttemptState::PossibleLoss;
        verdict.require(clear, || format!("{id} could be listed and ended as {state}"));
    }
}

fn holds_come_out_even(books: &Books, verdict: &mut Verdict) {
    for job in &books.jobs {
        let sum = |posting| -> i64 {
            let of = |line: &&Line| line.job == job.id && line.posting == posting;
            books.lines.iter().filter(of).map(|line| line.amount).sum()
        };
        let (held, captured, released) = (sum(Posting::Hold), sum(Posting::Capture), sum(Posting::Release));
        let even = held > 0 && held == captured + released && captured == job.captured;
        verdict.require(even, || {
            format!(
                "{}: held {held}, captured {captured} ({} by its row), released {released}",
                job.id, job.captured
            )
        });
    }
}

/// An oracle that overlooks something proves nothing: each kind of wrong books is found.
#[cfg(test)]
mod tests {
    use super::*;
    use testkit::sim::Entry;

    const TOKEN: &str = "token";

    fn line(attempt: Option<&str>, job: &str, posting: Posting, amount: i64) -> Line {
        Line {
            job: job.to_owned(),
            attempt: attempt.map(str::to_owned),
            posting,
            amount,
        }
    }

    /// One generation that was made and paid at the list-able provider, one that may have been at the other.
    fn clean() -> (Books, BTreeSet<String>, Bill) {
        let hash = TokenHash::of(TOKEN).as_str().to_owned();
        let generation = |id: &str, state, has_reason| Generation {
            id: id.to_owned(),
            state,
            has_reason,
        };
        let job = |id: &str, generation: &str, state, captured| Job {
            id: id.to_owned(),
            generation: generation.to_owned(),
            ordinal: 0,
            state,
            captured,
        };
        let attempt =
            |id: &str, job: &str, provider: &str, state, token_hash: &str, external: Option<&str>| Attempt {
                id: id.to_owned(),
                job: job.to_owned(),
                provider: provider.to_owned(),
                state,
                token_hash: token_hash.to_owned(),
                external_id: external.map(str::to_owned),
            };
        let other = "0123456789abcdef0123456789abcdef";
        let books = Books {
            generations: vec![
                generation("g1", State::Succeeded, false),
                generation("g2", State::NeedsAttention, true),
            ],
            jobs: vec![
                job("j1", "g1", JobState::Succeeded, 7),
                job("j2", "g2", JobState::NeedsAttention, 0),
            ],
            attempts: vec![
                attempt("a1", "j1", LISTS, AttemptState::Succeeded, &hash, Some("x1")),
                attempt(
                    "a2",
                    "j2",
                    "luma",
                    AttemptState::PossibleLoss,
                    &format!("{other}ff"),
                    None,
                ),
            ],
            lines: vec![
                line(None, "j1", Posting::Hold, 9),
                line(Some("a1"), "j1", Posting::Capture, 7),
                line(None, "j1", Posting::Release, 2),
                line(None, "j2", Posting::Hold, 9),
                line(Some("a2"), "j2", Posting::PossibleLoss, 9),
                line(None, "j2", Posting::Release, 9),
            ],
            outputs: BTreeSet::from([("g1".to_owned(), 0)]),
        };
        let entry = |external_id: &str, token: &str, amount| Entry {
            external_id: external_id.to_owned(),
            token: Some(token.to_owned()),
            prompt_hash: String::new(),
            amount,
            billed_at: String::new(),
        };
        let request_id = "01234567-89ab-cdef-0123-456789abcdef";
        let bill = Bill {
            entries: vec![entry("x1", TOKEN, 7), entry("x2", request_id, 9)],
        };
        (books, BTreeSet::from(["g1".to_owned(), "g2".to_owned()]), bill)
    }

    #[test]
    fn good_books_pass_and_every_kind_of_wrong_ones_is_found() {
        let (books, accepted, bill) = clean();
        assert_eq!(judge(&books, &accepted, &bill).violations, Vec::<String>::new());
        type Damage = fn(&mut Books, &mut BTreeSet<String>, &mut Bill);
        let cases: [(&str, Damage); 12] = [
            ("was accepted and is not there", |_, told, _| {
                _ = told.insert("g3".to_owned());
            }),
            ("told to nobody", |_, told, _| _ = told.remove("g2")),
            ("is still running", |books, _, _| {
                books.generations[0].state = State::Running;
            }),
            ("without a reason", |books, _, _| {
                books.generations[1].has_reason = false;
            }),
            ("without an output", |books, _, _| books.outputs.clear()),
            ("is still unknown", |books, _, _| {
                books.attempts[1].state = AttemptState::Unknown;
            }),
            ("belongs to no attempt", |_, _, bill| bill.entries[0].token = None),
            ("created more than once", |_, _, bill| {
                bill.entries.push(bill.entries[0].clone());
            }),
            ("another creation than its own", |books, _, _| {
                books.attempts[0].external_id = Some("x9".to_owned());
            }),
            ("was billed 2 times", |books, _, _| {
                books.attempts[1].job = "j1".to_owned();
            }),
            ("captured 7 and was billed", |_, _, bill| {
                _ = bill.entries.remove(0);
            }),
            ("held 9, captured 7", |books, _, _| books.lines[2].amount = 3),
        ];
        for (found, damage) in cases {
            let (mut books, mut accepted, mut bill) = clean();
            damage(&mut books, &mut accepted, &mut bill);
            let violations = judge(&books, &accepted, &bill).violations;
            assert!(
                violations.iter().any(|v| v.contains(found)),
                "{found}: {violations:?}"
            );
        }
        let (mut books, accepted, bill) = clean();
        books.attempts[0].state = AttemptState::NotCreated;
        books.lines.retain(|line| line.posting != Posting::Capture);
        let violations = judge(&books, &accepted, &bill).violations;
        for found in ["and it was created", "cost 7; captured []"] {
            assert!(
                violations.iter().any(|v| v.contains(found)),
                "{found}: {violations:?}"
            );
        }
    }
}
