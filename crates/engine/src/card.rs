//! What the starter model is and can do, as data for the studio's list of models.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::EngineError;
use crate::prompt::{SlotVocabulary, vocabulary};
use crate::{CONFIG, ENLARGEMENTS, PROMPT_CHARACTERS, STEPS, WEIGHTS};

/// The model's id.
pub const MODEL: &str = "studio-tiny";

/// The starter model's card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The model's id, [`MODEL`].
    pub model: String,
    /// Always true: the model is a demonstration of the engine and not a model to work with.
    pub demo: bool,
    /// The kind of model: `flux.1`.
    pub architecture: String,
    /// Width and height in pixels of the pictures it gives; the first is native, the others are enlarged from it.
    pub sizes: Vec<(u32, u32)>,
    /// Sampling steps when none are asked for.
    pub steps: u32,
    /// Most sampling steps.
    pub most_steps: u32,
    /// Most characters (Unicode scalar values) of a prompt.
    pub prompt_characters: usize,
    /// Languages of prompts, BCP 47.
    pub languages: Vec<String>,
    /// What it can draw, by slot.
    pub vocabulary: Vec<SlotVocabulary>,
    /// SHA-256 of the weights' file, hexadecimal.
    pub weights_sha256: String,
    /// Length of the weights' file in bytes.
    pub weights_bytes: usize,
}

/// The card of the bundled model.
///
/// # Errors
/// [`EngineError::Weights`] when the bundled configuration is damaged.
pub fn card() -> Result<Card, EngineError> {
    let config = Config::read(CONFIG)?;
    let size = |enlargement: usize| {
        let side = u32::try_from(config.image_size * enlargement).unwrap_or(u32::MAX);
        (side, side)
    };
    Ok(Card {
        model: MODEL.to_owned(),
        demo: true,
        architecture: "flux.1".to_owned(),
        sizes: ENLARGEMENTS.into_iter().map(size).collect(),
        steps: config.sampler.steps,
        most_steps: STEPS,
        prompt_characters: PROMPT_CHARACTERS,
        languages: vec!["pt-BR".to_owned(), "en".to_owned()],
        vocabulary: vocabulary(),
        weights_sha256: Sha256::digest(WEIGHTS)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        weights_bytes: WEIGHTS.len(),
    })
}
