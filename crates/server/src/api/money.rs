//! Amounts and quotes.

use app::generations::Quoted;
use domain::money::Money;
use serde::Serialize;
use utoipa::ToSchema;

/// An amount: integer micro-units (1,000,000 is one unit) and an ISO 4217 currency.
#[derive(Serialize, ToSchema)]
pub struct MoneyBody {
    micros: i64,
    currency: String,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self {
            micros: money.micros,
            currency: money.currency.code().to_owned(),
        }
    }
}

/// A price and ceiling told before the call.
#[derive(Serialize, ToSchema)]
pub struct QuoteBody {
    id: String,
    provider: String,
    model: String,
    estimated: MoneyBody,
    /// It never costs more than this.
    ceiling: MoneyBody,
    expires_at: String,
}

impl From<Quoted> for QuoteBody {
    fn from(quote: Quoted) -> Self {
        Self {
            id: quote.id.to_string(),
            provider: quote.provider.to_string(),
            model: quote.model.to_string(),
            estimated: quote.estimated.into(),
            ceiling: quote.ceiling.into(),
            expires_at: quote.expires_at.to_string(),
        }
    }
}
