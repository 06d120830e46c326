//! The FLUX.1 transformer, any size, with the tensor names of the original checkpoints.

use candle_core::{D, Device, Tensor};
use serde::Deserialize;

use crate::error::EngineError;
use crate::nn::attention::attention;
use crate::nn::linear::Linear;
use crate::nn::norm::{PlainLayerNorm, RmsNorm};
use crate::nn::rope::RopeTable;
use crate::weights::Scope;

/// Sizes of a transformer. `hidden_size` is `num_heads` times the sum of `axes_dim`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Flux1Config {
    /// Channels of a picture token (a 2 × 2 patch of latents).
    pub in_channels: usize,
    /// Width of the pooled text.
    pub vec_in_dim: usize,
    /// Width of a text state.
    pub context_in_dim: usize,
    /// Width inside.
    pub hidden_size: usize,
    /// Inner width of the feed-forward parts, as a multiple of `hidden_size`.
    pub mlp_ratio: f64,
    /// Attention heads.
    pub num_heads: usize,
    /// Blocks with separate text and picture streams.
    pub depth_double: usize,
    /// Blocks over the joint sequence.
    pub depth_single: usize,
    /// Channels of a head turned by each axis of a position; even numbers.
    pub axes_dim: [usize; 3],
    /// Base of the rotary frequencies.
    pub theta: f64,
}

/// The channels of the sinusoidal embedding of a time.
const TIME_CHANNELS: usize = 256;

impl Flux1Config {
    fn head(&self) -> usize {
        self.axes_dim.iter().sum()
    }

    fn feed_forward(&self) -> usize {
        (self.hidden_size as f64 * self.mlp_ratio) as usize
    }

    fn check(&self) -> Result<(), EngineError> {
        let fits = self.hidden_size == self.num_heads * self.head() && self.hidden_size > 0;
        if fits
            && self.axes_dim.iter().all(|width| width.is_multiple_of(2))
            && (1.0..=16.0).contains(&self.mlp_ratio)
        {
            Ok(())
        } else {
            Err(EngineError::Weights(
                "the transformer's heads do not make up its width".to_owned(),
            ))
        }
    }
}

/// The transformer.
#[derive(Debug)]
pub struct Flux1 {
    picture_in: Linear,
    text_in: Linear,
    time_in: Embedder,
    vector_in: Embedder,
    double_blocks: Vec<DoubleBlock>,
    single_blocks: Vec<SingleBlock>,
    final_norm: PlainLayerNorm,
    final_modulation: Linear,
    final_linear: Linear,
    config: Flux1Config,
}

impl Flux1 {
    /// Reads a transformer.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when the sizes contradict each other or a tensor is missing or has another shape.
    pub fn load(mut scope: Scope<'_, '_>, config: &Flux1Config) -> Result<Self, EngineError> {
        config.check()?;
        let hidden = config.hidden_size;
        let double_blocks = (0..config.depth_double)
            .map(|index| DoubleBlock::load(scope.at(&format!("double_blocks.{index}")), config));
        let double_blocks = double_blocks.collect::<Result<_, _>>()?;
        let single_blocks = (0..config.depth_single)
            .map(|index| SingleBlock::load(scope.at(&format!("single_blocks.{index}")), config));
        let single_blocks = single_blocks.collect::<Result<_, _>>()?;
        Ok(Self {
            picture_in: Linear::load(scope.at("img_in"), config.in_channels, hidden)?,
            text_in: Linear::load(scope.at("txt_in"), config.context_in_dim, hidden)?,
            time_in: Embedder::load(scope.at("time_in"), TIME_CHANNELS, hidden)?,
            vector_in: Embedder::load(scope.at("vector_in"), config.vec_in_dim, hidden)?,
            double_blocks,
            single_blocks,
            final_norm: PlainLayerNorm::new(hidden)?,
            final_modulation: Linear::load(scope.at("final_layer.adaLN_modulation.1"), hidden, 2 * hidden)?,
            final_linear: Linear::load(scope.at("final_layer.linear"), hidden, config.in_channels)?,
            config: config.clone(),
        })
    }

    /// The rotary table of `text_length` text tokens, all at position 0, and a `rows` × `columns` grid of picture
    /// tokens at (0, row, column).
    ///
    /// # Errors
    /// [`EngineError::Computation`] when a side does not fit 32 bits.
    pub fn positions(
        &self,
        text_length: usize,
        rows: usize,
        columns: usize,
    ) -> Result<RopeTable, EngineError> {
        let number = |n: usize| u32::try_from(n).map_err(|error| EngineError::Computation(error.to_string()));
        let (rows, columns) = (number(rows)?, number(columns)?);
        let mut positions = vec![[0; 3]; text_length];
        positions.extend((0..rows).flat_map(|row| (0..columns).map(move |column| [0, row, column])));
        Ok(RopeTable::new(
            &positions,
            &self.config.axes_dim,
            self.config.theta,
        )?)
    }

    /// The velocity (batch, tokens, channels) of picture tokens `picture` at `time` (1 is noise, 0 the picture) under
    /// the text states `text` and the pooled text `pooled`.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the shapes do not fit.
    pub fn velocity(
        &self,
        picture: &Tensor,
        text: &Tensor,
        pooled: &Tensor,
        time: f64,
        positions: &RopeTable,
    ) -> Result<Tensor, EngineError> {
        let text_length = text.dim(1)?;
        let time = self.time_in.forward(&time_embedding(time)?)?;
        let vector = candle_nn::ops::silu(&self.vector_in.forward(pooled)?.broadcast_add(&time)?)?;
        let (mut picture, mut text) = (self.picture_in.forward(picture)?, self.text_in.forward(text)?);
        for block in &self.double_blocks {
            (picture, text) = block.forward(&picture, &text, &vector, positions)?;
        }
        let mut joint = Tensor::cat(&[text, picture], 1)?;
        for block in &self.single_blocks {
            joint = block.forward(&joint, &vector, positions)?;
        }
        let picture = joint.narrow(1, text_length, joint.dim(1)? - text_length)?;
        let modulation = self
            .final_modulation
            .forward(&vector)?
            .unsqueeze(1)?
            .chunk(2, D::Minus1)?;
        let normed = modulated(
            &self.final_norm.forward(&picture)?,
            &modulation[0],
            &modulation[1],
        )?;
        Ok(self.final_linear.forward(&normed)?)
    }
}

/// Sinusoids of 1000 `time`, cosines first (1, 256).
fn time_embedding(time: f64) -> candle_core::Result<Tensor> {
    let half = TIME_CHANNELS / 2;
    let angle = |i: usize| 1000.0 * time * (-(10_000.0_f64.ln()) * i as f64 / half as f64).exp();
    let cosines = (0..half).map(|i| angle(i).cos() as f32);
    let sines = (0..half).map(|i| angle(i).sin() as f32);
    Tensor::from_vec(cosines.chain(sines).collect(), (1, TIME_CHANNELS), &Device::Cpu)
}

/// `(1 + scale) · x + shift`.
fn modulated(x: &Tensor, shift: &Tensor, scale: &Tensor) -> candle_core::Result<Tensor> {
    x.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)
}

/// Linear, SiLU, linear.
#[derive(Debug)]
struct Embedder {
    first: Linear,
    second: Linear,
}

impl Embedder {
    fn load(mut scope: Scope<'_, '_>, inputs: usize, hidden: usize) -> Result<Self, EngineError> {
        let first = Linear::load(scope.at("in_layer"), inputs, hidden)?;
        Ok(Self {
            first,
            second: Linear::load(scope.at("out_layer"), hidden, hidden)?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.second
            .forward(&candle_nn::ops::silu(&self.first.forward(x)?)?)
    }
}

/// Queries, keys and values of one stream, and the norms of the first two.
#[derive(Debug)]
struct Heads {
    query_norm: RmsNorm,
    key_norm: RmsNorm,
    count: usize,
}

impl Heads {
    fn load(mut scope: Scope<'_, '_>, config: &Flux1Config) -> Result<Self, EngineError> {
        let query_norm = RmsNorm::load(scope.at("query_norm"), "scale", config.head())?;
        let key_norm = RmsNorm::load(scope.at("key_norm"), "scale", config.head())?;
        Ok(Self {
            query_norm,
            key_norm,
            count: config.num_heads,
        })
    }

    /// Splits (batch, length, 3 · hidden) into normed queries and keys, and values, each (batch, heads, length, head).
    fn split(&self, qkv: &Tensor) -> candle_core::Result<[Tensor; 3]> {
        let (batch, length, _) = qkv.dims3()?;
        let parts = qkv
            .reshape((batch, length, 3, self.count, ()))?
            .permute((2, 0, 3, 1, 4))?;
        let part = |index: usize| parts.get(index)?.contiguous();
        Ok([
            self.query_norm.forward(&part(0)?)?,
            self.key_norm.forward(&part(1)?)?,
            part(2)?,
        ])
    }
}

/// Attention with turned queries and keys; the heads are joined again (batch, length, hidden).
fn attend([q, k, v]: [Tensor; 3], positions: &RopeTable) -> candle_core::Result<Tensor> {
    let scale = (q.dim(D::Minus1)? as f64).sqrt().recip();
    let (batch, _, length, _) = q.dims4()?;
    let mixed = attention(&positions.turn(&q)?, &positions.turn(&k)?, &v, scale, None)?;
    mixed.transpose(1, 2)?.reshape((batch, length, ()))
}

/// One stream of a double block.
#[derive(Debug)]
struct Stream {
    modulation: Linear,
    norm: PlainLayerNorm,
    qkv: Linear,
    heads: Heads,
    projection: Linear,
    widen: Linear,
    narrow: Linear,
}

impl Stream {
    fn load(scope: &mut Scope<'_, '_>, name: &str, config: &Flux1Config) -> Result<Self, EngineError> {
        let (hidden, forward) = (config.hidden_size, config.feed_forward());
        Ok(Self {
            modulation: Linear::load(scope.at(&format!("{name}_mod.lin")), hidden, 6 * hidden)?,
            norm: PlainLayerNorm::new(hidden)?,
            qkv: Linear::load(scope.at(&format!("{name}_attn.qkv")), hidden, 3 * hidden)?,
            heads: Heads::load(scope.at(&format!("{name}_attn.norm")), config)?,
            projection: Linear::load(scope.at(&format!("{name}_attn.proj")), hidden, hidden)?,
            widen: Linear::load(scope.at(&format!("{name}_mlp.0")), hidden, forward)?,
            narrow: Linear::load(scope.at(&format!("{name}_mlp.2")), forward, hidden)?,
        })
    }

    /// Shift, scale and gate of the attention, then of the feed-forward part, each (batch, 1, hidden).
    fn modulation(&self, vector: &Tensor) -> candle_core::Result<Vec<Tensor>> {
        self.modulation.forward(vector)?.unsqueeze(1)?.chunk(6, D::Minus1)
    }

    fn heads(&self, x: &Tensor, modulation: &[Tensor]) -> candle_core::Result<[Tensor; 3]> {
        let normed = modulated(&self.norm.forward(x)?, &modulation[0], &modulation[1])?;
        self.heads.split(&self.qkv.forward(&normed)?)
    }

    fn finish(&self, x: &Tensor, mixed: &Tensor, modulation: &[Tensor]) -> candle_core::Result<Tensor> {
        let x = (x + self.projection.forward(mixed)?.broadcast_mul(&modulation[2])?)?;
        let normed = modulated(&self.norm.forward(&x)?, &modulation[3], &modulation[4])?;
        let forward = self.narrow.forward(&self.widen.forward(&normed)?.gelu()?)?;
        x + forward.broadcast_mul(&modulation[5])?
    }
}

/// Text and picture with weights of their own and one attention over both, text first.
#[derive(Debug)]
struct DoubleBlock {
    picture: Stream,
    text: Stream,
}

impl DoubleBlock {
    fn load(mut scope: Scope<'_, '_>, config: &Flux1Config) -> Result<Self, EngineError> {
        let picture = Stream::load(&mut scope, "img", config)?;
        Ok(Self {
            picture,
            text: Stream::load(&mut scope, "txt", config)?,
        })
    }

    fn forward(
        &self,
        picture: &Tensor,
        text: &Tensor,
        vector: &Tensor,
        positions: &RopeTable,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        let (of_picture, of_text) = (self.picture.modulation(vector)?, self.text.modulation(vector)?);
        let [picture_q, picture_k, picture_v] = self.picture.heads(picture, &of_picture)?;
        let [text_q, text_k, text_v] = self.text.heads(text, &of_text)?;
        let joint = [
            Tensor::cat(&[text_q, picture_q], 2)?,
            Tensor::cat(&[text_k, picture_k], 2)?,
            Tensor::cat(&[text_v, picture_v], 2)?,
        ];
        let mixed = attend(joint, positions)?;
        let words = text.dim(1)?;
        let text = self.text.finish(text, &mixed.narrow(1, 0, words)?, &of_text)?;
        let picture = self
            .picture
            .finish(picture, &mixed.narrow(1, words, picture.dim(1)?)?, &of_picture)?;
        Ok((picture, text))
    }
}

/// Attention and feed-forward side by side over the joint sequence.
#[derive(Debug)]
struct SingleBlock {
    modulation: Linear,
    norm: PlainLayerNorm,
    into: Linear,
    heads: Heads,
    out: Linear,
    hidden: usize,
}

impl SingleBlock {
    fn load(mut scope: Scope<'_, '_>, config: &Flux1Config) -> Result<Self, EngineError> {
        let (hidden, forward) = (config.hidden_size, config.feed_forward());
        Ok(Self {
            modulation: Linear::load(scope.at("modulation.lin"), hidden, 3 * hidden)?,
            norm: PlainLayerNorm::new(hidden)?,
            into: Linear::load(scope.at("linear1"), hidden, 3 * hidden + forward)?,
            heads: Heads::load(scope.at("norm"), config)?,
            out: Linear::load(scope.at("linear2"), hidden + forward, hidden)?,
            hidden,
        })
    }

    fn forward(&self, x: &Tensor, vector: &Tensor, positions: &RopeTable) -> candle_core::Result<Tensor> {
        let modulation = self
            .modulation
            .forward(vector)?
            .unsqueeze(1)?
            .chunk(3, D::Minus1)?;
        let normed = modulated(&self.norm.forward(x)?, &modulation[0], &modulation[1])?;
        let wide = self.into.forward(&normed)?;
        let mixed = attend(
            self.heads.split(&wide.narrow(D::Minus1, 0, 3 * self.hidden)?)?,
            positions,
        )?;
        let rest = wide.dim(D::Minus1)? - 3 * self.hidden;
        let forward = wide
            .narrow(D::Minus1, 3 * self.hidden, rest)?
            .contiguous()?
            .gelu()?;
        let out = self.out.forward(&Tensor::cat(&[mixed, forward], D::Minus1)?)?;
        x + out.broadcast_mul(&modulation[2])?
    }
}

/// Latents (batch, channels, height, width) as picture tokens: 2 × 2 patches row by row, each ordered channel, row,
/// column.
pub fn pack(latents: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, channels, height, width) = latents.dims4()?;
    let patches = latents
        .reshape((batch, channels, height / 2, 2, width / 2, 2))?
        .permute((0, 2, 4, 1, 3, 5))?;
    patches.reshape((batch, height / 2 * (width / 2), channels * 4))
}

/// The inverse of [`pack`] for `height` × `width` latents.
pub fn unpack(tokens: &Tensor, height: usize, width: usize) -> candle_core::Result<Tensor> {
    let (batch, _, channels) = tokens.dims3()?;
    let patches = tokens
        .reshape((batch, height / 2, width / 2, channels / 4, 2, 2))?
        .permute((0, 3, 1, 4, 2, 5))?;
    patches.reshape((batch, channels / 4, height, width))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::{pack, unpack};

    #[test]
    fn a_token_is_ordered_channel_row_column() {
        let latents = Tensor::arange(0.0_f32, 32.0, &Device::Cpu)
            .unwrap()
            .reshape((1, 2, 4, 4))
            .unwrap();
        let tokens = pack(&latents).unwrap();
        assert_eq!(tokens.dims(), [1, 4, 8]);
        let second = tokens.to_vec3::<f32>().unwrap()[0][1].clone();
        assert_eq!(second, vec![2.0, 3.0, 6.0, 7.0, 18.0, 19.0, 22.0, 23.0]);
        let back = unpack(&tokens, 4, 4)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        assert_eq!(back, latents.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }
}
