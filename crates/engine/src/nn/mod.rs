//! Layers shared by the models: linear maps, norms, attention and rotary positions. All in f32.

pub mod attention;
pub mod linear;
pub mod norm;
pub mod rope;
