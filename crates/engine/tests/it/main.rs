//! The engine as a whole: against the reference's numbers, against itself, against prompts, and as a process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod determinism;
mod parity;
mod prompt_corpus;
mod prompt_properties;
mod worker;

/// The path of an example of this crate, which Cargo builds with the tests.
fn example(name: &str) -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{name} is not built: run `cargo test -p studio-engine` with the examples"
    );
    path
}
