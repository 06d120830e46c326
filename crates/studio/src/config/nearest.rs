//! The known name that an unknown one most likely meant.

use strsim::osa_distance;

/// A wrong word weighs more than a wrong section: a key in the wrong place is still that key.
const WORD_WEIGHT: usize = 2;
const SECTION_CEILING: usize = 4;

/// The candidate nearest to `unknown`, both dotted. `None` only when there are no candidates.
pub(super) fn nearest<'a>(unknown: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (section, word) = split(unknown);
    candidates.into_iter().min_by_key(|candidate| {
        let (known_section, known_word) = split(candidate);
        osa_distance(word, known_word) * WORD_WEIGHT
            + osa_distance(section, known_section).min(SECTION_CEILING)
    })
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_what_was_meant() {
        let known = [
            "server.listen",
            "server.public_url",
            "log.level",
            "log.dir",
            "providers.luma.api_key",
        ];
        for (unknown, meant) in [
            ("server.lisen", "server.listen"),
            ("sever.listen", "server.listen"),
            ("listen", "server.listen"),
            ("log.levle", "log.level"),
            ("providers.luna.api_key", "providers.luma.api_key"),
            ("luma.apikey", "providers.luma.api_key"),
            ("server.publicurl", "server.public_url"),
        ] {
            assert_eq!(nearest(unknown, known), Some(meant), "{unknown}");
        }
        assert_eq!(nearest("anything", []), None);
    }
}
