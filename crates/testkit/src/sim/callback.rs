//! Callbacks: a POST of the generation to the address in the request. Unsigned; three more tries, 100 ms
//! apart, when the answer is not 200; 5 s for each. An unruly plan sends some early, twice, or to a token
//! that nobody gave.

use super::faults::Callbacks;
use super::jobs::Job;
use super::state::State;
use crate::chance::draw;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn arrange(state: &Arc<State>, job: &Job) {
    let Some(Callbacks { after, unruly }) = state.plan.callbacks else {
        return;
    };
    let Some(url) = job
        .request
        .get("callback_url")
        .and_then(Value::as_str)
        .map(str::to_owned)
    else {
        return;
    };
    let mood = if unruly {
        draw(state.plan.seed, &["callback", &job.id]) % 4
    } else {
        0
    };
    let (state, id) = (Arc::clone(state), job.id.clone());
    tokio::spawn(async move {
        if mood == 1 {
            send(&state, &id, &url).await;
        }
        if mood == 2 {
            let wrong = url
                .rsplit_once('/')
                .map(|(base, token)| format!("{base}/{}", "0".repeat(token.len())));
            send(&state, &id, &wrong.unwrap_or_default()).await;
        }
        tokio::time::sleep(after).await;
        state.finish(&id);
        send(&state, &id, &url).await;
        if mood == 3 {
            send(&state, &id, &url).await;
        }
    });
}

async fn send(state: &State, id: &str, url: &str) {
    let Some(job) = state.job(id) else { return };
    let body = super::dream_machine::shown(state, &job).to_string();
    for _ in 0..TRIES {
        if let Ok(Ok(200)) = tokio::time::timeout(LIMIT, post(url, &body)).await {
            return;
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn post(url: &str, body: &str) -> std::io::Result<u16> {
    let bad = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(bad)?;
    let mut stream = TcpStream::connect(host).await?;
    let length = body.len();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(bad)
}
