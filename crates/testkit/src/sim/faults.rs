//! What goes wrong, by script or by seeded chance.

use crate::chance::draw;
use std::time::Duration;

/// Which requests a fault is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Route {
    /// A paid creation.
    Submit,
    /// A look at one generation.
    Poll,
    /// A look at the list.
    List,
    /// A download of a result.
    Output,
    /// Uploading, looking at, deleting a file.
    Files,
    /// Deleting a generation.
    Delete,
    /// Balance, ping, concepts.
    Account,
}

/// What a request suffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misdeed {
    /// 429 with this `Retry-After` in seconds; nothing done.
    Throttle(u32),
    /// 429 "Too many concurrent jobs"; nothing done.
    TooMany,
    /// This status with the documented error body; nothing done.
    Status(u16),
    /// This status with a page of a machine in between; nothing done.
    Page(u16),
    /// Done, then this status.
    StatusAfter(u16),
    /// The connection is cut; nothing done.
    CutBefore,
    /// Done, then the connection is cut.
    CutAfter,
    /// Never answered; nothing done.
    StallBefore,
    /// Done, then never answered.
    StallAfter,
    /// Done, half of the answer's body, then the connection is cut.
    CutBody,
    /// Done, the body in single bytes.
    SlowBody,
    /// Done, half of the body, then nothing more.
    StallBody,
    /// Done, then 200 with something unreadable.
    Garbage,
    /// Done, then a success without an id.
    NoId,
    /// Elsewhere; nothing done.
    Redirect,
    /// A result of another type than pictures and clips.
    WrongType,
}

/// How a job ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// With a result.
    Succeed,
    /// With this `failure_code` (Agents) or `failure_reason` (Dream Machine).
    Fail(&'static str),
    /// As finished, without a result.
    Empty,
    /// Never.
    Hang,
}

/// Chances in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// 429 for a submission.
    pub throttle: u16,
    /// 5xx before a submission took effect.
    pub status_before: u16,
    /// 5xx after it took effect.
    pub status_after: u16,
    /// Connection cut before a submission took effect.
    pub cut_before: u16,
    /// Connection cut after it took effect.
    pub cut_after: u16,
    /// Half an answer to a submission.
    pub cut_body: u16,
    /// Something unreadable after it took effect.
    pub garbage: u16,
    /// 5xx, cuts and 429 for looks and downloads.
    pub trouble: u16,
    /// The job fails.
    pub fail: u16,
    /// The job is refused by content rules.
    pub moderate: u16,
    /// The list does not show the job at first.
    pub hide: u16,
}

/// Callbacks of the Dream Machine API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Callbacks {
    /// How long after the creation.
    pub after: Duration,
    /// Whether some come early, twice, or to a token that nobody gave.
    pub unruly: bool,
}

/// What goes wrong in a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of every chance.
    pub seed: u64,
    /// Chances.
    pub rates: Rates,
    /// The most looks until a job is finished; its own number lies between 1 and this.
    pub looks: u32,
    /// The key that is taken.
    pub key: String,
    /// Callbacks, if any are sent.
    pub callbacks: Option<Callbacks>,
}

impl Plan {
    /// Nothing goes wrong; a job is finished at the first look.
    #[must_use]
    pub fn peaceful() -> Self {
        Self {
            seed: 0,
            rates: Rates::default(),
            looks: 1,
            key: super::KEY.to_owned(),
            callbacks: None,
        }
    }

    /// Everything goes wrong now and then.
    #[must_use]
    pub fn stormy(seed: u64) -> Self {
        let rates = Rates {
            throttle: 80,
            status_before: 30,
            status_after: 40,
            cut_before: 30,
            cut_after: 50,
            cut_body: 20,
            garbage: 20,
            trouble: 80,
            fail: 40,
            moderate: 20,
            hide: 200,
        };
        Self {
            seed,
            rates,
            looks: 3,
            ..Self::peaceful()
        }
    }

    pub(super) fn misdeed(&self, route: Route, key: &str, nth: u64) -> Option<Misdeed> {
        let nth = nth.to_string();
        let mut rest = draw(self.seed, &["misdeed", &format!("{route:?}"), key, &nth]) % 1000;
        let mut falls = |rate: u16| {
            let hit = rest < u64::from(rate);
            rest = if hit {
                u64::MAX
            } else {
                rest.saturating_sub(u64::from(rate))
            };
            hit
        };
        let rates = self.rates;
        if route == Route::Submit {
            let choices = [
                (rates.throttle, Misdeed::Throttle(1)),
                (rates.status_before, Misdeed::Status(502)),
                (rates.status_after, Misdeed::StatusAfter(500)),
                (rates.cut_before, Misdeed::CutBefore),
                (rates.cut_after, Misdeed::CutAfter),
                (rates.cut_body, Misdeed::CutBody),
                (rates.garbage, Misdeed::Garbage),
            ];
            return choices
                .into_iter()
                .find(|(rate, _)| falls(*rate))
                .map(|(_, misdeed)| misdeed);
        }
        let kinds = [
            Misdeed::Status(500),
            Misdeed::CutAfter,
            Misdeed::Throttle(1),
            Misdeed::CutBody,
        ];
        let kind = draw(self.seed, &["kind", key, &nth]) % 4;
        falls(rates.trouble)
            .then(|| kinds.get(usize::try_from(kind).unwrap_or(0)).copied())
            .flatten()
    }

    /// Words for a drawn failure, in the API's own terms.
    pub(super) fn fate(&self, id: &str, failures: &[&'static str], moderated: &'static str) -> Fate {
        let roll = draw(self.seed, &["fate", id]) % 1000;
        let (fail, moderate) = (u64::from(self.rates.fail), u64::from(self.rates.moderate));
        let which = draw(self.seed, &["failure", id]);
        let count = u64::try_from(failures.len()).unwrap_or(1).max(1);
        let index = usize::try_from(which % count).unwrap_or(0);
        if roll < fail {
            failures
                .get(index)
                .map_or(Fate::Succeed, |failure| Fate::Fail(failure))
        } else if roll < fail + moderate {
            Fate::Fail(moderated)
        } else {
            Fate::Succeed
        }
    }

    pub(super) fn looks_of(&self, id: &str) -> u32 {
        let span = u64::from(self.looks.max(1));
        u32::try_from(1 + draw(self.seed, &["looks", id]) % span).unwrap_or(1)
    }

    pub(super) fn hidden_of(&self, id: &str) -> u32 {
        let roll = draw(self.seed, &["hidden", id]);
        if roll % 1000 < u64::from(self.rates.hide) {
            u32::try_from(1 + (roll >> 16) % 2).unwrap_or(1)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_does_the_same_and_every_misdeed_happens() {
        let plan = Plan::stormy(7);
        let run = || {
            (0..2000)
                .map(|n| plan.misdeed(Route::Submit, "key", n))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        for wanted in [
            Misdeed::Throttle(1),
            Misdeed::StatusAfter(500),
            Misdeed::CutAfter,
            Misdeed::Garbage,
        ] {
            assert!(run().contains(&Some(wanted)), "{wanted:?}");
        }
        assert!(run().contains(&None));
        assert!((0..100).all(|n| Plan::peaceful().misdeed(Route::Submit, "key", n).is_none()));
    }
}
