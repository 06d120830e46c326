//! The simulated Luma APIs as a process: `luma-sim [--port P] [--faults SEED] [--state FILE]
//! [--callbacks MS] [--key KEY]`. Simulated: it makes test pictures and charges nobody.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use testkit::sim::{Callbacks, Plan, Sim, system_clock};

const USAGE: &str = "luma-sim [--port P] [--faults SEED] [--state FILE] [--callbacks MS] [--key KEY]";

struct Arguments {
    port: u16,
    plan: Plan,
    state: Option<PathBuf>,
}

fn read(mut given: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut read = Arguments {
        port: 0,
        plan: Plan::peaceful(),
        state: None,
    };
    while let Some(name) = given.next() {
        let value = given.next()?;
        match name.as_str() {
            "--port" => read.port = value.parse().ok()?,
            "--state" => read.state = Some(PathBuf::from(value)),
            "--key" => read.plan.key = value,
            "--faults" => {
                let stormy = Plan::stormy(value.parse().ok()?);
                read.plan = Plan {
                    key: read.plan.key,
                    callbacks: read.plan.callbacks,
                    ..stormy
                };
            }
            "--callbacks" => {
                let after = Duration::from_millis(value.parse().ok()?);
                read.plan.callbacks = Some(Callbacks { after, unruly: true });
            }
            _ => return None,
        }
    }
    Some(read)
}

#[tokio::main]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a process tells its address"
)]
async fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let at = SocketAddr::from(([127, 0, 0, 1], arguments.port));
    match Sim::start_at(at, arguments.plan, arguments.state.as_deref(), system_clock()).await {
        Ok(sim) => {
            let address = sim.address();
            println!("simulated Luma APIs on http://{address}");
            println!("agents         {}", sim.agents_url());
            println!("dream machine  {}", sim.dream_machine_url());
            println!("bill           http://{address}/bill");
            sim.run().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("luma-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
