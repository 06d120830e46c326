//! Draws one picture: `picture "PROMPT" SEED OUT.ppm [SIZE]`. Prints how the prompt was read and how long the parts took.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line example")]

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use engine::{Spec, Starter};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match draw(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [prompt, seed, out, rest @ ..] = arguments else {
        return Err("usage: picture \"PROMPT\" SEED OUT.ppm [SIZE]".into());
    };
    let begin = Instant::now();
    let starter = Starter::bundled()?;
    println!("weights read in {:.2} s", begin.elapsed().as_secs_f32());
    let reading = engine::prompt::read(prompt);
    println!("read: {}", reading.summary());
    println!("drawn: {}", reading.completed(seed.parse()?).summary());
    println!("not known: {}", reading.unknown.join(", "));
    let left_out = reading
        .left_out
        .iter()
        .map(|part| format!("{} ({:?})", part.said, part.reason));
    println!("left out: {}", left_out.collect::<Vec<_>>().join(", "));

    let native = starter.config().image_size as u32;
    let side = rest.first().map_or(Ok(native), |side| side.parse())?;
    let spec = Spec {
        prompt: prompt.clone(),
        seed: seed.parse()?,
        width: side,
        height: side,
        steps: None,
    };
    let (begin, mut decoding) = (Instant::now(), 0.0);
    let picture = starter.generate(&spec, &mut |progress| {
        if progress.done + 1 == progress.of {
            decoding = begin.elapsed().as_secs_f32();
        }
        ControlFlow::Continue(())
    })?;
    let whole = begin.elapsed().as_secs_f32();
    println!(
        "{whole:.2} s per picture: sampling {decoding:.2} s, decoding {:.2} s",
        whole - decoding
    );

    let mut file = std::fs::File::create(out)?;
    write!(file, "P6\n{} {}\n255\n", picture.width, picture.height)?;
    file.write_all(&picture.rgb)?;
    Ok(())
}
