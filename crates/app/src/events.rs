//! Telling: events get their sequence numbers here, one at a time, and reach everybody who listens.
//! A listener that fell behind or comes back reads what it missed from the database.

use crate::studio::Studio;
use domain::actor::Scope;
use domain::event::Event;
use tokio::sync::broadcast;

/// Events that one listener may be behind before it reads from the database.
const BACKLOG: usize = 1024;
/// Events taken in one go.
const BATCH: u32 = 500;

/// An event with its place in the order.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// Its place: 1 is the first ever.
    pub sequence: i64,
    /// What happened.
    pub event: Event,
}

/// Where listeners tune in.
pub struct Feed {
    sender: broadcast::Sender<Told>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
        }
    }

    /// Tunes in. Filter with [`Event::is_for`]: the feed carries everybody's.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.sender.subscribe()
    }
}

impl Studio {
    /// Gives waiting events their numbers and tells them. Returns how many there were.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tell_events(&self) -> Result<usize, store::Error> {
        let fresh: Vec<(i64, Event)> = self
            .db
            .write("events.sequence", |tx| {
                Box::pin(async move { store::events::sequence(tx, BATCH).await })
            })
            .await?;
        let count = fresh.len();
        for (sequence, event) in fresh {
            // Nobody listening is fine: the event is in the database.
            let _ = self.feed.sender.send(Told { sequence, event });
        }
        Ok(count)
    }

    /// Events after a place in the order, for a listener that resumes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn events_after(
        &self,
        scope: Scope,
        sequence: i64,
        limit: u32,
    ) -> Result<Vec<Told>, store::Error> {
        let rows: Vec<(i64, Event)> = self
            .db
            .read("events.after", move |read| {
                Box::pin(async move { store::events::after(read, &scope, sequence, limit).await })
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|(sequence, event)| Told { sequence, event })
            .collect())
    }

    /// The newest place in the order.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn newest_event(&self) -> Result<i64, store::Error> {
        self.db
            .read("events.newest", |read| {
                Box::pin(async move { store::events::newest_seq(read).await })
            })
            .await
    }
}
