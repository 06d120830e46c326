//! Normalisations: layer norm without parameters, root-mean-square norm, group norm.

use candle_core::{DType, Device, Tensor};

use crate::error::EngineError;
use crate::weights::Scope;

/// Layer norm over the last axis with neither scale nor shift; the blocks modulate its output.
#[derive(Debug)]
pub struct PlainLayerNorm {
    ones: Tensor,
    zeros: Tensor,
}

impl PlainLayerNorm {
    const EPSILON: f32 = 1e-6;

    /// A norm for tensors whose last axis has `width` entries.
    pub fn new(width: usize) -> candle_core::Result<Self> {
        Ok(Self {
            ones: Tensor::ones(width, DType::F32, &Device::Cpu)?,
            zeros: Tensor::zeros(width, DType::F32, &Device::Cpu)?,
        })
    }

    /// `(x − mean) / √(variance + ε)` over the last axis.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.ones, &self.zeros, Self::EPSILON)
    }
}

/// Root-mean-square norm over the last axis with a learned scale.
#[derive(Debug)]
pub struct RmsNorm {
    scale: Tensor,
}

impl RmsNorm {
    const EPSILON: f32 = 1e-6;

    /// Reads the scale called `name` below `scope`.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when the tensor is missing or has another shape.
    pub fn load(mut scope: Scope<'_, '_>, name: &str, width: usize) -> Result<Self, EngineError> {
        Ok(Self {
            scale: scope.tensor(name, &[width])?,
        })
    }

    /// `scale · x / √(mean(x²) + ε)` over the last axis.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::rms_norm(&x.contiguous()?, &self.scale, Self::EPSILON)
    }
}

/// Group norm over (batch, channels, height, width) with learned scale and shift.
#[derive(Debug)]
pub struct GroupNorm {
    groups: usize,
    scale: Tensor,
    shift: Tensor,
}

impl GroupNorm {
    const EPSILON: f64 = 1e-6;

    /// Reads `weight` and `bias` below `scope`; `groups` divides `channels`.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when a tensor is missing or has another shape, or the groups do not divide the channels.
    pub fn load(mut scope: Scope<'_, '_>, groups: usize, channels: usize) -> Result<Self, EngineError> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(EngineError::Weights(format!(
                "{groups} norm groups do not divide {channels} channels"
            )));
        }
        let shape = (1, groups, channels / groups, 1);
        Ok(Self {
            groups,
            scale: scope.tensor("weight", &[channels])?.reshape(shape)?,
            shift: scope.tensor("bias", &[channels])?.reshape(shape)?,
        })
    }

    /// Normalises every group of channels of every picture to mean 0 and variance 1, then scales and shifts.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let grouped = x.reshape((batch, self.groups, channels / self.groups, height * width))?;
        let mean = grouped.mean_keepdim((2, 3))?;
        let centred = grouped.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean_keepdim((2, 3))?;
        let factor = (variance + Self::EPSILON)?.sqrt()?.recip()?;
        // Scale per (group, channel) first, so that the large tensor is touched twice and not four times.
        let factor = factor.broadcast_mul(&self.scale)?;
        centred
            .broadcast_mul(&factor)?
            .broadcast_add(&self.shift)?
            .reshape((batch, channels, height, width))
    }
}
