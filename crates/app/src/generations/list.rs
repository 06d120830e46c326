//! Finding generations: one, or a page of the newest.

use super::record::overall;
use super::view::View;
use crate::studio::Studio;
use domain::actor::Scope;
use domain::id::GenerationId;
use store::assets::Role;
use store::generations::GenerationRow;

/// The most items of one page.
pub const MAX_PAGE: u32 = 100;

/// A page, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its items.
    pub items: Vec<View>,
    /// Where the next page begins, if there is one.
    pub next: Option<GenerationId>,
}

impl Studio {
    /// One generation with its outputs, if it is in scope and not deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn generation(&self, scope: Scope, id: GenerationId) -> Result<Option<View>, store::Error> {
        let row = self
            .db
            .read("generations.find", move |read| {
                Box::pin(async move { store::generations::find(read, &scope, id).await })
            })
            .await?;
        match row.filter(|row| row.deleted_at.is_none()) {
            Some(row) => Ok(Some(self.view(row).await?)),
            None => Ok(None),
        }
    }

    /// A page of generations.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn generations(
        &self,
        scope: Scope,
        before: Option<GenerationId>,
        limit: u32,
    ) -> Result<Page, store::Error> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut rows = self
            .db
            .read("generations.page", move |read| {
                Box::pin(async move { store::generations::page(read, &scope, before, limit + 1).await })
            })
            .await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { rows.last().map(|row| row.id) } else { None };
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(self.view(row).await?);
        }
        Ok(Page { items, next })
    }

    async fn view(&self, row: GenerationRow) -> Result<View, store::Error> {
        let id = row.id;
        let (jobs, assets, lines) = self
            .db
            .read("generations.view", move |read| {
                Box::pin(async move {
                    let jobs = store::jobs::of_generation(read, id).await?;
                    let assets = store::assets::of_generation(read, id).await?;
                    let lines = store::ledger::of_generation(read, id).await?;
                    Ok::<_, store::Error>((jobs, assets, lines))
                })
            })
            .await?;
        let text = self
            .private
            .open(row.workspace, row.id, &row.prompt_sealed)
            .unwrap_or_default();
        let outputs = assets
            .into_iter()
            .filter(|a| a.role == Role::Output && !a.hidden && a.deleted_at.is_none())
            .collect();
        Ok(View::new(row, text, outputs, &lines, overall(&jobs)))
    }
}
