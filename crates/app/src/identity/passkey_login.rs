//! Logging in with a passkey: nothing is typed, and user verification makes it two factors in one.

use super::factors::FactorError;
use super::login::{Entrance, LoggedIn, LoginError};
use crate::studio::Studio;
use domain::audit::{Action, Entry};
use domain::id::UserId;
use domain::identity::{AccountState, Method};
use serde_json::Value;
use std::collections::BTreeMap;

impl Studio {
    /// Ends what [`Studio::begin_passkey_login`] began. Who is asked for nothing but a passkey is told
    /// nothing of accounts: whatever is wrong with an answer is told the same.
    ///
    /// # Errors
    /// [`LoginError::Wrong`]; [`FactorError::Ticket`] in [`LoginError::Factor`] where it was used before or
    /// took too long.
    pub async fn login_by_passkey(
        &self,
        ticket: &str,
        answer: &Value,
        entrance: Entrance,
    ) -> Result<LoggedIn, LoginError> {
        let shown = match self.check_passkey_login(ticket, answer).await {
            Ok(shown) => shown,
            Err((FactorError::Passkey(error), user)) => {
                self.note_refused_passkey(user, error.word(), &entrance).await?;
                return Err(LoginError::Wrong);
            }
            Err((error, _)) => return Err(error.into()),
        };
        let user = shown.user();
        let account = self.db.read("login.passkey", move |read| {
            Box::pin(store::users::find(read, user))
        });
        let account: Result<_, store::Error> = account.await;
        if account?.is_none_or(|account| account.state != AccountState::Active) {
            self.note_refused_passkey(Some(user), "not_active", &entrance)
                .await?;
            return Err(LoginError::Wrong);
        }
        let methods = vec![Method::Passkey, Method::Several];
        let mut arrival = self.arrival(user, methods, None, &entrance);
        let device = self.recognise(&mut arrival).await?;
        let opener = self.session_opener().await?;
        let copied = self.refused_passkey(Some(user), "cloned", &entrance);
        let tokens = self.db.write("login.passkey", move |tx| {
            let (shown, arrival, opener, copied) =
                (shown.clone(), arrival.clone(), opener.clone(), copied.clone());
            Box::pin(async move {
                if !shown.keep(tx, copied.at).await? {
                    store::audit::append(tx, &copied).await?;
                    return Ok::<_, LoginError>(Err(LoginError::Wrong));
                }
                let tokens = arrival.let_in(tx, &opener).await?;
                Ok(tokens.ok_or(LoginError::NoWorkspace))
            })
        });
        let tokens = tokens.await?;
        self.tell_bell.notify_one();
        self.ring_outbox();
        Ok(LoggedIn {
            tokens: tokens?,
            device,
        })
    }

    async fn note_refused_passkey(
        &self,
        user: Option<UserId>,
        reason: &'static str,
        entrance: &Entrance,
    ) -> Result<(), store::Error> {
        let entry = self.refused_passkey(user, reason, entrance);
        let noted = self.db.write("login.failed", move |tx| {
            let entry = entry.clone();
            Box::pin(async move { store::audit::append(tx, &entry).await })
        });
        noted.await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    fn refused_passkey(&self, user: Option<UserId>, reason: &str, entrance: &Entrance) -> Entry {
        let stamp = self.stamp_at_entrance(user, entrance.request_id.as_deref());
        let object = user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
        let details = BTreeMap::from([
            ("client".to_owned(), entrance.client.to_string()),
            ("factor".to_owned(), "passkey".to_owned()),
        ]);
        stamp.entry(None, Action::LoginFailed, object, reason, details)
    }
}
