//! Models and providers: what can be asked for, what it costs, where the data goes.

use crate::Site;
use crate::api::{DataBody, ModelBody, ModelList, ProviderBody, ProviderList};
use crate::problem::Problem;
use axum::extract::State;
use domain::capability::Card;
use std::sync::Arc;

/// Lists every model, available ones first.
#[utoipa::path(get, operation_id = "models_list", path = "/api/v1/models", tag = "models", responses((status = 200, description = "Every model", body = ModelList)))]
pub(crate) async fn list(State(site): State<Arc<Site>>) -> axum::Json<ModelList> {
    axum::Json(ModelList {
        items: site.studio.catalogue().offers().map(ModelBody::from).collect(),
    })
}

fn body(card: &Card, unavailable_reason: Option<&str>, in_flight: i64) -> ProviderBody {
    ProviderBody {
        name: card.name.to_string(),
        title: card.title.clone(),
        available: unavailable_reason.is_none(),
        unavailable_reason: unavailable_reason.map(str::to_owned),
        models: card.models.iter().map(|model| model.id.to_string()).collect(),
        data: DataBody::from(&card.handling),
        in_flight,
    }
}

/// Lists every provider with what it is doing.
#[utoipa::path(get, operation_id = "models_providers", path = "/api/v1/providers", tag = "models", responses((status = 200, description = "Every provider", body = ProviderList)))]
pub(crate) async fn providers(State(site): State<Arc<Site>>) -> Result<axum::Json<ProviderList>, Problem> {
    let catalogue = site.studio.catalogue();
    let mut items = Vec::new();
    for provider in catalogue.providers() {
        let card = provider.card();
        items.push(body(card, None, site.studio.in_flight(&card.name).await?));
    }
    for entry in catalogue.unavailable() {
        items.push(body(&entry.card, Some(&entry.reason), 0));
    }
    Ok(axum::Json(ProviderList { items }))
}
