//! Every part of the model against the numbers that PyTorch computed from the same weights (`tools/starter`).

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use engine::models::flux1::pack;
use engine::{Starter, WEIGHTS};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

const FIXTURE: &[u8] = include_bytes!("../fixtures/parity.safetensors");
/// Largest difference of one part.
const PART: f32 = 2e-4;
/// Largest difference after all steps.
const WHOLE: f32 = 1e-3;

fn reference(name: &str) -> Tensor {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let view = file.tensor(name).unwrap();
    let numbers: Vec<f32> = view
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    Tensor::from_vec(numbers, view.shape(), &Device::Cpu).unwrap()
}

fn tokens() -> Vec<Vec<u32>> {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let view = file.tensor("tokens").unwrap();
    let numbers: Vec<u32> = view
        .data()
        .chunks_exact(8)
        .map(|b| u32::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap())
        .collect();
    numbers.chunks(view.shape()[1]).map(<[u32]>::to_vec).collect()
}

#[track_caller]
fn assert_near(what: &str, ours: &Tensor, name: &str, tolerance: f32) {
    let reference = reference(name);
    assert_eq!(ours.dims(), reference.dims(), "{what}");
    assert_eq!(ours.dtype(), DType::F32);
    let largest = |x: &Tensor| {
        x.abs()
            .unwrap()
            .flatten_all()
            .unwrap()
            .max(0)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    let (difference, magnitude) = (largest(&(ours - &reference).unwrap()), largest(&reference));
    println!("{what}: largest difference {difference:.1e}, largest value {magnitude:.2}");
    assert!(magnitude > 0.0, "{what}: the reference is empty");
    assert!(difference <= tolerance, "{what}: {difference} > {tolerance}");
}

#[test]
fn the_fixture_belongs_to_the_bundled_weights() {
    let (_, header) = SafeTensors::read_metadata(FIXTURE).unwrap();
    let expected = &header.metadata().as_ref().unwrap()["weights_sha256"];
    let found: String = Sha256::digest(WEIGHTS)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(&found, expected, "run `python tools/starter/train.py parity`");
}

#[test]
fn text_states_and_pooled_text() {
    let starter = Starter::bundled().unwrap();
    let said = starter.text().encode(&tokens()).unwrap();
    assert_near("text states", &said.states, "text", PART);
    assert_near("pooled text", &said.pooled, "pooled", PART);
    let empty = starter
        .text()
        .encode(&[vec![0; starter.config().max_tokens]])
        .unwrap();
    assert_near("empty text states", &empty.states, "empty_text", PART);
    let pooled = empty.pooled.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(pooled.iter().all(|number| *number == 0.0));
}

#[test]
fn transformer_velocity() {
    let starter = Starter::bundled().unwrap();
    let packed = pack(&reference("noise")).unwrap();
    assert_near("packing", &packed, "packed_noise", 0.0);
    let (transformer, positions) = starter.transformer();
    let velocity = transformer.velocity(&packed, &reference("text"), &reference("pooled"), 0.7, positions);
    assert_near("velocity at 0.7", &velocity.unwrap(), "velocity_at_0_7", PART);
}

#[test]
fn latents_after_all_steps() {
    let starter = Starter::bundled().unwrap();
    let steps = starter.config().sampler.steps;
    let latents = starter.sample(tokens(), &reference("noise"), steps, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_near("final latents", &latents.unwrap(), "final_latents", WHOLE);
}

#[test]
fn decoded_pictures() {
    let starter = Starter::bundled().unwrap();
    let pictures = starter.decoder().decode(&reference("final_latents")).unwrap();
    assert_near("decoded pictures", &pictures, "image", PART);
}
