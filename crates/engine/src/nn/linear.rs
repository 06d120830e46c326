//! A linear map over the last axis.

use candle_core::Tensor;

use crate::error::EngineError;
use crate::weights::Scope;

/// `y = x · Wᵀ (+ b)` over the last axis; `W` is stored as (outputs, inputs), as PyTorch does.
#[derive(Debug)]
pub struct Linear {
    transposed: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `weight` and `bias` below `scope`.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when a tensor is missing or has another shape.
    pub fn load(mut scope: Scope<'_, '_>, inputs: usize, outputs: usize) -> Result<Self, EngineError> {
        let mut linear = Self::load_without_bias(scope.here(), inputs, outputs)?;
        linear.bias = Some(scope.tensor("bias", &[outputs])?);
        Ok(linear)
    }

    /// Reads `weight` alone below `scope`.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when the tensor is missing or has another shape.
    pub fn load_without_bias(
        mut scope: Scope<'_, '_>,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, EngineError> {
        let weight = scope.tensor("weight", &[outputs, inputs])?;
        Ok(Self {
            transposed: weight.t()?,
            bias: None,
        })
    }

    /// Applies the map to a tensor of any rank ≥ 1 whose last axis holds the inputs.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (inputs, outputs) = self.transposed.dims2()?;
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        // One flat product is faster than a batched one whose weights are repeated by broadcast.
        let flat = x.reshape(((), inputs))?.matmul(&self.transposed)?;
        let flat = match &self.bias {
            Some(bias) => flat.broadcast_add(bias)?,
            None => flat,
        };
        flat.reshape(shape)
    }
}
