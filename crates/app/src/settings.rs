//! The numbers the studio runs by. The binary fills them from configuration.

use domain::screening;
use std::time::Duration;

/// Everything `app` is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most submissions of one output.
    pub max_attempts: u16,
    /// How long a generation may wait and run before it expires.
    pub deadline: Duration,
    /// How long after its intent a request may leave.
    pub send_by: Duration,
    /// How long one claim of a job is good; longer than `send_by` and a provider's answer together.
    pub lease: Duration,
    /// Steps that run at once.
    pub workers: usize,
    /// Whether an unknown outcome may be submitted again.
    pub may_repeat: bool,
    /// Replaces the providers' settle time when set (never shorter in production configuration).
    pub settle: Option<Duration>,
    /// What is done about findings in prompts.
    pub screening: screening::Policy,
    /// The address under which the outside reaches this server; callbacks need it.
    pub public_url: Option<String>,
    /// The most generations of one workspace that wait at once.
    pub max_queued: i64,
    /// The name of the audit log (the first line of its checkpoints).
    pub log_origin: String,
    /// Private networks that requests to addresses from outside may go to.
    pub outbound_allow: Vec<providers::outbound::Cidr>,
    /// Who is asking.
    pub identity: crate::identity::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            deadline: Duration::from_secs(3600),
            send_by: Duration::from_secs(10),
            lease: Duration::from_secs(120),
            workers: 32,
            may_repeat: false,
            settle: None,
            screening: screening::Policy::default(),
            public_url: None,
            max_queued: 2000,
            log_origin: "secure-ai-studio/local".to_owned(),
            outbound_allow: Vec::new(),
            identity: crate::identity::Settings::default(),
        }
    }
}
