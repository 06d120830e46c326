//! The starter model: from a prompt to a picture.

use std::fmt;
use std::ops::ControlFlow;

use candle_core::{Device, Tensor};

use crate::config::Config;
use crate::error::EngineError;
use crate::models::flux1::{self, Flux1};
use crate::nn::rope::RopeTable;
use crate::sched::flow_euler;
use crate::text::t5::T5Encoder;
use crate::vae::decoder::Decoder;
use crate::weights::Weights;
use crate::{PROMPT_CHARACTERS, STEPS, noise, prompt, resample};

/// The configuration of the bundled weights.
pub const CONFIG: &str = include_str!("../weights/starter.json");
/// The bundled weights, safetensors in f16. Made by `tools/starter`.
pub const WEIGHTS: &[u8] = include_bytes!("../weights/starter.safetensors");
/// The enlargements of the native picture that can be asked for.
pub const ENLARGEMENTS: [usize; 3] = [1, 2, 4];

/// What to draw.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    /// The user's words, Portuguese or English, at most [`PROMPT_CHARACTERS`] characters.
    pub prompt: String,
    /// The same prompt, seed, size and steps give the same picture. The seed also decides what the prompt leaves open.
    pub seed: u64,
    /// Width in pixels, one of the card's sizes.
    pub width: u32,
    /// Height in pixels, equal to the width.
    pub height: u32,
    /// Sampling steps from 1 to [`STEPS`]; the model's own number when absent.
    pub steps: Option<u32>,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            prompt: _,
            seed,
            width,
            height,
            steps,
        } = self;
        write!(
            f,
            "Spec {{ prompt: [prompt], seed: {seed}, size: {width}x{height}, steps: {steps:?} }}"
        )
    }
}

/// How far a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Parts of the work that are done.
    pub done: u32,
    /// All parts: one per sampling step and one for decoding.
    pub of: u32,
}

/// A finished picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Three bytes per pixel (sRGB), row by row from the upper left.
    pub rgb: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Picture {{ {}x{}, {} bytes }}",
            self.width,
            self.height,
            self.rgb.len()
        )
    }
}

/// The model in memory.
#[derive(Debug)]
pub struct Starter {
    config: Config,
    text: T5Encoder,
    transformer: Flux1,
    decoder: Decoder,
    positions: RopeTable,
}

impl Starter {
    /// Reads the bundled weights.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when they are damaged.
    pub fn bundled() -> Result<Self, EngineError> {
        Self::load(CONFIG, WEIGHTS)
    }

    /// Reads a configuration and weights that belong together.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when they are damaged or do not belong together.
    pub fn load(config: &str, weights: &[u8]) -> Result<Self, EngineError> {
        let config = Config::read(config)?;
        let mut weights = Weights::open(weights)?;
        let text = T5Encoder::load(
            weights.at("text"),
            &config.text,
            config.vocab.len(),
            config.pad_token,
        )?;
        let transformer = Flux1::load(weights.at("dit"), &config.dit)?;
        let decoder = Decoder::load(weights.at("ae.decoder"), &config.ae)?;
        weights.finish()?;
        let tokens = config.latent_side() / 2;
        let positions = transformer.positions(config.max_tokens, tokens, tokens)?;
        Ok(Self {
            config,
            text,
            transformer,
            decoder,
            positions,
        })
    }

    /// The configuration that was read.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The text encoder.
    pub fn text(&self) -> &T5Encoder {
        &self.text
    }

    /// The transformer and the positions of its tokens for a native picture.
    pub fn transformer(&self) -> (&Flux1, &RopeTable) {
        (&self.transformer, &self.positions)
    }

    /// The decoder of the auto-encoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Draws a picture. `heard` is told the progress before each part of the work and once at the end; it may stop the
    /// work by breaking.
    ///
    /// # Errors
    /// The prompt, size or steps are outside the card ([`EngineError::EmptyPrompt`] and its neighbours), the work was
    /// stopped ([`EngineError::Cancelled`]), or a computation failed.
    pub fn generate(
        &self,
        spec: &Spec,
        heard: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Picture, EngineError> {
        let enlargement = self.check(spec)?;
        let reading = prompt::read(&spec.prompt);
        if reading.is_without_words() {
            return Err(EngineError::EmptyPrompt);
        }
        let tokens = reading.completed(spec.seed).tokens(&self.config)?;
        let steps = spec.steps.unwrap_or(self.config.sampler.steps);
        let of = steps + 1;

        let (channels, side) = (self.config.ae.z_channels, self.config.latent_side());
        let numbers = noise::normal(spec.seed, channels * side * side);
        let noise = Tensor::from_vec(numbers, (1, channels, side, side), &Device::Cpu)?;
        let latents = self.sample(vec![tokens], &noise, steps, &mut |done| {
            heard(Progress { done, of })
        })?;
        if heard(Progress { done: steps, of }).is_break() {
            return Err(EngineError::Cancelled);
        }
        let native = to_bytes(&self.decoder.decode(&latents)?)?;
        let rgb = resample::enlarge(
            &native,
            self.config.image_size,
            self.config.image_size,
            enlargement,
        );
        // The picture is finished: whoever stops it now has it already.
        let _ = heard(Progress { done: of, of });
        Ok(Picture {
            rgb,
            width: spec.width,
            height: spec.height,
        })
    }

    /// Latents (batch, channels, side, side) for token sequences and as much noise; `before_step` hears the number of
    /// each step, from 0, and may stop the work.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when stopped, [`EngineError::Computation`] when the shapes do not fit.
    pub fn sample(
        &self,
        tokens: Vec<Vec<u32>>,
        noise: &Tensor,
        steps: u32,
        before_step: &mut dyn FnMut(u32) -> ControlFlow<()>,
    ) -> Result<Tensor, EngineError> {
        let (batch, _, height, width) = noise.dims4()?;
        let mut sequences = tokens;
        // The second half of every batch is the empty prompt that guidance leads away from.
        sequences.extend(std::iter::repeat_n(
            vec![self.config.pad_token; self.config.max_tokens],
            batch,
        ));
        let text = self.text.encode(&sequences)?;
        let times = flow_euler::times(steps, self.config.sampler.time_shift);
        let packed = flow_euler::walk(flux1::pack(noise)?, &times, before_step, |x, time| {
            let twice = Tensor::cat(&[x, x], 0)?;
            let velocity =
                self.transformer
                    .velocity(&twice, &text.states, &text.pooled, time, &self.positions)?;
            let (said, empty) = (velocity.narrow(0, 0, batch)?, velocity.narrow(0, batch, batch)?);
            Ok(flow_euler::guided(&said, &empty, self.config.sampler.guidance)?)
        })?;
        Ok(flux1::unpack(&packed, height, width)?)
    }

    /// The enlargement that gives the size asked for.
    fn check(&self, spec: &Spec) -> Result<usize, EngineError> {
        let characters = spec.prompt.chars().count();
        if characters > PROMPT_CHARACTERS {
            return Err(EngineError::PromptTooLong {
                characters,
                limit: PROMPT_CHARACTERS,
            });
        }
        if let Some(steps) = spec.steps.filter(|steps| !(1..=STEPS).contains(steps)) {
            return Err(EngineError::UnsupportedSteps { steps, limit: STEPS });
        }
        let fits = |enlargement: &usize| {
            let side = self.config.image_size * enlargement;
            spec.width as usize == side && spec.height as usize == side
        };
        ENLARGEMENTS
            .into_iter()
            .find(fits)
            .ok_or(EngineError::UnsupportedSize {
                width: spec.width,
                height: spec.height,
            })
    }
}

/// A decoded picture (1, 3, height, width) with values −1..1 as bytes, three per pixel.
fn to_bytes(picture: &Tensor) -> Result<Vec<u8>, EngineError> {
    let values = picture
        .squeeze(0)?
        .permute((1, 2, 0))?
        .flatten_all()?
        .to_vec1::<f32>()?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::Computation(
            "the picture holds a number that is not finite".to_owned(),
        ));
    }
    Ok(values
        .into_iter()
        .map(|value| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8)
        .collect())
}
