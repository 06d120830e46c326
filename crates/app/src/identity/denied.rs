//! What was refused for want of a right is in the audit log.

use crate::generations::stamp_for;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit::Action;
use domain::rights::{self, Denied, Object};
use std::collections::BTreeMap;

impl Studio {
    /// Notes that somebody asked for what they may not have. The object is the route's pattern, never
    /// the path: ids in a refused request are the asker's claim.
    ///
    /// # Errors
    /// If it cannot be written. The caller refuses all the same.
    pub async fn note_denied(
        &self,
        actor: &Actor,
        route: &str,
        wanted: (rights::Action, Object),
        why: &Denied,
        request_id: Option<&str>,
    ) -> Result<(), store::Error> {
        let (action, object) = wanted;
        let reason = match why {
            Denied::Role { .. } => "role",
            Denied::Scope { .. } => "scope",
        };
        let details = BTreeMap::from([
            ("action".to_owned(), action.to_string()),
            ("object".to_owned(), object.to_string()),
        ]);
        let stamp = stamp_for(self, actor, request_id);
        let entry = stamp.entry(
            Some(actor.workspace()),
            Action::AccessDenied,
            route.to_owned(),
            reason,
            details,
        );
        self.db
            .write("access.denied", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }
}
