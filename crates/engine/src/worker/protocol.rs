//! What parent and child say to each other: one JSON object per line; a picture's line is followed by its raw bytes.

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::starter::Spec;

/// Version of the protocol; both sides are the same binary, so a difference means a wrong command.
pub(super) const VERSION: u32 = 1;
/// Longest line in bytes, either way.
pub(super) const LINE_BYTES: u64 = 64 * 1024;
/// Largest picture in bytes.
pub(super) const PICTURE_BYTES: u64 = 64 * 1024 * 1024;

/// From parent to child.
#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// The first line: the limits that the child lays on itself.
    Begin { address_space_bytes: u64, nice: i32 },
    /// Draw a picture.
    Draw {
        job: u64,
        prompt: String,
        seed: u64,
        width: u32,
        height: u32,
        steps: Option<u32>,
    },
    /// Stop drawing it.
    Cancel { job: u64 },
    /// Leave.
    End,
}

/// From child to parent.
#[derive(Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Report {
    /// The answer to `Begin`: the weights are read and orders are awaited.
    Hello(Hello),
    /// How far a picture is.
    Progress { job: u64, done: u32, of: u32 },
    /// A finished picture; so many raw bytes follow the line.
    Picture {
        job: u64,
        width: u32,
        height: u32,
        bytes: u64,
    },
    /// The job, or with job 0 the start, failed.
    Failed { job: u64, error: EngineError },
}

/// What holds in the child after it has limited itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol.
    pub protocol: u32,
    /// The model's id.
    pub model: String,
    /// Largest address space in bytes; absent where the system has no such limit.
    pub address_space_bytes: Option<u64>,
    /// Niceness; 0 where the system has none.
    pub nice: i32,
}

impl Order {
    pub(super) fn draw(job: u64, spec: &Spec) -> Self {
        let Spec {
            prompt,
            seed,
            width,
            height,
            steps,
        } = spec;
        Self::Draw {
            job,
            prompt: prompt.clone(),
            seed: *seed,
            width: *width,
            height: *height,
            steps: *steps,
        }
    }
}

/// A message as a line with its end.
pub(super) fn line(message: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::{Hello, LINE_BYTES, Order, Report, line};
    use crate::error::EngineError;
    use crate::starter::Spec;

    #[test]
    fn messages_survive_the_way() {
        let failed = Report::Failed {
            job: 3,
            error: EngineError::Weights("a \"b\"\n".to_owned()),
        };
        let text = line(&failed).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
        let Report::Failed { job: 3, error } = serde_json::from_slice(&text).unwrap() else {
            panic!()
        };
        assert_eq!(error, EngineError::Weights("a \"b\"\n".to_owned()));
        let error = EngineError::UnsupportedSize { width: 1, height: 2 };
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<EngineError>(&text).unwrap(), error);
        let hello = Hello {
            protocol: 1,
            model: "m".to_owned(),
            address_space_bytes: None,
            nice: 10,
        };
        let text = line(&Report::Hello(hello.clone())).unwrap();
        assert!(matches!(serde_json::from_slice(&text).unwrap(), Report::Hello(read) if read == hello));
    }

    /// The longest prompt fits a line even when every character is escaped.
    #[test]
    fn the_longest_prompt_fits_a_line() {
        let prompt = "\u{1}".repeat(crate::PROMPT_CHARACTERS);
        let spec = Spec {
            prompt,
            seed: u64::MAX,
            width: u32::MAX,
            height: u32::MAX,
            steps: Some(u32::MAX),
        };
        assert!((line(&Order::draw(u64::MAX, &spec)).unwrap().len() as u64) < LINE_BYTES);
    }
}
