//! A small HTTP/1.1 client of its own, one connection for each request: it sends what it is told, also
//! what a well-behaved client would not, and shows the answer as it came.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use serde_json::Value;

use crate::bed::PATIENCE;

/// A request. Nobody is behind it unless [`Call::bearer`] says so.
pub struct Call {
    address: SocketAddr,
    bearer: Option<String>,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Call {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            bearer: None,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Shows an API key or access token, unless an `Authorization` is given as a header.
    pub fn bearer(mut self, secret: &str) -> Self {
        self.bearer = Some(secret.to_owned());
        self
    }

    /// Nobody is behind it.
    pub fn anonymous(mut self) -> Self {
        self.bearer = None;
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    fn names(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The head of the request. `Host` and `Content-Length` are added where they are not given.
    fn head(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path).into_bytes();
        if !self.names("host") {
            head.extend_from_slice(format!("Host: {}\r\n", self.address).as_bytes());
        }
        if !self.names("content-length") && (!self.body.is_empty() || self.method != "GET") {
            head.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        if let Some(secret) = self.bearer.as_ref().filter(|_| !self.names("authorization")) {
            head.extend_from_slice(format!("Authorization: Bearer {secret}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Sends it and reads the whole answer.
    pub fn send(self) -> Answer {
        let head = self.head();
        let stream = connect(self.address);
        let mut writer = stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                // A refusal may come, and the connection go, before the body is through.
                let _ = writer
                    .write_all(&head)
                    .and_then(|()| writer.write_all(&self.body));
            });
            Answer::read(&mut BufReader::new(&stream), &self.method)
        })
    }

    /// Sends the head and `sent` bytes of the body, and leaves the rest for later.
    pub fn begin(self, sent: usize) -> Begun {
        let mut stream = connect(self.address);
        stream.write_all(&self.head()).unwrap();
        stream.write_all(&self.body[..sent]).unwrap();
        Begun {
            stream,
            rest: self.body[sent..].to_vec(),
            method: self.method,
        }
    }
}

/// Sends these very bytes, and reads what comes back.
pub fn raw_answer(address: SocketAddr, bytes: &[u8]) -> Answer {
    let stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            // It may be turned away before it is through.
            let _ = writer.write_all(bytes);
        });
        Answer::read(&mut BufReader::new(&stream), "GET")
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request that is half sent.
pub struct Begun {
    stream: TcpStream,
    rest: Vec<u8>,
    method: String,
}

impl Begun {
    pub fn finish(mut self) -> Answer {
        self.stream.write_all(&self.rest).unwrap();
        Answer::read(&mut BufReader::new(&self.stream), &self.method)
    }

    /// Reads the answer without sending the rest.
    pub fn answer(self) -> Answer {
        Answer::read(&mut BufReader::new(&self.stream), &self.method)
    }

    /// Breaks the connection as a lost network would.
    pub fn breaks(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(2000).collect();
        write!(f, "{} {:?}\n{body}", self.status, self.headers)
    }
}

/// Status and headers, in lower case.
fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).expect("an answer");
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no status in `{line}`"));
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return (status, headers);
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn is_chunked(headers: &[(String, String)]) -> bool {
    headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
}

impl Answer {
    fn read(reader: &mut impl BufRead, method: &str) -> Self {
        let (status, headers) = read_head(reader);
        let mut answer = Self {
            status,
            headers,
            body: Vec::new(),
        };
        if method == "HEAD" || status == 204 || status == 304 {
            return answer;
        }
        if is_chunked(&answer.headers) {
            Chunks::new(reader).read_to_end(&mut answer.body).unwrap();
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut answer.body).unwrap();
        } else {
            reader.read_to_end(&mut answer.body).unwrap();
        }
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer with this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The problem of this status and code, with every field a problem has.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(problem["code"], code, "{self:?}");
        for field in ["type", "title", "detail", "request_id"] {
            let text = problem[field].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
        assert_eq!(
            problem["request_id"].as_str(),
            self.header("x-request-id"),
            "{self:?}"
        );
        problem
    }
}

/// Takes the chunks of a body apart as they come.
struct Chunks<R> {
    reader: R,
    left: usize,
    over: bool,
}

impl<R: BufRead> Chunks<R> {
    const fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            over: false,
        }
    }

    fn next_size(&mut self) -> std::io::Result<usize> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            // The line end of the chunk before, or the end of the connection.
            line.clear();
            self.reader.read_line(&mut line)?;
        }
        Ok(usize::from_str_radix(line.trim(), 16).unwrap_or(0))
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.over {
            self.left = self.next_size()?;
            self.over = self.left == 0;
        }
        if self.over {
            return Ok(0);
        }
        let most = out.len().min(self.left);
        let count = self.reader.read(&mut out[..most])?;
        self.left -= count;
        self.over = count == 0;
        Ok(count)
    }
}

/// Bytes of an answer that does not end by itself.
pub struct Stream {
    pub headers: Vec<(String, String)>,
    lines: BufReader<Chunks<BufReader<TcpStream>>>,
}

impl Stream {
    pub fn open(call: &Call) -> Self {
        let mut stream = connect(call.address);
        stream.write_all(&call.head()).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, headers) = read_head(&mut reader);
        assert_eq!(status, 200);
        Self {
            headers,
            lines: BufReader::new(Chunks::new(reader)),
        }
    }

    /// The next line, or none at the end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.lines.read_line(&mut line).expect("the stream stands still");
        (count > 0).then(|| line.trim_end_matches('\n').to_owned())
    }
}
