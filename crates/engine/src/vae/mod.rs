//! Auto-encoders between pictures and latents.

pub mod decoder;
