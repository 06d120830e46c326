//! Finding a lost attempt in the list of generations. Looking proves something only if it was complete: from
//! now back to before the intent, no page skipped although new generations push the list along meanwhile.

use super::wire::{Generation, List};
use crate::codes::Code;
use crate::http::{Wire, is_external_id};
use crate::provider::{AttemptRef, Words};
use domain::job::Found;
use domain::secret::TokenHash;
use domain::time::Time;
use std::collections::BTreeSet;
use std::time::Duration;
use url::Url;

/// Entries of a page (the documented default).
pub const PAGE: usize = 100;
/// Entries asked for again with the next page; if none of them comes back, the list moved under us.
const OVERLAP: usize = 10;
/// The most pages of one look: 9,000 generations. A longer list is not read to its end and proves nothing.
pub const MAX_PAGES: usize = 100;
/// How far the provider's clock and ours may differ: 5 minutes.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

async fn page(wire: &Wire, offset: usize) -> Result<List, Code> {
    let mut url = wire.url(&["generations"]);
    url.query_pairs_mut()
        .append_pair("limit", &PAGE.to_string())
        .append_pair("offset", &offset.to_string());
    let answer = wire.get("GET /generations", url).await?;
    if answer.status != 200 {
        return Err(super::client::trouble(&answer));
    }
    serde_json::from_slice(&answer.body?).map_err(|_| Code::ListIncomplete)
}

fn created(entry: &Generation) -> Option<Time> {
    entry.created_at.as_deref()?.parse().ok()
}

/// Everything that was created since `since`, completely.
async fn since(wire: &Wire, since: Time) -> Result<Vec<Generation>, Code> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let mut offset = 0;
    let mut newest_first = true;
    let mut last: Option<Time> = None;
    for number in 0..MAX_PAGES {
        let List {
            has_more,
            generations,
        } = page(wire, offset).await?;
        let count = generations.len();
        let mut joined = number == 0;
        for entry in generations {
            if !seen.insert(entry.id.clone()) {
                joined = true;
                continue;
            }
            let at = created(&entry);
            newest_first &= match (last, at) {
                (_, None) => false,
                (Some(last), Some(at)) => at <= last,
                (None, Some(_)) => true,
            };
            last = at.or(last);
            all.push(entry);
        }
        if !joined {
            return Err(Code::ListIncomplete);
        }
        let past = newest_first && last.is_some_and(|last| last < since);
        if past || !has_more.unwrap_or(count >= PAGE) {
            return Ok(all);
        }
        if count <= OVERLAP {
            return Err(Code::ListIncomplete);
        }
        offset += count - OVERLAP;
    }
    Err(Code::ListIncomplete)
}

/// Looks for an attempt.
pub(super) async fn find(wire: &Wire, attempt: &AttemptRef) -> Found {
    let from = earlier(attempt.intent_at);
    let all = match since(wire, from).await {
        Ok(all) => all,
        Err(code) => return Found::Trouble { fault: code.fault() },
    };
    if let Some(entry) = all
        .iter()
        .find(|entry| token_of(entry).is_some_and(|hash| hash == attempt.token_hash))
    {
        return adopt(&entry.id);
    }
    let Some(words) = &attempt.words else {
        return Found::NotSeen;
    };
    let mut alike = all.iter().filter(|entry| is_alike(entry, words, from));
    match (alike.next(), alike.next()) {
        (None, _) => Found::NotSeen,
        (Some(entry), None) if words.alone => adopt(&entry.id),
        _ => Found::CannotKnow,
    }
}

fn adopt(id: &str) -> Found {
    if is_external_id(id) {
        Found::Adopted {
            external_id: id.to_owned(),
        }
    } else {
        Found::Trouble {
            fault: Code::ListIncomplete.fault(),
        }
    }
}

fn earlier(intent: Time) -> Time {
    let skew = i64::try_from(CLOCK_SKEW.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(intent.micros().saturating_sub(skew))
}

fn token_of(entry: &Generation) -> Option<TokenHash> {
    let url = Url::parse(entry.request.as_ref()?.callback_url.as_deref()?).ok()?;
    url.path_segments()?.next_back().map(TokenHash::of)
}

/// Whether an entry may be an attempt that carried no token. An entry without a readable time may be.
fn is_alike(entry: &Generation, words: &Words, from: Time) -> bool {
    let echo = entry.request.as_ref();
    let same_words =
        echo.and_then(|echo| echo.prompt.as_deref()).unwrap_or_default() == words.prompt.expose();
    let same_model = entry.model.as_deref().is_none_or(|model| model == words.model.0);
    let tokenless = echo.and_then(|echo| echo.callback_url.as_ref()).is_none();
    let in_time = created(entry).is_none_or(|at| at >= from);
    same_words && same_model && tokenless && in_time && !words.taken.contains(&entry.id)
}
