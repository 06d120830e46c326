//! Rotary position tables for positions with several axes, as FLUX.1 uses them.
//!
//! The angles are computed in f64 and stored in f32. Computed in a 16-bit type, the table of a 64 × 64 grid is
//! wrong by up to 0.15, which shows in large pictures.

use candle_core::{Device, Result, Tensor};

/// Cosines and sines of every position, each a tensor (positions, head width / 2).
#[derive(Debug)]
pub struct RopeTable {
    cos: Tensor,
    sin: Tensor,
}

impl RopeTable {
    /// The table of `positions`; axis `a` of a position turns `axes[a] / 2` pairs of the head, pair `i` by the
    /// angle `position · θ^(−2i / axes[a])`.
    pub fn new<const AXES: usize>(
        positions: &[[u32; AXES]],
        axes: &[usize; AXES],
        theta: f64,
    ) -> Result<Self> {
        let pairs: usize = axes.iter().map(|width| width / 2).sum();
        let mut cos = Vec::with_capacity(positions.len() * pairs);
        let mut sin = Vec::with_capacity(positions.len() * pairs);
        for position in positions {
            for (&place, &width) in position.iter().zip(axes) {
                for pair in 0..width / 2 {
                    let angle = f64::from(place) * theta.powf(-((2 * pair) as f64) / width as f64);
                    cos.push(angle.cos() as f32);
                    sin.push(angle.sin() as f32);
                }
            }
        }
        let shape = (positions.len(), pairs);
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, &Device::Cpu)?,
            sin: Tensor::from_vec(sin, shape, &Device::Cpu)?,
        })
    }

    /// Turns neighbouring pairs of the last axis of `x` (batch, heads, positions, head width).
    pub fn turn(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::rotary_emb::rope_i(&x.contiguous()?, &self.cos, &self.sin)
    }

    /// The cosines, a tensor (positions, head width / 2).
    pub fn cosines(&self) -> &Tensor {
        &self.cos
    }

    /// The sines, a tensor (positions, head width / 2).
    pub fn sines(&self) -> &Tensor {
        &self.sin
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::RopeTable;

    #[test]
    fn position_zero_turns_nothing_and_lengths_are_kept() {
        let table = RopeTable::new(&[[0, 0], [3, 5]], &[4, 4], 10_000.0).unwrap();
        let values: Vec<f32> = (0..16).map(|i| i as f32 - 7.5).collect();
        let x = Tensor::from_vec(values, (1, 1, 2, 8), &Device::Cpu).unwrap();
        let (before, after) = (
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            table.turn(&x).unwrap().flatten_all().unwrap(),
        );
        let after = after.to_vec1::<f32>().unwrap();
        assert_eq!(before[..8], after[..8]);
        assert_ne!(before[8..], after[8..]);
        for (a, b) in before.chunks(2).zip(after.chunks(2)) {
            assert!((a[0].hypot(a[1]) - b[0].hypot(b[1])).abs() < 1e-5);
        }
    }

    /// Row (3, 5) by hand: axis 0 turns by 3 and 3/100, axis 1 by 5 and 5/100.
    #[test]
    fn angles_follow_the_formula() {
        let table = RopeTable::new(&[[3, 5]], &[4, 4], 10_000.0).unwrap();
        let cos = table.cosines().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let sin = table.sines().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (i, angle) in [3.0_f64, 0.03, 5.0, 0.05].into_iter().enumerate() {
            assert!((f64::from(cos[i]) - angle.cos()).abs() < 1e-7);
            assert!((f64::from(sin[i]) - angle.sin()).abs() < 1e-7);
        }
    }

    /// The scores of two turned vectors depend on the difference of their positions alone.
    #[test]
    fn scores_are_relative() {
        let score = |a: u32, b: u32| {
            let table = RopeTable::new(&[[a], [b]], &[8], 10_000.0).unwrap();
            let x = Tensor::from_vec(
                (0..16).map(|i| (i as f32).sin()).collect::<Vec<_>>(),
                (1, 1, 2, 8),
                &Device::Cpu,
            )
            .unwrap();
            let turned = table
                .turn(&x)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            turned[..8]
                .iter()
                .zip(&turned[8..])
                .map(|(p, q)| p * q)
                .sum::<f32>()
        };
        assert!((score(2, 7) - score(40, 45)).abs() < 1e-4);
        assert!((score(2, 7) - score(2, 8)).abs() > 1e-3);
    }
}
