//! The configuration that travels with the weights (`starter.json`).

use serde::Deserialize;

use crate::error::EngineError;

/// Everything a model is besides its tensors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Config {
    /// Version of this file's layout; 1 is known.
    pub format: u32,
    /// Side of the native square picture in pixels.
    pub image_size: usize,
    /// The words, by token.
    pub vocab: Vec<String>,
    /// The token of a position whose attribute is not said.
    pub pad_token: u32,
    /// Length of every token sequence.
    pub max_tokens: usize,
    /// What each position of a token sequence holds.
    pub slots: Vec<SlotConfig>,
    /// The text encoder.
    pub text: crate::text::t5::T5Config,
    /// The transformer.
    pub dit: crate::models::flux1::Flux1Config,
    /// The decoder of the auto-encoder.
    pub ae: crate::vae::decoder::DecoderConfig,
    /// The sampler's defaults.
    pub sampler: SamplerConfig,
}

/// One position of a token sequence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SlotConfig {
    /// The attribute's name.
    pub name: String,
    /// The words that may stand here.
    pub words: Vec<String>,
}

/// Defaults of the sampler.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SamplerConfig {
    /// Euler steps.
    pub steps: u32,
    /// Strength of classifier-free guidance; 1 means none.
    pub guidance: f64,
    /// Static shift of the times; 1 means none.
    pub time_shift: f64,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when it cannot be read or its parts do not fit together.
    pub fn read(json: &str) -> Result<Self, EngineError> {
        let config: Self =
            serde_json::from_str(json).map_err(|error| EngineError::Weights(error.to_string()))?;
        config
            .check()
            .map_err(|what| EngineError::Weights(what.to_owned()))?;
        Ok(config)
    }

    /// Side of the square of latents that becomes a native picture.
    pub fn latent_side(&self) -> usize {
        self.image_size / self.ae.scale()
    }

    /// The token of a word in the slot of that name.
    pub fn token(&self, slot: &str, word: &str) -> Option<(usize, u32)> {
        let position = self.slots.iter().position(|candidate| candidate.name == slot)?;
        let slot = self.slots.get(position)?;
        let word = slot.words.iter().find(|candidate| *candidate == word)?;
        let token = self.vocab.iter().position(|candidate| candidate == word)?;
        Some((position, u32::try_from(token).ok()?))
    }

    fn check(&self) -> Result<(), &'static str> {
        let checks = [
            (self.format == 1, "unknown format"),
            (
                self.max_tokens == self.slots.len() && self.max_tokens > 0,
                "max_tokens is not the number of slots",
            ),
            (
                (self.pad_token as usize) < self.vocab.len(),
                "the pad is no token",
            ),
            (
                self.slots
                    .iter()
                    .flat_map(|slot| &slot.words)
                    .all(|word| self.vocab.contains(word)),
                "a slot's word is no token",
            ),
            (
                self.ae.ch_mult.len() <= 8 && self.ae.scale() * 2 <= self.image_size,
                "the picture is too small",
            ),
            (self.image_size <= 1024, "the picture is too large"),
            (
                self.image_size.is_multiple_of(self.ae.scale() * 2),
                "the picture is not a whole number of tokens",
            ),
            (
                self.dit.in_channels == 4 * self.ae.z_channels,
                "the transformer and the decoder differ in channels",
            ),
            (
                self.dit.context_in_dim == self.text.d_model,
                "the transformer and the text encoder differ in width",
            ),
            (
                self.dit.vec_in_dim == self.text.d_model,
                "the transformer and the pooled text differ in width",
            ),
            (
                self.sampler.steps > 0 && self.sampler.steps <= crate::STEPS,
                "the number of steps is out of range",
            ),
            (
                self.sampler.guidance.is_finite() && self.sampler.time_shift > 0.0,
                "the sampler's numbers are out of range",
            ),
        ];
        checks
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(what))
    }
}
