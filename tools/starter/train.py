"""Trains, exports and checks the bundled starter text-to-image model.

The model has the layout of FLUX.1 at a very small size: a T5 encoder for the caption, a
rectified-flow transformer over 2x2-packed latents, and the decoder of a convolutional
auto-encoder. Tensor names follow the published checkpoints, so the engine runs the
starter with the code that runs the large models. Data come from `scenes.py`.

    python train.py all --preset cpu --run RUN --minutes 95
    python train.py export --run RUN
    python train.py parity
    python train.py sample --out FOLDER

Times are seconds unless a name says otherwise. Pictures and latents are (batch,
channels, height, width); pictures have values in -1..1.
"""

import argparse
import csv
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import time
from dataclasses import dataclass

import numpy
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import scenes

HERE = pathlib.Path(__file__).resolve().parent
ENGINE = HERE.parents[1] / "crates" / "engine"
WEIGHTS = ENGINE / "weights" / "starter.safetensors"
CONFIG = ENGINE / "weights" / "starter.json"
PARITY = ENGINE / "tests" / "fixtures" / "parity.safetensors"
CURVE = HERE / "curve.csv"


# ---------------------------------------------------------------------------- presets


@dataclass(frozen=True)
class Preset:
    """Everything that defines a training run; `preparation` is the time kept for rendering and encoding."""

    image_size: int
    workers: int
    device: str
    seed: int = 20
    # auto-encoder
    decoder_channels: int = 16
    decoder_multipliers: tuple = (1, 2, 3, 4)
    decoder_res_blocks: int = 1
    latent_channels: int = 8
    norm_groups: int = 8
    encoder_channels: int = 64
    preparation: float = 180.0
    pictures: int = 6000
    autoencoder_share: float = 0.20
    decoder_share: float = 0.13
    autoencoder_batch: int = 8
    autoencoder_rate: float = 0.01
    latent_noise: float = 0.10
    # text encoder
    text_width: int = 96
    text_heads: int = 4
    text_feed_forward: int = 192
    text_layers: int = 2
    text_buckets: int = 16
    text_max_distance: int = 32
    # transformer
    hidden: int = 192
    heads: int = 6
    axes: tuple = (8, 12, 12)
    double_blocks: int = 1
    single_blocks: int = 4
    latents: int = 16000
    dit_batch: int = 96
    dit_rate: float = 0.012
    adam_rate: float = 0.0015
    word_drop: float = 0.10
    caption_drop: float = 0.10
    ema_horizon: int = 400
    # sampler
    steps: int = 10
    guidance: float = 2.5
    time_shift: float = 1.0


PRESETS = {
    "cpu": Preset(image_size=128, workers=2, device="cpu"),
    "gpu": Preset(
        image_size=256,
        workers=1,
        device="cuda",
        decoder_channels=24,
        preparation=75.0,
        pictures=24000,
        autoencoder_batch=64,
        double_blocks=2,
        single_blocks=6,
        latents=48000,
        dit_batch=512,
        ema_horizon=1500,
    ),
}


# ---------------------------------------------------------------------- text encoder


class RmsNorm(nn.Module):
    """T5 layer norm: no mean, no bias."""

    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))


def relative_buckets(length, buckets, max_distance):
    """T5's bidirectional bucket of every (query, key) distance, (length, length)."""
    position = torch.arange(length)
    relative = position[None, :] - position[:, None]
    half = buckets // 2
    bucket = (relative > 0).long() * half
    distance = relative.abs()
    exact = half // 2
    ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    far = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    return bucket + torch.where(distance < exact, distance, far)


class SelfAttention(nn.Module):
    """T5 attention: unscaled scores plus a relative bias, keys at pads masked."""

    def __init__(self, preset, with_bias):
        super().__init__()
        width = preset.text_width
        self.heads = preset.text_heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        if with_bias:
            self.relative_attention_bias = nn.Embedding(preset.text_buckets, preset.text_heads)

    def forward(self, x, bias):
        batch, length, width = x.shape
        split = lambda y: y.view(batch, length, self.heads, -1).transpose(1, 2)
        scores = split(self.q(x)) @ split(self.k(x)).transpose(2, 3) + bias
        mixed = scores.softmax(-1) @ split(self.v(x))
        return self.o(mixed.transpose(1, 2).reshape(batch, length, width))


class AttentionLayer(nn.Module):
    """Pre-norm residual attention."""

    def __init__(self, preset, with_bias):
        super().__init__()
        self.SelfAttention = SelfAttention(preset, with_bias)
        self.layer_norm = RmsNorm(preset.text_width)

    def forward(self, x, bias):
        return x + self.SelfAttention(self.layer_norm(x), bias)


class GatedDense(nn.Module):
    """T5 v1.1 feed-forward: gelu(tanh)-gated."""

    def __init__(self, preset):
        super().__init__()
        self.wi_0 = nn.Linear(preset.text_width, preset.text_feed_forward, bias=False)
        self.wi_1 = nn.Linear(preset.text_width, preset.text_feed_forward, bias=False)
        self.wo = nn.Linear(preset.text_feed_forward, preset.text_width, bias=False)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class FeedForwardLayer(nn.Module):
    """Pre-norm residual feed-forward."""

    def __init__(self, preset):
        super().__init__()
        self.DenseReluDense = GatedDense(preset)
        self.layer_norm = RmsNorm(preset.text_width)

    def forward(self, x):
        return x + self.DenseReluDense(self.layer_norm(x))


class TextBlock(nn.Module):
    """One T5 encoder block; `layer.0` attends, `layer.1` transforms."""

    def __init__(self, preset, with_bias):
        super().__init__()
        self.layer = nn.ModuleList([AttentionLayer(preset, with_bias), FeedForwardLayer(preset)])

    def forward(self, x, bias):
        return self.layer[1](self.layer[0](x, bias))


class TextEncoder(nn.Module):
    """T5 encoder with Hugging Face tensor names."""

    def __init__(self, preset):
        super().__init__()
        self.shared = nn.Embedding(len(scenes.VOCABULARY), preset.text_width)
        self.encoder = nn.Module()
        self.encoder.block = nn.ModuleList([TextBlock(preset, i == 0) for i in range(preset.text_layers)])
        self.encoder.final_layer_norm = RmsNorm(preset.text_width)
        table = relative_buckets(scenes.CAPTION_LENGTH, preset.text_buckets, preset.text_max_distance)
        self.register_buffer("buckets", table, persistent=False)
        self._initialise(preset)

    def _initialise(self, preset):
        width, forward = preset.text_width, preset.text_feed_forward
        head = width // preset.text_heads
        for name, parameter in self.named_parameters():
            if name.endswith(".q.weight"):
                nn.init.normal_(parameter, std=(width * head) ** -0.5)
            elif name.endswith(".wo.weight"):
                nn.init.normal_(parameter, std=forward**-0.5)
            elif parameter.dim() == 2 and "shared" not in name:
                nn.init.normal_(parameter, std=width**-0.5)

    def forward(self, tokens):
        """Encodes (batch, length) token ids; returns the sequence and its mean over the words.

        The pad mask is additive and finite (-1e9), so a caption of pads only attends evenly;
        its mean is the zero vector.
        """
        attention = self.encoder.block[0].layer[0].SelfAttention
        bias = attention.relative_attention_bias(self.buckets).permute(2, 0, 1).unsqueeze(0)
        word = (tokens != 0).float()
        bias = bias + (1 - word)[:, None, None, :] * -1e9
        x = self.shared(tokens)
        for block in self.encoder.block:
            x = block(x, bias)
        x = self.encoder.final_layer_norm(x)
        pooled = (x * word.unsqueeze(-1)).sum(1) / word.sum(1, keepdim=True).clamp(min=1)
        return x, pooled


# ----------------------------------------------------------------------- transformer


def timestep_embedding(t, width=256):
    """Sinusoids of 1000 t, cosines first."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / half)
    angles = (1000.0 * t.float())[:, None] * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], -1)


def rotary_table(positions, axes, theta=10000):
    """Cosines and sines (length, head/2) for integer positions (length, axes)."""
    angles = []
    for axis, width in enumerate(axes):
        omega = 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles.append(positions[:, axis, None].double() * omega)
    angles = torch.cat(angles, -1)
    return angles.cos().float(), angles.sin().float()


def rotate(x, table):
    """Turns each pair of neighbouring channels of (batch, heads, length, head)."""
    cosine, sine = table
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)


class MlpEmbedder(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, inside, hidden):
        super().__init__()
        self.in_layer = nn.Linear(inside, hidden)
        self.out_layer = nn.Linear(hidden, hidden)

    def forward(self, x):
        return self.out_layer(F.silu(self.in_layer(x)))


class HeadNorm(nn.Module):
    """RMS norm over a head's channels; the parameter is called `scale`."""

    def __init__(self, head):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(head))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.scale


class QueryKeyNorm(nn.Module):
    """Norms of queries and keys."""

    def __init__(self, head):
        super().__init__()
        self.query_norm = HeadNorm(head)
        self.key_norm = HeadNorm(head)


class Modulation(nn.Module):
    """Shift, scale and gate (once or twice) computed from the conditioning vector."""

    def __init__(self, hidden, pairs):
        super().__init__()
        self.parts = 3 * pairs
        self.lin = nn.Linear(hidden, self.parts * hidden)
        nn.init.zeros_(self.lin.weight)
        with torch.no_grad():
            self.lin.bias.view(pairs, 3, hidden).copy_(torch.tensor([0.0, 0.0, 1.0])[None, :, None])

    def forward(self, vector):
        return self.lin(F.silu(vector))[:, None].chunk(self.parts, -1)


class StreamAttention(nn.Module):
    """The projections of one stream of a double block."""

    def __init__(self, hidden, head):
        super().__init__()
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.norm = QueryKeyNorm(head)
        self.proj = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.proj.weight)


def feed_forward(hidden, ratio=4):
    """Linear, gelu(tanh), linear; the output starts at zero."""
    layers = nn.Sequential(nn.Linear(hidden, ratio * hidden), nn.GELU(approximate="tanh"), nn.Linear(ratio * hidden, hidden))
    nn.init.zeros_(layers[2].weight)
    return layers


def layer_norm(x):
    """Layer norm without parameters."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def split_heads(qkv, heads, norm):
    """Normed queries and keys, and values, each (batch, heads, length, head)."""
    batch, length, _ = qkv.shape
    q, k, v = qkv.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return norm.query_norm(q), norm.key_norm(k), v


def attend(q, k, v, table):
    """Rotary attention; returns (batch, length, hidden)."""
    mixed = F.scaled_dot_product_attention(rotate(q, table).to(v.dtype), rotate(k, table).to(v.dtype), v)
    return mixed.transpose(1, 2).flatten(2)


class DoubleBlock(nn.Module):
    """Picture and text streams with separate weights and joint attention, text first."""

    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.img_mod, self.txt_mod = Modulation(hidden, 2), Modulation(hidden, 2)
        self.img_attn, self.txt_attn = StreamAttention(hidden, hidden // heads), StreamAttention(hidden, hidden // heads)
        self.img_mlp, self.txt_mlp = feed_forward(hidden), feed_forward(hidden)

    def forward(self, img, txt, vector, table):
        streams = []
        for x, mod, attn in ((txt, self.txt_mod, self.txt_attn), (img, self.img_mod, self.img_attn)):
            parts = mod(vector)
            normed = (1 + parts[1]) * layer_norm(x) + parts[0]
            streams.append((parts, split_heads(attn.qkv(normed), self.heads, attn.norm)))
        q, k, v = (torch.cat([streams[0][1][i], streams[1][1][i]], 2) for i in range(3))
        mixed = attend(q, k, v, table)
        words = txt.shape[1]
        outputs = []
        for x, mix, attn, mlp, (parts, _) in (
            (txt, mixed[:, :words], self.txt_attn, self.txt_mlp, streams[0]),
            (img, mixed[:, words:], self.img_attn, self.img_mlp, streams[1]),
        ):
            x = x + parts[2] * attn.proj(mix)
            x = x + parts[5] * mlp((1 + parts[4]) * layer_norm(x) + parts[3])
            outputs.append(x)
        return outputs[1], outputs[0]


class SingleBlock(nn.Module):
    """Attention and feed-forward side by side over the joint sequence."""

    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.linear1 = nn.Linear(hidden, 7 * hidden)
        self.linear2 = nn.Linear(5 * hidden, hidden)
        self.norm = QueryKeyNorm(hidden // heads)
        self.modulation = Modulation(hidden, 1)
        nn.init.zeros_(self.linear2.weight)

    def forward(self, x, vector, table):
        shift, scale, gate = self.modulation(vector)
        hidden = x.shape[-1]
        qkv, mlp = self.linear1((1 + scale) * layer_norm(x) + shift).split([3 * hidden, 4 * hidden], -1)
        mixed = attend(*split_heads(qkv, self.heads, self.norm), table)
        return x + gate * self.linear2(torch.cat([mixed, F.gelu(mlp, approximate="tanh")], -1))


class FinalLayer(nn.Module):
    """Modulated norm and projection to packed latents; modulation rows are shift, then scale."""

    def __init__(self, hidden, channels):
        super().__init__()
        self.linear = nn.Linear(hidden, channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(hidden, 2 * hidden))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.adaLN_modulation[1].weight)
        nn.init.zeros_(self.adaLN_modulation[1].bias)

    def forward(self, x, vector):
        shift, scale = self.adaLN_modulation(vector)[:, None].chunk(2, -1)
        return self.linear((1 + scale) * layer_norm(x) + shift)


class Transformer(nn.Module):
    """FLUX.1 transformer without guidance embedding; predicts the velocity noise - latent."""

    def __init__(self, preset):
        super().__init__()
        hidden, channels = preset.hidden, 4 * preset.latent_channels
        self.img_in = nn.Linear(channels, hidden)
        self.txt_in = nn.Linear(preset.text_width, hidden)
        self.time_in = MlpEmbedder(256, hidden)
        self.vector_in = MlpEmbedder(preset.text_width, hidden)
        self.double_blocks = nn.ModuleList([DoubleBlock(hidden, preset.heads) for _ in range(preset.double_blocks)])
        self.single_blocks = nn.ModuleList([SingleBlock(hidden, preset.heads) for _ in range(preset.single_blocks)])
        self.final_layer = FinalLayer(hidden, channels)
        side = preset.image_size // 16
        grid = torch.cartesian_prod(torch.arange(side), torch.arange(side))
        positions = torch.cat([torch.zeros(scenes.CAPTION_LENGTH, 3), F.pad(grid, (1, 0)).float()])
        cosine, sine = rotary_table(positions, preset.axes)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def forward(self, img, txt, pooled, t):
        """Velocity (batch, tokens, 4 channels) of packed latents `img` at times `t` in 0..1 (1 is pure noise)."""
        table = (self.cosine, self.sine)
        vector = self.time_in(timestep_embedding(t)) + self.vector_in(pooled)
        img, txt = self.img_in(img), self.txt_in(txt)
        for block in self.double_blocks:
            img, txt = block(img, txt, vector, table)
        x = torch.cat([txt, img], 1)
        for block in self.single_blocks:
            x = block(x, vector, table)
        return self.final_layer(x[:, scenes.CAPTION_LENGTH :], vector)


def pack(latents):
    """(batch, c, h, w) to (batch, h/2 * w/2, c*4); a token's order is channel, row, column."""
    return F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2)


def unpack(tokens):
    """The inverse of `pack` for square latents."""
    side = math.isqrt(tokens.shape[1])
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (side, side)), 2)


# ---------------------------------------------------------------------- auto-encoder


class ResnetBlock(nn.Module):
    """Two normed convolutions with a shortcut."""

    def __init__(self, inside, outside, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inside, eps=1e-6)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outside, eps=1e-6)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        if inside != outside:
            self.nin_shortcut = nn.Conv2d(inside, outside, 1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x):
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + y


class AttentionBlock(nn.Module):
    """Single-head attention over all positions."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.proj_out.weight)

    def forward(self, x):
        normed = self.norm(x)
        q, k, v = (f(normed).flatten(2).transpose(1, 2).unsqueeze(1) for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(mixed)


class Upsample(nn.Module):
    """Nearest-neighbour doubling and a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Decoder(nn.Module):
    """FLUX.1 decoder: latents to pictures, 8 times larger."""

    def __init__(self, preset):
        super().__init__()
        groups = preset.norm_groups
        widths = [preset.decoder_channels * m for m in preset.decoder_multipliers]
        width = widths[-1]
        self.conv_in = nn.Conv2d(preset.latent_channels, width, 3, padding=1)
        self.mid = nn.Module()
        self.mid.block_1 = ResnetBlock(width, width, groups)
        self.mid.attn_1 = AttentionBlock(width, groups)
        self.mid.block_2 = ResnetBlock(width, width, groups)
        levels = []
        for index in reversed(range(len(widths))):
            level = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(preset.decoder_res_blocks + 1):
                level.block.append(ResnetBlock(width, widths[index], groups))
                width = widths[index]
            if index > 0:
                level.upsample = Upsample(width)
            levels.insert(0, level)
        self.up = nn.ModuleList(levels)
        self.norm_out = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z):
        x = self.conv_in(z)
        x = self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))
        for level in reversed(self.up):
            for block in level.block:
                x = block(x)
            if hasattr(level, "upsample"):
                x = level.upsample(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Encoder(nn.Module):
    """Pictures to latents, for training only (it is not shipped).

    The last normalisation gives every latent channel zero mean and unit variance, so the
    shipped model needs no latent scale or shift.
    """

    def __init__(self, preset):
        super().__init__()
        width, groups = preset.encoder_channels, preset.norm_groups
        self.body = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, width, 3, padding=1),
            ResnetBlock(width, width, groups),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            ResnetBlock(width, width, groups),
            ResnetBlock(width, width, groups),
            nn.Conv2d(width, preset.latent_channels, 3, padding=1),
        )
        self.whiten = nn.BatchNorm2d(preset.latent_channels, affine=False, momentum=0.02)

    def forward(self, x):
        return self.whiten(self.body(x))


class AutoEncoder(nn.Module):
    """Encoder and decoder trained together."""

    def __init__(self, preset):
        super().__init__()
        self.encoder = Encoder(preset)
        self.decoder = Decoder(preset)


# ------------------------------------------------------------------------- optimiser


def orthogonalised(matrices):
    """Newton-Schulz iteration: (count, rows, columns) to nearly orthogonal matrices."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-2, -1) if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(-2, -1)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(-2, -1) if tall else x


class Muon:
    """Muon for the matrices inside the networks, Adam for the rest; gradients and updates shared by all workers."""

    def __init__(self, model, matrix_rate, adam_rate, is_matrix):
        self.names, self.parameters = zip(*[(n, p) for n, p in model.named_parameters()])
        self.matrix = [is_matrix(n, p) for n, p in zip(self.names, self.parameters)]
        self.matrix_rate, self.adam_rate = matrix_rate, adam_rate
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.count = 0

    def state(self):
        """What a checkpoint keeps."""
        return {"first": self.first, "second": self.second, "count": self.count}

    def restore(self, state):
        """Continues from a checkpoint."""
        for mine, saved in zip(self.first + self.second, state["first"] + state["second"]):
            mine.copy_(saved)
        self.count = state["count"]

    @torch.no_grad()
    def _matrix_update(self, index):
        parameter, momentum = self.parameters[index], self.first[index]
        step = parameter.grad.lerp(momentum, 0.95).flatten(1)
        rows, columns = step.shape
        if rows > columns and rows % columns == 0:
            blocks = orthogonalised(step.view(-1, columns, columns))
            return blocks.reshape(parameter.shape)
        return orthogonalised(step[None])[0].view(parameter.shape) * max(1.0, rows / columns) ** 0.5

    @torch.no_grad()
    def step(self, factor, team):
        """One update with both rates multiplied by `factor`; matrices are divided among the workers."""
        self.count += 1
        for momentum, parameter, matrix in zip(self.first, self.parameters, self.matrix):
            momentum.lerp_(parameter.grad, 0.05 if matrix else 0.1)
        chosen = [i for i, matrix in enumerate(self.matrix) if matrix]
        updates = []
        for order, i in enumerate(chosen):
            mine = order % team.size == team.rank
            updates.append(self._matrix_update(i) if mine else torch.zeros_like(self.parameters[i]))
        updates = team.summed(updates)
        for i, update in zip(chosen, updates):
            self.parameters[i].add_(update, alpha=-self.matrix_rate * factor)
        for i, matrix in enumerate(self.matrix):
            if not matrix:
                parameter, second = self.parameters[i], self.second[i]
                second.lerp_(parameter.grad.square(), 0.01)
                first = self.first[i] / (1 - 0.9**self.count)
                scale = (second / (1 - 0.99**self.count)).sqrt() + 1e-8
                parameter.addcdiv_(first, scale, value=-self.adam_rate * factor)


# ---------------------------------------------------------------------------- workers


@dataclass
class Team:
    """The worker processes that share a training run; each computes with one thread on a CPU."""

    rank: int
    size: int

    def summed(self, tensors):
        """The element-wise sums of a list of tensors over all workers."""
        if self.size == 1:
            return tensors
        flat = torch.cat([t.reshape(-1) for t in tensors])
        distributed.all_reduce(flat)
        pieces = flat.split([t.numel() for t in tensors])
        return [piece.view(t.shape) for piece, t in zip(pieces, tensors)]

    def averaged_gradients(self, parameters, numbers):
        """Averages gradients in place, and a few plain numbers, over all workers."""
        extra = torch.tensor(numbers, dtype=torch.float32, device=parameters[0].device)
        sums = self.summed([p.grad for p in parameters] + [extra])
        for parameter, total in zip(parameters, sums):
            parameter.grad.copy_(total / self.size)
        return (sums[-1] / self.size).tolist()


def _start_worker(rank, stage, preset, run, budget):
    torch.set_flush_denormal(True)
    if preset.workers > 1:
        torch.set_num_threads(1)
        store = (run.resolve() / "rendezvous").as_uri()
        distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=preset.workers)
    torch.manual_seed(preset.seed)
    stage(Team(rank, preset.workers), preset, run, budget)
    if preset.workers > 1:
        distributed.destroy_process_group()


def run_stage(stage, preset, run, budget):
    """Runs `stage(team, preset, run, budget)` on all workers; `budget` is in seconds."""
    (run / "rendezvous").unlink(missing_ok=True)
    if preset.workers == 1:
        _start_worker(0, stage, preset, run, budget)
    else:
        torch.multiprocessing.spawn(_start_worker, (stage, preset, run, budget), nprocs=preset.workers)


def render_chunk(task):
    """Renders one chunk of scenes as bytes: (chunk seed, count, side) to pictures and caption tokens.

    Captions are complete but for the colour, which is sometimes left out here because it
    decides the colour drawn; other words are dropped during training.
    """
    seed, count, side = task
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    generator = torch.Generator().manual_seed(seed)
    drawn = scenes.random_scenes(count, generator)
    said = scenes.said_attributes(drawn, generator, 0.0)
    said[:, 5] &= torch.rand(count, generator=generator) > 0.15
    drawn = scenes.with_natural_colours(drawn, said)
    pictures = scenes.render(drawn, scenes.Jitter.random(count, generator), side)
    return ((pictures + 1) * 127.5).round().byte(), scenes.caption_tokens(drawn, said)


def chunk_tasks(count, seed, preset):
    """The tasks of `render_chunk` for about `count` scenes."""
    return [(seed * 1_000_003 + i, 32, preset.image_size) for i in range(count // 32)]


def render_arrays(task):
    """`render_chunk` as arrays, which travel between processes without holding file descriptors."""
    return tuple(tensor.numpy() for tensor in render_chunk(task))


def rendered(tasks):
    """Yields rendered chunks from a pool of processes."""
    with torch.multiprocessing.get_context("spawn").Pool(max(2, (os.cpu_count() or 1) - 1)) as pool:
        for pictures, tokens in pool.imap(render_arrays, tasks):
            yield torch.from_numpy(pictures), torch.from_numpy(tokens)


class Log:
    """Writes the loss curve: one row per report."""

    def __init__(self, path, stage):
        self.path, self.stage = path, stage
        if not path.exists():
            path.write_text("stage,step,seconds,samples,loss\n")

    def report(self, step, seconds, samples, loss):
        """Appends one row and shows it."""
        row = [self.stage, step, round(seconds), samples, f"{loss:.5f}"]
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(row)
        print(*row, flush=True)


def rate_factor(progress, step, warm=50):
    """Warm-up over steps, then a cosine over the wall-clock budget down to 2 %."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return min(1.0, (step + 1) / warm) * (0.98 * cosine + 0.02)


class Trainer:
    """The loop both stages share: steps until the budget is spent, with checkpoints."""

    def __init__(self, name, model, optimiser, team, run, budget, horizon):
        self.name, self.model, self.optimiser, self.team = name, model, optimiser, team
        self.path, self.budget, self.horizon = run / f"{name}.pt", budget, horizon
        self.average = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.log = Log(run / "curve.csv", name) if team.rank == 0 else None
        if self.path.exists():
            saved = torch.load(self.path, weights_only=True)
            model.load_state_dict(saved["model"])
            optimiser.restore(saved["optimiser"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]

    def save(self):
        """Writes the checkpoint, from the first worker only."""
        if self.team.rank == 0:
            part = self.path.with_suffix(".part")
            state = {
                "model": self.model.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state(),
                "step": self.step,
                "seconds": self.seconds,
            }
            torch.save(state, part)
            part.replace(self.path)

    @torch.no_grad()
    def _follow(self):
        decay = min(1 - 1 / self.horizon, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def train(self, loss_of_batch, batch, every=25, save_every=150):
        """Trains until the budget is spent; `batch` is the global batch size.

        `loss_of_batch()` returns the loss to minimise and the one to report.
        """
        last = saved = time.monotonic()
        recent = None
        while self.seconds < self.budget:
            loss, reported = loss_of_batch()
            for parameter in self.optimiser.parameters:
                parameter.grad = None
            loss.backward()
            now = time.monotonic()
            loss, spent = self.team.averaged_gradients(self.optimiser.parameters, [reported.item(), now - last])
            last = now
            self.seconds += spent
            nn.utils.clip_grad_norm_(self.optimiser.parameters, 1.0)
            self.optimiser.step(rate_factor(self.seconds / self.budget, self.step), self.team)
            self._follow()
            self.step += 1
            recent = loss if recent is None else 0.96 * recent + 0.04 * loss
            if self.log and self.step % every == 0:
                self.log.report(self.step, self.seconds, self.step * batch, recent)
            if now - saved > save_every:
                saved = now
                self.save()
        self.save()


# ----------------------------------------------------------------------------- stages


def autoencoder_loss(model, pictures, noise):
    """Absolute error of the picture and of its horizontal and vertical differences."""
    latents = model.encoder(pictures)
    error = model.decoder(latents + noise * torch.randn_like(latents)) - pictures
    across, down = error.diff(dim=3), error.diff(dim=2)
    loss = error.abs().mean() + 0.7 * (across.abs().mean() + down.abs().mean())
    return loss, loss


def inner_convolution(name, parameter):
    """Whether Muon updates a parameter of the auto-encoder: its inner 3x3 convolutions."""
    return parameter.dim() == 4 and min(parameter.shape[:2]) > 8 and parameter.shape[2] == 3


def picture_batches(team, preset, run, seed):
    """A function that returns this worker's share of a random batch of training pictures."""
    pictures = torch.load(run / "pictures.pt", weights_only=True, mmap=preset.device == "cpu")
    pictures = pictures.to(preset.device)
    generator = torch.Generator().manual_seed(preset.seed + 1000 * team.rank + seed)
    share = preset.autoencoder_batch // team.size

    def next_batch():
        chosen = torch.randint(0, len(pictures), (share,), generator=generator)
        batch = pictures[chosen.to(pictures.device)].float() / 127.5 - 1
        return batch.contiguous(memory_format=torch.channels_last) if preset.device == "cpu" else batch

    return next_batch


def autoencoder_stage(team, preset, run, budget):
    """Trains encoder and decoder on rendered pictures."""
    model = AutoEncoder(preset).to(preset.device)
    if preset.device == "cpu":
        model = model.to(memory_format=torch.channels_last)
    optimiser = Muon(model, preset.autoencoder_rate, preset.adam_rate, inner_convolution)
    trainer = Trainer("autoencoder", model, optimiser, team, run, budget, horizon=100)
    next_batch = picture_batches(team, preset, run, trainer.step)
    trainer.train(lambda: autoencoder_loss(model, next_batch(), preset.latent_noise), preset.autoencoder_batch)


def busy_weight(pictures):
    """Weights (batch, 1, height, width) of a decoder's error: about 1 on plain areas, up to 4 on outlines and small things."""
    rough = (pictures - F.avg_pool2d(pictures, 9, stride=1, padding=4)).abs().mean(1, keepdim=True)
    return 1 + (20 * F.avg_pool2d(rough, 9, stride=1, padding=4)).clamp(max=3)


def decoder_stage(team, preset, run, budget):
    """Trains the decoder further for a fixed encoder, with more weight on detail and more noise on the latents."""
    whole = averaged(run, "autoencoder", AutoEncoder(preset)).to(preset.device)
    encoder, model = whole.encoder, whole.decoder.train().requires_grad_(True)
    if preset.device == "cpu":
        model = model.to(memory_format=torch.channels_last)
    optimiser = Muon(model, 0.4 * preset.autoencoder_rate, 0.4 * preset.adam_rate, inner_convolution)
    trainer = Trainer("decoder", model, optimiser, team, run, budget, horizon=100)
    next_batch = picture_batches(team, preset, run, trainer.step + 1)

    def loss():
        batch = next_batch()
        with torch.no_grad():
            latents = encoder(batch)
            latents = latents + 1.5 * preset.latent_noise * torch.randn_like(latents)
            weight = busy_weight(batch)
        error = model(latents) - batch
        across, down = error.diff(dim=3) * weight[..., 1:], error.diff(dim=2) * weight[:, :, 1:]
        objective = (error * weight).abs().mean() + 0.7 * (across.abs().mean() + down.abs().mean())
        return objective, error.abs().mean()

    trainer.train(loss, preset.autoencoder_batch)


def dropped_words(tokens, word_drop, caption_drop):
    """Captions with some words, and a few whole captions, replaced by pads."""
    keep = torch.rand(tokens.shape, device=tokens.device) >= word_drop
    keep[:, 5] &= keep[:, 4]
    keep[:, 6] &= keep[:, 4]
    keep &= (torch.rand(len(tokens), 1, device=tokens.device) >= caption_drop)
    return tokens * keep


class Generator(nn.Module):
    """Text encoder and transformer, trained together."""

    def __init__(self, preset):
        super().__init__()
        self.text = TextEncoder(preset)
        self.dit = Transformer(preset)

    def forward(self, latents, tokens, t):
        """Velocity of packed latents."""
        sequence, pooled = self.text(tokens)
        return self.dit(latents, sequence, pooled, t)


def generator_matrix(name, parameter):
    """Whether Muon updates a parameter: the matrices inside the transformer's blocks."""
    inside = name.startswith(("dit.double_blocks", "dit.single_blocks"))
    return inside and parameter.dim() == 2 and "mod" not in name


def token_weights(latents, tokens):
    """Weights of the loss per packed token, mean 1: higher where a scene differs from the mean of its time and ground.

    Most of a landscape is the same in every scene, and the small object would otherwise
    count for little.
    """
    landscape = tokens[:, 0] * len(scenes.VOCABULARY) + tokens[:, 1]
    weights = torch.empty(latents.shape[:2])
    for kind in landscape.unique():
        chosen = landscape == kind
        scene = latents[chosen].float()
        weights[chosen] = 1 + 2 * (scene - scene.mean(0)).square().mean(-1).sqrt().clamp(max=1)
    return weights / weights.mean()


def flow_loss(model, latents, tokens, weights):
    """Weighted and plain squared error of the velocity at random times (logit-normal, rather noisy ones)."""
    t = torch.sigmoid(torch.randn(len(latents), device=latents.device) + 0.5)
    noise = torch.randn_like(latents)
    mixed = torch.lerp(latents, noise, t[:, None, None])
    error = (model(mixed, tokens, t).float() - (noise - latents)).square().mean(-1)
    return (error * weights).mean(), error.mean()


def dit_stage(team, preset, run, budget):
    """Trains text encoder and transformer on the encoded pool."""
    model = Generator(preset).to(preset.device)
    optimiser = Muon(model, preset.dit_rate, preset.adam_rate, generator_matrix)
    trainer = Trainer("dit", model, optimiser, team, run, budget, preset.ema_horizon)
    pool = torch.load(run / "latents.pt", weights_only=True, mmap=preset.device == "cpu")
    weights = token_weights(pool["latents"], pool["tokens"]).to(preset.device)
    latents, tokens = pool["latents"].to(preset.device), pool["tokens"].to(preset.device)
    torch.manual_seed(preset.seed + 1000 * team.rank + trainer.step)
    share = preset.dit_batch // team.size

    def loss():
        chosen = torch.randint(0, len(latents), (share,), device=latents.device)
        words = dropped_words(tokens[chosen], preset.word_drop, preset.caption_drop)
        with torch.autocast("cuda", torch.bfloat16, enabled=preset.device == "cuda"):
            return flow_loss(model, latents[chosen].float(), words, weights[chosen])

    trainer.train(loss, preset.dit_batch)


def averaged(run, name, model):
    """Loads the averaged weights of a checkpoint into `model`."""
    model.load_state_dict(torch.load(run / f"{name}.pt", weights_only=True, map_location="cpu")["average"])
    return model.eval().requires_grad_(False)


def make_pictures(preset, run):
    """Renders the auto-encoder's training pictures once."""
    path = run / "pictures.pt"
    if not path.exists():
        tasks = chunk_tasks(preset.pictures, preset.seed, preset)
        torch.save(torch.cat([chunk[0] for chunk in rendered(tasks)]), path)


def encode_stage(team, preset, run, budget):
    """Renders and encodes this worker's share of the transformer's training pool; `budget` is not used."""
    encoder = averaged(run, "autoencoder", AutoEncoder(preset)).encoder.to(preset.device)
    tasks = chunk_tasks(preset.latents, preset.seed + 1, preset)[team.rank :: team.size]
    latents, tokens = [], []
    for pictures, words in map(render_chunk, tasks) if team.size > 1 else rendered(tasks):
        batch = pictures.to(preset.device).float() / 127.5 - 1
        latents.append(pack(encoder(batch)).half().cpu())
        tokens.append(words)
    torch.save({"latents": torch.cat(latents), "tokens": torch.cat(tokens)}, run / f"latents-{team.rank}.pt")


def make_latents(preset, run):
    """Renders and encodes the transformer's training pool once."""
    path = run / "latents.pt"
    if not path.exists():
        run_stage(encode_stage, preset, run, 0.0)
        shares = [torch.load(run / f"latents-{rank}.pt", weights_only=True) for rank in range(preset.workers)]
        torch.save({key: torch.cat([share[key] for share in shares]) for key in ("latents", "tokens")}, path)


def train_all(preset, run, minutes):
    """All stages within a wall-clock budget; continues where an earlier run stopped."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "preset.json").write_text(json.dumps(dataclasses.asdict(preset), indent=1))
    autoencoder_budget = 60 * minutes * preset.autoencoder_share
    decoder_budget = 60 * minutes * preset.decoder_share
    make_pictures(preset, run)
    run_stage(autoencoder_stage, preset, run, autoencoder_budget)
    make_latents(preset, run)
    run_stage(dit_stage, preset, run, 60 * minutes - autoencoder_budget - decoder_budget - preset.preparation)
    run_stage(decoder_stage, preset, run, decoder_budget)


# ----------------------------------------------------------------------------- export


def configuration(preset):
    """What the engine must know besides the tensors."""
    return {
        "format": 1,
        "name": "starter",
        "image_size": preset.image_size,
        "vocab": list(scenes.VOCABULARY),
        "pad_token": 0,
        "max_tokens": scenes.CAPTION_LENGTH,
        "slots": [
            {"slot": i, "name": name, "words": list(words)}
            for i, (name, words) in enumerate(zip(scenes.SLOTS, scenes.SLOT_WORDS))
        ],
        "text": {
            "prefix": "text.",
            "d_model": preset.text_width,
            "num_heads": preset.text_heads,
            "d_kv": preset.text_width // preset.text_heads,
            "d_ff": preset.text_feed_forward,
            "num_layers": preset.text_layers,
            "relative_attention_num_buckets": preset.text_buckets,
            "relative_attention_max_distance": preset.text_max_distance,
            "layer_norm_epsilon": 1e-6,
        },
        "dit": {
            "prefix": "dit.",
            "in_channels": 4 * preset.latent_channels,
            "vec_in_dim": preset.text_width,
            "context_in_dim": preset.text_width,
            "hidden_size": preset.hidden,
            "mlp_ratio": 4.0,
            "num_heads": preset.heads,
            "depth_double": preset.double_blocks,
            "depth_single": preset.single_blocks,
            "axes_dim": list(preset.axes),
            "theta": 10000,
            "qkv_bias": True,
            "guidance_embed": False,
        },
        "ae": {
            "prefix": "ae.",
            "ch": preset.decoder_channels,
            "ch_mult": list(preset.decoder_multipliers),
            "num_res_blocks": preset.decoder_res_blocks,
            "z_channels": preset.latent_channels,
            "groups": preset.norm_groups,
            "norm_eps": 1e-6,
            "scale_factor": 1.0,
            "shift_factor": 0.0,
        },
        "sampler": {
            "kind": "euler",
            "steps": preset.steps,
            "guidance": preset.guidance,
            "time_shift": preset.time_shift,
        },
        "notes": {
            "tokens": "Always max_tokens ids. Position i holds a word of slots[i] or the pad (0) when it is not said. "
            "The places of the light and of the object are different words. With object 'none', or without an object, "
            "colour and object_place stay pads. The sun belongs to day and sunset, the moon to night.",
            "text": "T5 v1.1 encoder, Hugging Face names. Attention scores are not scaled by the head size; the relative "
            "bias of block 0 serves all blocks (bidirectional buckets). Keys at pads get a finite additive mask of -1e9, "
            "so a caption of pads only attends evenly (no NaN). Feed-forward is wo(gelu_tanh(wi_0 x) * wi_1 x).",
            "pooled": "Mean of the final text states over positions that are not pads; the zero vector when all are pads.",
            "dit": "FLUX.1 with the names of the original checkpoints. All max_tokens text states are used, pads included, "
            "without a mask; text ids are (0,0,0), picture ids (0,row,column) of the packed grid; text comes first in the "
            "joint sequence. Timestep embedding: 256 values of 1000 t, cosines first. Query and key RMS norm eps 1e-6.",
            "packing": "A token is a 2x2 patch of latents ordered channel, row, column; tokens go row by row.",
            "flow": "x_t = (1-t) latent + t noise; the model predicts noise - latent. Times: u_i = 1 - i/steps for "
            "i = 0..steps, t = shift*u / (1 + (shift-1)*u); x += (t_next - t) * v. Guidance: v = v_empty + guidance * "
            "(v_caption - v_empty), where the empty caption is all pads.",
            "ae": "Decoder only: picture = decoder(x / scale_factor + shift_factor), -1..1. up.i are numbered as in "
            "FLUX.1: decoding runs from the highest index to 0; up.0 has no upsample. swish, GroupNorm with `groups`.",
            "files": "All tensors are f16; compute in f32.",
        },
    }


def export(preset, run):
    """Writes the engine's weights (f16) and configuration.

    Parts without a checkpoint are exported with random weights, none of them zero, so that
    the parity check covers every part from the first day.
    """
    torch.manual_seed(preset.seed)
    generator, autoencoder = Generator(preset), AutoEncoder(preset)
    for name, model in (("dit", generator), ("autoencoder", autoencoder), ("decoder", autoencoder.decoder)):
        if run is not None and (run / f"{name}.pt").exists():
            averaged(run, name, model)
        elif model is not autoencoder.decoder:
            for parameter in model.requires_grad_(False).parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    tensors = dict(generator.state_dict())
    tensors |= {f"ae.decoder.{name}": value for name, value in autoencoder.decoder.state_dict().items()}
    tensors = {name: value.half().contiguous() for name, value in tensors.items()}
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, WEIGHTS, {"model": "starter"})
    WEIGHTS.chmod(0o644)
    CONFIG.write_text(json.dumps(configuration(preset), indent=2) + "\n")
    if run is not None and (run / "curve.csv").exists():
        CURVE.write_text((run / "curve.csv").read_text())
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    count = sum(value.numel() for value in tensors.values())
    print(f"{WEIGHTS.name}: {count} parameters, {WEIGHTS.stat().st_size} bytes, sha256 {digest}")


# --------------------------------------------------------------------------- sampling


def preset_of(config):
    """The preset fields that an exported configuration fixes."""
    text, dit, ae, sampler = config["text"], config["dit"], config["ae"], config["sampler"]
    return Preset(
        image_size=config["image_size"],
        workers=1,
        device="cpu",
        decoder_channels=ae["ch"],
        decoder_multipliers=tuple(ae["ch_mult"]),
        decoder_res_blocks=ae["num_res_blocks"],
        latent_channels=ae["z_channels"],
        norm_groups=ae["groups"],
        text_width=text["d_model"],
        text_heads=text["num_heads"],
        text_feed_forward=text["d_ff"],
        text_layers=text["num_layers"],
        text_buckets=text["relative_attention_num_buckets"],
        text_max_distance=text["relative_attention_max_distance"],
        hidden=dit["hidden_size"],
        heads=dit["num_heads"],
        axes=tuple(dit["axes_dim"]),
        double_blocks=dit["depth_double"],
        single_blocks=dit["depth_single"],
        steps=sampler["steps"],
        guidance=sampler["guidance"],
        time_shift=sampler["time_shift"],
    )


class Exported:
    """The exported files, ready to sample from in f32."""

    def __init__(self):
        self.preset = preset_of(json.loads(CONFIG.read_text()))
        tensors = {name: value.float() for name, value in load_file(WEIGHTS).items()}
        self.model = Generator(self.preset).eval().requires_grad_(False)
        self.decoder = Decoder(self.preset).eval().requires_grad_(False)
        part = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        self.model.text.load_state_dict(part("text."))
        self.model.dit.load_state_dict(part("dit."))
        self.decoder.load_state_dict(part("ae.decoder."))

    def noise(self, seeds):
        """One latent of noise per seed."""
        side = self.preset.image_size // 8
        shape = (self.preset.latent_channels, side, side)
        return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def times(self, steps):
        """The shifted times of the sampler, from 1 to 0, `steps` + 1 of them."""
        u = torch.linspace(1, 0, steps + 1)
        shift = self.preset.time_shift
        return (shift * u / (1 + (shift - 1) * u)).tolist()

    @torch.no_grad()
    def latents(self, tokens, noise, steps=None, guidance=None):
        """Euler integration with guidance."""
        steps, guidance = steps or self.preset.steps, guidance or self.preset.guidance
        count = len(tokens)
        sequence, pooled = self.model.text(torch.cat([tokens, torch.zeros_like(tokens)]))
        times = self.times(steps)
        x = pack(noise)
        for t, following in zip(times, times[1:]):
            v = self.model.dit(torch.cat([x, x]), sequence, pooled, torch.full((2 * count,), t))
            x = x + (following - t) * (v[count:] + guidance * (v[:count] - v[count:]))
        return unpack(x)

    @torch.no_grad()
    def pictures(self, tokens, seeds, steps=None, guidance=None):
        """Pictures of captions, -1..1."""
        return self.decoder(self.latents(tokens, self.noise(seeds), steps, guidance))


def write_parity():
    """Writes inputs and results of every part of the exported model, for the engine's tests."""
    exported = Exported()
    words = ("sunset", "sea", "sun", "light-left", "boat", "red", "object-right")
    tokens = torch.tensor([[scenes.TOKEN_OF[word] for word in words]])
    tokens = torch.cat([tokens, torch.tensor([[scenes.TOKEN_OF["night"], 0, 0, 0, scenes.TOKEN_OF["none"], 0, 0]])])
    noise = exported.noise([1, 2])
    with torch.no_grad():
        sequence, pooled = exported.model.text(tokens)
        empty_sequence, empty_pooled = exported.model.text(torch.zeros(1, scenes.CAPTION_LENGTH, dtype=torch.long))
        velocity = exported.model.dit(pack(noise), sequence, pooled, torch.full((2,), 0.7))
    latents = exported.latents(tokens, noise)
    with torch.no_grad():
        pictures = exported.decoder(latents)
    PARITY.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "tokens": tokens,
        "text": sequence,
        "pooled": pooled,
        "empty_text": empty_sequence,
        "empty_pooled": empty_pooled,
        "noise": noise,
        "packed_noise": pack(noise),
        "velocity_at_0_7": velocity,
        "final_latents": latents,
        "image": pictures,
    }
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    save_file({k: v.contiguous() for k, v in tensors.items()}, PARITY, {"weights_sha256": digest})
    PARITY.chmod(0o644)
    print(f"{PARITY.name}: {PARITY.stat().st_size} bytes, for weights {digest[:12]}")


def as_image(picture):
    """One picture (3, side, side) as a PIL image."""
    array = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(numpy.ascontiguousarray(array))


def write_samples(folder, count, steps, guidance, leave_out):
    """Generates held-out captions into a folder of PNGs with `captions.json`, for `check.py`.

    `leave_out` is the probability with which each word is left unsaid.
    """
    exported = Exported()
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(77)
    wanted = scenes.random_scenes(count, generator, held_out=True)
    tokens = scenes.caption_tokens(wanted, scenes.said_attributes(wanted, generator, leave_out))
    captions = {}
    for start in range(0, count, 16):
        part = tokens[start : start + 16]
        pictures = exported.pictures(part, [9000 + start + i for i in range(len(part))], steps, guidance)
        for i, picture in enumerate(pictures):
            name = f"{start + i:04}.png"
            as_image(picture).save(folder / name)
            captions[name] = [scenes.VOCABULARY[t] for t in part[i].tolist()]
    (folder / "captions.json").write_text(json.dumps(captions, indent=0))
    print(f"{count} pictures in {folder.name}")


def write_sheet(path, steps, guidance):
    """Generates the contact sheet: 48 held-out captions, eight in a row."""
    exported = Exported()
    generator = torch.Generator().manual_seed(78)
    wanted = scenes.random_scenes(48, generator, held_out=True)
    tokens = scenes.caption_tokens(wanted, scenes.said_attributes(wanted, generator, 0.0))
    side = exported.preset.image_size
    sheet = Image.new("RGB", (8 * side, 6 * side))
    for start in range(0, 48, 16):
        pictures = exported.pictures(tokens[start : start + 16], range(100 + start, 116 + start), steps, guidance)
        for i, picture in enumerate(pictures, start):
            sheet.paste(as_image(picture), (i % 8 * side, i // 8 * side))
    sheet.save(path, optimize=True)
    for i, caption in enumerate(tokens):
        print(f"row {i // 8 + 1}, column {i % 8 + 1}: {scenes.caption_text(caption)}")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["all", "export", "parity", "sample", "sheet"])
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--run", type=pathlib.Path, help="folder of checkpoints")
    parser.add_argument("--minutes", type=float, default=95, help="wall-clock budget of `all`")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "contact-sheet.png")
    parser.add_argument("--count", type=int, default=240, help="pictures of `sample`")
    parser.add_argument("--steps", type=int, help="instead of the configured number")
    parser.add_argument("--guidance", type=float, help="instead of the configured strength")
    parser.add_argument("--leave-out", type=float, default=0.0, help="probability of an unsaid word in `sample`")
    options = parser.parse_args()
    preset = PRESETS[options.preset]
    if options.command == "all":
        train_all(preset, options.run, options.minutes)
        export(preset, options.run)
    elif options.command == "export":
        export(preset, options.run)
    elif options.command == "parity":
        write_parity()
    elif options.command == "sample":
        write_samples(options.out, options.count, options.steps, options.guidance, options.leave_out)
    else:
        write_sheet(options.out, options.steps, options.guidance)


if __name__ == "__main__":
    main()
