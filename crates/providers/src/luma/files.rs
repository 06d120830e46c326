//! References: inline when small, through the Files API when large.
//!
//! A file is uploaded once, whatever number of outputs and attempts use it, and is deleted when the last job
//! that used it is erased. What this process forgets (a restart) Luma deletes at the file's `expires_at`.

use super::wire::{File, FileCreated, ImageRef, NewFile};
use crate::codes::Code;
use crate::http::{Answer, Wire, is_external_id};
use crate::outbound::Fetcher;
use bytes::Bytes;
use domain::generation::ReferenceRole;
use domain::time::Time;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use url::Url;

/// The most bytes of a reference that go along inside the request: 8 MiB. Larger ones are uploaded first.
pub const INLINE_BYTES: usize = 8 << 20;
/// The most bytes of a picture: 50 MB (documented).
pub const MAX_IMAGE_INPUT_BYTES: usize = 50_000_000;
/// The most bytes of a clip: 200 MB (documented).
pub const MAX_VIDEO_INPUT_BYTES: usize = 200_000_000;
/// After this an uploaded file may be deleted by Luma even if we never say so: 6 hours.
pub const KEEP_FILES_FOR: Duration = Duration::from_secs(6 * 3600);
/// A file that is about to expire is not used again.
const REUSE_MARGIN: Duration = Duration::from_secs(3600);
/// Looks at a file that is being checked, and the wait between them: 30 s in all.
const READY_LOOKS: u32 = 60;
const READY_EVERY: Duration = Duration::from_millis(500);
/// The most files remembered; the one that expires first is forgotten.
const MAX_REMEMBERED: usize = 1024;

type Hash = [u8; 32];

struct Uploaded {
    id: String,
    expires_at: Time,
    jobs: BTreeSet<String>,
}

/// A reference's bytes, and for whom they are sent.
pub(super) struct Reference<'a> {
    pub(super) role: ReferenceRole,
    pub(super) media_type: &'a str,
    pub(super) bytes: &'a Bytes,
    pub(super) user: &'a str,
    pub(super) now: Time,
}

#[derive(Default)]
pub(super) struct Files {
    known: Mutex<BTreeMap<Hash, Uploaded>>,
}

impl Files {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<Hash, Uploaded>) -> T) -> T {
        f(&mut self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// A reference in its wire form.
    pub(super) async fn place(
        &self,
        wire: &Wire,
        fetcher: &Fetcher,
        reference: Reference<'_>,
    ) -> Result<ImageRef, Code> {
        let Reference {
            role,
            media_type,
            bytes,
            user,
            now,
        } = reference;
        let most = if media_type.starts_with("video/") {
            MAX_VIDEO_INPUT_BYTES
        } else {
            MAX_IMAGE_INPUT_BYTES
        };
        if bytes.len() > most {
            return Err(Code::InputTooLarge);
        }
        if bytes.len() <= INLINE_BYTES {
            use base64::Engine as _;
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            return Ok(ImageRef::Data {
                data,
                media_type: media_type.to_owned(),
            });
        }
        let hash: Hash = Sha256::digest(bytes).into();
        let fresh = |file: &&mut Uploaded| file.expires_at > now.after(REUSE_MARGIN);
        if let Some(id) = self.with(|known| known.get_mut(&hash).filter(fresh).map(|file| file.id.clone())) {
            return Ok(ImageRef::File { file_id: id });
        }
        let expires_at = now.after(KEEP_FILES_FOR);
        let new = NewFile {
            mime_type: media_type,
            size_bytes: bytes.len(),
            purpose: if role == ReferenceRole::Image {
                "reference"
            } else {
                "input"
            },
            expires_at: expires_at.to_string(),
            user_id: user,
        };
        let id = upload(wire, fetcher, &new, bytes).await?;
        self.with(|known| {
            if known.len() >= MAX_REMEMBERED {
                let first = known
                    .iter()
                    .min_by_key(|(_, file)| file.expires_at)
                    .map(|(hash, _)| *hash);
                first.and_then(|hash| known.remove(&hash));
            }
            known.insert(
                hash,
                Uploaded {
                    id: id.clone(),
                    expires_at,
                    jobs: BTreeSet::new(),
                },
            );
        });
        Ok(ImageRef::File { file_id: id })
    }

    /// Notes which job uses which files.
    pub(super) fn used(&self, job: &str, ids: &[String]) {
        self.with(|known| {
            for file in known.values_mut().filter(|file| ids.contains(&file.id)) {
                file.jobs.insert(job.to_owned());
            }
        });
    }

    /// The files that nobody needs once this job is erased. They are forgotten.
    fn released(&self, job: &str) -> Vec<String> {
        self.with(|known| {
            let mut free = Vec::new();
            known.retain(|_, file| {
                let last = file.jobs.remove(job) && file.jobs.is_empty();
                if last {
                    free.push(file.id.clone());
                }
                !last
            });
            free
        })
    }

    /// Deletes what this job alone had used; how many files.
    pub(super) async fn erase(&self, wire: &Wire, job: &str) -> Result<usize, Code> {
        let free = self.released(job);
        for id in &free {
            let url = wire.url(&["files", id]);
            let answer = wire.ask(Method::DELETE, "DELETE /files/{id}", url, None).await?;
            if !matches!(answer.status, 200 | 204 | 404) {
                return Err(super::client::trouble(&answer));
            }
        }
        Ok(free.len())
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, Code> {
    if !(200..300).contains(&answer.status) {
        return Err(super::client::trouble(answer));
    }
    let body = answer.body.as_ref().map_err(|code| *code)?;
    serde_json::from_slice(body).map_err(|_| Code::UploadFailed)
}

async fn upload(wire: &Wire, fetcher: &Fetcher, new: &NewFile<'_>, bytes: &Bytes) -> Result<String, Code> {
    let body = serde_json::to_value(new).map_err(|_| Code::UploadFailed)?;
    let answer = wire
        .ask(Method::POST, "POST /files", wire.url(&["files"]), Some(&body))
        .await?;
    let created: FileCreated = read(&answer)?;
    if !is_external_id(&created.id) {
        return Err(Code::UploadFailed);
    }
    if let Some(place) = created.upload {
        let url = Url::parse(&place.url).map_err(|_| Code::UploadFailed)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &place.headers {
            let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
            let (Ok(name), Ok(value)) = pair else {
                return Err(Code::UploadFailed);
            };
            headers.insert(name, value);
        }
        let status = fetcher
            .put(url, headers, bytes.clone())
            .await
            .map_err(|_| Code::UploadFailed)?;
        if !(200..300).contains(&status) {
            return Err(Code::UploadFailed);
        }
        let url = wire.url(&["files", &created.id, "complete"]);
        wire.ask(Method::POST, "POST /files/{id}/complete", url, None)
            .await?;
    }
    let mut state = created.state;
    for _ in 0..READY_LOOKS {
        match state.as_str() {
            "ready" => return Ok(created.id),
            "failed" | "deleted" => return Err(Code::InputUnreadable),
            _ => {}
        }
        let answer = wire
            .get("GET /files/{id}", wire.url(&["files", &created.id]))
            .await?;
        state = read::<File>(&answer)?.state;
        if state == "pending" {
            tokio::time::sleep(READY_EVERY).await;
        }
    }
    Err(Code::UploadFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_deleted_when_its_last_job_is_erased() {
        let files = Files::default();
        let now = Time::from_micros(0);
        files.with(|known| {
            known.insert(
                [1; 32],
                Uploaded {
                    id: "f".into(),
                    expires_at: now,
                    jobs: BTreeSet::new(),
                },
            );
        });
        files.used("a", &["f".into()]);
        files.used("b", &["f".into()]);
        assert!(files.released("a").is_empty());
        assert!(files.released("a").is_empty(), "erased twice");
        assert_eq!(files.released("b"), ["f"]);
    }
}
