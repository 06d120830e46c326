//! The encoder of T5 v1.1, with the tensor names of its published checkpoints.
//!
//! Scores are not scaled by the head width; the relative bias of block 0 serves all blocks. Keys at pads get a
//! finite additive mask, so a sequence of pads alone attends evenly.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::error::EngineError;
use crate::nn::attention::attention;
use crate::nn::linear::Linear;
use crate::nn::norm::RmsNorm;
use crate::weights::Scope;

/// Sizes of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct T5Config {
    /// Width of the states.
    pub d_model: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width of a head.
    pub d_kv: usize,
    /// Inner width of the feed-forward part.
    pub d_ff: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Buckets of the relative bias, both directions together.
    pub relative_attention_num_buckets: usize,
    /// Distance from which all further ones share the last bucket.
    pub relative_attention_max_distance: usize,
}

const PAD_MASK: f32 = -1e9;

/// The encoder.
#[derive(Debug)]
pub struct T5Encoder {
    config: T5Config,
    pad: u32,
    embeddings: Tensor,
    relative_bias: Tensor,
    blocks: Vec<Block>,
    final_norm: RmsNorm,
}

/// The states of a batch of token sequences.
#[derive(Debug)]
pub struct Encoded {
    /// One state per token (batch, length, width).
    pub states: Tensor,
    /// The mean state over the tokens that are not pads (batch, width); zero when all are pads.
    pub pooled: Tensor,
}

#[derive(Debug)]
struct Block {
    attention_norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    feed_forward_norm: RmsNorm,
    gate: Linear,
    value: Linear,
    out: Linear,
}

impl T5Encoder {
    /// Reads an encoder for `vocabulary` tokens, of which `pad` is the one to mask.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when a tensor is missing or has another shape.
    pub fn load(
        mut scope: Scope<'_, '_>,
        config: &T5Config,
        vocabulary: usize,
        pad: u32,
    ) -> Result<Self, EngineError> {
        if config.relative_attention_num_buckets < 4
            || config.relative_attention_max_distance <= config.relative_attention_num_buckets / 4
        {
            return Err(EngineError::Weights(
                "the relative bias has too few buckets or too short a reach".to_owned(),
            ));
        }
        let embeddings = scope
            .at("shared")
            .tensor("weight", &[vocabulary, config.d_model])?;
        let mut encoder = scope.at("encoder");
        let relative_bias = encoder
            .at("block.0.layer.0.SelfAttention.relative_attention_bias")
            .tensor(
                "weight",
                &[config.relative_attention_num_buckets, config.num_heads],
            )?;
        let blocks =
            (0..config.num_layers).map(|index| Block::load(encoder.at(&format!("block.{index}")), config));
        let blocks = blocks.collect::<Result<_, _>>()?;
        let final_norm = RmsNorm::load(encoder.at("final_layer_norm"), "weight", config.d_model)?;
        Ok(Self {
            config: config.clone(),
            pad,
            embeddings,
            relative_bias,
            blocks,
            final_norm,
        })
    }

    /// Encodes sequences of one length.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when a token is outside the vocabulary or the lengths differ.
    pub fn encode(&self, sequences: &[Vec<u32>]) -> Result<Encoded, EngineError> {
        let (batch, length) = (sequences.len(), sequences.first().map_or(0, Vec::len));
        let tokens = sequences.concat();
        let said: Vec<f32> = tokens
            .iter()
            .map(|token| if *token == self.pad { 0.0 } else { 1.0 })
            .collect();
        let masked: Vec<f32> = said
            .iter()
            .map(|said| if *said == 0.0 { PAD_MASK } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(masked, (batch, 1, 1, length), &Device::Cpu)?;
        let tokens = Tensor::from_vec(tokens, batch * length, &Device::Cpu)?;
        let bias = self.bias(length)?.broadcast_add(&mask)?;

        let mut x =
            self.embeddings
                .index_select(&tokens, 0)?
                .reshape((batch, length, self.config.d_model))?;
        for block in &self.blocks {
            x = block.forward(&x, &bias, &self.config)?;
        }
        let states = self.final_norm.forward(&x)?;
        let weight = Tensor::from_vec(said, (batch, length, 1), &Device::Cpu)?;
        let count = weight.sum(1)?.clamp(1.0, f64::INFINITY)?;
        let pooled = states.broadcast_mul(&weight)?.sum(1)?.broadcast_div(&count)?;
        Ok(Encoded { states, pooled })
    }

    /// The relative bias (1, heads, length, length).
    fn bias(&self, length: usize) -> candle_core::Result<Tensor> {
        let buckets: Vec<u32> = (0..length)
            .flat_map(|query| (0..length).map(move |key| (query, key)))
            .map(|(q, k)| self.bucket(q, k))
            .collect();
        let buckets = Tensor::from_vec(buckets, length * length, &Device::Cpu)?;
        let bias = self.relative_bias.index_select(&buckets, 0)?;
        bias.reshape((length, length, self.config.num_heads))?
            .permute((2, 0, 1))?
            .unsqueeze(0)?
            .contiguous()
    }

    /// The bucket of a distance: half of them for keys after the query, near distances one each, far ones by logarithm.
    fn bucket(&self, query: usize, key: usize) -> u32 {
        let half = self.config.relative_attention_num_buckets / 2;
        let exact = half / 2;
        let distance = query.abs_diff(key);
        let bucket = if distance < exact {
            distance
        } else {
            let ratio = (distance as f32 / exact as f32).ln();
            let reach = (self.config.relative_attention_max_distance as f64 / exact as f64).ln() as f32;
            (exact + (ratio / reach * (half - exact) as f32) as usize).min(half - 1)
        };
        (bucket + if key > query { half } else { 0 }) as u32
    }
}

impl Block {
    fn load(mut scope: Scope<'_, '_>, config: &T5Config) -> Result<Self, EngineError> {
        let (width, inner, forward) = (config.d_model, config.num_heads * config.d_kv, config.d_ff);
        let mut attention = scope.at("layer.0");
        let attention_norm = RmsNorm::load(attention.at("layer_norm"), "weight", width)?;
        let mut attention = attention.at("SelfAttention");
        let q = Linear::load_without_bias(attention.at("q"), width, inner)?;
        let k = Linear::load_without_bias(attention.at("k"), width, inner)?;
        let v = Linear::load_without_bias(attention.at("v"), width, inner)?;
        let o = Linear::load_without_bias(attention.at("o"), inner, width)?;
        let mut dense = scope.at("layer.1");
        let feed_forward_norm = RmsNorm::load(dense.at("layer_norm"), "weight", width)?;
        let mut dense = dense.at("DenseReluDense");
        let gate = Linear::load_without_bias(dense.at("wi_0"), width, forward)?;
        let value = Linear::load_without_bias(dense.at("wi_1"), width, forward)?;
        let out = Linear::load_without_bias(dense.at("wo"), forward, width)?;
        Ok(Self {
            attention_norm,
            q,
            k,
            v,
            o,
            feed_forward_norm,
            gate,
            value,
            out,
        })
    }

    fn forward(&self, x: &Tensor, bias: &Tensor, config: &T5Config) -> candle_core::Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        let heads = |y: Tensor| {
            y.reshape((batch, length, config.num_heads, config.d_kv))?
                .transpose(1, 2)?
                .contiguous()
        };
        let normed = self.attention_norm.forward(x)?;
        let q = heads(self.q.forward(&normed)?)?;
        let k = heads(self.k.forward(&normed)?)?;
        let v = heads(self.v.forward(&normed)?)?;
        let mixed = attention(&q, &k, &v, 1.0, Some(bias))?.transpose(1, 2)?;
        let x = (x + self.o.forward(&mixed.reshape((batch, length, ()))?)?)?;
        let normed = self.feed_forward_norm.forward(&x)?;
        let gated = (self.gate.forward(&normed)?.gelu()? * self.value.forward(&normed)?)?;
        x + self.out.forward(&gated)?
    }
}
