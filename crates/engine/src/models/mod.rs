//! Denoising transformers.

pub mod flux1;
