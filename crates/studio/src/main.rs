//! `studio`: everything happens in [`studio::commands`].

fn main() -> std::process::ExitCode {
    studio::commands::main()
}
