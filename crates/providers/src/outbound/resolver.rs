//! A resolver that passes on only addresses that may be connected to.

use super::{Guard, Passage};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use std::sync::Arc;

/// Every address behind a name is one that the guard refuses.
#[derive(Debug, thiserror::Error)]
#[error("no address behind the name may be connected to")]
pub(super) struct AllRefused;

pub(super) struct Filtering {
    pub(super) guard: Arc<Guard>,
    pub(super) passage: Passage,
}

impl Resolve for Filtering {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, passage) = (Arc::clone(&self.guard), self.passage);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found
                .filter(|address| guard.check_address(address.ip(), passage).is_ok())
                .collect();
            if open.is_empty() {
                return Err(AllRefused.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// Whether an error's chain holds a refusal by the resolver.
pub(super) fn was_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(one) = next {
        if one.is::<AllRefused>() {
            return true;
        }
        next = one.source();
    }
    false
}
