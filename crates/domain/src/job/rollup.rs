//! What a generation's state is, given its jobs.

use super::{Job, JobState};
use crate::generation::State;

/// The state that the user sees. One success is a success (with fewer outputs than asked for, said so);
/// otherwise the state that most needs to be known wins.
#[must_use]
pub fn rollup(jobs: &[Job]) -> State {
    let any = |state: JobState| jobs.iter().any(|job| job.state == state);
    if jobs.iter().any(|job| !job.state.is_final()) {
        let untouched = jobs
            .iter()
            .all(|job| job.state == JobState::Ready && job.attempts_made == 0);
        return if untouched { State::Queued } else { State::Running };
    }
    let order = [
        (JobState::Succeeded, State::Succeeded),
        (JobState::NeedsAttention, State::NeedsAttention),
        (JobState::Blocked, State::Blocked),
        (JobState::Failed, State::Failed),
        (JobState::Expired, State::Expired),
        (JobState::Cancelled, State::Cancelled),
    ];
    order
        .into_iter()
        .find(|(state, _)| any(*state))
        .map_or(State::Failed, |(_, state)| state)
}
