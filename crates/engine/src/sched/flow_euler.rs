//! Euler steps along a rectified flow, with classifier-free guidance and a static shift of the times.
//!
//! The flow is `x(t) = (1 − t) · latent + t · noise`; the model gives its velocity `noise − latent`.

use std::ops::ControlFlow;

use candle_core::Tensor;

use crate::error::EngineError;

/// The times of `steps` steps, from 1 down to 0 (`steps + 1` of them).
///
/// `t = shift · u / (1 + (shift − 1) · u)` for evenly spaced `u`; a shift above 1 spends more steps near the noise.
pub fn times(steps: u32, shift: f64) -> Vec<f64> {
    let even = (0..=steps).map(|step| f64::from(steps - step) / f64::from(steps.max(1)));
    even.map(|u| shift * u / (1.0 + (shift - 1.0) * u)).collect()
}

/// `empty + guidance · (said − empty)`: away from what an empty prompt gives, towards what the prompt gives.
pub fn guided(said: &Tensor, empty: &Tensor, guidance: f64) -> candle_core::Result<Tensor> {
    empty + ((said - empty)? * guidance)?
}

/// Follows `velocity(x, t)` from `noise` through `times`; `before_step` hears the number of each step, from 0, and
/// may stop the walk.
///
/// # Errors
/// [`EngineError::Cancelled`] when stopped, otherwise what `velocity` answers.
pub fn walk(
    noise: Tensor,
    times: &[f64],
    mut before_step: impl FnMut(u32) -> ControlFlow<()>,
    mut velocity: impl FnMut(&Tensor, f64) -> Result<Tensor, EngineError>,
) -> Result<Tensor, EngineError> {
    let mut x = noise;
    for (step, pair) in (0_u32..).zip(times.windows(2)) {
        if before_step(step).is_break() {
            return Err(EngineError::Cancelled);
        }
        x = (&x + (velocity(&x, pair[0])? * (pair[1] - pair[0]))?)?;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use candle_core::{Device, Tensor};

    use super::{guided, times, walk};
    use crate::error::EngineError;

    fn number(x: &Tensor) -> f32 {
        x.to_vec1::<f32>().unwrap()[0]
    }

    #[test]
    fn times_fall_from_one_to_zero_and_a_shift_bends_them() {
        assert_eq!(times(4, 1.0), vec![1.0, 0.75, 0.5, 0.25, 0.0]);
        let bent = times(4, 3.0);
        assert_eq!((bent[0], bent[2], bent[4]), (1.0, 0.75, 0.0));
        assert!(bent.windows(2).all(|pair| pair[0] > pair[1]));
    }

    /// A straight flow is followed without error whatever the number and spacing of the steps.
    #[test]
    fn a_straight_flow_ends_at_the_latent() {
        let noise = Tensor::new(&[5.0_f32], &Device::Cpu).unwrap();
        let straight = |_: &Tensor, _: f64| Ok(Tensor::new(&[5.0_f32 - 2.0], &Device::Cpu)?);
        for (steps, shift) in [(1, 1.0), (7, 1.0), (7, 2.5)] {
            let end = walk(
                noise.clone(),
                &times(steps, shift),
                |_| ControlFlow::Continue(()),
                straight,
            )
            .unwrap();
            assert!((number(&end) - 2.0).abs() < 1e-5);
        }
    }

    #[test]
    fn stopping_before_a_step_computes_no_further_one() {
        let noise = Tensor::new(&[5.0_f32], &Device::Cpu).unwrap();
        let mut computed = 0;
        let stop = |step| {
            if step == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let end = walk(noise, &times(9, 1.0), stop, |x, _| {
            computed += 1;
            Ok(x.clone())
        });
        assert_eq!((end.unwrap_err(), computed), (EngineError::Cancelled, 2));
    }

    #[test]
    fn guidance_one_is_the_prompt_and_zero_is_the_empty_prompt() {
        let (said, empty) = (
            Tensor::new(&[3.0_f32], &Device::Cpu).unwrap(),
            Tensor::new(&[1.0_f32], &Device::Cpu).unwrap(),
        );
        for (guidance, expected) in [(0.0, 1.0), (1.0, 3.0), (2.5, 6.0)] {
            assert_eq!(number(&guided(&said, &empty, guidance).unwrap()), expected);
        }
    }
}
