//! The loop that tells: events get their numbers, audit entries their leaves, and the log its checkpoint.

use crate::studio::Studio;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The longest wait before the relay looks for events of other processes.
const LONGEST_NAP: Duration = Duration::from_millis(500);

impl Studio {
    /// Tells until told to stop; what is left then is told first.
    pub async fn run_relay(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let last = stop.is_cancelled();
            self.relay_once().await;
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.tell_bell.notified() => {}
                () = tokio::time::sleep(LONGEST_NAP) => {}
            }
        }
    }

    /// Tells what there is to tell now.
    pub async fn relay_once(&self) {
        while let Some(count) = self.logged("events", self.tell_events().await) {
            if count == 0 {
                break;
            }
        }
        while let Some(count) = self.logged("audit", self.grow_log().await) {
            if count == 0 {
                break;
            }
        }
    }

    fn logged<E: std::fmt::Display>(&self, what: &'static str, outcome: Result<usize, E>) -> Option<usize> {
        match outcome {
            Ok(count) => Some(count),
            Err(error) => {
                self.metrics.relay_failed();
                tracing::error!(what, error = %error, "relay failed; trying again");
                None
            }
        }
    }
}
