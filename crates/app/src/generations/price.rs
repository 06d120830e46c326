//! Quote and hold: what it will cost at most, told before the call and reserved with it.

use super::admit::{NewGeneration, Planned, SubmitError, plan};
use crate::studio::Studio;
use domain::actor::Actor;
use domain::capability::{ModelId, ProviderName};
use domain::id::QuoteId;
use domain::money::Money;
use domain::time::Time;
use std::time::Duration;

/// How long a quote is good.
pub const QUOTE_TTL: Duration = Duration::from_secs(15 * 60);

/// A price and ceiling told before the call.
#[derive(Clone, Debug)]
pub struct Quoted {
    /// Its id, to be given with the generation.
    pub id: QuoteId,
    /// Who would make it.
    pub provider: ProviderName,
    /// With what.
    pub model: ModelId,
    /// What it is expected to cost.
    pub estimated: Money,
    /// What it costs at most.
    pub ceiling: Money,
    /// Until when it is good.
    pub expires_at: Time,
}

impl Studio {
    /// Tells the price of a wish and keeps it for [`QUOTE_TTL`].
    ///
    /// # Errors
    /// Everything that would refuse the generation itself.
    pub async fn quote(&self, actor: &Actor, wish: &NewGeneration) -> Result<Quoted, SubmitError> {
        let now = self.now();
        let Planned { spec, unit, .. } = plan(self, wish)?;
        let total = unit.times(i64::from(spec.count));
        let quote = Quoted {
            id: QuoteId::new(now, Self::id_bytes()),
            provider: spec.provider.clone(),
            model: spec.model.clone(),
            estimated: total,
            ceiling: total,
            expires_at: now.after(QUOTE_TTL),
        };
        let scope = actor.scope();
        let row = store::quotes::Quote {
            id: quote.id,
            workspace: scope.workspace(),
            user: actor.user(),
            spec,
            price: quote.estimated,
            ceiling: quote.ceiling,
            created_at: now,
            expires_at: quote.expires_at,
        };
        self.db
            .write("quotes.insert", move |tx| {
                let row = row.clone();
                Box::pin(async move { store::quotes::insert(tx, &row).await })
            })
            .await?;
        Ok(quote)
    }
}
