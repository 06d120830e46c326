//! A server that follows a script: refuses at each stage, falls silent, hangs up.

use crate::support::{QUICK, mailer, message};
use notify::{Outcome, Problem, Stage, Timeouts};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// What it does when a command comes; everything else gets its usual answer.
#[derive(Clone, Copy)]
enum Act {
    Say(&'static str),
    Silence,
    HangUp,
}

/// Serves one connection by its script: the first line that begins with the word triggers the act. The
/// words `greeting` and `content` stand for the moments before the first and after the content.
async fn server(at: &'static str, act: Act) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut heard: Vec<String> = Vec::new();
        let (mut event, mut in_content) = ("greeting".to_owned(), false);
        loop {
            let usual = match event.split(' ').next().unwrap() {
                "greeting" => "220 mail.test ready",
                "EHLO" => "250-mail.test\r\n250 8BITMIME",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            let answer = match act {
                _ if !event.starts_with(at) => Some(usual),
                Act::Say(text) => Some(text),
                Act::Silence => None,
                Act::HangUp => return heard,
            };
            if let Some(answer) = answer {
                if writer
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .is_err()
                {
                    return heard;
                }
                in_content = event == "DATA" && answer.starts_with('3');
            }
            loop {
                let Ok(Some(line)) = lines.next_line().await else {
                    return heard;
                };
                if in_content && line != "." {
                    continue;
                }
                event = if in_content { "content".to_owned() } else { line };
                in_content = false;
                heard.push(event.clone());
                break;
            }
        }
    });
    (port, heard)
}

async fn outcome(at: &'static str, act: Act, timeouts: Timeouts) -> (Outcome, Vec<String>) {
    let (port, heard) = server(at, act).await;
    let mailer = mailer(&format!("smtp://127.0.0.1:{port}"), None, timeouts);
    let outcome = mailer.send(&message("ana@example.org")).await;
    (outcome, heard.await.unwrap())
}

const fn problem(stage: Stage, code: Option<u16>) -> Problem {
    Problem { stage, code }
}

#[tokio::test]
async fn every_refusal_is_told_by_its_stage_and_only_what_is_about_the_letter_is_final() {
    use Stage::{Connect, Content, Recipient, Sender};
    for (at, answer, stage, code, is_final) in [
        ("greeting", "421 too busy", Connect, 421, false),
        ("greeting", "554 no service", Connect, 554, false),
        ("EHLO", "550 who are you", Connect, 550, false),
        ("MAIL", "451 later", Sender, 451, false),
        ("MAIL", "550 not this sender", Sender, 550, false),
        ("RCPT", "450 greylisted, ana@example.org", Recipient, 450, false),
        (
            "RCPT",
            "550 5.1.1 no such user ana@example.org",
            Recipient,
            550,
            true,
        ),
        ("DATA", "452 no room", Content, 452, false),
        ("DATA", "554 no", Content, 554, true),
        ("content", "451 try again", Content, 451, false),
        ("content", "554 looks like spam", Content, 554, true),
    ] {
        let (outcome, _) = outcome(at, Act::Say(answer), QUICK).await;
        let reason = problem(stage, Some(code));
        let expected = if is_final {
            Outcome::Never { reason }
        } else {
            Outcome::Later { reason }
        };
        assert_eq!(outcome, expected, "{at}: {answer}");
        assert!(
            !format!("{reason} {outcome:?}").contains('@'),
            "an answer's words tell addresses"
        );
    }
}

#[tokio::test]
async fn a_cut_connection_is_tried_again() {
    for (at, stage) in [
        ("greeting", Stage::Connect),
        ("EHLO", Stage::Connect),
        ("MAIL", Stage::Sender),
        ("RCPT", Stage::Recipient),
        ("DATA", Stage::Content),
        ("content", Stage::Content),
    ] {
        let (outcome, _) = outcome(at, Act::HangUp, QUICK).await;
        let reason = problem(stage, None);
        assert_eq!(outcome, Outcome::Later { reason }, "{at}");
    }
}

#[tokio::test]
async fn a_silent_server_does_not_hold_a_worker() {
    let impatient = Timeouts {
        connect: Duration::from_millis(100),
        command: Duration::from_millis(100),
        content: Duration::from_millis(100),
    };
    // With a server that never answers the patience is run out whatever the machine's speed; only the
    // stage at which that happens would depend on it, so each wait but one is long.
    for (at, stage) in [
        ("greeting", Stage::Connect),
        ("RCPT", Stage::Recipient),
        ("content", Stage::Content),
    ] {
        let timeouts = match stage {
            Stage::Connect => Timeouts {
                connect: impatient.connect,
                ..QUICK
            },
            Stage::Content => Timeouts {
                content: impatient.content,
                ..QUICK
            },
            _ => Timeouts {
                command: Duration::from_millis(500),
                ..QUICK
            },
        };
        let timeouts = Timeouts {
            command: timeouts.command.min(Duration::from_millis(500)),
            ..timeouts
        };
        let (outcome, _) = outcome(at, Act::Silence, timeouts).await;
        let reason = problem(stage, None);
        assert_eq!(outcome, Outcome::Later { reason }, "{at}");
    }
}

#[tokio::test]
async fn a_broken_goodbye_changes_nothing() {
    for act in [Act::HangUp, Act::Say("500 rude")] {
        assert_eq!(outcome("QUIT", act, QUICK).await.0, Outcome::Sent);
    }
}

#[tokio::test]
async fn without_starttls_a_server_elsewhere_hears_nothing_but_the_greeting() {
    // An authority named for it makes even a server on this machine one that must be proved.
    let (port, heard) = server("never", Act::Silence).await;
    let url = format!("smtp://user:hunter2@127.0.0.1:{port}");
    let Ok(pem) = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt") else {
        return;
    };
    let mailer = mailer(&url, Some(&pem), QUICK);
    let reason = problem(Stage::Protect, None);
    assert_eq!(
        mailer.send(&message("ana@example.org")).await,
        Outcome::Later { reason }
    );
    drop(mailer);
    let heard = heard.await.unwrap().join("\n");
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
}

#[tokio::test]
async fn no_address_text_becomes_another_command() {
    let (port, heard) = server("never", Act::Silence).await;
    let mailer = mailer(&format!("smtp://127.0.0.1:{port}"), None, QUICK);
    // What `Email` lets through and SMTP has no form for.
    for odd in [
        "a\\b@example.org",
        "a@[127.0.0.1]",
        "a@-",
        "a:b@example.org",
        "a..b@example.org",
    ] {
        let Ok(to) = domain::identity::Email::parse(odd) else {
            continue;
        };
        let outcome = mailer
            .send(&notify::Message {
                to,
                ..message("ana@example.org")
            })
            .await;
        assert!(
            matches!(outcome, Outcome::Never { reason } if reason.stage == Stage::Recipient),
            "{odd}: {outcome:?}"
        );
    }
    let outcome = mailer.send(&message("joão@example.org")).await;
    assert_eq!(
        outcome,
        Outcome::Never {
            reason: problem(Stage::Recipient, Some(553))
        },
        "the server does not take such addresses"
    );
    let heard = heard.await.unwrap();
    assert!(
        heard
            .iter()
            .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn nobody_listening_is_told_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mailer = mailer(&format!("smtp://127.0.0.1:{port}"), None, QUICK);
    let reason = problem(Stage::Connect, None);
    assert_eq!(
        mailer.send(&message("ana@example.org")).await,
        Outcome::Later { reason }
    );
}
