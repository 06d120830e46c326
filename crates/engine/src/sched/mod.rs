//! Samplers: how noise becomes latents.

pub mod flow_euler;
