//! Reading weights: safetensors only, sizes and shapes checked before a number is used.
//!
//! Files are untrusted until read: the header's length, the number of tensors, each one's type, shape and name and
//! the finiteness of every number are checked. A model takes its tensors by name and shape; a tensor that no model
//! takes is an error, so a file of another model cannot pass for this one.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::EngineError;

/// Largest file of weights that is read, in bytes.
pub const FILE_BYTES: usize = 64 * 1024 * 1024;
/// Most tensors in a file.
pub const TENSORS: usize = 4096;

/// The tensors of a file that no model has taken yet.
#[derive(Debug)]
pub struct Weights<'f> {
    tensors: BTreeMap<String, TensorView<'f>>,
}

impl<'f> Weights<'f> {
    /// Checks the file's header and lists its tensors.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when the file is too large, damaged, or holds numbers that are neither f16 nor f32.
    pub fn open(file: &'f [u8]) -> Result<Self, EngineError> {
        if file.len() > FILE_BYTES {
            return Err(EngineError::Weights(format!(
                "{} bytes, at most {FILE_BYTES} are read",
                file.len()
            )));
        }
        let read = SafeTensors::deserialize(file).map_err(|error| EngineError::Weights(error.to_string()))?;
        if read.len() > TENSORS {
            return Err(EngineError::Weights(format!(
                "{} tensors, at most {TENSORS} are read",
                read.len()
            )));
        }
        let tensors: BTreeMap<_, _> = read.tensors().into_iter().collect();
        for (name, tensor) in &tensors {
            if !matches!(tensor.dtype(), Dtype::F16 | Dtype::F32) {
                return Err(EngineError::Weights(format!(
                    "{name} is {:?}, not f16 or f32",
                    tensor.dtype()
                )));
            }
        }
        Ok(Self { tensors })
    }

    /// The tensors whose names start with `name` and a dot.
    pub fn at(&mut self, name: &str) -> Scope<'_, 'f> {
        Scope {
            weights: self,
            prefix: format!("{name}."),
        }
    }

    /// Says that every model has taken its tensors.
    ///
    /// # Errors
    /// [`EngineError::Weights`] naming a tensor that nobody took.
    pub fn finish(self) -> Result<(), EngineError> {
        match self.tensors.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(EngineError::Weights(format!(
                "{name} belongs to no part of the model"
            ))),
        }
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        let Some(view) = self.tensors.remove(name) else {
            return Err(EngineError::Weights(format!("{name} is missing")));
        };
        if view.shape() != shape {
            return Err(EngineError::Weights(format!(
                "{name} has shape {:?}, not {shape:?}",
                view.shape()
            )));
        }
        let numbers: Vec<f32> = match view.dtype() {
            Dtype::F16 => view
                .data()
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            _ => view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        };
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(EngineError::Weights(format!(
                "{name} holds a number that is not finite"
            )));
        }
        Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?)
    }
}

/// A place in the tree of tensor names.
#[derive(Debug)]
pub struct Scope<'w, 'f> {
    weights: &'w mut Weights<'f>,
    prefix: String,
}

impl<'f> Scope<'_, 'f> {
    /// The place `name` below this one; dots lead further down.
    pub fn at(&mut self, name: &str) -> Scope<'_, 'f> {
        Scope {
            weights: self.weights,
            prefix: format!("{}{name}.", self.prefix),
        }
    }

    /// This place again, for a reader that takes its scope by value.
    pub fn here(&mut self) -> Scope<'_, 'f> {
        Scope {
            weights: self.weights,
            prefix: self.prefix.clone(),
        }
    }

    /// Takes the tensor `name` as f32.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when it is missing, was taken before, has another shape or a number that is not finite.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        let name = format!("{}{name}", self.prefix);
        self.weights.take(&name, shape)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, serialize};

    use super::{FILE_BYTES, TENSORS, Weights};

    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        serialize(views, None::<HashMap<String, String>>).unwrap()
    }

    fn halves(numbers: &[f32]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|n| half::f16::from_f32(*n).to_le_bytes())
            .collect()
    }

    #[test]
    fn halves_are_widened_and_each_tensor_is_taken_once() {
        let bytes = file(&[("a.b.weight", Dtype::F16, vec![1, 2], halves(&[1.5, -2.0]))]);
        let mut weights = Weights::open(&bytes).unwrap();
        let tensor = weights.at("a").at("b").tensor("weight", &[1, 2]).unwrap();
        assert_eq!(tensor.to_vec2::<f32>().unwrap(), vec![vec![1.5, -2.0]]);
        assert!(weights.at("a.b").tensor("weight", &[1, 2]).is_err());
        weights.finish().unwrap();
    }

    #[test]
    fn wrong_shape_type_number_or_leftover_is_refused() {
        let bytes = file(&[("a.w", Dtype::F16, vec![2], halves(&[1.0, f32::NAN]))]);
        assert!(
            Weights::open(&bytes)
                .unwrap()
                .at("a")
                .tensor("w", &[1, 2])
                .is_err()
        );
        assert!(Weights::open(&bytes).unwrap().at("a").tensor("w", &[2]).is_err());
        assert!(Weights::open(&bytes).unwrap().finish().is_err());
        assert!(Weights::open(&file(&[("a", Dtype::I64, vec![1], vec![0; 8])])).is_err());
    }

    #[test]
    fn damaged_and_oversized_files_are_refused() {
        let bytes = file(&[("a.w", Dtype::F16, vec![2], halves(&[1.0, 2.0]))]);
        for cut in 0..bytes.len() {
            assert!(Weights::open(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Weights::open(&u64::MAX.to_le_bytes()).is_err());
        assert!(Weights::open(&vec![0; FILE_BYTES + 1]).is_err());
        let names: Vec<String> = (0..=TENSORS).map(|i| format!("t{i}")).collect();
        let many: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), Dtype::F16, vec![1], vec![0, 0]))
            .collect();
        assert!(Weights::open(&file(&many)).is_err());
    }
}
