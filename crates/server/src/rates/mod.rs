//! How many requests are answered: GCRA (the generic cell rate algorithm) by address, account, API key and
//! workspace.
//!
//! Each class has one number, N in a minute: N may come at once, and then one each minute/N. Addresses
//! of IPv6 count by /64. The entrances (login, registration, reset, refresh and their like) have a class of
//! their own by address. Nothing is written anywhere: a restart forgets, and every process counts for itself.

mod states;

use domain::actor::{Actor, Via};
use domain::id::{KeyId, UserId, WorkspaceId};
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use states::{MAX_KEYS, States};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The window of every class.
const WINDOW: Duration = Duration::from_secs(60);

/// Requests in a minute, by class.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one address (one /64 of IPv6).
    pub address: NonZeroU32,
    /// Of one address to the entrances.
    pub entrance: NonZeroU32,
    /// Of one account.
    pub account: NonZeroU32,
    /// Of one API key.
    pub key: NonZeroU32,
    /// Of one workspace.
    pub workspace: NonZeroU32,
}

impl Limits {
    /// The same limit for every class.
    #[must_use]
    pub const fn all(limit: NonZeroU32) -> Self {
        Self {
            address: limit,
            entrance: limit,
            account: limit,
            key: limit,
            workspace: limit,
        }
    }
}

/// Time that only goes forward, since the process began.
#[derive(Clone)]
pub(crate) struct Time(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Time {
    /// The time of this machine.
    pub(crate) fn of_this_process() -> Self {
        let start = Instant::now();
        Self(Arc::new(move || start.elapsed()))
    }
}

impl Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from((self.0)())
    }
}

/// Where a key stands in its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) class: &'static str,
    pub(crate) quota: u32,
    /// Requests that could follow at once.
    pub(crate) remaining: u32,
    /// Whole seconds until one more is answered, when this one was not.
    pub(crate) retry_after: Option<u32>,
}

/// One class.
struct Class<K: Eq + Hash + Clone> {
    name: &'static str,
    quota: NonZeroU32,
    limiter: RateLimiter<K, States<K>, Time, StateInformationMiddleware>,
    time: Time,
}

impl<K: Eq + Hash + Clone> Class<K> {
    fn new(name: &'static str, quota: NonZeroU32, time: &Time) -> Self {
        let limiter = RateLimiter::new(
            Quota::per_minute(quota).allow_burst(quota),
            States::of_at_most(MAX_KEYS),
            time.clone(),
        );
        Self {
            name,
            quota,
            limiter,
            time: time.clone(),
        }
    }

    /// Counts one request of a key.
    ///
    /// # Errors
    /// The same, when there were too many.
    fn count(&self, key: &K) -> Result<Reading, Reading> {
        let reading = |remaining, retry_after| Reading {
            class: self.name,
            quota: self.quota.get(),
            remaining,
            retry_after,
        };
        match self.limiter.check_key(key) {
            Ok(state) => Ok(reading(state.remaining_burst_capacity(), None)),
            Err(until) => {
                let wait = until.wait_time_from(self.time.now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
                Err(reading(0, Some(seconds)))
            }
        }
    }
}

/// What a request is counted in: the last one is the refusal, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(pub(crate) Vec<Reading>);

impl Counted {
    /// The reading that refuses the request.
    pub(crate) fn refusal(&self) -> Option<&Reading> {
        self.0.iter().find(|reading| reading.retry_after.is_some())
    }

    fn add(&mut self, counted: Result<Reading, Reading>) -> bool {
        let goes_on = counted.is_ok();
        self.0.push(counted.unwrap_or_else(std::convert::identity));
        goes_on
    }
}

/// Every class.
pub(crate) struct Rates {
    address: Class<IpAddr>,
    entrance: Class<IpAddr>,
    account: Class<UserId>,
    key: Class<KeyId>,
    workspace: Class<WorkspaceId>,
}

impl Rates {
    pub(crate) fn new(limits: &Limits, time: &Time) -> Self {
        Self {
            address: Class::new("address", limits.address, time),
            entrance: Class::new("entrance", limits.entrance, time),
            account: Class::new("account", limits.account, time),
            key: Class::new("key", limits.key, time),
            workspace: Class::new("workspace", limits.workspace, time),
        }
    }

    /// Counts a request before anybody knows who asks.
    pub(crate) fn arrival(&self, address: IpAddr, is_entrance: bool) -> Counted {
        let client = crate::forwarded::client_network(address);
        let mut counted = Counted::default();
        if counted.add(self.address.count(&client)) && is_entrance {
            counted.add(self.entrance.count(&client));
        }
        counted
    }

    /// Counts a request of somebody known.
    pub(crate) fn known(&self, actor: &Actor) -> Counted {
        let mut counted = Counted::default();
        if let Via::Key { id, .. } = actor.via()
            && !counted.add(self.key.count(id))
        {
            return counted;
        }
        if counted.add(self.account.count(&actor.user())) {
            counted.add(self.workspace.count(&actor.workspace()));
        }
        counted
    }
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4): a list
/// of policies by name, and what is left of each.
pub(crate) fn headers(readings: &[Reading]) -> (String, String) {
    let list = |item: &dyn Fn(&Reading) -> String| readings.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(&|s| format!("\"{}\";q={};w={}", s.class, s.quota, WINDOW.as_secs()));
    let state = list(&|s| {
        let next = s.retry_after.map(|t| format!(";t={t}")).unwrap_or_default();
        format!("\"{}\";r={}{next}", s.class, s.remaining)
    });
    (policy, state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::actor::Actor;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone, Default)]
    struct Hand(Arc<AtomicU64>);

    impl Hand {
        fn time(&self) -> Time {
            let hand = self.clone();
            Time(Arc::new(move || {
                Duration::from_millis(hand.0.load(Ordering::SeqCst))
            }))
        }

        fn go(&self, millis: u64) {
            self.0.fetch_add(millis, Ordering::SeqCst);
        }
    }

    fn limit(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    fn answered(rates: &Rates, address: &str, entrance: bool) -> bool {
        rates
            .arrival(address.parse().unwrap(), entrance)
            .refusal()
            .is_none()
    }

    #[test]
    fn as_many_as_the_quota_come_at_once_and_then_one_each_share_of_a_minute() {
        let hand = Hand::default();
        let rates = Rates::new(&Limits::all(limit(6)), &hand.time());
        for left in (0..6).rev() {
            let counted = rates.arrival("192.0.2.1".parse().unwrap(), false);
            assert_eq!(counted.0[0].remaining, left);
        }
        let refused = rates.arrival("192.0.2.1".parse().unwrap(), false);
        assert_eq!(refused.refusal().unwrap().retry_after, Some(10));
        hand.go(9_001);
        let refused = rates.arrival("192.0.2.1".parse().unwrap(), false);
        assert_eq!(refused.refusal().unwrap().retry_after, Some(1));
        hand.go(999);
        assert!(answered(&rates, "192.0.2.1", false));
        assert!(!answered(&rates, "192.0.2.1", false));
        assert!(answered(&rates, "192.0.2.2", false), "others are not held");
        hand.go(60_000);
        assert_eq!(
            (0..20).filter(|_| answered(&rates, "192.0.2.1", false)).count(),
            6
        );
    }

    #[test]
    fn a_whole_64_is_one_client() {
        let rates = Rates::new(&Limits::all(limit(2)), &Hand::default().time());
        assert!(answered(&rates, "2001:db8::1", false) && answered(&rates, "2001:db8::ffff:2", false));
        assert!(!answered(&rates, "2001:db8::3", false));
        assert!(answered(&rates, "2001:db8:0:1::3", false));
    }

    #[test]
    fn entrances_are_counted_apart_and_in_all() {
        let limits = Limits {
            entrance: limit(1),
            ..Limits::all(limit(3))
        };
        let rates = Rates::new(&limits, &Hand::default().time());
        assert!(answered(&rates, "192.0.2.1", true));
        let counted = rates.arrival("192.0.2.1".parse().unwrap(), true);
        assert_eq!(counted.refusal().unwrap().class, "entrance");
        assert!(answered(&rates, "192.0.2.1", false));
        assert!(!answered(&rates, "192.0.2.1", false));
    }

    #[test]
    fn an_account_and_a_workspace_have_their_own() {
        let limits = Limits {
            account: limit(2),
            ..Limits::all(limit(3))
        };
        let rates = Rates::new(&limits, &Hand::default().time());
        let workspace = Actor::local().workspace();
        let person = |n: u128| Actor::new(UserId::from_value(n), workspace);
        let refused = |n| rates.known(&person(n)).refusal().map(|s| s.class);
        assert_eq!(
            [refused(1), refused(1), refused(1)],
            [None, None, Some("account")]
        );
        assert_eq!([refused(2), refused(3)], [None, Some("workspace")]);
    }

    #[test]
    fn headers_are_lists_of_structured_fields() {
        let rates = Rates::new(&Limits::all(limit(2)), &Hand::default().time());
        let address = "192.0.2.1".parse().unwrap();
        rates.arrival(address, true);
        let counted = rates.arrival(address, true);
        let (policy, state) = headers(&counted.0);
        assert_eq!(policy, "\"address\";q=2;w=60, \"entrance\";q=2;w=60");
        assert_eq!(state, "\"address\";r=0, \"entrance\";r=0");
        let (_, state) = headers(&rates.arrival(address, true).0);
        assert_eq!(state, "\"address\";r=0;t=30");
    }
}
