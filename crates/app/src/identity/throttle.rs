//! Failed logins in a row make the next try wait, longer each time, and never for good: by the address
//! that was typed, whether or not an account has it. Who comes with a browser in which they have logged in
//! before is let through.

use super::factors::delay_after;
use domain::time::Time;
use std::time::Duration;
use store::Tx;

/// Failures that are longer ago do not count.
pub(crate) const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// How long a browser is remembered as known.
pub(crate) const DEVICE_MEMORY: Duration = Duration::from_secs(365 * 24 * 3600);

/// A time before another.
pub(crate) fn before(now: Time, by: Duration) -> Time {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(now.micros().saturating_sub(micros))
}

/// Counts a try before it is looked at, as if it were wrong; tells how long to wait where it is too early.
/// For a known browser it never is.
pub(crate) async fn begin_try(
    tx: &mut Tx,
    index: &str,
    is_known_browser: bool,
    now: Time,
) -> Result<Option<Duration>, store::Error> {
    if is_known_browser {
        take_back(tx, index, now).await?;
    }
    let Some(failures) = store::login_failures::count(tx, index, before(now, MEMORY), now).await? else {
        let failures = store::login_failures::find(tx, index).await?;
        return Ok(Some(
            failures.map_or(Duration::ZERO, |failures| failures.next_at.since(now)),
        ));
    };
    let delay = delay_after(u32::try_from(failures).unwrap_or(u32::MAX));
    store::login_failures::delay(tx, index, now.after(delay)).await?;
    Ok(None)
}

/// Lets the next try through now. For a try that was counted and could not be looked at.
pub(crate) async fn take_back(tx: &mut Tx, index: &str, now: Time) -> Result<(), store::Error> {
    store::login_failures::delay(tx, index, now).await
}

/// Forgets what the entrance need not remember any more: tickets, failures, browsers.
pub(crate) async fn forget_old(tx: &mut Tx, now: Time) -> Result<u64, store::Error> {
    let tickets = store::tickets::forget_before(tx, before(now, MEMORY)).await?;
    let failures = store::login_failures::forget_before(tx, before(now, MEMORY)).await?;
    let devices = store::devices::forget_before(tx, before(now, DEVICE_MEMORY)).await?;
    Ok(tickets + failures + devices)
}
