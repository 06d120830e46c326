//! Chance that depends on nothing but its seed and what it is asked for, so that concurrent requests draw the
//! same whatever their order.

use sha2::{Digest, Sha256};

/// A number for this seed and these parts.
#[must_use]
pub fn draw(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// A text in the form of a UUID for this seed and these parts.
#[must_use]
pub fn uuid(seed: u64, parts: &[&str]) -> String {
    let mut more = parts.to_vec();
    more.push("second half");
    let (a, b) = (draw(seed, parts), draw(seed, &more));
    let (a, b) = (format!("{a:016x}"), format!("{b:016x}"));
    format!(
        "{}-{}-4{}-8{}-{}",
        &a[..8],
        &a[8..12],
        &a[13..16],
        &b[1..4],
        &b[4..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_seed_and_parts_alone() {
        assert_eq!(draw(1, &["a", "b"]), draw(1, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(2, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(1, &["ab", ""]));
        assert_eq!(uuid(1, &["x"]).len(), 36);
    }
}
