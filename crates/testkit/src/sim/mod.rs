//! Simulated servers of Luma's two APIs on 127.0.0.1. They answer as documented, check requests strictly, do
//! what a [`Plan`] or a test's script says goes wrong, and keep a [`Bill`] of everything they really made.

mod agents;
mod bill;
mod callback;
mod connection;
mod dream_machine;
mod faults;
mod files;
mod jobs;
mod shape;
mod state;
mod wire;

pub use bill::{Bill, Entry};
pub use faults::{Callbacks, Fate, Misdeed, Plan, Rates, Route};
pub use jobs::Api;

use domain::time::Time;
use state::State;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The key that the simulators take unless the plan names another.
pub const KEY: &str = "luma-api-simulated-key";

/// A clock for what the simulators date.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Both APIs on one port. It stops when it is dropped.
pub struct Sim {
    state: Arc<State>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Sim {
    /// Starts on a free port.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(plan: Plan) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), plan, None, system_clock()).await
    }

    /// Starts at an address; with a journal it remembers what it made and billed over restarts.
    ///
    /// # Errors
    /// If the address cannot be had or the journal cannot be read.
    pub async fn start_at(
        at: SocketAddr,
        plan: Plan,
        journal: Option<&Path>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::open(address, plan, journal, clock)?);
        let routes = agents::routes()
            .merge(dream_machine::routes())
            .merge(wire::routes())
            .with_state(Arc::clone(&state));
        let service = routes.into_make_service_with_connect_info::<connection::Cut>();
        let server = tokio::spawn(async move {
            // Serving ends only with its task; a listener that breaks ends every test that uses it.
            let _ = axum::serve(connection::Cuttable(listener), service).await;
        });
        Ok(Self {
            state,
            address,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base address of the Agents API.
    #[must_use]
    pub fn agents_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Base address of the Dream Machine API.
    #[must_use]
    pub fn dream_machine_url(&self) -> String {
        format!("http://{}/dream-machine/v1", self.address)
    }

    /// What was made and charged.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.state.bill()
    }

    /// How many requests a route heard, whatever came of them.
    #[must_use]
    pub fn heard(&self, route: Route) -> u64 {
        self.state.heard(route)
    }

    /// Submissions that were heard.
    #[must_use]
    pub fn sends(&self) -> u64 {
        self.heard(Route::Submit)
    }

    /// The bodies of submissions with their paths, in the order they were heard.
    #[must_use]
    pub fn submissions(&self) -> Vec<(String, serde_json::Value)> {
        self.state.submissions()
    }

    /// The next request on this route suffers this; scripts are used up in order before the plan's chance.
    pub fn script(&self, route: Route, misdeed: Misdeed) {
        self.state.script(route, misdeed);
    }

    /// The next job made has this fate.
    pub fn fate(&self, fate: Fate) {
        self.state.next_fate(fate);
    }

    /// The next job made is not in the list for this many looks at it.
    pub fn hide(&self, looks: u32) {
        self.state.next_hidden(looks);
    }

    /// Ids of the jobs that were deleted.
    #[must_use]
    pub fn deleted(&self) -> Vec<String> {
        self.state.deleted()
    }

    /// Ids of uploaded files that are still there.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state.files()
    }

    /// Runs until its task is ended from outside; for the process form.
    pub async fn run(mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The machine's own clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the simulated server's own clock; tests pass another"
        )]
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Time::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
    })
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $url:ident) => {
        $(#[$doc])*
        pub struct $name(Sim);

        impl $name {
            /// Starts without faults on a free port.
            ///
            /// # Errors
            /// If no port can be had.
            pub async fn start() -> std::io::Result<Self> {
                Self::start_with(Plan::peaceful()).await
            }

            /// Starts with a plan on a free port.
            ///
            /// # Errors
            /// If no port can be had.
            pub async fn start_with(plan: Plan) -> std::io::Result<Self> {
                Sim::start(plan).await.map(Self)
            }

            /// Base address of the API.
            #[must_use]
            pub fn base_url(&self) -> String {
                self.0.$url()
            }
        }

        impl std::ops::Deref for $name {
            type Target = Sim;

            fn deref(&self) -> &Sim {
                &self.0
            }
        }
    };
}

named! {
    /// The simulated Agents API.
    LumaAgentsSim, agents_url
}
named! {
    /// The simulated Dream Machine API.
    DreamMachineSim, dream_machine_url
}
