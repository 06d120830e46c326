//! Scaled dot-product attention, computed over slices of the queries so that memory stays bounded.

use candle_core::{Result, Tensor};

/// Most query rows whose scores are held at once.
pub const QUERY_ROWS: usize = 1024;

/// `softmax(q · kᵀ · scale + bias) · v` for tensors (batch, heads, length, head width).
///
/// `bias`, when given, has the shape (1, heads, queries, keys).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, bias: Option<&Tensor>) -> Result<Tensor> {
    attention_in_slices(q, k, v, scale, bias, QUERY_ROWS)
}

fn attention_in_slices(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    bias: Option<&Tensor>,
    rows: usize,
) -> Result<Tensor> {
    let length = q.dim(2)?;
    let (q, v) = ((q * scale)?, v.contiguous()?);
    let keys = k.transpose(2, 3)?.contiguous()?;
    let mut slices = Vec::with_capacity(length.div_ceil(rows));
    let mut start = 0;
    while start < length {
        let count = rows.min(length - start);
        let mut scores = q.narrow(2, start, count)?.contiguous()?.matmul(&keys)?;
        if let Some(bias) = bias {
            scores = scores.broadcast_add(&bias.narrow(2, start, count)?)?;
        }
        slices.push(candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)?);
        start += count;
    }
    match slices.as_slice() {
        [only] => Ok(only.clone()),
        several => Tensor::cat(several, 2),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::attention_in_slices;

    fn waves(shape: (usize, usize, usize, usize), step: f32) -> Tensor {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn slices_of_queries_give_the_same_as_one_piece() {
        let (q, k, v) = (
            waves((2, 3, 10, 4), 0.7),
            waves((2, 3, 7, 4), 1.3),
            waves((2, 3, 7, 4), 0.31),
        );
        let bias = waves((1, 3, 10, 7), 0.11);
        let whole = attention_in_slices(&q, &k, &v, 0.5, Some(&bias), 1000).unwrap();
        let sliced = attention_in_slices(&q, &k, &v, 0.5, Some(&bias), 3).unwrap();
        let difference = (whole - sliced)
            .unwrap()
            .abs()
            .unwrap()
            .flatten_all()
            .unwrap()
            .max(0)
            .unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-6);
    }

    #[test]
    fn one_key_returns_its_value_whatever_the_query() {
        let (q, k, v) = (
            waves((1, 1, 5, 4), 0.7),
            waves((1, 1, 1, 4), 1.3),
            waves((1, 1, 1, 4), 0.31),
        );
        let out = attention_in_slices(&q, &k, &v, 1.0, None, 2).unwrap();
        for row in out
            .squeeze(0)
            .unwrap()
            .squeeze(0)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap()
        {
            assert_eq!(row, v.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        }
    }
}
