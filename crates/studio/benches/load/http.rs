//! A client of one kept connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Client {
    port: u16,
    bearer: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of the server at this port that shows this API key.
    pub fn new(port: u16, bearer: &str) -> Self {
        Self {
            port,
            bearer: bearer.to_owned(),
            connection: None,
        }
    }

    /// One request and its status and body; a broken connection is an error and the next request has a new one.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> std::io::Result<(u16, Vec<u8>)> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(stream)
            }
        };
        let answer = exchange(
            &mut connection,
            self.port,
            &self.bearer,
            (method, path),
            key,
            body,
        )?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn exchange(
    connection: &mut BufReader<TcpStream>,
    port: u16,
    bearer: &str,
    (method, path): (&str, &str),
    key: Option<&str>,
    body: &str,
) -> std::io::Result<(u16, Vec<u8>)> {
    let unreadable = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let key = key.map_or_else(String::new, |key| format!("Idempotency-Key: {key}\r\n"));
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {bearer}\r\nContent-Length: {length}\r\n{key}\r\n{body}"
    );
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut length) = (None, None);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        } else if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().ok();
        }
    }
    let mut answer = vec![0; length.ok_or_else(unreadable)?];
    connection.read_exact(&mut answer)?;
    Ok((status.ok_or_else(unreadable)?, answer))
}
