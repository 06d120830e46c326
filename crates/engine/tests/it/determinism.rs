//! The same seed gives the same picture, whatever the number of threads; other seeds, prompts and sizes do not.

use std::ops::ControlFlow;
use std::process::Command;

use engine::{EngineError, PROMPT_CHARACTERS, Picture, Progress, STEPS, Spec, Starter};

use super::example;

fn spec(prompt: &str, seed: u64, side: u32) -> Spec {
    Spec {
        prompt: prompt.to_owned(),
        seed,
        width: side,
        height: side,
        steps: Some(3),
    }
}

fn draw(starter: &Starter, spec: &Spec) -> Result<Picture, EngineError> {
    starter.generate(spec, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn the_same_seed_gives_the_same_picture_and_another_seed_or_prompt_another() {
    let (first, second) = (Starter::bundled().unwrap(), Starter::bundled().unwrap());
    let side = first.config().image_size as u32;
    let picture = draw(&first, &spec("um barco vermelho no mar", 7, side)).unwrap();
    assert_eq!(
        (picture.width, picture.height, picture.rgb.len()),
        (side, side, (side * side * 3) as usize)
    );
    assert_eq!(
        picture,
        draw(&first, &spec("um barco vermelho no mar", 7, side)).unwrap()
    );
    assert_eq!(
        picture,
        draw(&second, &spec("a red boat on the sea", 7, side)).unwrap()
    );
    assert_ne!(
        picture,
        draw(&first, &spec("um barco vermelho no mar", 8, side)).unwrap()
    );
    assert_ne!(picture, draw(&first, &spec("uma casa na neve", 7, side)).unwrap());
}

#[test]
fn larger_sizes_are_the_native_picture_enlarged() {
    let starter = Starter::bundled().unwrap();
    let side = starter.config().image_size;
    let native = draw(&starter, &spec("noite no deserto", 3, side as u32)).unwrap();
    let double = draw(&starter, &spec("noite no deserto", 3, 2 * side as u32)).unwrap();
    assert_eq!(double.rgb.len(), native.rgb.len() * 4);
    let mean = |picture: &Picture| {
        picture.rgb.iter().map(|byte| f64::from(*byte)).sum::<f64>() / picture.rgb.len() as f64
    };
    assert!((mean(&native) - mean(&double)).abs() < 1.0);
}

/// Threads split the work of a product, never the order of its sums.
#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |threads: &str| {
        let out = folder.path().join(format!("{threads}.ppm"));
        let status = Command::new(example("picture"))
            .args(["um barco vermelho no mar", "7"])
            .arg(&out)
            .env("RAYON_NUM_THREADS", threads)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::read(out).unwrap()
    };
    let one = draw("1");
    assert_eq!(one, draw("2"));
    assert_eq!(one, draw("3"));
}

#[test]
fn progress_counts_every_step_and_the_decoding() {
    let starter = Starter::bundled().unwrap();
    let mut heard = Vec::new();
    let spec = spec("mar", 1, starter.config().image_size as u32);
    let drawn = starter.generate(&spec, &mut |progress| {
        heard.push(progress);
        ControlFlow::Continue(())
    });
    drawn.unwrap();
    let expected: Vec<Progress> = (0..=4).map(|done| Progress { done, of: 4 }).collect();
    assert_eq!(heard, expected);
}

#[test]
fn stopping_is_heard_before_every_part_of_the_work() {
    let starter = Starter::bundled().unwrap();
    let spec = spec("mar", 1, starter.config().image_size as u32);
    for stop_at in 0..=3 {
        let mut heard = 0;
        let drawn = starter.generate(&spec, &mut |progress| {
            heard += 1;
            if progress.done == stop_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!((drawn, heard), (Err(EngineError::Cancelled), stop_at + 1));
    }
}

#[test]
fn what_the_card_does_not_list_is_refused() {
    let starter = Starter::bundled().unwrap();
    let side = starter.config().image_size as u32;
    let refused = |spec: Spec| draw(&starter, &spec).unwrap_err();
    let long = "ab ".repeat(PROMPT_CHARACTERS);
    assert_eq!(refused(spec("", 1, side)), EngineError::EmptyPrompt);
    assert_eq!(refused(spec(" ,.\u{200d}", 1, side)), EngineError::EmptyPrompt);
    assert_eq!(
        refused(spec(&long, 1, side)),
        EngineError::PromptTooLong {
            characters: long.len(),
            limit: PROMPT_CHARACTERS
        }
    );
    for (width, height) in [
        (0, 0),
        (side, 2 * side),
        (3 * side, 3 * side),
        (8 * side, 8 * side),
        (u32::MAX, u32::MAX),
    ] {
        let wrong = Spec {
            width,
            height,
            ..spec("mar", 1, side)
        };
        assert_eq!(refused(wrong), EngineError::UnsupportedSize { width, height });
    }
    for steps in [0, STEPS + 1] {
        let wrong = Spec {
            steps: Some(steps),
            ..spec("mar", 1, side)
        };
        assert_eq!(
            refused(wrong),
            EngineError::UnsupportedSteps { steps, limit: STEPS }
        );
    }
}

#[test]
fn the_card_says_what_the_model_accepts() {
    let card = engine::card().unwrap();
    let starter = Starter::bundled().unwrap();
    assert!(card.demo);
    assert_eq!(card.model, "studio-tiny");
    assert_eq!(card.weights_sha256.len(), 64);
    for (width, height) in &card.sizes {
        let spec = Spec {
            width: *width,
            height: *height,
            steps: Some(1),
            ..spec("mar", 1, 0)
        };
        assert_eq!(draw(&starter, &spec).unwrap().width, *width);
    }
}
