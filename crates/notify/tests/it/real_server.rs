//! A whole mail server in another language takes messages over; another e-mail parser reads them.

use crate::support::{QUICK, mailer, message};
use notify::{Outcome, Problem, Stage};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where `cargo xtask test` puts what it installs from PyPI.
fn python() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/bin/python3");
    if ours.is_file() { ours } else { "python3".into() }
}

struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
    certificate: String,
}

impl Server {
    /// `None`, and loudly, where the Python package `aiosmtpd` is not installed.
    fn start(arguments: &[&str]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_server.py");
        let mut child = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need python3 on the path");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        if first.is_empty() {
            let said = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.contains("ModuleNotFoundError"), "{said}");
            let advice = "**** NOT TESTED AGAINST A REAL MAIL SERVER: install the Python packages aiosmtpd and \
                          cryptography (cargo xtask test does, into target/tools/python) ****";
            // Past the test harness, which hides what passing tests print.
            std::io::stderr()
                .write_all(format!("\n{advice}\n").as_bytes())
                .unwrap();
            return None;
        }
        let first: Value = serde_json::from_str(&first).unwrap();
        Some(Self {
            child,
            lines,
            port: first["port"].as_u64().unwrap(),
            certificate: first["certificate"].as_str().unwrap().to_owned(),
        })
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Everything it took over that was not asked for yet.
    fn rest(mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        while self.lines.read_line(&mut rest).unwrap() > 0 {}
        self.child.wait().unwrap();
        rest
    }
}

fn header<'a>(taken: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = taken["headers"].as_array().unwrap().iter();
    let named = headers.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    named.map(|header| header[1].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_written() {
    let Some(mut server) = Server::start(&["plain"]) else {
        return;
    };
    let mailer = mailer(&format!("smtp://127.0.0.1:{}", server.port), None, QUICK);
    assert_eq!(mailer.probe().await, Ok(()));
    let sent = message("ana@example.org");
    assert_eq!(mailer.send(&sent).await, Outcome::Sent);
    let taken = server.next();
    assert_eq!(taken["defects"], serde_json::json!([]));
    assert_eq!(
        (&taken["from"], &taken["to"][0]),
        (&"studio@example.org".into(), &"ana@example.org".into())
    );
    assert_eq!(header(&taken, "From"), ["Estúdio <studio@example.org>"]);
    assert_eq!(header(&taken, "To"), ["ana@example.org"]);
    assert_eq!(header(&taken, "Subject"), [sent.subject.as_str()]);
    assert_eq!(header(&taken, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&taken, "Date"), ["Wed, 18 Nov 2026 11:06:40 +0000"]);
    assert_eq!(
        header(&taken, "Message-ID"),
        [format!("<{}@example.org>", sent.id)]
    );
    assert_eq!(taken["kind"], "multipart/alternative");
    let same = |got: &Value, wanted: &str| {
        got.as_str().unwrap().replace("\r\n", "\n").trim_end() == wanted.trim_end()
    };
    assert!(same(&taken["parts"]["text/plain"], &sent.text), "{taken}");
    assert!(same(&taken["parts"]["text/html"], &sent.html), "{taken}");
    assert_eq!(taken["ascii"], true, "every server takes ASCII");
    assert!(
        taken["longest"].as_u64().unwrap() <= 998,
        "RFC 5322 section 2.1.1"
    );
    assert_eq!(server.rest(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_starttls_and_the_password_travels_inside() {
    let Some(mut server) = Server::start(&["starttls", "studio", "s e/cret"]) else {
        return;
    };
    let url = format!("smtp://studio:s%20e%2Fcret@127.0.0.1:{}", server.port);
    let good = mailer(&url, Some(&server.certificate), QUICK);
    assert_eq!(good.send(&message("ana@example.org")).await, Outcome::Sent);
    let taken = server.next();
    assert_eq!(
        (&taken["encrypted"], &taken["user"]),
        (&true.into(), &"studio".into())
    );
    let wrong = url.replace("s%20e", "x");
    let wrong = mailer(&wrong, Some(&server.certificate), QUICK);
    let refused = Problem {
        stage: Stage::Login,
        code: Some(535),
    };
    assert_eq!(wrong.probe().await, Err(refused));
    assert_eq!(
        wrong.send(&message("ana@example.org")).await,
        Outcome::Later { reason: refused }
    );
    assert_eq!(server.rest(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_certificate_gets_nothing() {
    for (mode, scheme) in [("starttls", "smtp"), ("tls", "smtps")] {
        let (Some(server), Some(other)) = (Server::start(&[mode]), Server::start(&[mode])) else {
            return;
        };
        let url = format!("{scheme}://127.0.0.1:{}", server.port);
        let mailer = mailer(&url, Some(&other.certificate), QUICK);
        let reason = Problem {
            stage: Stage::Protect,
            code: None,
        };
        assert_eq!(
            mailer.send(&message("ana@example.org")).await,
            Outcome::Later { reason },
            "{mode}"
        );
        assert_eq!(server.rest(), "");
        other.rest();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte() {
    let Some(mut server) = Server::start(&["tls"]) else {
        return;
    };
    let url = format!("smtps://127.0.0.1:{}", server.port);
    let mailer = mailer(&url, Some(&server.certificate), QUICK);
    assert_eq!(mailer.send(&message("ana@example.org")).await, Outcome::Sent);
    assert_eq!(server.next()["encrypted"], true);
    server.rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_beyond_ascii_arrive() {
    let Some(mut server) = Server::start(&["plain"]) else {
        return;
    };
    let mailer = mailer(&format!("smtp://127.0.0.1:{}", server.port), None, QUICK);
    assert_eq!(
        mailer.send(&message("joão@correio.é.example")).await,
        Outcome::Sent
    );
    assert_eq!(server.next()["to"][0], "joão@correio.xn--9ca.example");
    server.rest();
}
