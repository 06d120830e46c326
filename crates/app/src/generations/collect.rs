//! Collect and seal: the result is fetched, checked, hashed and sealed as a durable step of its own.
//! Idempotent: doing it again stores the same bytes once.

use super::record::{Stamp, store_change};
use crate::assets::StoreMediaError;
use crate::clock::chance;
use crate::generations::dispatch::WORKER;
use crate::studio::Studio;
use crate::work::{Claimed, StepError};
use domain::audit::Action;
use domain::fault::{Fault, FaultKind};
use domain::generation::Kind;
use domain::id::AssetId;
use domain::job::{Collected, Rules, collected};
use futures_util::TryStreamExt;
use providers::{Lost, MediaStream};
use std::collections::BTreeMap;
use store::assets::{Asset, Role};
use store::generations::GenerationRow;

/// The largest result that is fetched (bytes).
pub const MAX_RESULT_BYTES: u64 = media::limits::MAX_VIDEO_BYTES;

impl Studio {
    /// Fetches and stores the result of a job that its provider finished.
    pub(crate) async fn collect(&self, claimed: &Claimed, rules: &Rules) -> Result<(), StepError> {
        let (job, attempt, provider) = self.at_provider(claimed)?;
        let Some(remote) = self.remote_job(job, attempt).await? else {
            return self.store_end(claimed, Collected::Gone, Vec::new(), rules).await;
        };
        let row = self.generation_of(job).await?;
        let outputs = match provider.outputs(&remote).await {
            Ok(outputs) => outputs,
            Err(lost) => return self.store_end(claimed, of_lost(lost), Vec::new(), rules).await,
        };
        let mut assets = Vec::new();
        for output in outputs.iter().filter(|output| output.kind == job.kind).take(1) {
            let stream = match provider.fetch(output).await {
                Ok(stream) => stream,
                Err(lost) => return self.store_end(claimed, of_lost(lost), Vec::new(), rules).await,
            };
            match self.keep(claimed, &row, stream).await {
                Ok(asset) => assets.push(asset),
                Err(answer) => return self.store_end(claimed, answer, Vec::new(), rules).await,
            }
        }
        let answer = if assets.is_empty() {
            Collected::Unfit {
                fault: nothing_made(),
            }
        } else {
            Collected::Stored
        };
        self.store_end(claimed, answer, assets, rules).await?;
        let erased = provider.erase(&remote).await;
        tracing::debug!(job_id = %job.id, attempt_id = %attempt.id, provider = %job.provider, ?erased, "erased at provider");
        Ok(())
    }

    /// Streams one result into the vault and looks at what it is.
    async fn keep(
        &self,
        claimed: &Claimed,
        row: &GenerationRow,
        stream: MediaStream,
    ) -> Result<Asset, Collected> {
        let demo = row.demo;
        let declared = stream.media_type().map(str::to_owned);
        let body = stream.map_err(|fault| std::io::Error::other(fault.code));
        let workspace = row.workspace.to_string();
        let stored = self
            .vault
            .put(&workspace, body, MAX_RESULT_BYTES)
            .await
            .map_err(|e| of_vault(&e))?;
        let facts = self
            .look_at(row.workspace, &stored, declared.as_deref())
            .await
            .map_err(|error| of_media(&error))?;
        let fits = match row.spec.kind {
            Kind::Image => !facts.media_type.is_video(),
            Kind::Video => facts.media_type.is_video(),
        };
        if !fits {
            return Err(Collected::Unfit {
                fault: not_what_was_asked(),
            });
        }
        let now = self.now();
        Ok(Asset {
            id: AssetId::new(now, Self::id_bytes()),
            workspace: row.workspace,
            user: row.user,
            generation: Some(row.id),
            ordinal: claimed.job.ordinal,
            role: Role::Output,
            media_type: facts.media_type.to_string(),
            width: facts.width,
            height: facts.height,
            seconds_micros: crate::assets::micros(facts.seconds),
            bytes: stored.bytes,
            sha256: stored.sha256_hex,
            blob: stored.blob,
            hidden: claimed.job.cancel_requested_at.is_some(),
            demo,
            created_at: now,
            deleted_at: None,
        })
    }

    async fn store_end(
        &self,
        claimed: &Claimed,
        answer: Collected,
        assets: Vec<Asset>,
        rules: &Rules,
    ) -> Result<(), StepError> {
        if let Collected::Trouble { fault } | Collected::Unfit { fault } = &answer {
            tracing::warn!(job_id = %claimed.job.id, provider = %claimed.job.provider, status = fault.code, "result not stored");
        }
        if assets.is_empty() {
            let change = collected(&claimed.job, answer, self.now(), chance(), rules);
            return self.store_step("jobs.collect", &claimed.job, &change).await;
        }
        let stamp = Stamp::system(self.now(), WORKER);
        let change = collected(&claimed.job, answer, stamp.now, chance(), rules);
        let before = claimed.job.clone();
        let ended = change.job.state;
        self.db
            .write("jobs.collect", move |tx| {
                let (stamp, before, change, assets) =
                    (stamp.clone(), before.clone(), change.clone(), assets.clone());
                Box::pin(async move {
                    for asset in &assets {
                        store::assets::insert(tx, asset).await?;
                        let details = BTreeMap::from([
                            ("sha256".to_owned(), asset.sha256.clone()),
                            ("media_type".to_owned(), asset.media_type.clone()),
                            ("generation".to_owned(), before.generation.to_string()),
                        ]);
                        let (workspace, id) = (Some(asset.workspace), asset.id.to_string());
                        let entry = stamp.entry(workspace, Action::AssetStored, id, "ok", details);
                        store::audit::append(tx, &entry).await?;
                    }
                    store_change(tx, &stamp, &before, &change).await
                })
            })
            .await?;
        tracing::info!(job_id = %claimed.job.id, generation_id = %claimed.job.generation,
            provider = %claimed.job.provider, state = ended.as_str(), "job ended");
        self.metrics.ended(ended);
        self.tell_bell.notify_one();
        Ok(())
    }
}

fn of_lost(lost: Lost) -> Collected {
    match lost {
        Lost::Gone => Collected::Gone,
        Lost::Trouble(fault) => Collected::Trouble { fault },
    }
}

fn of_vault(error: &vault::VaultError) -> Collected {
    let (kind, code, detail) = match error {
        vault::VaultError::TooLarge { .. } => {
            let fault = Fault::new(
                FaultKind::Policy,
                "result.too_large",
                "The result is larger than this studio keeps.",
            );
            return Collected::Unfit { fault };
        }
        vault::VaultError::NoSpace => (
            FaultKind::Internal,
            "storage.full",
            "No room to store the result. Free some space.",
        ),
        // Not the storage: what the provider sent broke off.
        vault::VaultError::Source(_) => (
            FaultKind::Unavailable,
            "provider.output_cut",
            "The result did not arrive whole. It is fetched again by itself.",
        ),
        _ => (
            FaultKind::Internal,
            "storage.failed",
            "The result could not be stored; it is fetched again.",
        ),
    };
    Collected::Trouble {
        fault: Fault::new(kind, code, detail),
    }
}

fn of_media(error: &StoreMediaError) -> Collected {
    match error {
        StoreMediaError::Media(error) if error.is_about_the_file() => Collected::Unfit {
            fault: unsafe_result(),
        },
        StoreMediaError::Media(_) | StoreMediaError::Vault(_) => Collected::Trouble {
            fault: Fault::new(
                FaultKind::Internal,
                "media.worker",
                "The result could not be checked; it is tried again.",
            ),
        },
    }
}

fn unsafe_result() -> Fault {
    Fault::new(
        FaultKind::Provider,
        "result.unfit",
        "What the provider delivered is not a picture or clip that can be kept. Ask for it again.",
    )
}

fn not_what_was_asked() -> Fault {
    Fault::new(
        FaultKind::Provider,
        "result.wrong_kind",
        "The provider delivered another kind of media than asked for.",
    )
}

fn nothing_made() -> Fault {
    Fault::new(
        FaultKind::Provider,
        "result.empty",
        "The provider reported success without a result.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_that_breaks_off_is_the_providers_fault_and_comes_again() {
        let cut = vault::VaultError::Source("cut".into());
        let full = vault::VaultError::NoSpace;
        for (error, code) in [(cut, "provider.output_cut"), (full, "storage.full")] {
            let Collected::Trouble { fault } = of_vault(&error) else {
                panic!("{code} ends the job")
            };
            assert_eq!(fault.code, code);
        }
    }
}
