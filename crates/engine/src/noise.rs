//! The seeded start noise: the same numbers for the same seed on every platform.
//!
//! ChaCha20 gives the bits, the Box–Muller transform makes them normal. Logarithm, sine and cosine are computed
//! here with additions, multiplications, divisions and square roots only, because IEEE 754 fixes those to the last
//! bit, while the functions of a platform's mathematics library differ between platforms.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `count` independent normal numbers (mean 0, variance 1) drawn from `seed`.
///
/// A longer request with the same seed starts with the numbers of a shorter one.
pub fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut bits = ChaCha20Rng::from_seed(key);
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        // (0, 1] for the logarithm, [0, 1) for the angle, both with 53 bits.
        let radius = ((bits.next_u64() >> 11) + 1) as f64 * UNIT;
        let turn = (bits.next_u64() >> 11) as f64 * UNIT;
        let length = (-2.0 * logarithm(radius)).sqrt();
        let (sine, cosine) = sine_cosine_of_turn(turn);
        out.push((length * cosine) as f32);
        out.push((length * sine) as f32);
    }
    out.truncate(count);
    out
}

/// 2⁻⁵³.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// Natural logarithm of a positive normal number, to about 1e-15 absolute.
fn logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i32) - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m − 1) / (m + 1)), with the fraction below 0.172.
    let fraction = (mantissa - 1.0) / (mantissa + 1.0);
    let square = fraction * fraction;
    let mut sum = 0.0;
    for odd in (1..=23_u32).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    2.0 * fraction * sum + f64::from(exponent) * std::f64::consts::LN_2
}

/// Sine and cosine of `turn` full turns, 0 ≤ `turn` < 1, to about 1e-15.
fn sine_cosine_of_turn(turn: f64) -> (f64, f64) {
    let quarter = (turn * 4.0 + 0.5).floor();
    let angle = (turn - quarter * 0.25) * std::f64::consts::TAU;
    let square = angle * angle;
    // Taylor series on [−π/4, π/4]; the first term left out is below 1e-17.
    let (mut sine, mut cosine) = (0.0, 0.0);
    for step in (1..=9_u32).rev() {
        let even = f64::from(2 * step);
        sine = -square / (even * (even + 1.0)) * (1.0 + sine);
        cosine = -square / (even * (even - 1.0)) * (1.0 + cosine);
    }
    let (sine, cosine) = (angle * (1.0 + sine), 1.0 + cosine);
    match quarter as u32 % 4 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{logarithm, normal, sine_cosine_of_turn};

    #[test]
    fn own_functions_agree_with_the_standard_library() {
        for i in 1..100_000_u32 {
            let x = f64::from(i) / 100_000.0;
            assert!((logarithm(x) - x.ln()).abs() < 4e-15, "ln {x}");
            let (sine, cosine) = sine_cosine_of_turn(x);
            let angle = x * std::f64::consts::TAU;
            assert!(
                (sine - angle.sin()).abs() < 2e-15 && (cosine - angle.cos()).abs() < 2e-15,
                "turn {x}"
            );
        }
        assert!((logarithm(1.0 / 9_007_199_254_740_992.0) + 53.0 * std::f64::consts::LN_2).abs() < 1e-14);
    }

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        let numbers = normal(7, 200_000);
        let moment = |power: i32| numbers.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / 200_000.0;
        assert!(moment(1).abs() < 0.01);
        assert!((moment(2) - 1.0).abs() < 0.02);
        assert!(moment(3).abs() < 0.05);
        assert!((moment(4) - 3.0).abs() < 0.1);
    }

    #[test]
    fn seeds_differ_and_shorter_requests_are_prefixes() {
        assert_ne!(normal(1, 8), normal(2, 8));
        assert_eq!(normal(1, 9)[..], normal(1, 64)[..9]);
        assert!(normal(1, 0).is_empty());
    }

    /// The bits for one seed are part of the product: a picture can be drawn again years later.
    #[test]
    fn numbers_of_a_seed_never_change() {
        let mut hash = Sha256::new();
        for number in normal(20_261_122, 4096) {
            hash.update(number.to_le_bytes());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "4d3e414eeb7f549e478d444cba5659857c2911467d2677dc496f3caa4b93b03e"
        );
    }
}
