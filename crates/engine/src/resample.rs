//! Enlarging finished pictures by Lanczos resampling, separably: rows first, then columns.

/// Lobes of the kernel on each side, in source pixels.
const LOBES: f32 = 3.0;

/// Enlarges an RGB picture (3 bytes per pixel, row by row) by the whole number `factor`.
pub(crate) fn enlarge(rgb: &[u8], width: usize, height: usize, factor: usize) -> Vec<u8> {
    if factor <= 1 {
        return rgb.to_vec();
    }
    let source: Vec<f32> = rgb.iter().map(|&byte| f32::from(byte)).collect();
    let (columns, rows) = (taps(width, factor), taps(height, factor));
    let wide = width * factor;
    let mut widened = vec![0.0_f32; height * wide * 3];
    for (to, from) in widened
        .chunks_exact_mut(wide * 3)
        .zip(source.chunks_exact(width * 3))
    {
        for (pixel, taps) in to.chunks_exact_mut(3).zip(&columns) {
            for &(column, weight) in taps {
                for (to, from) in pixel.iter_mut().zip(&from[column * 3..column * 3 + 3]) {
                    *to += weight * from;
                }
            }
        }
    }
    let mut out = Vec::with_capacity(wide * 3 * height * factor);
    let mut line = vec![0.0_f32; wide * 3];
    for taps in &rows {
        line.fill(0.0);
        for &(row, weight) in taps {
            for (to, from) in line
                .iter_mut()
                .zip(&widened[row * wide * 3..(row + 1) * wide * 3])
            {
                *to += weight * from;
            }
        }
        // The cast saturates, which is the clamping that the kernel's overshoot needs.
        out.extend(line.iter().map(|value| value.round() as u8));
    }
    out
}

/// For every target place, the source places it is mixed from and their weights (sum 1); beyond the edge the
/// outermost pixel counts again.
fn taps(length: usize, factor: usize) -> Vec<Vec<(usize, f32)>> {
    let tap = |target: usize| {
        let centre = (target as f32 + 0.5) / factor as f32 - 0.5;
        let first = (centre - LOBES).ceil() as isize;
        let last = (centre + LOBES).floor() as isize;
        let weights: Vec<f32> = (first..=last)
            .map(|place| lanczos(place as f32 - centre))
            .collect();
        let sum: f32 = weights.iter().sum();
        let place = |place: isize| place.clamp(0, length as isize - 1) as usize;
        (first..=last)
            .map(place)
            .zip(weights.into_iter().map(|weight| weight / sum))
            .collect()
    };
    (0..length * factor).map(tap).collect()
}

fn lanczos(x: f32) -> f32 {
    if x.abs() < 1e-6 {
        return 1.0;
    }
    if x.abs() >= LOBES {
        return 0.0;
    }
    let angle = std::f32::consts::PI * x;
    LOBES * angle.sin() * (angle / LOBES).sin() / (angle * angle)
}

#[cfg(test)]
mod tests {
    use super::enlarge;

    #[test]
    fn an_even_colour_stays_even() {
        let picture = [10, 200, 255].repeat(5 * 4);
        for factor in [1, 2, 4] {
            assert_eq!(
                enlarge(&picture, 5, 4, factor),
                [10, 200, 255].repeat(5 * 4 * factor * factor)
            );
        }
    }

    /// Averaging each block of the enlarged picture gives a smooth picture back: nothing is shifted or mirrored.
    #[test]
    fn blocks_of_the_enlarged_picture_average_to_the_source() {
        let (width, height, factor) = (16, 12, 4);
        let pixel = |x: usize, y: usize| {
            let wave = |phase: f32| 128.0 + 90.0 * (x as f32 * 0.35 + y as f32 * 0.2 + phase).sin();
            [wave(0.0) as u8, wave(1.0) as u8, wave(2.0) as u8]
        };
        let picture: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
            .collect();
        let large = enlarge(&picture, width, height, factor);
        assert_eq!(large.len(), picture.len() * factor * factor);
        for y in 2..height - 2 {
            for x in 2..width - 2 {
                let block = (0..factor * factor).map(|i| {
                    let (row, column) = (y * factor + i / factor, x * factor + i % factor);
                    u32::from(large[(row * width * factor + column) * 3])
                });
                let mean = block.sum::<u32>() as f32 / (factor * factor) as f32;
                assert!((mean - f32::from(pixel(x, y)[0])).abs() < 4.0, "at {x},{y}");
            }
        }
    }
}
