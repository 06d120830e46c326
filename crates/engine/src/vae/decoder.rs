//! The decoder of the FLUX.1 auto-encoder, any size, with the tensor names of the original checkpoints.

use candle_core::Tensor;
use serde::Deserialize;

use crate::error::EngineError;
use crate::nn::attention::attention;
use crate::nn::norm::GroupNorm;
use crate::weights::Scope;

/// Sizes of a decoder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DecoderConfig {
    /// Channels at full size.
    pub ch: usize,
    /// Channels of each level as a multiple of `ch`, full size first; each level halves the side.
    pub ch_mult: Vec<usize>,
    /// Residual blocks of the matching encoder level; the decoder has one more.
    pub num_res_blocks: usize,
    /// Channels of the latents.
    pub z_channels: usize,
    /// Groups of every norm.
    pub groups: usize,
    /// Latents are divided by this before decoding …
    pub scale_factor: f64,
    /// … and this is added.
    pub shift_factor: f64,
}

impl DecoderConfig {
    /// Pixels per latent along a side.
    pub fn scale(&self) -> usize {
        1 << self.ch_mult.len().saturating_sub(1).min(8)
    }
}

/// The decoder.
#[derive(Debug)]
pub struct Decoder {
    scale_factor: f64,
    shift_factor: f64,
    conv_in: Convolution,
    middle: (Residual, SpatialAttention, Residual),
    /// From the smallest side to full size.
    levels: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Convolution,
}

#[derive(Debug)]
struct Level {
    blocks: Vec<Residual>,
    upsample: Option<Convolution>,
}

impl Decoder {
    /// Reads a decoder.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when a tensor is missing or has another shape.
    pub fn load(mut scope: Scope<'_, '_>, config: &DecoderConfig) -> Result<Self, EngineError> {
        let groups = config.groups;
        let widths: Vec<usize> = config
            .ch_mult
            .iter()
            .map(|multiple| config.ch * multiple)
            .collect();
        let Some(&smallest) = widths.last() else {
            return Err(EngineError::Weights("the decoder has no level".to_owned()));
        };
        let conv_in = Convolution::load(scope.at("conv_in"), config.z_channels, smallest, 3)?;
        let middle = (
            Residual::load(scope.at("mid.block_1"), smallest, smallest, groups)?,
            SpatialAttention::load(scope.at("mid.attn_1"), smallest, groups)?,
            Residual::load(scope.at("mid.block_2"), smallest, smallest, groups)?,
        );
        let (mut levels, mut width) = (Vec::with_capacity(widths.len()), smallest);
        for (index, &outside) in widths.iter().enumerate().rev() {
            let mut scope = scope.at(&format!("up.{index}"));
            let mut blocks = Vec::with_capacity(config.num_res_blocks + 1);
            for block in 0..=config.num_res_blocks {
                blocks.push(Residual::load(
                    scope.at(&format!("block.{block}")),
                    width,
                    outside,
                    groups,
                )?);
                width = outside;
            }
            let upsample = (index > 0).then(|| Convolution::load(scope.at("upsample.conv"), width, width, 3));
            levels.push(Level {
                blocks,
                upsample: upsample.transpose()?,
            });
        }
        let norm_out = GroupNorm::load(scope.at("norm_out"), groups, width)?;
        let conv_out = Convolution::load(scope.at("conv_out"), width, 3, 3)?;
        let (scale_factor, shift_factor) = (config.scale_factor, config.shift_factor);
        Ok(Self {
            scale_factor,
            shift_factor,
            conv_in,
            middle,
            levels,
            norm_out,
            conv_out,
        })
    }

    /// Pictures (batch, 3, height, width) with values in about −1..1 from latents (batch, channels, height, width).
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the shapes do not fit.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, EngineError> {
        let x = ((latents / self.scale_factor)? + self.shift_factor)?;
        let x = self.conv_in.forward(&x)?;
        let x = self.middle.0.forward(&x)?;
        let x = self.middle.1.forward(&x)?;
        let mut x = self.middle.2.forward(&x)?;
        for level in &self.levels {
            for block in &level.blocks {
                x = block.forward(&x)?;
            }
            if let Some(convolution) = &level.upsample {
                let (_, _, height, width) = x.dims4()?;
                x = convolution.forward(&x.upsample_nearest2d(2 * height, 2 * width)?)?;
            }
        }
        Ok(self
            .conv_out
            .forward(&candle_nn::ops::silu(&self.norm_out.forward(&x)?)?)?)
    }
}

/// A convolution that keeps the size of the picture.
#[derive(Debug)]
struct Convolution {
    kernel: Tensor,
    bias: Tensor,
    padding: usize,
}

impl Convolution {
    fn load(
        mut scope: Scope<'_, '_>,
        inputs: usize,
        outputs: usize,
        side: usize,
    ) -> Result<Self, EngineError> {
        let kernel = scope.tensor("weight", &[outputs, inputs, side, side])?;
        let bias = scope.tensor("bias", &[outputs])?.reshape((1, outputs, 1, 1))?;
        Ok(Self {
            kernel,
            bias,
            padding: side / 2,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.conv2d(&self.kernel, self.padding, 1, 1, 1)?
            .broadcast_add(&self.bias)
    }
}

/// Two normed convolutions and a shortcut.
#[derive(Debug)]
struct Residual {
    norms: (GroupNorm, GroupNorm),
    convolutions: (Convolution, Convolution),
    shortcut: Option<Convolution>,
}

impl Residual {
    fn load(
        mut scope: Scope<'_, '_>,
        inputs: usize,
        outputs: usize,
        groups: usize,
    ) -> Result<Self, EngineError> {
        let norms = (
            GroupNorm::load(scope.at("norm1"), groups, inputs)?,
            GroupNorm::load(scope.at("norm2"), groups, outputs)?,
        );
        let convolutions = (
            Convolution::load(scope.at("conv1"), inputs, outputs, 3)?,
            Convolution::load(scope.at("conv2"), outputs, outputs, 3)?,
        );
        let shortcut =
            (inputs != outputs).then(|| Convolution::load(scope.at("nin_shortcut"), inputs, outputs, 1));
        Ok(Self {
            norms,
            convolutions,
            shortcut: shortcut.transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = self
            .convolutions
            .0
            .forward(&candle_nn::ops::silu(&self.norms.0.forward(x)?)?)?;
        let y = self
            .convolutions
            .1
            .forward(&candle_nn::ops::silu(&self.norms.1.forward(&y)?)?)?;
        match &self.shortcut {
            Some(shortcut) => shortcut.forward(x)? + y,
            None => x + y,
        }
    }
}

/// Single-head attention over all places of a picture.
#[derive(Debug)]
struct SpatialAttention {
    norm: GroupNorm,
    q: Convolution,
    k: Convolution,
    v: Convolution,
    out: Convolution,
}

impl SpatialAttention {
    fn load(mut scope: Scope<'_, '_>, channels: usize, groups: usize) -> Result<Self, EngineError> {
        Ok(Self {
            norm: GroupNorm::load(scope.at("norm"), groups, channels)?,
            q: Convolution::load(scope.at("q"), channels, channels, 1)?,
            k: Convolution::load(scope.at("k"), channels, channels, 1)?,
            v: Convolution::load(scope.at("v"), channels, channels, 1)?,
            out: Convolution::load(scope.at("proj_out"), channels, channels, 1)?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let normed = self.norm.forward(x)?;
        let places = |y: Tensor| {
            y.reshape((batch, 1, channels, height * width))?
                .transpose(2, 3)?
                .contiguous()
        };
        let q = places(self.q.forward(&normed)?)?;
        let k = places(self.k.forward(&normed)?)?;
        let v = places(self.v.forward(&normed)?)?;
        let mixed = attention(&q, &k, &v, (channels as f64).sqrt().recip(), None)?;
        x + self
            .out
            .forward(&mixed.transpose(2, 3)?.reshape((batch, channels, height, width))?)?
    }
}
